//! The 48 MHz oscillator of crystal-less parts: its error, which follows the die while the board runs, and whether the ROM disciplines it
//! by the host's frames.
//!
//! Source: `oscillator_accuracy.csv` (G431 T43, H743 T46), `bootloader_versions.csv` (L43x ROM with CRS misconfigured).

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Impossible, Mechanism};
use crate::bench::surroundings::{Dice, Surroundings};
use crate::observation::units::{Micros, Ppm};

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Hsi48 {
    /// At 30 C, with the factory trim.
    #[schemars(range(min = -8.0, max = 8.0))]
    pub error_percent: f64,
    #[schemars(range(min = -0.2, max = 0.2))]
    pub drift_percent_per_kelvin: f64,
    /// Whether clock recovery works in this ROM.
    pub recovery_works: bool,
}

impl Hsi48 {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("error-percent", self.error_percent, -8.0, 8.0, " %")?;
        Impossible::unless_within("drift-percent-per-kelvin", self.drift_percent_per_kelvin, -0.2, 0.2, " %/K")
    }

    pub fn describe(&self) -> String {
        let recovery = if self.recovery_works { "follows" } else { "does not follow" };
        format!(
            "HSI48 is {:+} % off at 30 C, drifts by {:+} % per kelvin and {recovery} the host's frames.",
            self.error_percent, self.drift_percent_per_kelvin
        )
    }

    pub const fn hook(self) -> Self {
        self
    }
}

impl Mechanism for Hsi48 {
    fn time(&mut self, around: &mut Surroundings, _span: Micros, _dice: &mut Dice) {
        let drift = self.drift_percent_per_kelvin * (around.die.0 - 30.0);
        around.hsi48_error = Ppm::from_percent(self.error_percent + drift);
        around.hsi48_recovers = self.recovery_works;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::units::Celsius;

    #[test]
    fn drift_is_counted_from_30_degrees() {
        let mut oscillator = Hsi48 { error_percent: -1.0, drift_percent_per_kelvin: 0.02, recovery_works: false };
        let mut around = Surroundings { die: Celsius(80.0), ..Surroundings::default() };
        oscillator.time(&mut around, Micros::ZERO, &mut Dice::new(1));
        assert!(around.hsi48_error.0.abs() < 1e-6 && !around.hsi48_recovers);
    }
}
