//! Findings on boots: what zero failures are worth, whether boots are good or bad as a whole, streaks, the first cycle.
//!
//! Boots are compared only with boots of the same kind, campaign and arm (`Stratum`); their outcomes are never pooled
//! into one sequence.

use std::collections::BTreeMap;

use super::boot_log::{BootLog, BootSums, BootTally, Stratum};
use super::chance::Chance;
use super::confidence_sequence::{self, ALPHA};
use super::finding::{Finding, Unit};
use super::independent_sum::{IndependentSum, normal_cdf};
use super::intraclass;
use super::permutation::SHUFFLES;
use super::runs_test::{RunsTest, add_sequence};
use super::weight;

/// More cycles than this are tested with Tarone's normal approximation instead of shuffles.
const SHUFFLED_UP_TO: u32 = 2_000;

/// What counts alone allow to be said, at any look.
pub fn counted(log: &BootLog, sums: &BootSums) -> Vec<Finding> {
    let mut found = Vec::new();
    if sums.failed == 0 {
        found.push(bound(log, sums));
    }
    if log.is_campaign() && sums.boots == 1 && sums.cycles > 1 {
        let text = format!(
            "All {} ran in one boot; what is decided at power-up cannot vary within it.",
            Unit::Cycle.count(sums.cycles)
        );
        // Counted, so the interval is a point.
        let one = Finding::new("one-boot-only", text, 1, Unit::Boot).of_size(1.0, Some((1.0, 1.0)), "boot");
        found.push(one.by("count", 1.0).seen_at(log.boots().map(|boot| boot.begins_at)));
    }
    if sums.mixed > 0 && log.is_campaign() {
        let share = sums.mixed as f64 / sums.bad as f64;
        let interval = confidence_sequence::interval(sums.mixed as f64, sums.bad as f64, ALPHA);
        let text = format!("{} of {} failing boots hold good cycles too.", sums.mixed, sums.bad);
        found.push(
            Finding::new("failures-within-boots", text, sums.boots, Unit::Boot)
                .of_size(share, Some(interval), "share of failing boots")
                .by(format!("count; {}", confidence_sequence::METHOD), share * weight::of_sightings(sums.mixed))
                .occurs(weight::of_sightings(sums.mixed))
                .seen_at(log.mixed_at()),
        );
    }
    found
}

fn bound(log: &BootLog, sums: &BootSums) -> Finding {
    let (n, unit) = if log.is_campaign() { (sums.boots, Unit::Boot) } else { (sums.cycles, Unit::Session) };
    let bound = confidence_sequence::bound_without_failures(n as f64, ALPHA);
    let text = format!(
        "None of {} failed ({}); the rate per {} is below {:.1} % with 95 % confidence.",
        unit.count(n),
        Unit::Cycle.count(sums.cycles),
        unit.name(),
        100.0 * bound
    );
    Finding::new("no-failures", text, n, unit)
        .of_size(0.0, Some((0.0, bound)), &format!("share of {}s", unit.name()))
        .by(confidence_sequence::METHOD, weight::of_absence(bound))
        .seen_at(log.boots().map(|boot| boot.begins_at))
}

/// The exact and permutation tests.
pub fn tested(log: &BootLog, sums: &BootSums) -> Vec<Finding> {
    let strata = log.strata();
    [all_or_nothing(&strata, sums), streaks(&strata, sums), first_cycle_worse(log)].into_iter().flatten().collect()
}

fn all_or_nothing(strata: &BTreeMap<Stratum, Vec<&BootTally>>, sums: &BootSums) -> Option<Finding> {
    let wholly = sums.wholly_bad;
    let several = strata.values().flatten().filter(|boot| boot.cycles > 1);
    let correlation = intraclass::correlation(several.map(|boot| (boot.cycles, boot.failed)))?;
    if wholly == 0 || 5 * sums.mixed > wholly || correlation.median < 0.5 {
        return None;
    }
    let (p, way) = clustering(strata);
    if p >= weight::REPORTED_BELOW {
        return None;
    }
    let text = format!(
        "Boots are good or bad as a whole: {wholly} of {} failing boots failed in every cycle, {} held both ({}); correlation within boots {:.2} ({:.2} to {:.2}).",
        sums.bad,
        sums.mixed,
        Unit::Boot.count(sums.boots),
        correlation.median,
        correlation.interval.0,
        correlation.interval.1
    );
    let failed = strata.values().flatten().filter_map(|boot| boot.failed_at);
    Some(
        Finding::new("all-or-nothing-boots", text, sums.boots, Unit::Boot)
            .of_size(correlation.median, Some(correlation.interval), "intraclass correlation")
            .by(
                format!("beta-binomial model; {way}, p = {p:.3}"),
                weight::of_p_value(p).min(weight::of_sightings(wholly)),
            )
            .seen_at(failed),
    )
}

/// Do failures gather in boots more than cycles dealt at random within each stratum would?
fn clustering(strata: &BTreeMap<Stratum, Vec<&BootTally>>) -> (f64, String) {
    let cycles: u32 = strata.values().flatten().map(|boot| boot.cycles).sum();
    if cycles > SHUFFLED_UP_TO {
        return (tarone(strata), "Tarone's test (1979)".to_owned());
    }
    let gathered = |failed: f64, cycles: u32| failed * failed / f64::from(cycles);
    let seen: f64 = strata.values().flatten().map(|boot| gathered(f64::from(boot.failed), boot.cycles)).sum();
    let mut chance = Chance::seeded(u64::from(cycles));
    let mut decks: Vec<(Vec<f64>, &Vec<&BootTally>)> = strata
        .values()
        .map(|boots| {
            let (all, failed) =
                boots.iter().fold((0, 0), |(all, failed), boot| (all + boot.cycles, failed + boot.failed));
            ((0..all).map(|card| f64::from(u8::from(card < failed))).collect(), boots)
        })
        .collect();
    let mut as_extreme = 0;
    for _ in 0..SHUFFLES {
        let mut dealt = 0.0;
        for (deck, boots) in &mut decks {
            chance.shuffle(deck);
            let mut rest = deck.as_slice();
            for boot in *boots {
                let (hand, left) = rest.split_at(boot.cycles as usize);
                dealt += gathered(hand.iter().sum(), boot.cycles);
                rest = left;
            }
        }
        as_extreme += u32::from(dealt >= seen - 1e-9);
    }
    (
        f64::from(1 + as_extreme) / f64::from(1 + SHUFFLES),
        format!("permutation of cycles within kinds of boot, {SHUFFLES} shuffles"),
    )
}

/// Tarone's test of binomial against correlated outcomes: normal under the null, summed over strata.
fn tarone(strata: &BTreeMap<Stratum, Vec<&BootTally>>) -> f64 {
    let (mut excess, mut variance) = (0.0, 0.0);
    for boots in strata.values() {
        let cycles: f64 = boots.iter().map(|boot| f64::from(boot.cycles)).sum();
        let rate = boots.iter().map(|boot| f64::from(boot.failed)).sum::<f64>() / cycles;
        if rate <= 0.0 || rate >= 1.0 {
            continue;
        }
        let spread = |boot: &&BootTally| (f64::from(boot.failed) - f64::from(boot.cycles) * rate).powi(2);
        excess += boots.iter().map(spread).sum::<f64>() / (rate * (1.0 - rate)) - cycles;
        variance += 2.0 * boots.iter().map(|boot| f64::from(boot.cycles) * f64::from(boot.cycles - 1)).sum::<f64>();
    }
    if variance <= 0.0 { 1.0 } else { normal_cdf(-excess / variance.sqrt()) }
}

fn streaks(strata: &BTreeMap<Stratum, Vec<&BootTally>>, sums: &BootSums) -> Option<Finding> {
    let mut test = RunsTest::default();
    for boots in strata.values() {
        add_sequence(&mut test, boots.iter().map(|boot| boot.is_bad()));
    }
    let p = test.p_too_few();
    if p >= weight::REPORTED_BELOW {
        return None;
    }
    let (runs, expected) = test.seen_and_expected();
    let (ratio, interval) = test.against_chance();
    let text = format!(
        "Good and bad boots come in streaks: {runs} stretches where chance would make about {expected:.0} ({} of {} boots failed).",
        sums.bad, sums.boots
    );
    Some(
        Finding::new("streaks-over-boots", text, sums.boots, Unit::Boot)
            .of_size(ratio, Some(interval), "stretches against chance")
            .by(format!("runs test within kinds of boot, {}, p = {p:.2e}", test.way()), weight::of_p_value(p))
            .seen_at(strata.values().flatten().filter_map(|boot| boot.failed_at)),
    )
}

/// Within boots of mixed outcome, given how many of the n cycles failed, each is as likely to be the first under the null.
fn first_cycle_worse(log: &BootLog) -> Option<Finding> {
    let mut sum = IndependentSum::default();
    let (mut first, mut mixed) = (0u64, 0u64);
    for boot in log.boots().filter(|boot| boot.is_mixed()) {
        let share = f64::from(boot.failed) / f64::from(boot.cycles);
        sum.add(0, &[1.0 - share, share]);
        first += u64::from(boot.first_failed);
        mixed += 1;
    }
    let p = sum.at_least(first);
    if mixed == 0 || p >= weight::REPORTED_BELOW {
        return None;
    }
    let (ratio, interval) = sum.against_mean(first);
    let text = format!(
        "The first cycle of a boot fails more often than the later ones: it failed in {first} of {mixed} boots of mixed outcome, where chance would make it {:.1}.",
        sum.mean()
    );
    Some(
        Finding::new("first-cycle-worse", text, mixed, Unit::Boot)
            .of_size(ratio, Some(interval), "times chance")
            .by(format!("stratified test within boots, {}, p = {p:.2e}", sum.way()), weight::of_p_value(p))
            .seen_at(log.boots().filter(|boot| boot.is_mixed() && boot.first_failed).filter_map(|boot| boot.failed_at)),
    )
}

#[cfg(test)]
mod tests {
    use crate::evidence::chance::Chance;
    use crate::evidence::finding::Finding;
    use crate::evidence::synthetic::{campaign, cycle, failing};
    use crate::observation::failure::FailureClass;
    use crate::observation::step::Phase;

    fn findings(boots: u32, cycles: u32, mut bad: impl FnMut(u32, u32) -> bool) -> Vec<Finding> {
        campaign(boots, cycles, |number, boot| {
            if bad(number, boot) {
                failing(number, boot, FailureClass::BusError, Phase::Read)
            } else {
                cycle(number, boot)
            }
        })
        .verdict_findings()
    }

    fn has(findings: &[Finding], id: &str) -> bool {
        findings.iter().any(|finding| finding.id == id)
    }

    #[test]
    fn no_failures_is_a_bound_and_not_a_promise() {
        let findings = campaign(40, 5, cycle).live_findings();
        assert_eq!(findings.len(), 1);
        assert_eq!(
            findings[0].text,
            "None of 40 boots failed (200 cycles); the rate per boot is below 12.7 % with 95 % confidence."
        );
    }

    #[test]
    fn one_boot_is_said_to_be_one_boot() {
        let ids: Vec<_> = campaign(1, 20, cycle).live_findings().into_iter().map(|finding| finding.id).collect();
        assert_eq!(ids, ["no-failures", "one-boot-only"]);
    }

    #[test]
    fn boots_bad_as_a_whole_in_one_stretch_are_both_findings() {
        let found = findings(40, 5, |_, boot| (11..=18).contains(&boot));
        assert!(has(&found, "all-or-nothing-boots") && has(&found, "streaks-over-boots"));
        assert!(!has(&found, "failures-within-boots") && !has(&found, "first-cycle-worse"));
    }

    #[test]
    fn failures_strewn_over_cycles_are_neither() {
        let mut chance = Chance::seeded(4);
        let found = findings(40, 5, |_, _| chance.happens(0.2));
        assert!(has(&found, "failures-within-boots"));
        assert!(!has(&found, "all-or-nothing-boots") && !has(&found, "streaks-over-boots"));
    }

    #[test]
    fn a_bad_first_cycle_is_told_from_bad_cycles_anywhere() {
        let found = findings(20, 5, |number, boot| number % 5 == 1 && boot % 2 == 0);
        let first = found.iter().find(|finding| finding.id == "first-cycle-worse").unwrap();
        assert!(
            first.text.contains("10 of 10 boots of mixed outcome, where chance would make it 2.0"),
            "{}",
            first.text
        );
    }

    #[test]
    fn the_normal_approximation_agrees_with_shuffles_about_scattered_failures() {
        let mut chance = Chance::seeded(8);
        let alarms = (0..40).filter(|_| has(&findings(450, 5, |_, _| chance.happens(0.1)), "all-or-nothing-boots"));
        assert_eq!(alarms.count(), 0);
    }
}
