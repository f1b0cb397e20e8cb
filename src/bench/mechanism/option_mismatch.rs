//! Option bytes whose value and stored complement differ, as a loss of power while they were written leaves them.
//!
//! Source: `root_causes.csv` (value and complement differ; forced safe configuration; power loss or reset while writing). That the safe
//! configuration is read-out protection at level 1 is assumed; a board says whether its part does that.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Impossible, Mechanism};
use crate::observation::units::Address;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OptionMismatch {
    /// A 32-bit word of the option bytes as DFU shows them.
    #[schemars(with = "u32")]
    pub address: Address,
    /// The bits of it that lost their value.
    pub bits: u32,
    /// The part then protects itself against read-out.
    #[serde(default)]
    pub forces_protection: bool,
}

impl OptionMismatch {
    pub fn check(&self) -> Result<(), Impossible> {
        if self.bits == 0 {
            return Err(Impossible::new("bits", "is 0, so nothing differs"));
        }
        if !self.address.0.is_multiple_of(4) {
            return Err(Impossible::new("address", "is not that of a 32-bit word"));
        }
        Ok(())
    }

    pub fn describe(&self) -> String {
        let forced = if self.forces_protection { "; the part protects itself against read-out" } else { "" };
        format!("The option word at {} differs from its complement in bits 0x{:08X}{forced}.", self.address, self.bits)
    }

    pub const fn hook(self) -> Self {
        self
    }
}

/// It acts through the memory, when the board is made.
impl Mechanism for OptionMismatch {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mismatch_without_bits_is_none() {
        let none = OptionMismatch { address: Address(0x1fff_7800), bits: 0, forces_protection: false };
        assert_eq!(none.check().unwrap_err().key, "bits");
    }
}
