//! What a download sets going: commands, erasing, writing. It begins with the first GETSTATUS and ends with a later one.

use super::bootloader::{Bootloader, Departure};
use super::limitations::SecondBankErase;
use super::memory::Kind;
use super::option_layout::READ_PROTECTION;
use super::protection::ReadOut;
use super::sheet::millis;
use super::upgrade_service::UpgradeService;
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
    /// It erases or writes flash, or would have.
    pub needs_flash: bool,
    pub is_erase: bool,
    /// How long flash goes on working when the ROM says that it is done.
    pub goes_on: Micros,
}

/// Work that has begun: when it is done, and how it will end.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnderWay {
    pub done: Micros,
    pub status: DfuStatus,
    pub departure: Option<Departure>,
    pub is_erase: bool,
}

/// Set Address and the like; not documented, chosen.
const QUICK: Micros = Micros::from_millis(1);

impl Work {
    fn taking(takes: Micros) -> Self {
        Self {
            takes,
            advertised: None,
            status: DfuStatus::OK,
            departure: None,
            needs_flash: false,
            is_erase: false,
            goes_on: Micros::ZERO,
        }
    }

    fn erasing(takes: Micros) -> Self {
        Self { needs_flash: true, is_erase: true, ..Self::taking(takes) }
    }

    fn quick() -> Self {
        Self::taking(QUICK)
    }

    fn refused(status: DfuStatus) -> Self {
        Self { status, ..Self::quick() }
    }
}

impl Bootloader {
    pub(super) fn command(&mut self, at: Micros, bytes: &[u8]) -> Work {
        match bytes {
            [SET_ADDRESS, address @ ..] if address.len() == 4 => {
                let address = word(address);
                if !self.reaches(address) {
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
            [byte] if self.service.is_some() => self.pass_on(at, *byte),
            _ => Work::refused(DfuStatus::ERR_STALLEDPKT),
        }
    }

    fn reaches(&self, address: Address) -> bool {
        let region = self.memory.region(address);
        region.is_some_and(|region| region.kind != Kind::Otp || !self.rom.sheet.otp_out_of_reach)
    }

    /// What the ROM of a WB does not know it passes on to the coprocessor.
    fn pass_on(&mut self, at: Micros, byte: u8) -> Work {
        let taken = self.service.as_mut().is_some_and(|service| service.command(at, byte, &mut self.memory));
        if taken { Work::quick() } else { Work::refused(DfuStatus::ERR_STALLEDPKT) }
    }

    /// Secure flash ignores the main processor without a word, as protected sectors do.
    fn ignores(&self, address: Address, length_bytes: u32) -> bool {
        self.protection.forbids_writing(address, length_bytes)
            || self.service.as_ref().is_some_and(|service| service.is_secure(address))
    }

    fn erase(&mut self, address: &[u8]) -> Work {
        if self.protection.read_out != ReadOut::Level0 {
            return Work::refused(DfuStatus::ERR_VENDOR);
        }
        if address.is_empty() { self.mass_erase() } else { self.sector_erase(word(address)) }
    }

    /// What an erase does where a part of the flash is protected is not documented: nothing, it is assumed.
    fn mass_erase(&mut self) -> Work {
        let timing = self.rom.sheet.flash;
        if !self.rom.sheet.quirks.mass_erase_does_nothing && self.protection.leaves_all_flash_open() {
            self.memory.erase_all();
        }
        let advertised = timing.advertised_mass_erase_ms.map(millis);
        Work { advertised, ..Work::erasing(millis(timing.mass_erase_ms)) }
    }

    fn sector_erase(&mut self, address: Address) -> Work {
        if self.memory.region(address).is_none_or(|region| region.kind != Kind::Flash) {
            return Work::refused(DfuStatus::ERR_TARGET);
        }
        let takes = millis(self.rom.sheet.flash.page_erase_ms);
        let second_bank = self.rom.sheet.second_bank.filter(|bank| address.0 >= bank.address.0).map(|bank| bank.erase);
        let open = !self.ignores(address, 1);
        match second_bank {
            Some(SecondBankErase::FourSectorsFurther) if open => self.memory.erase_further(address, 4),
            Some(SecondBankErase::DoesNothing) => {}
            _ if open => _ = self.memory.erase_around(address),
            _ => {}
        }
        if second_bank == Some(SecondBankErase::ReturnsEarly) {
            return Work { goes_on: takes, ..Work::erasing(QUICK) };
        }
        Work::erasing(takes)
    }

    fn read_unprotect(&mut self) -> Work {
        self.memory.erase_all();
        let layout = &self.rom.option_layout;
        layout.write(&mut self.memory, READ_PROTECTION, layout.open_byte());
        let erase = Work::erasing(millis(self.rom.sheet.flash.mass_erase_ms));
        Work { departure: Some(Departure::Reset), ..erase }
    }

    pub(super) fn write_block(&mut self, block: u16, bytes: &[u8]) -> Work {
        if self.protection.read_out != ReadOut::Level0 {
            return Work::refused(DfuStatus::ERR_VENDOR);
        }
        let Some(address) = self.block_address(block, bytes.len() as u32) else {
            return Work::refused(DfuStatus::ERR_TARGET);
        };
        let Some(region) = self.memory.region(address).cloned() else { return Work::refused(DfuStatus::ERR_TARGET) };
        let is_whole = address.0 == region.first && bytes.len() == region.length_bytes as usize;
        if region.kind == Kind::OptionBytes && !is_whole {
            return Work::refused(DfuStatus::ERR_TARGET);
        }
        let time = Micros::from_secs_f64(bytes.len() as f64 * self.rom.sheet.flash.write_us_per_byte / 1e6);
        let work = Work { needs_flash: region.kind == Kind::Flash, ..Work::taking(time) };
        if region.kind == Kind::Flash && self.ignores(address, bytes.len() as u32) {
            return work;
        }
        let mut bytes = bytes.to_vec();
        if region.kind == Kind::Ram && self.rom.sheet.quirks.corrupts_ram_writes {
            // Which bytes suffer is not documented: the last of each block, it is chosen.
            bytes.last_mut().into_iter().for_each(|byte| *byte = !*byte);
        }
        let kept = if self.rom.sheet.quirks.loses_odd_tail { bytes.len() / 8 * 8 } else { bytes.len() };
        let stored = match (region.kind, &self.service) {
            (Kind::OptionBytes, Some(_)) => UpgradeService::option_bytes_after(address, &bytes, &self.memory),
            _ => bytes[..kept].to_vec(),
        };
        if let Err(status) = self.memory.write(address, &stored) {
            return Work::refused(status);
        }
        let departure = (region.kind == Kind::OptionBytes).then_some(Departure::Reset);
        Work { departure, ..work }
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

    fn start(rom: &mut Bootloader, from_power_on: bool) {
        rom.load_options(from_power_on);
        rom.restart("");
    }

    #[test]
    fn read_out_protection_allows_set_address_and_refuses_memory() {
        let mut rom = protected("f40x-v9", Protection { read_out: ReadOut::Level1, ..Protection::default() });
        assert_eq!(run(&mut rom, &command::set_address(0, Address(0x0800_0000))).status, DfuStatus::OK);
        rom.answer(Micros::ZERO, &command::abort(0));
        assert_eq!(rom.answer(Micros::ZERO, &command::upload(0, 2, 64)).reply, RomReply::Stall);
        assert_eq!(status(&mut rom, Micros::ZERO).status, DfuStatus::ERR_VENDOR);
        rom.answer(Micros::ZERO, &command::clear_status(0));
        assert_eq!(bytes(rom.answer(Micros::ZERO, &command::get_commands(0))), [0x00, 0x21, 0x41, 0x92]);
        assert_eq!(run(&mut rom, &download(2, &[1, 2, 3, 4])).status, DfuStatus::ERR_VENDOR);
    }

    #[test]
    fn a_rom_without_otp_refuses_its_address_although_the_part_has_it() {
        let mut rom = bootloader("h7a3-v9-0");
        assert_eq!(run(&mut rom, &command::set_address(0, Address(0x08ff_f000))).status, DfuStatus::ERR_TARGET);
        assert_eq!(rom.memory.read(Address(0x08ff_f000), 4), Some(vec![0xff; 4]));
    }

    #[test]
    fn a_write_protected_sector_says_nothing_and_stays() {
        let area = (Address(0x0800_0000), 0x4000);
        let mut rom = protected("f40x-v9", Protection { write_protected: vec![area], ..Protection::default() });
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
    fn an_option_block_that_is_not_whole_is_refused() {
        let mut rom = bootloader("f40x-v9");
        run(&mut rom, &command::set_address(0, Address(0x1fff_c000)));
        assert_eq!(run(&mut rom, &download(2, &[0xff; 8])).status, DfuStatus::ERR_TARGET);
    }

    #[test]
    fn protection_follows_the_option_bytes_at_the_next_start() {
        let mut rom = bootloader("f40x-v9");
        run(&mut rom, &command::set_address(0, Address(0x1fff_c000)));
        let mut options = rom.memory.read(Address(0x1fff_c000), 16).unwrap();
        (options[1], options[3]) = (0x00, 0xff);
        assert_eq!(run(&mut rom, &download(2, &options)).status, DfuStatus::OK);
        start(&mut rom, false);
        assert_eq!(rom.protection.read_out, ReadOut::Level1);
        run(&mut rom, &download(0, &[READ_UNPROTECT]));
        start(&mut rom, false);
        assert_eq!(rom.protection.read_out, ReadOut::Level0);
        assert!(rom.memory.flash_is_blank());
    }

    #[test]
    fn the_wb_stays_protected_until_power_on() {
        let mut rom = bootloader("wb55");
        rom.rom.option_layout.clone().write(&mut rom.memory, READ_PROTECTION, 0x00);
        start(&mut rom, true);
        run(&mut rom, &download(0, &[READ_UNPROTECT]));
        start(&mut rom, false);
        assert_eq!(rom.protection.read_out, ReadOut::Level1);
        start(&mut rom, true);
        assert_eq!(rom.protection.read_out, ReadOut::Level0);
    }

    #[test]
    fn the_second_bank_is_erased_as_its_rom_does_it() {
        let erase = |rom: &mut Bootloader, address: u32| {
            let [a, b, c, d] = address.to_le_bytes();
            run(rom, &download(0, &[ERASE, a, b, c, d]))
        };
        let mut f42 = bootloader("f42x-v9");
        run(&mut f42, &command::set_address(0, Address(0x0810_0000)));
        run(&mut f42, &download(2, &[0x5a; 64]));
        assert_eq!(erase(&mut f42, 0x0810_0000).status, DfuStatus::OK);
        assert_eq!(f42.memory.read(Address(0x0810_0000), 2).unwrap(), [0x5a; 2], "answered well, not erased");
        let mut f76 = bootloader("f76x-dual-bank");
        for sector in [0x0810_0000, 0x0811_0000] {
            run(&mut f76, &command::set_address(0, Address(sector)));
            run(&mut f76, &download(2, &[0x5a; 64]));
        }
        erase(&mut f76, 0x0810_0000);
        assert_eq!(f76.memory.read(Address(0x0810_0000), 2).unwrap(), [0x5a; 2]);
        assert_eq!(f76.memory.read(Address(0x0811_0000), 2).unwrap(), [0xff; 2], "four sectors further on");
    }

    #[test]
    fn an_order_during_an_erase_that_returned_early_hangs_the_rom() {
        let mut rom = bootloader("h74x-v9");
        let erase = download(0, &[ERASE, 0, 0, 0x10, 0x08]);
        rom.answer(Micros::ZERO, &erase);
        status(&mut rom, Micros::ZERO);
        assert_eq!(rom.answer(Micros::from_millis(2), &command::get_status(0)).reply, rom_busy());
        rom.answer(Micros::from_millis(3), &command::clear_status(0));
        rom.answer(Micros::from_millis(3), &command::clear_status(0));
        rom.answer(Micros::from_millis(4), &erase);
        assert_eq!(rom.answer(Micros::from_millis(5), &command::get_status(0)).reply, RomReply::Hang);
    }

    /// dfuDNBUSY without an end, until CLRSTATUS is sent twice.
    fn rom_busy() -> RomReply {
        RomReply::Data(vec![0, 0, 0, 0, 4, 0])
    }

    #[test]
    fn short_writes_of_some_roms_lose_their_tail() {
        let mut rom = bootloader("l47x-v10");
        run(&mut rom, &command::set_address(0, Address(0x0808_0000)));
        run(&mut rom, &download(2, &[0xaa; 12]));
        assert_eq!(rom.memory.read(Address(0x0808_0004), 8).unwrap(), [0xaa, 0xaa, 0xaa, 0xaa, 0xff, 0xff, 0xff, 0xff]);
    }
}
