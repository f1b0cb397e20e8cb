//! Campaigns: plan, re-entry and the runner that performs cycles.

mod altering;
pub mod attend;
pub mod journal;
pub mod materials;
pub mod option_plan;
pub mod plan;
pub mod program;
pub mod question;
pub mod recipe;
pub mod recovery;
pub mod reentry;
pub mod runner;
mod skipping;

use crate::observation::event::EventKind;
use crate::observation::units::Micros;

/// Where events go. Returns once the event is durable, so that a finished cycle is never lost.
pub trait Sink {
    fn accept(&mut self, at: Option<Micros>, kind: EventKind) -> Result<(), SinkClosed>;
}

/// The receiver of events is gone; its own error says why.
#[derive(Debug, thiserror::Error)]
#[error("the receiver of the campaign's events has stopped")]
pub struct SinkClosed;

/// What to do next; asked before every cycle.
pub trait Steer {
    fn next(&mut self, now: Micros) -> Direction;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Continue,
    /// What was wanted is reached.
    Finish,
    /// The operator or a signal says stop.
    Interrupt,
}
