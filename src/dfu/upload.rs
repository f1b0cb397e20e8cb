//! Reading memory: a range in blocks, and everything readable behind one alternate setting.

use crate::observation::units::Address;

use super::command::{self, FIRST_DATA_BLOCK};
use super::layout::{Group, Layout};
use super::operation::{
    Command, DfuFault, FaultKind, Operation, Progress, Reply, ToIdle, device_may_explain, status_of,
};
use super::request::UsbError;
use super::state::DfuState;

/// Reads `length_bytes` from `address`.
///
/// The ROM computes the address of a block as `(block - 2) * length of this transfer + pointer`, so a shorter last block
/// would be read from the wrong place; the pointer is set again for it.
#[derive(Debug)]
pub struct UploadRange {
    interface: u8,
    /// The next byte to read.
    address: Address,
    remaining: u32,
    transfer_bytes: u16,
    block: u16,
    data: Vec<u8>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Idle(ToIdle),
    Point(Command),
    /// Out of dfuDNLOAD-IDLE, in which the ROM refuses UPLOAD.
    Ready(ToIdle),
    Transfer,
    Explain(UsbError),
    Finish(ToIdle),
}

impl UploadRange {
    /// The least that the ROM sends.
    const LEAST_BYTES: u16 = 2;

    pub fn new(interface: u8, address: Address, length_bytes: u32, transfer_bytes: u16) -> Self {
        Self {
            interface,
            address,
            remaining: length_bytes,
            transfer_bytes: transfer_bytes.max(Self::LEAST_BYTES),
            block: FIRST_DATA_BLOCK,
            data: Vec::new(),
            stage: Stage::Idle(ToIdle::new(interface)),
        }
    }

    /// What the next transfer asks for.
    fn block_bytes(&self) -> u16 {
        let rest = u16::try_from(self.remaining).unwrap_or(u16::MAX);
        self.transfer_bytes.min(rest).max(Self::LEAST_BYTES)
    }

    fn transfer(&mut self) -> Progress<Vec<u8>> {
        self.stage = Stage::Transfer;
        Progress::Request(command::upload(self.interface, self.block, self.block_bytes()))
    }

    fn lead_to_idle(&mut self, stage: fn(ToIdle) -> Stage) -> Progress<Vec<u8>> {
        self.stage = stage(ToIdle::new(self.interface));
        self.advance(None)
    }

    fn received(&mut self, bytes: &[u8]) -> Progress<Vec<u8>> {
        let asked = usize::from(self.block_bytes());
        if bytes.len() < asked {
            let short = FaultKind::Short { got: bytes.len(), asked };
            return Progress::Done(Err(DfuFault::new(short).at(self.address)));
        }
        let wanted = asked.min(self.remaining as usize);
        self.data.extend(&bytes[..wanted]);
        self.remaining -= wanted as u32;
        self.address = Address(self.address.0.wrapping_add(wanted as u32));
        if self.remaining == 0 {
            return self.lead_to_idle(Stage::Finish);
        }
        match self.block.checked_add(1) {
            Some(block) if self.block_bytes() == self.transfer_bytes => {
                self.block = block;
                self.transfer()
            }
            _ => {
                self.block = FIRST_DATA_BLOCK;
                self.lead_to_idle(Stage::Idle)
            }
        }
    }

    fn explained(&self, error: &UsbError, reply: Reply) -> DfuFault {
        let kind = match status_of(reply) {
            Ok(answer) if answer.state == DfuState::ERROR => {
                FaultKind::Status { status: answer.status, after: Some(error.clone()) }
            }
            _ => FaultKind::Usb(error.clone()),
        };
        DfuFault::new(kind).at(self.address)
    }

    /// What follows a stage that ended well.
    fn follow(&mut self) -> Progress<Vec<u8>> {
        match self.stage {
            Stage::Idle(_) => {
                self.stage = Stage::Point(Command::set_address(self.interface, self.address));
                self.advance(None)
            }
            Stage::Point(_) => self.lead_to_idle(Stage::Ready),
            Stage::Ready(_) => self.transfer(),
            Stage::Transfer | Stage::Explain(_) | Stage::Finish(_) => {
                Progress::Done(Ok(std::mem::take(&mut self.data)))
            }
        }
    }

    fn after<T>(&mut self, progress: Progress<T>) -> Progress<Vec<u8>> {
        match progress {
            Progress::Request(request) => Progress::Request(request),
            Progress::Wait(span) => Progress::Wait(span),
            Progress::Done(Ok(_)) => self.follow(),
            Progress::Done(Err(fault)) => Progress::Done(Err(fault.at(self.address))),
        }
    }
}

impl Operation for UploadRange {
    type Output = Vec<u8>;

    fn advance(&mut self, reply: Option<Reply>) -> Progress<Vec<u8>> {
        match &mut self.stage {
            Stage::Idle(to_idle) | Stage::Ready(to_idle) | Stage::Finish(to_idle) => {
                let progress = to_idle.advance(reply);
                self.after(progress)
            }
            Stage::Point(set_address) => {
                let progress = set_address.advance(reply);
                self.after(progress)
            }
            Stage::Transfer => match reply {
                Some(Ok(bytes)) => self.received(&bytes),
                Some(Err(error)) if device_may_explain(&error) => {
                    self.stage = Stage::Explain(error);
                    Progress::Request(command::get_status(self.interface))
                }
                Some(Err(error)) => Progress::Done(Err(DfuFault::from(error).at(self.address))),
                None => self.transfer(),
            },
            Stage::Explain(error) => {
                let error = error.clone();
                let fault = reply.map_or_else(|| DfuFault::from(error.clone()), |reply| self.explained(&error, reply));
                Progress::Done(Err(fault))
            }
        }
    }
}

/// Bytes read from one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryBlock {
    pub address: Address,
    pub bytes: Vec<u8>,
}

/// Reads everything readable behind the current alternate setting, as its layout string describes it.
#[derive(Debug)]
pub struct ReadAlternate {
    interface: u8,
    transfer_bytes: u16,
    /// Still to be read, last first.
    pending: Vec<Group>,
    current: Option<(Address, UploadRange)>,
    blocks: Vec<MemoryBlock>,
}

impl ReadAlternate {
    /// More than any option-byte or OTP area; a layout string that claims more is not believed.
    pub const MOST_BYTES: u64 = 64 * 1024;

    pub fn new(interface: u8, layout: &Layout, transfer_bytes: u16) -> Self {
        let mut pending: Vec<_> = layout.groups.iter().filter(|group| group.readable_bytes() > 0).cloned().collect();
        pending.reverse();
        Self { interface, transfer_bytes, pending, current: None, blocks: Vec::new() }
    }

    fn next_group(&mut self) -> Progress<Vec<MemoryBlock>> {
        let Some(group) = self.pending.pop() else { return Progress::Done(Ok(std::mem::take(&mut self.blocks))) };
        let length_bytes = group.readable_bytes().min(Self::MOST_BYTES) as u32;
        let upload = UploadRange::new(self.interface, group.address, length_bytes, self.transfer_bytes);
        self.current = Some((group.address, upload));
        self.advance(None)
    }
}

impl Operation for ReadAlternate {
    type Output = Vec<MemoryBlock>;

    fn advance(&mut self, reply: Option<Reply>) -> Progress<Vec<MemoryBlock>> {
        let Some((address, upload)) = &mut self.current else { return self.next_group() };
        match upload.advance(reply) {
            Progress::Request(request) => Progress::Request(request),
            Progress::Wait(span) => Progress::Wait(span),
            Progress::Done(Ok(bytes)) => {
                self.blocks.push(MemoryBlock { address: *address, bytes });
                self.next_group()
            }
            Progress::Done(Err(fault)) => Progress::Done(Err(fault)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dfu::request::{ControlRequest, DataStage, UsbErrorKind};
    use crate::dfu::state::{DfuStatus, StatusReply};
    use crate::observation::failure::FailureClass;
    use crate::observation::field_text::FieldText;
    use crate::observation::units::Micros;
    use proptest::prelude::*;

    /// A device with the ROM's address rule: every byte of memory is a hash of its address.
    struct Rom {
        pointer: u32,
        state: DfuState,
        status: DfuStatus,
        busy: bool,
        protected: bool,
        uploads: Vec<(u16, usize)>,
    }

    fn byte_at(address: u32) -> u8 {
        (address.wrapping_mul(0x9e37_79b1) >> 24) as u8
    }

    impl Rom {
        fn new() -> Self {
            Self {
                pointer: 0x0800_0000,
                state: DfuState::IDLE,
                status: DfuStatus::OK,
                busy: false,
                protected: false,
                uploads: Vec::new(),
            }
        }

        fn answer(&mut self, request: &ControlRequest) -> Reply {
            match (request.request, &request.data) {
                (command::GETSTATUS, _) => {
                    let state = if std::mem::take(&mut self.busy) { DfuState::DNBUSY } else { self.state };
                    let poll_timeout = Micros::ZERO;
                    Ok(StatusReply { status: self.status, poll_timeout, state, string_index: 0 }.to_bytes().to_vec())
                }
                (command::ABORT | command::CLRSTATUS, _) => {
                    (self.state, self.status) = (DfuState::IDLE, DfuStatus::OK);
                    Ok(vec![])
                }
                (command::DNLOAD, DataStage::Out(data)) => {
                    self.pointer = u32::from_le_bytes(data[1..5].try_into().unwrap());
                    (self.state, self.busy) = (DfuState::DNLOAD_IDLE, true);
                    Ok(vec![])
                }
                (command::UPLOAD, DataStage::In(length)) => self.upload(request.value, *length),
                other => panic!("unexpected request {other:?}"),
            }
        }

        fn upload(&mut self, block: u16, length: u16) -> Reply {
            assert!(matches!(self.state, DfuState::IDLE | DfuState::UPLOAD_IDLE), "UPLOAD in {}", self.state);
            if self.protected {
                (self.state, self.status) = (DfuState::ERROR, DfuStatus::ERR_VENDOR);
                return Err(UsbError { kind: UsbErrorKind::Stall, code: "LIBUSB_ERROR_PIPE".to_owned() });
            }
            self.state = DfuState::UPLOAD_IDLE;
            self.uploads.push((block, length.into()));
            let first = self.pointer + u32::from(block - 2) * u32::from(length);
            Ok((first..first + u32::from(length)).map(byte_at).collect())
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

    #[test]
    fn the_pointer_is_set_again_for_a_short_last_block() {
        let mut rom = Rom::new();
        rom.run(UploadRange::new(0, Address(0x0800_0000), 2100, 1024)).unwrap();
        assert_eq!(rom.uploads, [(2, 1024), (3, 1024), (2, 52)]);
        assert_eq!(rom.pointer, 0x0800_0800);
        assert_eq!(rom.state, DfuState::IDLE);
    }

    #[test]
    fn the_device_says_why_it_refused() {
        let mut rom = Rom { protected: true, ..Rom::new() };
        let fault = rom.run(UploadRange::new(0, Address(0x0800_0000), 1024, 1024)).unwrap_err();
        assert_eq!((fault.class(), fault.address), (FailureClass::Protected, Some(Address(0x0800_0000))));
        assert_eq!(fault.code(), "errVENDOR after LIBUSB_ERROR_PIPE");
        assert_eq!(rom.state, DfuState::ERROR, "the error stays for whoever wants to look");
    }

    #[test]
    fn every_group_of_an_area_is_read() {
        let text = "@Option Bytes   /0x1FFF7800/01*048 e/0x1FFFF800/01*048 e";
        let blocks = Rom::new().run(ReadAlternate::new(0, &Layout::parse(&FieldText::from(text)), 2048)).unwrap();
        let places: Vec<_> = blocks.iter().map(|block| (block.address, block.bytes.len())).collect();
        assert_eq!(places, [(Address(0x1fff_7800), 48), (Address(0x1fff_f800), 48)]);
        assert_eq!(blocks[1].bytes[0], byte_at(0x1fff_f800));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_range_reads_what_is_there(offset in 0u32..5_000, length in 1u32..5_000, transfer in 2u16..2_049) {
            let start = 0x0800_0000 + offset;
            let read = Rom::new().run(UploadRange::new(0, Address(start), length, transfer)).unwrap();
            prop_assert_eq!(read, (start..start + length).map(byte_at).collect::<Vec<_>>());
        }
    }
}
