//! A bus that is busy for moments, by a flash erase or a slow memory: accesses wait until it is free.
//!
//! Source: `stlink_status.csv` 0x10 (bus of the target busy: flash erase running; SWCLK too fast). Times are chosen per board.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Refusal, Scene, SwdMechanism};
use crate::bench::mechanism::Impossible;
use crate::bench::surroundings::Dice;
use crate::observation::units::{Address, Micros};

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BusyBus {
    /// Mean time between busy spells.
    #[schemars(range(min = 0.001, max = 600_000.0))]
    pub every_ms: f64,
    /// Mean length of one.
    #[schemars(range(min = 0.001, max = 600_000.0))]
    pub for_ms: f64,
}

impl BusyBus {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("every-ms", self.every_ms, 0.001, 600_000.0, " ms")?;
        Impossible::unless_within("for-ms", self.for_ms, 0.001, 600_000.0, " ms")
    }

    pub fn describe(&self) -> String {
        format!("The bus is busy every {} ms or so, for about {} ms.", self.every_ms, self.for_ms)
    }

    pub const fn hook(self) -> Spells {
        Spells { figures: self, from: None, until: Micros::ZERO }
    }
}

/// The spells as they come.
#[derive(Debug)]
pub struct Spells {
    figures: BusyBus,
    from: Option<Micros>,
    until: Micros,
}

impl SwdMechanism for Spells {
    fn refuse(&mut self, scene: &Scene, address: Option<Address>, dice: &mut Dice) -> Option<Refusal> {
        while self.from.is_none() || self.until <= scene.at {
            let from = self.until + dice.waiting(Micros::from_secs_f64(self.figures.every_ms / 1e3));
            self.from = Some(from);
            self.until = from + Micros(1) + dice.waiting(Micros::from_secs_f64(self.figures.for_ms / 1e3));
        }
        (address.is_some() && self.from <= Some(scene.at)).then_some(Refusal::Wait)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::scene;
    use super::*;

    #[test]
    fn memory_waits_while_the_bus_is_busy_and_nothing_else_does() {
        let mut spells = BusyBus { every_ms: 5.0, for_ms: 5.0 }.hook();
        let mut dice = Dice::new(2);
        let mut waits = |address| {
            let at = |n: u64| Scene { at: Micros::from_millis(3 * n), ..scene(1_000) };
            (0..1_000_u64).filter(|n| spells.refuse(&at(*n), address, &mut dice).is_some()).count()
        };
        let busy = waits(Some(Address(0x0800_0000)));
        assert!((400..600).contains(&busy), "{busy}");
        assert_eq!(waits(None), 0);
    }
}
