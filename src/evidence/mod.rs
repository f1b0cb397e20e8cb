//! Statistics: events to findings.

pub mod finding;
pub mod rate;
