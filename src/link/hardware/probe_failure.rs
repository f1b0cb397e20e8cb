//! What an error of probe-rs means: its chain of sources is walked, every link that has a type is downcast, the rest is read from its text.

use std::any::Any;
use std::error::Error;
use std::fmt::Debug;
use std::io;

use nusb::transfer::TransferError;
use probe_rs::architecture::arm::dp::DebugPortError;
use probe_rs::architecture::arm::{ArmError, DapError};
use probe_rs::probe::stlink::StlinkError;
use probe_rs::probe::{BoxedProbeError, DebugProbeError, ProbeCreationError};

use crate::observation::failure::FailureClass;
use crate::swd::stlink_status;

use crate::link::swd_probe::{ProbeError, ProbeErrorKind as Kind};

/// What was being done; the same error can mean different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Finding and opening the probe; the target is not involved.
    Opening,
    /// Waking the debug port and powering up the debug domain.
    Connecting,
    /// Any transfer after that.
    Transferring,
}

/// The meaning of an error of probe-rs.
pub fn meaning(error: &(dyn Error + 'static), doing: Doing) -> ProbeError {
    let mut link = Some(error);
    let mut last_text = error.to_string();
    while let Some(error) = link {
        if let Some(found) = of_link(error, doing) {
            return found;
        }
        last_text = error.to_string();
        link = error.source();
    }
    ProbeError::new(Kind::Other, last_text)
}

/// The firmware of a CMSIS-DAP probe checks parity itself and tells it with its bit for protocol errors.
pub fn by_cmsis_dap(error: ProbeError) -> ProbeError {
    let parity = error.kind == Kind::NoAcknowledge && error.code.contains("Protocol");
    if parity { ProbeError { kind: Kind::Parity, ..error } } else { error }
}

/// A panic inside probe-rs. Where lengths do not match, the probe sent fewer words than it promised.
pub fn of_panic(payload: &(dyn Any + Send)) -> ProbeError {
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    let short_block = text.contains("slice") && text.contains("length");
    let kind = if short_block { Kind::ProbeFault } else { Kind::Tool };
    ProbeError::new(kind, format!("probe-rs panicked: {text}"))
}

/// The meaning of one link of the chain, if it is where the meaning lies.
fn of_link(error: &(dyn Error + 'static), doing: Doing) -> Option<ProbeError> {
    if let Some(dap) = error.downcast_ref::<DapError>() {
        return Some(of_dap(*dap));
    }
    if let Some(specific) = error.downcast_ref::<BoxedProbeError>() {
        return of_probe(specific);
    }
    if let Some(usb) = error.downcast_ref::<io::Error>() {
        return Some(of_usb(usb));
    }
    if let Some(arm) = error.downcast_ref::<ArmError>() {
        return of_arm(arm, doing);
    }
    if let Some(port) = error.downcast_ref::<DebugPortError>() {
        return matches!(port, DebugPortError::TargetPowerUpFailed | DebugPortError::Timeout).then(power_up);
    }
    if let Some(probe) = error.downcast_ref::<DebugProbeError>() {
        return of_debug_probe(probe);
    }
    if let Some(creation) = error.downcast_ref::<ProbeCreationError>() {
        return of_creation(creation);
    }
    match error.downcast_ref::<probe_rs::Error>()? {
        probe_rs::Error::Timeout => of_arm(&ArmError::Timeout, doing),
        unaligned @ probe_rs::Error::MemoryNotAligned(_) => Some(ProbeError::new(Kind::Tool, text_of(unaligned))),
        _ => None,
    }
}

fn of_dap(error: DapError) -> ProbeError {
    let kind = match error {
        // An acknowledge of other bits than the three that there are.
        DapError::NoAcknowledge | DapError::Protocol(_) => Kind::NoAcknowledge,
        DapError::FaultResponse => Kind::Fault,
        DapError::WaitResponse => Kind::Wait,
        DapError::IncorrectParity => Kind::Parity,
    };
    ProbeError::new(kind, text_of(&error))
}

fn of_arm(error: &ArmError, doing: Doing) -> Option<ProbeError> {
    let kind = match error {
        ArmError::NoTargetResponse { source } => {
            let below = meaning(source.as_ref(), doing);
            let kind = if below.kind == Kind::NoAcknowledge { Kind::NoTarget } else { below.kind };
            return Some(ProbeError::new(kind, format!("NoTargetResponse, {}", below.code)));
        }
        // While connecting, the only wait with an end is the one for the debug domain to power up.
        ArmError::Timeout if doing == Doing::Connecting => return Some(power_up()),
        ArmError::Timeout => Kind::Wait,
        ArmError::CoreNotHalted => Kind::NotHalted,
        ArmError::ApDoesNotExist(_) | ArmError::WrongApType | ArmError::WrongApVersion => Kind::Fault,
        ArmError::AddressOutOf32BitAddressSpace | ArmError::OutOfBounds | ArmError::MemoryNotAligned(_) => Kind::Tool,
        _ => return None,
    };
    Some(ProbeError::new(kind, text_of(error)))
}

fn power_up() -> ProbeError {
    ProbeError::new(Kind::PowerUp, "no acknowledge of CDBGPWRUPREQ and CSYSPWRUPREQ")
}

fn of_debug_probe(error: &DebugProbeError) -> Option<ProbeError> {
    use DebugProbeError as E;
    let kind = match error {
        E::TargetNotFound => Kind::NoTarget,
        E::Timeout => Kind::UsbTimeout,
        E::UnsupportedSpeed(_)
        | E::UnsupportedProtocol(_)
        | E::InterfaceNotAvailable { .. }
        | E::CommandNotSupportedByProbe { .. }
        | E::NotImplemented { .. } => Kind::Unsupported,
        E::NotAttached | E::Attached => Kind::Tool,
        E::Other(text) => return Some(of_text(text, text)),
        _ => return None,
    };
    Some(ProbeError::new(kind, text_of(error)))
}

fn of_creation(error: &ProbeCreationError) -> Option<ProbeError> {
    match error {
        ProbeCreationError::NotFound => Some(ProbeError::new(Kind::NoProbe, "not found, or not to be opened")),
        ProbeCreationError::CouldNotOpen => Some(ProbeError::new(Kind::NoProbe, "CouldNotOpen")),
        ProbeCreationError::HidApi(error) => Some(of_text(&error.to_string(), &error.to_string())),
        _ => None,
    }
}

/// Errors that one kind of probe makes. ST-Link's can be named; those of the others are private types with a telling text.
fn of_probe(error: &BoxedProbeError) -> Option<ProbeError> {
    let Some(stlink) = error.downcast_ref::<StlinkError>() else {
        // One that wraps a USB error is found one link further.
        let wraps = error.source().is_some_and(<dyn Error>::is::<io::Error>);
        return (!wraps).then(|| of_text(&format!("{error:?}"), &format!("{error:?}")));
    };
    let kind = match stlink {
        StlinkError::Usb(error) => return Some(of_usb(error)),
        // The type of the status cannot be named, but every status can be made from its byte.
        StlinkError::CommandFailed(status) => {
            let code = (0..=u8::MAX).find(|code| *status == (*code).into()).unwrap_or(0);
            return Some(of_stlink_status(code, &text_of(status)));
        }
        StlinkError::ProbeFirmwareOutdated(minimum) => {
            let code = format!("the firmware says it is older than J{minimum}");
            return Some(ProbeError::new(Kind::OldFirmware, code));
        }
        StlinkError::JTAGNotSupportedOnProbe | StlinkError::BanksNotAllowedOnDPRegister => Kind::OldFirmware,
        StlinkError::MultidropNotSupported | StlinkError::ManchesterSwoNotSupported => Kind::Unsupported,
        StlinkError::UnalignedAddress => Kind::Tool,
        StlinkError::VoltageDivisionByZero
        | StlinkError::UnknownMode
        | StlinkError::NotEnoughBytesWritten { .. }
        | StlinkError::EndpointNotFound => Kind::ProbeFault,
    };
    Some(ProbeError::new(kind, text_of(stlink)))
}

/// The kind of a status byte, with the byte and its name as the code.
fn of_stlink_status(code: u8, name: &str) -> ProbeError {
    let class = stlink_status::of_code(code).and_then(|status| status.class);
    let kind = class.and_then(of_class).unwrap_or(Kind::ProbeFault);
    ProbeError::new(kind, format!("0x{code:02X} {name}"))
}

fn of_class(class: FailureClass) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.class() == class)
}

fn of_usb(error: &io::Error) -> ProbeError {
    let inner = error.get_ref();
    if let Some(usb) = inner.and_then(|inner| inner.downcast_ref::<nusb::Error>()) {
        let errno = usb.os_error().map(|code| format!(", errno {code}")).unwrap_or_default();
        let kind = match usb.kind() {
            nusb::ErrorKind::Busy => Kind::Busy,
            nusb::ErrorKind::PermissionDenied => Kind::Permission,
            nusb::ErrorKind::NotFound | nusb::ErrorKind::Unsupported => Kind::ProbeFault,
            _ => Kind::ProbeLost,
        };
        return ProbeError::new(kind, format!("USB {:?}{errno}", usb.kind()));
    }
    if let Some(transfer) = inner.and_then(|inner| inner.downcast_ref::<TransferError>()) {
        let kind = match transfer {
            TransferError::Cancelled => Kind::UsbTimeout,
            TransferError::Stall => Kind::ProbeFault,
            TransferError::Disconnected | TransferError::Fault | TransferError::Unknown(_) => Kind::ProbeLost,
            TransferError::InvalidArgument => Kind::Tool,
        };
        return ProbeError::new(kind, format!("USB transfer {transfer:?}"));
    }
    let kind = match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => Kind::UsbTimeout,
        io::ErrorKind::ConnectionAborted | io::ErrorKind::NotConnected => Kind::ProbeLost,
        io::ErrorKind::ConnectionReset | io::ErrorKind::InvalidData => Kind::ProbeFault,
        io::ErrorKind::PermissionDenied => Kind::Permission,
        io::ErrorKind::NotFound => Kind::NoProbe,
        _ => return of_text(&error.to_string(), &error.to_string()),
    };
    ProbeError::new(kind, format!("USB {:?}", error.kind()))
}

/// Where there is nothing but words. The first rule that fits decides.
fn of_text(text: &str, code: &str) -> ProbeError {
    const SIGNS: [(&[&str], Kind); 6] = [
        (&["FirmwareOutdated", "irmware on the probe is outdated"], Kind::OldFirmware),
        (&["ermission denied", "PermissionDenied", "ccess denied"], Kind::Permission),
        (&["Busy", "busy"], Kind::Busy),
        // A CMSIS-DAP probe that never answers the first question, which is for its packet size.
        (&["Timeout", "TimedOut", "timed out", "NoPacketSize"], Kind::UsbTimeout),
        (&["isconnected", "NotConnected", "ConnectionAborted", "No such device", "error: Fault"], Kind::ProbeLost),
        (&["SWJClock"], Kind::Unsupported),
    ];
    let fitting = SIGNS.iter().find(|(signs, _)| signs.iter().any(|sign| text.contains(sign)));
    ProbeError::new(fitting.map_or(Kind::ProbeFault, |(_, kind)| *kind), code)
}

/// A probe whose answers are one behind the questions: told by the answer, which belongs to another command or to another question of the
/// same command.
pub fn is_answer_to_another_question(error: &ProbeError) -> bool {
    ["UnexpectedAnswer", "CommandIdMismatch"].iter().any(|name| error.code.contains(name))
}

/// The name of a variant, which is short and does not change with the wording of messages.
fn text_of(error: &impl Debug) -> String {
    format!("{error:?}")
}

#[cfg(test)]
mod tests {
    use std::fmt;
    use std::panic::catch_unwind;
    use std::path::Path;

    use super::*;
    use probe_rs::architecture::arm::FullyQualifiedApAddress;
    use probe_rs::architecture::arm::ap::AccessPortError;
    use probe_rs::probe::{ProbeError as SomeProbeError, WireProtocol};

    fn kind_of(error: &(dyn Error + 'static)) -> Kind {
        meaning(error, Doing::Transferring).kind
    }

    fn stlink(error: StlinkError) -> ArmError {
        ArmError::Probe(DebugProbeError::from(error))
    }

    #[test]
    fn an_answer_to_another_question_is_told_from_other_faults() {
        let of = |code: &str| is_answer_to_another_question(&ProbeError::new(Kind::ProbeFault, code));
        assert!(of("BoxedProbeError(Send { command_id: Info, source: UnexpectedAnswer })"));
        assert!(of("Send { command_id: Info, source: CommandIdMismatch(5, Info) }"));
        assert!(!of("Send { command_id: Info, source: NotEnoughData }"));
    }

    #[test]
    fn every_status_byte_of_an_st_link_keeps_its_class_and_number() {
        for status in &stlink_status::STATUSES {
            let Some(class) = status.class else { continue };
            let found = meaning(&stlink(StlinkError::CommandFailed(status.code.into())), Doing::Transferring);
            assert_eq!(found.kind.class(), class, "{}", status.name);
            assert!(found.code.starts_with(&format!("0x{:02X} ", status.code)), "{}", found.code);
        }
        let unheard_of = meaning(&stlink(StlinkError::CommandFailed(0x77.into())), Doing::Transferring);
        assert_eq!(unheard_of, ProbeError::new(Kind::ProbeFault, "0x77 Other(119)"));
    }

    #[test]
    fn the_table_holds_every_status_of_the_collected_facts() {
        let facts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/facts/stlink_status.csv");
        let Ok(text) = std::fs::read_to_string(facts) else { return };
        let codes = text.lines().skip(1).filter_map(|line| line.split(',').next()?.strip_prefix("0x"));
        let mut counted = 0;
        for code in codes.map(|digits| u8::from_str_radix(digits, 16).unwrap()) {
            assert!(stlink_status::of_code(code).is_some(), "0x{code:02X}");
            counted += 1;
        }
        assert_eq!(counted, stlink_status::STATUSES.len());
    }

    #[test]
    fn answers_on_the_wire_keep_their_kind_wherever_they_hide() {
        for (error, kind) in [
            (DapError::NoAcknowledge, Kind::NoAcknowledge),
            (DapError::FaultResponse, Kind::Fault),
            (DapError::WaitResponse, Kind::Wait),
            (DapError::IncorrectParity, Kind::Parity),
            (DapError::Protocol(WireProtocol::Swd), Kind::NoAcknowledge),
        ] {
            assert_eq!(kind_of(&ArmError::Dap(error)), kind);
            let address = FullyQualifiedApAddress::v1_with_default_dp(0);
            let source =
                AccessPortError::RegisterRead { address: 0x0C, name: "DRW", source: Box::new(ArmError::Dap(error)) };
            assert_eq!(kind_of(&ArmError::AccessPort { address, source }), kind);
        }
    }

    #[test]
    fn a_protocol_error_of_a_cmsis_dap_probe_is_parity() {
        let of = |error| by_cmsis_dap(meaning(&ArmError::Dap(error), Doing::Transferring)).kind;
        assert_eq!(of(DapError::Protocol(WireProtocol::Swd)), Kind::Parity);
        assert_eq!(of(DapError::NoAcknowledge), Kind::NoAcknowledge);
    }

    #[test]
    fn a_target_that_never_acknowledged_is_no_target() {
        let silent = ArmError::NoTargetResponse { source: Box::new(ArmError::Dap(DapError::NoAcknowledge)) };
        let found = meaning(&silent, Doing::Connecting);
        assert_eq!(found, ProbeError::new(Kind::NoTarget, "NoTargetResponse, NoAcknowledge"));
        let lost = io::Error::new(io::ErrorKind::NotConnected, "gone");
        let lost = ArmError::NoTargetResponse { source: Box::new(ArmError::Probe(DebugProbeError::Usb(lost))) };
        assert_eq!(meaning(&lost, Doing::Connecting).kind, Kind::ProbeLost);
    }

    #[test]
    fn a_time_out_while_connecting_is_the_power_up() {
        assert_eq!(meaning(&ArmError::Timeout, Doing::Connecting).kind, Kind::PowerUp);
        assert_eq!(meaning(&probe_rs::Error::Timeout, Doing::Connecting).kind, Kind::PowerUp);
        let refused = ArmError::DebugPort(DebugPortError::TargetPowerUpFailed);
        assert_eq!(meaning(&refused, Doing::Connecting).kind, Kind::PowerUp);
        assert_eq!(kind_of(&ArmError::Timeout), Kind::Wait);
    }

    #[test]
    fn usb_errors_are_told_apart() {
        for (word, kind) in [
            (io::ErrorKind::TimedOut, Kind::UsbTimeout),
            (io::ErrorKind::ConnectionAborted, Kind::ProbeLost),
            (io::ErrorKind::NotConnected, Kind::ProbeLost),
            (io::ErrorKind::ConnectionReset, Kind::ProbeFault),
            (io::ErrorKind::PermissionDenied, Kind::Permission),
        ] {
            let found = meaning(&DebugProbeError::Usb(io::Error::new(word, "words")), Doing::Transferring);
            assert_eq!(found, ProbeError::new(kind, format!("USB {word:?}")));
        }
        for (error, kind) in [
            (TransferError::Fault, Kind::ProbeLost),
            (TransferError::Stall, Kind::ProbeFault),
            (TransferError::Disconnected, Kind::ProbeLost),
            (TransferError::Cancelled, Kind::UsbTimeout),
        ] {
            assert_eq!(kind_of(&stlink(StlinkError::Usb(error.into()))), kind, "{error:?}");
        }
    }

    #[test]
    fn a_probe_that_does_not_open_says_why() {
        let of = |error| meaning(&DebugProbeError::ProbeCouldNotBeCreated(error), Doing::Opening).kind;
        assert_eq!(of(ProbeCreationError::NotFound), Kind::NoProbe);
        assert_eq!(of(ProbeCreationError::CouldNotOpen), Kind::NoProbe);
        let denied = io::Error::new(io::ErrorKind::PermissionDenied, "no");
        assert_eq!(of(ProbeCreationError::Usb(denied)), Kind::Permission);
        let outdated = DebugProbeError::from(StlinkError::ProbeFirmwareOutdated(26));
        assert_eq!(meaning(&outdated, Doing::Opening).kind, Kind::OldFirmware);
    }

    /// Stands for the private error types of the other probes, which only have a text.
    struct Private(&'static str);

    impl Debug for Private {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl fmt::Display for Private {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Error handling CMSIS-DAP command Transfer.")
        }
    }

    impl Error for Private {}
    impl SomeProbeError for Private {}

    #[test]
    fn private_errors_of_other_probes_are_read_from_their_text() {
        for (text, kind) in [
            ("Send { command_id: Transfer, source: Timeout }", Kind::UsbTimeout),
            (
                "Send { command_id: Info, source: UsbError(Custom { kind: ConnectionAborted, error: Disconnected }) }",
                Kind::ProbeLost,
            ),
            ("Send { command_id: Transfer, source: UsbError(Custom { kind: Other, error: Fault }) }", Kind::ProbeLost),
            ("Send { command_id: TransferBlock, source: NotEnoughData }", Kind::ProbeFault),
            ("ProbeFirmwareOutdated(\"2.2.0\")", Kind::OldFirmware),
            ("NoPacketSize", Kind::UsbTimeout),
            ("ErrorResponse(SWJClock { request: SWJClockRequest { clock_speed_hz: 1 } })", Kind::Unsupported),
        ] {
            assert_eq!(kind_of(&DebugProbeError::from(Private(text))), kind, "{text}");
        }
    }

    #[test]
    fn an_interface_that_is_held_is_busy_and_not_broken() {
        let words = "error while opening the USB device: interface is busy (errno 16)";
        assert_eq!(kind_of(&DebugProbeError::Usb(io::Error::other(words))), Kind::Busy);
    }

    #[test]
    fn a_panic_over_a_short_block_is_the_probes() {
        let came = vec![1_u32; 3];
        let payload = catch_unwind(|| [0_u32; 4].clone_from_slice(&came)).unwrap_err();
        let found = of_panic(payload.as_ref());
        assert_eq!(found.kind, Kind::ProbeFault, "{}", found.code);
        let payload = catch_unwind(|| assert_eq!(1, 2)).unwrap_err();
        assert_eq!(of_panic(payload.as_ref()).kind, Kind::Tool);
    }

    #[test]
    fn every_kind_has_a_class_of_its_own() {
        for kind in Kind::ALL {
            assert_eq!(of_class(kind.class()), Some(kind));
        }
    }
}
