//! Do two arms fail at the same rate? Exact tests for a two-by-two table.
//!
//! Our arms are fixed by the plan and their outcomes are free, so the unconditional test of Boschloo (1970) is the right
//! one: it orders tables by Fisher's p-value and takes the largest probability of the tail over all common rates. It is
//! never less powerful than Fisher's own test. Two-sided p-values are twice the smaller one-sided one.

use std::f64::consts::SQRT_2;

use statrs::function::erf::erfc_inv;

use super::confidence_sequence::ALPHA;
use super::independent_sum::{IndependentSum, hypergeometric, ln_choose};
use super::solve::crossing;

/// Boschloo's test of larger tables takes too long; Fisher's, doubled, says a little less and holds its level.
pub const EXACT_UP_TO: u64 = 1_000;

/// Points at which the common rate is tried before the best is refined.
const RATES_TRIED: u32 = 200;

/// 95 %, both sides, of the normal distribution.
pub const Z: f64 = 1.959_963_984_540_054;

/// How many standard errors an interval takes on either side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Confidence(pub f64);

impl Confidence {
    /// 95 % for the one comparison that is made.
    pub const OF_ONE: Self = Self(Z);

    /// 95 % for all of so many comparisons together (Bonferroni), so that it also holds for the one that is picked afterwards.
    pub fn of_all(comparisons: usize) -> Self {
        if comparisons <= 1 { Self::OF_ONE } else { Self(SQRT_2 * erfc_inv(ALPHA / comparisons as f64)) }
    }
}

/// `failed` of `n` in one arm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub failed: u64,
    pub n: u64,
}

impl std::ops::Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { failed: self.failed + other.failed, n: self.n + other.n }
    }
}

impl Count {
    pub fn share(self) -> f64 {
        if self.n == 0 { 0.0 } else { self.failed as f64 / self.n as f64 }
    }
}

/// A two-sided p-value for equal rates, with the name of the test.
pub fn p_value(a: Count, b: Count) -> (f64, &'static str) {
    if a.n == 0 || b.n == 0 {
        return (1.0, "no comparison");
    }
    if a.n + b.n > EXACT_UP_TO {
        return ((2.0 * fisher_greater(a, b).min(fisher_greater(b, a))).min(1.0), "Fisher's exact test, doubled");
    }
    ((2.0 * boschloo_greater(a, b).min(boschloo_greater(b, a))).min(1.0), "Boschloo's exact test")
}

/// Of two arms that met in the same strata, such as boots: given how many failed in each, they are as likely to belong to either arm
/// under the null (the small-sample form of Mantel and Haenszel 1959). With the way the sum was taken.
pub fn within_strata(strata: impl IntoIterator<Item = (Count, Count)>) -> (f64, &'static str) {
    let mut sum = IndependentSum::default();
    let mut seen = 0;
    for (a, b) in strata {
        let (all, failed) = (a.n + b.n, a.failed + b.failed);
        // What went one way as a whole tells nothing.
        if failed > 0 && failed < all && a.n > 0 && b.n > 0 {
            let (least, probabilities) = hypergeometric(all, failed, a.n);
            sum.add(least, &probabilities);
            seen += a.failed;
        }
    }
    ((2.0 * sum.at_least(seen).min(sum.at_most(seen))).min(1.0), sum.way())
}

/// Fisher's one-sided p-value: the chance of at least as many failures in `a`, given all failures.
pub fn fisher_greater(a: Count, b: Count) -> f64 {
    let (least, probabilities) = hypergeometric(a.n + b.n, a.failed + b.failed, a.n);
    probabilities[(a.failed - least) as usize..].iter().sum::<f64>().min(1.0)
}

/// Boschloo's one-sided p-value: `a` fails more often than `b`.
pub fn boschloo_greater(a: Count, b: Count) -> f64 {
    let seen = fisher_greater(a, b) * (1.0 + 1e-9);
    // For x failures in `a`, a table is at least as extreme with up to this many failures in `b`.
    let mut most = Vec::with_capacity(a.n as usize + 1);
    let mut y: Option<u64> = None;
    for x in 0..=a.n {
        let extreme = |y: u64| fisher_greater(Count { failed: x, n: a.n }, Count { failed: y, n: b.n }) <= seen;
        while y.map_or(0, |y| y + 1) <= b.n && extreme(y.map_or(0, |y| y + 1)) {
            y = Some(y.map_or(0, |y| y + 1));
        }
        most.push(y);
    }
    let tail = |rate: f64| {
        let below: Vec<f64> = binomial(b.n, rate)
            .into_iter()
            .scan(0.0, |sum, p| {
                *sum += p;
                Some(*sum)
            })
            .collect();
        binomial(a.n, rate).iter().zip(&most).map(|(p, y)| y.map_or(0.0, |y| p * below[y as usize])).sum::<f64>()
    };
    let tried = (1..RATES_TRIED).map(|i| f64::from(i) / f64::from(RATES_TRIED));
    let best = tried.max_by(|a, b| tail(*a).total_cmp(&tail(*b))).unwrap_or(0.5);
    let step = 1.0 / f64::from(RATES_TRIED);
    // Around the best rate the tail is smooth: its top is where the slope turns.
    let slope = |rate: f64| tail(rate - 1e-6) - tail(rate + 1e-6);
    let top = crossing((best - step).max(1e-5), (best + step).min(1.0 - 1e-5), slope);
    tail(best).max(tail(top)).min(1.0)
}

fn binomial(n: u64, rate: f64) -> Vec<f64> {
    let (log_bad, log_good) = (rate.ln(), (1.0 - rate).ln());
    (0..=n).map(|k| (ln_choose(n, k) + k as f64 * log_bad + (n - k) as f64 * log_good).exp()).collect()
}

/// Wilson's score interval (1927), for one look.
pub fn wilson(count: Count, Confidence(z): Confidence) -> (f64, f64) {
    if count.n == 0 {
        return (0.0, 1.0);
    }
    let (n, p) = (count.n as f64, count.share());
    let middle = p + z * z / (2.0 * n);
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    (((middle - half) / scale).max(0.0), ((middle + half) / scale).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::independent_sum::normal_cdf;
    use proptest::prelude::*;

    fn count(failed: u64, n: u64) -> Count {
        Count { failed, n }
    }

    #[test]
    fn so_many_comparisons_together_are_permitted_five_per_cent() {
        assert_eq!(Confidence::of_all(1), Confidence::OF_ONE);
        // Tables of the normal distribution: 2.394 cuts off 0.05 / 3 on both sides, 2.936 0.05 / 15.
        assert!((Confidence::of_all(3).0 - 2.394).abs() < 1e-3 && (Confidence::of_all(15).0 - 2.935).abs() < 2e-3);
        for comparisons in 1..=66 {
            let Confidence(z) = Confidence::of_all(comparisons);
            assert!((2.0 * normal_cdf(-z) * comparisons as f64 - ALPHA).abs() < 1e-9, "{comparisons}");
        }
    }

    /// The example in SciPy's reference for `boschloo_exact` (its columns are the arms): 74 of 117 against 31 of 63,
    /// statistic 0.0483, p 0.0355.
    #[test]
    fn the_example_of_another_implementation_is_reproduced() {
        assert!((fisher_greater(count(74, 117), count(31, 63)) - 0.0483).abs() < 1e-4);
        assert!((boschloo_greater(count(74, 117), count(31, 63)) - 0.0355).abs() < 1e-4);
    }

    /// Computed apart from this program, in Python: every table enumerated with whole-number binomials, 4 000 rates.
    #[test]
    fn small_tables_agree_with_enumeration() {
        for (a, b, expected) in INDEPENDENT {
            let found = boschloo_greater(a, b);
            assert!((found - expected).abs() < 1e-6, "{a:?} {b:?}: {found}");
        }
    }
    const INDEPENDENT: [(Count, Count, f64); 3] = [
        (Count { failed: 7, n: 10 }, Count { failed: 2, n: 12 }, 0.009_366_821),
        (Count { failed: 3, n: 20 }, Count { failed: 0, n: 20 }, 0.076_930_547),
        (Count { failed: 9, n: 15 }, Count { failed: 5, n: 15 }, 0.100_245_059),
    ];

    /// Doubled tails by exact rational arithmetic, where the pooled z test would say 2.5e-10, 7.5e-9, 2.3e-4 and 0.045.
    #[test]
    fn rare_failures_in_large_tables_are_not_made_significant() {
        for (a, b, expected) in [
            (count(2, 100), count(0, 2000), 4.491934935e-03),
            (count(2, 60), count(0, 1000), 6.307124913e-03),
            (count(3, 200), count(0, 900), 1.187368547e-02),
            (count(4, 600), count(0, 600), 1.243747400e-01),
        ] {
            let (p, method) = p_value(a, b);
            assert_eq!(method, "Fisher's exact test, doubled");
            assert!((p / expected - 1.0).abs() < 1e-6, "{a:?} {b:?}: {p}");
        }
    }

    #[test]
    fn arms_without_boots_are_no_evidence() {
        assert_eq!(p_value(count(0, 0), count(3, 9)).0, 1.0);
        assert_eq!(p_value(count(0, 9), count(0, 9)).0, 1.0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn boschloo_is_never_less_powerful_than_fisher(n in 1u64..25, m in 1u64..25, x in 0u64..25, y in 0u64..25) {
            let (a, b) = (count(x.min(n), n), count(y.min(m), m));
            prop_assert!(boschloo_greater(a, b) <= fisher_greater(a, b) + 1e-9);
        }
    }
}
