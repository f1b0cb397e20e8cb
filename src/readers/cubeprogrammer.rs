//! STM32CubeProgrammer, GUI and command line.

mod memory;

use crate::observation::event::Transport;
use crate::observation::fact::FactValue;
use crate::observation::failure::{Failure, FailureClass as F};
use crate::observation::step::Phase as P;

use super::message::{Line, Message, Says, Tool, find_ascii, first_hex, first_number};
use super::notebook::Notebook;
use super::target_voltage;

pub const NAME: &str = "cubeprogrammer";
/// Codes of messages that a reader or a rule asks for by name.
pub const DEV_CONNECT_ERR: &str = "DEV_CONNECT_ERR";

/// Of one write among several, which says nothing against the others.
pub const ONE_WRITE_FAILED: &str = "may be not erased or protected";

pub static TOOL: Tool = Tool { name: NAME, transport: Transport::Other, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

const MESSAGES: &[Message] = &[
    message("STM32CubeProgrammer v", Says::Look(banner)),
    message("USB speed  ", Says::Look(dfu_attempt)),
    message("USB speed :", Says::Look(dfu_attempt)),
    message("ST-LINK SN", Says::Look(swd_attempt)),
    message("DEV_CONNECT_ERR", Says::Look(dev_connect_err)),
    message("DEV_USB_COMM_ERR", Says::Fails(F::ProbeFault, P::ProbeOpen)),
    message("DEV_NO_STLINK", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("DEV_NOT_HALTED", Says::Fails(F::NotHalted, P::Halt)),
    message("DEV_TARGET_NOT_HALTED", Says::Fails(F::NotHalted, P::Halt)),
    message("DEV_TARGET_HELD_UNDER_RESET", Says::Fails(F::HeldInReset, P::Connect)),
    message("DEV_TARGET_RESET_ERR", Says::Fails(F::ConnectFailed, P::Reset)),
    message("DEV_TARGET_CMD_ERR", Says::Fails(F::NoTarget, P::Connect)),
    message("DEV_UNKNOWN_MCU_TARGET", Says::Fails(F::NoTarget, P::Connect)),
    message("DEV_USB_DRIVER", Says::Fails(F::DriverMissing, P::ProbeOpen)),
    message("JTAG_GET_IDCODE_ERROR", Says::Fails(F::NoAcknowledge, P::Connect)),
    message("ST-LINK firmware upgrade required", Says::Fails(F::ProbeFirmware, P::ProbeOpen)),
    message("No debug probe detected", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("No ST-LINK detected", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("No STLink detected", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("No STM32 target found", Says::Fails(F::NoTarget, P::Connect)),
    message("Unable to get core ID", Says::Fails(F::NoTarget, P::Connect)),
    message("Cannot connect to access port", Says::Fails(F::NoTarget, P::Connect)),
    message("unknown or unsupported device", Says::Look(unknown_device)),
    message("Unsupported device", Says::Fails(F::IdMismatch, P::Identify)),
    message("failed to reconnect after reset", Says::Fails(F::ConnectFailed, P::Reset)),
    message("Reconnection to the target failed", Says::Fails(F::ConnectFailed, P::Reset)),
    message("No DFU device found", Says::Look(no_dfu_device)),
    message("No STM32 DFU device", Says::Look(no_dfu_device)),
    message("No DFU detected", Says::Look(no_dfu_device)),
    message("Target device not found", Says::Fails(F::NotFound, P::Enumerate)),
    message("Error: Device not found", Says::Fails(F::NotFound, P::Enumerate)),
    message("Establishing connection with the device failed", Says::Fails(F::ConnectFailed, P::Open)),
    message("Unable to open the USB device", Says::Fails(F::Access, P::Open)),
    message("Manuf. ID", Says::Done(P::Descriptors)),
    message("Product ID ", Says::Look(product)),
    message("Product ID:", Says::Look(product)),
    message("Device ID  ", Says::Look(device_id)),
    message("Device ID :", Says::Look(device_id)),
    message("Device name ", Says::Look(device_name)),
    message("Board  ", Says::Look(board)),
    message("Board :", Says::Look(board)),
    message("SN  ", Says::Look(serial)),
    message("SN :", Says::Look(serial)),
    message("ST-LINK FW", Says::Look(probe_firmware)),
    message("Voltage  ", Says::Look(voltage)),
    message("Voltage :", Says::Look(voltage)),
    message("Target Voltage", Says::Look(voltage)),
    message("SWD freq", Says::Look(swd_frequency)),
    message("Flash size  ", Says::Look(flash_size)),
    message("Flash size :", Says::Look(flash_size)),
    message("Size  ", Says::Look(file_size)),
    message("Size :", Says::Look(file_size)),
    message("UPLOADING OPTION BYTES DATA", Says::Begins(P::OptionBytes)),
    message("Uploading Option Bytes bank", Says::Look(memory::option_bytes_failed)),
    message("Initializing the Option Bytes failed", Says::Look(memory::option_bytes_failed)),
    message("Reloading Option Bytes Data failed", Says::Fails(F::ReadFailed, P::OptionBytes)),
    message("Option bytes data corrupted", Says::Fails(F::DataMismatch, P::OptionBytes)),
    message("PROGRAMMING OPTION BYTES AREA", Says::Begins(P::OptionBytesWrite)),
    message("Option Bytes successfully programmed", Says::Done(P::OptionBytesWrite)),
    message("Option byte programming failed", Says::Fails(F::WriteFailed, P::OptionBytesWrite)),
    message("Option Bytes programming failed", Says::Fails(F::WriteFailed, P::OptionBytesWrite)),
    message("Setting Option Bytes failed", Says::Fails(F::WriteFailed, P::OptionBytesWrite)),
    message("Expected value for Option Byte", Says::Look(memory::option_refused)),
    message("Device is under Read Out Protection", Says::Look(memory::protected_over_usb)),
    message("Readout protection is set", Says::Fails(F::Protected, P::Connect)),
    message("Disabling memory read protection", Says::Begins(P::ReadUnprotect)),
    message("Disabling Read Out Protection", Says::Begins(P::ReadUnprotect)),
    message("Please Power off Power on your device", Says::Look(memory::power_cycle_asked)),
    message("UPLOADING ...", Says::Look(memory::uploading)),
    message("Data read successfully", Says::Look(memory::read_done)),
    message("Data read failed", Says::Look(memory::read_failed)),
    message("Failed to read the requested memory content", Says::Fails(F::ReadFailed, P::Read)),
    message("Failed to read memory", Says::Otherwise(memory::not_read)),
    message("Opening and parsing file", Says::Look(memory::image_file)),
    message("Error: Parsing fail", Says::Fails(F::BadFile, P::ImageFile)),
    message("parsing count, expecting hex digit", Says::Fails(F::BadFile, P::ImageFile)),
    message("Erasing memory corresponding to", Says::Begins(P::Erase)),
    message("Erasing internal memory sector", Says::Look(memory::erase_begins)),
    message("MASS ERASE ...", Says::Begins(P::Erase)),
    message("Mass erase successfully achieved", Says::Done(P::Erase)),
    message("Mass erase operation failed.Please verify flash protection", Says::Fails(F::EraseFailed, P::Erase)),
    message("Mass erase operation failed. Please verify flash protection", Says::Fails(F::EraseFailed, P::Erase)),
    message("Bridge Freq", Says::Look(bridge)),
    message("Mass erase operation failed", Says::Fails(F::EraseFailed, P::Erase)),
    message("failed to erase memory", Says::Fails(F::EraseFailed, P::Erase)),
    message("Erase operation failed", Says::Fails(F::EraseFailed, P::Erase)),
    message("Flash memory erase failed", Says::Fails(F::EraseFailed, P::Erase)),
    message("Not flash Memory : No erase done", Says::Look(memory::tool_misreads_flash)),
    message("-bytes aligned. It will be aligned to", Says::Look(memory::alignment)),
    message("erasing sector ", Says::Look(memory::erasing_sector)),
    message("Operation exceeds memory limits", Says::Fails(F::AddressRefused, P::Erase)),
    message("Download in Progress", Says::Look(memory::download_begins)),
    message("File download complete", Says::Done(P::Write)),
    message("Unable to read device id from ROM table", Says::Fails(F::ConnectFailed, P::Identify)),
    message("Write failed at address", Says::Look(memory::write_failed)),
    message("failed to download Segment", Says::Fails(F::WriteFailed, P::Write)),
    message("failed to download the File", Says::Fails(F::WriteFailed, P::Write)),
    message("Error occurred during program operation", Says::Fails(F::WriteFailed, P::Write)),
    message("Time elapsed during", Says::Look(memory::time_elapsed)),
    message("Verifying ...", Says::Begins(P::Verify)),
    message("Download verified successfully", Says::Done(P::Verify)),
    message("Data mismatch found at address", Says::Look(memory::data_mismatch)),
    message("Download verification failed", Says::Fails(F::VerifyFailed, P::Verify)),
    message("RUNNING Program", Says::Begins(P::Leave)),
    message("Start operation achieved successfully", Says::Done(P::Leave)),
    message("Start operation failed", Says::Fails(F::ConnectFailed, P::Reset)),
    message("Connection to device ", Says::Look(connection_lost)),
    message("Disconnected from device", Says::Look(disconnected)),
    message("File does not exist", Says::Fails(F::BadFile, P::ImageFile)),
    message("Wrong or corrupted file", Says::Fails(F::BadFile, P::ImageFile)),
    message("Timeout error occured while waiting for acknowledgement", Says::Look(no_uart_answer)),
    message("Activating device: KO", Says::Look(no_uart_answer)),
    message("target is held under reset", Says::Fails(F::HeldInReset, P::Connect)),
    message("Could not connect to the target device", Says::Fails(F::ConnectFailed, P::Connect)),
    message("Unable to connect to the target device", Says::Fails(F::ConnectFailed, P::Connect)),
    message("Debug Authentication", Says::Nothing),
    message("Unable to detect DBGMCU Mailbox", Says::Fails(F::ConnectFailed, P::Reset)),
    // Of an on-board ST-LINK's drive: it cannot reach its target at all.
    message("FAILED to reset/halt the target MCU", Says::Fails(F::NoTarget, P::Connect)),
    message("ST-LINK_GDB_server_", Says::Look(under_gdb_server)),
    message(ONE_WRITE_FAILED, Says::Fails(F::WriteFailed, P::Write)),
    message("Old ST-LINK firmware version", Says::Fails(F::ProbeFirmware, P::ProbeOpen)),
    message("ST-LINK firmware version is too old", Says::Fails(F::ProbeFirmware, P::ProbeOpen)),
    message("please upgrade your ST-LINK firmware", Says::Fails(F::ProbeFirmware, P::ProbeOpen)),
    message("ST-LINK is in use", Says::Fails(F::Busy, P::ProbeOpen)),
    message("DEV_TARGET_STATUS_ERR", Says::Fails(F::NoTarget, P::Connect)),
    message("Problem occurred while trying to halt", Says::Fails(F::NotHalted, P::Halt)),
    message("Software reset failed", Says::Fails(F::ConnectFailed, P::Reset)),
    message("Hard reset failed", Says::Fails(F::ConnectFailed, P::Reset)),
    message("Core reset failed", Says::Fails(F::ConnectFailed, P::Reset)),
    message("MCU Reset failed", Says::Fails(F::ConnectFailed, P::Reset)),
    message("Failed to reset the target", Says::Fails(F::ConnectFailed, P::Reset)),
    message("Read Out protection unlocking failed", Says::Fails(F::Protected, P::ReadUnprotect)),
    message("Read unprotect failed", Says::Fails(F::Protected, P::ReadUnprotect)),
    message("Unlocking RDP failed", Says::Fails(F::Protected, P::ReadUnprotect)),
    message("Read protection error", Says::Fails(F::Protected, P::Read)),
    message("Write protection error", Says::Fails(F::WriteProtected, P::Write)),
    message("flash is write protected", Says::Look(memory::write_protected)),
    message("sector is write protected", Says::Look(memory::write_protected)),
    message(" does not exist", Says::Look(memory::sector_missing)),
    message("Option byte command :", Says::Look(memory::option_command)),
    message("Option Byte: ", Says::Look(memory::option_unknown)),
    message("Sector size: 0x", Says::Look(memory::sector_size)),
    message("Init function fail", Says::Fails(F::WriteFailed, P::Write)),
    message("Wrong external loader", Says::Fails(F::BadArguments, P::ImageFile)),
    message("No external loader selected", Says::Fails(F::BadArguments, P::ImageFile)),
    message("Cannot identify the device", Says::Fails(F::IdMismatch, P::Identify)),
    message("OTP programming failed", Says::Fails(F::WriteFailed, P::Otp)),
    message("OTP read failed", Says::Fails(F::ReadFailed, P::Otp)),
    message("Cannot read OTP", Says::Fails(F::ReadFailed, P::Otp)),
    message("Error: ", Says::Otherwise(unnamed_error)),
];

fn banner(notebook: &mut Notebook, line: &Line<'_>) {
    let version = line.value_of("CubeProgrammer").and_then(super::reading::version_in);
    notebook.start_session(NAME, Transport::Other, version, line);
    notebook.forget("transport");
}

/// An error in words that are not known is a failure of the operation that is under way.
fn unnamed_error(notebook: &mut Notebook, line: &Line<'_>) {
    let Some((before, words)) = line.text.split_once("Error: ") else { return };
    let printed = before.trim_end_matches(|c: char| !c.is_alphanumeric()).chars().all(|c| !c.is_alphabetic());
    if notebook.tool() != Some(NAME) || !printed || words.trim().is_empty() {
        return;
    }
    let phase = notebook.under_way().unwrap_or(P::Unknown);
    let class = match phase {
        P::Write | P::OptionBytesWrite => F::WriteFailed,
        P::Erase => F::EraseFailed,
        P::Verify => F::VerifyFailed,
        P::Read | P::OptionBytes => F::ReadFailed,
        P::FusUpgrade | P::FusDelete | P::FusStart => F::FusStatus,
        _ => F::Other,
    };
    notebook.fail(class, phase, words.trim(), line);
}

/// A device in DFU mode was opened: an error about a probe in front of it was about looking for one.
fn dfu_attempt(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.excuse(is_dev_connect_err, NO_PROBE_WANTED);
    start(notebook, line, Transport::Dfu);
    notebook.done(P::Enumerate, line);
}

/// The ROM is addressed over a UART, where it does not answer: the board is in its application, or the wires are wrong.
fn no_uart_answer(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Other, line);
    notebook.fail(F::ConnectFailed, P::Open, "Activating device: KO", line);
}

fn swd_attempt(notebook: &mut Notebook, line: &Line<'_>) {
    start(notebook, line, Transport::Swd);
    notebook.done(P::ProbeOpen, line);
    if let Some(serial) = line.value_of("ST-LINK SN") {
        notebook.text_fact("probe-serial", serial, line);
    }
}

const NO_PROBE_WANTED: &str = "the tool also looks for an ST-LINK; none is needed in a USB DFU session";

fn is_dev_connect_err(failure: &Failure) -> bool {
    failure.code.as_ref().is_some_and(|code| code.raw() == DEV_CONNECT_ERR)
}

fn start(notebook: &mut Notebook, line: &Line<'_>, transport: Transport) {
    let same = notebook.recall("transport") == Some(transport.name());
    if notebook.tool() == Some(NAME) && same {
        notebook.start_attempt(line);
    } else {
        notebook.start_session(NAME, transport, None, line);
    }
    notebook.remember("transport", transport.name());
    notebook.forget(DISCONNECTED);
}

fn over_dfu(notebook: &Notebook) -> bool {
    notebook.recall("transport") == Some(Transport::Dfu.name())
}

fn over_swd(notebook: &Notebook) -> bool {
    notebook.recall("transport") == Some(Transport::Swd.name())
}

fn dev_connect_err(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Other, line);
    if over_dfu(notebook) {
        notebook.normal(F::NoProbe, P::ProbeOpen, DEV_CONNECT_ERR, NO_PROBE_WANTED, line);
    } else {
        notebook.fail(F::NoProbe, P::ProbeOpen, DEV_CONNECT_ERR, line);
    }
}

fn no_dfu_device(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("no dfu capable") {
        return;
    }
    notebook.at_work(NAME, Transport::Dfu, line);
    notebook.fail(F::NotFound, P::Enumerate, "No DFU device found", line);
}

fn device_id(notebook: &mut Notebook, line: &Line<'_>) {
    let Some(id) = line.value_of("Device ID").and_then(first_hex) else { return };
    // stm32flash prints the same words.
    notebook.at_work_if_alone(NAME, Transport::Other, line);
    notebook.done(P::Identify, line);
    notebook.fact("dev-id", FactValue::Number(f64::from(id)), line);
}

/// An identity of zero is no identity: the debug unit did not answer.
fn unknown_device(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Other, line);
    let id = line.value_of("DevID").and_then(first_hex);
    if id == Some(0) {
        notebook.fact("identity-reads-zero", FactValue::Flag(true), line);
    } else if let Some(id) = id {
        notebook.text_fact("chip-id", &format!("{id:#x}"), line);
    }
    notebook.fail(F::IdMismatch, P::Identify, "unknown or unsupported device", line);
}

/// `Size : 19.56 KB` of the file that is opened; the size of a read is in bytes and comes later.
fn file_size(notebook: &mut Notebook, line: &Line<'_>) {
    let Some(text) = line.value_of("Size") else { return };
    let unit = match () {
        () if text.ends_with("KB") || text.ends_with("KBytes") => 1024.0,
        () if text.ends_with("MB") => 1024.0 * 1024.0,
        () if text.ends_with("Bytes") || text.ends_with("B") => 1.0,
        () => return,
    };
    if let Some(number) = first_number(text).filter(|_| notebook.recall("file-opened").is_some()) {
        notebook.forget("file-opened");
        notebook.fact("image-bytes", FactValue::Number((number * unit).round()), line);
    }
}

fn device_name(notebook: &mut Notebook, line: &Line<'_>) {
    if let Some(name) = line.value_of("Device name").filter(|name| name.starts_with("STM32")) {
        notebook.text_fact("device-name", name, line);
    }
}

fn board(notebook: &mut Notebook, line: &Line<'_>) {
    if let Some(name) = line.value_of("Board").filter(|name| *name != "--" && name.len() < 40 && !name.contains(' ')) {
        notebook.text_fact("board-name", name, line);
    }
}

/// The ROM's product strings name STM32 or DFU; a loader of somebody else has a name of its own.
fn product(notebook: &mut Notebook, line: &Line<'_>) {
    const OF_ROMS: [&str; 5] = ["stm", "bootloader", "dfu", "gadget", "st-link"];
    let Some(name) = line.value_of("Product ID").filter(|name| name.len() < 40 && !name.starts_with("0x")) else {
        return;
    };
    if over_dfu(notebook) && !OF_ROMS.iter().any(|known| find_ascii(name, known).is_some()) {
        notebook.fact("other-loader", FactValue::Flag(true), line);
    }
}

fn serial(notebook: &mut Notebook, line: &Line<'_>) {
    let Some(serial) = line.value_of("SN").filter(|serial| !serial.contains(' ') && serial.len() <= 24) else { return };
    if !over_dfu(notebook) {
        return;
    }
    notebook.text_fact("serial", serial, line);
    if serial.eq_ignore_ascii_case("FFFFFFFEFFFF") {
        notebook.fact("serial-unreadable", FactValue::Flag(true), line);
    }
}

fn probe_firmware(notebook: &mut Notebook, line: &Line<'_>) {
    if let Some(version) = line.value_of("ST-LINK FW") {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.text_fact("probe-firmware", version, line);
    }
}

fn voltage(notebook: &mut Notebook, line: &Line<'_>) {
    let Some(volts) = line.value_of("Voltage").filter(|text| text.ends_with(['V', 'v'])).and_then(first_number) else {
        return;
    };
    target_voltage::note(notebook, volts, line);
}

/// The probe is a bridge to CAN, SPI or a UART there, which needs no measured supply.
fn bridge(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Other, line);
    let is_voltage = |failure: &Failure| failure.class == F::LowVoltage;
    notebook.excuse(is_voltage, "a bridge to another interface needs no target voltage");
}

fn swd_frequency(notebook: &mut Notebook, line: &Line<'_>) {
    if let Some(khz) = line.value_of("SWD freq").and_then(first_number) {
        notebook.fact("swd-frequency-khz", FactValue::Number(khz), line);
    }
}

/// 63.999 MBytes is a size register that reads as all ones.
fn flash_size(notebook: &mut Notebook, line: &Line<'_>) {
    let Some(text) = line.value_of("Flash size") else { return };
    notebook.text_fact("flash-size", text, line);
    if text.starts_with("63.99") || text.starts_with("65535") {
        notebook.fact("flash-size-unreadable", FactValue::Flag(true), line);
    }
}

/// The file that CubeIDE hands to the tool, which it always runs through a probe.
fn under_gdb_server(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains(".srec") && !over_swd(notebook) {
        start(notebook, line, Transport::Swd);
    }
}

const DISCONNECTED: &str = "disconnected-after-work";

/// A tool's own end of a connection, which is worth remembering where the work before it went well; ST-LINK Utility says the same.
fn disconnected(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work_if_alone(NAME, Transport::Other, line);
    let worked = notebook.has_done(P::Verify) || notebook.has_done(P::Write);
    if worked && notebook.failures_like(|failure| !failure.is_expected()) == 0 {
        notebook.remember(DISCONNECTED, "yes");
    }
}

/// Normal after the device was told to restart; a fault of the link or the target otherwise.
fn connection_lost(notebook: &mut Notebook, line: &Line<'_>) {
    if !line.contains("lost") {
        return;
    }
    notebook.at_work(NAME, Transport::Other, line);
    if let Some(id) = first_hex(line.text).filter(|&id| id > 0xff && id < 0x1000) {
        notebook.fact("dev-id", FactValue::Number(f64::from(id)), line);
    }
    let code = "Connection to device is lost";
    let reason = if notebook.has_done(P::FusDelete) || notebook.has_done(P::FusUpgrade) {
        Some("the device restarts after the firmware upgrade service has worked")
    } else if notebook.has_done(P::OptionBytesWrite) {
        Some("the device resets when new option bytes are loaded")
    } else if notebook.has_done(P::Leave) && !over_swd(notebook) {
        Some("the device leaves DFU when the application is started")
    } else if notebook.recall(DISCONNECTED).is_some() {
        Some("the tool had closed the connection itself, after its work was done")
    } else {
        None
    };
    match reason {
        Some(reason) => notebook.normal(F::Disconnected, P::Unknown, code, reason, line),
        None => notebook.fail(F::Disconnected, P::Unknown, code, line),
    }
}
