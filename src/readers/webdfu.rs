//! WebUSB DFU pages: the messages of webdfu and of the browser under it.

use crate::observation::event::Transport;
use crate::observation::fact::FactValue;
use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;

use super::message::{Line, Message, Says, Tool, first_number};
use super::notebook::Notebook;

pub static TOOL: Tool = Tool { name: "webdfu", transport: Transport::Dfu, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

const MESSAGES: &[Message] = &[
    message("no compatible devices found", Says::Fails(F::DriverMissing, P::Open)),
    message("Failed to execute 'open' on 'USBDevice'", Says::Look(open_refused)),
    message("Failed to execute 'claimInterface' on 'USBDevice'", Says::Look(claim_refused)),
    message("Unable to claim interface", Says::Look(claim_refused)),
    message("Failed to execute 'selectConfiguration' on 'USBDevice'", Says::Fails(F::Busy, P::Claim)),
    message("Failed to execute 'selectAlternateInterface' on 'USBDevice'", Says::Fails(F::Stall, P::Claim)),
    message("Failed to execute 'controlTransferIn' on 'USBDevice'", Says::Look(transfer_in)),
    message("Failed to execute 'controlTransferOut' on 'USBDevice'", Says::Look(transfer_out)),
    message("Failed to execute 'reset' on 'USBDevice'", Says::Look(reset_refused)),
    message("Failed to execute 'requestDevice' on 'USB'", Says::Fails(F::NotFound, P::Enumerate)),
    message("must have a configuration selected", Says::Look(page_defect)),
    message("The device must be opened first", Says::Look(page_defect)),
    message("operation that changes the device state is in progress", Says::Look(page_defect)),
    message("operation that changes interface state is in progress", Says::Look(page_defect)),
    message("WebUSB not available", Says::Fails(F::BadArguments, P::Open)),
    message("does not have any USB DFU interfaces", Says::Look(application_runs)),
    message("SET_INTERFACE request to select altSetting", Says::Nothing),
    message("ControlTransferIn failed", Says::Look(transfer_in)),
    message("ControlTransferOut failed", Says::Look(transfer_out)),
    message("Error during special DfuSe command", Says::Look(special_command)),
    message("Special DfuSe command", Says::Look(special_command)),
    message("outside of memory map", Says::Fails(F::AddressRefused, P::ImageFile)),
    message("No memory map information available", Says::Fails(F::MalformedDescriptor, P::Layout)),
    message("Not a DfuSe memory descriptor", Says::Fails(F::MalformedDescriptor, P::Layout)),
    message("Copying data from browser to DFU device", Says::Begins(P::Write)),
    message("Copying data from DFU device to browser", Says::Begins(P::Read)),
    message("Manifesting new firmware", Says::Done(P::Write)),
    message("Error during DFU manifest", Says::Normal(F::Disconnected, P::Leave, AFTER_MANIFEST)),
    message("Error during DfuSe manifestation", Says::Normal(F::Disconnected, P::Leave, AFTER_MANIFEST)),
    message("Error during reset for manifestation", Says::Normal(F::Disconnected, P::Leave, AFTER_MANIFEST)),
    message("Unable to poll final manifestation status", Says::Normal(F::Disconnected, P::Leave, AFTER_MANIFEST)),
    message("DFU MANIFEST failed", Says::Fails(F::DfuStatus, P::Leave)),
    message("Error during DFU download", Says::Fails(F::WriteFailed, P::Write)),
    message("Error during final DFU download", Says::Fails(F::WriteFailed, P::Write)),
    message("Error during DfuSe download", Says::Fails(F::WriteFailed, P::Write)),
    message("DFU GETSTATUS failed", Says::Fails(F::Stall, P::Status)),
    message("DFU GETSTATE failed", Says::Fails(F::Stall, P::Status)),
    message("Failed to clear status", Says::Fails(F::Stall, P::Status)),
    message("Failed to return to idle state after abort", Says::Fails(F::UnexpectedState, P::Status)),
    message("DFU DOWNLOAD failed", Says::Look(download_failed)),
];

const AFTER_MANIFEST: &str =
    "the whole image was sent; the device leaves DFU and starts its application before it answers once more";

/// The browser has one word for a lack of rights and for a driver that it cannot use.
fn open_refused(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(TOOL.name, Transport::Dfu, line);
    let class = if line.contains("disconnected") { F::Disconnected } else { F::ConnectFailed };
    notebook.fail(class, P::Open, "the browser could not open the device", line);
}

/// Mostly another page or program has it; a driver of the system may have it, too.
fn claim_refused(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(TOOL.name, Transport::Dfu, line);
    if line.contains("configuration selected") {
        return;
    }
    notebook.fail(F::ConnectFailed, P::Claim, "the browser could not claim the interface", line);
}

/// What the browser calls an invalid state are calls of the page in an order that is not allowed.
fn page_defect(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(TOOL.name, Transport::Dfu, line);
    notebook.fail(F::ToolFailure, P::Claim, "the page calls the browser in a wrong order", line);
}

fn application_runs(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(TOOL.name, Transport::Dfu, line);
    notebook.fact("application-runs-instead", FactValue::Flag(true), line);
    notebook.fail(F::UnexpectedState, P::Claim, "no DFU interface", line);
}

fn class_of_transfer(line: &Line<'_>) -> F {
    match () {
        () if line.contains("stall") => F::Stall,
        () if line.contains("disconnected") => F::Disconnected,
        () => F::BusError,
    }
}

fn transfer_in(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("manifest") {
        return;
    }
    notebook.at_work(TOOL.name, Transport::Dfu, line);
    let phase = notebook.under_way().filter(|&phase| phase == P::Read).unwrap_or(P::Status);
    notebook.fail(class_of_transfer(line), phase, "ControlTransferIn", line);
}

fn transfer_out(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("special DfuSe command") || line.contains("manifest") {
        return;
    }
    notebook.at_work(TOOL.name, Transport::Dfu, line);
    notebook.fail(class_of_transfer(line), P::Write, "ControlTransferOut", line);
}

/// Pages reset the device only when they have sent it everything.
fn reset_refused(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(TOOL.name, Transport::Dfu, line);
    if notebook.has_done(P::Write) {
        notebook.normal(F::Disconnected, P::Leave, "reset", AFTER_MANIFEST, line);
    }
}

/// The command of AN3156, as a decimal number.
const ERASE: f64 = 65.0;

fn special_command(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(TOOL.name, Transport::Dfu, line);
    let class = if line.contains("Error during") { class_of_transfer(line) } else { F::DfuStatus };
    // Some pages print the code instead of the name.
    let code = line.value_of("DfuSe command").and_then(first_number);
    if line.contains("ERASE") || code == Some(ERASE) {
        notebook.fail(class, P::Erase, "ERASE_SECTOR", line);
    } else {
        notebook.fail(class, P::Write, "SET_ADDRESS", line);
    }
}

/// `DFU DOWNLOAD failed state=10, status=11`.
fn download_failed(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(TOOL.name, Transport::Dfu, line);
    let code = super::dfu_util::status_name(line.text).unwrap_or("DFU DOWNLOAD failed");
    notebook.fail(F::DfuStatus, P::Write, code, line);
}

#[cfg(test)]
mod tests {
    use super::super::reading::Readers;
    use super::*;
    use crate::observation::event::EventKind;

    fn failures(report: &str) -> Vec<(F, P, bool)> {
        let reading = Readers::load().unwrap().read(&mut report.as_bytes()).unwrap();
        let cycles = reading.events.into_iter().filter_map(|event| match event {
            EventKind::CycleFinished(cycle) => Some(cycle),
            _ => None,
        });
        let all = cycles.flat_map(|cycle| cycle.steps);
        all.filter_map(|step| step.failure().map(|f| (f.class, f.phase, f.is_expected()))).collect()
    }

    #[test]
    fn a_page_that_lost_the_device_after_the_whole_image_has_done_its_work() {
        let report = "Copying data from browser to DFU device...\nManifesting new firmware\nError during DFU manifest: \
                      ControlTransferIn failed: NotFoundError: The device was disconnected.\n";
        assert_eq!(failures(report), [(F::Disconnected, P::Leave, true)]);
    }

    #[test]
    fn a_refused_page_is_told_by_the_status_and_not_twice() {
        assert_eq!(failures("DFU DOWNLOAD failed state=10, status=8\n"), [(F::DfuStatus, P::Write, false)]);
        let stalled = "Error during special DfuSe command ERASE_SECTOR:ControlTransferOut failed: stall\n";
        assert_eq!(failures(stalled), [(F::Stall, P::Erase, false)]);
    }

    #[test]
    fn an_invalid_state_is_the_pages_own_fault() {
        let line =
            "Failed to execute 'claimInterface' on 'USBDevice': The device must have a configuration selected.\n";
        assert_eq!(failures(line), [(F::ToolFailure, P::Claim, false)]);
    }
}
