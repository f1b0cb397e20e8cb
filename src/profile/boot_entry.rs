//! Where the boot bits among the option bytes send the processor at reset. Codings are general reference-manual knowledge.

use std::fmt;

use super::device::Device;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootEntry {
    /// BOOT0 high at reset enters the ROM.
    RomByPin,
    /// Every reset enters the ROM: nBOOT0 is 0.
    RomAlways,
    /// BOOT0 high boots from SRAM: nBOOT1 is 0.
    SramByPin,
    /// Every reset boots from SRAM: nBOOT0 and nBOOT1 are 0.
    SramAlways,
    /// BOOT0 high boots what BOOT_ADD1 points to.
    ElsewhereByPin,
    /// The BOOT0 pin is ignored and flash boots.
    FlashAlways,
}

impl BootEntry {
    /// Nothing where the pattern of the part is not described here, or a bit that decides was not read; `value` gives the fields.
    pub fn of(device: &Device, value: impl Fn(&str) -> Option<u32>) -> Option<Self> {
        let by_address = |address: u32, rom: u32| if address == rom { Self::RomByPin } else { Self::ElsewhereByPin };
        match device.boot.as_ref()?.pattern {
            2 => Some(if value("nBOOT1")? == 1 { Self::RomByPin } else { Self::SramByPin }),
            6 | 7 | 14 | 15 | 16 => {
                let pin = value("nSWBOOT0").or_else(|| value("BOOT_SEL"))? == 1;
                Self::by_bits(pin, value("nBOOT0"), value("nBOOT1")?)
            }
            11 => Self::by_bits(value("nBOOT_SEL")? == 0, value("nBOOT0"), value("nBOOT1")?),
            8 | 9 => Some(by_address(value("BOOT_ADD1")?, 0x0040)),
            10 => Some(by_address(value("BOOT_ADD1").or_else(|| value("BOOT_CM7_ADD1"))?, 0x1FF0)),
            _ => None,
        }
    }

    fn by_bits(pin: bool, nboot0: Option<u32>, nboot1: u32) -> Option<Self> {
        match (pin, nboot0, nboot1) {
            (true, _, 1) => Some(Self::RomByPin),
            (true, ..) => Some(Self::SramByPin),
            (false, Some(0), 1) => Some(Self::RomAlways),
            (false, Some(0), _) => Some(Self::SramAlways),
            (false, Some(_), _) => Some(Self::FlashAlways),
            (false, None, _) => None,
        }
    }

    pub const fn reaches_rom(self) -> bool {
        matches!(self, Self::RomByPin | Self::RomAlways)
    }
}

/// Whether an option field takes part in where a reset leads.
pub fn is_boot_field(name: &str) -> bool {
    name.to_ascii_uppercase().contains("BOOT") || name.ends_with("BFB2")
}

impl fmt::Display for BootEntry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::RomByPin => "BOOT0 high at reset enters the ROM",
            Self::RomAlways => "every reset enters the ROM, whatever the BOOT0 pin: nBOOT0 is 0",
            Self::SramByPin => "BOOT0 high at reset boots from SRAM, NOT the ROM: nBOOT1 is 0",
            Self::SramAlways => "every reset boots from SRAM: nBOOT0 and nBOOT1 are 0",
            Self::ElsewhereByPin => "BOOT0 high at reset does NOT enter the ROM: BOOT_ADD1 points elsewhere",
            Self::FlashAlways => "the BOOT0 pin is ignored and flash boots: the ROM is not entered",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::device::Devices;
    use crate::profile::shelf;

    #[test]
    fn boot_bits_say_where_a_reset_leads() {
        let devices = Devices::from_sheets(&shelf::built_in("devices")).unwrap();
        let wb55 = devices.by_part("STM32WB55").unwrap();
        let entry_with = |sw: u32, n0: u32, n1: u32| {
            let value = move |name: &str| match name {
                "nSWBOOT0" => Some(sw),
                "nBOOT0" => Some(n0),
                "nBOOT1" => Some(n1),
                _ => None,
            };
            BootEntry::of(wb55, value).unwrap()
        };
        assert_eq!(entry_with(1, 1, 1), BootEntry::RomByPin);
        assert_eq!(entry_with(1, 1, 0), BootEntry::SramByPin);
        assert_eq!(entry_with(0, 0, 1), BootEntry::RomAlways);
        assert_eq!(entry_with(0, 0, 0), BootEntry::SramAlways);
        assert_eq!(entry_with(0, 1, 1), BootEntry::FlashAlways);
        let h743 = devices.by_part("STM32H743").unwrap();
        assert_eq!(BootEntry::of(h743, |_| Some(0x0800)), Some(BootEntry::ElsewhereByPin));
        assert_eq!(BootEntry::of(h743, |_| Some(0x1FF0)), Some(BootEntry::RomByPin));
        assert_eq!(BootEntry::of(h743, |_| None), None);
    }
}
