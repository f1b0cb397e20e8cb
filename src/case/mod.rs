//! The case file: one investigation, one SQLite file.

pub mod file;
pub mod journal;
pub mod merge;
pub mod reports;
