//! Does the failure rate go with something that was measured: temperature, a voltage, a latency?
//!
//! Ranks of the measured values against outcomes (the statistic of Mann and Whitney 1947), judged by block permutation:
//! temperature and outcomes both come in streaks, and a plain test would take that for a relation.

use std::collections::BTreeMap;

use super::finding::{Finding, Unit};
use super::jackknife;
use super::multiplicity::Candidate;
use super::permutation::{BlockPermutation, thinned};
use super::ranks::centred_ranks;
use super::trial::Trial;
use super::weight;
use crate::observation::fact::{Fact, FactValue};

/// Fewer units show nothing.
const LEAST_UNITS: usize = 10;
/// A factor with fewer levels is compared level by level.
const LEAST_VALUES: usize = 13;
/// More quantities than this are not followed.
const MOST_QUANTITIES: usize = 16;

/// The latest value of every measured quantity, and what it was in each cycle.
#[derive(Clone, Debug, Default)]
pub struct Covariates {
    latest: BTreeMap<String, f64>,
    rows: BTreeMap<String, Vec<Row>>,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    boot: u32,
    cycle: u32,
    value: f32,
    failed: bool,
}

impl Covariates {
    pub fn note(&mut self, fact: &Fact) {
        let value = match fact.value {
            FactValue::Number(value) | FactValue::FrequencyMhz(value) | FactValue::Volts(value) => value,
            FactValue::Flag(_) | FactValue::Address(_) | FactValue::Text(_) | FactValue::Bytes(_) => return,
        };
        self.measured(&fact.key, value);
    }

    fn measured(&mut self, quantity: &str, value: f64) {
        if self.latest.len() < MOST_QUANTITIES || self.latest.contains_key(quantity) {
            self.latest.insert(quantity.to_owned(), value);
        }
    }

    pub fn absorb(&mut self, trial: &Trial<'_>, boot: usize) {
        for fact in trial.cycle.steps.iter().flat_map(|step| &step.facts) {
            self.note(fact);
        }
        for (factor, level) in &trial.cycle.levels {
            if let Ok(value) = level.parse() {
                self.measured(factor, value);
            }
        }
        for (quantity, value) in &self.latest {
            let row =
                Row { boot: boot as u32, cycle: trial.cycle.number, value: *value as f32, failed: trial.failed() };
            self.rows.entry(quantity.clone()).or_default().push(row);
        }
    }

    /// Which quantities may go with the failures.
    pub fn candidates(&self) -> Vec<Candidate<'_>> {
        let units = self.rows.iter().map(|(quantity, rows)| (quantity.as_str(), by_boot(rows)));
        let worth = units.filter(|(_, (_, rows))| is_worth_a_test(rows));
        let mut candidates = Vec::new();
        for (quantity, (unit, rows)) in worth {
            let (p, method) = test(&rows);
            let tell = move |p| finding(quantity, unit, &rows, p, &method).into_iter().collect();
            candidates.push(Candidate::new(p, tell));
        }
        candidates
    }
}

/// One row per boot, with its first value; the cycles where there is one boot only.
fn by_boot(rows: &[Row]) -> (Unit, Vec<Row>) {
    if rows.first().map(|row| row.boot) == rows.last().map(|row| row.boot) {
        return (Unit::Cycle, rows.to_vec());
    }
    let mut boots: Vec<Row> = Vec::new();
    for row in rows {
        match boots.last_mut().filter(|last| last.boot == row.boot) {
            Some(last) => last.failed |= row.failed,
            None => boots.push(*row),
        }
    }
    (Unit::Boot, boots)
}

fn is_worth_a_test(rows: &[Row]) -> bool {
    let bad = rows.iter().filter(|row| row.failed).count();
    let mut values: Vec<f32> = rows.iter().map(|row| row.value).collect();
    values.sort_by(f32::total_cmp);
    values.dedup();
    rows.len() >= LEAST_UNITS && bad >= 3 && rows.len() - bad >= 3 && values.len() >= LEAST_VALUES
}

fn test(rows: &[Row]) -> (f64, String) {
    let outcomes = thinned(&rows.iter().map(|row| f64::from(u8::from(row.failed))).collect::<Vec<_>>());
    let ranks = centred_ranks(&thinned(&rows.iter().map(|row| f64::from(row.value)).collect::<Vec<_>>()));
    let blocks = BlockPermutation::fitted_to(&outcomes, 5);
    let p = blocks
        .p_value(&outcomes, |outcomes| outcomes.iter().zip(&ranks).map(|(bad, rank)| bad * rank).sum::<f64>().abs());
    (p, blocks.method())
}

/// The share of pairs of a bad and a good unit in which the bad one has the higher value.
fn higher_share(rows: &[Row]) -> Option<f64> {
    let ranks = centred_ranks(&rows.iter().map(|row| f64::from(row.value)).collect::<Vec<_>>());
    let bad = rows.iter().filter(|row| row.failed).count() as f64;
    let good = rows.len() as f64 - bad;
    let sum: f64 = rows.iter().zip(&ranks).filter(|(row, _)| row.failed).map(|(_, rank)| rank).sum();
    (bad > 0.0 && good > 0.0).then(|| 0.5 + sum / (bad * good))
}

fn finding(quantity: &str, unit: Unit, rows: &[Row], p: f64, method: &str) -> Option<Finding> {
    let higher = higher_share(rows).filter(|_| p < weight::REPORTED_BELOW)?;
    let interval = jackknife::interval_of_share(rows, higher_share);
    let median = |failed: bool| {
        let mut values: Vec<f32> = rows.iter().filter(|row| row.failed == failed).map(|row| row.value).collect();
        values.sort_by(f32::total_cmp);
        values[values.len() / 2]
    };
    let text = format!(
        "Failures go with {quantity}: median {:.4} in failing {}s, {:.4} in good ones; the failing one has the higher value in {:.0} % of pairs.",
        median(true),
        unit.name(),
        median(false),
        100.0 * higher
    );
    let method = format!("Mann-Whitney ranks, {method}, p = {p:.3} after Benjamini-Hochberg; {}", jackknife::METHOD);
    Some(
        Finding::new("covariate-matters", text, rows.len() as u64, unit)
            .of_size(higher, interval, "share of pairs in which the failing one is higher")
            .by(method, weight::of_p_value(p))
            .seen_at(rows.iter().filter(|row| row.failed).map(|row| row.cycle)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::chance::Chance;
    use crate::evidence::synthetic::{campaign, cycle, failing};
    use crate::observation::failure::FailureClass;
    use crate::observation::step::Phase;

    /// Boots at a slowly wandering temperature that fail as `rate` says.
    fn texts(seed: u64, rate: impl Fn(f64) -> f64) -> Vec<String> {
        let mut chance = Chance::seeded(seed);
        let mut temperature = 30.0;
        let evidence = campaign(80, 2, |number, boot| {
            if number % 2 == 1 {
                temperature += 4.0 * (chance.fraction() - 0.5) - 0.05 * (temperature - 30.0);
            }
            let mut cycle = if chance.happens(rate(temperature)) {
                failing(number, boot, FailureClass::BusError, Phase::Read)
            } else {
                cycle(number, boot)
            };
            cycle.steps[0].facts.push(Fact::measured("temperature", FactValue::Number(temperature)));
            cycle
        });
        let findings = evidence.verdict_findings().into_iter();
        findings.filter(|finding| finding.id == "covariate-matters").map(|finding| finding.text).collect()
    }

    /// Hollander and Wolfe (1973), permeability of ten and five placentas: the first are higher in 35 of 50 pairs (W = 35).
    #[test]
    fn the_share_of_pairs_agrees_with_the_published_example() {
        let higher = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46];
        let lower = [1.15, 0.88, 0.90, 0.74, 1.21];
        let row = |failed| move |value: &f32| Row { boot: 0, cycle: 1, value: *value, failed };
        let rows: Vec<Row> = higher.iter().map(row(true)).chain(lower.iter().map(row(false))).collect();
        assert!((higher_share(&rows).unwrap() - 35.0 / 50.0).abs() < 1e-12);
    }

    #[test]
    fn failures_that_follow_the_temperature_are_seen_and_others_are_not() {
        let following = texts(51, |temperature| if temperature > 31.0 { 0.8 } else { 0.05 });
        assert_eq!(following.len(), 1);
        assert!(following[0].starts_with("Failures go with temperature: median 3"), "{}", following[0]);
        let alarms = (0..40).filter(|&seed| !texts(seed, |_| 0.2).is_empty()).count();
        assert!(alarms <= 6, "{alarms} of 40");
    }
}
