//! What must not be done to option bytes: what cannot be taken back, and what is not known to be safe.

use crate::observation::units::Address;

use super::boot_entry::{BootEntry, is_boot_field};
use super::device::Device;
use super::memory::{Encoding, OptionBytes, OptionField};
use super::option_bytes::{Damage, Decoded, DecodedField, View};
use super::read_protection::{self, ReadProtection};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeRefusal {
    #[error("{part} has no option field `{field}` that is known{}", near.as_deref().map(|near| format!("; did you mean {near}?")).unwrap_or_default())]
    Unknown { part: String, field: String, near: Option<String> },
    #[error("{field} has {bits} bits; 0x{value:X} does not fit")]
    TooBig { field: String, bits: u8, value: u32 },
    #[error("{field} is given twice")]
    Twice { field: String },
    #[error("{field} cannot be changed here: {why}")]
    Irreversible { field: String, why: &'static str },
    #[error("the board is at read-out protection level {level}; {why}")]
    Protected { level: ReadProtection, why: &'static str },
    #[error("{field} was not read from this board, so its neighbours in the word are not known")]
    NotRead { field: String },
    #[error("how the option bytes of {part} hold their complements is not known{}; writing on that ground could damage them", how.as_deref().map(|how| format!(" for certain ({how}), and this board's own bytes do not show it")).unwrap_or_default())]
    Encoding { part: String, how: Option<String> },
    #[error("the word at {} is damaged ({damage}); say a field of it too, so that its value is meant", damage.at)]
    Damaged { damage: Damage },
    #[error("afterwards the ROM could not be entered to take it back: {entry}")]
    NoWayBack { entry: BootEntry },
    #[error(
        "how the boot bits of {part} lead to the ROM is not known here, or one of them was not read, so whether there is a way back after changing {field} is not known either; nothing was changed"
    )]
    WayBackUnknown { part: String, field: String },
    #[error(
        "the read-out protection of this board was not read, so whether anything may be changed is not known; nothing was changed"
    )]
    ProtectionUnknown,
    #[error(
        "how the option registers of {part} are unlocked over SWD is not in its profile, and a guess could lock the part; set them over DFU, or with the manufacturer's tool; nothing was changed"
    )]
    Locked { part: String },
    #[error("what was saved cannot be read from the case: {why}; nothing was changed")]
    Unreadable { why: String },
    #[error(
        "the case keeps no option bytes of {}; over the other link they lie elsewhere, so restore them over the link that they were changed over; nothing was changed",
        listed(at)
    )]
    NoneKept { at: Vec<Address> },
    #[error("every field has that value already; nothing was written")]
    Nothing,
}

fn listed(at: &[Address]) -> String {
    at.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Over SWD the way through the controller has to be known.
pub(super) fn refuse_locked(device: &Device, view: View) -> Result<(), ChangeRefusal> {
    let is_described = device.option_bytes.as_ref().is_some_and(|known| !known.swd_fields.is_empty());
    match view {
        View::Swd if device.flash_control.is_none() || !is_described => {
            Err(ChangeRefusal::Locked { part: device.name.clone() })
        }
        View::Swd | View::Dfu => Ok(()),
    }
}

/// Only fields that are known to be taken back by writing them again may be changed; what is not known is refused. The list is
/// general knowledge of the reference manuals.
pub(super) fn irreversible(field: &str) -> Option<&'static str> {
    const REVERSIBLE: [&str; 26] = [
        "BOR_LEV",
        "BOR_EN",
        "BORF_LEV",
        "BORR_LEV",
        "BORH_EN",
        "WDG_SW",
        "IWDG_SW",
        "IWDGSW",
        "IWDG1_SW",
        "IWDG2_SW",
        "IWDG_HW",
        "WWDG_SW",
        "WWDGSW",
        "nBOOT0",
        "nBOOT1",
        "nSWBOOT0",
        "nBOOT_SEL",
        "NBOOT_SEL",
        "BOOT_SEL",
        "BOOT_ADD0",
        "BOOT_ADD1",
        "BFB2",
        "nBFB2",
        "NRST_MODE",
        "BOOT_CM7_ADD0",
        "BOOT_CM7_ADD1",
    ];
    const WRITE_PROTECTION: [&str; 2] = ["WRP", "nWRP"];
    let is_write_protection = WRITE_PROTECTION.iter().any(|start| field.starts_with(start)) && field != "WRPMOD";
    match field {
        name if read_protection::is_its_field(name) => {
            Some("level 2 is for ever, and leaving level 1 erases the flash")
        }
        "PRODUCT_STATE" | "TZEN" => Some("going back erases the flash, where it is possible at all"),
        "SFSA" | "FSD" | "DDS" | "SBRV" | "SBRSA" | "BRSD" | "SNBRSA" | "NBRSD" | "C2OPT" | "ESE" | "IPCCDBA" => {
            Some("it belongs to the coprocessor, and a wrong value can make it unreachable for ever")
        }
        name if REVERSIBLE.contains(&name) || is_write_protection => None,
        _ => Some("it is not among the fields that are known to be reversible"),
    }
}

/// PRODUCT_STATE of a part that is not closed in any way.
const OPEN: u32 = 0xED;

pub(super) fn refuse_protected(device: &Device, before: &Decoded) -> Result<(), ChangeRefusal> {
    let level_2 = "nothing of it can be changed any more";
    let level_1 = "lifting it erases the flash, which is not done here";
    let refused = match (ReadProtection::read(device, before), before.value("PRODUCT_STATE")) {
        (Some(ReadProtection::Level0), _) => None,
        (Some(level @ (ReadProtection::Level0Point5 | ReadProtection::Level1)), _) => Some((level, level_1)),
        (Some(level @ ReadProtection::Level2), _) => Some((level, level_2)),
        (None, Some(OPEN)) => None,
        (None, _) => return Err(ChangeRefusal::ProtectionUnknown),
    };
    // A write-protection bit that hides a sector from reading (PCROP) does not come back by writing it.
    match refused {
        Some((level, why)) => Err(ChangeRefusal::Protected { level, why }),
        None if before.value("SPRMOD") == Some(1) || before.value("WPRMOD") == Some(1) => {
            Err(ChangeRefusal::Irreversible {
                field: "write protection".to_owned(),
                why: "on this board it protects against reading (PCROP), and that is not taken back without erasing",
            })
        }
        None => Ok(()),
    }
}

pub(super) fn encoding(device: &Device, known: Option<&OptionBytes>) -> ChangeRefusal {
    let how = known.map(|known| known.encoding_confidence.to_string());
    ChangeRefusal::Encoding { part: device.name.clone(), how }
}

/// Where the documents do not say how complements lie, the board's own bytes must.
pub(super) fn refuse_damaged(
    device: &Device,
    known: &OptionBytes,
    before: &Decoded,
    fields: &[&OptionField],
) -> Result<(), ChangeRefusal> {
    if known.encoding == Encoding::NotKnown {
        return Err(encoding(device, None));
    }
    let is_meant = |damage: &Damage| fields.iter().any(|field| damage.at.0 & !3 == field.at.0 & !3);
    match before.damaged.iter().find(|damage| !is_meant(damage)) {
        Some(damage) if known.encoding_confidence.is_documented() => Err(ChangeRefusal::Damaged { damage: *damage }),
        Some(_) => Err(encoding(device, Some(known))),
        None if !before.damaged.is_empty() && !known.encoding_confidence.is_documented() => {
            Err(encoding(device, Some(known)))
        }
        None => Ok(()),
    }
}

/// A change of the boot bits must be known to leave the ROM within reach; other changes must not take it out of reach.
pub(super) fn refuse_no_way_back(device: &Device, before: &Decoded, after: &Decoded) -> Result<(), ChangeRefusal> {
    let differs = |field: &&DecodedField| is_boot_field(&field.name) && before.value(&field.name) != Some(field.value);
    let changed = after.fields.iter().find(differs);
    match (changed, after.entry) {
        (_, Some(entry)) if !entry.reaches_rom() && before.entry != Some(entry) => {
            Err(ChangeRefusal::NoWayBack { entry })
        }
        (Some(field), None) => {
            Err(ChangeRefusal::WayBackUnknown { part: device.name.clone(), field: field.name.clone() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::units::Address;
    use crate::profile::device::Devices;
    use crate::profile::shelf;

    fn devices() -> Devices {
        Devices::from_sheets(&shelf::built_in("devices")).unwrap()
    }

    /// A board whose boot fields have these values.
    fn board(device: &Device, boot_fields: &[(&str, u32)]) -> Decoded {
        let field = |&(name, value): &(&str, u32)| DecodedField {
            name: name.to_owned(),
            at: Address(0),
            bit: 0,
            bits: 1,
            value,
            said: None,
        };
        let value = |name: &str| boot_fields.iter().find(|field| field.0 == name).map(|field| field.1);
        Decoded {
            fields: boot_fields.iter().map(field).collect(),
            damaged: Vec::new(),
            not_read: Vec::new(),
            entry: BootEntry::of(device, value),
        }
    }

    #[test]
    fn every_field_of_every_part_is_reversible_by_name_or_refused() {
        let all = Devices::from_sheets(&shelf::built_in("devices")).unwrap();
        let names = all.all().flat_map(|(_, device)| device.option_bytes.iter().flat_map(|known| &known.dfu_fields));
        for name in names.map(|field| field.name.as_str()) {
            let dangerous = ["RDP", "PCROP", "SEC", "HDP", "LOCK", "TZ", "PRODUCT", "PROT", "SFSA", "SBRV", "SPRMOD"];
            if dangerous.iter().any(|word| name.contains(word)) {
                assert!(irreversible(name).is_some(), "{name}");
            }
        }
    }

    /// From whatever the boot bits are, a change of one of them is refused or leaves the ROM as much within reach as it was.
    #[test]
    fn no_change_of_a_boot_bit_of_any_part_takes_the_rom_out_of_reach_unseen() {
        let devices = devices();
        let mut tried = 0;
        for (_, device) in devices.all() {
            let fields = device.option_bytes.iter().flat_map(|known| &known.dfu_fields);
            let names: Vec<&str> = fields.map(|field| field.name.as_str()).filter(|name| is_boot_field(name)).collect();
            for (bits, changed) in
                (0..1_usize << names.len()).flat_map(|bits| (0..names.len()).map(move |it| (bits, it)))
            {
                let with = |bits: usize| -> Vec<(&str, u32)> {
                    names.iter().enumerate().map(|(place, name)| (*name, (bits >> place & 1) as u32)).collect()
                };
                let before = board(device, &with(bits));
                let after = board(device, &with(bits ^ 1 << changed));
                if refuse_no_way_back(device, &before, &after).is_ok() {
                    let is_safe = after.entry.is_some_and(|entry| entry.reaches_rom() || before.entry == Some(entry));
                    assert!(is_safe, "{} {} {bits:b}", device.name, names[changed]);
                }
                tried += 1;
            }
        }
        assert!(tried > 500, "{tried}");
    }

    #[test]
    fn a_part_whose_way_to_the_rom_is_not_described_keeps_its_boot_bits() {
        let devices = devices();
        let l476 = devices.by_part("STM32L476RG").unwrap();
        let with = |value| board(l476, &[("nBOOT1", value)]);
        let refusal = refuse_no_way_back(l476, &with(1), &with(0)).unwrap_err();
        assert!(matches!(refusal, ChangeRefusal::WayBackUnknown { .. }), "{refusal}");
        assert_eq!(refuse_no_way_back(l476, &with(1), &with(1)), Ok(()));
    }
}
