//! The ROM bootloader at work: control requests in, answers and their times out. States and rules follow AN3156.

use super::descriptors::{Descriptors, TRANSFER_BYTES};
use super::memory::{Kind, Memory};
use super::sheet::{RomModel, millis};
use crate::dfu::command::{
    ABORT, CLASS_IN, CLASS_OUT, CLRSTATUS, DNLOAD, ERASE, FIRST_DATA_BLOCK, GET_CONFIGURATION, GET_DESCRIPTOR,
    GET_INTERFACE, GET_STATUS_STANDARD, GETSTATE, GETSTATUS, READ_UNPROTECT, SET_ADDRESS, SET_INTERFACE, UPLOAD,
};
use crate::dfu::request::{ControlRequest, DataStage};
use crate::dfu::state::{DfuState, DfuStatus, StatusReply};
use crate::observation::units::{Address, Micros};

/// How the ROM answers one control request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RomReply {
    /// What goes to the host; empty for requests that carry data to the device.
    Data(Vec<u8>),
    Stall,
}

/// Why the device is about to leave the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It jumps to the application.
    Jump(Address),
    /// It resets, and the ROM starts again.
    Reset,
}

/// An answer with what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RomAnswer {
    pub reply: RomReply,
    /// How long the ROM works before the data or status stage can go on.
    pub busy: Micros,
    /// When the device leaves the bus, counted from the end of the transfer.
    pub departure: Option<(Micros, Departure)>,
    /// How long flash is erased or written in the background from now on.
    pub flash_work: Micros,
}

/// Protection as the option bytes set it up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Protection {
    pub read_out: bool,
    /// Start and length of areas that ignore erase and write without a word.
    pub write_protected: Vec<(Address, u32)>,
}

/// The state of a ROM bootloader that is on the bus.
#[derive(Clone, Debug)]
pub struct Bootloader {
    rom: RomModel,
    descriptors: Descriptors,
    memory: Memory,
    protection: Protection,
    state: DfuState,
    status: DfuStatus,
    pointer: Address,
    alternate: u8,
    /// A download that waits for GETSTATUS.
    pending: Option<(u16, Vec<u8>)>,
    /// The end of what is being done, and how it will end.
    work: Option<(Micros, DfuStatus, Option<Departure>)>,
}

/// The ROM answers a request that needs no memory within a few instructions; not documented, chosen.
const QUICK: Micros = Micros(20);
/// Set Address and the like.
const POLL_SHORT_MS: u64 = 1;
const JUMP_AFTER: Micros = Micros::from_millis(5);
const DEFAULT_POINTER: Address = Address(0x0800_0000);

impl Bootloader {
    pub fn new(rom: RomModel, serial: &str, memory: Memory, protection: Protection) -> Self {
        let descriptors = Descriptors::new(&rom, serial);
        Self {
            rom,
            descriptors,
            memory,
            protection,
            state: DfuState::IDLE,
            status: DfuStatus::OK,
            pointer: DEFAULT_POINTER,
            alternate: 0,
            pending: None,
            work: None,
        }
    }

    pub const fn rom(&self) -> &RomModel {
        &self.rom
    }

    pub const fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The ROM starts anew: volatile state is lost, memory stays.
    pub fn restart(&mut self, serial: &str) {
        self.descriptors = Descriptors::new(&self.rom, serial);
        self.bus_reset();
        self.state = DfuState::IDLE;
        self.status = DfuStatus::OK;
        self.pointer = DEFAULT_POINTER;
        self.pending = None;
        self.work = None;
    }

    /// A reset on the bus takes the alternate setting back and leaves the DFU state as it is.
    pub fn bus_reset(&mut self) {
        self.alternate = 0;
    }

    pub fn answer(&mut self, at: Micros, request: &ControlRequest) -> RomAnswer {
        match request.request_type {
            CLASS_IN | CLASS_OUT if request.index & 0xff == 0 => self.class_request(at, request),
            0x80..=0x82 | 0x00..=0x02 => self.standard_request(request),
            _ => stall(),
        }
    }

    fn standard_request(&mut self, request: &ControlRequest) -> RomAnswer {
        let cut = |bytes: &[u8]| data(bytes[..bytes.len().min(wanted_bytes(request))].to_vec());
        match (request.request_type, request.request) {
            (0x80, GET_DESCRIPTOR) => match self.descriptors.get(request.value) {
                Some(bytes) => cut(bytes),
                None => stall(),
            },
            (0x80..=0x82, GET_STATUS_STANDARD) => cut(&[1, 0]),
            (0x80, GET_CONFIGURATION) => cut(&[1]),
            (0x81, GET_INTERFACE) => cut(&[self.alternate]),
            (0x01, SET_INTERFACE) => {
                if request.index != 0 || usize::from(request.value) >= self.descriptors.alternates() {
                    return stall();
                }
                self.alternate = request.value as u8;
                data(Vec::new())
            }
            // SET_ADDRESS, SET_CONFIGURATION, SET_FEATURE, CLEAR_FEATURE
            (0x00, 5 | 9) | (0x00..=0x02, 1 | 3) => data(Vec::new()),
            _ => stall(),
        }
    }

    fn class_request(&mut self, at: Micros, request: &ControlRequest) -> RomAnswer {
        match (request.request_type, request.request, &request.data) {
            (CLASS_OUT, DNLOAD, DataStage::Out(bytes)) => self.download(request.value, bytes),
            (CLASS_IN, UPLOAD, DataStage::In(length)) => self.upload(request.value, *length),
            (CLASS_IN, GETSTATUS, _) => self.get_status(at),
            (CLASS_OUT, CLRSTATUS, _) => self.clear_status(),
            (CLASS_IN, GETSTATE, _) => data(vec![self.state.0]),
            (CLASS_OUT, ABORT, _) => self.abort(),
            _ => self.refuse(DfuStatus::ERR_STALLEDPKT),
        }
    }

    fn refuse(&mut self, status: DfuStatus) -> RomAnswer {
        self.state = DfuState::ERROR;
        self.status = status;
        self.pending = None;
        stall()
    }

    fn download(&mut self, block: u16, bytes: &[u8]) -> RomAnswer {
        if self.state != DfuState::IDLE && self.state != DfuState::DNLOAD_IDLE {
            return self.refuse(DfuStatus::ERR_STALLEDPKT);
        }
        if bytes.is_empty() {
            self.state = DfuState::MANIFEST_SYNC;
            return data(Vec::new());
        }
        if block == 1 || bytes.len() > usize::from(TRANSFER_BYTES) {
            return self.refuse(DfuStatus::ERR_STALLEDPKT);
        }
        self.pending = Some((block, bytes.to_vec()));
        self.state = DfuState::DNLOAD_SYNC;
        data(Vec::new())
    }

    fn upload(&mut self, block: u16, length: u16) -> RomAnswer {
        if self.state != DfuState::IDLE && self.state != DfuState::UPLOAD_IDLE {
            return self.refuse(DfuStatus::ERR_STALLEDPKT);
        }
        if block == 0 {
            let commands = &self.rom.sheet.commands;
            return data(commands[..commands.len().min(usize::from(length))].to_vec());
        }
        if block == 1 || length == 0 || length > TRANSFER_BYTES {
            return self.refuse(DfuStatus::ERR_STALLEDPKT);
        }
        if self.protection.read_out {
            return self.refuse(DfuStatus::ERR_VENDOR);
        }
        let Some(address) = self.block_address(block, u32::from(length)) else {
            return self.refuse(DfuStatus::ERR_TARGET);
        };
        let Some(bytes) = self.memory.read(address, u32::from(length)) else {
            return self.refuse(DfuStatus::ERR_TARGET);
        };
        // A short block ends the upload.
        self.state = if bytes.len() < usize::from(length) { DfuState::IDLE } else { DfuState::UPLOAD_IDLE };
        data(bytes)
    }

    /// The ROM takes the length of this very transfer as the size of all blocks before it.
    fn block_address(&self, block: u16, length: u32) -> Option<Address> {
        let offset = u32::from(block - FIRST_DATA_BLOCK) * length;
        self.pointer.0.checked_add(offset).map(Address)
    }

    /// Where the next block would be read or written, for models that act on an address.
    pub fn address_of(&self, request: &ControlRequest) -> Option<(Address, u32)> {
        let length = match (request.request_type, request.request, &request.data) {
            (CLASS_IN, UPLOAD, DataStage::In(length)) => u32::from(*length),
            (CLASS_OUT, DNLOAD, DataStage::Out(bytes)) => bytes.len() as u32,
            _ => return None,
        };
        (request.value >= FIRST_DATA_BLOCK).then(|| self.block_address(request.value, length).map(|at| (at, length)))?
    }

    fn clear_status(&mut self) -> RomAnswer {
        if self.state == DfuState::ERROR {
            self.state = DfuState::IDLE;
            self.status = DfuStatus::OK;
        } else if self.rom.sheet.quirks.clear_status_may_fail {
            self.state = DfuState::ERROR;
            self.status = DfuStatus::ERR_UNKNOWN;
        }
        data(Vec::new())
    }

    fn abort(&mut self) -> RomAnswer {
        let idle = [DfuState::IDLE, DfuState::DNLOAD_SYNC, DfuState::DNLOAD_IDLE, DfuState::UPLOAD_IDLE];
        if !idle.contains(&self.state) {
            return self.refuse(DfuStatus::ERR_STALLEDPKT);
        }
        self.state = DfuState::IDLE;
        self.pending = None;
        data(Vec::new())
    }

    /// The request that sets a pending download to work, and later tells how that went.
    fn get_status(&mut self, at: Micros) -> RomAnswer {
        match self.state {
            DfuState::DNLOAD_SYNC => self.begin_work(at),
            DfuState::DNBUSY => self.look_at_work(at),
            DfuState::MANIFEST_SYNC => {
                self.state = DfuState::MANIFEST;
                let departure = self.memory.jump_target(self.pointer).map_or(Departure::Reset, Departure::Jump);
                RomAnswer { departure: Some((JUMP_AFTER, departure)), ..self.status_reply(Micros::from_millis(1)) }
            }
            _ => self.status_reply(Micros::ZERO),
        }
    }

    fn status_reply(&self, poll_timeout: Micros) -> RomAnswer {
        let reply = StatusReply { status: self.status, poll_timeout, state: self.state, string_index: 0 };
        data(reply.to_bytes().to_vec())
    }

    fn begin_work(&mut self, at: Micros) -> RomAnswer {
        let Some((block, bytes)) = self.pending.take() else { return self.refuse(DfuStatus::ERR_STALLEDPKT) };
        let Work { takes, advertised, status, departure } =
            if block == 0 { self.command(&bytes) } else { self.write_block(block, &bytes) };
        self.work = Some((at + takes, status, departure));
        self.state = DfuState::DNBUSY;
        RomAnswer { flash_work: takes, ..self.status_reply(advertised.unwrap_or(takes)) }
    }

    fn look_at_work(&mut self, at: Micros) -> RomAnswer {
        let Some((done, status, departure)) = self.work else { return self.status_reply(Micros::ZERO) };
        if at < done {
            return if self.rom.sheet.quirks.stalls_while_busy { stall() } else { self.status_reply(done - at) };
        }
        self.work = None;
        self.status = status;
        self.state = if status == DfuStatus::OK { DfuState::DNLOAD_IDLE } else { DfuState::ERROR };
        RomAnswer { departure: departure.map(|departure| (JUMP_AFTER, departure)), ..self.status_reply(Micros::ZERO) }
    }

    fn command(&mut self, bytes: &[u8]) -> Work {
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
        if !self.is_write_protected(address, 1) {
            self.memory.erase_around(address);
        }
        Work::taking(millis(timing.page_erase_ms))
    }

    fn is_write_protected(&self, address: Address, length: u32) -> bool {
        let end = u64::from(address.0) + u64::from(length);
        let overlaps = |start: u32, bytes: u32| u64::from(start) < end && address.0 < start.saturating_add(bytes);
        self.protection.write_protected.iter().any(|(start, bytes)| overlaps(start.0, *bytes))
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

    fn write_block(&mut self, block: u16, bytes: &[u8]) -> Work {
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
        if region.kind == Kind::Flash && self.is_write_protected(address, bytes.len() as u32) {
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

/// What a download sets going.
struct Work {
    takes: Micros,
    /// What bwPollTimeout says, where that is not the truth.
    advertised: Option<Micros>,
    status: DfuStatus,
    departure: Option<Departure>,
}

impl Work {
    fn taking(takes: Micros) -> Self {
        Self { takes, advertised: None, status: DfuStatus::OK, departure: None }
    }

    fn quick() -> Self {
        Self::taking(Micros::from_millis(POLL_SHORT_MS))
    }

    fn refused(status: DfuStatus) -> Self {
        Self { status, ..Self::quick() }
    }
}

fn data(bytes: Vec<u8>) -> RomAnswer {
    RomAnswer { reply: RomReply::Data(bytes), busy: QUICK, departure: None, flash_work: Micros::ZERO }
}

fn stall() -> RomAnswer {
    RomAnswer { reply: RomReply::Stall, busy: QUICK, departure: None, flash_work: Micros::ZERO }
}

fn wanted_bytes(request: &ControlRequest) -> usize {
    match request.data {
        DataStage::In(length) => usize::from(length),
        DataStage::Out(_) => 0,
    }
}

/// Four bytes, lowest first; callers have checked that there are four.
fn word(bytes: &[u8]) -> Address {
    Address(bytes.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::rom::sheet::by_name;
    use crate::dfu::command;
    use proptest::prelude::*;

    const SERIAL: &str = "325E35633334";

    fn bootloader(rom: &str) -> Bootloader {
        let rom = by_name(rom, false).unwrap().unwrap();
        let memory = Memory::new(&rom, 64 * 1024, 1);
        Bootloader::new(rom, SERIAL, memory, Protection::default())
    }

    fn protected(rom: &str, protection: Protection) -> Bootloader {
        Bootloader { protection, ..bootloader(rom) }
    }

    fn bytes(answer: RomAnswer) -> Vec<u8> {
        let RomReply::Data(bytes) = answer.reply else { panic!("the ROM stalled") };
        bytes
    }

    fn status(rom: &mut Bootloader, at: Micros) -> StatusReply {
        StatusReply::parse(&bytes(rom.answer(at, &command::get_status(0)))).unwrap()
    }

    fn download(block: u16, data: &[u8]) -> ControlRequest {
        ControlRequest { value: block, data: DataStage::Out(data.to_vec()), ..command::set_address(0, Address(0)) }
    }

    /// Sends a download, starts it, waits as told and returns how it ended.
    fn run(rom: &mut Bootloader, request: &ControlRequest) -> StatusReply {
        assert_eq!(rom.answer(Micros::ZERO, request).reply, RomReply::Data(Vec::new()));
        let busy = status(rom, Micros::ZERO);
        assert_eq!(busy.state, DfuState::DNBUSY);
        status(rom, Micros::from_secs(60))
    }

    #[test]
    fn upload_reads_from_the_pointer_in_blocks_of_its_own_length() {
        let mut rom = bootloader("f40x-v9");
        let ended = run(&mut rom, &command::set_address(0, Address(0x0800_4000)));
        assert_eq!((ended.state, ended.status), (DfuState::DNLOAD_IDLE, DfuStatus::OK));
        rom.answer(Micros::ZERO, &command::abort(0));
        let block = bytes(rom.answer(Micros::ZERO, &command::upload(0, 4, 1024)));
        assert_eq!(block, rom.memory.read(Address(0x0800_4800), 1024).unwrap());
        assert_eq!(status(&mut rom, Micros::ZERO).state, DfuState::UPLOAD_IDLE);
    }

    #[test]
    fn busy_lasts_as_long_as_the_work() {
        let mut rom = bootloader("f40x-v9");
        rom.answer(Micros::ZERO, &download(0, &[0x41, 0, 0, 0, 8]));
        assert_eq!(status(&mut rom, Micros::ZERO).poll_timeout, Micros::from_secs(1));
        assert_eq!(status(&mut rom, Micros::from_millis(400)).state, DfuState::DNBUSY);
        assert_eq!(status(&mut rom, Micros::from_secs(1)).state, DfuState::DNLOAD_IDLE);
        assert_eq!(rom.memory.read(Address(0x0800_0000), 4).unwrap(), [0xff; 4]);
    }

    #[test]
    fn an_address_outside_the_map_ends_in_err_target() {
        let mut rom = bootloader("f40x-v9");
        let ended = run(&mut rom, &command::set_address(0, Address(0x1ff0_f000)));
        assert_eq!((ended.state, ended.status), (DfuState::ERROR, DfuStatus::ERR_TARGET));
        rom.answer(Micros::ZERO, &command::clear_status(0));
        assert_eq!(status(&mut rom, Micros::ZERO).state, DfuState::IDLE);
    }

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
    fn leave_manifests_and_jumps_to_the_reset_vector() {
        let mut rom = bootloader("f40x-v9");
        rom.answer(Micros::ZERO, &download(0, &[]));
        let answer = rom.answer(Micros::ZERO, &command::get_status(0));
        assert_eq!(answer.departure.map(|(_, departure)| departure), Some(Departure::Jump(Address(0x0800_0201))));
        assert_eq!(StatusReply::parse(&bytes(answer)).unwrap().state, DfuState::MANIFEST);
    }

    #[test]
    fn requests_that_do_not_fit_the_state_stall_and_are_remembered() {
        let mut rom = bootloader("f40x-v9");
        rom.answer(Micros::ZERO, &command::set_address(0, Address(0x0800_0000)));
        assert_eq!(rom.answer(Micros::ZERO, &command::upload(0, 2, 64)).reply, RomReply::Stall);
        assert_eq!(status(&mut rom, Micros::ZERO).status, DfuStatus::ERR_STALLEDPKT);
    }

    #[test]
    fn some_roms_stall_getstatus_while_they_work() {
        let mut rom = bootloader("l47x-v10");
        rom.answer(Micros::ZERO, &download(0, &[0x41, 0, 0, 0, 8]));
        status(&mut rom, Micros::ZERO);
        assert_eq!(rom.answer(Micros(10), &command::get_status(0)).reply, RomReply::Stall);
        assert_eq!(status(&mut rom, Micros::from_secs(1)).state, DfuState::DNLOAD_IDLE);
    }

    #[test]
    fn short_writes_of_some_roms_lose_their_tail() {
        let mut rom = bootloader("l47x-v10");
        run(&mut rom, &command::set_address(0, Address(0x0808_0000)));
        run(&mut rom, &download(2, &[0xaa; 12]));
        assert_eq!(rom.memory.read(Address(0x0808_0004), 8).unwrap(), [0xaa, 0xaa, 0xaa, 0xaa, 0xff, 0xff, 0xff, 0xff]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_sequence_of_requests_panics(requests in prop::collection::vec(
            (prop::sample::select(vec![0x21_u8, 0xa1, 0x80, 0x00, 0x01, 0x81, 0x41]), 0..12_u8, 0..6_u16, 0..3_u16, prop::collection::vec(any::<u8>(), 0..9)), 1..30))
        {
            let mut rom = bootloader("f40x-v9");
            for (at, (request_type, number, value, index, bytes)) in requests.into_iter().enumerate() {
                let data = if request_type & 0x80 == 0 { DataStage::Out(bytes) } else { DataStage::In(bytes.len() as u16) };
                rom.answer(Micros(at as u64), &ControlRequest { request_type, request: number, value, index, data });
            }
        }
    }
}
