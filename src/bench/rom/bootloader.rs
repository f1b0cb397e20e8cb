//! The ROM bootloader on the bus: control requests in, answers and their times out.
//!
//! What a DFU request does to the state is in `states`, what a download sets going in `work`.

use super::coprocessor::Coprocessor;
use super::descriptors::Descriptors;
use super::memory::{KeptMemory, Memory};
use super::protection::{Protection, ReadOut};
use super::sheet::RomModel;
use super::upgrade_service::{Kept, UpgradeService};
use super::work::UnderWay;
use crate::bench::surroundings::Runs;
use crate::dfu::command::{
    ABORT, CLASS_IN, CLASS_OUT, CLRSTATUS, DNLOAD, GET_CONFIGURATION, GET_DESCRIPTOR, GET_INTERFACE,
    GET_STATUS_STANDARD, GETSTATE, GETSTATUS, SET_INTERFACE, UPLOAD,
};
use crate::dfu::request::{ControlRequest, DataStage};
use crate::dfu::state::{DfuState, DfuStatus};
use crate::observation::units::{Address, Micros, Millivolts};

/// How the ROM answers one control request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RomReply {
    /// What goes to the host; empty for requests that carry data to the device.
    Data(Vec<u8>),
    Stall,
    /// The core is stuck; the USB block says NAK for ever.
    Hang,
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

/// The state of a ROM bootloader that is on the bus.
#[derive(Clone, Debug)]
pub struct Bootloader {
    pub(super) rom: RomModel,
    descriptors: Descriptors,
    pub(super) memory: Memory,
    pub(super) protection: Protection,
    pub(super) state: DfuState,
    pub(super) status: DfuStatus,
    pub(super) pointer: Address,
    alternate: u8,
    /// A download that waits for GETSTATUS.
    pub(super) pending: Option<(u16, Vec<u8>)>,
    pub(super) work: Option<UnderWay>,
    /// Flash is still at work though the ROM has said that it is done.
    pub(super) busy_until: Micros,
    /// On a WB: what runs on its other core.
    pub(super) service: Option<UpgradeService>,
}

/// The ROM answers a request that needs no memory within a few instructions; not documented, chosen.
const QUICK: Micros = Micros(20);
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
            busy_until: Micros::ZERO,
            service: None,
        }
    }

    #[must_use]
    pub fn with_coprocessor(mut self, coprocessor: Coprocessor) -> Self {
        self.service = Some(UpgradeService::new(coprocessor, self.rom.sheet.flash, &mut self.memory));
        self
    }

    pub const fn rom(&self) -> &RomModel {
        &self.rom
    }

    pub const fn memory(&self) -> &Memory {
        &self.memory
    }

    /// What the part does with its option bytes at every start.
    pub fn load_options(&mut self, from_power_on: bool) {
        if from_power_on || !self.rom.sheet.quirks.unprotect_needs_power_cycle {
            self.protection.load(&self.memory, &self.rom.option_layout);
        }
    }

    /// Fields that came through the flash controller; a WB's secure ones are its coprocessor's alone.
    pub fn store_options(&mut self, fields: &[(String, u32)]) {
        let layout = &self.rom.option_layout;
        for (name, value) in fields {
            let secure = layout.place(name).is_some_and(UpgradeService::keeps_options_at);
            if self.service.is_none() || !secure {
                layout.write(&mut self.memory, name, *value);
            }
        }
    }

    pub const fn service(&self) -> Option<&UpgradeService> {
        self.service.as_ref()
    }

    /// Lets the coprocessor work until now; true if the part resets.
    pub fn serve(&mut self, at: Micros, supply: Millivolts) -> bool {
        self.service.as_mut().is_some_and(|service| service.work(at, supply, &mut self.memory))
    }

    pub fn restore(&mut self, memory: &KeptMemory, service: Option<Kept>) {
        self.memory.restore(memory);
        if let (Some(own), Some(kept)) = (&mut self.service, service) {
            own.restore(kept, &mut self.memory);
        }
    }

    /// The part resets, and nobody told the coprocessor.
    pub fn cut_off_service(&mut self) {
        if let Some(service) = &mut self.service {
            service.cut_off(&mut self.memory);
        }
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
        self.busy_until = Micros::ZERO;
    }

    /// What comes of a start, as far as the ROM and its option bytes decide it.
    pub const fn runs(&self, from_power_on: bool) -> Runs {
        let quirks = self.rom.sheet.quirks;
        match self.protection.read_out {
            ReadOut::Level2 if !quirks.answers_at_level_2 => Runs::SomethingElse,
            ReadOut::Level1 | ReadOut::Level2 if quirks.loops_when_protected => Runs::Restarts,
            _ if quirks.needs_second_reset && from_power_on => Runs::ServesNobody { pull_up: false },
            _ => Runs::UsbBootloader,
        }
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

    pub(super) fn refuse(&mut self, status: DfuStatus) -> RomAnswer {
        self.state = DfuState::ERROR;
        self.status = status;
        self.pending = None;
        stall()
    }
}

pub(super) fn data(bytes: Vec<u8>) -> RomAnswer {
    RomAnswer { reply: RomReply::Data(bytes), busy: QUICK, departure: None, flash_work: Micros::ZERO }
}

pub(super) fn hang() -> RomAnswer {
    RomAnswer { reply: RomReply::Hang, busy: QUICK, departure: None, flash_work: Micros::ZERO }
}

pub(super) fn stall() -> RomAnswer {
    RomAnswer { reply: RomReply::Stall, busy: QUICK, departure: None, flash_work: Micros::ZERO }
}

fn wanted_bytes(request: &ControlRequest) -> usize {
    match request.data {
        DataStage::In(length) => usize::from(length),
        DataStage::Out(_) => 0,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::bench::rom::sheet::by_name;
    use crate::dfu::command;
    use crate::dfu::state::StatusReply;
    use proptest::prelude::*;

    const SERIAL: &str = "325E35633334";

    pub fn bootloader(rom: &str) -> Bootloader {
        let rom = by_name(rom, false).unwrap().unwrap();
        let memory = Memory::new(&rom, 64 * 1024, 1);
        Bootloader::new(rom, SERIAL, memory, Protection::default())
    }

    pub fn protected(rom: &str, protection: Protection) -> Bootloader {
        Bootloader { protection, ..bootloader(rom) }
    }

    pub fn bytes(answer: RomAnswer) -> Vec<u8> {
        let RomReply::Data(bytes) = answer.reply else { panic!("the ROM stalled") };
        bytes
    }

    pub fn status(rom: &mut Bootloader, at: Micros) -> StatusReply {
        StatusReply::parse(&bytes(rom.answer(at, &command::get_status(0)))).unwrap()
    }

    pub fn download(block: u16, data: &[u8]) -> ControlRequest {
        ControlRequest { value: block, data: DataStage::Out(data.to_vec()), ..command::set_address(0, Address(0)) }
    }

    /// Sends a download, starts it, waits as told and returns how it ended.
    pub fn run(rom: &mut Bootloader, request: &ControlRequest) -> StatusReply {
        assert_eq!(rom.answer(Micros::ZERO, request).reply, RomReply::Data(Vec::new()));
        let busy = status(rom, Micros::ZERO);
        assert_eq!(busy.state, DfuState::DNBUSY);
        status(rom, Micros::from_secs(60))
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
