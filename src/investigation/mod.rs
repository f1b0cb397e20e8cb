//! The only composer: live runs, triage, replay, compare and evaluation are put together here.

pub mod advice;
pub mod board_facts;
pub mod calibration;
pub mod collection;
pub mod commands;
pub mod contradictions;
pub mod crew;
pub mod engine;
pub mod evaluation;
pub mod evaluation_score;
#[cfg(test)]
mod findings_tests;
pub mod guided;
pub mod hands;
pub mod helm;
pub mod labels;
pub mod learning;
pub mod ledger;
pub mod limits;
pub mod live;
pub mod option_facts;
pub mod part_facts;
pub mod register_facts;
pub mod replay;
pub mod scenario;
mod scenario_check;
pub mod score;
pub mod snapshot;
pub mod standby;
mod steadiness;
pub mod strategy;
pub mod subjects;
pub mod tail;
pub mod triage;
pub mod trials;
pub mod troubles;
pub mod whole_case;
