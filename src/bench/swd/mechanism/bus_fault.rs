//! An area of memory that answers with a bus error: a clock that is off, a firewall, a protected region.
//!
//! Source: `stlink_status.csv` 0x11 (access fault, flash read at RDP level 1, clock off).

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Refusal, Scene, SwdMechanism};
use crate::bench::mechanism::Impossible;
use crate::bench::surroundings::Dice;
use crate::observation::units::Address;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FaultyArea {
    #[schemars(with = "u32")]
    pub address: Address,
    pub length_bytes: u32,
    /// The share of accesses that fault.
    #[serde(default = "always")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub share: f64,
}

const fn always() -> f64 {
    1.0
}

impl FaultyArea {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("share", self.share, 0.0, 1.0, "")
    }

    pub fn describe(&self) -> String {
        format!(
            "{} bytes at {} answer {:.0} % of accesses with a fault.",
            self.length_bytes,
            self.address,
            self.share * 1e2
        )
    }
}

impl SwdMechanism for FaultyArea {
    fn refuse(&mut self, _scene: &Scene, address: Option<Address>, dice: &mut Dice) -> Option<Refusal> {
        let inside = address.is_some_and(|at| at.0.wrapping_sub(self.address.0) < self.length_bytes);
        (inside && dice.chance(self.share)).then_some(Refusal::Fault)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::scene;
    use super::*;

    #[test]
    fn only_the_area_faults() {
        let mut area = FaultyArea { address: Address(0x2000_0000), length_bytes: 0x100, share: 1.0 };
        let mut at = |address| area.refuse(&scene(1_000), address, &mut Dice::new(1));
        assert_eq!(at(Some(Address(0x2000_00FC))), Some(Refusal::Fault));
        assert_eq!(at(Some(Address(0x2000_0100))), None);
        assert_eq!(at(None), None);
    }
}
