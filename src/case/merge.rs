//! One case of several: boots and cycles are renumbered so that none is lost or counted twice.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::file::{Case, CaseError, Durability};
use super::journal;
use crate::campaign::recovery;
use crate::observation::event::{Event, EventKind};

#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    #[error(transparent)]
    Case(#[from] CaseError),
    #[error(
        "{} is not merged: its board was left altered, and a case of several boards no longer tells how to put that right; do first what \
         `flakescope journal {0}` says: {state}", .path.display()
    )]
    LeftAltered { path: PathBuf, state: String },
}

/// The first source that an earlier one is too, perhaps by another spelling of its path.
pub fn given_twice(paths: &[PathBuf]) -> Option<&Path> {
    let mut met = BTreeSet::new();
    // What cannot be found is told where it is opened.
    paths.iter().find(|path| path.canonicalize().is_ok_and(|path| !met.insert(path))).map(PathBuf::as_path)
}

/// A new case of all events of `sources`, in order, and their reports, each once. There is none after an error: half a case would
/// look like a whole one.
pub fn merge(sources: &[Case], out: &Path, durability: Durability) -> Result<Case, MergeError> {
    refuse_altered(sources)?;
    let is_new = !out.exists();
    let mut target = Case::open_or_create(out, durability)?;
    match target.all_or_nothing(|target| append_all(sources, target)) {
        Ok(()) => Ok(target),
        Err(error) => {
            if is_new {
                target.discard();
            }
            Err(error.into())
        }
    }
}

/// A journal follows one board: what a source left undone would be lost among the alterations of the next.
fn refuse_altered(sources: &[Case]) -> Result<(), MergeError> {
    for source in sources {
        let path = source.path();
        let left = recovery::of(&journal::of(source)?, &path.display().to_string());
        if let Some(first) = left.first() {
            return Err(MergeError::LeftAltered { path: path.to_owned(), state: first.text.clone() });
        }
    }
    Ok(())
}

fn append_all(sources: &[Case], target: &mut Case) -> Result<(), CaseError> {
    let mut numbering = Renumbering::default();
    for source in sources {
        let mut result = Ok(());
        source.for_each(|event| {
            if result.is_ok() {
                result = target.append(event.at, numbering.renumber(event)).map(drop);
            }
        })?;
        result?;
        numbering.next_source();
        let mut result = Ok(());
        source.for_each_report(|report| {
            if result.is_ok() {
                result = target.add_report(&report).map(drop);
            }
        })?;
        result?;
    }
    Ok(())
}

/// Boots and cycles that earlier sources have used up, and the highest numbers seen so far.
#[derive(Default)]
struct Renumbering {
    boots_before: u32,
    cycles_before: u32,
    boots: u32,
    cycles: u32,
}

impl Renumbering {
    fn renumber(&mut self, event: Event) -> EventKind {
        match event.kind {
            EventKind::BootStarted(mut boot) => {
                boot.number += self.boots_before;
                self.boots = self.boots.max(boot.number);
                EventKind::BootStarted(boot)
            }
            EventKind::CycleFinished(mut cycle) => {
                cycle.number += self.cycles_before;
                cycle.boot = cycle.boot.map(|boot| boot + self.boots_before);
                self.cycles = self.cycles.max(cycle.number);
                EventKind::CycleFinished(cycle)
            }
            other => other,
        }
    }

    fn next_source(&mut self) {
        self.boots_before = self.boots;
        self.cycles_before = self.cycles;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::journal::tests::{began, done, erase};
    use crate::observation::alteration::Place;
    use crate::observation::boot::{Boot, BootKind, BootProof};
    use crate::observation::cycle::Cycle;
    use crate::observation::units::Micros;

    fn case_of_one_boot(path: &Path) -> Case {
        let mut case = Case::open_or_create(path, Durability::Crash).unwrap();
        let boot = Boot { number: 1, started: Micros::ZERO, kind: BootKind::Unknown, proof: BootProof::None };
        case.append(None, EventKind::BootStarted(boot)).unwrap();
        let cycle = Cycle { number: 1, boot: Some(1), started: None, steps: Vec::new(), levels: Default::default() };
        case.append(None, EventKind::CycleFinished(cycle)).unwrap();
        case
    }

    #[test]
    fn a_case_that_is_given_twice_is_noticed_however_its_path_is_spelt() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["a", "b"] {
            std::fs::write(path(name), name).unwrap();
        }
        assert_eq!(given_twice(&[path("a"), path("b"), path("missing"), path("missing")]), None);
        let again = path(".").join("a");
        assert_eq!(given_twice(&[path("a"), path("b"), again.clone()]), Some(again.as_path()));
    }

    #[test]
    fn boots_and_cycles_of_several_cases_get_numbers_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let sources = [case_of_one_boot(&folder.path().join("a")), case_of_one_boot(&folder.path().join("b"))];
        let target = merge(&sources, &folder.path().join("c"), Durability::Crash).unwrap();
        let mut numbers = Vec::new();
        target
            .for_each(|event| match event.kind {
                EventKind::BootStarted(boot) => numbers.push((boot.number, None)),
                EventKind::CycleFinished(cycle) => numbers.push((cycle.number, cycle.boot)),
                _ => {}
            })
            .unwrap();
        assert_eq!(numbers, [(1, None), (1, Some(1)), (2, None), (2, Some(2))]);
    }

    #[test]
    fn a_case_whose_board_was_left_altered_is_not_merged() {
        let folder = tempfile::tempdir().unwrap();
        let sound = case_of_one_boot(&folder.path().join("a"));
        let mut altered = case_of_one_boot(&folder.path().join("b"));
        altered.append(None, began(&erase(Place::Scratch))).unwrap();
        altered.append(None, done()).unwrap();
        let out = folder.path().join("c");
        let error = merge(&[altered, sound], &out, Durability::Crash).unwrap_err();
        let expected = format!("`flakescope journal {}` says: the scratch range", folder.path().join("b").display());
        assert!(matches!(error, MergeError::LeftAltered { .. }) && error.to_string().contains(&expected), "{error}");
        assert!(!out.exists());
    }

    #[test]
    fn a_source_that_cannot_be_read_to_its_end_leaves_no_case() {
        let folder = tempfile::tempdir().unwrap();
        let sound = case_of_one_boot(&folder.path().join("a"));
        drop(case_of_one_boot(&folder.path().join("b")));
        let damaged = folder.path().join("b");
        let database = rusqlite::Connection::open(&damaged).unwrap();
        database
            .execute_batch(
                "CREATE TABLE report (number INTEGER PRIMARY KEY, digest TEXT, name TEXT, lines INTEGER, events TEXT);
                 INSERT INTO report (digest, name, lines, events) VALUES ('aa', 'a.txt', 1, '{');",
            )
            .unwrap();
        drop(database);
        let out = folder.path().join("c");
        let error = merge(&[sound, Case::open(&damaged).unwrap()], &out, Durability::PowerLoss).unwrap_err();
        assert!(matches!(error, MergeError::Case(CaseError::BadEvent { .. })), "{error}");
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| !name.to_string_lossy().starts_with('c')), "{left:?}");
    }
}
