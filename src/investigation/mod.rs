//! The only composer: live runs, triage, replay, compare and evaluation are put together here.

pub mod commands;
pub mod snapshot;
