//! The transport of a DFU session: the one place through which every transfer passes, is checked, timed and recorded.

use crate::dfu::command;
use crate::dfu::operation::{DfuFault, FaultKind, Operation, Progress, Reply};
use crate::dfu::request::{ControlRequest, DataStage, UsbError, UsbErrorKind};
use crate::dfu::state::{DfuState, StatusReply};
use crate::dfu::whitelist::{self, Allowance};
use crate::observation::step::TransferRecord;
use crate::observation::units::{Address, Micros};

use super::usb_board::UsbBoard;

/// The wire for the time of one step.
#[derive(Debug)]
pub struct Wire<'a, B> {
    board: &'a mut B,
    allowance: Allowance<'a>,
    /// Where the session has set the address pointer in this step.
    pointer: Option<Address>,
    /// The moment at which the step has to be over.
    until: Micros,
    transfers: Vec<TransferRecord>,
    last_state: Option<DfuState>,
}

impl<'a, B: UsbBoard> Wire<'a, B> {
    /// How long a single transfer may take. A ROM answers within milliseconds; USB 2.0 allows up to 5 s.
    const TRANSFER_TIMEOUT: Micros = Micros::from_secs(2);

    pub fn new(board: &'a mut B, allowance: Allowance<'a>, deadline: Micros) -> Self {
        let until = board.now() + deadline;
        Self { board, allowance, pointer: None, until, transfers: Vec::new(), last_state: None }
    }

    pub fn board(&mut self) -> &mut B {
        self.board
    }

    pub fn into_transfers(self) -> Vec<TransferRecord> {
        self.transfers
    }

    /// The state that the device told last in this step.
    pub const fn last_state(&self) -> Option<DfuState> {
        self.last_state
    }

    /// What is left of the step's deadline.
    pub fn remaining(&self) -> Micros {
        self.until - self.board.now()
    }

    pub fn control(&mut self, request: &ControlRequest) -> Reply {
        let reply = self.transfer(request, |board, timeout| board.control(request, timeout));
        if let (Ok(_), Some(address)) = (&reply, command::address_set_by(request)) {
            self.pointer = Some(address);
        }
        if let (Ok(bytes), command::CLASS_IN, command::GETSTATUS) = (&reply, request.request_type, request.request) {
            self.last_state = StatusReply::parse(bytes).map(|answer| answer.state);
        }
        reply
    }

    pub fn set_alternate(&mut self, interface: u8, alternate: u8) -> Result<(), UsbError> {
        let request = ControlRequest {
            request_type: 0x01,
            request: command::SET_INTERFACE,
            value: alternate.into(),
            index: interface.into(),
            data: DataStage::Out(Vec::new()),
        };
        let sent = self.transfer(&request, |board, _| board.set_alternate(interface, alternate).map(|()| Vec::new()));
        sent.map(|_| ())
    }

    /// Drives an operation to its end, or to the end of the step's time.
    pub fn run<O: Operation>(&mut self, mut operation: O) -> Result<O::Output, DfuFault> {
        let mut reply = None;
        loop {
            match operation.advance(reply.take()) {
                Progress::Request(request) => reply = Some(self.control(&request)),
                Progress::Wait(span) if span >= self.remaining() => return Err(out_of_time().into()),
                Progress::Wait(span) => self.board.wait(span),
                Progress::Done(outcome) => return outcome,
            }
        }
    }

    fn transfer(&mut self, request: &ControlRequest, send: impl FnOnce(&mut B, Micros) -> Reply) -> Reply {
        if !whitelist::permits(self.allowance, request, self.pointer) {
            return Err(refused(request));
        }
        let remaining = self.remaining();
        if remaining == Micros::ZERO {
            return Err(out_of_time());
        }
        let began = self.board.now();
        let reply = send(self.board, remaining.min(Self::TRANSFER_TIMEOUT));
        let moved = match (&reply, &request.data) {
            (Ok(bytes), DataStage::In(_)) => bytes.len(),
            (Ok(_), DataStage::Out(data)) => data.len(),
            (Err(_), _) => 0,
        };
        self.transfers.push(TransferRecord {
            request: command::describe(request),
            elapsed: self.board.now() - began,
            length_bytes: u32::try_from(moved).unwrap_or(u32::MAX),
            code: reply.as_ref().err().map(|error| error.code.clone()),
        });
        reply
    }
}

/// The step's own deadline passed; no code of the host stands for that.
fn out_of_time() -> UsbError {
    UsbError { kind: UsbErrorKind::Timeout, code: "deadline of the step".to_owned() }
}

fn refused(request: &ControlRequest) -> UsbError {
    let code = format!("{} is not allowed in this step; it was not sent", command::describe(request));
    UsbError { kind: UsbErrorKind::NotAllowed, code }
}

/// The device does not speak DfuSe, so that a Set Address would be taken for firmware.
pub fn not_dfuse(version: Option<u16>) -> DfuFault {
    let code = match version {
        Some(version) => format!("bcdDFUVersion 0x{version:04X}, not DfuSe"),
        None => "no DFU functional descriptor".to_owned(),
    };
    DfuFault::new(FaultKind::Usb(UsbError { kind: UsbErrorKind::Other, code }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dfu::state::DfuState;
    use crate::dfu::upload::UploadRange;
    use crate::link::scripted_board::ScriptedBoard;
    use crate::observation::units::Address;

    #[test]
    fn what_is_not_allowed_is_never_sent() {
        let mut board = ScriptedBoard::default();
        board.open().unwrap();
        let mut wire = Wire::new(&mut board, Allowance::Observe, Micros::from_secs(1));
        let leave = ControlRequest { request: command::DNLOAD, ..command::abort(0) };
        let refusal = wire.control(&leave).unwrap_err();
        assert!(refusal.kind == UsbErrorKind::NotAllowed && refusal.code.contains("not allowed"));
        assert_eq!(wire.into_transfers(), []);
        assert_eq!(board.sent, []);
    }

    #[test]
    fn an_operation_ends_with_its_deadline() {
        let mut board = ScriptedBoard::default();
        board.open().unwrap();
        board.state = DfuState::DNBUSY;
        let mut wire = Wire::new(&mut board, Allowance::Observe, Micros::from_millis(50));
        let fault = wire.run(UploadRange::new(0, Address(0x0800_0000), 1024, 1024)).unwrap_err();
        assert_eq!(fault.code(), "deadline of the step");
        assert!(board.now() <= Micros::from_millis(60));
    }
}
