//! qFlipper, which announces the errors that it expects.

use crate::observation::event::Transport;
use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;

use super::message::{Line, Message, Says, Tool};
use super::notebook::Notebook;

pub const NAME: &str = "qflipper";

pub static TOOL: Tool = Tool { name: NAME, transport: Transport::Dfu, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

const MESSAGES: &[Message] = &[
    message("[APP] qFlipper version", Says::Look(banner)),
    message("vvv ATTENTION: Ignore errors below", Says::Look(announced)),
    message("^^^ ATTENTION", Says::Look(announced_end)),
    message("Failed to perform control transfer", Says::Look(transfer)),
    message("[DBG] Unable to get device status", Says::Look(trouble)),
    message("[DBG] An error has occured during", Says::Look(trouble)),
    message("Failed to get FUS status. The device is offline", Says::Look(offline)),
    message("[DBG] Upload has finished", Says::Done(P::Read)),
    message("[DBG] Download has finished", Says::Done(P::Write)),
    message("[REG] Device went back online", Says::Done(P::Enumerate)),
    message("] ERROR:", Says::Look(error)),
    message("System Reboot SUCCESS", Says::Look(rebooting)),
    message("[RPC] Serial connection was lost", Says::Look(serial_lost)),
    message("[RPC] RPC session started successfully", Says::Done(P::Open)),
    message("Current FUS state:", Says::Look(fus_state)),
    message("Failed to start Firmware Upgrade Service", Says::Fails(F::FusStatus, P::FusStart)),
    message("Failed to delete existing Wireless Stack", Says::Fails(F::FusStatus, P::FusDelete)),
    message("Failed to finish removal of the Wireless Stack", Says::Fails(F::FusStatus, P::FusDelete)),
    message("Could not install wireless stack after several tries", Says::Fails(F::FusStatus, P::FusUpgrade)),
    message("Failed to finish installation of the Wireless Stack", Says::Fails(F::FusStatus, P::FusUpgrade)),
    message("Failed to download the Wireless Stack", Says::Fails(F::WriteFailed, P::Write)),
    message("Cannot access device in recovery mode", Says::Fails(F::Access, P::Open)),
    message("Failed to initialise WinUsb device", Says::Fails(F::DriverMissing, P::Open)),
    message("Failed to exit recovery: Operation timeout", Says::Fails(F::NotEnumerated, P::Enumerate)),
    message("Failed to start recovery mode: operation timeout", Says::Fails(F::NotEnumerated, P::Enumerate)),
    message("[DEV] Full Update", Says::Look(operation)),
    message("[DEV] Full Repair", Says::Look(operation)),
    message("[DEV] Firmware", Says::Look(operation)),
];

fn banner(notebook: &mut Notebook, line: &Line<'_>) {
    let version = line.value_of("qFlipper version").and_then(super::reading::version_in);
    notebook.start_session(NAME, Transport::Dfu, version, line);
}

fn announced(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Dfu, line);
    notebook.remember("announced", "yes");
}

fn announced_end(notebook: &mut Notebook, _line: &Line<'_>) {
    notebook.forget("announced");
}

const ANNOUNCED: &str = "the tool itself announces these errors: the device restarts there";

fn expect_or_fail(notebook: &mut Notebook, class: F, phase: P, code: &str, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Dfu, line);
    if notebook.recall("announced").is_some() {
        notebook.normal(class, phase, code, ANNOUNCED, line);
    } else {
        notebook.fail(class, phase, code, line);
    }
}

fn transfer(notebook: &mut Notebook, line: &Line<'_>) {
    let class = super::libusb::class_in(line.text).unwrap_or(F::BusError);
    let code = super::libusb::name_in(line.text).unwrap_or("control transfer failed");
    expect_or_fail(notebook, class, P::Status, code, line);
}

fn trouble(notebook: &mut Notebook, line: &Line<'_>) {
    expect_or_fail(notebook, F::Disconnected, P::Status, "device status not available", line);
}

fn offline(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Dfu, line);
    let reason = "the device restarts several times while the firmware upgrade service works";
    notebook.normal(F::Disconnected, P::FusState, "device offline", reason, line);
}

fn error(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Dfu, line);
    notebook.fail(F::ToolFailure, P::Unknown, "operation ended with an error", line);
}

fn fus_state(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Dfu, line);
    if line.contains("No error") || line.contains("not found") {
        notebook.done(P::FusState, line);
    } else {
        notebook.fail(F::FusStatus, P::FusState, "FUS error", line);
    }
}

fn rebooting(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Dfu, line);
    notebook.done(P::Reset, line);
    notebook.remember("rebooting", "yes");
}

fn serial_lost(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Dfu, line);
    if notebook.recall("rebooting").is_some() {
        notebook.forget("rebooting");
        notebook.normal(F::Disconnected, P::Reset, "Serial connection was lost", "it was told to restart", line);
    } else {
        notebook.fail(F::Disconnected, P::Unknown, "Serial connection was lost", line);
    }
}

fn operation(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Dfu, line);
    if line.text.trim_end().ends_with("SUCCESS") {
        notebook.done(P::FusUpgrade, line);
    } else if line.contains("ERROR") {
        notebook.fail(F::ToolFailure, P::FusUpgrade, "operation ended with an error", line);
    }
}
