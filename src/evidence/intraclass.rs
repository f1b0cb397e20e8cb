//! How alike the cycles of one boot are: the intraclass correlation of failures.
//!
//! Beta-binomial model (Skellam 1948; Williams 1975): each boot has its own failure rate, drawn from a Beta distribution
//! with mean m and correlation r. 0 means that a boot tells nothing about its cycles, 1 that boots are good or bad as a
//! whole. The interval is the posterior one under flat priors for m and r, computed on a grid; unlike moment
//! estimates it stays honest when only one or two boots are bad.

use std::collections::BTreeMap;

use statrs::function::beta::ln_beta;

/// Points of the grid in each direction; the interval is read to within 1/(2 * 48).
const GRID: u32 = 48;

/// More distinct kinds of boots (cycles, failed) than this are sampled evenly.
const MOST_KINDS: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correlation {
    pub median: f64,
    /// Holds the correlation with probability 0.95.
    pub interval: (f64, f64),
}

/// From (cycles, failed) of each boot. `None` unless some boots have two cycles or more, and something failed and
/// something passed.
pub fn correlation(boots: impl IntoIterator<Item = (u32, u32)>) -> Option<Correlation> {
    let mut kinds: BTreeMap<(u32, u32), f64> = BTreeMap::new();
    for boot in boots {
        *kinds.entry(boot).or_insert(0.0) += 1.0;
    }
    let several = kinds.keys().any(|(cycles, _)| *cycles > 1);
    let failed = kinds.keys().any(|(_, failed)| *failed > 0);
    let passed = kinds.keys().any(|(cycles, failed)| failed < cycles);
    if !(several && failed && passed) {
        return None;
    }
    let step = kinds.len().div_ceil(MOST_KINDS);
    let kinds: Vec<_> = kinds.into_iter().step_by(step).collect();
    let middles = || (0..GRID).map(|i| (f64::from(i) + 0.5) / f64::from(GRID));
    let log_posterior: Vec<Vec<f64>> = middles()
        .map(|r| {
            middles().map(|m| kinds.iter().map(|&(kind, times)| times * log_likelihood(kind, m, r)).sum()).collect()
        })
        .collect();
    let highest = log_posterior.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max);
    let over_r: Vec<f64> = log_posterior.iter().map(|row| row.iter().map(|log| (log - highest).exp()).sum()).collect();
    Some(Correlation { median: quantile(&over_r, 0.5), interval: (quantile(&over_r, 0.025), quantile(&over_r, 0.975)) })
}

/// Beta-binomial, without the factor that depends on the data only.
fn log_likelihood((cycles, failed): (u32, u32), mean: f64, r: f64) -> f64 {
    let total = (1.0 - r) / r;
    let (a, b) = (mean * total, (1.0 - mean) * total);
    ln_beta(a + f64::from(failed), b + f64::from(cycles - failed)) - ln_beta(a, b)
}

/// Of a density on the grid, linear within its cells.
fn quantile(density: &[f64], q: f64) -> f64 {
    let target = q * density.iter().sum::<f64>();
    let mut below = 0.0;
    for (cell, weight) in density.iter().enumerate() {
        if below + weight >= target {
            return (cell as f64 + (target - below) / weight) / density.len() as f64;
        }
        below += weight;
    }
    1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::chance::Chance;

    /// Computed apart from this program, in Python: the same posterior with the Beta function by products of its terms
    /// on a grid of 400 by 400.
    #[test]
    fn posteriors_agree_with_an_independent_computation() {
        let all_or_nothing = [vec![(5, 5); 3], vec![(5, 0); 37]].concat();
        let scattered = [vec![(5, 1); 10], vec![(5, 0); 30]].concat();
        for (boots, median, low, high) in
            [(all_or_nothing, 0.9485, 0.7425, 0.9981), (scattered, 0.0408, 0.0015, 0.2355)]
        {
            let found = correlation(boots).unwrap();
            for (found, expected) in [(found.median, median), (found.interval.0, low), (found.interval.1, high)] {
                assert!((found - expected).abs() < 0.011, "{found} instead of {expected}");
            }
        }
    }

    #[test]
    fn the_interval_holds_the_truth_about_as_often_as_it_says() {
        let mut chance = Chance::seeded(3);
        let held = (0..60).filter(|_| {
            // Half of a bad boot's cycles fail and none of a good one's: correlation 0.375 when 40 % of boots are bad.
            let boots: Vec<_> = (0..40)
                .map(|_| {
                    let bad = chance.happens(0.4);
                    (6, (0..6).filter(|_| bad && chance.happens(0.5)).count() as u32)
                })
                .collect();
            correlation(boots).is_some_and(|found| found.interval.0 <= 0.375 && 0.375 <= found.interval.1)
        });
        assert!(held.count() >= 50);
    }

    #[test]
    fn single_cycles_per_boot_say_nothing() {
        assert_eq!(correlation([(1, 1), (1, 0)]), None);
        assert_eq!(correlation([(4, 0), (4, 0)]), None);
    }
}
