//! Findings to ranked causes, and the choice of the next experiment.

pub mod verdict;
