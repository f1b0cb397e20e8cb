//! What the values of option fields mean, as a data sheet lists them: the same words that a value that was read gets.

use super::device::Device;
use super::memory::OptionField;
use super::option_words;
use super::read_protection::is_its_field;

/// More values than a person reads off a page.
const MOST_VALUES: u32 = 16;
/// Values of RDP that mean something by themselves; every other one means what this last one does.
const RDP_VALUES: [u32; 5] = [0xA5, 0xAA, 0x55, 0xCC, 0x00];

/// Name and meanings of each field whose values are worth telling apart.
pub fn of(device: &Device, fields: &[OptionField]) -> Vec<(String, String)> {
    fields.iter().filter_map(|field| Some((field.name.clone(), meanings(device, field)?))).collect()
}

fn meanings(device: &Device, field: &OptionField) -> Option<String> {
    let said = |value| Some(option_words::of(device, &field.name, value, field.bits)?.text);
    if is_its_field(&field.name) && field.bits == 8 {
        return Some(read_protection(said));
    }
    let values = 1_u32.checked_shl(field.bits.into()).filter(|values| *values <= MOST_VALUES)?;
    // A level that is called by its own number needs no line.
    let told = (0..values).filter_map(|value| Some((value, said(value)?)));
    let told: Vec<_> = told.filter(|(value, text)| *text != format!("level {value}")).collect();
    let differ = told.windows(2).any(|pair| pair[0].1 != pair[1].1) || told.len() < values as usize;
    (!told.is_empty() && differ).then(|| listed(&told))
}

/// Neighbours that mean the same are told together.
fn listed(told: &[(u32, String)]) -> String {
    let runs = told.chunk_by(|one, next| one.1 == next.1 && one.0 + 1 == next.0);
    let line = |run: &[(u32, String)]| match run {
        [(value, text)] => format!("{value}: {text}"),
        [(first, text), .., (last, _)] => format!("{first} to {last}: {text}"),
        [] => String::new(),
    };
    runs.map(line).collect::<Vec<_>>().join("; ")
}

fn read_protection(said: impl Fn(u32) -> Option<String>) -> String {
    let rest = RDP_VALUES.last().and_then(|other| said(*other)).unwrap_or_default();
    let named = RDP_VALUES.iter().filter_map(|value| Some((value, said(*value)?))).filter(|(_, text)| *text != rest);
    let named: Vec<_> = named.map(|(value, text)| format!("0x{value:02X}: {text}")).collect();
    format!("{}; any other: {rest}", named.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::device;

    fn of_field(part: &str, name: &str) -> Option<String> {
        let devices = device::catalogue().unwrap();
        let device = devices.by_part(part).unwrap();
        let bytes = device.option_bytes.as_ref().unwrap();
        let fields: Vec<_> = bytes.dfu_fields.iter().chain(&bytes.swd_fields).cloned().collect();
        of(device, &fields).into_iter().find(|(found, _)| found == name).map(|(_, text)| text)
    }

    #[test]
    fn neighbours_that_mean_the_same_are_told_together() {
        assert!(of_field("STM32L072RB", "BOR_LEV").unwrap().starts_with("0 to 7: off"));
    }

    #[test]
    fn levels_of_protection_are_those_of_the_family() {
        let l476 = of_field("STM32L476RG", "RDP").unwrap();
        assert!(l476.starts_with("0xAA: level 0") && l476.contains("0xCC: level 2"), "{l476}");
        assert!(l476.contains("any other: level 1") && !l476.contains("0x55"), "{l476}");
        assert!(of_field("STM32U585", "RDP").unwrap().contains("0x55: level 0.5"));
    }

    #[test]
    fn small_fields_are_told_value_by_value_and_numbers_that_say_it_themselves_are_not() {
        assert_eq!(of_field("STM32WB55CG", "nSWBOOT0").unwrap().split("; ").count(), 3);
        assert!(of_field("STM32F407VG", "BOR_LEV").unwrap().starts_with("0: level 3; 1: level 2; 2: level 1; 3: off"));
        assert_eq!(of_field("STM32L476RG", "BOR_LEV"), None);
        assert_eq!(of_field("STM32L476RG", "WRP1A_STRT"), None);
    }
}
