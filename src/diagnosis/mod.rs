//! Findings to ranked causes, and the choice of the next experiment.
//!
//! `conclusion` is the way in. `knowledge` reads `profiles/causes` (`cause`) and `profiles/experiments` (`experiment`), `grades` turns its words
//! into numbers, `inference` ranks, `next_experiment` chooses. For a report, `likeness` gives a second opinion, and `pooling` makes one of both.

pub mod cause;
pub mod conclusion;
pub mod experiment;
mod footing;
pub mod grades;
pub mod inference;
pub mod knowledge;
pub mod likeness;
pub mod next_experiment;
pub mod pairs;
mod pooling;
pub mod subject;
pub mod verdict;
pub mod why;
