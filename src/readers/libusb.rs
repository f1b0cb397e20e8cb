//! libusb's error names in any tool's output; they belong to the operation that is under way.

use crate::observation::event::Transport;
use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;

use super::message::{Line, Message, Says, Tool, first_number};
use super::notebook::Notebook;

pub static TOOL: Tool = Tool {
    name: "",
    transport: Transport::Other,
    messages: &[
        Message { needle: "LIBUSB_ERROR_", says: Says::Look(named) },
        Message { needle: "submiturb failed, errno=", says: Says::Look(of_usbfs) },
        Message { needle: "[Errno 32] Pipe error", says: Says::Look(of_pyusb) },
        Message { needle: "[Errno 110] Operation timed out", says: Says::Look(of_pyusb) },
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

/// The class of the libusb error named in a text.
pub fn class_in(text: &str) -> Option<F> {
    CLASSES.iter().find(|(name, _)| text.contains(name)).map(|(_, class)| *class)
}

/// The name of the libusb error in a text.
pub fn name_in(text: &str) -> Option<&'static str> {
    CLASSES.iter().find(|(name, _)| text.contains(name)).map(|(name, _)| *name)
}

/// `usb.core.USBError: [Errno 32] Pipe error` of programs in Python.
fn of_pyusb(notebook: &mut Notebook, line: &Line<'_>) {
    let class = match () {
        () if line.contains("Errno 32]") => F::Stall,
        () if line.contains("Errno 110]") => F::Timeout,
        () if line.contains("Errno 19]") => F::Disconnected,
        () if line.contains("Errno 16]") => F::Busy,
        () => F::BusError,
    };
    let phase = if class == F::Busy { P::Claim } else { notebook.under_way().unwrap_or(P::Unknown) };
    notebook.fail(class, phase, line.text.trim(), line);
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
    let phase = match class {
        F::Access | F::Busy | F::DriverMissing => P::Open,
        _ => notebook.under_way().unwrap_or(P::Unknown),
    };
    notebook.fail(class, phase, name, line);
}
