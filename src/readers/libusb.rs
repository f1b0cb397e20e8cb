//! libusb's error names in any tool's output; they belong to the operation that is under way.

use crate::dfu::state::DfuStatus;
use crate::observation::event::Transport;
use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;

use super::message::{Line, Message, Says, Tool, first_number};
use super::notebook::Notebook;

/// Only the back end for Linux says so, whatever system is around the one that the tool runs in.
const NODE_REFUSED: &str = "libusb couldn't open USB device";

pub static TOOL: Tool = Tool {
    name: "",
    transport: Transport::Other,
    messages: &[
        Message { needle: "LIBUSB_ERROR_", says: Says::Otherwise(named) },
        Message { needle: "libusb error: -", says: Says::Look(numbered) },
        Message { needle: "libusb returned -", says: Says::Look(numbered) },
        Message { needle: "libusb: error -", says: Says::Look(numbered) },
        Message { needle: NODE_REFUSED, says: Says::Look(node_refused) },
        Message { needle: "submiturb failed", says: Says::Look(of_usbfs) },
        Message { needle: "claim interface failed", says: Says::Fails(F::Busy, P::Claim) },
        Message { needle: "could not claim interface", says: Says::Fails(F::Busy, P::Claim) },
        Message { needle: "could not set config ", says: Says::Fails(F::Busy, P::Claim) },
        Message { needle: "has device opened for exclusive access", says: Says::Look(exclusive) },
        Message { needle: "sending control message failed", says: Says::Look(of_libusb0) },
        // Kernels since 4.14 send a kind of event that libusb up to 1.0.22 does not know.
        Message { needle: "ignoring udev action", says: Says::Nothing },
        Message { needle: "[code -", says: Says::Look(of_gousb) },
        Message { needle: "errVENDOR", says: Says::Otherwise(status_of_dfu) },
        Message { needle: "errTARGET", says: Says::Otherwise(status_of_dfu) },
        Message { needle: "errADDRESS", says: Says::Otherwise(status_of_dfu) },
        Message { needle: "LIBUSB_TRANSFER_", says: Says::Otherwise(transfer) },
        Message { needle: "(os error 1", says: Says::Otherwise(of_rust) },
        Message { needle: "(os error 71)", says: Says::Otherwise(of_rust) },
        Message { needle: "No backend available", says: Says::Fails(F::DriverMissing, P::Open) },
        Message { needle: "unimplemented on this platform", says: Says::Fails(F::DriverMissing, P::Open) },
        Message { needle: "[Errno 2] Entity not found", says: Says::Fails(F::DriverMissing, P::Open) },
        Message { needle: "it may have been disconnected)", says: Says::Look(gone) },
        Message { needle: "Access denied (insufficient permissions)", says: Says::Look(denied) },
        Message { needle: "[Errno 10060]", says: Says::Look(of_pyusb) },
        Message { needle: "[Errno 75] Overflow", says: Says::Look(of_pyusb) },
        Message { needle: "[Errno 84] Overflow", says: Says::Look(of_pyusb) },
        Message { needle: "[Errno 32] Pipe error", says: Says::Look(of_pyusb) },
        Message { needle: "[Errno 110] Operation timed out", says: Says::Look(of_pyusb) },
        Message { needle: "Errno 110: Operation timed out", says: Says::Fails(F::Timeout, P::Unknown) },
        Message { needle: "Errno 32: Pipe error", says: Says::Fails(F::Stall, P::Unknown) },
        Message { needle: "Errno 19: No such device", says: Says::Fails(F::Disconnected, P::Unknown) },
        Message { needle: "[Errno 5] Input/Output Error", says: Says::Look(of_pyusb) },
        Message { needle: "[Errno 19] No such device", says: Says::Look(of_pyusb) },
        Message { needle: "[Errno 16] Resource busy", says: Says::Look(of_pyusb) },
    ],
};

const CLASSES: [(&str, F); 11] = [
    ("LIBUSB_ERROR_ACCESS", F::Access),
    ("LIBUSB_ERROR_NO_DEVICE", F::Disconnected),
    ("LIBUSB_ERROR_NOT_FOUND", F::DriverMissing),
    ("LIBUSB_ERROR_NOT_SUPPORTED", F::DriverMissing),
    ("LIBUSB_ERROR_BUSY", F::Busy),
    ("LIBUSB_ERROR_TIMEOUT", F::Timeout),
    ("LIBUSB_ERROR_OVERFLOW", F::Overflow),
    ("LIBUSB_ERROR_PIPE", F::Stall),
    ("LIBUSB_ERROR_IO", F::BusError),
    ("LIBUSB_ERROR_INVALID_PARAM", F::ToolFailure),
    ("LIBUSB_ERROR_OTHER", F::Other),
];

/// libusb's numbers for the same errors, from its `enum libusb_error`.
const NUMBERS: [(f64, &str); 10] = [
    (1.0, "LIBUSB_ERROR_IO"),
    (2.0, "LIBUSB_ERROR_INVALID_PARAM"),
    (3.0, "LIBUSB_ERROR_ACCESS"),
    (4.0, "LIBUSB_ERROR_NO_DEVICE"),
    (5.0, "LIBUSB_ERROR_NOT_FOUND"),
    (6.0, "LIBUSB_ERROR_BUSY"),
    (7.0, "LIBUSB_ERROR_TIMEOUT"),
    (8.0, "LIBUSB_ERROR_OVERFLOW"),
    (9.0, "LIBUSB_ERROR_PIPE"),
    (12.0, "LIBUSB_ERROR_NOT_SUPPORTED"),
];

/// The class of the libusb error named in a text.
pub fn class_in(text: &str) -> Option<F> {
    CLASSES.iter().find(|(name, _)| text.contains(name)).map(|(_, class)| *class)
}

/// The name of the libusb error in a text.
pub fn name_in(text: &str) -> Option<&'static str> {
    CLASSES.iter().find(|(name, _)| text.contains(name)).map(|(name, _)| *name)
}

/// `Failed to open USB device 0x0483:0x374b, libusb error: -3`.
fn numbered(notebook: &mut Notebook, line: &Line<'_>) {
    let number = ["libusb error", "libusb returned", "libusb: error"]
        .iter()
        .find_map(|words| line.value_of(words)?.strip_prefix('-').and_then(first_number));
    let Some(name) = NUMBERS.iter().find(|(code, _)| Some(*code) == number).map(|(_, name)| *name) else { return };
    let class = class_in(name).unwrap_or(F::Other);
    notebook.fail(class, phase_of(notebook, class), name, line);
}

/// Opening fails for want of rights, of a driver, or because it is held; everything else belongs to what is under way.
fn phase_of(notebook: &Notebook, class: F) -> P {
    match class {
        F::Access | F::Busy | F::DriverMissing => P::Open,
        _ => notebook.under_way().unwrap_or(P::Unknown),
    }
}

/// Of the probe where a debug tool is at work, of the device otherwise.
fn denied(notebook: &mut Notebook, line: &Line<'_>) {
    let phase = if notebook.tool() == Some(super::pyocd::TOOL.name) { P::ProbeOpen } else { P::Open };
    notebook.fail(F::Access, phase, "Access denied (insufficient permissions)", line);
}

/// `usb.core.USBError: [Errno 32] Pipe error` of programs in Python.
fn of_pyusb(notebook: &mut Notebook, line: &Line<'_>) {
    let class = match () {
        () if line.contains("Errno 32]") => F::Stall,
        () if line.contains("Errno 110]") || line.contains("Errno 10060]") => F::Timeout,
        () if line.contains("] Overflow") => F::Overflow,
        () if line.contains("Errno 19]") => F::Disconnected,
        () if line.contains("Errno 16]") => F::Busy,
        () => F::BusError,
    };
    let phase = if class == F::Busy { P::Claim } else { notebook.under_way().unwrap_or(P::Unknown) };
    notebook.fail(class, phase, line.text.trim(), line);
}

/// `libusb: error [get_usbfs_fd] libusb couldn't open USB device /dev/bus/usb/001/005, errno=13`. EACCES (13) comes of the rights
/// on the node, EPERM (1) of rules for devices that a container runs under.
fn node_refused(notebook: &mut Notebook, line: &Line<'_>) {
    if let Some(1.0 | 13.0) = line.value_of("errno=").and_then(first_number) {
        notebook.fail(F::Access, P::Open, NODE_REFUSED, line);
    }
}

/// `libusb: error [submit_bulk_transfer] submiturb failed, errno=19`: the kernel took no more transfers.
fn of_usbfs(notebook: &mut Notebook, line: &Line<'_>) {
    let class = match line.value_of("errno=").and_then(first_number) {
        Some(19.0) => F::Disconnected,
        Some(16.0) => F::Busy,
        Some(32.0) => F::Stall,
        _ => F::BusError,
    };
    notebook.fail(class, notebook.under_way().unwrap_or(P::Unknown), line.text.trim(), line);
}

/// macOS says so of other programs and of its own drivers, which take what they know as soon as it shows.
fn exclusive(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.text_fact("host-os", "macos", line);
    notebook.fail(F::ConnectFailed, P::Claim, "another process or a driver of the system has it", line);
}

/// Names of the standard, in the words of whichever tool speaks DFU.
fn status_of_dfu(notebook: &mut Notebook, line: &Line<'_>) {
    let names = [DfuStatus::ERR_VENDOR, DfuStatus::ERR_TARGET, DfuStatus::ERR_ADDRESS].map(DfuStatus::name);
    if let Some(name) = names.into_iter().flatten().find(|name| line.contains(name)) {
        notebook.fail(F::DfuStatus, notebook.under_way().unwrap_or(P::Status), name, line);
    }
}

/// How a transfer ended, as programs print it that queue transfers themselves.
fn transfer(notebook: &mut Notebook, line: &Line<'_>) {
    let class = match () {
        () if line.contains("TRANSFER_STALL") => F::Stall,
        () if line.contains("TRANSFER_TIMED_OUT") => F::Timeout,
        () if line.contains("TRANSFER_NO_DEVICE") => F::Disconnected,
        () if line.contains("TRANSFER_OVERFLOW") => F::Overflow,
        () if line.contains("TRANSFER_ERROR") => F::BusError,
        () => return,
    };
    notebook.fail(class, notebook.under_way().unwrap_or(P::Unknown), "the transfer failed", line);
}

/// `Permission denied (os error 13)` of programs in Rust, by the numbers of Linux.
fn of_rust(notebook: &mut Notebook, line: &Line<'_>) {
    let class = match line.value_of("(os error").and_then(first_number) {
        Some(13.0) => F::Access,
        Some(16.0) => F::Busy,
        Some(19.0) => F::Disconnected,
        Some(110.0) => F::Timeout,
        Some(71.0) => F::BusError,
        _ => return,
    };
    notebook.fail(class, phase_of(notebook, class), "system error", line);
}

/// `libusb: bad access [code -3]` of programs in Go.
fn of_gousb(notebook: &mut Notebook, line: &Line<'_>) {
    if !line.contains("libusb:") {
        return;
    }
    let number = line.value_of("[code").and_then(first_number);
    let Some(name) = NUMBERS.iter().find(|(code, _)| Some(*code) == number).map(|(_, name)| *name) else { return };
    let class = class_in(name).unwrap_or(F::Other);
    let phase = match class {
        F::Access | F::Busy | F::DriverMissing => P::Open,
        _ if line.contains("eras") => P::Erase,
        _ if line.contains("firmware bytes") || line.contains("set address") => P::Write,
        _ if line.contains("device status") => P::Status,
        _ if line.contains("rebooting") => P::Leave,
        _ => notebook.under_way().unwrap_or(P::Unknown),
    };
    if phase == P::Leave {
        notebook.normal(class, phase, name, "the device restarts when it is told to", line);
    } else {
        notebook.fail(class, phase, name, line);
    }
}

/// Windows has but one word for a transfer that the device refused and for one that it did not answer.
fn of_libusb0(notebook: &mut Notebook, line: &Line<'_>) {
    let class = if line.contains("semaphore") { F::Timeout } else { F::BusError };
    notebook.fail(class, notebook.under_way().unwrap_or(P::Unknown), "control message failed", line);
}

fn gone(notebook: &mut Notebook, line: &Line<'_>) {
    let told = line.contains("[code -") || line.contains("LIBUSB_ERROR_") || line.contains("[Errno 19]");
    if !told {
        notebook.fail(F::Disconnected, notebook.under_way().unwrap_or(P::Unknown), "no such device", line);
    }
}

/// Lines that a tool's own reader has already understood are left to it.
fn named(notebook: &mut Notebook, line: &Line<'_>) {
    let Some((class, name)) = class_in(line.text).zip(name_in(line.text)) else { return };
    let understood = [
        "Cannot open",
        "Error during download",
        "Error during upload",
        "control transfer:",
        "control_transfer returned",
    ];
    if understood.iter().any(|words| line.contains(words)) {
        return;
    }
    notebook.fail(class, phase_of(notebook, class), name, line);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::event::EventKind;

    #[test]
    fn a_number_means_the_same_as_the_name() {
        let mut notebook = Notebook::default();
        let text = "Failed to open USB device 0x0483:0x374b, libusb error: -3";
        numbered(&mut notebook, &Line { number: 1, text });
        let events = notebook.into_events();
        let Some(EventKind::CycleFinished(cycle)) = events.last() else { panic!("{events:?}") };
        assert_eq!(cycle.failure().map(|failure| (failure.class, failure.phase)), Some((F::Access, P::Open)));
    }

    #[test]
    fn what_fails_while_rebooting_is_normal() {
        let failure_of = |text: &str| {
            let mut notebook = Notebook::default();
            of_gousb(&mut notebook, &Line { number: 1, text });
            notebook.into_events().iter().find_map(|event| match event {
                EventKind::CycleFinished(cycle) => {
                    cycle.steps[0].failure().map(|failure| (failure.class, failure.phase, failure.is_expected()))
                }
                _ => None,
            })
        };
        let claiming = "Error while claiming the usb interface: libusb: bad access [code -3]";
        let rebooting = "Error while rebooting device: libusb: pipe error [code -9]";
        assert_eq!(failure_of(claiming), Some((F::Access, P::Open, false)));
        assert_eq!(failure_of(rebooting), Some((F::Stall, P::Leave, true)));
    }

    #[test]
    fn a_device_node_is_refused_for_want_of_rights_only() {
        let class_of = |errno: &str| {
            let mut notebook = Notebook::default();
            let text =
                format!("libusb: error [get_usbfs_fd] libusb couldn't open USB device /dev/bus/usb/001/005, {errno}");
            node_refused(&mut notebook, &Line { number: 1, text: &text });
            notebook.into_events().iter().find_map(|event| match event {
                EventKind::CycleFinished(cycle) => cycle.failure().map(|failure| failure.class),
                _ => None,
            })
        };
        assert_eq!(
            [class_of("errno=1"), class_of("errno=13"), class_of("errno=19")],
            [Some(F::Access), Some(F::Access), None]
        );
    }
}
