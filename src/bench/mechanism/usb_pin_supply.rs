//! The supply pin of the USB block, where the package has one: without 3.0 to 3.6 V there the drivers are weak or off, while the rest of
//! the part works.
//!
//! Source: FACTS section B (VDDUSB or VDD33USB must be 3.0 to 3.6 V: AN2606 notes for G4, G0B, L4, L5, U5, WB; DS12110 T24). Below
//! which voltage the pull-up is not seen any more follows from the threshold of a full-speed receiver (USB 2.0, 7.1.7.3: 2.0 V through the
//! divider of 1.5 and 15 kohm); that errors grow evenly from 3.0 V down to there is chosen.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Impossible, Mechanism};
use crate::bench::surroundings::{BootCourse, Dice, Packet, Runs, Surroundings};

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct UsbPinSupply {
    /// At the pin; 0 where it is open.
    #[schemars(range(min = 0.0, max = 3_600.0))]
    pub pin_mv: f64,
    /// Deviation from one start to the next, as of a rail that is switched or divided.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1_000.0))]
    pub noise_mv: f64,
}

/// The least that the data sheets allow.
const NEEDED_MV: f64 = 3_000.0;
/// A pull-up of 1.5 kohm against the 15 kohm of the host gives 2.0 V from this.
const SEEN_FROM_MV: f64 = 2_200.0;

impl UsbPinSupply {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("pin-mv", self.pin_mv, 0.0, 3_600.0, " mV")?;
        Impossible::unless_within("noise-mv", self.noise_mv, 0.0, 1_000.0, " mV")
    }

    pub fn describe(&self) -> String {
        format!("The supply pin of the USB block has {} V; it needs 3.0 to 3.6 V.", self.pin_mv / 1e3)
    }

    pub fn hook(self) -> UsbDrivers {
        UsbDrivers { figures: self, pin_mv: self.pin_mv }
    }
}

#[derive(Debug)]
pub struct UsbDrivers {
    figures: UsbPinSupply,
    /// In this boot.
    pin_mv: f64,
}

impl Mechanism for UsbDrivers {
    fn boot(&mut self, _around: &Surroundings, course: &mut BootCourse, dice: &mut Dice) {
        self.pin_mv = self.figures.pin_mv + self.figures.noise_mv * dice.normal();
        if self.pin_mv < SEEN_FROM_MV && course.runs == Runs::UsbBootloader {
            course.runs = Runs::ServesNobody { pull_up: false };
        }
    }

    fn packet(&self, _around: &Surroundings, _packet: &Packet<'_>) -> f64 {
        ((NEEDED_MV - self.pin_mv) / (NEEDED_MV - SEEN_FROM_MV)).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::surroundings::Direction;

    #[test]
    fn an_open_pin_shows_no_pull_up_and_a_low_one_makes_errors() {
        let start = |pin_mv: f64| {
            let mut drivers = UsbPinSupply { pin_mv, noise_mv: 0.0 }.hook();
            let mut course = BootCourse::default();
            drivers.boot(&Surroundings::default(), &mut course, &mut Dice::new(1));
            let packet = Packet { direction: Direction::ToHost, data: &[0; 8], place: 0 };
            (course.runs == Runs::UsbBootloader, drivers.packet(&Surroundings::default(), &packet))
        };
        assert_eq!(start(3_300.0), (true, 0.0));
        assert!(!start(0.0).0);
        let (seen, errors) = start(2_600.0);
        assert!(seen && (0.4..0.6).contains(&errors), "{errors}");
    }
}
