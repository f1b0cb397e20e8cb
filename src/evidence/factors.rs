//! Findings on what was varied: factors that matter, factors that do not, and pairs that act together.

use std::collections::{BTreeMap, BTreeSet};

use super::arms::Arms;
use super::boot_log::BootLog;
use super::difference::Difference;
use super::exact_test::Count;
use super::factor_table::{FactorTable, table};
use super::finding::{Finding, Unit};
use super::independent_sum::normal_cdf;
use super::multiplicity::Candidate;
use super::probe_factor;
use super::weight;
use crate::observation::factor::FactorName;
use crate::observation::step::ConnectMode;

/// More levels than this are no arms but a measurement.
const MOST_LEVELS: usize = 12;

/// "No effect" is only said where it has at least this weight.
const LEAST_WEIGHT_OF_ABSENCE: f64 = 0.3;

/// A group of aliased factors: its names, its levels, and what was counted for them.
struct Group<'a> {
    names: Vec<&'a str>,
    levels: Vec<&'a str>,
    table: FactorTable,
}

/// The tests of all factors, aliased ones as one, and of pairs of them.
pub fn candidates<'a>(arms: &'a Arms, log: &BootLog) -> Vec<Candidate<'a>> {
    let factors = arms.factors();
    let group = |names: Vec<&'a str>| {
        let levels = factors.get(names[0]).filter(|levels| levels.len() <= MOST_LEVELS)?;
        Some(Group { table: table(arms, log, names[0], levels), levels: levels.clone(), names })
    };
    let groups: Vec<Group<'a>> = arms.aliases().into_iter().filter_map(group).collect();
    let failed_at = || arms.cells().iter().filter_map(|cell| cell.failed_at);
    let mut candidates = Vec::new();
    for (at, a) in groups.iter().enumerate() {
        for b in &groups[at + 1..] {
            let Some(pair) = Interaction::between(arms, a, b) else { continue };
            candidates.push(Candidate::new(pair.p, move |p| {
                pair.told(p).map(|finding| finding.seen_at(failed_at())).into_iter().collect()
            }));
        }
    }
    for group in groups {
        candidates.push(Candidate::new(group.table.p, move |p| {
            group.told(p).into_iter().map(|finding| finding.seen_at(failed_at())).collect()
        }));
    }
    candidates
}

impl Group<'_> {
    fn told(&self, p: f64) -> Vec<Finding> {
        let Self { names, levels, table } = self;
        let matters =
            if p < weight::REPORTED_BELOW { matters(names, levels, table, p) } else { no_effect(names, levels, table) };
        let probe = probe_factor::told(names, levels, table, p);
        [matters, rises_with_length(names, levels, table, p), under_reset(names, levels, table, p), probe]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// The best and the worst level that were tried, and by how much they differ: they were picked from all pairs.
struct Extremes {
    best: usize,
    worst: usize,
    difference: Difference,
}

impl Extremes {
    fn of(levels: &[&str], table: &FactorTable) -> Option<Self> {
        let tried = || (0..levels.len()).filter(|&level| table.counts[level].n > 0);
        let by_share = |a: &usize, b: &usize| table.counts[*a].share().total_cmp(&table.counts[*b].share());
        let (best, worst) = (tried().min_by(by_share)?, tried().max_by(by_share)?);
        let n = tried().count();
        Some(Self { best, worst, difference: table.difference(worst, best, n * (n - 1) / 2) })
    }
}

fn name(group: &[&str]) -> String {
    match group {
        [only] => (*only).to_owned(),
        [first, others @ ..] => format!("{first} (always changed together with {})", others.join(", ")),
        [] => String::new(),
    }
}

fn total(table: &FactorTable) -> u64 {
    table.counts.iter().map(|count| count.n).sum()
}

fn matters(group: &[&str], levels: &[&str], table: &FactorTable, p: f64) -> Option<Finding> {
    let Extremes { best, worst, difference } = Extremes::of(levels, table)?;
    let Difference { share: difference, interval, method: after } = difference;
    let side = |level: usize| {
        let Count { failed, n } = table.counts[level];
        format!("{failed} of {} failed with {}", table.unit.count(n), levels[level])
    };
    let text = format!(
        "{} matters: {}, {}; difference {:.0} % ({:.0} to {:.0} %).",
        name(group),
        side(worst),
        side(best),
        100.0 * difference,
        100.0 * interval.0,
        100.0 * interval.1
    );
    Some(
        Finding::new("factor-matters", text, total(table), table.unit)
            .of_size(difference, Some(interval), &format!("difference of shares of {}s", table.unit.name()))
            .by(
                format!("{}, p = {p:.2e} after Benjamini-Hochberg; interval {after}", table.method),
                weight::of_p_value(p),
            ),
    )
}

/// The largest difference that the data leave open, against the largest that there could be: twice the common rate.
fn no_effect(group: &[&str], levels: &[&str], table: &FactorTable) -> Option<Finding> {
    let failed: u64 = table.counts.iter().map(|count| count.failed).sum();
    let rate = failed as f64 / total(table) as f64;
    let Difference { share: difference, interval, method: after } = Extremes::of(levels, table)?.difference;
    let bound = interval.1.max(-interval.0);
    let weight = weight::of_absence(bound / (2.0 * rate));
    if failed == 0 || weight < LEAST_WEIGHT_OF_ABSENCE {
        return None;
    }
    let text = format!(
        "{} does not matter: its levels differ by at most {:.0} percentage points at a failure rate of {:.0} % per {}.",
        name(group),
        100.0 * bound,
        100.0 * rate,
        table.unit.name()
    );
    Some(
        Finding::new("factor-no-effect", text, total(table), table.unit)
            .of_size(difference, Some(interval), &format!("difference of shares of {}s", table.unit.name()))
            .by(format!("{}, p = {:.2}; bound {after}", table.method, table.p), weight),
    )
}

/// A factor that says how long transfers are, and whose longer levels fail more.
fn rises_with_length(group: &[&str], levels: &[&str], table: &FactorTable, p: f64) -> Option<Finding> {
    let Extremes { best, worst, difference } = Extremes::of(levels, table)?;
    let bytes = |level: usize| levels[level].parse::<u64>().ok();
    if !group.contains(&FactorName::TransferSize.name()) || p >= weight::REPORTED_BELOW || bytes(worst)? <= bytes(best)?
    {
        return None;
    }
    let (worse, better) = (table.counts[worst], table.counts[best]);
    let text = format!(
        "Longer transfers fail more: {} of {} with {} bytes, {} of {} with {}.",
        worse.failed,
        table.unit.count(worse.n),
        levels[worst],
        better.failed,
        table.unit.count(better.n),
        levels[best]
    );
    let Difference { share: difference, interval, method: after } = difference;
    let method = format!("{}, p = {p:.2e} after Benjamini-Hochberg; interval {after}", table.method);
    Some(
        Finding::new("failures-rise-with-length", text, total(table), table.unit)
            .of_size(difference, Some(interval), &format!("difference of shares of {}s", table.unit.name()))
            .by(method, weight::of_p_value(p)),
    )
}

/// Connecting under reset against the worst of the other ways: before its first instruction no program is in the way.
fn under_reset(group: &[&str], levels: &[&str], table: &FactorTable, p: f64) -> Option<Finding> {
    let reset = levels
        .iter()
        .position(|level| *level == ConnectMode::UnderReset.name())
        .filter(|_| group.contains(&FactorName::Connect.name()))?;
    let others = || (0..levels.len()).filter(|level| *level != reset && table.counts[*level].n > 0);
    let worst = others().max_by(|a, b| table.counts[*a].share().total_cmp(&table.counts[*b].share()))?;
    let (there, here) = (table.counts[worst], table.counts[reset]);
    if there.failed == 0 {
        return None;
    }
    let sides = format!(
        "{} of {} failed with {}, {} of {} under reset",
        there.failed,
        table.unit.count(there.n),
        levels[worst],
        here.failed,
        table.unit.count(here.n)
    );
    let Difference { share: difference, interval, method: after } = table.difference(worst, reset, others().count());
    let unit = format!("difference of shares of {}s", table.unit.name());
    if p < weight::REPORTED_BELOW && here.share() < there.share() / 2.0 {
        let finding = Finding::new("under-reset-helps", format!("{sides}."), total(table), table.unit);
        let method = format!("{}, p = {p:.2e} after Benjamini-Hochberg", table.method);
        return Some(finding.of_size(difference, Some(interval), &unit).by(method, weight::of_p_value(p)));
    }
    let weight = weight::of_absence(interval.1.max(0.0) / (2.0 * there.share()));
    (weight >= LEAST_WEIGHT_OF_ABSENCE).then(|| {
        let finding = Finding::new("under-reset-no-help", format!("{sides}."), total(table), table.unit);
        finding.of_size(difference, Some(interval), &unit).by(format!("bound {after}"), weight)
    })
}

/// Does the effect of one factor depend on the level of another? Woolf's test (1955) for two odds ratios, 0.5 added to
/// each count (Haldane), on boots.
struct Interaction {
    text: String,
    log_ratio: f64,
    error: f64,
    boots: u64,
    p: f64,
}

impl Interaction {
    fn between(arms: &Arms, a: &Group<'_>, b: &Group<'_>) -> Option<Self> {
        let ([a0, a1], [b0, b1]) = (&a.levels[..], &b.levels[..]) else { return None };
        let count = |level_a: &str, level_b: &str| {
            let here = arms.cells().iter().filter(|cell| {
                arms.level(cell.arm, a.names[0]) == Some(level_a) && arms.level(cell.arm, b.names[0]) == Some(level_b)
            });
            let mut boots: BTreeMap<u32, bool> = BTreeMap::new();
            here.for_each(|cell| *boots.entry(cell.boot).or_default() |= cell.failed > 0);
            let bad = boots.values().filter(|bad| **bad).count();
            (bad as f64 + 0.5, (boots.len() - bad) as f64 + 0.5)
        };
        let effect_at = |level_b: &str| {
            let (one, other) = (count(a1, level_b), count(a0, level_b));
            let log_odds: f64 = (one.0 * other.1 / (one.1 * other.0)).ln();
            (log_odds, 1.0 / one.0 + 1.0 / one.1 + 1.0 / other.0 + 1.0 / other.1)
        };
        let (first, second) = (effect_at(b0), effect_at(b1));
        let (log_ratio, error) = (first.0 - second.0, (first.1 + second.1).sqrt());
        let text = format!(
            "{} and {} act together: {a1} against {a0} changes the odds of failing {:.1} times with {b0} and {:.1} times with {b1}.",
            name(&a.names),
            name(&b.names),
            first.0.exp(),
            second.0.exp()
        );
        let p = 2.0 * normal_cdf(-(log_ratio / error).abs());
        let boots: BTreeSet<u32> = arms.cells().iter().map(|cell| cell.boot).collect();
        Some(Self { text, log_ratio, error, boots: boots.len() as u64, p })
    }

    fn told(&self, p: f64) -> Option<Finding> {
        let end = |errors: f64| (self.log_ratio + errors * self.error).exp();
        (p < weight::REPORTED_BELOW).then(|| {
            Finding::new("factors-interact", self.text.clone(), self.boots, Unit::Boot)
                .of_size(self.log_ratio.exp(), Some((end(-1.96), end(1.96))), "ratio of odds ratios")
                .by(
                    format!("Woolf's test, p = {p:.2e} after Benjamini-Hochberg; interval from its standard error"),
                    weight::of_p_value(p),
                )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Arms, FactorTable, Group, Interaction, Unit};
    use crate::evidence::campaign_evidence::CampaignEvidence;
    use crate::evidence::chance::Chance;
    use crate::evidence::finding::Finding;
    use crate::evidence::synthetic::{campaign, cold_boot, cycle, failing, start};
    use crate::evidence::trial::Trial;
    use crate::observation::boot::{Boot, BootKind};
    use crate::observation::event::{Event, EventKind};
    use crate::observation::factor::FactorName;
    use crate::observation::failure::FailureClass;
    use crate::observation::step::Phase;

    /// Boots under the levels that `arm` gives, failing with the probability it gives.
    fn findings(
        boots: u32,
        cycles: u32,
        arm: impl Fn(u32) -> (Vec<(&'static str, &'static str)>, f64),
    ) -> Vec<Finding> {
        let mut chance = Chance::seeded(41);
        campaign(boots, cycles, |number, boot| {
            let (levels, rate) = arm(if cycles > 1 { number } else { boot });
            let bad = chance.happens(rate);
            let mut cycle =
                if bad { failing(number, boot, FailureClass::BusError, Phase::Read) } else { cycle(number, boot) };
            cycle.levels = levels.into_iter().map(|(factor, level)| (factor.to_owned(), level.to_owned())).collect();
            cycle
        })
        .verdict_findings()
    }

    fn of<'a>(findings: &'a [Finding], id: &str) -> Vec<&'a str> {
        findings.iter().filter(|finding| finding.id == id).map(|finding| finding.text.as_str()).collect()
    }

    #[test]
    fn a_port_that_matters_is_named_with_what_changed_together_with_it() {
        let found = findings(40, 1, |boot| {
            if boot % 2 == 0 {
                (vec![("port", "1-4"), ("controller", "a")], 0.7)
            } else {
                (vec![("port", "3-1"), ("controller", "b")], 0.02)
            }
        });
        let texts = of(&found, "factor-matters");
        assert_eq!(texts.len(), 1);
        assert!(texts[0].starts_with("controller (always changed together with port) matters: "), "{}", texts[0]);
    }

    #[test]
    fn a_kind_of_boot_that_fails_more_is_a_factor_of_its_own() {
        let mut evidence = CampaignEvidence::new();
        let mut tell = |kind| evidence.absorb(&Event { seq: 1, at: None, kind });
        tell(EventKind::CampaignStarted(start(40, 1)));
        for number in 1..=40 {
            let cold = number % 2 == 0;
            let boot = cold_boot(number);
            tell(EventKind::BootStarted(if cold { boot } else { Boot { kind: BootKind::Nrst, ..boot } }));
            let bad = cold && number % 4 == 0;
            tell(EventKind::CycleFinished(if bad {
                failing(number, number, FailureClass::NotEnumerated, Phase::Enumerate)
            } else {
                cycle(number, number)
            }));
        }
        let found = evidence.verdict_findings();
        assert!(
            of(&found, "factor-matters")[0].starts_with(
                "boot-kind matters: 10 of 20 boots failed with cold power-on, 0 of 20 boots failed with NRST"
            ),
            "{found:?}"
        );
    }

    #[test]
    fn a_factor_without_effect_is_bounded() {
        let found = findings(400, 1, |boot| (vec![("port", if boot % 2 == 0 { "1-4" } else { "3-1" })], 0.3));
        assert_eq!(of(&found, "factor-matters").len(), 0);
        assert!(of(&found, "factor-no-effect")[0].starts_with("port does not matter: its levels differ by at most "));
    }

    #[test]
    fn lengths_varied_within_boots_are_compared_within_them() {
        let found = findings(20, 6, |number| {
            if number % 2 == 0 {
                (vec![(FactorName::TransferSize.name(), "2048")], 0.6)
            } else {
                (vec![(FactorName::TransferSize.name(), "64")], 0.05)
            }
        });
        assert_eq!(of(&found, "factor-matters").len(), 1);
        assert_eq!(of(&found, "failures-rise-with-length").len(), 1);
    }

    #[test]
    fn connecting_under_reset_is_a_statement_of_its_own() {
        let ways = |rate: f64| {
            findings(20, 6, move |number| {
                if number % 2 == 0 {
                    (vec![("connect", "hotplug")], 0.8)
                } else {
                    (vec![("connect", "under-reset")], rate)
                }
            })
        };
        assert_eq!(of(&ways(0.0), "under-reset-helps").len(), 1);
        assert_eq!(of(&ways(0.8), "under-reset-helps").len(), 0);
        assert_eq!(of(&ways(0.8), "under-reset-no-help").len(), 1);
    }

    /// Woolf's test computed apart from this program, in Python: 30 of 38 and 5 of 38 boots failed with one level, 6 of 40 and 4 of
    /// 40 with the other; log ratio 2.66038, standard error 0.89138, p = 0.0028398.
    #[test]
    fn an_interaction_agrees_with_an_independent_computation() {
        let mut arms = Arms::default();
        let mut boot = 0;
        for (hub, length, failed, boots) in
            [("no", "short", 5, 38), ("no", "long", 30, 38), ("yes", "short", 4, 40), ("yes", "long", 6, 40)]
        {
            let levels =
                [("hub", hub), ("length", length)].map(|(factor, level)| (factor.to_owned(), level.to_owned()));
            let arm = arms.of(&levels.into());
            for number in 0..boots {
                let cycle =
                    if number < failed { failing(1, 1, FailureClass::BusError, Phase::Read) } else { cycle(1, 1) };
                arms.absorb(&Trial::of(&cycle), boot, arm);
                boot += 1;
            }
        }
        let group = |name, levels: [&'static str; 2]| Group {
            names: vec![name],
            levels: levels.to_vec(),
            table: FactorTable::independent(Unit::Boot, Vec::new(), 1.0, String::new()),
        };
        let pair =
            Interaction::between(&arms, &group("length", ["short", "long"]), &group("hub", ["yes", "no"])).unwrap();
        assert!((pair.log_ratio.abs() - 2.660_380_15).abs() < 1e-7 && (pair.error - 0.891_377_59).abs() < 1e-7);
        assert!((pair.p - 0.002_839_758).abs() < 1e-7 && pair.boots == 156, "{}", pair.p);
    }

    #[test]
    fn two_factors_that_fail_only_together_interact() {
        let found = findings(160, 1, |boot| {
            let (hub, long) = (boot % 2 == 0, boot / 2 % 2 == 0);
            let levels = vec![("hub", if hub { "yes" } else { "no" }), ("length", if long { "long" } else { "short" })];
            (levels, if hub && long { 0.8 } else { 0.1 })
        });
        assert_eq!(of(&found, "factors-interact").len(), 1);
    }
}
