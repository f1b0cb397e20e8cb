//! The memories of the part as the ROM reaches them: flash, option bytes, OTP, the Device Feature word, RAM.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::sheet::{Otp, RomModel};
use crate::dfu::layout::{Area, Layout};
use crate::dfu::state::DfuStatus;
use crate::observation::alteration::Payload;
use crate::observation::field_text::FieldText;
use crate::observation::units::Address;

/// The virtual word behind the alternate setting `Device Feature`.
pub const DEVICE_FEATURE: Address = Address(0xffff_0000);

/// State and error byte of the firmware upgrade service of the WB; both zero while it is idle.
pub const UPGRADE_SERVICE: Address = Address(0xffff_0054);

const ERASED: u8 = 0xff;
/// Flash is kept in pages of this size, and only those that differ from the image the part came with.
const PAGE_BYTES: u32 = 2048;

/// What a region is and therefore how it takes writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Flash,
    OptionBytes,
    Otp,
    DeviceFeature,
    /// RAM that the ROM leaves free.
    Ram,
    /// System memory.
    ReadOnly,
}

/// An address range that the ROM accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    pub kind: Kind,
    pub first: u32,
    pub length_bytes: u32,
    /// Erase units, as count and size, in order; empty where nothing can be erased.
    sectors: Vec<(u32, u32)>,
}

impl Region {
    fn holds(&self, address: u32) -> bool {
        address >= self.first && address - self.first < self.length_bytes
    }

    /// Start and size of the erase unit around an address.
    fn sector_around(&self, address: u32) -> Option<(u32, u32)> {
        let mut start = self.first;
        for &(count, size_bytes) in &self.sectors {
            let span = count * size_bytes;
            if address - start < span {
                return Some((start + (address - start) / size_bytes * size_bytes, size_bytes));
            }
            start += span;
        }
        None
    }
}

/// The memory of one part.
#[derive(Clone, Debug)]
pub struct Memory {
    regions: Vec<Region>,
    otp: Option<Otp>,
    /// Bytes of the application the part came with.
    image_bytes: u32,
    image_seed: u64,
    /// Pages of flash that were erased or written since.
    pages: BTreeMap<u32, Box<[u8; PAGE_BYTES as usize]>>,
    /// Everything else, by address of the region.
    small: BTreeMap<u32, Vec<u8>>,
    revision: u64,
}

/// The contents of a memory, as far as they differ from a part as it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptMemory {
    flash: BTreeMap<u32, Payload>,
    small: BTreeMap<u32, Payload>,
}

impl Memory {
    /// A part with an application of `image_bytes` whose content follows from the seed.
    pub fn new(rom: &RomModel, image_bytes: u32, image_seed: u64) -> Self {
        let mut memory = Self {
            regions: Vec::new(),
            otp: rom.otp,
            image_bytes,
            image_seed,
            pages: BTreeMap::new(),
            small: BTreeMap::new(),
            revision: 0,
        };
        memory.add_flash(rom);
        for area in &rom.sheet.option_bytes {
            let bytes: Vec<u8> = area.words.iter().flat_map(|word| word.to_le_bytes()).collect();
            memory.add_small(Kind::OptionBytes, area.address.0, area.length_bytes, bytes);
        }
        if let Some(otp) = rom.otp {
            memory.add_small(Kind::Otp, otp.address.0, otp.data_bytes + otp.lock_bytes.unwrap_or(0), Vec::new());
        }
        if rom.layouts().iter().any(|layout| layout.starts_with("@Device Feature")) {
            memory.add_small(Kind::DeviceFeature, DEVICE_FEATURE.0, 4, vec![0; 4]);
        }
        if rom.sheet.quirks.upgrade_service {
            memory.add_small(Kind::ReadOnly, UPGRADE_SERVICE.0, 2, vec![0; 2]);
        }
        for other in &rom.sheet.other_memory {
            let kind = if other.writable { Kind::Ram } else { Kind::ReadOnly };
            memory.add_small(kind, other.address.0, other.length_bytes, vec![0; other.length_bytes as usize]);
        }
        memory
    }

    fn add_flash(&mut self, rom: &RomModel) {
        for text in rom.layouts() {
            let layout = Layout::parse(&FieldText::from(text.as_str()));
            if layout.area() != Area::Flash {
                continue;
            }
            for group in &layout.groups {
                let sectors: Vec<_> = group.segments.iter().map(|it| (it.count, it.size_bytes)).collect();
                let length_bytes = sectors.iter().map(|(count, size)| count * size).sum();
                self.regions.push(Region { kind: Kind::Flash, first: group.address.0, length_bytes, sectors });
            }
        }
    }

    fn add_small(&mut self, kind: Kind, first: u32, length_bytes: u32, mut bytes: Vec<u8>) {
        bytes.resize(length_bytes as usize, ERASED);
        self.regions.push(Region { kind, first, length_bytes, sectors: Vec::new() });
        self.small.insert(first, bytes);
    }

    pub fn region(&self, address: Address) -> Option<&Region> {
        self.regions.iter().find(|region| region.holds(address.0))
    }

    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// At most `length_bytes` from there, less at the end of the region; `None` outside the map.
    pub fn read(&self, address: Address, length_bytes: u32) -> Option<Vec<u8>> {
        let region = self.region(address)?;
        let offset = address.0 - region.first;
        let length = length_bytes.min(region.length_bytes - offset);
        if let Some(bytes) = self.small.get(&region.first) {
            return Some(bytes[offset as usize..(offset + length) as usize].to_vec());
        }
        Some((0..length).map(|n| self.flash_byte(address.0 + n, region.first)).collect())
    }

    fn flash_byte(&self, address: u32, flash: u32) -> u8 {
        let within = (address % PAGE_BYTES) as usize;
        match self.pages.get(&(address - address % PAGE_BYTES)) {
            Some(page) => page[within],
            None => self.image_byte(address, flash),
        }
    }

    /// The application: a stack pointer, a reset vector, then bytes without a pattern.
    fn image_byte(&self, address: u32, flash: u32) -> u8 {
        let offset = address - flash;
        if offset >= self.image_bytes {
            return ERASED;
        }
        let vector = |word: u32| word.to_le_bytes()[(offset % 4) as usize];
        match offset / 4 {
            0 => vector(0x2000_2000),
            1 => vector(flash + 0x0201),
            word => {
                let mixed = (self.image_seed ^ u64::from(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> (8 * (offset % 4) + 32)) as u8
            }
        }
    }

    /// Writes as the memory there takes it. Addresses outside are the caller's to refuse.
    pub fn write(&mut self, address: Address, data: &[u8]) -> Result<(), DfuStatus> {
        self.revision += 1;
        let region = self.region(address).cloned().ok_or(DfuStatus::ERR_TARGET)?;
        if data.len() as u64 > u64::from(region.length_bytes - (address.0 - region.first)) {
            return Err(DfuStatus::ERR_TARGET);
        }
        match region.kind {
            Kind::Flash => {
                for (place, &byte) in (address.0..).zip(data) {
                    // Programming can only clear bits.
                    *self.flash_cell(place, region.first) &= byte;
                }
                Ok(())
            }
            Kind::Otp => self.write_otp(&region, address, data),
            Kind::ReadOnly => Err(DfuStatus::ERR_TARGET),
            Kind::OptionBytes | Kind::DeviceFeature | Kind::Ram => {
                self.small_slice(&region, address, data.len()).copy_from_slice(data);
                Ok(())
            }
        }
    }

    /// Whether the first word of flash is erased, which is what a part looks at.
    pub fn flash_is_blank(&self) -> bool {
        let flash = self.regions.iter().find(|region| region.kind == Kind::Flash);
        flash.and_then(|flash| self.read(Address(flash.first), 4)).is_some_and(|word| word == [ERASED; 4])
    }

    /// The 32-bit word of the option bytes at an address.
    pub fn option_word(&self, address: Address) -> Option<u32> {
        self.region(address).filter(|region| region.kind == Kind::OptionBytes)?;
        self.read(address, 4)?.try_into().ok().map(u32::from_le_bytes)
    }

    /// Puts a word there as it is, whatever its complement says; addresses outside are left alone.
    pub fn set_option_word(&mut self, address: Address, word: u32) {
        let Some(region) = self.region(address).filter(|region| region.kind == Kind::OptionBytes).cloned() else {
            return;
        };
        self.small_slice(&region, address, 4).copy_from_slice(&word.to_le_bytes());
    }

    /// Erases the sector that is so many further on; past the end of the part nothing is erased.
    pub fn erase_further(&mut self, address: Address, sectors: u32) {
        let mut next = address.0;
        for _ in 0..sectors {
            let Some((start, size_bytes)) = self.region(Address(next)).and_then(|region| region.sector_around(next))
            else {
                return;
            };
            next = start + size_bytes;
        }
        self.erase_around(Address(next));
    }

    /// Whatever a region is, its own hardware can put bytes there; nothing happens where there is no such region.
    pub fn set(&mut self, address: Address, data: &[u8]) {
        let Some(region) = self.region(address).cloned() else { return };
        let offset = (address.0 - region.first) as usize;
        let cells = self.small.get_mut(&region.first).and_then(|bytes| bytes.get_mut(offset..offset + data.len()));
        if let Some(cells) = cells.filter(|cells| **cells != *data) {
            cells.copy_from_slice(data);
            self.revision += 1;
        }
    }

    /// Where a pattern begins in flash that was written since the part was made, at multiples of `unit`.
    pub fn find_in_flash(&self, pattern: &[u8], unit: u32) -> Vec<Address> {
        let mut found = Vec::new();
        for (start, page) in &self.pages {
            let fits = |offset: &u32| page[*offset as usize..].starts_with(pattern);
            found.extend((0..PAGE_BYTES).step_by(unit as usize).filter(fits).map(|offset| Address(start + offset)));
        }
        found
    }

    /// Counts changes, so that whoever keeps a copy knows when it is old.
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// What differs from a part as it was made: flash pages and small areas by address.
    pub fn kept(&self) -> KeptMemory {
        let flash = self.pages.iter().map(|(start, page)| (*start, Payload::new(page.to_vec()))).collect();
        let small = self.small.iter().map(|(start, bytes)| (*start, Payload::new(bytes.clone()))).collect();
        KeptMemory { flash, small }
    }

    /// Takes back what was kept of a part like this one; what does not fit is left out.
    pub fn restore(&mut self, kept: &KeptMemory) {
        for (start, bytes) in &kept.flash {
            if let Ok(page) = bytes.bytes().try_into() {
                self.pages.insert(*start, Box::new(page));
            }
        }
        for (start, bytes) in &kept.small {
            if let Some(own) = self.small.get_mut(start).filter(|own| own.len() == bytes.bytes().len()) {
                own.copy_from_slice(bytes.bytes());
            }
        }
        self.revision += 1;
    }

    fn small_slice(&mut self, region: &Region, address: Address, length: usize) -> &mut [u8] {
        let offset = (address.0 - region.first) as usize;
        let bytes = self.small.get_mut(&region.first).expect("every region but flash has its bytes");
        &mut bytes[offset..offset + length]
    }

    fn flash_cell(&mut self, address: u32, flash: u32) -> &mut u8 {
        let start = address - address % PAGE_BYTES;
        if !self.pages.contains_key(&start) {
            let mut page = Box::new([ERASED; PAGE_BYTES as usize]);
            for (place, byte) in (start..).zip(page.iter_mut()) {
                *byte = self.image_byte(place, flash);
            }
            self.pages.insert(start, page);
        }
        let page = self.pages.get_mut(&start).expect("the page was just put there");
        &mut page[(address % PAGE_BYTES) as usize]
    }

    /// Locked blocks, and double-words that were written before, refuse; elsewhere bits can only be cleared.
    fn write_otp(&mut self, region: &Region, address: Address, data: &[u8]) -> Result<(), DfuStatus> {
        let otp = self.otp.expect("a part with an OTP region has an OTP area");
        let offset = (address.0 - region.first) as usize;
        let bytes = &self.small[&region.first];
        let touched = offset..offset + data.len();
        let refused = match otp.lock_bytes {
            Some(blocks) => {
                let block_bytes = (otp.data_bytes / blocks) as usize;
                let locks = &bytes[otp.data_bytes as usize..];
                touched.clone().any(|place| locks.get(place / block_bytes).is_some_and(|&lock| lock == 0))
            }
            None => {
                let first = touched.start / 8 * 8;
                bytes[first..touched.end.next_multiple_of(8).min(bytes.len())].iter().any(|&byte| byte != ERASED)
            }
        };
        if refused {
            return Err(DfuStatus::ERR_WRITE);
        }
        let cells = self.small_slice(region, address, data.len());
        cells.iter_mut().zip(data).for_each(|(cell, byte)| *cell &= byte);
        Ok(())
    }

    /// Erases the sector or page around an address; `None` where there is none.
    pub fn erase_around(&mut self, address: Address) -> Option<()> {
        let region = self.region(address)?.clone();
        let (start, size_bytes) = region.sector_around(address.0)?;
        self.erase(start, size_bytes, region.first);
        Some(())
    }

    pub fn erase_all(&mut self) {
        let flash: Vec<_> = self.regions.iter().filter(|region| region.kind == Kind::Flash).cloned().collect();
        for region in flash {
            self.erase(region.first, region.length_bytes, region.first);
        }
    }

    fn erase(&mut self, start: u32, length_bytes: u32, flash: u32) {
        self.revision += 1;
        for page in (start..start + length_bytes).step_by(PAGE_BYTES as usize) {
            let whole = page % PAGE_BYTES == 0 && page + PAGE_BYTES <= start + length_bytes;
            if whole {
                self.pages.insert(page, Box::new([ERASED; PAGE_BYTES as usize]));
            } else {
                (page..(page + PAGE_BYTES).min(start + length_bytes))
                    .for_each(|place| *self.flash_cell(place, flash) = ERASED);
            }
        }
    }

    /// The word the core would jump to; `None` if it is not in memory that can run code.
    pub fn jump_target(&self, pointer: Address) -> Option<Address> {
        let word = self.read(Address(pointer.0.checked_add(4)?), 4)?;
        let target = u32::from_le_bytes(word.try_into().ok()?);
        let region = self.region(Address(target & !1))?;
        matches!(region.kind, Kind::Flash | Kind::Ram).then_some(Address(target))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::rom::sheet::by_name;

    fn memory(rom: &str) -> Memory {
        Memory::new(&by_name(rom, false).unwrap().unwrap(), 16 * 1024, 7)
    }

    const FLASH: Address = Address(0x0800_0000);

    #[test]
    fn the_application_starts_with_a_vector_table_and_ends_in_blank_flash() {
        let memory = memory("f40x-v9");
        assert_eq!(memory.read(FLASH, 8).unwrap(), [0x00, 0x20, 0x00, 0x20, 0x01, 0x02, 0x00, 0x08]);
        assert_eq!(memory.jump_target(FLASH), Some(Address(0x0800_0201)));
        assert_eq!(memory.read(Address(0x0800_4000), 4).unwrap(), [0xff; 4]);
        assert_eq!(memory.read(Address(0x1ff0_f000), 4), None);
    }

    #[test]
    fn the_upgrade_service_of_a_wb_is_idle_and_cannot_be_written() {
        let mut memory = memory("wb55");
        assert_eq!(memory.read(UPGRADE_SERVICE, 2), Some(vec![0, 0]));
        assert_eq!(memory.write(UPGRADE_SERVICE, &[0x10]), Err(DfuStatus::ERR_TARGET));
        assert_eq!(Memory::new(&by_name("f40x-v9", false).unwrap().unwrap(), 0, 1).read(UPGRADE_SERVICE, 2), None);
    }

    #[test]
    fn the_image_has_no_simple_pattern() {
        let bytes = memory("f40x-v9").read(Address(0x0800_0400), 1024).unwrap();
        let mut seen: Vec<_> = bytes.clone();
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.len() > 200, "{}", seen.len());
    }

    #[test]
    fn programming_clears_bits_and_only_an_erase_sets_them() {
        let mut memory = memory("f40x-v9");
        let blank = Address(0x0800_8000);
        memory.write(blank, &[0x0f, 0xf0]).unwrap();
        memory.write(blank, &[0xf0, 0xff]).unwrap();
        assert_eq!(memory.read(blank, 3).unwrap(), [0x00, 0xf0, 0xff]);
        memory.erase_around(blank).unwrap();
        assert_eq!(memory.read(blank, 2).unwrap(), [0xff, 0xff]);
        assert_ne!(memory.read(FLASH, 4).unwrap(), [0xff; 4], "the neighbouring sector stays");
        memory.erase_all();
        assert_eq!(memory.read(FLASH, 4).unwrap(), [0xff; 4]);
    }

    #[test]
    fn a_locked_otp_block_and_a_written_double_word_refuse() {
        let mut f4 = memory("f40x-v9");
        f4.write(Address(0x1fff_7800), &[0x00]).unwrap();
        f4.write(Address(0x1fff_7a00), &[0x00]).unwrap();
        assert_eq!(f4.write(Address(0x1fff_7801), &[0x00]), Err(DfuStatus::ERR_WRITE));
        f4.write(Address(0x1fff_7820), &[0x55]).unwrap();
        let mut l4 = memory("l47x-v10");
        l4.write(Address(0x1fff_7000), &[0x12; 8]).unwrap();
        assert_eq!(l4.write(Address(0x1fff_7000), &[0x00; 8]), Err(DfuStatus::ERR_WRITE));
        l4.write(Address(0x1fff_7008), &[0x34; 8]).unwrap();
    }
}
