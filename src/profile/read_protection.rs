//! RDP: how closed a part is against reading, from its option bytes or from the registers that mirror them.

use std::fmt;

use super::device::Device;
use super::option_bytes::Decoded;

/// What the field is called in the profiles.
const NAMES: [&str; 2] = ["RDP", "RDP_level"];

pub fn is_its_field(name: &str) -> bool {
    NAMES.contains(&name)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReadProtection {
    Level0,
    /// Only where TrustZone is.
    Level0Point5,
    Level1,
    Level2,
}

impl ReadProtection {
    /// The first family codes level 0 as 0xA5; its register shows one bit, those of F0 and F3 two (RM0008, RM0091, RM0316).
    pub fn of(family: &str, value: u32, bits: u8) -> Self {
        let has_half_level = matches!(family, "STM32L5" | "STM32U3" | "STM32U5" | "STM32WBA");
        match (bits, value) {
            (1 | 2, 0) => Self::Level0,
            (2, 3) => Self::Level2,
            (1 | 2, _) => Self::Level1,
            (_, 0xA5) if family == "STM32F1" => Self::Level0,
            (_, _) if family == "STM32F1" => Self::Level1,
            (_, 0xAA) => Self::Level0,
            (_, 0xCC) => Self::Level2,
            (_, 0x55) if has_half_level => Self::Level0Point5,
            _ => Self::Level1,
        }
    }

    /// `None` where the field was not read or the part has none.
    pub fn read(device: &Device, decoded: &Decoded) -> Option<Self> {
        let field = decoded.fields.iter().find(|field| is_its_field(&field.name))?;
        Some(Self::of(&device.family, field.value, field.bits))
    }

    pub const fn level(self) -> f64 {
        match self {
            Self::Level0 => 0.0,
            Self::Level0Point5 => 0.5,
            Self::Level1 => 1.0,
            Self::Level2 => 2.0,
        }
    }
}

impl fmt::Display for ReadProtection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.level())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_codes_its_levels_in_its_own_way() {
        for (family, value, bits, level) in [
            ("STM32F4", 0xAA, 8, "0"),
            ("STM32F4", 0x55, 8, "1"),
            ("STM32F4", 0xCC, 8, "2"),
            ("STM32U5", 0x55, 8, "0.5"),
            ("STM32F1", 0xA5, 8, "0"),
            ("STM32F1", 0xCC, 8, "1"),
            ("STM32F1", 1, 1, "1"),
            ("STM32F0", 0, 2, "0"),
            ("STM32F0", 1, 2, "1"),
            ("STM32F0", 3, 2, "2"),
        ] {
            assert_eq!(ReadProtection::of(family, value, bits).to_string(), level, "{family} 0x{value:X}");
        }
    }
}
