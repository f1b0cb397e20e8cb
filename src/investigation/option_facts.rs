//! What option bytes that were read say, as facts that rules can ask for: protection, damage, what restricts or redirects.

use super::register_facts::told;
use crate::link::swd_registers;
use crate::observation::fact::{Fact, FactValue, Origin};
use crate::observation::field_text::FieldText;
use crate::observation::units::Address;
use crate::profile::device::Device;
use crate::profile::fus_preconditions;
use crate::profile::option_bytes::{self, Decoded, DecodedField, Reading, View};
use crate::profile::read_protection::{self, ReadProtection};

/// What one step has read of them: registers over SWD, or all areas in one piece over DFU.
pub fn readings(facts: &[Fact], device: &Device, areas: &[(Address, u32)]) -> Option<Vec<Reading>> {
    let registers = swd_registers::option_registers(facts);
    if !registers.is_empty() {
        return Some(registers);
    }
    let whole = facts.iter().find(|fact| fact.key == "option-bytes")?;
    let FactValue::Bytes(whole) = &whole.value else { return None };
    Some(option_bytes::readings_of_areas(device, areas, whole))
}

/// Everything that a read in a campaign says.
pub fn of_readings(device: &Device, readings: &[Reading]) -> Vec<Fact> {
    let Some(view) = option_bytes::view_of(device, readings).filter(|_| is_believable(readings)) else {
        return Vec::new();
    };
    let decoded = option_bytes::decode(device, view, readings);
    let here = |_| Origin::Link;
    let mut facts = of_fields(device, &decoded, here);
    if view == View::Dfu {
        facts.extend(of_complements(device, &decoded, here));
    }
    facts.extend(for_the_service(device, &decoded));
    facts
}

/// A register block that is off or held in reset reads as nothing but zeros or ones.
fn is_believable(readings: &[Reading]) -> bool {
    let mut bytes = readings.iter().flat_map(|reading| &reading.bytes);
    let Some(first) = bytes.next() else { return false };
    !matches!(first, 0x00 | 0xFF) || bytes.any(|byte| byte != first)
}

/// The fields, one by one. What stands in a word that is damaged is not taken for what the part does.
pub fn of_fields(device: &Device, decoded: &Decoded, origin_of: impl Fn(Address) -> Origin) -> Vec<Fact> {
    let sound = |field: &&DecodedField| !decoded.damaged.iter().any(|damage| damage.at.0 & !3 == field.at.0 & !3);
    let mut facts = Vec::new();
    for field in decoded.fields.iter().filter(sound) {
        let origin = origin_of(field.at);
        if read_protection::is_its_field(&field.name) {
            facts.push(protection_level(device, field, origin));
            continue;
        }
        let Some(said) = field.said.as_ref().filter(|said| said.matters) else { continue };
        let words = format!("{} = 0x{:X}: {}", field.name, field.value, said.text);
        facts.push(told("option-that-matters", FactValue::Text(FieldText::new(&words)), origin, words.clone()));
        if let Some(key) = key_of_option(&field.name) {
            facts.push(told(key, FactValue::Flag(true), origin, words));
        }
    }
    facts
}

/// Whether values and complements fit, where the part stores both and the read reached them.
pub fn of_complements(device: &Device, area: &Decoded, origin_of: impl Fn(Address) -> Origin) -> Option<Fact> {
    if let Some(damage) = area.damaged.first() {
        let key = "option-complements-differ";
        return Some(told(key, FactValue::Flag(true), origin_of(damage.at), damage.to_string()));
    }
    let first = area.fields.first()?;
    device.option_bytes.as_ref()?.encoding.has_complements().then(|| {
        let words = "every value that was read fits its complement".to_owned();
        told("option-complements-agree", FactValue::Flag(true), origin_of(first.at), words)
    })
}

/// What the upgrade service of a part with a coprocessor needs of the option bytes.
fn for_the_service(device: &Device, decoded: &Decoded) -> Vec<Fact> {
    let judged = fus_preconditions::judge(device, decoded);
    let mut facts = Vec::new();
    for broken in judged.iter().filter(|judged| judged.is_broken) {
        let words = broken.text.clone();
        facts.push(told("fus-precondition-broken", FactValue::Flag(true), Origin::Link, words));
    }
    if facts.is_empty() && !judged.is_empty() {
        let words = judged.iter().map(|judged| judged.text.as_str()).collect::<Vec<_>>().join("; ");
        facts.push(told("fus-preconditions-hold", FactValue::Flag(true), Origin::Link, words));
    }
    facts
}

/// What a field that restricts or redirects speaks for.
fn key_of_option(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_uppercase();
    let begins = |starts: &[&str]| starts.iter().any(|start| name.starts_with(start));
    match () {
        () if begins(&["SPRMOD", "PCROP", "SEC_", "SECURITY", "PROT_AREA"]) => Some("secure-area-named"),
        () if begins(&["TZEN"]) => Some("trustzone-on"),
        () if begins(&["NWRP", "WRP", "NWPR"]) => Some("write-protected"),
        () if begins(&["IWDG", "WWDG", "WDG_SW"]) => Some("hardware-watchdog"),
        () if begins(&["NBOOT", "NSWBOOT", "NBOOT_SEL", "BOOT_ADD", "BOOT_LOCK", "BFB2", "DUALBANK", "SWAP_BANK"]) => {
            Some("boot-options-redirect")
        }
        () => None,
    }
}

fn protection_level(device: &Device, field: &DecodedField, origin: Origin) -> Fact {
    let level = ReadProtection::of(&device.family, field.value, field.bits).level();
    let words = format!("RDP = 0x{:02X}: level {level}", field.value);
    told("read-out-protection-level", FactValue::Number(level), origin, words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::device;

    fn facts(part: &str, address: u32, words: &[u32]) -> Vec<Fact> {
        let devices = device::catalogue().unwrap();
        let bytes = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        of_readings(devices.by_part(part).unwrap(), &[Reading { address: Address(address), bytes }])
    }

    fn has(facts: &[Fact], key: &str) -> bool {
        facts.iter().any(|fact| fact.key == key)
    }

    #[test]
    fn whole_option_bytes_tell_the_level_and_that_their_complements_fit() {
        let facts = facts("STM32L476RG", 0x1FFF_7800, &[0xFFEF_F8AA, 0x0010_0755]);
        let level = facts.iter().find(|fact| fact.key == "read-out-protection-level").unwrap();
        assert_eq!(level.value, FactValue::Number(0.0));
        assert!(has(&facts, "option-complements-agree") && !has(&facts, "option-complements-differ"));
    }

    #[test]
    fn a_damaged_word_is_told_and_its_fields_are_not_believed() {
        let facts = facts("STM32L476RG", 0x1FFF_7800, &[0xFFDF_F833, 0x0010_0755]);
        assert!(has(&facts, "option-complements-differ"), "{facts:?}");
        assert!(!has(&facts, "read-out-protection-level") && !has(&facts, "option-complements-agree"), "{facts:?}");
    }

    #[test]
    fn registers_say_nothing_of_complements_and_a_silent_block_nothing_at_all() {
        let shown = facts("STM32L476RG", 0x4002_2020, &[0xFFEF_F800]);
        assert!(has(&shown, "read-out-protection-level") && !has(&shown, "option-complements-agree"), "{shown:?}");
        assert_eq!(facts("STM32L476RG", 0x4002_2020, &[0]), []);
        assert_eq!(facts("STM32L476RG", 0x4002_2020, &[u32::MAX]), []);
    }

    #[test]
    fn every_name_of_a_hardware_watchdog_is_one() {
        assert!(has(&facts("STM32WB55CE", 0x1FFF_8000, &[0x3DFE_F1AA, 0xC201_0E55]), "hardware-watchdog"));
        assert!(has(&facts("STM32F407VG", 0x4002_3C14, &[0x0FFF_AACD]), "hardware-watchdog"));
    }
}
