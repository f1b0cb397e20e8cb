//! `flakescope compare`: two cases, arms or spans of boots against each other.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use super::console::Console;
use super::exit::ExitCode;
use crate::case::file::{Case, CaseError};
use crate::evidence::compare::{Side, SideBoot, compare};
use crate::evidence::finding::Unit;
use crate::investigation::guided::EXPERIMENT;
use crate::observation::cycle::Cycle;
use crate::observation::event::EventKind;

/// Test whether two cases, arms or spans differ
///
/// Each side is a case, narrowed by what follows an @: a level of a factor that was varied, or a span of boots. Boots are
/// compared, not cycles, where there are several. Boots under the changed conditions of a guided run are left out unless
/// @experiment=NAME asks for them. The sentence on standard output can be pasted as it is.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  flakescope compare before.case after.case
  flakescope compare board.case@transfer-size=2048 board.case@transfer-size=64
  flakescope compare board.case@boots=1-20 board.case@boots=21-40
  flakescope compare board.case board.case@experiment=swap-cable")]
pub struct CompareArgs {
    /// CASE, CASE@FACTOR=LEVEL or CASE@boots=FROM-TO
    #[arg(value_name = "A")]
    a: Selection,
    /// The other side
    #[arg(value_name = "B")]
    b: Selection,
}

/// A case, or the part of it that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    text: String,
    case: PathBuf,
    levels: BTreeMap<String, String>,
    boots: Option<(u32, u32)>,
}

impl FromStr for Selection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut case = text;
        let mut filters = Vec::new();
        // A path may hold an @ itself; a filter always holds an =, and no path separator.
        while let Some((before, filter)) = case.rsplit_once('@')
            && let Some((name, value)) = filter.split_once('=').filter(|(name, _)| !name.contains('/'))
        {
            filters.push((name, value));
            case = before;
        }
        let mut selection = Self { text: text.to_owned(), case: case.into(), levels: BTreeMap::new(), boots: None };
        for (name, value) in filters {
            if name == "boots" {
                let span = value.split_once('-').and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
                selection.boots =
                    Some(span.ok_or_else(|| format!("`{value}` is no span of boots; it looks like 1-20"))?);
            } else {
                selection.levels.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(selection)
    }
}

impl Selection {
    fn holds(&self, cycle: &Cycle) -> bool {
        let in_span = self.boots.is_none_or(|(from, to)| cycle.boot.is_some_and(|boot| (from..=to).contains(&boot)));
        let level_of = |factor: &str| cycle.levels.get(factor).map_or("none", String::as_str);
        let in_arm = self.levels.iter().all(|(factor, level)| level_of(factor) == level);
        // Whoever names no experiment means the board as it was found.
        let as_found = self.levels.contains_key(EXPERIMENT) || level_of(EXPERIMENT) == "none";
        as_found && in_span && in_arm && !cycle.is_interrupted()
    }

    /// The boots of this part; `case_id` tells boots of different cases apart.
    fn collect(&self, case_id: u32) -> Result<Side, CaseError> {
        let mut boots: Vec<SideBoot> = Vec::new();
        Case::open(&self.case)?.for_each(|event| {
            let EventKind::CycleFinished(cycle) = event.kind else { return };
            if !self.holds(&cycle) {
                return;
            }
            let id = u64::from(case_id) << 32 | u64::from(cycle.boot.unwrap_or(0));
            if boots.last().is_none_or(|boot| boot.id != id) {
                boots.push(SideBoot { id, cycles: 0, failed: 0 });
            }
            if let Some(boot) = boots.last_mut() {
                boot.cycles += 1;
                boot.failed += u64::from(cycle.failure().is_some());
            }
        })?;
        Ok(Side { name: self.text.clone(), boots })
    }

    /// Cycles that both sides hold.
    fn shared_with(&self, other: &Self) -> Result<u64, CaseError> {
        if self.case != other.case {
            return Ok(0);
        }
        let mut shared = 0;
        Case::open(&self.case)?.for_each(|event| {
            let EventKind::CycleFinished(cycle) = event.kind else { return };
            shared += u64::from(self.holds(&cycle) && other.holds(&cycle));
        })?;
        Ok(shared)
    }
}

pub fn run(args: &CompareArgs, console: &mut Console) -> ExitCode {
    let other = u32::from(args.a.case != args.b.case);
    let sides = args.a.collect(0).and_then(|a| Ok((a, args.b.collect(other)?, args.a.shared_with(&args.b)?)));
    let (a, b) = match sides {
        Ok((.., shared)) if shared > 0 => {
            console.error(&format!(
                "both sides hold {}, and what is compared with itself shows nothing; narrow one of them with @boots=FROM-TO or @FACTOR=LEVEL",
                Unit::Cycle.count(shared)
            ));
            return ExitCode::Usage;
        }
        Ok((a, b, _)) => (a, b),
        Err(error) => {
            console.error(&error.to_string());
            return ExitCode::UnreadableInput;
        }
    };
    for side in [&a, &b] {
        if side.boots.is_empty() {
            console.error(&format!(
                "{} holds no finished cycle; `flakescope diagnose` tells what the case holds",
                side.name
            ));
            return ExitCode::UnreadableInput;
        }
    }
    let Some(found) = compare(&a, &b) else { return ExitCode::UnreadableInput };
    console.deliver(format!("{}\n", found.sentence), ExitCode::Clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_is_a_case_an_arm_or_a_span() {
        let arm: Selection = "b.case@transfer-size=64@boots=3-9".parse().unwrap();
        assert_eq!(
            (arm.case.to_str(), arm.levels["transfer-size"].as_str(), arm.boots),
            (Some("b.case"), "64", Some((3, 9)))
        );
        let plain: Selection = "me@lab.case".parse().unwrap();
        assert_eq!(plain.case.to_str(), Some("me@lab.case"));
        let dated: Selection = "/home/a@b/x.case@boots=1-2".parse().unwrap();
        assert_eq!((dated.case.to_str(), dated.boots), (Some("/home/a@b/x.case"), Some((1, 2))));
        assert!("b.case@boots=3".parse::<Selection>().is_err());
    }
}
