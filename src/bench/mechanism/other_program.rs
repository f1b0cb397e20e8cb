//! Another program on the same computer that takes the interface for a while, now and then: a monitor, an update service, a browser tab.
//!
//! Source: `root_causes.csv` (LIBUSB_ERROR_BUSY while other tools run). Times are chosen per board.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Impossible, Mechanism};
use crate::bench::surroundings::{Dice, Surroundings};
use crate::observation::units::Micros;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OtherProgram {
    /// Mean time between two visits.
    #[schemars(range(min = 0.01, max = 1e6))]
    pub every_s: f64,
    /// Mean time it holds the interface.
    #[schemars(range(min = 1.0, max = 1e7))]
    pub holds_ms: f64,
}

impl OtherProgram {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("every-s", self.every_s, 0.01, 1e6, " s")?;
        Impossible::unless_within("holds-ms", self.holds_ms, 1.0, 1e7, " ms")?;
        if self.holds_ms / 1e3 >= self.every_s {
            let why = "is longer than the time between visits; `interface-held` of the host says that it never lets go";
            return Err(Impossible::new("holds-ms", why));
        }
        Ok(())
    }

    pub fn describe(&self) -> String {
        format!("Another program takes the interface every {} s on average, for {} ms.", self.every_s, self.holds_ms)
    }

    pub const fn hook(self) -> Visitor {
        Visitor { figures: self, comes: None, goes: Micros::ZERO }
    }
}

#[derive(Debug)]
pub struct Visitor {
    figures: OtherProgram,
    comes: Option<Micros>,
    goes: Micros,
}

impl Mechanism for Visitor {
    fn time(&mut self, around: &mut Surroundings, _span: Micros, dice: &mut Dice) {
        while self.comes.is_none() || self.goes <= around.at {
            let comes = self.goes + dice.waiting(Micros::from_secs_f64(self.figures.every_s));
            self.comes = Some(comes);
            self.goes = comes + Micros(1) + dice.waiting(Micros::from_secs_f64(self.figures.holds_ms / 1e3));
        }
        around.interface_held = self.comes.is_some_and(|comes| comes <= around.at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_the_interface_for_its_share_of_time() {
        let mut visitor = OtherProgram { every_s: 1.0, holds_ms: 250.0 }.hook();
        let mut around = Surroundings::default();
        let mut dice = Dice::new(2);
        let mut held = 0;
        for step in 0..40_000 {
            around.at = Micros::from_millis(step * 10);
            visitor.time(&mut around, Micros::from_millis(10), &mut dice);
            held += u32::from(around.interface_held);
        }
        let share = f64::from(held) / 40_000.0;
        assert!((share - 0.2).abs() < 0.03, "{share}");
    }
}
