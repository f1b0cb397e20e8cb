//! Is there a period in a sequence of outcomes? Fisher's g test (1929) on the periodogram.
//!
//! Streaks put power into all low frequencies, which is no period. So the periodogram is divided by the spectrum of a
//! first-order autoregression with the correlation of the data before its largest ordinate is judged.
//!
//! Cycles are no clock: they last as long as they last, and boots lie between them. A period in seconds is looked for at
//! the times of the cycles themselves (Schuster's periodogram of outcomes less their mean) and judged by block permutation.

use super::permutation::{BlockPermutation, serial_correlation};

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
    // The last ordinate of an even number of values is alternation; alone it has one degree of freedom, so half counts.
    let ordinates: Vec<f64> = (1..=n / 2)
        .map(|k| {
            let turn = std::f64::consts::TAU * k as f64 / n as f64;
            let background = 1.0 / (1.0 + r * r - 2.0 * r * turn.cos());
            let whole = if 2 * k == n { 0.5 } else { 1.0 };
            whole * power(values, mean, turn) / background
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

/// Shuffles of a test in time; each costs as much as a periodogram.
const SHUFFLES_IN_TIME: u32 = 199;

/// Longer campaigns are judged by their latest cycles.
pub const LONGEST_IN_TIME: usize = 1_024;

/// The strongest period in seconds of outcomes at these times, of those that return at least five times and that
/// `counts` lets count.
pub fn strongest_in_time(times: &[f64], values: &[f64], counts: impl Fn(f64) -> bool) -> Option<Period> {
    let latest = values.len().saturating_sub(LONGEST_IN_TIME);
    let (times, values) = (&times[latest..], &values[latest..]);
    let n = values.len() as f64;
    let span = times.last()? - times.first()?;
    let mean = values.iter().sum::<f64>() / n;
    let spread = mean * (1.0 - mean);
    if values.len() < 16 || spread <= 0.0 || span <= 0.0 {
        return None;
    }
    let places: Vec<usize> = (5..values.len() / 2).filter(|place| counts(span / *place as f64)).collect();
    let largest = |outcomes: &[f64]| {
        let power = powers(times, outcomes, mean, span);
        let best = places.iter().copied().max_by(|a, b| power[*a].total_cmp(&power[*b]))?;
        Some((best, power[best] / (n * spread)))
    };
    let (place, height) = largest(values)?;
    // Without any correlation an ordinate is exponential; what does not even pass for that needs no shuffles.
    if places.len() as f64 * (-height).exp() > 0.01 {
        return None;
    }
    let test = BlockPermutation { shuffles: SHUFFLES_IN_TIME, ..BlockPermutation::fitted_to(values, 6) };
    let p = test.p_value(values, |outcomes| largest(outcomes).map_or(0.0, |(_, height)| height));
    let place = ground_tone(&powers(times, values, mean, span), &places, place);
    Some(Period { length: span / place as f64, p })
}

/// Short events have overtones as strong as their ground tone; of those the longest period is meant.
fn ground_tone(power: &[f64], places: &[usize], overtone: usize) -> usize {
    let parts = (2..=4).map(|part| (overtone as f64 / f64::from(part)).round() as usize);
    let as_strong = parts.filter(|place| places.contains(place) && power[*place] >= 0.6 * power[overtone]);
    as_strong.min().unwrap_or(overtone)
}

/// The periodogram at the frequencies `k` / span, for k from 0 up to half the number of values.
fn powers(times: &[f64], values: &[f64], mean: f64, span: f64) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0); values.len() / 2];
    for (time, value) in times.iter().zip(values) {
        // Each frequency is the one before turned on by the same angle.
        let (sine, cosine) = (std::f64::consts::TAU * (time - times[0]) / span).sin_cos();
        let (mut re, mut im) = (value - mean, 0.0);
        for sum in &mut sums {
            sum.0 += re;
            sum.1 += im;
            (re, im) = (re * cosine - im * sine, re * sine + im * cosine);
        }
    }
    sums.into_iter().map(|(re, im)| re * re + im * im).collect()
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
    fn alternation_is_a_period_of_two_and_chance_is_none() {
        let every = |n: usize| (0..40).map(|i| f64::from(u8::from(i % n == 0))).collect::<Vec<_>>();
        for n in [2, 3, 4] {
            let period = strongest(&every(n)).unwrap();
            assert!((period.length - n as f64).abs() < 0.1 && period.p < 1e-3, "{n}: {period:?}");
        }
        let mut chance = Chance::seeded(15);
        let alarms = (0..400).filter(|_| {
            let values: Vec<f64> = (0..40).map(|_| f64::from(u8::from(chance.happens(0.2)))).collect();
            strongest(&values).is_some_and(|period| period.p < 0.01)
        });
        assert!(alarms.count() <= 10);
    }

    /// Cycles of uneven length, and a failure whenever the clock passes a multiple of nine seconds.
    #[test]
    fn a_clock_is_seen_through_cycles_of_uneven_length() {
        let mut chance = Chance::seeded(16);
        let mut at = 0.0;
        let (mut times, mut ticks) = (Vec::new(), Vec::new());
        for _ in 0..300 {
            let before: f64 = at;
            at += 0.2 + 1.6 * chance.fraction();
            times.push(at);
            ticks.push(f64::from(u8::from((at / 9.0).floor() > (before / 9.0).floor())));
        }
        let period = strongest_in_time(&times, &ticks, |_| true).unwrap();
        assert!((period.length - 9.0).abs() < 0.2 && period.p <= 0.005, "{period:?}");
        let alarms = (0..40).filter(|_| {
            let values: Vec<f64> = times.iter().map(|_| f64::from(u8::from(chance.happens(0.1)))).collect();
            strongest_in_time(&times, &values, |_| true).is_some_and(|period| period.p <= 0.005)
        });
        assert!(alarms.count() <= 2);
    }

    #[test]
    fn nothing_can_be_said_of_a_few() {
        assert_eq!(strongest(&[0.0; 40]), None);
        assert_eq!(strongest(&[0.0, 1.0]), None);
    }
}
