//! Latency before a failure as a covariate: was what came before slower than where nothing failed?
//!
//! Like is compared with like: the time that the answering steps before one step took, among cycles that reached that step,
//! in the same arm and at the same place of a boot; and the time of a whole good cycle before one that fails or does not.
//! Comparing at the same place of a boot keeps what merely rises with time since boot out of it. Ranks within such strata
//! (van Elteren 1960), judged by the jackknife over stretches, because latency and outcome both come in streaks.

use std::collections::{BTreeMap, VecDeque};

use super::boot_log::BootLog;
use super::finding::{Finding, Unit};
use super::jackknife::{self, Jackknife};
use super::multiplicity::Candidate;
use super::permutation::BlockPermutation;
use super::ranks::centred_ranks;
use super::trial::{Trial, is_answer};
use super::weight;
use crate::observation::step::{Outcome, Phase};
use crate::observation::units::Micros;

/// Of more cycles only the latest are compared.
const KEPT: usize = 10_000;
/// Fewer cycles, or fewer of either outcome, show nothing.
const LEAST_CYCLES: usize = 20;
const LEAST_OF_EACH: usize = 5;

/// The latest cycles, as far as they were timed.
#[derive(Clone, Debug, Default)]
pub struct LatencyBefore {
    cycles: VecDeque<Timed>,
}

#[derive(Clone, Debug)]
struct Timed {
    boot: u32,
    arm: u32,
    number: u32,
    /// Time in ms of the answering steps before each step; the last one is that of all.
    before: Box<[f32]>,
    /// The step that failed, and its phase.
    failed: Option<(usize, Phase)>,
}

/// A cycle to compare: with whom, how slow before, and whether it failed.
#[derive(Clone, Copy, Debug)]
struct Row {
    stratum: (u32, u32, u32),
    boot: u32,
    cycle: u32,
    ms: f64,
    failed: bool,
}

impl LatencyBefore {
    pub fn absorb(&mut self, trial: &Trial<'_>, boot: usize, arm: u32) {
        let steps = &trial.cycle.steps;
        let failed = steps.iter().position(|step| step.failure().is_some_and(|failure| !failure.is_expected()));
        let mut sum = 0.0;
        let mut before = vec![0.0f32];
        for step in steps.iter().take(failed.unwrap_or(steps.len())) {
            // A step of known time that was not passed leaves the sum as it is; it did not answer.
            if is_answer(step) && step.outcome == Outcome::Done {
                sum += step.elapsed.map_or(0.0, Micros::as_millis_f64);
            }
            before.push(sum as f32);
        }
        if self.cycles.len() == KEPT {
            self.cycles.pop_front();
        }
        let failed = failed.map(|at| (at, steps[at].phase));
        let (boot, number) = (boot as u32, trial.cycle.number);
        self.cycles.push_back(Timed { boot, arm, number, before: before.into(), failed });
    }

    pub fn candidates(&self, log: &BootLog) -> Vec<Candidate<'static>> {
        let mut candidates = Vec::new();
        let mut add = |rows: Vec<Row>, what: String| {
            if let Some(estimate) = jackknifed(&rows).filter(|_| is_worth_a_test(&rows)) {
                let p = estimate.p_against(0.5, least_error(&rows));
                candidates.push(Candidate::new(p, move |p| finding(&rows, &what, &estimate, p).into_iter().collect()));
            }
        };
        if let Some((step, phase)) = self.commonest_failure() {
            add(self.before_step(step, log), format!("The steps before {phase} in the same cycle"));
        }
        add(self.cycle_before(log), "The cycle before, in which nothing failed,".to_owned());
        candidates
    }

    fn commonest_failure(&self) -> Option<(usize, Phase)> {
        let mut counts: BTreeMap<(usize, Phase), u32> = BTreeMap::new();
        let timed = self.cycles.iter().filter(|cycle| cycle.before.last().is_some_and(|ms| *ms > 0.0));
        for place in timed.filter_map(|cycle| cycle.failed) {
            *counts.entry(place).or_default() += 1;
        }
        counts.into_iter().max_by_key(|(_, count)| *count).map(|(place, _)| place)
    }

    /// Cycles that reached this step.
    fn before_step(&self, step: usize, log: &BootLog) -> Vec<Row> {
        let reached = self.cycles.iter().zip(self.places()).filter(|(cycle, _)| cycle.before.len() > step);
        let row = |(cycle, place): (&Timed, u32)| {
            let failed = cycle.failed.is_some_and(|(at, _)| at == step);
            Row {
                stratum: stratum(cycle, place, log),
                boot: cycle.boot,
                cycle: cycle.number,
                ms: f64::from(cycle.before[step]),
                failed,
            }
        };
        reached.map(row).collect()
    }

    /// Cycles after a good one of the same boot and arm.
    fn cycle_before(&self, log: &BootLog) -> Vec<Row> {
        let pairs = self.cycles.iter().zip(self.cycles.iter().skip(1)).zip(self.places().into_iter().skip(1));
        let follows = |((before, cycle), _): &((&Timed, &Timed), u32)| {
            before.failed.is_none() && (before.boot, before.arm) == (cycle.boot, cycle.arm)
        };
        let row = |((before, cycle), place): ((&Timed, &Timed), u32)| Row {
            stratum: stratum(cycle, place, log),
            boot: cycle.boot,
            cycle: cycle.number,
            ms: f64::from(before.before.last().copied().unwrap_or_default()),
            failed: cycle.failed.is_some(),
        };
        pairs.filter(follows).map(row).collect()
    }

    /// Which cycle of its boot each is; all alike where there is but one boot.
    fn places(&self) -> Vec<u32> {
        let one_boot = self.cycles.front().map(|cycle| cycle.boot) == self.cycles.back().map(|cycle| cycle.boot);
        let mut places: Vec<u32> = Vec::with_capacity(self.cycles.len());
        let mut last = None;
        for cycle in &self.cycles {
            let place = match places.last() {
                Some(place) if last == Some(cycle.boot) => place + u32::from(!one_boot),
                _ => 0,
            };
            last = Some(cycle.boot);
            places.push(place);
        }
        places
    }
}

fn stratum(cycle: &Timed, place: u32, log: &BootLog) -> (u32, u32, u32) {
    (log.get(cycle.boot as usize).map_or(0, |boot| boot.campaign), cycle.arm, place)
}

fn is_worth_a_test(rows: &[Row]) -> bool {
    let bad = rows.iter().filter(|row| row.failed).count();
    let timed = rows.iter().filter(|row| row.ms > 0.0).count();
    timed == rows.len() && rows.len() >= LEAST_CYCLES && bad >= LEAST_OF_EACH && rows.len() - bad >= LEAST_OF_EACH
}

/// Ranks less their mean within each stratum, divided by its size so that strata weigh by what they hold.
fn scores(rows: &[Row]) -> Vec<f64> {
    let mut strata: BTreeMap<(u32, u32, u32), Vec<usize>> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        strata.entry(row.stratum).or_default().push(at);
    }
    let mut scores = vec![0.0; rows.len()];
    for members in strata.values() {
        let values: Vec<f64> = members.iter().map(|&at| rows[at].ms).collect();
        for (&at, rank) in members.iter().zip(centred_ranks(&values)) {
            scores[at] = rank / members.len() as f64;
        }
    }
    scores
}

/// The share with its standard error. A stretch is as long as the dependence of what is summed asks for, and holds whole boots
/// where there are several: latency and outcome of one boot are alike.
fn jackknifed(rows: &[Row]) -> Option<Jackknife> {
    let rate = rows.iter().filter(|row| row.failed).count() as f64 / rows.len() as f64;
    let outcome = |row: &Row| f64::from(u8::from(row.failed)) - rate;
    let terms: Vec<f64> = rows.iter().zip(scores(rows)).map(|(row, score)| outcome(row) * score).collect();
    let least = BlockPermutation::fitted_to(&terms, 7).block;
    let one_boot = rows.first().map(|row| row.boot) == rows.last().map(|row| row.boot);
    let may_end = |row: usize| one_boot || rows[row].boot != rows[row - 1].boot;
    let stretches: Vec<_> = jackknife::stretches(rows.len(), least, may_end).collect();
    jackknife::over(rows, &stretches, slower_share)
}

/// The standard error of the share if nothing is related and all cycles are independent (Mann and Whitney 1947).
fn least_error(rows: &[Row]) -> f64 {
    let bad = rows.iter().filter(|row| row.failed).count() as f64;
    let good = rows.len() as f64 - bad;
    ((bad + good + 1.0) / (12.0 * bad * good)).sqrt()
}

/// The share of pairs of a failing and a good cycle of one stratum in which the failing one had been slower before.
fn slower_share(rows: &[Row]) -> Option<f64> {
    let mut counts: BTreeMap<(u32, u32, u32), (f64, f64)> = BTreeMap::new();
    for row in rows {
        let (bad, good) = counts.entry(row.stratum).or_default();
        *(if row.failed { bad } else { good }) += 1.0;
    }
    let pairs: f64 = counts.values().map(|(bad, good)| bad * good / (bad + good)).sum();
    let excess: f64 = rows.iter().zip(scores(rows)).filter(|(row, _)| row.failed).map(|(_, score)| score).sum();
    (pairs > 0.0).then(|| 0.5 + excess / pairs)
}

fn finding(rows: &[Row], what: &str, estimate: &Jackknife, p: f64) -> Option<Finding> {
    if p >= weight::REPORTED_BELOW {
        return None;
    }
    let (share, (low, high)) = (estimate.value, estimate.interval());
    let median = |failed: bool| {
        let mut values: Vec<f64> = rows.iter().filter(|row| row.failed == failed).map(|row| row.ms).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let (id, way) = if share > 0.5 { ("slower-before-failing", "slower") } else { ("covariate-matters", "faster") };
    let text = format!(
        "{what} took a median of {:.3} ms before a failure and {:.3} ms otherwise; compared within the same arm and place of a boot it was {way} before the failing one in {:.0} % of pairs.",
        median(true),
        median(false),
        100.0 * share.max(1.0 - share),
    );
    Some(
        Finding::new(id, text, rows.len() as u64, Unit::Cycle)
            .of_size(
                share,
                Some((low.max(0.0), high.min(1.0))),
                "share of pairs in which the failing one was slower before",
            )
            .by(
                format!(
                    "ranks within strata (van Elteren), p = {p:.2e} after Benjamini-Hochberg; {}",
                    jackknife::METHOD
                ),
                weight::of_p_value(p),
            )
            .seen_at(rows.iter().filter(|row| row.failed).map(|row| row.cycle)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::chance::Chance;
    use crate::evidence::synthetic::{campaign, cycle, failing};
    use crate::observation::failure::FailureClass;

    /// Boots of six cycles whose transfers take longer or shorter as a slow state wanders; `rate` makes failures of it.
    fn found(boots: u32, seed: u64, drift: f64, mut rate: impl FnMut(f64, &mut Chance) -> f64) -> Vec<Finding> {
        let mut chance = Chance::seeded(seed);
        let mut state = 0.0;
        let evidence = campaign(boots, 6, |number, boot| {
            let place = f64::from((number - 1) % 6);
            state = 0.9 * state + chance.fraction() - 0.5;
            let slow = 1.0 + 0.2 * state + drift * place;
            let bad = rate(state, &mut chance);
            let mut cycle = if chance.happens(bad) {
                failing(number, boot, FailureClass::BusError, Phase::Read)
            } else {
                cycle(number, boot)
            };
            for step in &mut cycle.steps {
                step.elapsed = step.elapsed.map(|elapsed| Micros::from_secs_f64(elapsed.as_secs_f64() * slow.max(0.1)));
            }
            cycle
        });
        let found = evidence.verdict_findings().into_iter();
        found
            .filter(|finding| finding.id == "slower-before-failing" || finding.text.contains("faster before"))
            .collect()
    }

    #[test]
    fn a_board_that_is_slow_before_it_fails_is_seen_in_the_same_cycle_and_in_the_one_before() {
        let found = found(60, 81, 0.0, |state, _| if state > 0.1 { 0.35 } else { 0.01 });
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].text.starts_with("The steps before read in the same cycle took a median of "));
        for finding in &found {
            let effect = finding.effect.as_ref().unwrap();
            assert!(effect.value > 0.6 && effect.interval.is_some_and(|(low, _)| low > 0.5), "{finding:?}");
        }
    }

    /// Outcomes follow a slow state of their own, and latency rises with time since boot and wanders: no relation.
    #[test]
    fn streaky_failures_that_have_nothing_to_do_with_latency_keep_the_level() {
        let alarms = (0..60).filter(|&seed| {
            let mut own = false;
            !found(30, 100 + seed, 0.1, |_, chance| {
                if chance.happens(0.1) {
                    own = chance.happens(0.3);
                }
                if own { 0.8 } else { 0.05 }
            })
            .is_empty()
        });
        let alarms = alarms.count();
        // 5 % of 60 is 3; three standard deviations above it 8.
        assert!(alarms <= 8, "{alarms} of 60");
    }

    #[test]
    fn strata_are_not_mixed() {
        let row = |place: u32, ms: f64, failed| Row { stratum: (1, 0, place), boot: 1, cycle: 1, ms, failed };
        // Slow at place 1 in all; failures are many there, but within the place the failing one is the faster.
        let rows = [row(0, 1.0, false), row(0, 1.1, false), row(1, 5.0, true), row(1, 6.0, false), row(1, 4.0, true)];
        assert_eq!(slower_share(&rows), Some(0.0));
    }
}
