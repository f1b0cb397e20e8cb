//! The pin on which some ROMs look for the voltage of the bus: if it reads low at reset, the ROM does not turn to USB at all.
//!
//! Source: `root_causes.csv` (F105/107: PA9 low and the ROM skips USB; other families ignore it), AN2606 r70 T227 and T228 notes. The
//! threshold is that of an ordinary input and chosen, as is the noise of each board.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Impossible, Mechanism};
use crate::bench::surroundings::{BootCourse, Dice, Runs, Surroundings};

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct VbusSense {
    /// At the pin while the cable is plugged.
    #[schemars(range(min = -300.0, max = 5_500.0))]
    pub pin_mv: f64,
    /// Deviation at the moment of reset.
    #[schemars(range(min = 0.0, max = 3_000.0))]
    pub noise_mv: f64,
    /// Above this the pin reads high.
    #[serde(default = "threshold_mv")]
    #[schemars(range(min = 300.0, max = 3_000.0))]
    pub threshold_mv: f64,
}

fn threshold_mv() -> f64 {
    1_650.0
}

impl VbusSense {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("pin-mv", self.pin_mv, -300.0, 5_500.0, " mV")?;
        Impossible::unless_within("noise-mv", self.noise_mv, 0.0, 3_000.0, " mV")?;
        Impossible::unless_within("threshold-mv", self.threshold_mv, 300.0, 3_000.0, " mV")
    }

    pub fn describe(&self) -> String {
        format!(
            "The pin that looks for the bus voltage is at {} V with {} V of noise; above {} V it reads high.",
            self.pin_mv / 1e3,
            self.noise_mv / 1e3,
            self.threshold_mv / 1e3
        )
    }

    pub const fn hook(self) -> Self {
        self
    }
}

impl Mechanism for VbusSense {
    fn boot(&mut self, _around: &Surroundings, course: &mut BootCourse, dice: &mut Dice) {
        let high = self.pin_mv + self.noise_mv * dice.normal() > self.threshold_mv;
        if !high && course.runs == Runs::UsbBootloader {
            course.runs = Runs::ServesNobody { pull_up: false };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_near_its_threshold_skips_usb_now_and_then() {
        let skipped = |pin_mv: f64| {
            let mut pin = VbusSense { pin_mv, noise_mv: 100.0, threshold_mv: 1_650.0 };
            let mut dice = Dice::new(8);
            let mut skips = || {
                let mut course = BootCourse::default();
                pin.boot(&Surroundings::default(), &mut course, &mut dice);
                course.runs != Runs::UsbBootloader
            };
            (0..200).filter(|_| skips()).count()
        };
        assert_eq!((skipped(5_000.0), skipped(0.0)), (0, 200));
        assert!((20..180).contains(&skipped(1_600.0)));
    }
}
