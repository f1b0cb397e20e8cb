//! A crystal that starts slowly: load capacitance and temperature against the time the ROM waits.
//!
//! Sources: FACTS section C (0.79 ms on F2 and F405 V3, 85 to 230 ms elsewhere; DS8626 T32: 2 ms typical; cured by another
//! crystal or smaller load capacitors). How the time scales is in `clock/start_up.rs`, with what is textbook knowledge.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Impossible, Mechanism};
use crate::bench::surroundings::{BootCourse, Dice, Surroundings};
use crate::clock::start_up::CrystalStart;
use crate::observation::units::Micros;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SlowCrystal {
    /// With the reference load at 25 C.
    #[schemars(range(min = 0.01, max = 5_000.0))]
    pub start_ms: f64,
    #[schemars(range(min = 3.0, max = 50.0))]
    pub reference_load_pf: f64,
    /// What is soldered in, stray capacitance included.
    #[schemars(range(min = 1.0, max = 100.0))]
    pub fitted_load_pf: f64,
    /// Negative resistance over series resistance with the reference load.
    #[schemars(extend("exclusiveMinimum" = 1.0))]
    pub gain_margin: f64,
    #[schemars(range(min = -2.0, max = 2.0))]
    pub gain_margin_percent_per_kelvin: f64,
    /// Relative deviation of single starts: the oscillation grows from noise.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub scatter_percent: f64,
}

impl SlowCrystal {
    fn model(&self) -> CrystalStart {
        CrystalStart {
            reference_time: Micros::from_secs_f64(self.start_ms / 1e3),
            reference_load_pf: self.reference_load_pf,
            reference_gain_margin: self.gain_margin,
            gain_margin_per_degree: self.gain_margin_percent_per_kelvin / 100.0,
        }
    }

    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("start-ms", self.start_ms, 0.01, 5_000.0, " ms")?;
        Impossible::unless_within("reference-load-pf", self.reference_load_pf, 3.0, 50.0, " pF")?;
        Impossible::unless_within("fitted-load-pf", self.fitted_load_pf, 1.0, 100.0, " pF")?;
        Impossible::unless_within("scatter-percent", self.scatter_percent, 0.0, 100.0, " %")?;
        Impossible::unless_within(
            "gain-margin-percent-per-kelvin",
            self.gain_margin_percent_per_kelvin,
            -2.0,
            2.0,
            " %/K",
        )?;
        if self.gain_margin <= 1.0 {
            let why =
                format!("is {}; at 1 or below the crystal never starts, so it has no start-up time", self.gain_margin);
            return Err(Impossible::new("gain-margin", why));
        }
        Ok(())
    }

    pub fn describe(&self) -> String {
        format!(
            "The crystal starts in {} ms with {} pF; {} pF are fitted, and single starts scatter by {} %.",
            self.start_ms, self.reference_load_pf, self.fitted_load_pf, self.scatter_percent
        )
    }

    pub const fn hook(self) -> Self {
        self
    }
}

impl Mechanism for SlowCrystal {
    fn boot(&mut self, around: &Surroundings, course: &mut BootCourse, dice: &mut Dice) {
        let typical = self.model().time(self.fitted_load_pf, around.die);
        let factor = (self.scatter_percent / 100.0 * dice.normal()).exp();
        course.crystal_start = typical.map(|time| Micros::from_secs_f64(time.as_secs_f64() * factor));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: SlowCrystal = SlowCrystal {
        start_ms: 0.45,
        reference_load_pf: 8.0,
        fitted_load_pf: 10.0,
        gain_margin: 5.0,
        gain_margin_percent_per_kelvin: -0.2,
        scatter_percent: 15.0,
    };

    #[test]
    fn some_starts_meet_the_early_rom_and_others_do_not() {
        let mut dice = Dice::new(3);
        let mut in_time = |crystal: &mut SlowCrystal| {
            let mut course = BootCourse::default();
            crystal.boot(&Surroundings::default(), &mut course, &mut dice);
            course.crystal_start.is_some_and(|start| start <= Micros(790))
        };
        let mut crystal = SLOW;
        let met = (0..200).filter(|_| in_time(&mut crystal)).count();
        assert!((1..199).contains(&met), "{met}");
        crystal.fitted_load_pf = 5.0;
        let met = (0..200).filter(|_| in_time(&mut crystal)).count();
        assert_eq!(met, 200, "smaller load capacitors cure it");
    }

    #[test]
    fn a_margin_that_never_starts_is_refused() {
        let error = SlowCrystal { gain_margin: 0.9, ..SLOW }.check().unwrap_err();
        assert_eq!(error.key, "gain-margin");
    }
}
