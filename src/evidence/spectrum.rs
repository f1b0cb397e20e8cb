//! Is there a period in a sequence of outcomes? Fisher's g test (1929) on the periodogram.
//!
//! Streaks put power into all low frequencies, which is no period. So the periodogram is divided by the spectrum of a
//! first-order autoregression with the correlation of the data before its largest ordinate is judged.

use super::permutation::serial_correlation;

/// Longer sequences are judged by their latest values.
pub const LONGEST: usize = 4_096;

/// A period in units of the sequence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Period {
    pub length: f64,
    pub p: f64,
}

/// The strongest period with its significance; `None` for fewer than 16 values or equal ones.
pub fn strongest(values: &[f64]) -> Option<Period> {
    let values = &values[values.len().saturating_sub(LONGEST)..];
    let n = values.len();
    let mean = values.iter().sum::<f64>() / n as f64;
    if n < 16 || values.iter().all(|value| *value == values[0]) {
        return None;
    }
    let r = serial_correlation(values).clamp(0.0, 0.95);
    let ordinates: Vec<f64> = (1..n.div_ceil(2))
        .map(|k| {
            let turn = std::f64::consts::TAU * k as f64 / n as f64;
            let background = 1.0 / (1.0 + r * r - 2.0 * r * turn.cos());
            power(values, mean, turn) / background
        })
        .collect();
    let total: f64 = ordinates.iter().sum();
    let (place, largest) = ordinates.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
    Some(Period { length: n as f64 / (place + 1) as f64, p: fisher_g(largest / total, ordinates.len()) })
}

/// Goertzel's recursion (1958) for one frequency.
fn power(values: &[f64], mean: f64, turn: f64) -> f64 {
    let twice = 2.0 * turn.cos();
    let (mut last, mut before) = (0.0, 0.0);
    for value in values {
        (last, before) = (value - mean + twice * last - before, last);
    }
    last * last + before * before - twice * last * before
}

/// The chance that the largest of `m` exponential ordinates holds at least the share `g` of their sum.
pub fn fisher_g(g: f64, m: usize) -> f64 {
    let mut p = 0.0;
    let mut log_choose = 0.0;
    for k in 1..=m {
        let rest = 1.0 - k as f64 * g;
        if rest <= 0.0 {
            break;
        }
        log_choose += ((m - k + 1) as f64 / k as f64).ln();
        let term = (log_choose + (m - 1) as f64 * rest.ln()).exp();
        // The first terms bound the sum from both sides; far out they only cancel.
        if k == 1 && term < 1e-4 {
            return term;
        }
        if k > 1 && term > 1e6 {
            return 1.0;
        }
        p += if k % 2 == 1 { term } else { -term };
    }
    p.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::chance::Chance;

    /// Fisher (1929): 5 % points of g. Checked by summing his series in whole fractions in Python.
    #[test]
    fn five_percent_points_agree_with_the_published_table() {
        for (m, g) in [(5, 0.68377), (10, 0.44495), (20, 0.27040), (50, 0.13135)] {
            assert!((fisher_g(g, m) - 0.05).abs() < 1e-4, "{m}: {}", fisher_g(g, m));
        }
    }

    #[test]
    fn every_seventh_failure_is_a_period_of_seven() {
        let mut chance = Chance::seeded(3);
        let wave = |i: u32| 0.3 + 0.3 * (std::f64::consts::TAU * f64::from(i) / 7.0).cos();
        let values: Vec<f64> = (0..280).map(|i| f64::from(u8::from(chance.happens(wave(i))))).collect();
        let period = strongest(&values).unwrap();
        assert!((period.length - 7.0).abs() < 0.2 && period.p < 0.01, "{period:?}");
    }

    #[test]
    fn streaks_are_no_period() {
        let mut chance = Chance::seeded(5);
        let alarms = (0..100).filter(|_| {
            let mut bad = false;
            let values: Vec<f64> = (0..150)
                .map(|_| {
                    if chance.happens(0.25) {
                        bad = chance.happens(0.3);
                    }
                    f64::from(u8::from(bad))
                })
                .collect();
            strongest(&values).is_some_and(|period| period.p < 0.01)
        });
        assert!(alarms.count() <= 4);
    }

    #[test]
    fn nothing_can_be_said_of_a_few() {
        assert_eq!(strongest(&[0.0; 40]), None);
        assert_eq!(strongest(&[0.0, 1.0]), None);
    }
}
