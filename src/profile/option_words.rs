//! Option fields in words: what each value means for DFU, family by family.
//!
//! Codings of BOR levels are general reference-manual knowledge unless the facts of a profile say them.

use crate::observation::units::Address;

use super::device::Device;
use super::option_bytes::Said;
use super::read_protection::ReadProtection;

const FLASH_BASE: u32 = 0x0800_0000;

fn plain(text: impl Into<String>) -> Option<Said> {
    Some(Said { text: text.into(), matters: false })
}

fn matters(text: impl Into<String>) -> Option<Said> {
    Some(Said { text: text.into(), matters: true })
}

/// One field in words, or nothing where its coding is not known here.
pub fn of(device: &Device, name: &str, value: u32, bits: u8) -> Option<Said> {
    let family = device.family.as_str();
    match name {
        "RDP" | "RDP_level" => read_protection(family, value, bits),
        "PRODUCT_STATE" if value == 0xED => plain("open"),
        "PRODUCT_STATE" => matters("not open: the ROM and debug answer little or nothing"),
        "BOR_LEV" => brown_out(family, value),
        "IWDG_SW" | "WDG_SW" | "IWDG1_SW" | "IWDG2_SW" | "IWDGSW" => match value {
            0 => matters("the independent watchdog runs from reset; the ROM feeds it, loaders in flash often do not"),
            _ => plain("the independent watchdog is started by software"),
        },
        "WWDG_SW" | "WWDGSW" => match value {
            0 => matters("the window watchdog runs from reset"),
            _ => plain("the window watchdog is started by software"),
        },
        "nSWBOOT0" | "nBOOT_SEL" => plain(boot0_source(name, value)),
        "TZEN" => match (bits, value) {
            (8, 0xB4) | (1, 1) => matters("TrustZone is on: what the ROM reaches depends on its version"),
            (8, 0xC3) | (1, 0) => plain("TrustZone is off"),
            _ => None,
        },
        "SECURITY" if value == 1 => matters("secure access mode: flash in the secure area cannot be read"),
        "SPRMOD" if value == 1 => matters("the write-protection bits mark areas that cannot be read (PCROP)"),
        "BFB2" if value == 1 => matters("boots from bank 2 if it holds a program; the ROM runs first"),
        "nBFB2" if value == 0 => matters("boots from bank 2 if it holds a program; the ROM runs first"),
        "SWAP_BANK" if value == 1 => matters("the banks are swapped: addresses of bank 1 and 2 change places"),
        "SECURITY" | "SPRMOD" | "BFB2" | "nBFB2" | "SWAP_BANK" => plain("off"),
        "BOOT_LOCK" if value == 1 => matters("the boot address is locked to flash: the ROM cannot be entered"),
        "BOOT_LOCK" => plain("off"),
        "TCM_AXI_SHARED" if value != 0 => matters("at RDP level 1 ROM V9.2 does not work unless this is 0"),
        "SFSA" | "SBRV" | "IPCCDBA" | "FSD" | "ESE" | "C2OPT" => coprocessor(name, value),
        _ if name.starts_with("BOOT_ADD") => boot_address(device, value),
        _ => write_protection(family, name, value, bits),
    }
}

fn read_protection(family: &str, value: u32, bits: u8) -> Option<Said> {
    match ReadProtection::of(family, value, bits) {
        ReadProtection::Level0 => plain("level 0: no read-out protection"),
        ReadProtection::Level0Point5 => matters("level 0.5: secure memory is protected"),
        ReadProtection::Level1 => {
            matters("level 1: reading, writing and erasing over DFU end in errVENDOR; lifting it erases the flash")
        }
        ReadProtection::Level2 => matters("level 2: debug and, on most parts, the ROM are closed for ever"),
    }
}

/// F2, F4 and F7 count downwards; the others upwards.
fn brown_out(family: &str, value: u32) -> Option<Said> {
    const OFF: &str = "off: only the power-on reset watches the supply, so a dip to 2 V can break USB and set no flag";
    match (family, value) {
        ("STM32F2" | "STM32F4" | "STM32F7", 3) | ("STM32H7", 0) => matters(OFF),
        ("STM32F2" | "STM32F4" | "STM32F7", value) if value < 3 => plain(format!("level {}", 3 - value)),
        ("STM32L0" | "STM32L1", value) if value < 8 => matters(OFF),
        ("STM32L0" | "STM32L1", value) => plain(format!("level {}", value - 7)),
        (_, value) => plain(format!("level {value}")),
    }
}

fn boot0_source(name: &str, value: u32) -> &'static str {
    // nSWBOOT0 set means the pin; nBOOT_SEL set means the bit.
    if (value == 1) == (name == "nSWBOOT0") {
        "the BOOT0 pin is looked at"
    } else {
        "the BOOT0 pin is ignored; nBOOT0 decides"
    }
}

/// Zero bits protect, but on L0 and L1 ones do; pairs of start and end are protected where start is not above end.
fn write_protection(family: &str, name: &str, value: u32, bits: u8) -> Option<Said> {
    let is_bit_map =
        name.starts_with("nWRP") || (name.starts_with("WRP") && !name.contains('_') && !name.starts_with("WRPSG"));
    if !is_bit_map {
        return None;
    }
    let all = u32::MAX >> (u32::BITS - u32::from(bits).clamp(1, u32::BITS));
    let protected = if matches!(family, "STM32L0" | "STM32L1") { value } else { !value & all };
    match protected.count_ones() {
        0 => plain("no write protection"),
        count => matters(format!(
            "{count} of {bits} groups are write-protected: the ROM reports no error and writes nothing"
        )),
    }
}

/// What nWRP means while SPRMOD is set: ones mark sectors that cannot be read (PCROP), none is protected against writing alone.
pub fn read_protected_sectors(value: u32, bits: u8) -> Option<Said> {
    match value.count_ones() {
        0 => plain("no sector is protected against reading (PCROP)"),
        count => matters(format!("{count} of {bits} groups cannot be read or written (PCROP, because SPRMOD is set)")),
    }
}

/// A boot address of F7 counts in 16 KB, one of H7 in 64 KB.
fn boot_address(device: &Device, value: u32) -> Option<Said> {
    let pattern = device.boot.as_ref()?.pattern;
    let address = match pattern {
        8 | 9 => value.checked_shl(14)?,
        10 => value.checked_shl(16)?,
        _ => return None,
    };
    let rom = match pattern {
        8 | 9 => value == 0x0040,
        _ => value == 0x1FF0,
    };
    if rom { plain("boots the ROM") } else { plain(format!("boots from {}", Address(address))) }
}

fn coprocessor(name: &str, value: u32) -> Option<Said> {
    match (name, value) {
        ("SFSA", value) => {
            let start = Address(FLASH_BASE + (value & 0xFF) * 4096);
            plain(format!("the coprocessor's secure flash begins at {start}; application and images must end below"))
        }
        ("SBRV", 0x3_FFFF) | ("SBRV", 0x3_1C00..=0x3_1FFF) => matters(
            "field reports show this with safeboot; with FUS version 0.0.0 it means that the upgrade service does not run",
        ),
        ("SBRV", value) => plain(format!("the coprocessor boots at offset 0x{:05X}", value.wrapping_mul(4))),
        ("IPCCDBA", value) => plain(format!("mailbox table at {}", Address(0x2003_0000 + (value & 0x3FFF) * 4))),
        ("FSD", 1) => matters("flash security is off: no coprocessor firmware can be kept"),
        ("ESE", 0) => matters("security is off: the upgrade service cannot run"),
        ("FSD" | "ESE", _) => plain("security is on"),
        ("C2OPT", 0) => plain("the coprocessor boots from SRAM"),
        ("C2OPT", _) => plain("the coprocessor boots from flash"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::device::Devices;
    use crate::profile::shelf;

    fn said(part: &str, name: &str, value: u32, bits: u8) -> Option<Said> {
        let devices = Devices::from_sheets(&shelf::built_in("devices")).unwrap();
        of(devices.by_part(part).unwrap(), name, value, bits)
    }

    #[test]
    fn levels_of_read_protection() {
        for (part, value, level, gravity) in [
            ("STM32F407", 0xAA, "level 0", false),
            ("STM32F407", 0xCC, "level 2", true),
            ("STM32F407", 0x55, "level 1", true),
            ("STM32U585", 0x55, "level 0.5", true),
            ("STM32F107", 0xA5, "level 0", false),
            ("STM32F107", 0xAA, "level 1", true),
        ] {
            let said = said(part, "RDP", value, 8).unwrap();
            assert!(said.text.starts_with(level) && said.matters == gravity, "{part} {value:#x}: {said:?}");
        }
    }

    #[test]
    fn brown_out_is_coded_by_family() {
        for (part, value, shown) in [
            ("STM32F407", 3, "off"),
            ("STM32F407", 0, "level 3"),
            ("STM32H743", 0, "off"),
            ("STM32L433", 4, "level 4"),
            ("STM32L072", 8, "level 1"),
        ] {
            assert!(said(part, "BOR_LEV", value, 4).unwrap().text.starts_with(shown), "{part} {value}");
        }
    }

    #[test]
    fn write_protection_counts_the_right_bits() {
        assert!(said("STM32F407", "WRP0", 0xFFE, 12).unwrap().text.starts_with("1 of 12"));
        assert!(!said("STM32F407", "WRP0", 0xFFF, 12).unwrap().matters);
        assert!(said("STM32L072", "WRPOT0", 1, 16).unwrap().text.starts_with("1 of 16"));
        assert_eq!(said("STM32L433", "WRP1A_STRT", 0, 8), None);
    }

    #[test]
    fn secure_flash_of_a_wb_is_an_address() {
        let said = said("STM32WB55", "SFSA", 0xCE, 8).unwrap();
        assert!(said.text.contains("0x080CE000"), "{}", said.text);
    }
}
