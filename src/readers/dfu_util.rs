//! dfu-util 0.7 to 0.11.

use crate::dfu::state::DfuStatus;
use crate::observation::event::Transport;
use crate::observation::fact::FactValue;
use crate::observation::failure::{Failure, FailureClass as F};
use crate::observation::field_text::FieldText;
use crate::observation::step::Phase as P;

use super::message::{Line, Message, Says, Tool, find_ascii, first_hex};
use super::notebook::Notebook;

pub const NAME: &str = "dfu-util";

pub static TOOL: Tool = Tool { name: NAME, transport: Transport::Dfu, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

const MESSAGES: &[Message] = &[
    message("dfu-util 0.", Says::Look(banner)),
    message("No DFU capable USB device", Says::Fails(F::NotFound, P::Enumerate)),
    message("dfu-programmer: no device present", Says::Fails(F::NotFound, P::Enumerate)),
    message("No DFU capable device", Says::Fails(F::NotFound, P::Enumerate)),
    message("No DFU-capable device", Says::Fails(F::NotFound, P::Enumerate)),
    message("More than one DFU capable USB device found", Says::Fails(F::BadArguments, P::Open)),
    message("Cannot open DFU device", Says::Look(cannot_open)),
    message("Cannot open device", Says::Look(cannot_open)),
    message("Can't open DFU device", Says::Look(cannot_open)),
    message("Found DFU:", Says::Look(found)),
    message("Found Runtime:", Says::Look(found_runtime)),
    message("Opening DFU capable USB device", Says::Look(opening)),
    message("Opening DFU USB device", Says::Done(P::Enumerate)),
    message("Run-time device DFU version", Says::Done(P::Open)),
    message("Claiming USB DFU", Says::Begins(P::Claim)),
    message("Cannot claim interface", Says::Look(cannot_claim)),
    message("Setting Alternate", Says::Done(P::Claim)),
    message("Cannot set alternate interface", Says::Fails(F::Stall, P::Claim)),
    message("Cannot set alt interface", Says::Fails(F::Stall, P::Claim)),
    message("Cannot set configuration", Says::Fails(F::Busy, P::Claim)),
    message("Device still in Run", Says::Look(still_in_run_time)),
    message("Device is not in DFU mode", Says::Look(still_in_run_time)),
    message("error detaching", Says::Look(still_in_run_time)),
    message("Runtime device already in DFU state", Says::Nothing),
    message("Device really in Run", Says::Look(run_time)),
    message("appIDLE", Says::Look(run_time)),
    message("Device ID ", Says::Look(device_id)),
    message("ID 0483:", Says::Look(device_id)),
    message("libusb_control_transfer returned -", Says::Look(control_transfer)),
    message("Lost device after RESET", Says::Fails(F::Disconnected, P::Reset)),
    message("Error obtaining DFU functional descriptor", Says::Look(no_functional_descriptor)),
    message("Device has DFU interface, but has no DFU functional descriptor", Says::Look(no_functional_descriptor)),
    message("Determining device status", Says::Look(status)),
    message("state(", Says::Look(status)),
    message("dfuERROR, clearing status", Says::Nothing),
    message("error get_status", Says::Fails(F::Stall, P::Status)),
    message("error clear_status", Says::Fails(F::Stall, P::Status)),
    message("Status is not OK", Says::Fails(F::DfuStatus, P::Status)),
    message("DFU mode device DFU version", Says::Look(protocol)),
    message("Device returned transfer size", Says::Done(P::Descriptors)),
    message("DfuSe interface name", Says::Done(P::Layout)),
    message("Failed to parse memory layout", Says::Fails(F::MalformedDescriptor, P::Layout)),
    message("Failed to enter idle state on abort", Says::Fails(F::UnexpectedState, P::Status)),
    message("can't send DFU_ABORT", Says::Fails(F::Stall, P::Status)),
    message("Unexpected number of bytes uploaded", Says::Fails(F::ShortRead, P::Read)),
    message("Failed to write whole chunk", Says::Fails(F::WriteFailed, P::Write)),
    message("Invalid dfuse address", Says::Fails(F::BadArguments, P::Write)),
    message("Invalid dfuse modifier", Says::Fails(F::BadArguments, P::Write)),
    message("can only be used with force", Says::Fails(F::BadArguments, P::Write)),
    message("Transfer size must be specified", Says::Fails(F::BadArguments, P::Write)),
    message("Image does not match current alternate", Says::Fails(F::BadArguments, P::Claim)),
    message("rerun with the correct -a option", Says::Fails(F::BadArguments, P::Claim)),
    // What dfu-util says of a plain image when it is not told where that goes.
    message("Only DfuSe file version 1.1a is supported", Says::Fails(F::BadArguments, P::ImageFile)),
    message("No valid DfuSe signature", Says::Fails(F::BadArguments, P::ImageFile)),
    message("for raw binary download, use the", Says::Fails(F::BadArguments, P::ImageFile)),
    message("This is a DfuSe file, not", Says::Fails(F::BadArguments, P::ImageFile)),
    message("No valid target signature", Says::Fails(F::BadFile, P::ImageFile)),
    message("Corrupt DfuSe file", Says::Fails(F::BadFile, P::ImageFile)),
    message("File too small for", Says::Fails(F::BadFile, P::ImageFile)),
    message("File size is too big", Says::Fails(F::BadFile, P::ImageFile)),
    message("Valid DFU suffix needed", Says::Fails(F::BadFile, P::ImageFile)),
    message("Could not read name, sscanf", Says::Fails(F::MalformedDescriptor, P::Layout)),
    message("No valid type for segment", Says::Fails(F::MalformedDescriptor, P::Layout)),
    message("Non-valid multiplier", Says::Fails(F::MalformedDescriptor, P::Layout)),
    message("File ID ", Says::Look(file_id)),
    message("is not writeable", Says::Look(page_refused)),
    message("is not readable", Says::Look(page_refused)),
    message("can not be erased", Says::Look(page_refused)),
    message("Device disconnects, erases flash", Says::Normal(F::Disconnected, P::ReadUnprotect, AFTER_UNPROTECT)),
    message("Performing mass erase", Says::Begins(P::Erase)),
    message("Downloading to address", Says::Look(download)),
    message("Downloading element to address", Says::Look(download)),
    message("Copying data from PC to DFU device", Says::Begins(P::Write)),
    message("Uploading to socket", Says::Begins(P::Read)),
    message("Upload done", Says::Done(P::Read)),
    message("Received a total of", Says::Done(P::Read)),
    message("Download done", Says::Done(P::Write)),
    message("File downloaded successfully", Says::Done(P::Write)),
    message("Error during download get_status", Says::Look(get_status)),
    message("Error during upload get_status", Says::Look(get_status)),
    message("unable to read DFU status after completion", Says::Look(get_status)),
    message("Error during special command", Says::Look(special_command)),
    message("not correctly executed", Says::Fails(F::DfuStatus, P::Write)),
    message("Wrong state after command", Says::Fails(F::UnexpectedState, P::Write)),
    message("Device stuck after special command request", Says::Fails(F::Hang, P::Erase)),
    message("Error during download (", Says::Look(download_failed)),
    message("Error during upload (", Says::Look(upload_failed)),
    message("Error sending completion packet", Says::Look(completion)),
    // It comes to these two after a download that went well, and to nothing else.
    message("error resetting after download", Says::Normal(F::Disconnected, P::Leave, AFTER_LEAVE)),
    message("can't detach", Says::Normal(F::Disconnected, P::Leave, AFTER_LEAVE)),
    message("Error sending dfu abort request", Says::Fails(F::Stall, P::Status)),
    message("Error 74", Says::Look(make_error)),
    message("Lost device", Says::Fails(F::Disconnected, P::Wait)),
    message("Failed to retrieve language identifiers", Says::Fails(F::DescriptorFailed, P::Descriptors)),
    message("Failed to retrieve string descriptor", Says::Fails(F::DescriptorFailed, P::Descriptors)),
    message(":leave", Says::Look(leave_asked)),
    message("Invalid DFU suffix signature", Says::Look(no_suffix)),
    message("Error: File exists", Says::Fails(F::BadFile, P::ImageFile)),
    message("Could not open file", Says::Fails(F::BadFile, P::ImageFile)),
    message("Warning: A valid DFU suffix will be required", Says::Nothing),
    message("No such Alternate Setting", Says::Fails(F::BadArguments, P::Claim)),
    message("Not a valid DfuSe file", Says::Fails(F::BadFile, P::ImageFile)),
    message("Invalid DfuSe", Says::Fails(F::BadFile, P::ImageFile)),
    message("Device's vendor-specific status", Says::Nothing),
];

/// `DFU mode device DFU version 011a`: 0110 is DFU as it was standardised, 011a is ST's extension.
fn protocol(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Dfu, line);
    notebook.done(P::Status, line);
    if let Some(version) = line.value_of("DFU version") {
        notebook.text_fact("dfu-version", version, line);
    }
}

fn banner(notebook: &mut Notebook, line: &Line<'_>) {
    let version = line.value_of("dfu-util").and_then(super::reading::version_in);
    // A version in running text is not a start of the tool.
    if line.text.trim_start_matches(['$', ' ']).len() > 24 {
        if let Some(version) = version {
            notebook.text_fact("tool-version", &format!("{NAME} {version}"), line);
        }
        return;
    }
    notebook.start_session(NAME, Transport::Dfu, version, line);
}

/// Which error it was decides who is to blame; without one it is access, or on Windows the driver.
fn cannot_open(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Dfu, line);
    notebook.fail(class_of_refusal(line, F::Access), P::Open, "Cannot open DFU device", line);
}

/// What libusb's error says of a device or an interface that was not to be had, where it says more than that.
fn class_of_refusal(line: &Line<'_>, otherwise: F) -> F {
    let told = super::libusb::class_in(line.text);
    told.filter(|class| matches!(class, F::DriverMissing | F::Busy | F::Disconnected)).unwrap_or(otherwise)
}

/// Mostly somebody else has it. On Windows the interface of a composite device may have no driver that libusb can use.
fn cannot_claim(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Dfu, line);
    notebook.fail(class_of_refusal(line, F::Busy), P::Claim, "Cannot claim interface", line);
}

/// While it looks for devices dfu-util tells of every one that it cannot open, of others than the wanted one too. What it says on the
/// line of this one is about this one.
fn opening(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Dfu, line);
    let while_looking = |failure: &Failure| {
        failure.phase == P::Open
            && failure.line != Some(line.number)
            && failure.code.as_ref().is_some_and(|code| code.raw() == "Cannot open DFU device")
    };
    notebook.excuse(while_looking, "another device was meant, or the device was opened after all");
    notebook.done(P::Enumerate, line);
}

fn found(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Dfu, line);
    notebook.done(P::Enumerate, line);
    // Names stay unknown to versions that could not open what they found.
    if quoted(line.text, "name=") == Some("UNKNOWN") {
        notebook.fact("names-unread", FactValue::Flag(true), line);
    }
    if let Some(layout) = quoted(line.text, "name=").filter(|name| *name != "UNKNOWN") {
        notebook.done(P::Layout, line);
        notebook.text_fact("layout", layout, line);
    }
    if let Some(serial) = quoted(line.text, "serial=").filter(|serial| *serial != "UNKNOWN") {
        notebook.text_fact("serial", serial, line);
        if serial.eq_ignore_ascii_case("FFFFFFFEFFFF") {
            notebook.fact("serial-unreadable", FactValue::Flag(true), line);
        }
    }
    let id = line.text.split(['[', ']']).nth(1).filter(|id| id.len() == 9);
    if let Some(id) = id {
        notebook.text_fact("vid-pid", &id.to_ascii_lowercase(), line);
    }
}

fn found_runtime(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Dfu, line);
    notebook.done(P::Enumerate, line);
    notebook.fact("dfu-runtime-mode", FactValue::Flag(true), line);
}

/// The device runs its application and is asked to go into its loader.
fn run_time(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Dfu, line);
    notebook.fact("dfu-runtime-mode", FactValue::Flag(true), line);
}

/// The application is asked to go into its loader, and stays.
fn still_in_run_time(notebook: &mut Notebook, line: &Line<'_>) {
    run_time(notebook, line);
    notebook.fact("software-entry-fails", FactValue::Flag(true), line);
    notebook.fail(F::UnexpectedState, P::Status, "still in run-time mode", line);
}

/// `Device ID 0483:df11`, `ID 1d50:6018`.
fn device_id(notebook: &mut Notebook, line: &Line<'_>) {
    let id = line.value_of("ID").and_then(|text| text.split_whitespace().next()).map(str::to_ascii_lowercase);
    let is_id = |id: &String| {
        id.len() == 9 && id.as_bytes()[4] == b':' && id.bytes().all(|b| b == b':' || b.is_ascii_hexdigit())
    };
    if let Some(id) = id.filter(is_id).filter(|_| line.text.trim_start().len() < 40) {
        notebook.text_fact("vid-pid", &id, line);
    }
}

/// `dfuse_download: libusb_control_transfer returned -9 (LIBUSB_ERROR_PIPE)`.
fn control_transfer(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Dfu, line);
    let class = super::libusb::class_in(line.text).unwrap_or(F::BusError);
    let phase = if line.contains("upload") { P::Read } else { P::Write };
    notebook.fail(class, phase, super::libusb::name_in(line.text).unwrap_or("control transfer failed"), line);
}

fn quoted<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let at = text.find(key)? + key.len();
    text[at..].strip_prefix('"')?.split('"').next()
}

fn no_functional_descriptor(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Dfu, line);
    notebook.text_fact("dfu-descriptor", "missing", line);
}

/// An error left over from an earlier run is cleared at the start; in the middle of work it is the device's answer.
fn status(notebook: &mut Notebook, line: &Line<'_>) {
    // Functions of programs end in these letters as well.
    if !line.contains("dfu") && !line.contains("status") {
        return;
    }
    notebook.at_work(NAME, Transport::Dfu, line);
    if !line.contains("dfuERROR") {
        if line.contains("dfuIDLE") {
            notebook.done(P::Status, line);
        }
        return;
    }
    let code = match status_name(line.text) {
        Some(name) => name,
        None => line.text.find("status").map_or("dfuERROR", |at| line.text[at..].trim()),
    };
    match notebook.under_way() {
        Some(phase @ (P::Write | P::Read | P::Erase)) => {
            let phase = if line.contains("erase") { P::Erase } else { phase };
            notebook.fail(F::DfuStatus, phase, code, line);
        }
        _ if line.contains("Determining") || line.contains("DFU state") => {
            notebook.normal(
                F::DfuStatus,
                P::Status,
                code,
                "an earlier run left the error; it is cleared at the start",
                line,
            );
        }
        _ => notebook.fail(F::DfuStatus, P::Status, code, line),
    }
}

/// The name of a status that a tool prints as its number; those that the standard knows.
pub fn status_name(text: &str) -> Option<&'static str> {
    let behind = text.get(find_ascii(text, "status")? + "status".len()..)?;
    let number = behind.trim_start_matches([' ', '(', '=', ':']);
    let digits = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    DfuStatus(number[..digits].parse().ok()?).name()
}

fn download(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Dfu, line);
    if let Some(address) = first_hex(line.text) {
        notebook.address_fact("download-address", line);
        if address >= 0x9000_0000 {
            notebook.fact("external-flash-address", FactValue::Flag(true), line);
        }
    }
    notebook.begin(P::Write, line);
}

fn file_id(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("does not match") {
        notebook.at_work(NAME, Transport::Dfu, line);
        notebook.fail(F::BadFile, P::ImageFile, "File ID does not match device", line);
    }
}

fn page_refused(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("page at") {
        notebook.at_work(NAME, Transport::Dfu, line);
        if first_hex(line.text).is_some_and(|address| address >= 0x9000_0000) {
            notebook.fact("external-flash-address", FactValue::Flag(true), line);
        }
        notebook.fail_at(F::AddressRefused, P::Write, "page not in the layout", first_hex(line.text), line);
    }
}

const AFTER_UNPROTECT: &str = "the device erases its flash and resets after read unprotect";
pub const AFTER_LEAVE: &str =
    "the device left DFU and started its application before it was asked for its status once more";

/// Where the poster tells that the message comes with `:leave` only, it was the leave.
fn leave_asked(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("error message") {
        notebook.excuse(is_status_after_download, AFTER_LEAVE);
    }
}

pub fn is_status_after_download(failure: &Failure) -> bool {
    failure.phase == P::Write && failure.code.as_ref().is_some_and(|code| code.raw() == GET_STATUS)
}

/// A plain image has none, and every version takes it all the same.
fn no_suffix(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Dfu, line);
    let reason = "a plain image has no suffix; dfu-util only says so and takes it";
    notebook.normal(F::BadFile, P::ImageFile, "Invalid DFU suffix signature", reason, line);
}

const GET_STATUS: &str = "Error during download get_status";

fn get_status(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Dfu, line);
    let code = GET_STATUS;
    let told_as_last = [
        "at the end",
        "at the very end",
        "after the download",
        "after flashing",
        "after 100",
        "runs fine",
        "works fine",
        "works anyway",
        "still works",
    ]
    .iter()
    .any(|w| line.contains(w));
    if notebook.has_done(P::Write) || line.contains(":leave") || told_as_last {
        notebook.normal(F::Disconnected, P::Leave, code, AFTER_LEAVE, line);
    } else {
        let phase = if line.contains("upload") { P::Read } else { P::Write };
        notebook.fail(super::libusb::class_in(line.text).unwrap_or(F::Stall), phase, code, line);
    }
}

/// Set Address, Erase, Read Unprotect. After the last one the device resets.
fn special_command(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Dfu, line);
    if line.contains("READ_UNPROTECT") {
        notebook.normal(F::Disconnected, P::ReadUnprotect, "READ_UNPROTECT", AFTER_UNPROTECT, line);
    } else if line.contains("SET_ADDRESS") && notebook.has_done(P::Write) {
        notebook.normal(F::Disconnected, P::Leave, "SET_ADDRESS", AFTER_LEAVE, line);
    } else if line.contains("ERASE") {
        notebook.fail(F::Stall, P::Erase, "ERASE_PAGE", line);
    } else {
        notebook.fail(F::Stall, P::Write, "SET_ADDRESS", line);
    }
}

fn download_failed(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Dfu, line);
    let class = super::libusb::class_in(line.text).unwrap_or(F::WriteFailed);
    notebook.fail(class, P::Write, "Error during download", line);
}

fn upload_failed(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Dfu, line);
    let class = super::libusb::class_in(line.text).unwrap_or(F::ReadFailed);
    notebook.fail(class, P::Read, "Error during upload", line);
}

fn completion(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Dfu, line);
    if notebook.has_done(P::Write) {
        notebook.normal(F::Disconnected, P::Leave, "after completion", AFTER_LEAVE, line);
    } else {
        notebook.fact("dfu-message", FactValue::Text(FieldText::new(line.text.trim())), line);
    }
}

/// make(1) repeats the exit code of dfu-util after a harmless status error.
fn make_error(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("dfu") && notebook.has_done(P::Write) {
        notebook.normal(F::Other, P::Leave, "Error 74", AFTER_LEAVE, line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_status_has_its_name_of_the_standard() {
        assert_eq!(status_name("state(10) = dfuERROR, status(8) = Cannot program memory"), Some("errADDRESS"));
        assert_eq!(status_name("state = dfuERROR, status = 11"), Some("errVENDOR"));
        assert_eq!(status_name("state=10, status=3"), Some("errWRITE"));
        assert_eq!(status_name("dfuERROR, clearing status"), None);
    }
}
