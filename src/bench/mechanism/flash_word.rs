//! A flash word whose error correction cannot repair it: reading it faults, wherever the host was going.
//!
//! Source: `root_causes.csv` FLASH_ECC (bus fault at one 32-byte word on H7, 8 bytes on L4, G4, WB). What the ROM does then over
//! USB is not documented: either effect is assumed.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Impossible, Mechanism};
use crate::bench::surroundings::{Dice, Disturbance, Surroundings};
use crate::observation::units::Address;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FlashWord {
    #[schemars(with = "u32")]
    pub address: Address,
    pub length_bytes: u32,
    pub core: CoreFault,
}

/// What the core does when the read faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CoreFault {
    Stuck,
    Resets,
}

impl FlashWord {
    pub fn check(&self) -> Result<(), Impossible> {
        let known = [4, 8, 16, 32];
        if known.contains(&self.length_bytes) && self.address.0.is_multiple_of(self.length_bytes) {
            return Ok(());
        }
        Err(Impossible::new("length-bytes", "must be 4, 8, 16 or 32, and `address` a multiple of it"))
    }

    pub fn describe(&self) -> String {
        let effect = match self.core {
            CoreFault::Stuck => "is stuck",
            CoreFault::Resets => "resets",
        };
        format!("The word of {} bytes at {} cannot be read: the core {effect}.", self.length_bytes, self.address)
    }

    pub const fn hook(self) -> Self {
        self
    }
}

impl Mechanism for FlashWord {
    fn transfer(&mut self, _: &Surroundings, touches: Option<(Address, u32)>, _: &mut Dice) -> Option<Disturbance> {
        let (start, length) = touches?;
        let end = |address: Address, length: u32| u64::from(address.0) + u64::from(length);
        let overlaps =
            u64::from(start.0) < end(self.address, self.length_bytes) && u64::from(self.address.0) < end(start, length);
        overlaps.then_some(match self.core {
            CoreFault::Stuck => Disturbance::Stuck,
            CoreFault::Resets => Disturbance::Reset,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_transfers_that_touch_the_word_are_disturbed() {
        let mut word = FlashWord { address: Address(0x0800_0400), length_bytes: 32, core: CoreFault::Resets };
        let mut disturb =
            |start, length| word.transfer(&Surroundings::default(), Some((Address(start), length)), &mut Dice::new(1));
        assert_eq!(disturb(0x0800_0000, 1024), None);
        assert_eq!(disturb(0x0800_0000, 1025), Some(Disturbance::Reset));
        assert_eq!(disturb(0x0800_0420, 64), None);
    }
}
