//! Is every so many-th outcome one of the rarer kind? An exact count for whole periods.
//!
//! The periodogram of a few boots has few frequencies, and a period that does not divide their number lies between two of
//! them. Counting has no such gaps: for each phase of each period, the chance that so many of the rarer outcomes fall on it is
//! hypergeometric. Every phase of a period may be the one, and periods share the level in inverse proportion to their length,
//! since short ones are met sooner (Bonferroni's inequality with weights: Genovese, Roeder and Wasserman 2006). Streaks are no
//! periods, so the shuffles of `streak_shuffle.rs` have to agree.

use super::independent_sum::hypergeometric;
use super::spectrum::Period;
use super::streak_shuffle;

pub const METHOD: &str = "exact count on each phase of each whole period and shuffles that keep its streaks";

/// Of boots, longer periods are not looked for.
pub const LONGEST_OF_BOOTS: usize = 12;
/// A period shows itself by returning at least so often.
const LEAST_RETURNS: usize = 4;
const LEAST_OUTCOMES: usize = 16;

/// The whole period, up to `longest`, that the outcomes keep to most, if it is significant.
pub fn strongest(outcomes: &[bool], longest: usize, below: f64) -> Option<Period> {
    let bad = outcomes.iter().filter(|bad| **bad).count();
    if outcomes.len() < LEAST_OUTCOMES || bad == 0 || bad == outcomes.len() {
        return None;
    }
    let count = PhaseCount::of(outcomes, longest);
    let (length, exact) = count.least(outcomes);
    if exact >= below {
        return None;
    }
    let shuffled = streak_shuffle::p_value(outcomes, below, |outcomes| -count.least(outcomes).1);
    Some(Period { length: length as f64, p: exact.max(shuffled) }).filter(|period| period.p < below)
}

/// The chances for outcomes of one length with one number of rarer ones.
struct PhaseCount {
    rarer: bool,
    /// For each period from 2 up and each of its phases: the chance of at least so many rarer outcomes there, after all looks.
    chances: Vec<Vec<Vec<f64>>>,
}

impl PhaseCount {
    fn of(outcomes: &[bool], longest: usize) -> Self {
        let n = outcomes.len();
        let bad = outcomes.iter().filter(|bad| **bad).count();
        let rarer = 2 * bad <= n;
        let marked = bad.min(n - bad);
        let longest = longest.min(n / LEAST_RETURNS);
        let shares: f64 = (2..=longest).map(|period| 1.0 / period as f64).sum();
        let of_period = |period: usize| {
            let looks = shares * (period * period) as f64;
            let of_phase = |phase: usize| at_least(n, marked, (n - phase).div_ceil(period));
            let after_looks = |chances: Vec<f64>| chances.into_iter().map(|chance| chance * looks).collect();
            (0..period).map(of_phase).map(after_looks).collect()
        };
        Self { rarer, chances: (2..=longest).map(of_period).collect() }
    }

    /// The period with the phase that is least likely by chance, and that chance.
    fn least(&self, outcomes: &[bool]) -> (usize, f64) {
        let mut least = (0, f64::INFINITY);
        for (period, phases) in (2..).zip(&self.chances) {
            for (phase, chances) in phases.iter().enumerate() {
                let met = outcomes.iter().skip(phase).step_by(period).filter(|bad| **bad == self.rarer).count();
                if chances[met] < least.1 {
                    least = (period, chances[met]);
                }
            }
        }
        least
    }
}

/// The chances of at least 0, 1, 2, ... marked ones among so many drawn.
pub fn at_least(all: usize, marked: usize, drawn: usize) -> Vec<f64> {
    let (least, probabilities) = hypergeometric(all as u64, marked as u64, drawn as u64);
    let mut chances = vec![1.0; least as usize];
    chances.extend((0..probabilities.len()).map(|from| probabilities[from..].iter().sum::<f64>()));
    chances
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::chance::Chance;

    const BELOW: f64 = 0.001;

    #[test]
    fn every_third_of_twenty_is_found_although_three_does_not_divide_twenty() {
        let outcomes: Vec<bool> = (0..20).map(|boot| boot % 3 == 1).collect();
        let period = strongest(&outcomes, 12, BELOW).unwrap();
        assert_eq!(period.length, 3.0);
        // All 7 rarer ones on one phase of 7 places: 1 of C(20, 7) = 77520 ways, for 3 phases of a period with its share of the level.
        assert!(period.p >= 9.0 * (1.0 / 2.0 + 1.0 / 3.0 + 1.0 / 4.0 + 1.0 / 5.0) / 77_520.0, "{}", period.p);
    }

    #[test]
    fn ten_of_forty_that_keep_to_every_second_are_enough() {
        let bad = [1, 5, 7, 9, 15, 17, 23, 29, 31, 39];
        let outcomes: Vec<bool> = (0..40).map(|boot| bad.contains(&boot)).collect();
        assert_eq!(strongest(&outcomes, 12, 0.003).map(|period| period.length), Some(2.0));
    }

    #[test]
    fn chance_and_streaks_show_a_period_no_oftener_than_allowed() {
        let mut chance = Chance::seeded(7);
        let (mut independent, mut streaky) = (0, 0);
        for _ in 0..2_000 {
            let outcomes: Vec<bool> = (0..30).map(|_| chance.fraction() < 0.4).collect();
            independent += u32::from(strongest(&outcomes, 12, 0.01).is_some());
            let mut bad = false;
            let outcomes: Vec<bool> = (0..30)
                .map(|_| {
                    bad ^= chance.fraction() < if bad { 0.4 } else { 0.2 };
                    bad
                })
                .collect();
            streaky += u32::from(strongest(&outcomes, 12, 0.01).is_some());
        }
        // 20 are expected at the most; 34 would be met by chance once in a thousand times.
        assert!(independent <= 34 && streaky <= 34, "{independent} {streaky}");
    }
}
