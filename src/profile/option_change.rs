//! The bytes that a change of option bytes makes. What must not be changed is refused by `option_guard.rs`.

use crate::observation::units::Address;

use super::device::Device;
use super::loader;
use super::memory::{Encoding, OptionBytes, OptionField};
use super::option_bytes::{self, Reading, View};
use super::option_guard::{
    ChangeRefusal, encoding, irreversible, refuse_damaged, refuse_locked, refuse_no_way_back, refuse_protected,
};

/// `FIELD=VALUE` as the user wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    pub field: String,
    pub value: u32,
}

/// One area of option bytes before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AreaChange {
    pub address: Address,
    pub before: Vec<u8>,
    pub after: Vec<u8>,
}

/// The areas that change, as whole areas, because the ROM takes nothing less.
pub fn plan(
    device: &Device,
    view: View,
    readings: &[Reading],
    wishes: &[Wish],
) -> Result<Vec<AreaChange>, ChangeRefusal> {
    let known = device.option_bytes.as_ref().ok_or_else(|| encoding(device, None))?;
    refuse_locked(device, view)?;
    let before = option_bytes::decode(device, view, readings);
    refuse_protected(device, &before)?;
    let fields = wishes.iter().map(|wish| field(device, known, view, wish)).collect::<Result<Vec<_>, _>>()?;
    if let Some(wish) = wishes.iter().enumerate().find(|(n, wish)| wishes[..*n].iter().any(|it| it.field == wish.field))
    {
        return Err(ChangeRefusal::Twice { field: wish.1.field.clone() });
    }
    // Registers have no complements; the controller makes them.
    let encoding = if view == View::Swd { Encoding::Registers } else { known.encoding };
    if view == View::Dfu {
        refuse_damaged(device, known, &before, &fields)?;
    }
    let mut after = readings.to_vec();
    for (field, wish) in fields.iter().zip(wishes) {
        let not_read = || ChangeRefusal::NotRead { field: field.name.clone() };
        let reading = after.iter_mut().find(|reading| holds(reading, field.at)).ok_or_else(not_read)?;
        put(reading, field, wish.value, encoding).ok_or_else(not_read)?;
    }
    refuse_no_way_back(device, &before, &option_bytes::decode(device, view, &after))?;
    differing(readings, after)
}

/// The areas that go back to what a case has saved. Damage is what it may be there to mend; otherwise the same is refused.
pub fn plan_back(
    device: &Device,
    view: View,
    now: &[Reading],
    saved: &[Reading],
) -> Result<Vec<AreaChange>, ChangeRefusal> {
    refuse_locked(device, view)?;
    let (before, after) = (option_bytes::decode(device, view, now), option_bytes::decode(device, view, saved));
    for difference in option_bytes::differences(&before, &after) {
        if let Some(why) = irreversible(&difference.name) {
            return Err(ChangeRefusal::Irreversible { field: difference.name, why });
        }
    }
    refuse_protected(device, &before)?;
    refuse_no_way_back(device, &before, &after)?;
    let wanted = |reading: &Reading| {
        saved.iter().find(|other| other.address == reading.address && other.bytes.len() == reading.bytes.len())
    };
    let after = now.iter().map(|reading| wanted(reading).unwrap_or(reading).clone()).collect();
    differing(now, after)
}

fn differing(before: &[Reading], after: Vec<Reading>) -> Result<Vec<AreaChange>, ChangeRefusal> {
    let pairs = before.iter().zip(after).filter(|(before, after)| before.bytes != after.bytes);
    let changes: Vec<_> = pairs
        .map(|(before, after)| AreaChange { address: before.address, before: before.bytes.clone(), after: after.bytes })
        .collect();
    if changes.is_empty() { Err(ChangeRefusal::Nothing) } else { Ok(changes) }
}

fn field<'a>(
    device: &Device,
    known: &'a OptionBytes,
    view: View,
    wish: &Wish,
) -> Result<&'a OptionField, ChangeRefusal> {
    let fields = known.fields(view);
    let Some(field) = fields.iter().find(|field| field.name.eq_ignore_ascii_case(&wish.field)) else {
        let near = loader::nearest(&wish.field, fields.iter().map(|field| field.name.as_str())).map(str::to_owned);
        return Err(ChangeRefusal::Unknown { part: device.name.clone(), field: wish.field.clone(), near });
    };
    if let Some(why) = irreversible(&field.name) {
        return Err(ChangeRefusal::Irreversible { field: field.name.clone(), why });
    }
    if u64::from(wish.value) >= 1_u64 << field.bits.min(32) {
        return Err(ChangeRefusal::TooBig { field: field.name.clone(), bits: field.bits, value: wish.value });
    }
    Ok(field)
}

fn holds(reading: &Reading, at: Address) -> bool {
    at.0 >= reading.address.0 && ((at.0 - reading.address.0) as usize) < reading.bytes.len()
}

/// Puts a value into its word, and its complement where the encoding has one.
fn put(reading: &mut Reading, field: &OptionField, value: u32, encoding: Encoding) -> Option<()> {
    let offset = (field.at.0 - reading.address.0) as usize;
    let word = word_at(&reading.bytes, offset)?;
    let mask = (u32::MAX >> (u32::BITS - u32::from(field.bits).clamp(1, u32::BITS))) << field.bit;
    let changed = word & !mask | value << field.bit & mask;
    match encoding {
        Encoding::NotKnown => return None,
        Encoding::Registers => set_word(&mut reading.bytes, offset, changed)?,
        Encoding::WordComplement => {
            set_word(&mut reading.bytes, offset, changed)?;
            set_word(&mut reading.bytes, offset + 4, !changed)?;
        }
        Encoding::HalfWordComplement => {
            let value = changed & 0xFFFF;
            set_word(&mut reading.bytes, offset, value | (!value & 0xFFFF) << 16)?;
        }
        Encoding::ByteComplement => {
            let (low, high) = (changed & 0xFF, changed >> 16 & 0xFF);
            let word = low | (!low & 0xFF) << 8 | high << 16 | (!high & 0xFF) << 24;
            set_word(&mut reading.bytes, offset, word)?;
        }
    }
    Some(())
}

fn word_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let bytes = bytes.get(offset..offset.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().expect("the slice has four bytes")))
}

fn set_word(bytes: &mut [u8], offset: usize, word: u32) -> Option<()> {
    bytes.get_mut(offset..offset.checked_add(4)?)?.copy_from_slice(&word.to_le_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::device::Devices;
    use crate::profile::read_protection::ReadProtection;
    use crate::profile::shelf;

    fn device(part: &str) -> Device {
        Devices::from_sheets(&shelf::built_in("devices")).unwrap().by_part(part).unwrap().clone()
    }

    fn reading(address: u32, words: &[u32]) -> Reading {
        Reading { address: Address(address), bytes: words.iter().flat_map(|word| word.to_le_bytes()).collect() }
    }

    const F4: [u32; 4] = [0x5500_AAFF, 0x5500_AAFF, 0xF000_0FFF, 0xF000_0FFF];
    const WB: [u32; 4] = [0x3DFF_F1AA, 0xC200_0E55, 0xFFFF_FFFF, 0];

    fn wish(field: &str, value: u32) -> Vec<Wish> {
        vec![Wish { field: field.to_owned(), value }]
    }

    fn f4(words: &[u32], wishes: &[Wish]) -> Result<Vec<AreaChange>, ChangeRefusal> {
        plan(&device("STM32F407VG"), View::Dfu, &[reading(0x1FFF_C000, words)], wishes)
    }

    #[test]
    fn a_field_and_its_complement_change_and_nothing_else() {
        let changes = f4(&F4, &wish("BOR_LEV", 0)).unwrap();
        let expected = reading(0x1FFF_C000, &[0x550C_AAF3, 0x5500_AAFF, 0xF000_0FFF, 0xF000_0FFF]);
        assert_eq!(
            changes,
            [AreaChange { address: Address(0x1FFF_C000), before: reading(0, &F4).bytes, after: expected.bytes }]
        );
        let changes =
            plan(&device("STM32WB55CE"), View::Dfu, &[reading(0x1FFF_8000, &WB)], &wish("bor_lev", 4)).unwrap();
        assert_eq!(changes[0].after, reading(0, &[0x3DFF_F9AA, 0xC200_0655, 0xFFFF_FFFF, 0]).bytes);
    }

    #[test]
    fn what_cannot_be_taken_back_is_refused_whatever_the_value() {
        assert!(matches!(f4(&F4, &wish("RDP", 0xAA)), Err(ChangeRefusal::Irreversible { .. })));
        let wb = |field| plan(&device("STM32WB55CE"), View::Dfu, &[reading(0x1FFF_8000, &WB)], &wish(field, 0));
        for field in ["RDP", "ESE", "SFSA", "SBRV", "C2OPT", "IPCCDBA", "FSD"] {
            assert!(matches!(wb(field), Err(ChangeRefusal::Irreversible { .. })), "{field}");
        }
    }

    #[test]
    fn a_protected_board_is_left_alone() {
        for (rdp, level) in
            [(0xCC, ReadProtection::Level2), (0x55, ReadProtection::Level1), (0xBB, ReadProtection::Level1)]
        {
            let word = 0xFF | rdp << 8 | 0xFF00_0000_u32.wrapping_sub(rdp << 24) & 0xFF00_0000;
            let refusal = f4(&[word, word, F4[2], F4[3]], &wish("BOR_LEV", 0)).unwrap_err();
            assert!(matches!(refusal, ChangeRefusal::Protected { level: said, .. } if said == level), "{refusal}");
        }
    }

    #[test]
    fn a_change_that_closes_the_rom_is_refused() {
        let wb = device("STM32WB55CE");
        let refusal = plan(&wb, View::Dfu, &[reading(0x1FFF_8000, &WB)], &wish("nBOOT1", 0)).unwrap_err();
        assert!(matches!(refusal, ChangeRefusal::NoWayBack { .. }), "{refusal}");
        assert!(refusal.to_string().contains("NOT the ROM"), "{refusal}");
    }

    #[test]
    fn a_board_whose_protection_was_not_read_is_left_alone() {
        let wb = device("STM32WB55CE");
        let refusal =
            plan(&wb, View::Swd, &[reading(0x5800_402C, &[0xFF00_00FF])], &wish("WRP1A_STRT", 3)).unwrap_err();
        assert_eq!(refusal, ChangeRefusal::ProtectionUnknown);
    }

    #[test]
    fn a_damaged_word_is_mended_only_where_it_is_meant() {
        let wb = device("STM32WB55CE");
        let damaged = [reading(0x1FFF_8000, &[WB[0], 0xC200_0E54, WB[2], WB[3]])];
        let mended = plan(&wb, View::Dfu, &damaged, &wish("BOR_LEV", 0)).unwrap();
        assert_eq!(mended[0].after, reading(0, &WB).bytes);
        let mut whole = WB.to_vec();
        whole.resize(32, 0xFFFF_FFFF);
        (whole[6], whole[7], whole[1]) = (0xFF00_FFFF, 0x00FF_0000, 0xC200_0E54);
        let refusal = plan(&wb, View::Dfu, &[reading(0x1FFF_8000, &whole)], &wish("WRP1A_STRT", 3)).unwrap_err();
        assert!(matches!(refusal, ChangeRefusal::Damaged { .. }), "{refusal}");
    }

    #[test]
    fn bytes_whose_form_is_not_certain_are_not_written() {
        let refusal = f4(&[0x5500_AAFB, F4[1], F4[2], F4[3]], &wish("BOR_LEV", 0)).unwrap_err();
        assert!(refusal.to_string().contains("this board's own bytes do not show it"), "{refusal}");
    }

    #[test]
    fn mistakes_are_told() {
        assert!(f4(&F4, &wish("BOR_LVE", 0)).unwrap_err().to_string().ends_with("did you mean BOR_LEV?"));
        assert!(matches!(f4(&F4, &wish("BOR_LEV", 4)), Err(ChangeRefusal::TooBig { bits: 2, .. })));
        assert_eq!(f4(&F4, &wish("BOR_LEV", 3)), Err(ChangeRefusal::Nothing));
        let twice = [wish("BOR_LEV", 1), wish("BOR_LEV", 2)].concat();
        assert!(matches!(f4(&F4, &twice), Err(ChangeRefusal::Twice { .. })));
        let read = [reading(0x1FFF_C000, &F4[..2])];
        let not_read = plan(&device("STM32F407VG"), View::Dfu, &read, &wish("WRP0", 1)).unwrap_err();
        assert!(matches!(not_read, ChangeRefusal::NotRead { .. }), "{not_read}");
    }

    #[test]
    fn a_backup_goes_back_as_it_was() {
        let f407 = device("STM32F407VG");
        let changed = f4(&F4, &wish("BOR_LEV", 0)).unwrap();
        let now = [Reading { address: changed[0].address, bytes: changed[0].after.clone() }];
        let back = plan_back(&f407, View::Dfu, &now, &[reading(0x1FFF_C000, &F4)]).unwrap();
        assert_eq!(back[0].after, reading(0, &F4).bytes);
        assert_eq!(plan_back(&f407, View::Dfu, &now, &now), Err(ChangeRefusal::Nothing));
    }

    #[test]
    fn a_register_changes_by_itself_and_without_a_complement() {
        let wb = device("STM32WB55CE");
        let now = [reading(0x5800_4020, &[0x3DFF_F1AA]), reading(0x5800_402C, &[0xFF00_00FF])];
        let changes = plan(&wb, View::Swd, &now, &wish("BOR_LEV", 4)).unwrap();
        let [AreaChange { address: Address(0x5800_4020), after, .. }] = changes.as_slice() else {
            panic!("{changes:?}")
        };
        assert_eq!(after, &0x3DFF_F9AA_u32.to_le_bytes());
        let refusal = plan(&wb, View::Swd, &now, &wish("SFSA", 4)).unwrap_err();
        assert!(refusal.to_string().contains("belongs to the coprocessor"), "{refusal}");
    }

    #[test]
    fn a_part_whose_controller_is_not_known_is_refused_over_swd() {
        let refusal = plan(&device("STM32H743ZI"), View::Swd, &[], &wish("BOR_LEV", 1)).unwrap_err();
        assert!(refusal.to_string().contains("a guess could lock the part"), "{refusal}");
    }
}
