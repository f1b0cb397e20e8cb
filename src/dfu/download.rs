//! Operations that alter: erasing sectors and downloading blocks. The address rule is the ROM's, as in `upload`.

use crate::observation::units::Address;

use super::command::{self, FIRST_DATA_BLOCK};
use super::operation::{Command, DfuFault, FaultKind, Operation, Progress, Reply, ToIdle};
use super::state::DfuState;

/// Flash of the newer parts is programmed in double-words; ROMs of older ones lose what does not fill one.
const WRITE_UNIT_BYTES: u32 = 8;

/// How much flash a download of so many bytes fills; whoever allows it has to allow that.
pub fn filled_bytes(length_bytes: u32) -> u32 {
    length_bytes.checked_next_multiple_of(WRITE_UNIT_BYTES).unwrap_or(u32::MAX)
}

/// Erases sectors one by one, each to its end.
#[derive(Debug)]
pub struct EraseSectors {
    interface: u8,
    /// Last first.
    pending: Vec<Address>,
    stage: Stage,
    /// Sectors after which the device stayed busy and was led out.
    led_out: usize,
}

#[derive(Debug)]
enum Stage {
    Idle(ToIdle),
    Work(Command),
    LeadOut,
    Finish(ToIdle),
}

impl EraseSectors {
    pub fn new(interface: u8, mut sectors: Vec<Address>) -> Self {
        sectors.reverse();
        Self { interface, pending: sectors, stage: Stage::Idle(ToIdle::new(interface)), led_out: 0 }
    }

    fn next(&mut self) -> Progress<usize> {
        self.stage = match (self.pending.pop(), &self.stage) {
            (_, Stage::Finish(_)) => return Progress::Done(Ok(self.led_out)),
            (Some(sector), _) => Stage::Work(Command::erase(self.interface, sector)),
            (None, _) => Stage::Finish(ToIdle::new(self.interface)),
        };
        self.advance(None)
    }
}

impl Operation for EraseSectors {
    /// After so many sectors the device stayed busy although it must have been done; whether it was is for a reading to tell.
    type Output = usize;

    fn advance(&mut self, reply: Option<Reply>) -> Progress<usize> {
        let progress = match &mut self.stage {
            Stage::Idle(to_idle) | Stage::Finish(to_idle) => done(to_idle.advance(reply)),
            Stage::Work(command) => command.advance(reply),
            Stage::LeadOut => {
                self.stage = Stage::Idle(ToIdle::new(self.interface));
                return reply
                    .and_then(Result::err)
                    .map_or_else(|| self.advance(None), |error| Progress::Done(Err(error.into())));
            }
        };
        match progress {
            Progress::Done(Ok(())) => self.next(),
            Progress::Done(Err(fault)) if fault.kind == FaultKind::UnexpectedState(DfuState::DNBUSY) => {
                self.led_out += 1;
                self.stage = Stage::LeadOut;
                Progress::Request(command::clear_status(self.interface))
            }
            Progress::Done(Err(fault)) => Progress::Done(Err(fault)),
            Progress::Request(request) => Progress::Request(request),
            Progress::Wait(span) => Progress::Wait(span),
        }
    }
}

/// Downloads bytes to consecutive addresses. The last block is padded with ones to whole double-words.
#[derive(Debug)]
pub struct DownloadRange {
    interface: u8,
    transfer_bytes: u16,
    address: Address,
    data: Vec<u8>,
    /// Of the data, how much has been sent.
    sent: usize,
    block: u16,
    stage: WriteStage,
}

#[derive(Debug)]
enum WriteStage {
    Idle(ToIdle),
    Point(Command),
    Block(Command, usize),
    Finish(ToIdle),
}

impl DownloadRange {
    pub fn new(interface: u8, address: Address, mut data: Vec<u8>, transfer_bytes: u16) -> Self {
        const UNIT: usize = WRITE_UNIT_BYTES as usize;
        data.resize(data.len().next_multiple_of(UNIT), 0xff);
        let whole_units = (usize::from(transfer_bytes) / UNIT * UNIT).max(UNIT);
        let stage = WriteStage::Idle(ToIdle::new(interface));
        Self { interface, transfer_bytes: whole_units as u16, address, data, sent: 0, block: FIRST_DATA_BLOCK, stage }
    }

    /// An option-byte area goes in one block whose length is the area's.
    pub fn whole(interface: u8, address: Address, data: Vec<u8>) -> Self {
        let transfer_bytes = u16::try_from(data.len()).unwrap_or(u16::MAX);
        let stage = WriteStage::Idle(ToIdle::new(interface));
        Self { interface, transfer_bytes, address, data, sent: 0, block: FIRST_DATA_BLOCK, stage }
    }

    fn at(&self) -> Address {
        Address(self.address.0.wrapping_add(self.sent as u32))
    }

    /// The pointer is set at the start, before a shorter last block, and when block numbers run out.
    fn next(&mut self) -> Progress<()> {
        let rest = self.data.len() - self.sent;
        let length = rest.min(self.transfer_bytes.into());
        self.stage = match &self.stage {
            WriteStage::Finish(_) => return Progress::Done(Ok(())),
            WriteStage::Idle(_) => {
                self.block = FIRST_DATA_BLOCK;
                WriteStage::Point(Command::set_address(self.interface, self.at()))
            }
            WriteStage::Point(_) | WriteStage::Block(..) if rest == 0 => {
                WriteStage::Finish(ToIdle::new(self.interface))
            }
            WriteStage::Block(_, before) if length < *before || self.block == u16::MAX => {
                WriteStage::Idle(ToIdle::new(self.interface))
            }
            WriteStage::Point(_) | WriteStage::Block(..) => {
                let data = self.data[self.sent..self.sent + length].to_vec();
                WriteStage::Block(Command::block(self.interface, self.block, data, self.at()), length)
            }
        };
        self.advance(None)
    }
}

impl Operation for DownloadRange {
    type Output = ();

    fn advance(&mut self, reply: Option<Reply>) -> Progress<()> {
        let progress = match &mut self.stage {
            WriteStage::Idle(to_idle) | WriteStage::Finish(to_idle) => done(to_idle.advance(reply)),
            WriteStage::Point(command) => command.advance(reply),
            WriteStage::Block(command, length) => {
                let progress = command.advance(reply);
                if progress == Progress::Done(Ok(())) {
                    self.sent += *length;
                    self.block = self.block.saturating_add(1);
                }
                progress
            }
        };
        if progress == Progress::Done(Ok(())) { self.next() } else { progress }
    }
}

/// A command to the upgrade service. Whether it was taken is all that can be known: the device may leave at any moment.
#[derive(Debug)]
pub struct ServiceCommand {
    interface: u8,
    command: u8,
    to_idle: Option<ToIdle>,
    asked: bool,
}

impl ServiceCommand {
    pub fn new(interface: u8, command: u8) -> Self {
        Self { interface, command, to_idle: Some(ToIdle::new(interface)), asked: false }
    }
}

impl Operation for ServiceCommand {
    type Output = ();

    fn advance(&mut self, reply: Option<Reply>) -> Progress<()> {
        if let Some(to_idle) = &mut self.to_idle {
            return match done(to_idle.advance(reply)) {
                Progress::Done(Ok(())) => {
                    self.to_idle = None;
                    Progress::Request(command::upgrade_service(self.interface, self.command))
                }
                other => other,
            };
        }
        match (self.asked, reply) {
            (false, Some(Err(error))) => Progress::Done(Err(DfuFault::from(error))),
            // GETSTATUS is what sets a download to work.
            (false, _) => {
                self.asked = true;
                Progress::Request(command::get_status(self.interface))
            }
            (true, _) => Progress::Done(Ok(())),
        }
    }
}

fn done<T>(progress: Progress<T>) -> Progress<()> {
    match progress {
        Progress::Request(request) => Progress::Request(request),
        Progress::Wait(span) => Progress::Wait(span),
        Progress::Done(outcome) => Progress::Done(outcome.map(drop)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dfu::alter_scope::AlterScope;
    use crate::dfu::layout::Layout;
    use crate::dfu::request::{ControlRequest, DataStage, UsbError, UsbErrorKind};
    use crate::dfu::state::{DfuState, DfuStatus, StatusReply};
    use crate::dfu::whitelist::{self, Allowance};
    use crate::observation::alteration::{Alteration, Payload, Place};
    use crate::observation::board::BoardIdentity;
    use crate::observation::permit::{AlterClaim, AlterPermit};
    use crate::observation::units::Micros;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// A ROM's flash by its rules: blank until written, busy once for each download, GETSTATUS stalls while it works.
    #[derive(Default)]
    struct Rom {
        pointer: u32,
        flash: BTreeMap<u32, u8>,
        pending: Option<(u16, Vec<u8>)>,
        state: Option<DfuState>,
        blocks: Vec<(u16, usize)>,
        erased: Vec<u32>,
        stalls: u32,
        refuses: bool,
        stays_busy: bool,
        allowed: Option<AlterScope>,
    }

    fn permit() -> AlterPermit {
        let board = BoardIdentity { port: "1-1".parse().ok(), ..BoardIdentity::default() };
        AlterPermit::grant(&AlterClaim::new(true, "1-1").unwrap(), &board, &[]).unwrap()
    }

    impl Rom {
        /// Takes only what the scope of the alteration allows.
        fn allowing(alteration: &Alteration) -> Self {
            let layouts = ["@Internal Flash  /0x08000000/04*016Kg", "@Option Bytes  /0x1FFFC000/01*016 e"];
            let layouts = layouts.map(|text| Layout::parse(&text.into()));
            Self { allowed: Some(AlterScope::of(alteration, &layouts).unwrap()), ..Self::default() }
        }

        fn answer(&mut self, request: &ControlRequest) -> Reply {
            if let Some(scope) = &self.allowed {
                let (permit, pointer) = (permit(), Some(Address(self.pointer)));
                let allowed = whitelist::permits(Allowance::Alter(&permit, scope), request, pointer);
                assert!(allowed, "{} at {}", command::describe(request), Address(self.pointer));
            }
            let state = self.state.unwrap_or(DfuState::IDLE);
            match (request.request, &request.data) {
                (command::GETSTATUS, _) if state == DfuState::DNBUSY && self.stalls > 0 => {
                    self.stalls -= 1;
                    Err(UsbError { kind: UsbErrorKind::Stall, code: "LIBUSB_ERROR_PIPE".to_owned() })
                }
                (command::GETSTATUS, _) => Ok(self.status().to_bytes().to_vec()),
                (command::ABORT | command::CLRSTATUS, _) => {
                    let is_busy = state == DfuState::DNBUSY;
                    self.state = Some(if is_busy { DfuState::ERROR } else { DfuState::IDLE });
                    Ok(vec![])
                }
                (command::DNLOAD, DataStage::Out(data)) => {
                    assert!(matches!(state, DfuState::IDLE | DfuState::DNLOAD_IDLE), "DNLOAD in {state}");
                    self.pending = Some((request.value, data.clone()));
                    self.state = Some(DfuState::DNLOAD_SYNC);
                    Ok(vec![])
                }
                other => panic!("unexpected request {other:?}"),
            }
        }

        fn status(&mut self) -> StatusReply {
            let mut status = DfuStatus::OK;
            let state = match self.state.unwrap_or(DfuState::IDLE) {
                DfuState::DNLOAD_SYNC => {
                    self.work();
                    DfuState::DNBUSY
                }
                DfuState::DNBUSY if self.refuses => {
                    status = DfuStatus::ERR_VENDOR;
                    DfuState::ERROR
                }
                DfuState::DNBUSY if self.stays_busy => DfuState::DNBUSY,
                DfuState::DNBUSY => DfuState::DNLOAD_IDLE,
                other => other,
            };
            self.state = Some(state);
            StatusReply { status, poll_timeout: Micros::from_millis(1), state, string_index: 0 }
        }

        fn work(&mut self) {
            let (block, data) = self.pending.take().unwrap();
            match (block, data.as_slice()) {
                (0, [0x21, address @ ..]) => self.pointer = u32::from_le_bytes(address.try_into().unwrap()),
                (0, [0x41, address @ ..]) => self.erased.push(u32::from_le_bytes(address.try_into().unwrap())),
                (block, data) => {
                    self.blocks.push((block, data.len()));
                    let first = self.pointer + u32::from(block - 2) * data.len() as u32;
                    self.flash.extend((first..).zip(data.iter().copied()));
                }
            }
        }

        fn run<O: Operation>(&mut self, mut operation: O) -> Result<O::Output, DfuFault> {
            let mut reply = None;
            loop {
                match operation.advance(reply.take()) {
                    Progress::Request(request) => reply = Some(self.answer(&request)),
                    Progress::Wait(_) => {}
                    Progress::Done(outcome) => return outcome,
                }
            }
        }
    }

    const FLASH: u32 = 0x0800_0000;

    #[test]
    fn sectors_are_erased_in_order_and_the_device_is_left_idle() {
        let mut rom = Rom::default();
        rom.run(EraseSectors::new(0, vec![Address(FLASH), Address(FLASH + 0x4000)])).unwrap();
        assert_eq!(rom.erased, [FLASH, FLASH + 0x4000]);
        assert_eq!(rom.state, Some(DfuState::IDLE));
    }

    /// As the H743's ROM of versions 9.x does.
    #[test]
    fn a_device_that_stays_busy_after_an_erase_is_led_out() {
        let mut rom = Rom { stays_busy: true, ..Rom::default() };
        assert_eq!(rom.run(EraseSectors::new(0, vec![Address(FLASH), Address(FLASH + 0x2_0000)])).unwrap(), 2);
        assert_eq!((rom.erased.len(), rom.state), (2, Some(DfuState::IDLE)));
        // A run that was cut off left it so.
        rom.state = Some(DfuState::DNBUSY);
        assert_eq!(rom.run(EraseSectors::new(0, vec![])).unwrap(), 0);
        assert_eq!(rom.state, Some(DfuState::IDLE));
    }

    #[test]
    fn a_status_that_stalls_while_the_device_is_busy_is_asked_again() {
        let mut rom = Rom { stalls: 3, ..Rom::default() };
        rom.run(EraseSectors::new(0, vec![Address(FLASH)])).unwrap();
        let mut deaf = Rom { stalls: 4, ..Rom::default() };
        assert_eq!(deaf.run(EraseSectors::new(0, vec![Address(FLASH)])).unwrap_err().code(), "LIBUSB_ERROR_PIPE");
    }

    #[test]
    fn the_pointer_is_set_again_for_a_short_last_block() {
        let mut rom = Rom::default();
        rom.run(DownloadRange::new(0, Address(FLASH), vec![7; 2100], 1024)).unwrap();
        assert_eq!(rom.blocks, [(2, 1024), (3, 1024), (2, 56)]);
        assert_eq!((rom.flash[&(FLASH + 2099)], rom.flash[&(FLASH + 2103)]), (7, 0xff));
    }

    #[test]
    fn an_area_of_option_bytes_goes_in_one_block() {
        let mut rom = Rom::default();
        rom.run(DownloadRange::whole(0, Address(0x1fff_c000), vec![1; 16])).unwrap();
        assert_eq!(rom.blocks, [(2, 16)]);
    }

    #[test]
    fn a_refusal_names_the_address_of_its_block() {
        let mut rom = Rom { refuses: true, ..Rom::default() };
        let fault = rom.run(EraseSectors::new(0, vec![Address(FLASH + 0x4000)])).unwrap_err();
        assert_eq!((fault.code().as_str(), fault.address), ("errVENDOR", Some(Address(FLASH + 0x4000))));
    }

    /// Lengths that fill no double-word, and end within one, two and all sectors.
    #[test]
    fn whatever_its_length_an_alteration_stays_within_its_own_scope() {
        for length in [1, 7, 8, 9, 2044, 2049, 8204, 0x4001, 0xffff, 0x1_0000] {
            let (place, address, data) = (Place::Image, Address(FLASH), Payload::new(vec![7; length]));
            for transfer in [9, 64, 2048] {
                let download = DownloadRange::new(0, address, data.bytes().to_vec(), transfer);
                let write = Alteration::Write { place, address, data: data.clone() };
                Rom::allowing(&write).run(download).unwrap();
                let download = DownloadRange::new(0, address, data.bytes().to_vec(), transfer);
                Rom::allowing(&Alteration::Restore { address, data: data.clone() }).run(download).unwrap();
            }
            let sectors = (0..length.div_ceil(0x4000) as u32).map(|number| Address(FLASH + 0x4000 * number));
            let erase = Alteration::Erase { place, address, length_bytes: data.len_bytes() };
            Rom::allowing(&erase).run(EraseSectors::new(0, sectors.collect())).unwrap();
        }
        let (address, data) = (Address(0x1fff_c000), Payload::new(vec![1; 13]));
        let download = DownloadRange::whole(0, address, data.bytes().to_vec());
        Rom::allowing(&Alteration::OptionBytes { address, data }).run(download).unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_bytes_arrive_where_they_belong(data in prop::collection::vec(any::<u8>(), 1..5_000), transfer in 8u16..2_049) {
            let mut rom = Rom::default();
            rom.run(DownloadRange::new(0, Address(FLASH), data.clone(), transfer)).unwrap();
            let arrived: Vec<_> = (FLASH..FLASH + data.len() as u32).map(|at| rom.flash[&at]).collect();
            prop_assert_eq!(arrived, data);
            prop_assert!(rom.blocks.iter().all(|(_, length)| length % 8 == 0));
        }
    }
}
