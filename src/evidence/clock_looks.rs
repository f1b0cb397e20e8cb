//! What a debug probe's looks at the clock tell together: whether it drifts over the campaign, whether it is another when cycles fail,
//! and whether the crystal was misread at every failure.
//!
//! A look is a frequency with bounds. The true value lies anywhere between them, so that its variance is at least a third of their
//! square; where looks scatter more, their scatter counts. What a ROM makes of its crystal is decided once a boot, so that the looks of
//! one boot are one sighting of it.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::finding::{Finding, Unit};
use super::sightings::{FirstOfBoot, Sightings};
use super::weight;
use crate::observation::fact::{Fact, FactValue};
use crate::observation::units::Micros;
use crate::swd::clock_look::{CLOCK_LOOK, ClockLook, Occasion};
use crate::swd::crystal_witness::Says;

/// More looks than this are thinned out: every other one goes.
const KEPT: usize = 2_048;
/// A line through fewer looks has no uncertainty.
const LEAST_FOR_A_LINE: usize = 3;
/// The host's clock may be slewed by so much meanwhile (what time services do at the most), so a smaller change is nobody's.
const SLEWED_PPM: f64 = 500.0;
/// USB allows 0.25 % over all causes (USB 2.0, 7.1.11): a clock that differs by more between good and failed cycles matters, and one that
/// differs by surely less does not.
const MATTERS_PPM: f64 = 2_500.0;
/// A ROM that takes a crystal for one of its neighbours runs a little off; what runs at half or twice the speed has another source.
const ANOTHER_SOURCE_PPM: f64 = 330_000.0;

#[derive(Clone, Debug, Default)]
pub struct ClockLooks {
    rows: Vec<Row>,
    misread: Sightings,
    not_misread: u64,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    at: Micros,
    boot: usize,
    look: ClockLook,
}

impl ClockLooks {
    /// A fact noted at a moment of the link, after a cycle of a boot.
    pub fn note(&mut self, fact: &Fact, at: Option<Micros>, boot: usize, cycle: u32) {
        let (true, FactValue::Text(text)) = (fact.key == CLOCK_LOOK, &fact.value) else { return };
        let (Ok(look), Some(at)) = (text.raw().parse::<ClockLook>(), at) else { return };
        if look.occasion == Occasion::Failure
            && let Some(says) = look.says()
        {
            match says {
                Says::Misread => self.misread.add(boot, cycle),
                Says::ReadRight | Says::Undecided => self.not_misread += 1,
            }
        }
        if self.rows.len() == KEPT {
            let mut place = 0;
            self.rows.retain(|_| {
                place += 1;
                place % 2 == 1
            });
        }
        self.rows.push(Row { at, boot, look });
    }

    pub fn findings(&self) -> Vec<Finding> {
        self.drift().into_iter().chain(self.difference()).chain(self.every_failure()).collect()
    }

    /// The crystal where it is known, and the core where none of its looks gave a crystal: what a ROM makes of its crystal changes the
    /// core from boot to boot, and is no drift.
    fn drift(&self) -> Option<Finding> {
        let crystals: Vec<_> = self.rows.iter().filter_map(|row| Some((row, row.look.crystals?.1))).collect();
        let (what, points): (_, Vec<(f64, f64, f64)>) = if crystals.is_empty() {
            ("core clock", self.rows.iter().map(|row| point(row, row.look.core.frequency.0)).collect())
        } else {
            ("crystal", crystals.iter().map(|(row, crystal)| point(row, crystal.0)).collect())
        };
        let line = Line::through(&points)?;
        let (low, high) = line.interval();
        let drifts = (low > 0.0 || high < 0.0) && line.slope.abs() * line.minutes > SLEWED_PPM;
        let id = if drifts { "core-clock-drifts" } else { "core-clock-steady" };
        let words = if drifts { "it drifts" } else { "no drift beyond what the host's clock may do" };
        let text = format!(
            "The measured {what} moved by {:.1} ppm a minute (95 % interval {low:.1} to {high:.1}) over {:.1} minutes and {} looks: {words}.",
            line.slope,
            line.minutes,
            points.len()
        );
        let n = points.len() as u64;
        let found = Finding::new(id, text, n, Unit::Look).of_size(line.slope, Some((low, high)), "ppm/min");
        Some(found.by("least squares, bounds of each look as uniform", weight::of_sightings(n - 2)))
    }

    /// Of the core, because a crystal that is misread leaves the crystal as it is and the core wrong.
    fn difference(&self) -> Option<Finding> {
        let of = |occasion| Sample::of(self.rows.iter().filter(move |row| row.look.occasion == occasion));
        let (failed, good) = (of(Occasion::Failure)?, of(Occasion::GoodCycle)?);
        let ppm = (failed.mean / good.mean - 1.0) * 1e6;
        let half = quantile(failed.n + good.n - 2.0) * (failed.variance_ppm + good.variance_ppm).sqrt();
        let (low, high) = (ppm - half, ppm + half);
        let (id, words) = match () {
            () if ppm.abs() > ANOTHER_SOURCE_PPM => {
                ("core-on-another-source-at-failures", "another source of the clock")
            }
            () if low > MATTERS_PPM || high < -MATTERS_PPM => ("core-clock-differs-at-failures", "another clock"),
            () if low > -MATTERS_PPM && high < MATTERS_PPM => ("core-clock-same-at-failures", "the same clock"),
            () => return None,
        };
        let text = format!(
            "At failures the core ran at {:.3} MHz, after good cycles at {:.3} MHz: {ppm:+.0} ppm (95 % interval {low:.0} to {high:.0}; {} and {} looks), {words}.",
            failed.mean / 1e6,
            good.mean / 1e6,
            failed.n,
            good.n
        );
        let n = (failed.n + good.n) as u64;
        let found = Finding::new(id, text, n, Unit::Look).of_size(ppm, Some((low, high)), "ppm");
        let independent =
            if boots(self.rows.iter()) > 1 { failed.boots.min(good.boots) } else { failed.n.min(good.n) as u64 };
        Some(found.by("difference of means", weight::of_sightings(independent)))
    }

    fn every_failure(&self) -> Option<Finding> {
        let Sightings { cycles, boots, at, .. } = &self.misread;
        if *cycles == 0 || self.not_misread > 0 {
            return None;
        }
        let text = format!(
            "The crystal was misread at every one of the {} whose clocks were seen, in {}.",
            Unit::Failure.count(*cycles),
            Unit::Boot.count(*boots)
        );
        let found = Finding::new("misread-at-every-failure", text, *boots, Unit::Boot);
        Some(found.by("count", weight::of_sightings(*boots)).seen_at(at.iter()))
    }
}

fn boots<'a>(rows: impl Iterator<Item = &'a Row>) -> u64 {
    let mut boots = FirstOfBoot::default();
    rows.filter(|row| boots.is_first(row.boot)).count() as u64
}

/// Minutes, a frequency, and its bound in ppm.
fn point(row: &Row, frequency: f64) -> (f64, f64, f64) {
    (row.at.as_secs_f64() / 60.0, frequency, row.look.core.uncertainty.0)
}

/// The quantile of Student's distribution for 95 %, both sides.
fn quantile(freedom: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom.max(1.0)).map_or(f64::INFINITY, |student| student.inverse_cdf(0.975))
}

struct Line {
    slope: f64,
    deviation: f64,
    freedom: f64,
    minutes: f64,
}

impl Line {
    fn through(points: &[(f64, f64, f64)]) -> Option<Self> {
        if points.len() < LEAST_FOR_A_LINE {
            return None;
        }
        let n = points.len() as f64;
        let mean = |of: fn(&(f64, f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
        let (middle, level) = (mean(|point| point.0), mean(|point| point.1));
        let ppm = |point: &(f64, f64, f64)| (point.1 / level - 1.0) * 1e6;
        let spread: f64 = points.iter().map(|point| (point.0 - middle).powi(2)).sum();
        if spread <= 0.0 {
            return None;
        }
        let slope = points.iter().map(|point| (point.0 - middle) * ppm(point)).sum::<f64>() / spread;
        let rest: f64 = points.iter().map(|point| (ppm(point) - slope * (point.0 - middle)).powi(2)).sum();
        let stated = points.iter().map(|point| point.2.powi(2) / 3.0).sum::<f64>() / n;
        let freedom = n - 2.0;
        let deviation = (f64::max(rest / freedom, stated) / spread).sqrt();
        let (first, last) =
            (points.iter().map(|p| p.0).fold(f64::MAX, f64::min), points.iter().map(|p| p.0).fold(0.0, f64::max));
        Some(Self { slope, deviation, freedom, minutes: last - first })
    }

    fn interval(&self) -> (f64, f64) {
        let half = quantile(self.freedom) * self.deviation;
        (self.slope - half, self.slope + half)
    }
}

/// The mean of a core clock, and the variance of that mean.
struct Sample {
    n: f64,
    boots: u64,
    mean: f64,
    variance_ppm: f64,
}

impl Sample {
    fn of<'a>(rows: impl Iterator<Item = &'a Row>) -> Option<Self> {
        let rows: Vec<_> = rows.collect();
        let looks: Vec<_> = rows.iter().map(|row| row.look).collect();
        if looks.is_empty() {
            return None;
        }
        let n = looks.len() as f64;
        let mean = looks.iter().map(|look| look.core.frequency.0).sum::<f64>() / n;
        let ppm = |look: &ClockLook| (look.core.frequency.0 / mean - 1.0) * 1e6;
        let scatter = looks.iter().map(|look| ppm(look).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        let stated = looks.iter().map(|look| look.core.uncertainty.0.powi(2) / 3.0).sum::<f64>() / n;
        Some(Self { n, boots: boots(rows.into_iter()), mean, variance_ppm: f64::max(scatter, stated) / n })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::chance::Chance;
    use crate::observation::units::{Hertz, Ppm};
    use crate::swd::crystal_witness::CoreClock;

    /// One look a minute, each in a boot of its own.
    fn looks(n: u32, seed: u64, of: impl Fn(u32) -> (Occasion, f64, f64)) -> ClockLooks {
        looks_in_boots_of(1, n, seed, of)
    }

    /// Each is off by up to its bound of 300 ppm.
    fn looks_in_boots_of(cycles: usize, n: u32, seed: u64, of: impl Fn(u32) -> (Occasion, f64, f64)) -> ClockLooks {
        let mut chance = Chance::seeded(seed);
        let mut looks = ClockLooks::default();
        for minute in 0..n {
            let (occasion, crystal_mhz, believed_mhz) = of(minute);
            let measured = crystal_mhz * (1.0 + (chance.fraction() - 0.5) * 600e-6);
            let core =
                CoreClock { frequency: Hertz::from_mhz(60.0 * measured / believed_mhz), uncertainty: Ppm(300.0) };
            let crystals = Some((Hertz::from_mhz(believed_mhz), Hertz::from_mhz(measured)));
            let text = ClockLook { occasion, core, crystals }.to_string();
            let fact = Fact::measured(CLOCK_LOOK, FactValue::Text(text.as_str().into()));
            let at = Some(Micros::from_secs(60 * u64::from(minute)));
            looks.note(&fact, at, minute as usize / cycles, minute);
        }
        looks
    }

    fn ids(looks: &ClockLooks) -> Vec<String> {
        looks.findings().into_iter().map(|finding| finding.id).collect()
    }

    const GOOD: Occasion = Occasion::GoodCycle;

    #[test]
    fn a_steady_crystal_has_a_slope_whose_interval_holds_zero() {
        let covered = (0..100).filter(|&seed| {
            let found = looks(10, seed, |_| (GOOD, 25.0, 25.0)).findings();
            let (low, high) = found[0].effect.as_ref().unwrap().interval.unwrap();
            assert_eq!(found[0].id, "core-clock-steady", "{}", found[0].text);
            low <= 0.0 && 0.0 <= high
        });
        assert!(covered.count() >= 95);
    }

    #[test]
    fn a_crystal_that_creeps_is_measured_in_ppm_a_minute() {
        for seed in 0..20 {
            let found = looks(20, seed, |minute| (GOOD, 25.0 * (1.0 + f64::from(minute) * 100e-6), 25.0)).findings();
            let effect = found[0].effect.as_ref().unwrap();
            assert_eq!((found[0].id.as_str(), effect.unit.as_str()), ("core-clock-drifts", "ppm/min"));
            assert!((effect.value - 100.0).abs() < 30.0, "{effect:?}");
        }
    }

    #[test]
    fn failures_with_another_clock_are_told_from_those_with_the_same() {
        let misread = |minute| if minute % 2 == 0 { (Occasion::Failure, 25.0, 24.0) } else { (GOOD, 25.0, 25.0) };
        let same = |minute| (if minute % 2 == 0 { Occasion::Failure } else { GOOD }, 25.0, 25.0);
        let found = looks(8, 1, misread).findings();
        let differs = found.iter().find(|finding| finding.id == "core-clock-differs-at-failures").unwrap();
        assert!((differs.effect.as_ref().unwrap().value - 41_667.0).abs() < 500.0, "{}", differs.text);
        assert!(ids(&looks(8, 1, same)).contains(&"core-clock-same-at-failures".to_owned()));
        assert!(found.iter().any(|finding| finding.id == "core-clock-steady"), "a misread crystal does not drift");
    }

    #[test]
    fn a_core_that_waits_on_its_internal_oscillator_misreads_nothing() {
        let waits = |minute| if minute % 2 == 0 { (Occasion::Failure, 16.0, 60.0) } else { (GOOD, 25.0, 25.0) };
        let found = ids(&looks(8, 1, waits));
        assert!(found.contains(&"core-on-another-source-at-failures".to_owned()), "{found:?}");
        assert!(!found.contains(&"core-clock-differs-at-failures".to_owned()), "{found:?}");
    }

    #[test]
    fn one_failure_with_the_right_crystal_ends_every() {
        let every = looks(5, 1, |_| (Occasion::Failure, 25.0, 24.0)).findings();
        let every = every.iter().find(|finding| finding.id == "misread-at-every-failure").unwrap();
        assert_eq!(every.n, 5);
        let mixed = looks(5, 1, |minute| (Occasion::Failure, 25.0, if minute == 3 { 25.0 } else { 24.0 }));
        assert!(!ids(&mixed).contains(&"misread-at-every-failure".to_owned()));
    }

    #[test]
    fn the_looks_of_one_boot_are_one_sighting() {
        let of = |cycles, id: &str| {
            // Failing boots and good ones take turns.
            let looks = looks_in_boots_of(cycles, 10, 1, |minute| {
                if (minute as usize / cycles).is_multiple_of(2) {
                    (Occasion::Failure, 25.0, 24.0)
                } else {
                    (GOOD, 25.0, 25.0)
                }
            });
            looks.findings().into_iter().find(|finding| finding.id == id).unwrap()
        };
        let every = |cycles| of(cycles, "misread-at-every-failure");
        assert_eq!((every(5).n, every(5).unit, every(1).n), (1, Unit::Boot, 5));
        assert_eq!(
            every(5).text,
            "The crystal was misread at every one of the 5 failures whose clocks were seen, in 1 boot."
        );
        for id in ["misread-at-every-failure", "core-clock-differs-at-failures"] {
            assert_eq!((of(5, id).weight, of(1, id).weight), (1.0 / 2.0, 5.0 / 6.0), "{id}");
        }
    }

    #[test]
    fn nothing_is_said_of_looks_that_are_none() {
        let mut looks = ClockLooks::default();
        looks.note(&Fact::measured(CLOCK_LOOK, FactValue::Text("odd".into())), Some(Micros::ZERO), 0, 1);
        assert!(looks.findings().is_empty());
    }
}
