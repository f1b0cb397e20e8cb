//! Does the failure rate depend on a factor? One factor's outcomes, and the test that fits how it was varied.
//!
//! - Levels that vary within boots are compared within boots only: given how many cycles of a boot failed, their levels
//!   are exchangeable (stratified exact test, the small-sample form of Mantel and Haenszel 1959).
//! - Two levels that vary from boot to boot: Boschloo's test on boots.
//! - More levels, or boots of several kinds: permutation of the outcomes within kinds, by the chi-square statistic.
//! - Boots that come in streaks: if the arms were interleaved in random blocks, labels are exchanged within blocks, which
//!   holds whatever the streaks (Fisher's randomisation test); else whole blocks of outcomes are permuted.

use std::collections::BTreeMap;
use std::ops::Add;

use super::arms::{Arms, BOOT_KIND, Cell};
use super::boot_log::BootLog;
use super::chance::Chance;
use super::difference::{Difference, shrunk, worth_of};
use super::exact_test::{self, Confidence, Count};
use super::finding::Unit;
use super::permutation::{BlockPermutation, SHUFFLES, thinned};

/// Of more boots only the latest are shuffled.
const SHUFFLED_UP_TO: usize = 10_000;

/// What was counted for one factor.
#[derive(Clone, Debug)]
pub struct FactorTable {
    pub unit: Unit,
    /// One per level, in the order in which the levels first occurred.
    pub counts: Vec<Count>,
    pub p: f64,
    pub method: String,
    spread: Spread,
}

/// How outcomes spread that belong together, so that an interval allows for what the test beside it allows for.
#[derive(Clone, Debug)]
struct Spread {
    /// Boots, blocks of boots or kinds of boot, each with its own counts per level; none where nothing is to be kept apart.
    strata: Vec<Vec<Count>>,
    /// What one outcome is worth of one that knows nothing of its neighbours.
    worth: f64,
}

impl Spread {
    const INDEPENDENT: Self = Self { strata: Vec::new(), worth: 1.0 };
}

impl FactorTable {
    /// Of outcomes that know nothing of each other.
    pub fn independent(unit: Unit, counts: Vec<Count>, p: f64, method: String) -> Self {
        Self { unit, counts, p, method, spread: Spread::INDEPENDENT }
    }

    /// Share of one level minus share of another, where so many comparisons are made or were to pick from.
    pub fn difference(&self, level: usize, other: usize, comparisons: usize) -> Difference {
        let Spread { strata, worth } = &self.spread;
        let confidence = Confidence::of_all(comparisons);
        let in_stratum = |counts: &Vec<Count>| (shrunk(counts[level], *worth), shrunk(counts[other], *worth));
        let within = Difference::within(strata.iter().map(in_stratum), confidence);
        let mut difference = within
            .unwrap_or_else(|| Difference::of_streaks(self.counts[level], self.counts[other], *worth, confidence));
        if comparisons > 1 {
            difference.method = format!("{}, Bonferroni over {comparisons} comparisons", difference.method).into();
        }
        difference
    }
}

/// One boot as the tests see it: who it may be compared with, its level, its outcome.
struct BootOutcome {
    stratum: (u32, &'static str),
    level: usize,
    bad: bool,
}

pub fn table(arms: &Arms, log: &BootLog, factor: &str, levels: &[&str]) -> FactorTable {
    let cells: Vec<(Cell, usize)> = arms
        .cells()
        .iter()
        .filter_map(|cell| Some((*cell, levels.iter().position(|level| Some(*level) == arms.level(cell.arm, factor))?)))
        .collect();
    let within = cells.windows(2).any(|pair| pair[0].0.boot == pair[1].0.boot && pair[0].1 != pair[1].1);
    if within {
        return within_boots(&cells, levels.len());
    }
    let mut boots = boots(&cells, log);
    if factor == BOOT_KIND {
        // Here the kinds themselves are compared, whatever campaign they come from.
        boots.iter_mut().for_each(|boot| boot.stratum = (0, ""));
    }
    over_boots(&boots, levels.len())
}

fn within_boots(cells: &[(Cell, usize)], levels: usize) -> FactorTable {
    let mut counts = vec![Count { failed: 0, n: 0 }; levels];
    let mut by_boot: BTreeMap<u32, Vec<Count>> = BTreeMap::new();
    for (cell, level) in cells {
        let boot = by_boot.entry(cell.boot).or_insert_with(|| vec![Count { failed: 0, n: 0 }; levels]);
        for count in [&mut counts[*level], &mut boot[*level]] {
            count.failed += u64::from(cell.failed);
            count.n += u64::from(cell.cycles);
        }
    }
    // Of two levels one tells all; of more, each is compared with the rest.
    let compared = if levels == 2 { 1 } else { levels };
    let tests = (0..compared).map(|level| level_against_rest(by_boot.values(), level));
    let (p, way) = tests.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((1.0, "exact"));
    let p = (p * compared as f64).min(1.0);
    let method = format!("stratified test within boots, {way}");
    FactorTable {
        unit: Unit::Cycle,
        counts,
        p,
        method,
        spread: Spread { strata: by_boot.into_values().collect(), worth: 1.0 },
    }
}

fn level_against_rest<'a>(boots: impl Iterator<Item = &'a Vec<Count>>, level: usize) -> (f64, &'static str) {
    exact_test::within_strata(boots.map(|boot| {
        let others = boot.iter().enumerate().filter(|(other, _)| *other != level);
        (boot[level], others.map(|(_, count)| *count).fold(Count::default(), Count::add))
    }))
}

fn boots(cells: &[(Cell, usize)], log: &BootLog) -> Vec<BootOutcome> {
    let mut boots: Vec<BootOutcome> = Vec::new();
    let mut last = None;
    for (cell, level) in cells {
        if last == Some(cell.boot) {
            // Another arm of the same boot that shares this factor's level.
            if let Some(boot) = boots.last_mut() {
                boot.bad |= cell.failed > 0;
            }
            continue;
        }
        last = Some(cell.boot);
        let stratum = log.get(cell.boot as usize).map_or((0, ""), |boot| (boot.campaign, boot.kind.name()));
        boots.push(BootOutcome { stratum, level: *level, bad: cell.failed > 0 });
    }
    boots
}

fn over_boots(boots: &[BootOutcome], levels: usize) -> FactorTable {
    let counts = count(boots.iter().map(|boot| (boot.level, boot.bad)), levels);
    // Kinds of boot that differ in their rates are no streaks, so what counts is how boots differ from others of their kind.
    let kinds = Kinds::of(boots);
    let residuals = kinds.residuals(boots);
    // A long campaign is thinned for the estimate only; streaks much longer than the thinning still show.
    if BlockPermutation::fitted_to(&thinned(&residuals), 3).block > 1 {
        return streaky(counts, boots, worth_of(&residuals));
    }
    let (p, method) = match &kinds.places[..] {
        [_] if levels == 2 => {
            let (p, method) = exact_test::p_value(counts[0], counts[1]);
            (p, method.to_owned())
        }
        _ => {
            (within_kinds(boots, levels), format!("chi-square, permutation of boots within kinds, {SHUFFLES} shuffles"))
        }
    };
    FactorTable { unit: Unit::Boot, counts, p, method, spread: kinds.spread(boots, levels, 1.0) }
}

/// The places of the boots that may be compared with each other.
struct Kinds {
    places: Vec<Vec<usize>>,
}

impl Kinds {
    fn of(boots: &[BootOutcome]) -> Self {
        let mut kinds: BTreeMap<(u32, &str), Vec<usize>> = BTreeMap::new();
        for (place, boot) in boots.iter().enumerate() {
            kinds.entry(boot.stratum).or_default().push(place);
        }
        Self { places: kinds.into_values().collect() }
    }

    /// Each outcome less the share of its kind, in the order in which they were seen.
    fn residuals(&self, boots: &[BootOutcome]) -> Vec<f64> {
        let mut residuals = vec![0.0; boots.len()];
        for places in &self.places {
            let share = places.iter().filter(|&&place| boots[place].bad).count() as f64 / places.len() as f64;
            places.iter().for_each(|&place| residuals[place] = f64::from(u8::from(boots[place].bad)) - share);
        }
        residuals
    }

    /// One kind needs no strata.
    fn spread(&self, boots: &[BootOutcome], levels: usize, worth: f64) -> Spread {
        let in_kind = |places: &Vec<usize>| count(places.iter().map(|&at| (boots[at].level, boots[at].bad)), levels);
        let strata = if self.places.len() > 1 { self.places.iter().map(in_kind).collect() } else { Vec::new() };
        Spread { strata, worth }
    }
}

fn count(outcomes: impl Iterator<Item = (usize, bool)>, levels: usize) -> Vec<Count> {
    let mut counts = vec![Count { failed: 0, n: 0 }; levels];
    for (level, bad) in outcomes {
        counts[level].n += 1;
        counts[level].failed += u64::from(bad);
    }
    counts
}

/// Pearson's chi-square for equal shares.
fn chi_square(counts: &[Count]) -> f64 {
    let n: u64 = counts.iter().map(|count| count.n).sum();
    let share = counts.iter().map(|count| count.failed).sum::<u64>() as f64 / n as f64;
    if share <= 0.0 || share >= 1.0 {
        return 0.0;
    }
    let excess = |count: &Count| {
        (count.failed as f64 - count.n as f64 * share).powi(2) / (count.n as f64 * share * (1.0 - share))
    };
    counts.iter().filter(|count| count.n > 0).map(excess).sum()
}

fn within_kinds(boots: &[BootOutcome], levels: usize) -> f64 {
    let boots = &boots[boots.len().saturating_sub(SHUFFLED_UP_TO)..];
    exchange(boots, levels, &Kinds::of(boots).places)
}

fn streaky(counts: Vec<Count>, boots: &[BootOutcome], worth: f64) -> FactorTable {
    let levels = counts.len();
    let boots = &boots[boots.len().saturating_sub(SHUFFLED_UP_TO)..];
    if let Some(groups) = interleaved(boots, levels) {
        let p = exchange(boots, levels, &groups);
        let method = format!("chi-square, exchange of labels within the interleaved blocks, {SHUFFLES} shuffles");
        let spread = Kinds { places: groups }.spread(boots, levels, 1.0);
        return FactorTable { unit: Unit::Boot, counts, p, method, spread };
    }
    let kinds = Kinds::of(boots);
    let blocks = BlockPermutation::fitted_to(&kinds.residuals(boots), 3);
    let outcomes: Vec<f64> = boots.iter().map(|boot| f64::from(u8::from(boot.bad))).collect();
    let p = blocks.p_value_within(&outcomes, &kinds.places, |shuffled| {
        chi_square(&count(boots.iter().zip(shuffled).map(|(boot, bad)| (boot.level, *bad > 0.0)), levels))
    });
    let method = format!("chi-square, {}", blocks.method());
    FactorTable { unit: Unit::Boot, counts, p, method, spread: kinds.spread(boots, levels, worth) }
}

/// The random blocks of the plan, if each holds every level equally often and boots of one kind.
fn interleaved(boots: &[BootOutcome], levels: usize) -> Option<Vec<Vec<usize>>> {
    let whole = boots.len() / levels * levels;
    let blocks: Vec<Vec<usize>> = (0..whole).step_by(levels).map(|start| (start..start + levels).collect()).collect();
    let is_fair = |block: &Vec<usize>| {
        let mut seen: Vec<usize> = block.iter().map(|&place| boots[place].level).collect();
        seen.sort_unstable();
        let of_one_kind = block.iter().all(|&place| boots[place].stratum == boots[block[0]].stratum);
        of_one_kind && seen.iter().copied().eq(0..levels)
    };
    (blocks.len() > 1 && blocks.iter().all(is_fair)).then_some(blocks)
}

/// Permutes outcomes within groups of boots that are exchangeable under the null.
fn exchange(boots: &[BootOutcome], levels: usize, groups: &[Vec<usize>]) -> f64 {
    let mut outcomes: Vec<bool> = boots.iter().map(|boot| boot.bad).collect();
    let statistic = |outcomes: &[bool]| {
        chi_square(&count(boots.iter().zip(outcomes).map(|(boot, bad)| (boot.level, *bad)), levels))
    };
    let seen = statistic(&outcomes);
    let mut chance = Chance::seeded(4);
    let mut as_extreme = 0;
    for _ in 0..SHUFFLES {
        for group in groups {
            for last in (1..group.len()).rev() {
                outcomes.swap(group[last], group[chance.below(last + 1)]);
            }
        }
        as_extreme += u32::from(statistic(&outcomes) >= seen - 1e-9);
    }
    f64::from(1 + as_extreme) / f64::from(1 + SHUFFLES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boots(outcomes: impl Iterator<Item = (usize, bool)>) -> Vec<BootOutcome> {
        outcomes.map(|(level, bad)| BootOutcome { stratum: (1, "NRST"), level, bad }).collect()
    }

    /// Outcomes of a slow hidden state, in pairs of arms in random order, neither of which matters.
    fn streaky_null(n: usize, interleave: bool, chance: &mut Chance) -> Vec<BootOutcome> {
        let mut bad = false;
        let mut first = 0;
        boots((0..n).map(|boot| {
            if chance.happens(0.15) {
                bad = chance.happens(0.4);
            }
            if boot % 2 == 0 {
                first = chance.below(2);
            }
            let level = if interleave { (boot + first) % 2 } else { usize::from(boot >= n / 2) };
            (level, bad)
        }))
    }

    /// Two campaigns of 50 % and 5 %, and a factor that was mostly of one level in each and has no effect.
    #[test]
    fn campaigns_that_differ_lend_their_difference_to_no_factor() {
        let mut chance = Chance::seeded(19);
        let mut alarms = 0;
        for _ in 0..100 {
            let campaign = |campaign: u32, rate: f64, share: f64, chance: &mut Chance| -> Vec<BootOutcome> {
                let boot = |_| {
                    let level = usize::from(chance.happens(share));
                    BootOutcome { stratum: (campaign, "NRST"), level, bad: chance.happens(rate) }
                };
                (0..40).map(boot).collect()
            };
            let mut boots = campaign(1, 0.5, 0.2, &mut chance);
            boots.extend(campaign(2, 0.05, 0.8, &mut chance));
            alarms += u32::from(over_boots(&boots, 2).p <= 0.05);
        }
        assert!(alarms <= 11, "{alarms} of 100 at a level of 5 %");
    }

    #[test]
    fn streaky_boots_raise_few_false_alarms_however_the_arms_were_ordered() {
        let mut chance = Chance::seeded(31);
        for interleave in [true, false] {
            let alarms = (0..60).filter(|_| over_boots(&streaky_null(60, interleave, &mut chance), 2).p < 0.05).count();
            assert!(alarms <= 8, "{alarms} of 60");
            let naive = (0..60).filter(|_| {
                let boots = streaky_null(60, interleave, &mut chance);
                let counts = count(boots.iter().map(|boot| (boot.level, boot.bad)), 2);
                exact_test::p_value(counts[0], counts[1]).0 < 0.05
            });
            assert!(interleave || naive.count() > 15);
        }
    }

    #[test]
    fn arms_in_sequence_with_steady_rates_are_compared_exactly() {
        let found = over_boots(&boots((0..40).map(|boot| (boot % 2, boot % 2 == 0 && boot % 4 == 0))), 2);
        assert_eq!((found.method.as_str(), found.unit), ("Boschloo's exact test", Unit::Boot));
        assert!(found.p < 0.001);
    }

    #[test]
    fn three_levels_are_compared_at_once() {
        let found = over_boots(&boots((0..60).map(|boot| (boot * 7 % 3, boot * 7 % 3 == 1 && boot % 5 > 0))), 3);
        assert!(found.p < 0.01 && found.method.starts_with("chi-square"), "{found:?}");
    }

    /// Computed apart from this program, in Python, with whole fractions: the sum of three hypergeometric counts.
    #[test]
    fn three_boots_agree_with_an_independent_computation() {
        let tables = [[(3, 4), (1, 4)], [(2, 4), (0, 4)], [(4, 5), (2, 5)]];
        let cell = |boot: u32, level: u32, (failed, cycles)| Cell { boot, arm: level, cycles, failed, failed_at: None };
        let cells: Vec<_> = (0u32..)
            .zip(tables)
            .flat_map(|(boot, [one, other])| [(cell(boot, 0, one), 0), (cell(boot, 1, other), 1)])
            .collect();
        let found = within_boots(&cells, 2);
        assert!((found.p - 0.046_064_140).abs() < 1e-8, "{found:?}");
    }

    #[test]
    fn levels_within_boots_are_not_fooled_by_bad_boots() {
        // Bad boots fail in both levels alike; level 1 happens to be tried more often in them.
        let cells: Vec<_> = (0..10u32)
            .flat_map(|boot| {
                let bad = boot < 5;
                [0u32, 1].map(|level| {
                    let cycles = if bad == (level == 1) { 6 } else { 2 };
                    (
                        Cell { boot, arm: level, cycles, failed: if bad { cycles / 2 } else { 0 }, failed_at: None },
                        level as usize,
                    )
                })
            })
            .collect();
        let found = within_boots(&cells, 2);
        assert!(found.p > 0.5, "{found:?}");
        assert!(exact_test::p_value(found.counts[0], found.counts[1]).0 < 0.1);
    }
}
