//! Where the fields of the option bytes lie as DFU shows them, and how each is followed by its complement.

use super::memory::Memory;
use super::protection::ReadOut;
use crate::observation::units::Address;
use crate::profile::device::Device;
use crate::profile::memory::{Encoding, OptionField};

/// The field that holds the level of read-out protection.
pub const READ_PROTECTION: &str = "RDP";
/// The field that holds the brown-out level.
pub const BROWN_OUT: &str = "BOR_LEV";

#[derive(Clone, Debug, Default)]
pub struct OptionLayout {
    encoding: Encoding,
    fields: Vec<OptionField>,
    /// The F1 counts otherwise than all others.
    is_f1: bool,
}

impl OptionLayout {
    pub fn of(device: &Device) -> Self {
        let known = device.option_bytes.as_ref();
        known.map_or_else(Self::default, |known| Self {
            encoding: known.encoding,
            fields: known.dfu_fields.clone(),
            is_f1: device.family == "STM32F1",
        })
    }

    /// The value of the protection field that leaves everything open.
    pub const fn open_byte(&self) -> u32 {
        if self.is_f1 { 0xa5 } else { 0xaa }
    }

    /// The level that the option bytes set.
    pub fn read_out(&self, memory: &Memory) -> Option<ReadOut> {
        Some(match self.read(memory, READ_PROTECTION)? {
            byte if byte == self.open_byte() => ReadOut::Level0,
            ReadOut::LEVEL_2_BYTE if !self.is_f1 => ReadOut::Level2,
            _ => ReadOut::Level1,
        })
    }

    pub const fn has_complements(&self) -> bool {
        self.encoding.has_complements()
    }

    fn field(&self, name: &str) -> Option<&OptionField> {
        self.fields.iter().find(|field| field.name == name)
    }

    pub fn place(&self, name: &str) -> Option<Address> {
        self.field(name).map(|field| field.at)
    }

    pub fn read(&self, memory: &Memory, name: &str) -> Option<u32> {
        let field = self.field(name)?;
        Some(memory.option_word(field.at)? >> field.bit & mask(field))
    }

    /// Sets a field and its complement; a part without that field stays as it is.
    pub fn write(&self, memory: &mut Memory, name: &str, value: u32) {
        let Some(field) = self.field(name) else { return };
        let Some(word) = memory.option_word(field.at) else { return };
        let place = mask(field) << field.bit;
        let word = word & !place | value << field.bit & place;
        match self.encoding {
            Encoding::NotKnown | Encoding::Registers => memory.set_option_word(field.at, word),
            Encoding::ByteComplement => memory.set_option_word(field.at, with_complement(word, 8)),
            Encoding::HalfWordComplement => memory.set_option_word(field.at, with_complement(word, 16)),
            Encoding::WordComplement => {
                memory.set_option_word(field.at, word);
                memory.set_option_word(Address(field.at.0 + 4), !word);
            }
        }
    }
}

fn mask(field: &OptionField) -> u32 {
    u32::MAX >> (32 - u32::from(field.bits).clamp(1, 32))
}

/// The word with the complement of each value right above it.
fn with_complement(word: u32, bits: u32) -> u32 {
    let values = if bits == 8 { 0x00ff_00ff } else { 0x0000_ffff };
    word & values | (!word & values) << bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::rom::sheet::{by_name, names};

    #[test]
    fn protection_can_be_set_in_every_rom_and_keeps_its_complement() {
        for name in names() {
            let rom = by_name(&name, false).unwrap().unwrap();
            let mut memory = Memory::new(&rom, 0, 1);
            let layout = &rom.option_layout;
            if layout.field(READ_PROTECTION).is_none_or(|field| memory.option_word(field.at).is_none()) {
                continue;
            }
            assert_eq!(layout.read_out(&memory), Some(ReadOut::Level0), "{name} leaves the factory open");
            layout.write(&mut memory, READ_PROTECTION, 0x33);
            assert_eq!(layout.read(&memory, READ_PROTECTION), Some(0x33), "{name}");
        }
        assert_eq!(with_complement(0x5500_aaff, 16), 0x5500_aaff);
        assert_eq!(with_complement(0x0000_0033, 8), 0xff00_cc33);
    }
}
