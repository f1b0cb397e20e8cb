//! Wires that are too long for the clock: a bit is sampled before it has settled. The error rate rises steeply with speed and length.
//!
//! Source: `stlink_status.csv` 0x13 and 0x1A (long wires, missing ground, speed too high), `root_causes.csv` SWD_WIRING and SWD_SPEED.
//! That half a clock has to cover flight, ringing and set-up is general knowledge; the figures of each board are chosen.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Scene, Spoilt, SwdMechanism};
use crate::bench::mechanism::Impossible;
use crate::bench::surroundings::Dice;
use crate::swd::transaction::Request;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RingingWire {
    #[schemars(range(min = 0.0, max = 500.0))]
    pub length_cm: f64,
    /// Until the level is sure, for each centimetre: flight both ways and the ringing after it.
    #[schemars(range(min = 0.0, max = 20.0))]
    pub settle_ns_per_cm: f64,
    /// Output delay of the target and set-up time of the probe.
    #[schemars(range(min = 0.0, max = 500.0))]
    pub fixed_ns: f64,
    /// Deviation of the moment at which a bit is sure.
    #[schemars(range(min = 0.1, max = 500.0))]
    pub jitter_ns: f64,
}

/// Bits of one transaction that somebody samples: request, acknowledge, data with parity.
const REQUEST_AND_ACKNOWLEDGE_BITS: f64 = 11.0;
const DATA_BITS: f64 = 33.0;

impl RingingWire {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("length-cm", self.length_cm, 0.0, 500.0, " cm")?;
        Impossible::unless_within("settle-ns-per-cm", self.settle_ns_per_cm, 0.0, 20.0, " ns/cm")?;
        Impossible::unless_within("fixed-ns", self.fixed_ns, 0.0, 500.0, " ns")?;
        Impossible::unless_within("jitter-ns", self.jitter_ns, 0.1, 500.0, " ns")
    }

    pub fn describe(&self) -> String {
        format!(
            "{} cm of wire to the debug pins settle in {} ns, give or take {} ns.",
            self.length_cm,
            self.settle_ns(),
            self.jitter_ns
        )
    }

    fn settle_ns(&self) -> f64 {
        self.fixed_ns + self.length_cm * self.settle_ns_per_cm
    }

    /// How likely a bit is sampled too early at this speed.
    fn per_bit(&self, kilohertz: u32) -> f64 {
        let half_clock_ns = 0.5e6 / f64::from(kilohertz.max(1));
        let margin = (half_clock_ns - self.settle_ns()) / self.jitter_ns;
        // A bit that has not settled is wrong half of the time.
        0.5 * normal_tail(margin)
    }
}

/// The share of the normal distribution above `x`, after a rational approximation of the error function (Abramowitz and Stegun 7.1.26).
fn normal_tail(x: f64) -> f64 {
    let z = x.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let poly = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let erfc = poly.iter().fold(0.0, |sum, factor| sum * t + factor) * t * (-z * z).exp();
    if x >= 0.0 { erfc / 2.0 } else { 1.0 - erfc / 2.0 }
}

impl SwdMechanism for RingingWire {
    fn wire(&mut self, scene: &Scene, _request: &Request, dice: &mut Dice) -> Option<Spoilt> {
        let per_bit = self.per_bit(scene.kilohertz);
        if dice.chance(1.0 - (1.0 - per_bit).powf(REQUEST_AND_ACKNOWLEDGE_BITS)) {
            return Some(Spoilt::NoAcknowledge);
        }
        if dice.chance(1.0 - (1.0 - per_bit).powf(DATA_BITS)) {
            // Two wrong bits in one word are rarer by the same factor, and parity cannot see them.
            return Some(Spoilt::Bits(if dice.chance(DATA_BITS / 2.0 * per_bit) { 2 } else { 1 }));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::scene;
    use super::*;
    use crate::swd::transaction::Port;

    const LONG: RingingWire = RingingWire { length_cm: 40.0, settle_ns_per_cm: 2.0, fixed_ns: 20.0, jitter_ns: 10.0 };

    fn spoilt(mut wire: RingingWire, kilohertz: u32) -> usize {
        let mut dice = Dice::new(1);
        let request = Request::read(Port::Access, 0x0C);
        (0..2_000).filter(|_| wire.wire(&scene(kilohertz), &request, &mut dice).is_some()).count()
    }

    #[test]
    fn errors_rise_with_speed_and_length() {
        assert_eq!(spoilt(LONG, 1_000), 0);
        let (fast, faster) = (spoilt(LONG, 3_600), spoilt(LONG, 4_600));
        assert!(fast > 0 && faster > 3 * fast, "{fast} {faster}");
        assert_eq!(spoilt(RingingWire { length_cm: 10.0, ..LONG }, 4_600), 0);
    }

    #[test]
    fn the_tail_of_the_normal_distribution_is_that_of_the_tables() {
        // Printed tables: Q(0) = 0.5, Q(1.96) = 0.0250, Q(3) = 0.00135, Q(-1) = 0.8413.
        for (x, tail) in [(0.0, 0.5), (1.96, 0.024_998), (3.0, 0.001_35), (-1.0, 0.841_345)] {
            assert!((normal_tail(x) - tail).abs() < 1e-5, "{x}: {}", normal_tail(x));
        }
    }
}
