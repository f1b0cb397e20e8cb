//! Betaflight, INAV and Cleanflight configurators.

use crate::observation::event::Transport;
use crate::observation::fact::FactValue;
use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;

use super::message::{Line, Message, Says, Tool};
use super::notebook::Notebook;

pub static TOOL: Tool = Tool { name: "betaflight", transport: Transport::Dfu, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

const MESSAGES: &[Message] = &[
    message("Failed to open serial port", Says::Look(serial_refused)),
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
    message("contains addresses not found on target", Says::Fails(F::AddressRefused, P::ImageFile)),
    message("then flash available on the chip", Says::Fails(F::AddressRefused, P::ImageFile)),
    message("than flash available on the chip", Says::Fails(F::AddressRefused, P::ImageFile)),
    message("udev rules installed correctly", Says::Look(rules_in_doubt)),
    message("Rebooting device to bootloader: FAILED", Says::Look(no_reboot)),
    message("timed out, programming: FAILED", Says::Fails(F::Timeout, P::Write)),
    message("No response from the bootloader", Says::Fails(F::NotFound, P::Connect)),
    message("No response from bootloader", Says::Fails(F::NotFound, P::Connect)),
    message("Communication with bootloader failed", Says::Fails(F::NotFound, P::Connect)),
    message("wrong response, expected: 121", Says::Look(wrong_response)),
    message("Very likely due to read protection", Says::Fails(F::Protected, P::OptionBytes)),
    message("Board seems read protected", Says::Fails(F::Protected, P::OptionBytes)),
    message("Failed to unprotect board", Says::Fails(F::Protected, P::ReadUnprotect)),
    message("Failed to initiate unprotect routine", Says::Fails(F::Protected, P::ReadUnprotect)),
    message("re-connect flight controller in DFU mode to try", Says::Nothing),
    message("TypeError: ", Says::Look(exception)),
    message("Programming: FAILED", Says::Fails(F::WriteFailed, P::Write)),
];

/// Other tools say the same.
fn serial_refused(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work_if_alone(TOOL.name, TOOL.transport, line);
    let class = if line.contains("busy") { F::Busy } else { F::ConnectFailed };
    notebook.fail(class, P::Open, "Failed to open serial port", line);
}

/// An exception of a page or configurator; behind another failure it only follows from that.
fn exception(notebook: &mut Notebook, line: &Line<'_>) {
    if notebook.failures_noted() == 0 {
        notebook.fail(F::ToolFailure, P::Unknown, "TypeError", line);
    }
}

/// The configurator asks for them on Linux, and only when the device could not be opened.
fn rules_in_doubt(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("not ") {
        return;
    }
    notebook.at_work(TOOL.name, Transport::Dfu, line);
    notebook.text_fact("host-os", "linux", line);
    notebook.excuse(
        |failure| failure.code.as_ref().is_some_and(|code| code.raw() == "Failed to open USB device"),
        "the configurator tells the same in its next line",
    );
    notebook.fail(F::Access, P::Open, "the configurator asks for udev rules", line);
}

fn no_reboot(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(TOOL.name, Transport::Dfu, line);
    notebook.fact("software-entry-fails", FactValue::Flag(true), line);
    notebook.fail(F::NotFound, P::Enumerate, "Rebooting device to bootloader: FAILED", line);
}

/// 31 is 0x1F, the refusal of the ROM, which it gives under protection; anything else is no answer of the ROM.
fn wrong_response(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(TOOL.name, Transport::Other, line);
    let class = if line.contains("0x1F") { F::Protected } else { F::BusError };
    notebook.fail(class, P::Write, "wrong response", line);
}

/// The configurator gives no number; st-info says the same with libusb's, which tells more.
fn not_opened(notebook: &mut Notebook, line: &Line<'_>) {
    if !line.contains("libusb error") {
        notebook.at_work(TOOL.name, Transport::Dfu, line);
        notebook.fail(F::DriverMissing, P::Open, "Failed to open USB device", line);
    }
}
