//! Option bytes that were read, decoded with a device profile: fields, damaged complements, what changed between two reads.

use std::fmt;

use crate::observation::units::Address;

use super::boot_entry::BootEntry;
use super::device::Device;
use super::memory::{Encoding, OptionBytes, OptionField};
use super::option_words;

/// Which of the two ways the bytes were read: the addresses differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// The area of the DFU alternate setting.
    Dfu,
    /// The option registers.
    Swd,
}

/// One contiguous read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    pub address: Address,
    pub bytes: Vec<u8>,
}

impl Reading {
    /// The little-endian word at an address, if all of it was read.
    fn word(&self, at: Address) -> Option<u32> {
        let offset = at.0.checked_sub(self.address.0)? as usize;
        let bytes = self.bytes.get(offset..offset.checked_add(4)?)?;
        Some(u32::from_le_bytes(bytes.try_into().expect("the slice has four bytes")))
    }
}

/// What a read of the option bytes says.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    pub fields: Vec<DecodedField>,
    pub damaged: Vec<Damage>,
    /// Fields that the profile knows and the read did not reach.
    pub not_read: Vec<String>,
    /// Where the fields leave the processor at reset, if the profile can tell.
    pub entry: Option<BootEntry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedField {
    pub name: String,
    pub at: Address,
    pub bit: u8,
    pub bits: u8,
    pub value: u32,
    pub said: Option<Said>,
}

/// A value in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub text: String,
    /// It restricts or redirects DFU.
    pub matters: bool,
}

/// A value whose complement does not fit: it was damaged, or its programming was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    pub at: Address,
    pub value: u32,
    pub complement: u32,
    pub bits: u8,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = usize::from(self.bits / 4);
        write!(f, "{}: 0x{:0digits$X} with complement 0x{:0digits$X}", self.at, self.value, self.complement)
    }
}

/// A field that two reads show differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub name: String,
    pub before: Option<u32>,
    pub after: Option<u32>,
}

/// Decodes what was read; reads that hold none of the known fields leave everything under `not_read`.
pub fn decode(device: &Device, view: View, readings: &[Reading]) -> Decoded {
    let nothing = OptionBytes::default();
    let known = device.option_bytes.as_ref().unwrap_or(&nothing);
    let word = |at: Address| readings.iter().find_map(|reading| reading.word(at));
    let mut decoded = Decoded { fields: Vec::new(), damaged: Vec::new(), not_read: Vec::new(), entry: None };
    for field in known.fields(view) {
        match word(field.at) {
            Some(word) => decoded.fields.push(DecodedField::of(field, word)),
            None => decoded.not_read.push(field.name.clone()),
        }
    }
    for field in &mut decoded.fields {
        field.said = option_words::of(device, &field.name, field.value, field.bits);
    }
    // With SPRMOD the write-protection bits of F4 mark what cannot be read, the other way round.
    if decoded.value("SPRMOD") == Some(1) {
        for field in
            decoded.fields.iter_mut().filter(|field| field.name.starts_with("WRP") || field.name.starts_with("nWRP"))
        {
            field.said = option_words::read_protected_sectors(field.value, field.bits);
        }
    }
    decoded.entry = BootEntry::of(device, |name| decoded.value(name));
    if view == View::Dfu {
        decoded.damaged = damage(known, word);
    }
    decoded
}

/// One read of a DFU alternate setting, all areas in one piece, taken apart at the lengths that the part shows. What the
/// profile says serves where the board's own layout is not known.
pub fn readings_of_areas(device: &Device, shown: &[(Address, u32)], whole: &[u8]) -> Vec<Reading> {
    let known = device.option_bytes.iter().flat_map(|bytes| &bytes.dfu_areas);
    let of_profile: Vec<_> = known.map(|area| (area.address, area.bytes.unwrap_or(u32::MAX))).collect();
    let areas = if shown.is_empty() { &of_profile } else { shown };
    let mut rest = whole;
    let mut readings = Vec::new();
    for (address, length_bytes) in areas {
        let (bytes, after) = rest.split_at(rest.len().min(*length_bytes as usize));
        readings.push(Reading { address: *address, bytes: bytes.to_vec() });
        rest = after;
    }
    readings.retain(|reading| !reading.bytes.is_empty());
    readings
}

/// The view that reads belong to: the one whose fields they hold. Parts that show registers over both links give DFU.
pub fn view_of(device: &Device, readings: &[Reading]) -> Option<View> {
    let known = device.option_bytes.as_ref()?;
    let holds = |field: &OptionField| readings.iter().any(|reading| reading.word(field.at).is_some());
    [View::Dfu, View::Swd].into_iter().find(|view| known.fields(*view).iter().any(holds))
}

/// What differs between two reads, over one link or over both, fields that only one of them reached included.
pub fn differences(before: &Decoded, after: &Decoded) -> Vec<Difference> {
    let gone_or_changed = before.fields.iter().map(|field| Difference {
        name: field.name.clone(),
        before: Some(field.value),
        after: after.value(&field.name),
    });
    let new = after.fields.iter().filter(|field| before.value(&field.name).is_none()).map(|field| Difference {
        name: field.name.clone(),
        before: None,
        after: Some(field.value),
    });
    gone_or_changed.chain(new).filter(|difference| difference.before != difference.after).collect()
}

impl Decoded {
    pub fn value(&self, name: &str) -> Option<u32> {
        self.fields.iter().find(|field| field.name == name).map(|field| field.value)
    }
}

impl DecodedField {
    fn of(field: &OptionField, word: u32) -> Self {
        let mask = u32::MAX >> (u32::BITS - u32::from(field.bits).clamp(1, u32::BITS));
        let value = word >> field.bit & mask;
        Self { name: field.name.clone(), at: field.at, bit: field.bit, bits: field.bits, value, said: None }
    }
}

impl OptionBytes {
    /// Where a profile lists no registers of their own, both views show the same.
    pub fn fields(&self, view: View) -> &[OptionField] {
        match view {
            View::Swd if !self.swd_fields.is_empty() => &self.swd_fields,
            View::Dfu | View::Swd => &self.dfu_fields,
        }
    }
}

/// Checks the values that hold known fields; what is reserved is not judged.
fn damage(known: &OptionBytes, word: impl Fn(Address) -> Option<u32>) -> Vec<Damage> {
    let mut words: Vec<_> = known.dfu_fields.iter().map(|field| field.at).collect();
    words.sort_unstable();
    words.dedup();
    words
        .into_iter()
        .filter_map(|at| Some((at, word(at)?)))
        .flat_map(|(at, low)| {
            let pairs = match known.encoding {
                Encoding::NotKnown | Encoding::Registers => Vec::new(),
                Encoding::ByteComplement => {
                    vec![(0, low & 0xFF, low >> 8 & 0xFF, 8), (2, low >> 16 & 0xFF, low >> 24, 8)]
                }
                Encoding::HalfWordComplement => vec![(0, low & 0xFFFF, low >> 16, 16)],
                Encoding::WordComplement => {
                    word(Address(at.0 + 4)).map(|high| (0, low, high, 32)).into_iter().collect()
                }
            };
            pairs.into_iter().filter_map(move |(offset, value, complement, bits)| {
                let all_ones = u32::MAX >> (u32::BITS - u32::from(bits));
                let erased = value == all_ones && complement == all_ones;
                (!erased && value ^ complement != all_ones).then_some(Damage {
                    at: Address(at.0 + offset),
                    value,
                    complement,
                    bits,
                })
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::device::Devices;
    use crate::profile::shelf;

    fn device(part: &str) -> Device {
        Devices::from_sheets(&shelf::built_in("devices")).unwrap().by_part(part).unwrap().clone()
    }

    fn reading(address: u32, words: &[u32]) -> Reading {
        Reading { address: Address(address), bytes: words.iter().flat_map(|word| word.to_le_bytes()).collect() }
    }

    #[test]
    fn the_same_fields_come_from_both_links_of_an_f407() {
        let f407 = device("STM32F407VG");
        let over_dfu = decode(&f407, View::Dfu, &[reading(0x1FFF_C000, &[0x5500_AAFF, 0x5500_AAFF, 0xF000_0FFF, 0])]);
        let over_swd = decode(&f407, View::Swd, &[reading(0x4002_3C14, &[0x0FFF_AAED])]);
        assert_eq!(over_dfu.fields.len(), 4);
        assert_eq!(differences(&over_dfu, &over_swd), []);
        assert!(over_dfu.damaged.is_empty(), "{:?}", over_dfu.damaged);
    }

    #[test]
    fn addresses_tell_the_link() {
        let f407 = device("STM32F407VG");
        assert_eq!(view_of(&f407, &[reading(0x1FFF_C000, &[0])]), Some(View::Dfu));
        assert_eq!(view_of(&f407, &[reading(0x4002_3C14, &[0])]), Some(View::Swd));
        assert_eq!(view_of(&f407, &[reading(0x2000_0000, &[0])]), None);
    }

    #[test]
    fn a_name_means_one_field_in_each_view() {
        for (sheet, device) in Devices::from_sheets(&shelf::built_in("devices")).unwrap().all() {
            let Some(known) = &device.option_bytes else { continue };
            for view in [View::Dfu, View::Swd] {
                let mut names: Vec<_> = known.fields(view).iter().map(|field| &field.name).collect();
                let all = names.len();
                names.sort_unstable();
                names.dedup();
                assert_eq!(names.len(), all, "{sheet}");
            }
        }
    }

    #[test]
    fn a_complement_that_does_not_fit_is_told_with_its_place() {
        let f407 = device("STM32F407VG");
        let decoded = decode(&f407, View::Dfu, &[reading(0x1FFF_C000, &[0x5500_AAFB, 0, 0xF000_0FFF, 0])]);
        let told: Vec<_> = decoded.damaged.iter().map(Damage::to_string).collect();
        assert_eq!(told, ["0x1FFFC000: 0xAAFB with complement 0x5500"]);
    }

    #[test]
    fn every_byte_of_an_f072_has_its_complement() {
        let f072 = device("STM32F072CB");
        let good = decode(&f072, View::Dfu, &[reading(0x1FFF_F800, &[0x00FF_55AA, 0, 0x00FF_00FF, 0x00FF_00FF])]);
        assert!(good.damaged.is_empty(), "{:?}", good.damaged);
        let bad = decode(&f072, View::Dfu, &[reading(0x1FFF_F800, &[0x10FF_55AA, 0, 0x00FF_00FF, 0x00FF_00FF])]);
        assert_eq!(bad.damaged[0].to_string(), "0x1FFFF802: 0xFF with complement 0x10");
    }

    #[test]
    fn what_was_not_read_is_not_made_up() {
        let wb55 = device("STM32WB55CE");
        let decoded = decode(&wb55, View::Dfu, &[reading(0x1FFF_8000, &[0x3DFF_F1AA, 0xC200_0E55])]);
        assert_eq!(decoded.value("RDP"), Some(0xAA));
        assert!(decoded.not_read.iter().any(|name| name == "SFSA"));
        assert!(decode(&wb55, View::Dfu, &[]).fields.is_empty());
    }

    #[test]
    fn a_change_between_two_reads_is_found() {
        let f407 = device("STM32F407VG");
        let read = |word| decode(&f407, View::Swd, &[reading(0x4002_3C14, &[word])]);
        let changed = differences(&read(0x0FFF_AAED), &read(0x0FFF_55ED));
        assert_eq!(changed, [Difference { name: "RDP".into(), before: Some(0xAA), after: Some(0x55) }]);
        assert!(differences(&read(0x0FFF_AAED), &read(0x0FFF_AAED)).is_empty());
    }
}
