//! Is there a period in a sequence of outcomes? Fisher's g (1929) on the periodogram.
//!
//! Streaks put power into all low frequencies, which is no period. So the periodogram is divided by the spectrum of a
//! first-order autoregression with the correlation of the data before its largest ordinate is judged. Outcomes are good or
//! bad and boots few, so the ordinates are not quite the exponential ones of Fisher's distribution (of 30 boots, half of them
//! bad, it finds twice too much): the shuffles of `streak_shuffle.rs` have to agree, and the larger of both p-values counts.
//!
//! Cycles are no clock: they last as long as they last, and boots lie between them. A period in seconds is looked for at
//! the times of the cycles themselves (Schuster's periodogram of outcomes less their mean) and judged by block permutation.

use super::permutation::{BlockPermutation, serial_correlation};
use super::streak_shuffle;

/// Longer sequences are judged by their latest outcomes.
pub const LONGEST: usize = 512;

/// A period in units of the sequence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Period {
    pub length: f64,
    pub p: f64,
}

/// The strongest period, if it is significant; `None` for fewer than 16 outcomes or equal ones.
pub fn strongest(outcomes: &[bool], below: f64) -> Option<Period> {
    let outcomes = &outcomes[outcomes.len().saturating_sub(LONGEST)..];
    let bad = outcomes.iter().filter(|bad| **bad).count();
    if outcomes.len() < 16 || bad == 0 || bad == outcomes.len() {
        return None;
    }
    let spectrum = Spectrum::of(outcomes);
    let (place, g) = spectrum.largest(outcomes);
    let fisher = fisher_g(g, spectrum.background.len());
    if fisher >= below {
        return None;
    }
    let shuffled = streak_shuffle::p_value(outcomes, below, |outcomes| spectrum.largest(outcomes).1);
    let length = outcomes.len() as f64 / place as f64;
    Some(Period { length, p: fisher.max(shuffled) }).filter(|period| period.p < below)
}

/// The whitened periodogram of outcomes of one length with one correlation of neighbours.
struct Spectrum {
    waves: Vec<(f64, f64)>,
    /// What streaks put at each frequency.
    background: Vec<f64>,
}

impl Spectrum {
    fn of(outcomes: &[bool]) -> Self {
        let n = outcomes.len();
        let values: Vec<f64> = outcomes.iter().map(|bad| f64::from(u8::from(*bad))).collect();
        let r = serial_correlation(&values).clamp(0.0, 0.95);
        let waves: Vec<_> = (0..n).map(|k| (std::f64::consts::TAU * k as f64 / n as f64).sin_cos()).collect();
        // The last ordinate of an even number of values is alternation; alone it has one degree of freedom, so half counts.
        let background = (1..=n / 2).map(|k| {
            let whole = if 2 * k == n { 0.5 } else { 1.0 };
            (1.0 + r * r - 2.0 * r * waves[k].1) * whole
        });
        Self { background: background.collect(), waves }
    }

    /// The place of the largest ordinate and its share of their sum. The rarer outcome has the same spectrum as the other.
    fn largest(&self, outcomes: &[bool]) -> (usize, f64) {
        let n = outcomes.len();
        let rarer = 2 * outcomes.iter().filter(|bad| **bad).count() <= n;
        let at: Vec<usize> = (0..n).filter(|at| outcomes[*at] == rarer).collect();
        let (mut place, mut largest, mut total) = (1, 0.0, 0.0);
        for (k, background) in (1..).zip(&self.background) {
            let waves = at.iter().map(|at| self.waves[k * at % n]);
            let (sine, cosine) = waves.fold((0.0, 0.0), |sum, wave| (sum.0 + wave.0, sum.1 + wave.1));
            let power = background * (sine * sine + cosine * cosine);
            total += power;
            if power > largest {
                (place, largest) = (k, power);
            }
        }
        (place, largest / total)
    }
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
        let outcomes: Vec<bool> = (0..280).map(|i| chance.happens(wave(i))).collect();
        let period = strongest(&outcomes, 0.01).unwrap();
        assert!((period.length - 7.0).abs() < 0.2 && period.p < 0.01, "{period:?}");
    }

    /// Boots that follow a hidden state which stays as it is with `stay`, and else is bad with `rate`.
    fn chain(n: usize, stay: f64, rate: f64, chance: &mut Chance) -> Vec<bool> {
        let mut bad = chance.happens(rate);
        let next = |_| {
            if !chance.happens(stay) {
                bad = chance.happens(rate);
            }
            bad
        };
        (0..n).map(next).collect()
    }

    /// Boots whose chance to fail follows a temperature that creeps.
    fn creeping(n: usize, chance: &mut Chance) -> Vec<bool> {
        let mut warmth = 0.0;
        let next = |_| {
            warmth = 0.9 * warmth + (chance.fraction() - 0.5) * 1.5;
            chance.happens(1.0 / (1.0 + (0.8 - 2.0 * warmth).exp()))
        };
        (0..n).map(next).collect()
    }

    const LEVEL: f64 = 0.006;

    /// How many of 8,000 campaigns of 30 boots raise an alarm: by Fisher's test alone, and with the shuffles.
    fn alarms(seed: u64, campaign: impl Fn(&mut Chance) -> Vec<bool>) -> (u32, u32) {
        let mut chance = Chance::seeded(seed);
        let (mut fisher, mut both) = (0, 0);
        for _ in 0..8_000 {
            let outcomes = campaign(&mut chance);
            let spectrum = Spectrum::of(&outcomes);
            fisher += u32::from(fisher_g(spectrum.largest(&outcomes).1, 15) < LEVEL);
            both += u32::from(strongest(&outcomes, LEVEL).is_some());
        }
        (fisher, both)
    }

    #[test]
    fn boots_by_chance_and_in_streaks_keep_the_level_where_fishers_test_alone_does_not() {
        // 8,000 times the level and three standard deviations.
        let allowed = 48 + 21;
        let (fisher, both) = alarms(1, |chance| chain(30, 0.0, 0.5, chance));
        assert!(fisher > allowed && both <= allowed, "{fisher}, {both}");
        for (seed, stay, rate) in [(2, 0.0, 0.2), (3, 0.4, 0.5), (4, 0.75, 0.3), (5, 0.9, 0.5)] {
            let (_, both) = alarms(seed, |chance| chain(30, stay, rate, chance));
            assert!(both <= allowed, "{both} campaigns raised an alarm at {stay}, {rate}");
        }
        let (_, both) = alarms(6, |chance| creeping(30, chance));
        assert!(both <= allowed, "{both} campaigns that creep raised an alarm");
    }

    #[test]
    fn regular_failures_are_a_period() {
        for n in [2, 3, 4] {
            let outcomes: Vec<bool> = (0..40).map(|i| i % n == 0).collect();
            let period = strongest(&outcomes, LEVEL).unwrap();
            assert!((period.length - n as f64).abs() < 0.1, "{n}: {period:?}");
        }
        let four_of_eight: Vec<bool> = (0..64).map(|i| i % 8 < 4).collect();
        assert!(strongest(&four_of_eight, LEVEL).is_some_and(|period| (period.length - 8.0).abs() < 0.1));
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
        assert_eq!(strongest(&[false; 40], 1.0), None);
        assert_eq!(strongest(&[false, true], 1.0), None);
    }
}
