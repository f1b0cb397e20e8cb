//! Findings to ranked causes, and the choice of the next experiment.
//!
//! `conclusion` is the way in. `knowledge` reads `profiles/causes` and `profiles/experiments`, `grades` turns its words
//! into numbers, `inference` ranks, `next_experiment` chooses.

pub mod conclusion;
mod footing;
pub mod grades;
pub mod inference;
pub mod knowledge;
pub mod next_experiment;
pub mod pairs;
pub mod subject;
pub mod verdict;
pub mod why;
