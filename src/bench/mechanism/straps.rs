//! Boot pins that are not held firmly: the level at reset decides what runs, and it is latched until the next reset.
//!
//! Source: `root_causes.csv` BOOT_STRAP (BOOT1 open was the cause in one case; slow or capacitive BOOT0), `boot_patterns.csv`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Impossible, Mechanism};
use crate::bench::surroundings::{BootCourse, Dice, Runs, Surroundings};

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Straps {
    /// BOOT0 as it settles.
    #[schemars(range(min = -300.0, max = 5_500.0))]
    pub boot0_mv: f64,
    /// BOOT1, where the part has that pin.
    #[serde(default)]
    #[schemars(range(min = -300.0, max = 5_500.0))]
    pub boot1_mv: f64,
    /// Deviation of either at the moment of reset.
    #[schemars(range(min = 0.0, max = 3_000.0))]
    pub noise_mv: f64,
    /// Above this a pin reads high.
    #[schemars(range(min = 300.0, max = 3_000.0))]
    pub threshold_mv: f64,
    /// With a capacitor on BOOT0: how much lower it still is at a power-on. Later resets find it settled.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 5_000.0))]
    pub lag_mv: f64,
}

impl Straps {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("boot0-mv", self.boot0_mv, -300.0, 5_500.0, " mV")?;
        Impossible::unless_within("boot1-mv", self.boot1_mv, -300.0, 5_500.0, " mV")?;
        Impossible::unless_within("noise-mv", self.noise_mv, 0.0, 3_000.0, " mV")?;
        Impossible::unless_within("lag-mv", self.lag_mv, 0.0, 5_000.0, " mV")?;
        Impossible::unless_within("threshold-mv", self.threshold_mv, 300.0, 3_000.0, " mV")
    }

    pub fn describe(&self) -> String {
        format!(
            "BOOT0 is at {} V and BOOT1 at {} V with {} V of noise at reset; above {} V a pin reads high.",
            self.boot0_mv / 1e3,
            self.boot1_mv / 1e3,
            self.noise_mv / 1e3,
            self.threshold_mv / 1e3
        )
    }

    pub const fn hook(self) -> Self {
        self
    }
}

impl Mechanism for Straps {
    fn boot(&mut self, _around: &Surroundings, course: &mut BootCourse, dice: &mut Dice) {
        let mut reads_high = |millivolts: f64| millivolts + self.noise_mv * dice.normal() > self.threshold_mv;
        let lag_mv = if course.from_power_on { self.lag_mv } else { 0.0 };
        let boot0 = reads_high(self.boot0_mv - lag_mv);
        let boot1 = reads_high(self.boot1_mv);
        if !boot0 || boot1 {
            course.runs = Runs::SomethingElse;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn into_rom(mut straps: Straps) -> usize {
        let mut dice = Dice::new(6);
        let mut boots = || {
            let mut course = BootCourse::default();
            straps.boot(&Surroundings::default(), &mut course, &mut dice);
            course.runs == Runs::UsbBootloader
        };
        (0..300).filter(|_| boots()).count()
    }

    #[test]
    fn firm_pins_decide_always_and_floating_ones_sometimes() {
        let firm = Straps { boot0_mv: 3_300.0, boot1_mv: 0.0, noise_mv: 50.0, threshold_mv: 1_650.0, lag_mv: 0.0 };
        assert_eq!(into_rom(firm), 300);
        assert_eq!(into_rom(Straps { boot0_mv: 0.0, ..firm }), 0);
        assert_eq!(into_rom(Straps { lag_mv: 3_000.0, ..firm }), 0, "the capacitor is still empty at power-on");
        let open = into_rom(Straps { boot1_mv: 1_600.0, noise_mv: 200.0, ..firm });
        assert!((50..250).contains(&open), "{open}");
    }
}
