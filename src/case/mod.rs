//! The case file: one investigation, one SQLite file.
