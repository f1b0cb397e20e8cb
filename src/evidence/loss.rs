//! How long after the start of a boot the board is lost: early, at any time, late, or always after the same time.
//!
//! Boots that end with the board still there are waits cut short. The shape of the hazard is that of a Weibull
//! distribution fitted by maximum likelihood (Cohen 1965): below 1 losses come early, at 1 at any time alike, above 1
//! they become likelier the longer it runs, as with warming. A constant time is a timer, such as a watchdog.

use std::collections::BTreeMap;

use super::boot_log::{Arrival, BootLog, Loss};
use super::finding::{Finding, Unit};
use super::solve::crossing;
use super::survival::{Survival, Wait};
use super::weight;
use crate::observation::step::Phase;
use crate::observation::units::Micros;

/// Fewer losses have no shape.
const LEAST_LOSSES: usize = 5;
/// So few times agree by chance.
const LEAST_OF_A_TIMER: usize = 8;
/// The middle half within this share of the median is a constant time, and within so much of the time after the board came:
/// what lies before is alike in all boots.
const CONSTANT_WITHIN: f64 = 0.1;
const OF_PRESENCE: f64 = 0.25;

pub fn findings(log: &BootLog) -> Vec<Finding> {
    let losses = Losses::of(log);
    if losses.lost.len() < LEAST_LOSSES {
        return Vec::new();
    }
    vec![losses.by_time(log).or_else(|| losses.by_work()).unwrap_or_else(|| losses.by_hazard())]
}

/// How long boots lasted, and those that ended in a loss.
struct Losses {
    waits: Vec<Wait>,
    /// The earliest first.
    lost: Vec<Lost>,
}

struct Lost {
    after: f64,
    place: (Phase, u32),
    at: u32,
}

impl Losses {
    fn of(log: &BootLog) -> Self {
        let ends = log.boots().filter_map(|boot| Some((boot.loss?, boot.failed_at.unwrap_or(boot.begins_at))));
        let ends: Vec<_> = ends.filter(|(loss, _)| loss.after > Micros::ZERO).collect();
        let wait = |(loss, _): &(Loss, u32)| Wait { time: loss.after.as_secs_f64(), happened: loss.happened() };
        let lost =
            |(loss, at): &(Loss, u32)| Some(Lost { after: loss.after.as_secs_f64(), place: loss.place?, at: *at });
        let mut lost: Vec<_> = ends.iter().filter_map(lost).collect();
        lost.sort_by(|a, b| a.after.total_cmp(&b.after));
        Self { waits: ends.iter().map(wait).collect(), lost }
    }

    fn quartiles(&self) -> [f64; 3] {
        [1, 2, 3].map(|quarter| self.lost[self.lost.len() * quarter / 4].after)
    }

    fn at(&self) -> impl Iterator<Item = u32> {
        self.lost.iter().map(|lost| lost.at)
    }

    /// A recipe takes its time too: a loss in the same step of the same cycle comes after a constant time by itself. What tells time
    /// from work are losses at that time in the middle of other work.
    fn by_time(&self, log: &BootLog) -> Option<Finding> {
        let [early, median, late] = self.quartiles();
        let came = log.boots().filter_map(|boot| boot.arrival).filter_map(|arrival| match arrival {
            Arrival::After(time) => Some(time.as_secs_f64()),
            Arrival::NotWithin(_) => None,
        });
        let present = median - came.fold(f64::INFINITY, f64::min).min(median);
        let within = (CONSTANT_WITHIN * median).min(OF_PRESENCE * present);
        let in_other_work = self.in_other_work(|after| (after - median).abs() <= within);
        if self.lost.len() < LEAST_OF_A_TIMER || late - early > within || in_other_work == 0 {
            return None;
        }
        let n = self.lost.len() as u64;
        let text = format!(
            "The board is lost after about the same time of each boot: median {median:.2} s, middle half {early:.2} to {late:.2} s, in {n} boots, {in_other_work} of them in the middle of other work than most."
        );
        let waits: Vec<Wait> = self.lost.iter().map(|lost| Wait { time: lost.after, happened: true }).collect();
        let (low, high) = Survival::of(&waits).quantile_interval(0.5);
        let interval = low.zip(high).unwrap_or((self.lost.first()?.after, self.lost.last()?.after));
        Some(
            Finding::new("loss-after-constant-time", text, n, Unit::Boot)
                .of_size(median, Some(interval), "s")
                .by(
                    "median of the time to loss, interval after Brookmeyer and Crowley, and how many at that time are in other work",
                    weight::of_sightings(in_other_work),
                )
                .seen_at(self.at()),
        )
    }

    /// Of the losses at such a time, those in another step, or another cycle of the boot, than most.
    fn in_other_work(&self, counts: impl Fn(f64) -> bool) -> u64 {
        let mut places: BTreeMap<(Phase, u32), u64> = BTreeMap::new();
        for lost in self.lost.iter().filter(|lost| counts(lost.after)) {
            *places.entry(lost.place).or_default() += 1;
        }
        places.values().sum::<u64>() - places.values().copied().max().unwrap_or_default()
    }

    /// The same step has passed in the cycles before, so it is not the step alone.
    fn by_work(&self) -> Option<Finding> {
        let (phase, cycle) = self.lost.first()?.place;
        if cycle == 1 || self.lost.iter().any(|lost| lost.place != (phase, cycle)) {
            return None;
        }
        let n = self.lost.len() as u64;
        let text = format!(
            "The board is always lost in the step {phase} of cycle {cycle} of a boot, in {n} boots, though the same step passed in the cycles before."
        );
        Some(
            Finding::new("loss-after-same-work", text, n, Unit::Boot)
                .by("count of losses whose time is known", weight::of_sightings(n - 1))
                .seen_at(self.at()),
        )
    }

    fn by_hazard(&self) -> Finding {
        let (shape, interval) = weibull_shape(&self.waits);
        let words = if interval.1 < 1.0 {
            "losses come early in a boot"
        } else if interval.0 > 1.0 {
            "losses become likelier the longer a boot runs"
        } else {
            "losses may come at any time of a boot"
        };
        let half =
            Survival::of(&self.waits).quantile(0.5).map_or("not reached".to_owned(), |time| format!("{time:.2} s"));
        let (losses, boots) = (self.lost.len() as u64, self.waits.len());
        let text = format!(
            "The board was lost in {losses} of {boots} boots: {words} (shape of the hazard {shape:.2}, {:.2} to {:.2}; half of the boots lost after {half}).",
            interval.0, interval.1
        );
        Finding::new("time-to-loss", text, boots as u64, Unit::Boot)
            .of_size(shape, Some(interval), "Weibull shape")
            .by(
                "Weibull model by maximum likelihood, 95 % Wald interval on the logarithm; Kaplan-Meier median",
                weight::of_sightings(losses),
            )
            .seen_at(self.at())
    }
}

/// The shape with its interval; all times are positive.
fn weibull_shape(waits: &[Wait]) -> (f64, (f64, f64)) {
    let events = waits.iter().filter(|wait| wait.happened).count() as f64;
    let mean_log = waits.iter().filter(|wait| wait.happened).map(|wait| wait.time.ln()).sum::<f64>() / events;
    let longest = waits.iter().map(|wait| wait.time).fold(0.0, f64::max);
    // Moments of log time, weighted by time to the power of the shape; scaled so that nothing overflows.
    let moments = |shape: f64| {
        waits.iter().fold((0.0, 0.0, 0.0), |(zeroth, first, second), wait| {
            let (power, log) = ((wait.time / longest).powf(shape), wait.time.ln());
            (zeroth + power, first + power * log, second + power * log * log)
        })
    };
    // The profile score divided by the number of events: falls through zero at the estimate.
    let score = |shape: f64| {
        let (zeroth, first, _) = moments(shape);
        1.0 / shape + mean_log - first / zeroth
    };
    let shape = crossing(1e-3, 1e3, |shape| -score(shape));
    let (zeroth, first, second) = moments(shape);
    let spread = second / zeroth - (first / zeroth).powi(2);
    let error = 1.0 / (events * (1.0 + shape * shape * spread)).sqrt();
    (shape, (shape * (-1.96 * error).exp(), shape * (1.96 * error).exp()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::chance::Chance;
    use crate::evidence::synthetic::{campaign, cycle, failing};
    use crate::observation::failure::FailureClass;

    /// Boots of ten cycles of one second; each is lost after as many seconds as `after` says, counted from its start.
    fn texts(after: impl Fn(u32) -> f64) -> Vec<(String, String)> {
        let evidence = campaign(24, 10, |number, boot| {
            let in_boot = f64::from((number - 1) % 10);
            let begins = 60.0 * f64::from(boot) + in_boot;
            let lost = after(boot);
            let phase = if lost.fract() < 0.5 { Phase::Layout } else { Phase::Read };
            let mut cycle = if (in_boot..in_boot + 1.0).contains(&lost) {
                failing(number, boot, FailureClass::Disconnected, phase)
            } else {
                cycle(number, boot)
            };
            for step in &mut cycle.steps {
                let into = if step.failure().is_some() { lost.fract() } else { 0.0 };
                step.started = Some(Micros::from_secs_f64(begins + into));
            }
            cycle
        });
        let found = evidence.verdict_findings().into_iter();
        found.filter(|finding| finding.id.contains("loss")).map(|finding| (finding.id, finding.text)).collect()
    }

    #[test]
    fn a_watchdog_bites_after_a_constant_time_in_any_step() {
        let found = texts(|boot| 4.45 + 0.1 * f64::from(boot % 2));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, "loss-after-constant-time", "{found:?}");
    }

    #[test]
    fn a_loss_at_the_same_point_of_each_boot_is_no_matter_of_time_alone() {
        let found = texts(|_| 4.6);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, "loss-after-same-work", "{found:?}");
        assert!(found[0].1.contains("in the step read of cycle 5 of a boot, in 24 boots"), "{found:?}");
    }

    #[test]
    fn a_loss_at_another_time_in_another_step_does_not_tell_time_from_work() {
        let found = texts(|boot| if boot % 6 == 0 { 7.2 } else { 4.6 });
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, "time-to-loss", "{found:?}");
    }

    #[test]
    fn losses_at_random_have_a_hazard_of_shape_one() {
        let mut chance = Chance::seeded(61);
        let times: Vec<f64> = (0..=24).map(|_| -6.0 * (1.0 - chance.fraction()).ln()).collect();
        let found = texts(|boot| times[boot as usize]);
        assert_eq!(found[0].0, "time-to-loss");
        assert!(found[0].1.contains("losses may come at any time of a boot"), "{found:?}");
    }

    /// The maximum-likelihood fit of the treated group of Freireich et al. (1963): shape 1.354 (published as 1/0.739 by
    /// Klein and Moeschberger; checked apart from this program by a grid search in Python).
    #[test]
    fn the_fit_agrees_with_the_leukaemia_data() {
        let happened = [6.0, 6.0, 6.0, 7.0, 10.0, 13.0, 16.0, 22.0, 23.0];
        let cut_short = [6.0, 9.0, 10.0, 11.0, 17.0, 19.0, 20.0, 25.0, 32.0, 32.0, 34.0, 35.0];
        let wait = |happened| move |&time: &f64| Wait { time, happened };
        let waits: Vec<Wait> = happened.iter().map(wait(true)).chain(cut_short.iter().map(wait(false))).collect();
        let (shape, _) = weibull_shape(&waits);
        assert!((shape - 1.354).abs() < 2e-3, "{shape}");
    }
}
