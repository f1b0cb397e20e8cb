//! Betaflight, INAV and Cleanflight configurators.

use crate::observation::event::Transport;
use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;

use super::message::{Line, Message, Says, Tool};
use super::notebook::Notebook;

pub static TOOL: Tool = Tool { name: "betaflight", transport: Transport::Dfu, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

const MESSAGES: &[Message] = &[
    message("Failed to open serial port", Says::Fails(F::ConnectFailed, P::Open)),
    message("Failed to claim USB device", Says::Fails(F::Busy, P::Claim)),
    message("reporting chrome error: Error claiming interface", Says::Fails(F::Busy, P::Claim)),
    message("USB DFU detected with ID", Says::Done(P::Enumerate)),
    message("USB DFU not found", Says::Fails(F::NotFound, P::Enumerate)),
    message("Failed to open USB device", Says::Look(not_opened)),
    message("stm32usbdfu.js", Says::Nothing),
    message("Failed to detect chip with error code", Says::Fails(F::MalformedDescriptor, P::Layout)),
    message("Failed to detect external memory", Says::Fails(F::MalformedDescriptor, P::Layout)),
    message("Verifying: FAILED", Says::Fails(F::VerifyFailed, P::Verify)),
    message("Programming: SUCCESSFUL", Says::Done(P::Write)),
    message("Firmware contains data outside", Says::Fails(F::AddressRefused, P::ImageFile)),
];

/// The configurator gives no number; st-info says the same with libusb's, which tells more.
fn not_opened(notebook: &mut Notebook, line: &Line<'_>) {
    if !line.contains("libusb error") {
        notebook.at_work(TOOL.name, Transport::Dfu, line);
        notebook.fail(F::DriverMissing, P::Open, "Failed to open USB device", line);
    }
}
