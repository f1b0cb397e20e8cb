//! By how much two arms differ in their share of failures, with the interval that goes with the test beside it: arms in boots of
//! their own by their counts, boots in streaks as fewer boots, arms that met in the same boots by what they differ within each.

use std::borrow::Cow;

use super::exact_test::{Confidence, Count, wilson};
use super::permutation::serial_correlation;

/// Share of the first arm minus share of the second.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    pub share: f64,
    pub interval: (f64, f64),
    pub method: Cow<'static, str>,
}

impl Difference {
    /// Hybrid score interval (Newcombe 1998, method 10).
    pub fn of_counts(a: Count, b: Count, confidence: Confidence) -> Self {
        let (p, q) = (a.share(), b.share());
        let ((p_low, p_high), (q_low, q_high)) = (wilson(a, confidence), wilson(b, confidence));
        let low = p - q - ((p - p_low).powi(2) + (q_high - q).powi(2)).sqrt();
        let high = p - q + ((p_high - p).powi(2) + (q - q_low).powi(2)).sqrt();
        Self { share: p - q, interval: (low.max(-1.0), high.min(1.0)), method: "after Newcombe".into() }
    }

    /// Of boots of which each is worth as much as `worth` boots that know nothing of each other.
    pub fn of_streaks(a: Count, b: Count, worth: f64, confidence: Confidence) -> Self {
        let Self { interval, method, .. } = Self::of_counts(shrunk(a, worth), shrunk(b, worth), confidence);
        let method = if worth < 1.0 { "after Newcombe, boots in streaks counted as fewer".into() } else { method };
        Self { share: a.share() - b.share(), interval, method }
    }

    /// Of arms that met in the same strata, such as boots: the risk difference of Mantel and Haenszel with Sato's variance (Sato,
    /// Greenland and Robins 1989), which holds for few large and for many small strata. What spreads not at all within any stratum
    /// has no such variance, and its counts are compared.
    pub fn within(strata: impl IntoIterator<Item = (Count, Count)>, confidence: Confidence) -> Option<Self> {
        let (mut weight, mut sum, mut p, mut q) = (0.0, 0.0, 0.0, 0.0);
        let mut all = (Count::default(), Count::default());
        for (a, b) in strata {
            if a.n == 0 || b.n == 0 {
                continue;
            }
            let [x, m, y, n] = [a.failed, a.n, b.failed, b.n].map(|count| count as f64);
            let total = m + n;
            weight += m * n / total;
            sum += (x * n - y * m) / total;
            p += (m * m * y - n * n * x + m * n * (n - m) / 2.0) / (total * total);
            q += (x * (n - y) + y * (m - x)) / (2.0 * total);
            all = (all.0 + a, all.1 + b);
        }
        if weight == 0.0 {
            return None;
        }
        let share = sum / weight;
        let variance = (share * p + q) / (weight * weight);
        if variance <= 1e-12 {
            return Some(Self { share, ..Self::of_counts(all.0, all.1, confidence) });
        }
        let half = confidence.0 * variance.sqrt();
        let interval = ((share - half).max(-1.0), (share + half).min(1.0));
        Some(Self { share, interval, method: "after Mantel, Haenszel and Sato".into() })
    }
}

/// What a boot of such a row is worth, 1 where no streaks are seen: (1 - r) / (1 + r), r being the correlation of one boot with the
/// next (the effective sample size of a first-order autoregression, Bayley and Hammersley 1946).
pub fn worth_of_boots(failed: impl Iterator<Item = bool>) -> f64 {
    worth_of(&failed.map(|failed| f64::from(u8::from(failed))).collect::<Vec<_>>())
}

/// The same of outcomes that were put in relation to something first, such as the mean of their kind.
pub fn worth_of(values: &[f64]) -> f64 {
    let r = serial_correlation(values);
    let noise = 2.0 / (values.len() as f64).sqrt();
    if r > noise { (1.0 - r) / (1.0 + r) } else { 1.0 }
}

/// As many as `count` is worth, at least one of any.
pub fn shrunk(count: Count, worth: f64) -> Count {
    let scale = |value: u64| (value as f64 * worth).round() as u64;
    Count { failed: scale(count.failed), n: scale(count.n).max(count.n.min(1)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::chance::Chance;

    fn count(failed: u64, n: u64) -> Count {
        Count { failed, n }
    }

    /// Newcombe (1998), table II, method 10.
    #[test]
    fn differences_agree_with_the_published_table() {
        for (a, b, low, high) in
            [(count(56, 70), count(48, 80), 0.0524, 0.3339), (count(9, 10), count(3, 10), 0.1705, 0.8090)]
        {
            let found = Difference::of_counts(a, b, Confidence::OF_ONE).interval;
            assert!((found.0 - low).abs() < 1e-4 && (found.1 - high).abs() < 1e-4, "{found:?}");
        }
    }

    /// In one stratum of equal arms Sato's variance is that of two independent shares.
    #[test]
    fn one_stratum_has_the_variance_of_two_shares() {
        let found = Difference::within([(count(12, 40), count(5, 40))], Confidence::OF_ONE).unwrap();
        let variance = 0.3 * 0.7 / 40.0 + 0.125 * 0.875 / 40.0;
        assert!((found.share - 0.175).abs() < 1e-12);
        assert!(
            (found.interval.1 - (0.175 + crate::evidence::exact_test::Z * f64::sqrt(variance))).abs() < 1e-12,
            "{found:?}"
        );
    }

    /// Computed apart from this program, in Python, with whole fractions.
    #[test]
    fn strata_of_unequal_arms_agree_with_an_independent_computation() {
        let strata = [(count(3, 4), count(1, 6)), (count(2, 5), count(0, 3)), (count(4, 7), count(2, 2))];
        let found = Difference::within(strata, Confidence::OF_ONE).unwrap();
        assert!((found.share - SHARE).abs() < 1e-9, "{found:?}");
        assert!((found.interval.0 - LOW).abs() < 1e-9 && (found.interval.1 - HIGH).abs() < 1e-9, "{found:?}");
    }
    const SHARE: f64 = 0.254_406_860_41;
    const LOW: f64 = -0.136_425_637_00;
    const HIGH: f64 = 0.645_239_357_82;

    #[test]
    fn what_never_fails_is_bounded_by_its_counts() {
        let found = Difference::within([(count(0, 30), count(0, 30)); 2], Confidence::OF_ONE).unwrap();
        assert_eq!(
            (found.share, found.interval),
            (0.0, Difference::of_counts(count(0, 60), count(0, 60), Confidence::OF_ONE).interval)
        );
        assert_eq!(Difference::within([(count(0, 0), count(2, 3))], Confidence::OF_ONE), None);
    }

    /// Bad boots fail often and good ones seldom, and arms are unequal in them: 95 of 100 intervals hold the truth within boots, while
    /// the counts of all boots mislead.
    #[test]
    fn intervals_within_boots_cover_the_truth() {
        let mut chance = Chance::seeded(77);
        let mut draw = |n: u64, rate: f64| count((0..n).filter(|_| chance.happens(rate)).count() as u64, n);
        let (mut covered, mut covered_by_counts) = (0, 0);
        for _ in 0..1_000 {
            let strata: Vec<_> = (0..24)
                .map(|boot| if boot % 2 == 0 { (draw(6, 0.8), draw(2, 0.7)) } else { (draw(2, 0.2), draw(6, 0.1)) })
                .collect();
            let holds = |(low, high): (f64, f64)| low <= 0.1 && 0.1 <= high;
            covered +=
                u32::from(holds(Difference::within(strata.iter().copied(), Confidence::OF_ONE).unwrap().interval));
            let (a, b) = strata.iter().fold(<(Count, Count)>::default(), |sum, (a, b)| (sum.0 + *a, sum.1 + *b));
            covered_by_counts += u32::from(holds(Difference::of_counts(a, b, Confidence::OF_ONE).interval));
        }
        assert!((930..=970).contains(&covered), "{covered}");
        assert!(covered_by_counts < 100, "{covered_by_counts}");
    }

    #[test]
    fn streaks_make_boots_worth_less() {
        assert_eq!(worth_of_boots((0..40).map(|boot| boot % 3 == 0)), 1.0);
        assert!(worth_of_boots((0..40).map(|boot| boot / 10 % 2 == 0)) < 0.5);
    }
}
