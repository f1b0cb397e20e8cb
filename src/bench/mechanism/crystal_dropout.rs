//! A crystal that stops for a moment while the ROM runs from it: the clock security system is on then, and the part resets.
//!
//! Source: FACTS section B (clock security is on while the ROM runs from HSE: a glitch is a reset and a disconnect),
//! `root_causes.csv` (tapping, touching, humidity, load). How often a crystal stops is chosen per board.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Impossible, Mechanism, SelfReset};
use crate::bench::surroundings::{BootCourse, Dice, Surroundings};
use crate::observation::units::Micros;
use crate::swd::reset_cause::ResetCause;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CrystalDropout {
    /// Mean time between two stops.
    #[schemars(range(min = 0.01, max = 1e6))]
    pub every_s: f64,
}

impl CrystalDropout {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("every-s", self.every_s, 0.01, 1e6, " s")
    }

    pub fn describe(&self) -> String {
        format!("The crystal stops for a moment every {} s on average, and the part resets.", self.every_s)
    }

    pub fn hook(self) -> Oscillation {
        Oscillation { figures: self, stops: None }
    }
}

/// Until the ROM starts again; chosen. That it resets itself by software is assumed.
const RESTART: Micros = Micros::from_millis(1);

/// When it stops next.
#[derive(Debug)]
pub struct Oscillation {
    figures: CrystalDropout,
    stops: Option<Micros>,
}

impl Mechanism for Oscillation {
    fn boot(&mut self, around: &Surroundings, _course: &mut BootCourse, dice: &mut Dice) {
        self.stops = Some(around.at + dice.waiting(Micros::from_secs_f64(self.figures.every_s)));
    }

    fn next_reset(&self) -> Option<SelfReset> {
        Some(SelfReset { at: self.stops?, low_for: RESTART, cause: ResetCause::Software })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_start_has_its_own_time_to_the_next_stop() {
        let mut crystal = CrystalDropout { every_s: 2.0 }.hook();
        let mut dice = Dice::new(3);
        let mut survives = |after: Micros| {
            crystal.boot(&Surroundings::default(), &mut BootCourse::default(), &mut dice);
            crystal.next_reset().is_some_and(|reset| reset.at > after)
        };
        let alive = (0..400).filter(|_| survives(Micros::from_secs(2))).count();
        assert!((110..190).contains(&alive), "about 1/e of 400: {alive}");
    }
}
