//! What a screen reads from a running investigation, and what it may ask of it.

use std::sync::Arc;

use super::snapshot::Snapshot;

/// Where the latest picture is found. Cheap to ask many times a second: the same `Arc` comes back until something changed.
pub trait SnapshotSource {
    fn latest(&self) -> Arc<Snapshot>;
}

/// A wish of the operator. The campaign never waits for one, except for the answer it asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Simulated seconds per second of the host, for virtual boards; infinite means as fast as the host can.
    SetPace(f64),
    /// Finish or kill the step at hand, write the cycle as interrupted and end.
    Stop,
    /// What the operator answers to [`super::snapshot::RunState::Waiting`]; empty where it was only to be done.
    Answer(String),
}
