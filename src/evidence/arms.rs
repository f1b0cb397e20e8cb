//! Which cycles ran under which combination of levels, counted per boot.

use std::collections::BTreeMap;

use super::factor_watch::FactorWatch;
use super::finding::Finding;
use super::trial::Trial;

/// Beyond this many combinations the rest is counted together and enters no comparison.
const MOST_ARMS: usize = 256;
const OTHERS: u32 = u32::MAX;

/// How the board was reset is a factor of every campaign.
pub const BOOT_KIND: &str = "boot-kind";

/// The levels of every factor: one arm of the campaign.
pub type Levels = BTreeMap<String, String>;

/// The cycles of one boot in one arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The place of the boot in the log.
    pub boot: u32,
    pub arm: u32,
    pub cycles: u32,
    pub failed: u32,
    /// The number of its first failed cycle.
    pub failed_at: Option<u32>,
}

#[derive(Clone, Debug, Default)]
pub struct Arms {
    levels: Vec<Levels>,
    by_levels: BTreeMap<Levels, u32>,
    cells: Vec<Cell>,
    watch: FactorWatch,
}

impl Arms {
    /// The arm that these levels make.
    pub fn of(&mut self, levels: &Levels) -> u32 {
        if let Some(&arm) = self.by_levels.get(levels) {
            return arm;
        }
        if self.levels.len() >= MOST_ARMS {
            return OTHERS;
        }
        let arm = self.levels.len() as u32;
        self.levels.push(levels.clone());
        self.by_levels.insert(levels.clone(), arm);
        arm
    }

    pub fn absorb(&mut self, trial: &Trial<'_>, boot: usize, arm: u32) {
        let boot = boot as u32;
        if self.cells.last().is_some_and(|cell| cell.boot != boot) {
            self.settle_last_boot();
        }
        let own = self.cells.iter().rposition(|cell| cell.boot != boot).map_or(0, |last| last + 1);
        let place = (own..self.cells.len()).find(|&place| self.cells[place].arm == arm).unwrap_or_else(|| {
            self.cells.push(Cell { boot, arm, cycles: 0, failed: 0, failed_at: None });
            self.cells.len() - 1
        });
        let cell = &mut self.cells[place];
        cell.cycles += 1;
        cell.failed += u32::from(trial.failed());
        if trial.failed() && cell.failed_at.is_none() {
            cell.failed_at = Some(trial.cycle.number);
        }
    }

    /// A boot counts once under each level that it met, in however many arms.
    fn settle_last_boot(&mut self) {
        let Some(last) = self.cells.last().map(|cell| cell.boot) else { return };
        let mut met: BTreeMap<&str, BTreeMap<&str, Option<u32>>> = BTreeMap::new();
        for cell in self.cells.iter().rev().take_while(|cell| cell.boot == last) {
            for (factor, level) in self.levels.get(cell.arm as usize).into_iter().flatten() {
                let failed_at = met.entry(factor).or_default().entry(level).or_default();
                *failed_at = (*failed_at).into_iter().chain(cell.failed_at).min();
            }
        }
        for (factor, levels) in met {
            self.watch.settle(factor, levels);
        }
    }

    /// What may be said of factors at any look, from boots that are over.
    pub fn watched(&self) -> Vec<Finding> {
        self.watch.findings()
    }

    pub fn count(&self) -> usize {
        self.levels.len()
    }

    /// In the order of the boots.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The factors that took at least two levels, each with its levels.
    pub fn factors(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut factors: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (factor, level) in self.levels.iter().flatten() {
            let levels = factors.entry(factor).or_default();
            if !levels.contains(&level.as_str()) {
                levels.push(level);
            }
        }
        factors.retain(|_, levels| levels.len() > 1);
        factors
    }

    pub fn level(&self, arm: u32, factor: &str) -> Option<&str> {
        self.levels.get(arm as usize)?.get(factor).map(String::as_str)
    }

    /// Factors whose levels always changed together, so that no data can tell them apart.
    pub fn aliases(&self) -> Vec<Vec<&str>> {
        let mut groups: Vec<Vec<&str>> = Vec::new();
        let mut factors: Vec<&str> = self.factors().into_keys().collect();
        // A group is tested as its first member, and kinds of boot need a test of their own.
        factors.sort_by_key(|factor| *factor != BOOT_KIND);
        for factor in factors {
            match groups.iter_mut().find(|group| self.change_together(group[0], factor)) {
                Some(group) => group.push(factor),
                None => groups.push(vec![factor]),
            }
        }
        groups
    }

    /// Each level of one goes with exactly one level of the other.
    fn change_together(&self, a: &str, b: &str) -> bool {
        let (mut forth, mut back) = (BTreeMap::new(), BTreeMap::new());
        self.levels.iter().all(|levels| {
            let (Some(level_a), Some(level_b)) = (levels.get(a), levels.get(b)) else { return false };
            *forth.entry(level_a).or_insert(level_b) == level_b && *back.entry(level_b).or_insert(level_a) == level_a
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::synthetic::{cycle, failing};
    use crate::observation::failure::FailureClass;
    use crate::observation::step::Phase;

    fn levels(pairs: &[(&str, &str)]) -> Levels {
        pairs.iter().map(|(factor, level)| ((*factor).to_owned(), (*level).to_owned())).collect()
    }

    #[test]
    fn a_port_that_implies_its_controller_is_one_group() {
        let mut arms = Arms::default();
        for (port, controller, size) in
            [("1-4", "a", "64"), ("3-1", "b", "64"), ("1-4", "a", "2048"), ("3-1", "b", "2048")]
        {
            arms.of(&levels(&[("port", port), ("controller", controller), ("transfer-size", size)]));
        }
        assert_eq!(arms.aliases(), [vec!["controller", "port"], vec!["transfer-size"]]);
    }

    #[test]
    fn cycles_of_a_boot_are_counted_by_arm() {
        let mut arms = Arms::default();
        for (boot, level) in [(0, "a"), (0, "b"), (0, "a"), (1, "b")] {
            let arm = arms.of(&levels(&[("factor", level)]));
            arms.absorb(&Trial::of(&cycle(1, 1)), boot, arm);
        }
        let cells: Vec<_> = arms.cells().iter().map(|cell| (cell.boot, cell.arm, cell.cycles)).collect();
        assert_eq!(cells, [(0, 0, 2), (0, 1, 1), (1, 1, 1)]);
    }

    /// The probe changes from boot to boot, the length of transfers from cycle to cycle: three arms per boot, and one boot all the same.
    #[test]
    fn a_boot_of_several_arms_is_watched_as_one() {
        let mut arms = Arms::default();
        for boot in 0..41 {
            for size in ["64", "512", "2048"] {
                let arm = arms.of(&levels(&[
                    ("probe", if boot % 2 == 0 { "attached" } else { "detached" }),
                    ("transfer-size", size),
                ]));
                let cycle = if boot % 2 == 0 {
                    failing(boot, boot, FailureClass::Stall, Phase::Read)
                } else {
                    cycle(boot, boot)
                };
                arms.absorb(&Trial::of(&cycle), boot as usize, arm);
            }
        }
        let found = arms.watched();
        assert_eq!(
            found.iter().map(|finding| (finding.id.as_str(), finding.n)).collect::<Vec<_>>(),
            [("factor-matters", 40)]
        );
    }

    #[test]
    fn endless_levels_take_bounded_room() {
        let mut arms = Arms::default();
        for level in 0..10_000 {
            arms.of(&levels(&[("temperature", &level.to_string())]));
        }
        assert_eq!(arms.count(), MOST_ARMS);
    }
}
