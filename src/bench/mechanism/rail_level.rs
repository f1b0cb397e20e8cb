//! A rail that is simply at the wrong level: switched off, fed back through other pins, or behind a tired regulator.
//!
//! Source: `root_causes.csv` PWR_SUPPLY (target unpowered or wrong VDD; below 1.65 V no answer), FACTS section B (PDR 1.60 to 1.76 V).

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Impossible, Mechanism};
use crate::bench::surroundings::{BootCourse, Dice, Runs, Surroundings};
use crate::observation::units::{Micros, Millivolts};

/// Below this a part stays in power-down reset; the middle of what the data sheets state.
pub const POWER_DOWN: Millivolts = Millivolts(1_680.0);

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RailLevel {
    #[schemars(range(min = 0.0, max = 5_500.0))]
    pub mv: f64,
    /// Deviation from one power-on to the next.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 2_000.0))]
    pub scatter_mv: f64,
}

impl RailLevel {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("mv", self.mv, 0.0, 5_500.0, " mV")?;
        Impossible::unless_within("scatter-mv", self.scatter_mv, 0.0, 2_000.0, " mV")
    }

    pub fn describe(&self) -> String {
        format!(
            "The rail is at {} V, give or take {} V from one power-on to the next.",
            self.mv / 1e3,
            self.scatter_mv / 1e3
        )
    }

    pub const fn hook(self) -> Level {
        Level { figures: self, level: Millivolts(self.mv) }
    }
}

/// The level of this power-on.
#[derive(Debug)]
pub struct Level {
    figures: RailLevel,
    level: Millivolts,
}

impl Mechanism for Level {
    fn power_on(&mut self, _around: &Surroundings, _off: Micros, dice: &mut Dice) {
        self.level = Millivolts((self.figures.mv + self.figures.scatter_mv * dice.normal()).max(0.0));
    }

    fn time(&mut self, around: &mut Surroundings, _span: Micros, _dice: &mut Dice) {
        around.supply = self.level;
    }

    fn boot(&mut self, _around: &Surroundings, course: &mut BootCourse, _dice: &mut Dice) {
        if self.level.0 < POWER_DOWN.0 {
            course.runs = Runs::SomethingElse;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rail_below_power_down_runs_nothing() {
        let mut level = RailLevel { mv: 1_200.0, scatter_mv: 0.0 }.hook();
        let (mut around, mut course) = (Surroundings::default(), BootCourse::default());
        level.time(&mut around, Micros(1), &mut Dice::new(1));
        level.boot(&around, &mut course, &mut Dice::new(1));
        assert_eq!((around.supply.0, course.runs), (1_200.0, Runs::SomethingElse));
    }
}
