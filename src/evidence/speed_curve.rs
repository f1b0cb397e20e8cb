//! Failures over the speed of SWCLK: does the trouble on the wires rise with it?
//!
//! Trouble of a cycle is a failure that looks like the wire, or an access that had to be made again: that shows long before
//! anything fails. Levels are interleaved within boots, so each boot gives one slope (shares over the ranks of the speeds),
//! and the slopes of the boots are tested against zero as a self-normalised sum, which holds whatever cycles of one boot
//! have in common. How much it rises is the mean difference within boots, with Student's interval over boots for the same reason. In few boots
//! the slowest and the fastest speed are compared by Boschloo's test on cycles, with Newcombe's interval.

use std::collections::BTreeMap;

use super::difference::Difference;
use super::exact_test::{self, Confidence, Count};
use super::finding::{Finding, NamedCycles, Unit};
use super::independent_sum::normal_cdf;
use super::jackknife;
use super::trial::Trial;
use super::weight;
use crate::observation::failure::FailureClass;

/// The factor's name in the levels of a cycle.
const SPEED: &str = "speed";
/// With fewer sloping boots the sum is no test.
const BOOTS_FOR_A_SUM: u32 = 8;
/// "No rise" is only said where it has at least this weight.
const LEAST_WEIGHT_OF_ABSENCE: f64 = 0.3;

/// Cycles with trouble by speed in kHz.
type Counts = BTreeMap<u32, Count>;

#[derive(Clone, Debug, Default)]
pub struct SpeedCurve {
    all: Counts,
    this_boot: Counts,
    boot: Option<usize>,
    slopes: Slopes,
    /// By the slowest and the fastest speed that a boot had.
    differences: BTreeMap<(u32, u32), Differences>,
    at: NamedCycles,
}

/// Sums over the boots that are over.
#[derive(Clone, Copy, Debug, Default)]
struct Slopes {
    sum: f64,
    squares: f64,
    boots: u32,
}

/// Sums over boots of the share of trouble at the fastest speed less that at the slowest.
#[derive(Clone, Copy, Debug, Default)]
struct Differences {
    sum: f64,
    squares: f64,
    boots: u32,
}

impl SpeedCurve {
    pub fn absorb(&mut self, trial: &Trial<'_>, boot: usize) {
        let Some(speed) = trial.cycle.levels.get(SPEED).and_then(|level| kilohertz(level)) else { return };
        if self.boot.replace(boot) != Some(boot) {
            let over = std::mem::take(&mut self.this_boot);
            self.slopes.add(&over);
            if let Some((ends, difference)) = within_a_boot(&over) {
                self.differences.entry(ends).or_default().add(difference);
            }
        }
        let trouble = has_trouble(trial);
        for counts in [&mut self.all, &mut self.this_boot] {
            let count = counts.entry(speed).or_insert(Count { failed: 0, n: 0 });
            count.n += 1;
            count.failed += u64::from(trouble);
        }
        if trouble {
            self.at.add(trial.cycle.number);
        }
    }

    pub fn findings(&self) -> Vec<Finding> {
        let (Some((_, slow)), Some((_, fast))) = (self.all.first_key_value(), self.all.last_key_value()) else {
            return Vec::new();
        };
        let troubled: u64 = self.all.values().map(|count| count.failed).sum();
        if self.all.len() < 2 || troubled == 0 {
            return Vec::new();
        }
        let (rises, p, method) = self.test(*slow, *fast);
        let found = if rises && p < weight::REPORTED_BELOW {
            Some(self.rise(*slow, *fast, p, &method))
        } else {
            self.flat(*slow, *fast, troubled)
        };
        found.map(|finding| finding.seen_at(self.at.iter())).into_iter().collect()
    }

    /// Whether it rises rather than falls, a two-sided p-value, and by which test.
    fn test(&self, slow: Count, fast: Count) -> (bool, f64, String) {
        let mut slopes = self.slopes;
        slopes.add(&self.this_boot);
        if slopes.boots >= BOOTS_FOR_A_SUM {
            let z = slopes.sum / slopes.squares.sqrt();
            let method = format!("self-normalised sum of the slopes of {} boots", slopes.boots);
            return (z > 0.0, 2.0 * normal_cdf(-z.abs()), method);
        }
        let (p, method) = exact_test::p_value(slow, fast);
        (fast.share() > slow.share(), p, format!("{method} on cycles of the slowest and the fastest speed"))
    }

    /// The rise from the slowest to the fastest speed, its 95 % interval, and after whom.
    fn size(&self, slow: Count, fast: Count) -> (f64, (f64, f64), &'static str) {
        let ends =
            self.all.first_key_value().zip(self.all.last_key_value()).map(|((slow, _), (fast, _))| (*slow, *fast));
        let mut within = ends.and_then(|ends| self.differences.get(&ends)).copied().unwrap_or_default();
        if let Some((_, difference)) = within_a_boot(&self.this_boot).filter(|(of, _)| Some(*of) == ends) {
            within.add(difference);
        }
        let Difference { share: difference, interval: (low, high), .. } =
            Difference::of_counts(fast, slow, Confidence::OF_ONE);
        if within.boots < BOOTS_FOR_A_SUM {
            return (difference, (low, high), "Newcombe");
        }
        // Boots that are all alike would leave no width at all.
        let (lowest, highest) = within.interval();
        (difference, (low.min(lowest), high.max(highest)), "Student over boots, at least Newcombe's over cycles")
    }

    fn rise(&self, slow: Count, fast: Count, p: f64, method: &str) -> Finding {
        let (difference, interval, after) = self.size(slow, fast);
        let text = format!("Trouble on the debug wires rises with speed: {TROUBLE} {}.", self.curve());
        Finding::new("swd-errors-rise-with-speed", text, self.cycles(), Unit::Cycle)
            .of_size(difference, Some(interval), "difference of shares of cycles")
            .by(
                format!("{method}, p = {p:.2e}; intervals after Wilson, of the difference after {after}"),
                weight::of_p_value(p),
            )
    }

    /// The largest rise that the data leave open, against the largest that there could be: twice the common rate.
    fn flat(&self, slow: Count, fast: Count, troubled: u64) -> Option<Finding> {
        let (difference, interval, after) = self.size(slow, fast);
        let rate = troubled as f64 / self.cycles() as f64;
        let weight = weight::of_absence(interval.1.max(0.0) / (2.0 * rate));
        if slow.failed == 0 || weight < LEAST_WEIGHT_OF_ABSENCE {
            return None;
        }
        let text = format!(
            "Trouble on the debug wires does not rise with speed: {TROUBLE} {}. That does not clear the wires: an edge that is counted twice does not depend on speed.",
            self.curve()
        );
        Some(
            Finding::new("swd-errors-flat-over-speed", text, self.cycles(), Unit::Cycle)
                .of_size(difference, Some(interval), "difference of shares of cycles")
                .by(format!("bound after {after}; intervals after Wilson"), weight),
        )
    }

    fn cycles(&self) -> u64 {
        self.all.values().map(|count| count.n).sum()
    }

    /// `2 of 40 cycles at 480 kHz (1 to 17 %)`, for each speed.
    fn curve(&self) -> String {
        let point = |(speed, count): (&u32, &Count)| {
            let (low, high) = exact_test::wilson(*count, Confidence::OF_ONE);
            let n = Unit::Cycle.count(count.n);
            format!("{} of {n} at {speed} kHz ({:.0} to {:.0} %)", count.failed, 100.0 * low, 100.0 * high)
        };
        self.all.iter().map(point).collect::<Vec<_>>().join(", ")
    }
}

impl Slopes {
    /// One boot: its shares of trouble over the ranks of the speeds.
    fn add(&mut self, counts: &Counts) {
        if counts.len() < 2 {
            return;
        }
        let middle = (counts.len() - 1) as f64 / 2.0;
        let slope: f64 = counts.values().enumerate().map(|(rank, count)| (rank as f64 - middle) * count.share()).sum();
        if slope != 0.0 {
            self.sum += slope;
            self.squares += slope * slope;
            self.boots += 1;
        }
    }
}

/// The slowest and the fastest speed of a boot, and how much more trouble the fastest has.
fn within_a_boot(counts: &Counts) -> Option<((u32, u32), f64)> {
    let ((slow, at_slow), (fast, at_fast)) = counts.first_key_value().zip(counts.last_key_value())?;
    (slow < fast).then(|| ((*slow, *fast), at_fast.share() - at_slow.share()))
}

impl Differences {
    fn add(&mut self, difference: f64) {
        self.sum += difference;
        self.squares += difference * difference;
        self.boots += 1;
    }

    /// Student's interval of the mean.
    fn interval(self) -> (f64, f64) {
        let n = f64::from(self.boots);
        let mean = self.sum / n;
        let variance = ((self.squares - n * mean * mean) / (n - 1.0)).max(0.0);
        let half = jackknife::student_quantile(n - 1.0) * (variance / n).sqrt();
        ((mean - half).max(-1.0), (mean + half).min(1.0))
    }
}

/// What is counted, which is more than the cycles that fail.
const TROUBLE: &str = "an access was made again or failed in";

fn kilohertz(level: &str) -> Option<u32> {
    level.strip_suffix(" kHz")?.parse().ok()
}

/// An access that had to be made again, or a failure that looks like the wire. WAIT is a sound answer.
fn has_trouble(trial: &Trial<'_>) -> bool {
    use FailureClass::{DataMismatch, IdMismatch, NoAcknowledge, NoTarget, Parity, SwdFault};
    let repeated = trial.cycle.steps.iter().any(|step| step.summary.repeats > 0);
    let failed = trial.failure.is_some_and(|failure| {
        matches!(failure.class, NoAcknowledge | Parity | SwdFault | NoTarget | DataMismatch | IdMismatch)
    });
    repeated || failed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::chance::Chance;
    use crate::evidence::synthetic::cycle;

    const SPEEDS: [&str; 4] = ["100 kHz", "480 kHz", "1800 kHz", "4000 kHz"];

    /// Cycles whose accesses are repeated with the probability that their speed gives, and what is found.
    fn found(boots: u32, rate: impl Fn(usize) -> f64) -> Vec<Finding> {
        let mut chance = Chance::seeded(3);
        let mut curve = SpeedCurve::default();
        for number in 0..boots * 8 {
            let level = (number % 4) as usize;
            let mut cycle = cycle(number + 1, number / 8);
            cycle.levels.insert(SPEED.to_owned(), SPEEDS[level].to_owned());
            cycle.steps[6].summary.repeats = u32::from(chance.happens(rate(level)));
            curve.absorb(&Trial::of(&cycle), (number / 8) as usize);
        }
        curve.findings()
    }

    #[test]
    fn trouble_that_rises_with_speed_is_a_curve_with_intervals() {
        let found = found(20, |level| [0.0, 0.02, 0.2, 0.7][level]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].id, "swd-errors-rise-with-speed");
        assert!(
            found[0].text.contains("an access was made again or failed in 0 of 40 cycles at 100 kHz (0 to 9 %)"),
            "{}",
            found[0].text
        );
        assert!(found[0].weight > 0.9 && found[0].effect.as_ref().unwrap().value > 0.4);
    }

    #[test]
    fn trouble_at_any_speed_is_flat_and_clears_nothing() {
        let found = found(60, |_| 0.4);
        assert_eq!(found[0].id, "swd-errors-flat-over-speed", "{}", found[0].text);
        assert!(found[0].text.ends_with("an edge that is counted twice does not depend on speed."));
    }

    #[test]
    fn without_trouble_or_with_one_speed_nothing_is_said() {
        assert_eq!(found(20, |_| 0.0), []);
        let mut curve = SpeedCurve::default();
        let mut only = cycle(1, 1);
        only.levels.insert(SPEED.to_owned(), SPEEDS[0].to_owned());
        only.steps[6].summary.repeats = 1;
        curve.absorb(&Trial::of(&only), 0);
        assert_eq!(curve.findings(), []);
    }

    /// In half of the boots, by chance, the fastest speed gives trouble in every other cycle and the others in none: a rise of a quarter.
    #[test]
    fn the_interval_covers_a_rise_that_differs_from_boot_to_boot() {
        let (mut covered, mut by_cycles) = (0, 0);
        for seed in 0..200 {
            let mut chance = Chance::seeded(seed);
            let mut curve = SpeedCurve::default();
            for boot in 0..12 {
                let troubled = chance.happens(0.5);
                for number in 0..48 {
                    let level = (number % 4) as usize;
                    let mut cycle = cycle(boot * 48 + number + 1, boot);
                    cycle.levels.insert(SPEED.to_owned(), SPEEDS[level].to_owned());
                    cycle.steps[6].summary.repeats = u32::from(troubled && level == 3 && chance.happens(0.5));
                    curve.absorb(&Trial::of(&cycle), boot as usize);
                }
            }
            let ends = (curve.all[&100], curve.all[&4000]);
            let covers = |(low, high): (f64, f64)| low <= 0.25 && 0.25 <= high;
            covered += u32::from(covers(curve.size(ends.0, ends.1).1));
            by_cycles += u32::from(covers(Difference::of_counts(ends.1, ends.0, Confidence::OF_ONE).interval));
        }
        // Three deviations below 95 %; cycles as if they were independent of their boots do not come near it.
        assert!(covered >= 181, "{covered} of 200");
        assert!(by_cycles < 170, "{by_cycles} of 200");
    }

    /// Nine boots with mean 0.3 and deviation 0.15; t(0.975, 8) = 2.306.
    #[test]
    fn the_interval_of_the_mean_is_students() {
        let mut differences = Differences::default();
        [0.1, 0.3, 0.5, 0.2, 0.3, 0.4, 0.1, 0.5, 0.3].into_iter().for_each(|difference| differences.add(difference));
        let (low, high) = differences.interval();
        assert!((low - 0.184_70).abs() < 1e-4 && (high - 0.415_30).abs() < 1e-4, "{low} {high}");
    }

    #[test]
    fn a_flat_rate_is_seldom_taken_for_a_rise() {
        let mut false_alarms = 0;
        for seed in 0..200 {
            let mut chance = Chance::seeded(seed);
            let mut curve = SpeedCurve::default();
            for number in 0..160u32 {
                let mut cycle = cycle(number + 1, number / 8);
                cycle.levels.insert(SPEED.to_owned(), SPEEDS[(number % 4) as usize].to_owned());
                cycle.steps[6].summary.repeats = u32::from(chance.happens(0.3));
                curve.absorb(&Trial::of(&cycle), (number / 8) as usize);
            }
            false_alarms += u32::from(curve.findings().iter().any(|found| found.id == "swd-errors-rise-with-speed"));
        }
        // One side of a test at 5 %: 5 expected, 14 is four deviations above.
        assert!(false_alarms <= 14, "{false_alarms} of 200");
    }
}
