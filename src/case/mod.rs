//! The case file: one investigation, one SQLite file.

mod claim;
pub mod file;
pub mod journal;
pub mod merge;
pub mod reports;
