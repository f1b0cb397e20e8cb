//! An interval for an estimate from a sequence whose neighbours may be alike: leave out one stretch at a time.
//!
//! Jackknife over blocks after Kuensch (1989): of g stretches of neighbours each is left out once, and the scatter of the g
//! estimates gives the standard error. Streaks shorter than a stretch stay in one piece, so they widen the interval as they
//! should. The quantile is Student's, with g - 1 degrees of freedom.

use std::ops::Range;

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::solve::crossing;

/// More stretches cut streaks, fewer make the quantile large (2.09 at 20, 2.26 at 10).
const STRETCHES: usize = 20;
/// Fewer stretches give no standard error worth the name.
const LEAST_STRETCHES: usize = 4;

pub const METHOD: &str = "95 % interval by jackknife over stretches of neighbours";

/// An estimate with its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jackknife {
    pub value: f64,
    pub error: f64,
    /// Degrees of freedom.
    freedom: f64,
}

impl Jackknife {
    /// The 95 % interval.
    pub fn interval(&self) -> (f64, f64) {
        let half = student_quantile(self.freedom) * self.error;
        (self.value - half, self.value + half)
    }

    /// Two-sided p-value for the true value being `null`, the standard error being at least `least_error`.
    pub fn p_against(&self, null: f64, least_error: f64) -> f64 {
        let t = (self.value - null).abs() / self.error.max(least_error);
        StudentsT::new(0.0, 1.0, self.freedom).map_or(1.0, |student| 2.0 * student.sf(t))
    }
}

/// The 95 % interval of a share that is estimated from all rows, over stretches of equal length.
pub fn interval_of_share<T: Clone>(rows: &[T], estimate: impl Fn(&[T]) -> Option<f64>) -> Option<(f64, f64)> {
    let stretches: Vec<Range<usize>> = stretches(rows.len(), 1, |_| true).collect();
    let (low, high) = over(rows, &stretches, estimate)?.interval();
    Some((low.max(0.0), high.min(1.0)))
}

/// Stretches of at least `least` neighbours (but never so long that fewer than five remain) and at most twenty of them, which end only where `may_end` says that a row may be
/// the first of another.
pub fn stretches(n: usize, least: usize, may_end: impl Fn(usize) -> bool) -> impl Iterator<Item = Range<usize>> {
    let width = n.div_ceil(STRETCHES).max(least.min(n / 5)).max(1);
    let mut start = 0;
    std::iter::from_fn(move || {
        let end = (start + width..n).find(|&row| may_end(row)).unwrap_or(n);
        let stretch = start..end;
        start = end;
        (!stretch.is_empty()).then_some(stretch)
    })
}

/// The estimate from all rows; `None` where too few parts of the data allow one.
pub fn over<T: Clone>(
    rows: &[T],
    stretches: &[Range<usize>],
    estimate: impl Fn(&[T]) -> Option<f64>,
) -> Option<Jackknife> {
    let value = estimate(rows)?;
    let without = |left_out: &Range<usize>| estimate(&[&rows[..left_out.start], &rows[left_out.end..]].concat());
    let parts: Vec<f64> = stretches.iter().filter_map(without).collect();
    if parts.len() < LEAST_STRETCHES {
        return None;
    }
    let g = parts.len() as f64;
    let mean = parts.iter().sum::<f64>() / g;
    let error = ((g - 1.0) / g * parts.iter().map(|part| (part - mean).powi(2)).sum::<f64>()).sqrt();
    Some(Jackknife { value, error, freedom: g - 1.0 })
}

/// The point that Student's distribution exceeds with a probability of 2.5 %.
pub(super) fn student_quantile(freedom: f64) -> f64 {
    let Ok(student) = StudentsT::new(0.0, 1.0, freedom) else { return f64::INFINITY };
    crossing(0.0, 20.0, |t| student.cdf(t) - 0.975)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::chance::Chance;

    fn mean(values: &[f64]) -> Option<f64> {
        Some(values.iter().sum::<f64>() / values.len() as f64)
    }

    /// Student's quantiles as tabled everywhere, for example in Abramowitz and Stegun, table 26.10.
    #[test]
    fn quantiles_agree_with_the_table() {
        for (freedom, tabled) in [(3.0, 3.182), (9.0, 2.262), (19.0, 2.093)] {
            assert!((student_quantile(freedom) - tabled).abs() < 6e-4, "{freedom}");
        }
    }

    /// Leaving out single values of a mean gives its textbook interval: mean +- t s / sqrt n.
    #[test]
    fn single_values_give_the_interval_of_a_mean() {
        let values: Vec<f64> = (1..=20).map(f64::from).collect();
        let single: Vec<_> = stretches(20, 1, |_| true).collect();
        let (low, high) = over(&values, &single, mean).unwrap().interval();
        // s^2 = n (n + 1) / 12 = 35 for 1..=20.
        let half = 2.093 * (35.0f64 / 20.0).sqrt();
        assert!((low - (10.5 - half)).abs() < 1e-3 && (high - (10.5 + half)).abs() < 1e-3, "{low} {high}");
    }

    #[test]
    fn stretches_end_only_where_they_may() {
        let found: Vec<_> = stretches(100, 12, |row| row % 10 == 0).collect();
        assert_eq!(found, [0..20, 20..40, 40..60, 60..80, 80..100]);
    }

    #[test]
    fn an_interval_from_streaky_values_still_holds_the_truth() {
        let mut chance = Chance::seeded(91);
        let held = (0..200).filter(|_| {
            let mut state = 0.0;
            let values: Vec<f64> = (0..400)
                .map(|_| {
                    state = 0.7 * state + chance.fraction() - 0.5;
                    state
                })
                .collect();
            let neighbours: Vec<_> = stretches(values.len(), 1, |_| true).collect();
            let (low, high) = over(&values, &neighbours, mean).unwrap().interval();
            (low..=high).contains(&0.0)
        });
        let held = held.count();
        assert!(held >= 180, "{held} of 200");
    }
}
