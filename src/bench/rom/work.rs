//! What a download sets going: commands, erasing, writing. It begins with the first GETSTATUS and ends with a later one.

use super::bootloader::{Bootloader, Departure};
use super::memory::Kind;
use super::sheet::millis;
use crate::dfu::command::{ERASE, READ_UNPROTECT, SET_ADDRESS};
use crate::dfu::state::DfuStatus;
use crate::observation::units::{Address, Micros};

/// What a download sets going.
pub(super) struct Work {
    pub takes: Micros,
    /// What bwPollTimeout says, where that is not the truth.
    pub advertised: Option<Micros>,
    pub status: DfuStatus,
    pub departure: Option<Departure>,
}

/// Work that has begun: when it is done, and how it will end.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnderWay {
    pub done: Micros,
    pub status: DfuStatus,
    pub departure: Option<Departure>,
}

/// Set Address and the like; not documented, chosen.
const QUICK: Micros = Micros::from_millis(1);

impl Work {
    fn taking(takes: Micros) -> Self {
        Self { takes, advertised: None, status: DfuStatus::OK, departure: None }
    }

    fn quick() -> Self {
        Self::taking(QUICK)
    }

    fn refused(status: DfuStatus) -> Self {
        Self { status, ..Self::quick() }
    }
}

impl Bootloader {
    pub(super) fn command(&mut self, bytes: &[u8]) -> Work {
        match bytes {
            [SET_ADDRESS, address @ ..] if address.len() == 4 => {
                let address = word(address);
                if self.memory.region(address).is_none() {
                    return Work::refused(DfuStatus::ERR_TARGET);
                }
                self.pointer = address;
                Work::quick()
            }
            [ERASE, ..] | [READ_UNPROTECT] if !self.rom.sheet.commands.contains(&bytes[0]) => {
                Work::refused(DfuStatus::ERR_STALLEDPKT)
            }
            [ERASE, address @ ..] if address.len() == 4 || address.is_empty() => self.erase(address),
            [READ_UNPROTECT] => self.read_unprotect(),
            _ => Work::refused(DfuStatus::ERR_STALLEDPKT),
        }
    }

    fn erase(&mut self, address: &[u8]) -> Work {
        if self.protection.read_out {
            return Work::refused(DfuStatus::ERR_VENDOR);
        }
        let timing = self.rom.sheet.flash;
        if address.is_empty() {
            if !self.rom.sheet.quirks.mass_erase_does_nothing && self.protection.write_protected.is_empty() {
                self.memory.erase_all();
            }
            let advertised = timing.advertised_mass_erase_ms.map(millis);
            return Work { advertised, ..Work::taking(millis(timing.mass_erase_ms)) };
        }
        let address = word(address);
        if self.memory.region(address).is_none_or(|region| region.kind != Kind::Flash) {
            return Work::refused(DfuStatus::ERR_TARGET);
        }
        if !self.protection.forbids_writing(address, 1) {
            self.memory.erase_around(address);
        }
        Work::taking(millis(timing.page_erase_ms))
    }

    fn read_unprotect(&mut self) -> Work {
        self.memory.erase_all();
        if !self.rom.sheet.quirks.unprotect_needs_power_cycle {
            self.protection.read_out = false;
        }
        let erase = Work::taking(millis(self.rom.sheet.flash.mass_erase_ms));
        Work { departure: Some(Departure::Reset), ..erase }
    }

    /// What a power cycle completes.
    pub fn power_on(&mut self, read_out_protected: bool) {
        self.protection.read_out = read_out_protected;
    }

    pub const fn is_read_out_protected(&self) -> bool {
        self.protection.read_out
    }

    pub(super) fn write_block(&mut self, block: u16, bytes: &[u8]) -> Work {
        if self.protection.read_out {
            return Work::refused(DfuStatus::ERR_VENDOR);
        }
        let Some(address) = self.block_address(block, bytes.len() as u32) else {
            return Work::refused(DfuStatus::ERR_TARGET);
        };
        let Some(region) = self.memory.region(address).cloned() else { return Work::refused(DfuStatus::ERR_TARGET) };
        if region.kind == Kind::OptionBytes && address.0 != region.first {
            return Work::refused(DfuStatus::ERR_TARGET);
        }
        let time = Micros::from_secs_f64(bytes.len() as f64 * self.rom.sheet.flash.write_us_per_byte / 1e6);
        if region.kind == Kind::Flash && self.protection.forbids_writing(address, bytes.len() as u32) {
            return Work::taking(time);
        }
        let kept = if self.rom.sheet.quirks.loses_odd_tail { bytes.len() / 8 * 8 } else { bytes.len() };
        if let Err(status) = self.memory.write(address, &bytes[..kept]) {
            return Work::refused(status);
        }
        let departure = (region.kind == Kind::OptionBytes).then_some(Departure::Reset);
        Work { departure, ..Work::taking(time) }
    }
}

/// Four bytes, lowest first; callers have checked that there are four.
fn word(bytes: &[u8]) -> Address {
    Address(bytes.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::rom::bootloader::RomReply;
    use crate::bench::rom::bootloader::tests::{bootloader, bytes, download, protected, run, status};
    use crate::bench::rom::protection::Protection;
    use crate::dfu::command;

    #[test]
    fn read_out_protection_allows_set_address_and_refuses_memory() {
        let mut rom = protected("f40x-v9", Protection { read_out: true, ..Protection::default() });
        assert_eq!(run(&mut rom, &command::set_address(0, Address(0x0800_0000))).status, DfuStatus::OK);
        rom.answer(Micros::ZERO, &command::abort(0));
        assert_eq!(rom.answer(Micros::ZERO, &command::upload(0, 2, 64)).reply, RomReply::Stall);
        assert_eq!(status(&mut rom, Micros::ZERO).status, DfuStatus::ERR_VENDOR);
        rom.answer(Micros::ZERO, &command::clear_status(0));
        assert_eq!(bytes(rom.answer(Micros::ZERO, &command::get_commands(0))), [0x00, 0x21, 0x41, 0x92]);
        assert_eq!(run(&mut rom, &download(2, &[1, 2, 3, 4])).status, DfuStatus::ERR_VENDOR);
    }

    #[test]
    fn a_write_protected_sector_says_nothing_and_stays() {
        let area = (Address(0x0800_0000), 0x4000);
        let mut rom = protected("f40x-v9", Protection { read_out: false, write_protected: vec![area] });
        let before = rom.memory.read(Address(0x0800_0000), 64);
        assert_eq!(run(&mut rom, &download(0, &[0x41, 0, 0, 0, 8])).status, DfuStatus::OK);
        assert_eq!(run(&mut rom, &download(2, &[0; 64])).status, DfuStatus::OK);
        assert_eq!(rom.memory.read(Address(0x0800_0000), 64), before);
    }

    #[test]
    fn option_bytes_are_written_as_a_whole_and_end_in_a_reset() {
        let mut rom = bootloader("f40x-v9");
        run(&mut rom, &command::set_address(0, Address(0x1fff_c000)));
        assert_eq!(run(&mut rom, &download(3, &[0xff; 8])).status, DfuStatus::ERR_TARGET, "not from the start");
        rom.answer(Micros::ZERO, &command::clear_status(0));
        rom.answer(Micros::ZERO, &download(2, &[0xff; 16]));
        status(&mut rom, Micros::ZERO);
        let ended = rom.answer(Micros::from_secs(1), &command::get_status(0));
        assert_eq!(ended.departure.map(|(_, departure)| departure), Some(Departure::Reset));
    }

    #[test]
    fn short_writes_of_some_roms_lose_their_tail() {
        let mut rom = bootloader("l47x-v10");
        run(&mut rom, &command::set_address(0, Address(0x0808_0000)));
        run(&mut rom, &download(2, &[0xaa; 12]));
        assert_eq!(rom.memory.read(Address(0x0808_0004), 8).unwrap(), [0xaa, 0xaa, 0xaa, 0xaa, 0xff, 0xff, 0xff, 0xff]);
    }
}
