//! A side of a comparison: a case, narrowed to an arm or a span of boots.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::case::file::{Case, CaseError};
use crate::case::merge::given_twice;
use crate::evidence::compare::{Side, SideBoot};
use crate::investigation::guided::EXPERIMENT;
use crate::observation::cycle::Cycle;
use crate::observation::event::EventKind;
use crate::observation::factor::FactorName;
use crate::profile::loader;

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
                selection.boots = Some(span(value)?);
            } else {
                selection.levels.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(selection)
    }
}

fn span(text: &str) -> Result<(u32, u32), String> {
    let span = text.split_once('-').and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    let (from, to) = span.ok_or_else(|| format!("`{text}` is no span of boots; it looks like 1-20"))?;
    if from > to {
        return Err(format!("the span of boots `{text}` runs backwards; write {to}-{from}"));
    }
    Ok((from, to))
}

/// A level as it is kept in a case, from how `--vary` takes it.
fn kept(factor: &str, level: &str) -> String {
    let name = FactorName::VARIED.into_iter().find(|known| known.name() == factor);
    name.and_then(|name| name.level(level).ok()).unwrap_or_else(|| level.to_owned())
}

fn level_of<'a>(cycle: &'a Cycle, factor: &str) -> &'a str {
    cycle.levels.get(factor).map_or("none", String::as_str)
}

/// What a case has to choose from.
#[derive(Default)]
struct Choice {
    levels: BTreeMap<String, BTreeSet<String>>,
    boots: Option<(u32, u32)>,
}

impl Choice {
    fn of(path: &Path) -> Result<Self, CaseError> {
        let mut choice = Self::default();
        Case::open(path)?.for_each(|event| {
            let EventKind::CycleFinished(cycle) = event.kind else { return };
            if let Some(boot) = cycle.boot {
                let (low, high) = choice.boots.unwrap_or((boot, boot));
                choice.boots = Some((low.min(boot), high.max(boot)));
            }
            for (factor, level) in cycle.levels {
                choice.levels.entry(factor).or_default().insert(level);
            }
        })?;
        Ok(choice)
    }

    fn told(&self) -> String {
        let number = |level: &str| level.split(' ').next().and_then(|number| number.parse::<u32>().ok());
        let join = |levels: &BTreeSet<String>| {
            let mut levels: Vec<_> = levels.iter().map(String::as_str).collect();
            levels.sort_by_key(|level| number(level));
            levels.join(", ")
        };
        let factors = self.levels.iter().map(|(factor, levels)| format!("{factor} ({})", join(levels)));
        let mut told = Vec::from_iter(factors);
        told.extend(self.boots.map(|(low, high)| format!("boots {low}-{high}")));
        if told.is_empty() { "nothing to choose from".to_owned() } else { told.join("; ") }
    }
}

impl Selection {
    /// Whether both are parts of one case, by whatever paths.
    pub fn is_of_the_case_of(&self, other: &Self) -> bool {
        given_twice(&[self.case.clone(), other.case.clone()]).is_some()
    }

    /// Why no finished cycle is in this part, and what the case has.
    pub fn why_empty(&self) -> Result<String, CaseError> {
        let (choice, case) = (Choice::of(&self.case)?, self.case.display());
        let unknown = self.levels.iter().find(|(factor, _)| !choice.levels.contains_key(*factor));
        let beyond = |(from, to): (u32, u32)| choice.boots.is_some_and(|(low, high)| to < low || from > high);
        let what = if self.levels.is_empty() && self.boots.is_none() {
            return Ok(format!("{case} holds no finished cycle; `flakescope diagnose` tells what the case holds"));
        } else if let Some((factor, _)) = unknown {
            let near = loader::nearest(factor, choice.levels.keys().map(String::as_str).chain(["boots"]));
            let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            format!("no cycle of {case} has a factor `{factor}`{hint}")
        } else if self.boots.is_some_and(beyond) {
            format!("{} lies beyond the boots of {case}", self.text)
        } else {
            format!("no finished cycle of {case} is in {}", self.text)
        };
        Ok(format!("{what}; the case has: {}", choice.told()))
    }

    fn holds(&self, cycle: &Cycle) -> bool {
        let in_span = self.boots.is_none_or(|(from, to)| cycle.boot.is_some_and(|boot| (from..=to).contains(&boot)));
        let is_at = |factor: &str, level: &str| [level, &kept(factor, level)].contains(&level_of(cycle, factor));
        let in_arm = self.levels.iter().all(|(factor, level)| is_at(factor, level));
        // Whoever names no experiment means the board as it was found.
        let as_found = self.levels.contains_key(EXPERIMENT) || level_of(cycle, EXPERIMENT) == "none";
        as_found && in_span && in_arm && !cycle.is_cut_short()
    }

    /// The boots of this part; `case_id` tells boots of different cases apart.
    pub fn collect(&self, case_id: u32) -> Result<Side, CaseError> {
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
    pub fn shared_with(&self, other: &Self) -> Result<u64, CaseError> {
        if !self.is_of_the_case_of(other) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_taken_as_it_is_varied() {
        assert_eq!(kept("speed", "480kHz"), "480 kHz");
        assert_eq!(kept("speed", "1.8MHz"), "1800 kHz");
        assert_eq!(kept("supply", "bench"), "bench");
    }

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
        let backwards = "b.case@boots=20-1".parse::<Selection>().unwrap_err();
        assert!(backwards.contains("backwards") && backwards.contains("1-20"), "{backwards}");
        assert!("b.case@boots=3".parse::<Selection>().is_err());
    }
}
