//! The distribution of a sum of independent counts, exact by convolution while that is affordable.
//!
//! Stratified tests come down to this: each boot, block or kind of boot adds a count whose distribution is known under
//! the null. Above `EXACT_UP_TO` possible values the sum is taken as normal with continuity correction, the variance
//! being exact; the method text of a finding says which was used.

use statrs::function::erf::erfc;

/// The longest distribution that is carried exactly.
pub const EXACT_UP_TO: usize = 1_000;

#[derive(Clone, Debug)]
pub struct IndependentSum {
    /// Probabilities of `offset`, `offset + 1`, ...; empty once the sum has become too long.
    probabilities: Vec<f64>,
    offset: u64,
    mean: f64,
    variance: f64,
}

impl Default for IndependentSum {
    /// Nothing added yet.
    fn default() -> Self {
        Self { probabilities: vec![1.0], offset: 0, mean: 0.0, variance: 0.0 }
    }
}

impl IndependentSum {
    /// Adds a count that takes `offset`, `offset + 1`, ... with these probabilities.
    pub fn add(&mut self, offset: u64, probabilities: &[f64]) {
        let mean: f64 = probabilities.iter().zip(0u32..).map(|(p, k)| p * f64::from(k)).sum();
        let square: f64 = probabilities.iter().zip(0u32..).map(|(p, k)| p * f64::from(k) * f64::from(k)).sum();
        self.mean += offset as f64 + mean;
        self.variance += square - mean * mean;
        self.offset += offset;
        let longer = self.probabilities.len() + probabilities.len() - 1;
        if self.probabilities.is_empty() || longer > EXACT_UP_TO {
            self.probabilities.clear();
            return;
        }
        let mut sum = vec![0.0; longer];
        for (i, a) in self.probabilities.iter().enumerate() {
            for (j, b) in probabilities.iter().enumerate() {
                sum[i + j] += a * b;
            }
        }
        self.probabilities = sum;
    }

    /// Adds a count of which only mean and variance are known; the sum is then taken as normal.
    pub fn add_moments(&mut self, mean: f64, variance: f64) {
        self.mean += mean;
        self.variance += variance;
        self.probabilities.clear();
    }

    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// How many times the mean `seen` is, with an interval from the variance that chance alone makes.
    pub fn against_mean(&self, seen: u64) -> (f64, (f64, f64)) {
        let half = 1.96 * self.variance.max(0.0).sqrt();
        let seen = seen as f64;
        (seen / self.mean, (((seen - half) / self.mean).max(0.0), (seen + half) / self.mean))
    }

    pub fn is_exact(&self) -> bool {
        !self.probabilities.is_empty()
    }

    /// `exact` or `normal approximation`, for the method text.
    pub fn way(&self) -> &'static str {
        if self.is_exact() { "exact" } else { "normal approximation" }
    }

    pub fn at_most(&self, k: u64) -> f64 {
        if self.is_exact() {
            let upto = self.probabilities.iter().zip(self.offset..).filter(|(_, value)| *value <= k);
            return upto.map(|(p, _)| p).sum::<f64>().min(1.0);
        }
        self.normal_below(k as f64 + 0.5)
    }

    pub fn at_least(&self, k: u64) -> f64 {
        if self.is_exact() {
            let from = self.probabilities.iter().zip(self.offset..).filter(|(_, value)| *value >= k);
            return from.map(|(p, _)| p).sum::<f64>().min(1.0);
        }
        1.0 - self.normal_below(k as f64 - 0.5)
    }

    fn normal_below(&self, value: f64) -> f64 {
        if self.variance <= 0.0 {
            return if value >= self.mean { 1.0 } else { 0.0 };
        }
        normal_cdf((value - self.mean) / self.variance.sqrt())
    }
}

/// The standard normal distribution, from the complementary error function so that small tails keep their digits.
pub fn normal_cdf(z: f64) -> f64 {
    0.5 * erfc(-z / std::f64::consts::SQRT_2)
}

/// The hypergeometric distribution: how many of `drawn` items are marked, of `all` items with `marked` marked.
/// Returns the smallest possible count and the probabilities from there on.
pub fn hypergeometric(all: u64, marked: u64, drawn: u64) -> (u64, Vec<f64>) {
    let least = (marked + drawn).saturating_sub(all);
    let most = marked.min(drawn);
    let weigh = |k: u64| ln_choose(marked, k) + ln_choose(all - marked, drawn - k) - ln_choose(all, drawn);
    (least, (least..=most).map(|k| weigh(k).exp()).collect())
}

/// The logarithm of the number of ways to choose `k` of `n`.
pub fn ln_choose(n: u64, k: u64) -> f64 {
    statrs::function::factorial::ln_binomial(n, k)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn three_dice_are_three_dice() {
        let mut dice = IndependentSum::default();
        for _ in 0..3 {
            dice.add(1, &[1.0 / 6.0; 6]);
        }
        assert!((dice.at_least(17) - 4.0 / 216.0).abs() < 1e-14);
        assert!((dice.at_most(3) - 1.0 / 216.0).abs() < 1e-14);
        assert!((dice.mean() - 10.5).abs() < 1e-12);
    }

    #[test]
    fn beyond_the_cut_over_the_normal_tail_is_close() {
        let coins = |n| {
            let mut sum = IndependentSum::default();
            for _ in 0..n {
                sum.add(0, &[0.5, 0.5]);
            }
            sum
        };
        let (exact, normal) = (coins(900), coins(1_100));
        assert!(exact.is_exact() && !normal.is_exact());
        // 1.96 standard deviations above the mean: 0.025 in the limit.
        assert!((exact.at_least(480) - normal.at_least(583)).abs() < 2e-3);
    }

    /// Agresti, Categorical Data Analysis: the lady tasting tea, 3 of 4 right, has probability 16/70.
    #[test]
    fn the_lady_tasting_tea() {
        let (least, probabilities) = hypergeometric(8, 4, 4);
        assert_eq!(least, 0);
        assert!((probabilities[3] - 16.0 / 70.0).abs() < 1e-12);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn tails_add_up(all in 1u64..60, marked in 0u64..60, drawn in 0u64..60, k in 0u64..60) {
            let (marked, drawn) = (marked.min(all), drawn.min(all));
            let mut sum = IndependentSum::default();
            let (offset, probabilities) = hypergeometric(all, marked, drawn);
            sum.add(offset, &probabilities);
            prop_assert!((sum.at_most(k) + sum.at_least(k + 1) - 1.0).abs() < 1e-9);
            prop_assert!((sum.mean() - marked as f64 * drawn as f64 / all as f64).abs() < 1e-7);
        }
    }
}
