//! Statistics: events to findings.
//!
//! `campaign_evidence` is the way in. One file per method (`confidence_sequence`, `exact_test`, ...), one per subject of
//! findings (`over_boots`, `where_in_cycle`, ...); `weight` holds the rule for how much a finding counts.

pub mod boot_log;
pub mod campaign_evidence;
pub mod chance;
pub mod confidence_sequence;
pub mod finding;
pub mod kinds_of_failure;
pub mod latency_sketch;
pub mod over_boots;
pub mod rate;
pub mod solve;
#[cfg(test)]
mod synthetic;
pub mod trial;
pub mod weight;
pub mod where_in_cycle;
