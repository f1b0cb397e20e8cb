//! NRST that something on the board holds low: a short, a supervisor, a capacitor that is far too large.
//!
//! Source: `root_causes.csv` SWD_NRST (held under reset; big capacitor). Shares and times are chosen per board.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Impossible, Mechanism};
use crate::bench::surroundings::{Dice, Surroundings};
use crate::observation::units::Micros;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StuckReset {
    /// Share of power-ons after which it happens.
    #[serde(default = "always")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub share: f64,
    /// How long NRST stays low; for ever where absent.
    #[schemars(range(min = 0.001, max = 1e7))]
    pub for_ms: Option<f64>,
}

const fn always() -> f64 {
    1.0
}

impl StuckReset {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("share", self.share, 0.0, 1.0, "")?;
        self.for_ms.map_or(Ok(()), |ms| Impossible::unless_within("for-ms", ms, 0.001, 1e7, " ms"))
    }

    pub fn describe(&self) -> String {
        let length = self.for_ms.map_or("for ever".to_owned(), |ms| format!("for {ms} ms"));
        format!("After {:.0} % of power-ons NRST stays low {length}.", self.share * 1e2)
    }

    pub const fn hook(self) -> Hold {
        Hold { figures: self, until: Micros::ZERO }
    }
}

/// Until when it is low.
#[derive(Debug)]
pub struct Hold {
    figures: StuckReset,
    until: Micros,
}

impl Mechanism for Hold {
    fn power_on(&mut self, around: &Surroundings, _off: Micros, dice: &mut Dice) {
        let happens = dice.chance(self.figures.share);
        let until = self.figures.for_ms.map_or(Micros(u64::MAX), |ms| around.at + Micros::from_secs_f64(ms / 1e3));
        self.until = if happens { until } else { Micros::ZERO };
    }

    fn holds_reset(&self) -> Option<Micros> {
        Some(self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_drawn_at_every_power_on() {
        let mut hold = StuckReset { share: 0.5, for_ms: Some(300.0) }.hook();
        let mut dice = Dice::new(2);
        let around = Surroundings { at: Micros::from_secs(1), ..Surroundings::default() };
        let held = (0..200)
            .filter(|_| {
                hold.power_on(&around, Micros::ZERO, &mut dice);
                hold.holds_reset() == Some(Micros::from_millis(1_300))
            })
            .count();
        assert!((70..130).contains(&held), "{held}");
    }
}
