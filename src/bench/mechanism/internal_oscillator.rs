//! The 16 MHz internal oscillator with which the ROM measures the crystal: its error at room temperature and its drift.
//!
//! Source: `oscillator_accuracy.csv` (DS8626 T34: 1 % at 25 C before soldering, 4 % from -10 to 85 C, -8 to +4.5 % from -40 to 105 C).

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Impossible, Mechanism};
use crate::bench::surroundings::{BootCourse, Dice, Surroundings};
use crate::observation::units::Ppm;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct InternalOscillator {
    /// At 25 C, of this chip on this board.
    #[schemars(range(min = -8.0, max = 8.0))]
    pub error_percent: f64,
    #[schemars(range(min = -0.2, max = 0.2))]
    pub drift_percent_per_kelvin: f64,
    /// Deviation of single starts around that.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub noise_percent: f64,
}

impl InternalOscillator {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("error-percent", self.error_percent, -8.0, 8.0, " %")?;
        Impossible::unless_within("drift-percent-per-kelvin", self.drift_percent_per_kelvin, -0.2, 0.2, " %/K")?;
        Impossible::unless_within("noise-percent", self.noise_percent, 0.0, 1.0, " %")
    }

    pub fn describe(&self) -> String {
        format!(
            "The internal oscillator is {:+} % off at 25 C and drifts by {:+} % per kelvin.",
            self.error_percent, self.drift_percent_per_kelvin
        )
    }

    pub const fn hook(self) -> Self {
        self
    }
}

impl Mechanism for InternalOscillator {
    fn boot(&mut self, around: &Surroundings, course: &mut BootCourse, dice: &mut Dice) {
        let drift = self.drift_percent_per_kelvin * (around.die.0 - 25.0);
        course.hsi_error = Ppm::from_percent(self.error_percent + drift + self.noise_percent * dice.normal());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::units::Celsius;

    #[test]
    fn the_error_follows_the_die() {
        let mut oscillator =
            InternalOscillator { error_percent: 1.0, drift_percent_per_kelvin: 0.05, noise_percent: 0.0 };
        let mut course = BootCourse::default();
        let around = Surroundings { die: Celsius(45.0), ..Surroundings::default() };
        oscillator.boot(&around, &mut course, &mut Dice::new(1));
        assert!((course.hsi_error.as_percent() - 2.0).abs() < 1e-9);
    }
}
