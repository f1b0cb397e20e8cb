//! The journal of a case: what was altered, and what that left undone.

use super::file::{Case, CaseError};
use crate::campaign::journal::Journal;

/// Folds every event that the case holds.
pub fn of(case: &Case) -> Result<Journal, CaseError> {
    let mut journal = Journal::default();
    case.for_each(|event| journal.absorb(&event.kind))?;
    Ok(journal)
}
