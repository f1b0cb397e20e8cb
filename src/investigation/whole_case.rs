//! A case read from end to end: what it comes to, and every cycle.

use std::path::Path;
use std::sync::Arc;

use super::ledger::{Depth, Ledger};
use super::snapshot::{RunState, Snapshot};
use crate::case::file::{Case, CaseError};
use crate::diagnosis::conclusion::Library;
use crate::observation::cycle::Cycle;
use crate::observation::event::EventKind;
use crate::profile::loader::ProfileError;

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Case(#[from] CaseError),
    #[error(transparent)]
    Profile(#[from] ProfileError),
}

/// Folds the case at `path` and gives its verdict.
pub fn read(path: &Path) -> Result<(Snapshot, Vec<Cycle>), ReadError> {
    let case = Case::open(path)?;
    let mut ledger = Ledger::new(Arc::new(Library::load()?));
    let mut cycles = Vec::new();
    case.for_each(|event| {
        ledger.absorb(&event);
        if let EventKind::CycleFinished(cycle) = event.kind {
            cycles.push(cycle);
        }
    })?;
    let state = if ledger.was_interrupted() { RunState::Interrupted } else { RunState::Finished };
    Ok((ledger.snapshot(Depth::Verdict, state, Some(path.to_owned())), cycles))
}
