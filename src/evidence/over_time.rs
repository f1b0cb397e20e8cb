//! Findings over the course of a campaign: drift, a change at one moment, bursts.
//!
//! Drift and change are judged by block permutation, so that mere streaks do not pass for either. The unit is the boot;
//! within a single boot it is the cycle.

use std::collections::{BTreeMap, VecDeque};

use super::boot_log::{BootLog, BootTally};
use super::change_point::best_split;
use super::finding::{Finding, Unit};
use super::jackknife;
use super::permutation::{BlockPermutation, thinned};
use super::runs_test::RunsTest;
use super::trial::Trial;
use super::weight;
use crate::observation::field_text::FieldText;

/// Fewer outcomes, or fewer of either kind, show no course.
const LEAST_OUTCOMES: usize = 10;
const LEAST_OF_EACH: f64 = 3.0;
/// A smaller change of the rate is not worth a sentence.
const LEAST_CHANGE: f64 = 0.1;
const REMARKS_KEPT: usize = 1_000;

/// The outcome of every cycle, one byte each, and what else happened.
#[derive(Clone, Debug, Default)]
pub struct OverTime {
    failed: Vec<bool>,
    first_number: u32,
    remarks: VecDeque<Remark>,
}

/// A kernel message or an operator's note, after so many cycles.
#[derive(Clone, Debug)]
struct Remark {
    cycles_before: usize,
    text: FieldText,
}

/// Outcomes in order, each with the number of the cycle it began at.
struct Course {
    unit: Unit,
    outcomes: Vec<f64>,
    begins_at: Vec<u32>,
}

impl Course {
    /// The interval of the share from `start` on less that before `end`.
    fn change(&self, end: usize, start: usize) -> Option<(f64, f64)> {
        let rows: Vec<(usize, f64)> = self.outcomes.iter().copied().enumerate().collect();
        let share = |rows: &[(usize, f64)], is_in: &dyn Fn(usize) -> bool| {
            let part = rows.iter().filter(|(at, _)| is_in(*at));
            let (sum, n) = part.fold((0.0, 0.0), |(sum, n), (_, bad)| (sum + bad, n + 1.0));
            (n > 0.0).then(|| sum / n)
        };
        let difference = |rows: &[(usize, f64)]| Some(share(rows, &|at| at >= start)? - share(rows, &|at| at < end)?);
        let least = BlockPermutation::fitted_to(&thinned(&self.outcomes), 1).block;
        let stretches: Vec<_> = jackknife::stretches(rows.len(), least, |_| true).collect();
        let (low, high) = jackknife::over(&rows, &stretches, difference)?.interval();
        Some((low.max(-1.0), high.min(1.0)))
    }
}

impl OverTime {
    pub fn absorb(&mut self, trial: &Trial<'_>) {
        if self.failed.is_empty() {
            self.first_number = trial.cycle.number;
        }
        self.failed.push(trial.failed());
    }

    pub fn remark(&mut self, text: &FieldText) {
        if self.remarks.len() == REMARKS_KEPT {
            self.remarks.pop_front();
        }
        self.remarks.push_back(Remark { cycles_before: self.failed.len(), text: text.clone() });
    }

    pub fn tested(&self, log: &BootLog) -> Vec<Finding> {
        let mut found = Vec::new();
        if let Some(course) = self.course(log) {
            found.extend(drift(&course));
            found.extend(self.change(&course));
        }
        found.extend(bursts(log));
        found
    }

    /// Boots of the commonest kind of the longest campaign; the cycles where there is one boot only.
    fn course(&self, log: &BootLog) -> Option<Course> {
        let mut strata: BTreeMap<(u32, &'static str), Vec<&BootTally>> = BTreeMap::new();
        for boot in log.boots() {
            strata.entry((boot.campaign, boot.kind.name())).or_default().push(boot);
        }
        let boots = strata.into_values().max_by_key(Vec::len)?;
        let course = if boots.len() > 1 {
            Course {
                unit: Unit::Boot,
                outcomes: boots.iter().map(|boot| f64::from(u8::from(boot.is_bad()))).collect(),
                begins_at: boots.iter().map(|boot| boot.begins_at).collect(),
            }
        } else {
            // Boots of different kinds or campaigns make no course together, nor do their cycles.
            if log.boots().count() > 1 {
                return None;
            }
            Course {
                unit: Unit::Cycle,
                outcomes: self.failed.iter().map(|failed| f64::from(u8::from(*failed))).collect(),
                begins_at: (self.first_number..).take(self.failed.len()).collect(),
            }
        };
        let bad: f64 = course.outcomes.iter().sum();
        let good = course.outcomes.len() as f64 - bad;
        (course.outcomes.len() >= LEAST_OUTCOMES && bad >= LEAST_OF_EACH && good >= LEAST_OF_EACH).then_some(course)
    }

    fn change(&self, course: &Course) -> Option<Finding> {
        let sketch = thinned(&course.outcomes);
        let test = BlockPermutation::fitted_to(&sketch, 2);
        let p = test.p_value(&sketch, |outcomes| best_split(outcomes).map_or(0.0, |split| split.gain));
        let split = best_split(&course.outcomes)?;
        if p >= weight::REPORTED_BELOW || (split.after - split.before).abs() < LEAST_CHANGE {
            return None;
        }
        let (from, cycle) = (course.begins_at[split.at - 1], course.begins_at[split.at]);
        let text = format!(
            "The failure rate changed at cycle {cycle}: {:.0} % of the {}s before, {:.0} % after{}.",
            100.0 * split.before,
            course.unit.name(),
            100.0 * split.after,
            self.remark_between(from, cycle)
        );
        Some(
            Finding::new("change-point", text, course.outcomes.len() as u64, course.unit)
                .of_size(split.after - split.before, course.change(split.at, split.at), "change of the share")
                .by(
                    format!(
                        "likelihood ratio for one change, {}, p = {p:.3}; {}, the place of the change taken as known",
                        test.method(),
                        jackknife::METHOD
                    ),
                    weight::of_p_value(p),
                )
                .seen_at([cycle]),
        )
    }

    /// What happened just before: the last remark between two cycles.
    fn remark_between(&self, from: u32, to: u32) -> String {
        let place = |number: u32| number.saturating_sub(self.first_number) as usize;
        let between = place(from)..=place(to);
        let last = self.remarks.iter().rev().find(|remark| between.contains(&remark.cycles_before));
        last.map(|remark| format!("; just before: {}", remark.text.for_terminal())).unwrap_or_default()
    }
}

fn drift(course: &Course) -> Option<Finding> {
    let sketch = thinned(&course.outcomes);
    let test = BlockPermutation::fitted_to(&sketch, 1);
    let p = test.p_value(&sketch, |outcomes| trend(outcomes).abs());
    if p >= weight::REPORTED_BELOW {
        return None;
    }
    let n = course.outcomes.len();
    let third = n / 3;
    let share = |part: &[f64]| 100.0 * part.iter().sum::<f64>() / part.len() as f64;
    let (first, last) = (share(&course.outcomes[..third]), share(&course.outcomes[n - third..]));
    let way = if last > first { "rises" } else { "falls" };
    let text = format!(
        "The failure rate {way} over the campaign: {first:.0} % of the first third of the {}s, {last:.0} % of the last third.",
        course.unit.name()
    );
    let bad = course.outcomes.iter().zip(&course.begins_at).filter(|(bad, _)| **bad > 0.0).map(|(_, at)| *at);
    Some(
        Finding::new("drift-over-campaign", text, course.outcomes.len() as u64, course.unit)
            .of_size((last - first) / 100.0, course.change(third, n - third), "change of the share")
            .by(
                format!("trend in proportions, {}, p = {p:.3}; {}", test.method(), jackknife::METHOD),
                weight::of_p_value(p),
            )
            .seen_at(bad),
    )
}

/// Cochran and Armitage's statistic for a trend, up to a constant.
fn trend(outcomes: &[f64]) -> f64 {
    let middle = (outcomes.len() - 1) as f64 / 2.0;
    outcomes.iter().enumerate().map(|(at, bad)| bad * (at as f64 - middle)).sum()
}

/// Do failing cycles of the same boot come together?
fn bursts(log: &BootLog) -> Option<Finding> {
    let mut test = RunsTest::default();
    let long = || log.boots().filter(|boot| boot.is_mixed() && boot.cycles >= 4);
    for boot in long() {
        test.add(u64::from(boot.cycles - boot.failed), u64::from(boot.failed), u64::from(boot.runs));
    }
    let p = test.p_too_few();
    if p >= weight::REPORTED_BELOW {
        return None;
    }
    let (runs, expected) = test.seen_and_expected();
    let (ratio, interval) = test.against_chance();
    let boots = long().count() as u64;
    let text = format!(
        "Within boots failing cycles come together: {runs} stretches of equal outcome in {boots} boots, where chance would make about {expected:.0}."
    );
    Some(
        Finding::new("bursts", text, boots, Unit::Boot)
            .of_size(ratio, Some(interval), "stretches against chance")
            .by(format!("runs test within boots, {}, p = {p:.2e}", test.way()), weight::of_p_value(p))
            .seen_at(long().filter_map(|boot| boot.failed_at)),
    )
}

#[cfg(test)]
mod tests {
    use crate::evidence::campaign_evidence::CampaignEvidence;
    use crate::evidence::chance::Chance;
    use crate::evidence::synthetic::{campaign, cold_boot, cycle, failing, start};
    use crate::observation::event::{Event, EventKind};
    use crate::observation::failure::FailureClass;
    use crate::observation::step::Phase;

    fn ids(boots: u32, cycles: u32, mut bad: impl FnMut(u32, u32) -> bool) -> Vec<String> {
        let evidence = campaign(boots, cycles, |number, boot| {
            if bad(number, boot) {
                failing(number, boot, FailureClass::BusError, Phase::Read)
            } else {
                cycle(number, boot)
            }
        });
        let over_time = ["drift-over-campaign", "change-point", "bursts"];
        let ids = evidence.verdict_findings().into_iter().map(|finding| finding.id);
        ids.filter(|id| over_time.contains(&id.as_str())).collect()
    }

    #[test]
    fn chance_alone_seldom_has_a_course() {
        let mut chance = Chance::seeded(21);
        let alarms: usize = (0..20).map(|_| ids(40, 4, |_, _| chance.happens(0.1)).len()).sum();
        // Three tests at 5 %, twenty times: 3 alarms are expected.
        assert!(alarms <= 8, "{alarms}");
    }

    #[test]
    fn a_rate_that_climbs_is_drift() {
        let mut chance = Chance::seeded(22);
        let found = ids(80, 1, |_, boot| chance.happens(f64::from(boot) / 90.0));
        assert!(found.contains(&"drift-over-campaign".to_owned()), "{found:?}");
    }

    #[test]
    fn failing_cycles_in_a_row_are_bursts() {
        assert_eq!(ids(6, 12, |number, boot| boot % 2 == 0 && (3..7).contains(&(number % 12))), ["bursts"]);
    }

    #[test]
    fn what_happened_just_before_a_change_is_named() {
        let mut evidence = CampaignEvidence::new();
        let mut tell = |kind| evidence.absorb(&Event { seq: 1, at: None, kind });
        tell(EventKind::CampaignStarted(start(1, 60)));
        tell(EventKind::BootStarted(cold_boot(1)));
        for number in 1..=60 {
            if number == 31 {
                tell(EventKind::HostMessage("usb 1-4: reset full-speed\u{1b} USB device".into()));
            }
            let bad = number > 30 && number % 5 != 0;
            tell(EventKind::CycleFinished(if bad {
                failing(number, 1, FailureClass::Stall, Phase::Otp)
            } else {
                cycle(number, 1)
            }));
        }
        let findings = evidence.verdict_findings();
        let change = findings.iter().find(|finding| finding.id == "change-point").unwrap();
        assert_eq!(
            change.text,
            "The failure rate changed at cycle 31: 0 % of the cycles before, 80 % after; just before: usb 1-4: reset full-speed\\u{1b} USB device."
        );
    }
}
