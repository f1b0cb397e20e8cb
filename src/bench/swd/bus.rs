//! What answers at which address: the part's memory, its registers, and holes that fault.

use std::collections::BTreeMap;

use super::clock_registers::{self, ClockSetup};
use super::core::{CoreDebug, CoreNow, Effect};
use super::debug_port::BusFault;
use super::flash_control::FlashControl;
use super::interface_clocks;
use super::mem_ap::Bus;
use super::reset_flags::ResetFlags;
use super::silicon::{REVISION, Silicon};
use crate::bench::rom::memory::{Kind, Memory};
use crate::bench::rom::serial::Uid;
use crate::bench::surroundings::Runs;
use crate::observation::units::{Address, Micros};
use crate::swd::coprocessor_table::{CoprocessorTable, mailbox};
use crate::swd::whitelist::TargetWrite;

/// The bus for the time of one access.
pub struct BoardBus<'a> {
    pub silicon: &'a Silicon,
    pub uid: Uid,
    pub memory: &'a Memory,
    /// RAM and peripheral registers that were written, by word address.
    pub written: &'a mut BTreeMap<u32, u32>,
    pub flash_control: Option<&'a mut FlashControl>,
    pub core: &'a mut CoreDebug,
    pub now: CoreNow,
    pub clocks: ClockSetup,
    pub runs: Runs,
    pub coprocessor: Option<CoprocessorTable>,
    pub flags: &'a mut ResetFlags,
    pub read_protected: bool,
    /// What a write brought about; the last one counts.
    pub effect: Effect,
    /// Every write of memory, where a log is kept.
    pub log: Option<&'a mut Vec<(Micros, TargetWrite)>>,
}

/// Anything but the values of levels 0 and 2 is read-out protection level 1.
const LEVEL_1: u32 = 0x55;
const RAM: std::ops::Range<u32> = 0x2000_0000..0x2002_0000;
const PERIPHERALS: std::ops::Range<u32> = 0x4000_0000..0x6000_0000;
/// From the beginning of the shared RAM to the table; with it the version of a service stands where FACTS section D has it.
const TABLE_OFFSET: u32 = 0x24;
/// Core, debug and identification registers of the core.
const PRIVATE: std::ops::Range<u32> = 0xE000_0000..0xE010_0000;

impl Bus for BoardBus<'_> {
    fn read(&mut self, address: Address, _mask: u32) -> Result<u32, BusFault> {
        if let Some(word) = self.core.read(address, &self.now) {
            return Ok(word);
        }
        // In reset only the debug registers of the core answer.
        if self.now.in_reset && !PRIVATE.contains(&address.0) {
            return Err(BusFault);
        }
        self.register(address).or_else(|| self.stored(address)).ok_or(BusFault)
    }

    fn write(&mut self, address: Address, word: u32, mask: u32) -> Result<(), BusFault> {
        let before = self.read(address, mask)?;
        let merged = before & !mask | word & mask;
        if let Some(log) = &mut self.log {
            log.push((self.now.at, TargetWrite::Memory { address, before: Some(before), word: merged }));
        }
        if let Some(effect) = self.core.write(address, merged, &self.now) {
            self.effect = effect;
            return Ok(());
        }
        if let Some(reset) = self.silicon.reset_cause.as_ref().filter(|reset| reset.address == address) {
            if merged >> reset.clears & 1 == 1 {
                self.flags.clear();
            }
            return Ok(());
        }
        let controlled = self.flash_control.as_mut().and_then(|control| control.write(self.now.at, address, merged));
        if let Some(effect) = controlled {
            self.effect = effect;
            return Ok(());
        }
        // A locked flash takes nothing and says nothing.
        if RAM.contains(&address.0) || PERIPHERALS.contains(&address.0) || PRIVATE.contains(&address.0) {
            self.written.insert(address.0, merged);
        }
        Ok(())
    }
}

impl BoardBus<'_> {
    /// Registers whose content follows from the state of the part.
    fn register(&self, address: Address) -> Option<u32> {
        let part = self.silicon;
        if address == part.idcode {
            return Some(REVISION << 16 | u32::from(part.dev_id));
        }
        if let Some(word) = part.unique_id.and_then(|first| self.uid.get(word_index(address, first)?)) {
            return Some(*word);
        }
        if part.flash_size.is_some_and(|at| at.0 & !3 == address.0) {
            let shift = part.flash_size.map_or(0, |at| (at.0 & 2) * 8);
            return Some(u32::from(part.flash_kb) << shift);
        }
        if let Some(reset) = part.reset_cause.as_ref().filter(|reset| reset.address == address) {
            return Some(self.flags.word(reset));
        }
        if let Some(word) = part.tree.and_then(|tree| clock_registers::register(tree, self.clocks, address)) {
            return Some(word);
        }
        if let Some(word) = part.crs.and_then(|base| clock_registers::crs(self.clocks, address.0.checked_sub(base.0)?))
        {
            return Some(word);
        }
        let enables = part.interfaces.and_then(|clocks| interface_clocks::register(clocks, self.runs, address));
        if let Some(word) = enables {
            // What a debugger has turned on by itself stays on.
            return Some(word | self.written.get(&address.0).copied().unwrap_or(0));
        }
        if let Some(word) = self.rom_vector(address) {
            return Some(word);
        }
        let options = self.option_register(address);
        let controlled = self.flash_control.as_ref().and_then(|control| control.read(self.now.at, address, options));
        self.coprocessor_word(address).or(controlled).or(options)
    }

    /// Stack pointer and entry of the ROM; where its code lies beyond that is chosen, and there is none to read.
    fn rom_vector(&self, address: Address) -> Option<u32> {
        const STACK: u32 = 0x2000_2000;
        const ENTRY: u32 = 0x0401;
        let start = self.silicon.system_memory.0;
        match address.0.checked_sub(start)? {
            0 => Some(STACK),
            4 => Some(start + ENTRY),
            _ => None,
        }
    }

    /// The mailbox, and the table that it points to right after a few words; where exactly is chosen.
    fn coprocessor_word(&self, address: Address) -> Option<u32> {
        let (shared_ram, table) = self.silicon.shared_ram.zip(self.coprocessor)?;
        let field = self.silicon.mailbox_field;
        let ipccdba = field.and_then(|(register, bit)| Some(self.option_register(register)? >> bit)).unwrap_or(0);
        let place = Address(shared_ram.0 + TABLE_OFFSET);
        if address == mailbox(shared_ram, ipccdba) {
            return Some(place.0);
        }
        let offset = address.0.checked_sub(place.0)?;
        table.words().get((offset / 4) as usize).copied()
    }

    fn option_register(&self, address: Address) -> Option<u32> {
        let fields: Vec<_> = self.silicon.option_fields.iter().filter(|field| field.register == address).collect();
        if fields.is_empty() {
            return None;
        }
        let word = fields.iter().fold(0, |word, field| {
            let stored = self.memory.read(Address(field.from.0 & !3), 4).map_or(u32::MAX, |bytes| le_word(&bytes));
            let ones = if field.bits >= 32 { u32::MAX } else { (1 << field.bits) - 1 };
            let protected = self.read_protected && field.is_read_protection;
            let value = if protected { LEVEL_1 } else { (stored >> field.from_bit) & ones };
            word | value << field.register_bit
        });
        Some(word)
    }

    fn stored(&self, address: Address) -> Option<u32> {
        if let Some(word) = self.written.get(&address.0) {
            return Some(*word);
        }
        if let Some(region) = self.memory.region(address) {
            // At read-out protection level 1 a debugger gets no flash.
            if self.read_protected && region.kind == Kind::Flash {
                return None;
            }
            return self.memory.read(address, 4).map(|bytes| le_word(&bytes));
        }
        let answers = RAM.contains(&address.0) || PERIPHERALS.contains(&address.0) || PRIVATE.contains(&address.0);
        answers.then_some(0)
    }
}

/// Which word of three from `first` the address is.
fn word_index(address: Address, first: Address) -> Option<usize> {
    let offset = address.0.checked_sub(first.0)?;
    (offset < 12 && offset.is_multiple_of(4)).then_some((offset / 4) as usize)
}

fn le_word(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
}
