//! A case read from end to end: what it comes to, and every cycle.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ledger::{Depth, Ledger};
use super::snapshot::{RunState, Snapshot};
use crate::case::file::{Case, CaseError};
use crate::diagnosis::conclusion::Library;
use crate::diagnosis::knowledge::Knowledge;
use crate::diagnosis::why::Question;
use crate::observation::cycle::Cycle;
use crate::observation::event::EventKind;
use crate::profile::loader::{self, ProfileError};

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Case(#[from] CaseError),
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error("{} holds no campaign but {}; `flakescope triage --case {}` shows them", .path.display(), if *.reports == 1 { "1 report".to_owned() } else { format!("{} reports", .reports) }, .path.display())]
    Reports { path: PathBuf, reports: u64 },
}

/// Opens a case of which a verdict is wanted; one that holds nothing but reports has as many verdicts as reports.
fn open(path: &Path) -> Result<Case, ReadError> {
    let case = Case::open(path)?;
    match case.report_count()? {
        reports @ 1.. if case.is_empty() => Err(ReadError::Reports { path: path.to_owned(), reports }),
        _ => Ok(case),
    }
}

/// Why a cause stands where it stands in the verdict on the case at `path`; `Err` in the answer names the nearest cause.
pub fn why(path: &Path, cause: &str, question: Question) -> Result<Result<String, String>, ReadError> {
    let library = Arc::new(Library::load()?);
    let ledger = Ledger::of_case(&open(path)?, Arc::clone(&library))?;
    let answer = ledger.why(cause, question);
    Ok(answer.ok_or_else(|| no_answer(&library.knowledge, cause)))
}

fn no_answer(knowledge: &Knowledge, cause: &str) -> String {
    let shown: String = cause.chars().filter(|c| !c.is_control()).collect();
    let names = || knowledge.causes.iter().map(|cause| cause.id.as_str());
    if names().any(|name| name == cause) {
        return format!("`{shown}` is no cause that can be met over this link");
    }
    if knowledge.families.iter().any(|family| family.id == cause) {
        let of_family = knowledge.causes.iter().filter(|known| known.family == cause);
        let of_family: Vec<_> = of_family.map(|known| known.id.as_str()).collect();
        return format!("`{shown}` is a family of causes, not a cause; its causes are: {}", of_family.join(", "));
    }
    let near = loader::nearest(cause, names()).map(|near| format!("did you mean `{near}`?"));
    let hint = near.unwrap_or_else(|| "`flakescope explain` lists all names".to_owned());
    format!("no cause is called `{shown}`; {hint}")
}

/// Folds the case at `path` and gives its verdict.
pub fn read(path: &Path) -> Result<(Snapshot, Vec<Cycle>), ReadError> {
    let case = open(path)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_has_no_answer_is_told_apart_from_a_name_that_is_none() {
        let knowledge = Knowledge::built_in().unwrap();
        let told = |name: &str| no_answer(&knowledge, name);
        assert_eq!(told("swd-wiring"), "`swd-wiring` is no cause that can be met over this link");
        assert_eq!(told("swd-wirin"), "no cause is called `swd-wirin`; did you mean `swd-wiring`?");
        assert_eq!(told("qqq"), "no cause is called `qqq`; `flakescope explain` lists all names");
        assert!(
            told("usb-signal-integrity").contains("its causes are: damage, probe-cable, usb-cable"),
            "{}",
            told("usb-signal-integrity")
        );
    }
}
