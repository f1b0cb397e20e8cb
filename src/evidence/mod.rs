//! Statistics: events to findings.
//!
//! `campaign_evidence` is the way in. One file per method (`confidence_sequence`, `exact_test`, ...), one per subject of
//! findings (`over_boots`, `where_in_cycle`, ...); `weight` holds the rule for how much a finding counts.

pub mod arms;
pub mod arrival;
pub mod boot_log;
pub mod campaign_evidence;
pub mod catalogue;
pub mod chance;
pub mod change_point;
pub mod clock_looks;
pub mod clock_marks;
pub mod clock_phase;
pub mod compare;
pub mod confidence_sequence;
pub mod covariates;
pub mod difference;
pub mod e_value;
pub mod every_nth;
pub mod exact_test;
pub mod experiment;
pub mod factor_table;
pub mod factor_watch;
pub mod factors;
pub mod finding;
pub mod independent_sum;
pub mod intraclass;
pub mod jackknife;
pub mod kinds_of_failure;
pub mod latency_before;
pub mod latency_sketch;
pub mod lengths;
pub mod loss;
pub mod multiplicity;
pub mod observed;
pub mod over_boots;
pub mod over_time;
pub mod periods;
pub mod permutation;
pub mod place;
pub mod probe_factor;
pub mod ranks;
pub mod rate;
pub mod requests;
pub mod retries;
pub mod retry_rules;
pub mod rules;
pub mod runs_test;
pub mod same_point;
pub mod sightings;
pub mod solve;
pub mod spectrum;
pub mod speed_curve;
pub mod streak_shuffle;
pub mod survival;
#[cfg(test)]
pub mod synthetic;
pub mod time_in_boot;
mod transfer_count;
pub mod transfers;
pub mod trial;
pub mod weight;
pub mod where_in_cycle;
pub mod wire_damage;
