//! Operations of a DFU host as state machines without I/O: each yields the next request or wait, and consumes the reply.

use crate::observation::failure::FailureClass;
use crate::observation::units::{Address, Micros};

use super::command;
use super::request::{ControlRequest, UsbError, UsbErrorKind};
use super::state::{DfuState, DfuStatus, StatusReply};

/// What the caller has to do next. After `Request` it passes the reply to the next call, otherwise none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress<T> {
    Request(ControlRequest),
    Wait(Micros),
    Done(Result<T, DfuFault>),
}

pub type Reply = Result<Vec<u8>, UsbError>;

pub trait Operation {
    type Output;
    fn advance(&mut self, reply: Option<Reply>) -> Progress<Self::Output>;
}

/// Why an operation did not do what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DfuFault {
    pub kind: FaultKind,
    /// Where in the target's memory, if it was about memory.
    pub address: Option<Address>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    Usb(UsbError),
    /// The device says that something failed; with the transfer error that made us ask, if there was one.
    Status {
        status: DfuStatus,
        after: Option<UsbError>,
    },
    UnexpectedState(DfuState),
    /// Fewer bytes than were asked for.
    Short {
        got: usize,
        asked: usize,
    },
}

impl DfuFault {
    pub const fn new(kind: FaultKind) -> Self {
        Self { kind, address: None }
    }

    #[must_use]
    pub const fn at(mut self, address: Address) -> Self {
        self.address = Some(address);
        self
    }

    pub fn class(&self) -> FailureClass {
        match &self.kind {
            FaultKind::Usb(error) => error.kind.class(),
            FaultKind::Status { status: DfuStatus::ERR_VENDOR, .. } => FailureClass::Protected,
            FaultKind::Status { status: DfuStatus::ERR_TARGET | DfuStatus::ERR_ADDRESS, .. } => {
                FailureClass::AddressRefused
            }
            FaultKind::Status { .. } => FailureClass::DfuStatus,
            FaultKind::UnexpectedState(_) => FailureClass::UnexpectedState,
            FaultKind::Short { .. } => FailureClass::ShortRead,
        }
    }

    /// The raw code as it came, with the transfer error where both are known.
    pub fn code(&self) -> String {
        match &self.kind {
            FaultKind::Usb(error) => error.code.clone(),
            FaultKind::Status { status, after: Some(error) } => format!("{status} after {}", error.code),
            FaultKind::Status { status, after: None } => status.to_string(),
            FaultKind::UnexpectedState(state) => state.to_string(),
            FaultKind::Short { got, asked } => format!("{got} of {asked} B"),
        }
    }
}

impl From<UsbError> for DfuFault {
    fn from(error: UsbError) -> Self {
        Self::new(FaultKind::Usb(error))
    }
}

/// Reads the answer to GETSTATUS.
pub fn status_of(reply: Reply) -> Result<StatusReply, DfuFault> {
    let bytes = reply?;
    let short = FaultKind::Short { got: bytes.len(), asked: StatusReply::LENGTH_BYTES };
    StatusReply::parse(&bytes).ok_or(DfuFault::new(short))
}

/// The slowest documented sector, 128 KB of an H743, takes 4 s to erase. Some ROMs of the H7 stay in dfuDNBUSY after an erase that is over, until
/// CLRSTATUS is sent twice: the first leads to dfuERROR, the second to dfuIDLE.
pub const LONGEST_BUSY: Micros = Micros::from_secs(8);

/// The wait a device asked for; never nothing, so that a device that asks for none cannot keep the host spinning.
fn patience(status: &StatusReply) -> Micros {
    status.poll_timeout.max(Micros::from_millis(1))
}

/// Brings the device to dfuIDLE from wherever it is, and says what was met on the way.
#[derive(Debug)]
pub struct ToIdle {
    interface: u8,
    met: Vec<StatusReply>,
    awaiting: Awaiting,
    busy_for: Micros,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaiting {
    Nothing,
    Status,
    Acknowledge,
}

impl ToIdle {
    /// More detours than any known ROM needs; a device that goes in circles is in an unexpected state.
    const MOST_DETOURS: usize = 8;

    pub fn new(interface: u8) -> Self {
        Self { interface, met: Vec::new(), awaiting: Awaiting::Nothing, busy_for: Micros::ZERO }
    }

    fn ask(&mut self) -> Progress<Vec<StatusReply>> {
        self.awaiting = Awaiting::Status;
        Progress::Request(command::get_status(self.interface))
    }

    fn lead_out(&mut self, status: StatusReply) -> Progress<Vec<StatusReply>> {
        if status.state == DfuState::IDLE {
            return Progress::Done(Ok(std::mem::take(&mut self.met)));
        }
        if status.state == DfuState::DNBUSY && self.busy_for < LONGEST_BUSY {
            self.awaiting = Awaiting::Nothing;
            self.busy_for += patience(&status);
            return Progress::Wait(patience(&status));
        }
        self.met.push(status);
        if self.met.len() > Self::MOST_DETOURS {
            return Progress::Done(Err(DfuFault::new(FaultKind::UnexpectedState(status.state))));
        }
        self.awaiting = Awaiting::Acknowledge;
        match status.state {
            DfuState::ERROR | DfuState::DNBUSY => Progress::Request(command::clear_status(self.interface)),
            DfuState::DNLOAD_IDLE | DfuState::UPLOAD_IDLE => Progress::Request(command::abort(self.interface)),
            DfuState::DNLOAD_SYNC | DfuState::MANIFEST_SYNC => self.ask(),
            state => Progress::Done(Err(DfuFault::new(FaultKind::UnexpectedState(state)))),
        }
    }
}

impl Operation for ToIdle {
    /// The answers other than dfuIDLE and a dfuDNBUSY that ends, in the order they came.
    type Output = Vec<StatusReply>;

    fn advance(&mut self, reply: Option<Reply>) -> Progress<Self::Output> {
        match (self.awaiting, reply) {
            (Awaiting::Status, Some(reply)) => match status_of(reply) {
                Ok(status) => self.lead_out(status),
                Err(fault) => Progress::Done(Err(fault)),
            },
            (_, Some(Err(error))) => Progress::Done(Err(error.into())),
            _ => self.ask(),
        }
    }
}

/// A download and the wait for its end; the device is then in dfuDNLOAD-IDLE.
#[derive(Debug)]
pub struct Command {
    interface: u8,
    request: ControlRequest,
    address: Address,
    stage: CommandStage,
    /// A ROM that works may stall GETSTATUS; so often that is taken for "ask again".
    stalls_left: u8,
    patience: Micros,
    busy_for: Micros,
    longest_busy: Option<Micros>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CommandStage {
    Send,
    AskStatus,
    Status,
}

impl Command {
    const STALLS: u8 = 3;

    fn new(interface: u8, request: ControlRequest, address: Address) -> Self {
        let stage = CommandStage::Send;
        let (stalls_left, patience) = (Self::STALLS, Micros::ZERO);
        Self { interface, request, address, stage, stalls_left, patience, busy_for: Micros::ZERO, longest_busy: None }
    }

    /// Sets the address pointer.
    pub fn set_address(interface: u8, address: Address) -> Self {
        Self::new(interface, command::set_address(interface, address), address)
    }

    /// Erases the sector that holds the address. A device that is busy for longer than any erase takes is in an unexpected state.
    pub fn erase(interface: u8, address: Address) -> Self {
        let longest_busy = Some(LONGEST_BUSY);
        Self { longest_busy, ..Self::new(interface, command::erase(interface, address), address) }
    }

    /// Programs one block; `address` is where it goes, for messages.
    pub fn block(interface: u8, block: u16, data: Vec<u8>, address: Address) -> Self {
        Self::new(interface, command::download(interface, block, data), address)
    }

    fn fail(&self, kind: FaultKind) -> Progress<()> {
        Progress::Done(Err(DfuFault::new(kind).at(self.address)))
    }

    /// The first GETSTATUS starts the command and answers dfuDNBUSY; a later one has the result.
    fn judge(&mut self, status: StatusReply) -> Progress<()> {
        match status.state {
            DfuState::DNBUSY if self.longest_busy.is_none_or(|longest| self.busy_for < longest) => {
                self.stage = CommandStage::AskStatus;
                self.patience = patience(&status);
                self.busy_for += self.patience;
                Progress::Wait(self.patience)
            }
            _ if status.status != DfuStatus::OK => self.fail(FaultKind::Status { status: status.status, after: None }),
            DfuState::DNLOAD_IDLE => Progress::Done(Ok(())),
            state => self.fail(FaultKind::UnexpectedState(state)),
        }
    }

    /// Only a device that has said it is busy may stall, and only so often.
    fn refused(&mut self, error: UsbError) -> Progress<()> {
        if error.kind != UsbErrorKind::Stall || self.patience == Micros::ZERO || self.stalls_left == 0 {
            return self.fail(FaultKind::Usb(error));
        }
        self.stalls_left -= 1;
        self.stage = CommandStage::AskStatus;
        Progress::Wait(self.patience)
    }
}

impl Operation for Command {
    type Output = ();

    fn advance(&mut self, reply: Option<Reply>) -> Progress<()> {
        match (self.stage, reply) {
            (CommandStage::Send, _) => {
                self.stage = CommandStage::AskStatus;
                Progress::Request(self.request.clone())
            }
            (CommandStage::Status, Some(Err(error))) => self.refused(error),
            (CommandStage::AskStatus, Some(Err(error))) => self.fail(FaultKind::Usb(error)),
            (CommandStage::Status, Some(reply)) => match status_of(reply) {
                Ok(status) => self.judge(status),
                Err(fault) => Progress::Done(Err(fault.at(self.address))),
            },
            _ => {
                self.stage = CommandStage::Status;
                Progress::Request(command::get_status(self.interface))
            }
        }
    }
}

/// Reads the list of command bytes that the device supports.
#[derive(Debug)]
pub struct GetCommands {
    interface: u8,
    asked: bool,
}

impl GetCommands {
    pub fn new(interface: u8) -> Self {
        Self { interface, asked: false }
    }
}

impl Operation for GetCommands {
    type Output = Vec<u8>;

    fn advance(&mut self, reply: Option<Reply>) -> Progress<Vec<u8>> {
        match reply {
            Some(reply) if self.asked => Progress::Done(reply.map_err(DfuFault::from)),
            _ => {
                self.asked = true;
                Progress::Request(command::get_commands(self.interface))
            }
        }
    }
}

/// Whether the device may be able to say why it refused.
pub fn device_may_explain(error: &UsbError) -> bool {
    error.kind == UsbErrorKind::Stall
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: DfuStatus, state: DfuState) -> Reply {
        let poll_timeout = Micros::from_millis(if state == DfuState::DNBUSY { 5 } else { 0 });
        Ok(StatusReply { status, poll_timeout, state, string_index: 0 }.to_bytes().to_vec())
    }

    fn stall() -> Reply {
        Err(UsbError { kind: UsbErrorKind::Stall, code: "LIBUSB_ERROR_PIPE".to_owned() })
    }

    /// Answers each request in turn and lists what was sent and waited for.
    fn play<O: Operation>(mut operation: O, replies: Vec<Reply>) -> (Vec<String>, Result<O::Output, DfuFault>) {
        let mut replies = replies.into_iter();
        let mut said = Vec::new();
        let mut reply = None;
        loop {
            match operation.advance(reply.take()) {
                Progress::Request(request) => {
                    said.push(command::describe(&request).to_string());
                    reply = Some(replies.next().expect("a reply for every request"));
                }
                Progress::Wait(span) => said.push(format!("wait {span}")),
                Progress::Done(outcome) => return (said, outcome),
            }
        }
    }

    #[test]
    fn an_error_is_cleared_and_reported() {
        let replies =
            vec![status(DfuStatus::ERR_VENDOR, DfuState::ERROR), Ok(vec![]), status(DfuStatus::OK, DfuState::IDLE)];
        let (said, met) = play(ToIdle::new(0), replies);
        assert_eq!(said, ["GETSTATUS", "CLRSTATUS", "GETSTATUS"]);
        assert_eq!(met.unwrap()[0].status, DfuStatus::ERR_VENDOR);
    }

    #[test]
    fn an_unfinished_upload_is_aborted_and_a_busy_device_waited_for() {
        let replies = vec![
            status(DfuStatus::OK, DfuState::DNBUSY),
            status(DfuStatus::OK, DfuState::UPLOAD_IDLE),
            Ok(vec![]),
            status(DfuStatus::OK, DfuState::IDLE),
        ];
        let (said, _) = play(ToIdle::new(0), replies);
        assert_eq!(said, ["GETSTATUS", "wait 5.00 ms", "GETSTATUS", "ABORT", "GETSTATUS"]);
    }

    #[test]
    fn a_device_that_stays_in_error_is_given_up() {
        let mut replies = Vec::new();
        for _ in 0..10 {
            replies.extend([status(DfuStatus::ERR_UNKNOWN, DfuState::ERROR), Ok(vec![])]);
        }
        let (_, outcome) = play(ToIdle::new(0), replies);
        assert_eq!(outcome.unwrap_err().class(), FailureClass::UnexpectedState);
    }

    #[test]
    fn a_device_in_run_time_mode_is_left_alone() {
        let (said, outcome) = play(ToIdle::new(0), vec![status(DfuStatus::OK, DfuState::APP_IDLE)]);
        assert_eq!(said, ["GETSTATUS"]);
        assert_eq!(outcome.unwrap_err().code(), "appIDLE");
    }

    #[test]
    fn the_result_of_set_address_is_in_the_second_status() {
        let replies =
            vec![Ok(vec![]), status(DfuStatus::OK, DfuState::DNBUSY), status(DfuStatus::ERR_TARGET, DfuState::ERROR)];
        let (said, outcome) = play(Command::set_address(0, Address(0x1ff0_f000)), replies);
        assert_eq!(said, ["DNLOAD Set Address 0x1FF0F000", "GETSTATUS", "wait 5.00 ms", "GETSTATUS"]);
        let fault = outcome.unwrap_err();
        assert_eq!((fault.class(), fault.address), (FailureClass::AddressRefused, Some(Address(0x1ff0_f000))));
    }

    #[test]
    fn a_refused_set_address_keeps_the_raw_code() {
        let (_, outcome) = play(Command::set_address(0, Address(0x0800_0000)), vec![stall()]);
        assert_eq!(outcome.unwrap_err().code(), "LIBUSB_ERROR_PIPE");
    }

    #[test]
    fn a_short_status_is_a_short_read() {
        let (_, outcome) = play(ToIdle::new(0), vec![Ok(vec![0, 0])]);
        assert_eq!(outcome.unwrap_err().kind, FaultKind::Short { got: 2, asked: 6 });
    }

    #[test]
    fn the_command_list_is_what_the_device_sent() {
        let (said, list) = play(GetCommands::new(0), vec![Ok(vec![0x00, 0x21, 0x41, 0x92])]);
        assert_eq!(said, ["UPLOAD commands"]);
        assert_eq!(list.unwrap(), [0x00, 0x21, 0x41, 0x92]);
    }
}
