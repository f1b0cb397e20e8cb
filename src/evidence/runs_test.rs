//! Are equal outcomes next to each other more often than chance would put them? The runs test of Wald and Wolfowitz (1940).
//!
//! Given how many good and bad outcomes a sequence holds, every order is as likely under the null, and the number of
//! stretches of equal outcomes has a known distribution. Sequences that must not be pooled (kinds of boots, campaigns,
//! arms) are strata: their stretches are added, and so are their distributions.

use super::independent_sum::{IndependentSum, ln_choose};

#[derive(Clone, Debug)]
pub struct RunsTest {
    runs: u64,
    sum: IndependentSum,
}

impl Default for RunsTest {
    /// Nothing added yet.
    fn default() -> Self {
        Self { runs: 0, sum: IndependentSum::default() }
    }
}

impl RunsTest {
    /// Adds a stratum of `good` and `bad` outcomes that formed `runs` stretches. Strata of one outcome say nothing.
    pub fn add(&mut self, good: u64, bad: u64, runs: u64) {
        if good == 0 || bad == 0 {
            return;
        }
        self.runs += runs;
        if self.sum.is_exact() && good + bad <= 400 {
            self.sum.add(2, &distribution(good, bad));
        } else {
            let (mean, variance) = moments(good as f64, bad as f64);
            self.sum.add_moments(mean, variance);
        }
    }

    /// The stretches seen, and how many chance would make.
    pub fn seen_and_expected(&self) -> (u64, f64) {
        (self.runs, self.sum.mean())
    }

    /// The stretches as a multiple of those that chance would make, with an interval from the variance of chance.
    pub fn against_chance(&self) -> (f64, (f64, f64)) {
        self.sum.against_mean(self.runs)
    }

    /// The chance of so few stretches. 1 where nothing could be compared.
    pub fn p_too_few(&self) -> f64 {
        if self.runs == 0 { 1.0 } else { self.sum.at_most(self.runs) }
    }

    pub fn way(&self) -> &'static str {
        self.sum.way()
    }
}

/// Counts the stretches of equal outcomes in one sequence and adds it as a stratum.
pub fn add_sequence(test: &mut RunsTest, outcomes: impl IntoIterator<Item = bool>) {
    let (mut good, mut bad, mut runs, mut last) = (0, 0, 0, None);
    for failed in outcomes {
        if failed {
            bad += 1;
        } else {
            good += 1;
        }
        runs += u64::from(last != Some(failed));
        last = Some(failed);
    }
    test.add(good, bad, runs);
}

/// Probabilities of 2, 3, ... stretches.
fn distribution(good: u64, bad: u64) -> Vec<f64> {
    let all = ln_choose(good + bad, bad);
    let ways = |a: u64, i: u64, b: u64, j: u64| {
        if i > a || j > b { 0.0 } else { (ln_choose(a, i) + ln_choose(b, j) - all).exp() }
    };
    let most = 2 * good.min(bad) + u64::from(good != bad);
    (2..=most)
        .map(|runs| {
            let half = runs / 2;
            if runs % 2 == 0 {
                2.0 * ways(good - 1, half - 1, bad - 1, half - 1)
            } else {
                ways(good - 1, half, bad - 1, half - 1) + ways(good - 1, half - 1, bad - 1, half)
            }
        })
        .collect()
}

fn moments(good: f64, bad: f64) -> (f64, f64) {
    let n = good + bad;
    let product = 2.0 * good * bad;
    (1.0 + product / n, product * (product - n) / (n * n * (n - 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::chance::Chance;

    fn p(good: u64, bad: u64, runs: u64) -> f64 {
        let mut test = RunsTest::default();
        test.add(good, bad, runs);
        test.p_too_few()
    }

    /// Swed and Eisenhart (1943), table I: the probability of at most that many runs.
    #[test]
    fn small_samples_agree_with_the_published_table() {
        for (good, bad, runs, published) in [(10, 10, 6, 0.019), (10, 10, 7, 0.051), (5, 5, 3, 0.040), (3, 7, 3, 0.083)]
        {
            assert!((p(good, bad, runs) - published).abs() < 6e-4, "{good} {bad} {runs}: {}", p(good, bad, runs));
        }
    }

    #[test]
    fn a_distribution_sums_to_one_and_has_the_known_moments() {
        for (good, bad) in [(1, 1), (4, 9), (30, 2)] {
            let probabilities = distribution(good, bad);
            let mean: f64 = probabilities.iter().zip(2u32..).map(|(p, runs)| p * f64::from(runs)).sum();
            assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            assert!((mean - moments(good as f64, bad as f64).0).abs() < 1e-9);
        }
    }

    #[test]
    fn strata_are_not_pooled() {
        // Each kind is of one outcome only: pooled they would look like one long streak.
        let mut test = RunsTest::default();
        add_sequence(&mut test, [false; 10]);
        add_sequence(&mut test, [true; 10]);
        assert_eq!(test.p_too_few(), 1.0);
    }

    #[test]
    fn exchangeable_boots_raise_at_most_one_alarm_in_twenty() {
        let mut chance = Chance::seeded(9);
        let alarms = (0..2_000).filter(|_| {
            let mut test = RunsTest::default();
            add_sequence(&mut test, (0..40).map(|_| chance.happens(0.2)).collect::<Vec<_>>());
            test.p_too_few() < 0.05
        });
        assert!(alarms.count() <= 130);
    }
}
