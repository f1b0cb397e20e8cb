//! stlink-org's st-flash, st-info and st-util, three generations.

use crate::observation::event::Transport;
use crate::observation::fact::FactValue;
use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;

use super::message::{Line, Message, Says, Tool, first_hex};
use super::notebook::Notebook;

pub const NAME: &str = "stlink";

pub static TOOL: Tool = Tool { name: NAME, transport: Transport::Swd, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

const MESSAGES: &[Message] = &[
    message("st-flash 1.", Says::Look(banner)),
    message("st-util 1.", Says::Look(banner)),
    message("st-info 1.", Says::Look(banner)),
    message("Loading device parameters", Says::Begins(P::Identify)),
    message("Device connected is:", Says::Done(P::Identify)),
    message("chipid:", Says::Look(chip_id)),
    message("unknown chip id", Says::Look(unknown_chip)),
    message("unknown chipid", Says::Look(unknown_chip)),
    message("stlinks: Found 0", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("Found 0 stlink programmers", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("Found 1 stlink programmer", Says::Done(P::ProbeOpen)),
    message("Couldn't find any ST-Link", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("Couldn't find ST-Link", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("Couldn't open ST-Link", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("Could not open ST-Link", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("Unable to find any ST-Link", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("unable to get libusb device descriptor", Says::Fails(F::ProbeFault, P::ProbeOpen)),
    message("Flash: 0 bytes (0 KiB)", Says::Look(no_flash)),
    message("flash:      0 (pagesize: ", Says::Look(no_flash)),
    message("flash: 0 (pagesize: ", Says::Look(no_flash)),
    message("Failed to enter SWD mode", Says::Fails(F::NoTarget, P::Connect)),
    message("Failed to connect to target", Says::Fails(F::NoTarget, P::Connect)),
    message("Can not connect to target. Please use 'connect under reset'", Says::Fails(F::NoTarget, P::Connect)),
    message("NRST is not connected", Says::Look(nrst)),
    message("target voltage is too low", Says::Fails(F::LowVoltage, P::TargetVoltage)),
    message("Verification of flash failed at offset", Says::Fails(F::VerifyFailed, P::Verify)),
    message("stlink_fwrite_flash() == -1", Says::Fails(F::WriteFailed, P::Write)),
    message("stlink_fread() == -1", Says::Fails(F::ReadFailed, P::Read)),
    message("flash loader run error", Says::Fails(F::WriteFailed, P::Write)),
    message("flash loader error", Says::Fails(F::WriteFailed, P::Write)),
    message("stlink_flash_loader_run(", Says::Fails(F::WriteFailed, P::Write)),
    message("Flash loader write error", Says::Fails(F::WriteFailed, P::Write)),
    message("write error, count", Says::Fails(F::WriteFailed, P::Write)),
    message("Flash memory is write protected", Says::Fails(F::WriteProtected, P::Write)),
    message("Unlock flash failed", Says::Fails(F::WriteProtected, P::Write)),
    message("Failed to unlock flash", Says::Fails(F::WriteProtected, P::Write)),
    message("Flash memory is still locked", Says::Fails(F::WriteProtected, P::Write)),
    message("Failed to erase_flash_page", Says::Fails(F::EraseFailed, P::Erase)),
    message("Erase failed", Says::Look(erase_failed)),
    message("Attempting to write", Says::Look(writing)),
    message("Starting verification of write complete", Says::Begins(P::Verify)),
    message("Flash written and verified", Says::Done(P::Verify)),
    message("jolly good", Says::Done(P::Verify)),
    message("Successfully loaded flash loader in sram", Says::Nothing),
    message("Mass erasing", Says::Begins(P::Erase)),
    message("Mass erase completed successfully", Says::Done(P::Erase)),
    message("Soft reset failed", Says::Fails(F::ConnectFailed, P::Reset)),
    message("addr too high", Says::Fails(F::AddressRefused, P::Write)),
    message("unaligned addr or size", Says::Fails(F::AddressRefused, P::Write)),
    message("[!] send_recv", Says::Look(send_recv)),
    message("bad magic", Says::Fails(F::BadFile, P::ImageFile)),
    message("Could not open USB device 0x", Says::Look(access_error)),
    message("successfully opened, but unable to read version details", Says::Fails(F::ProbeFault, P::ProbeOpen)),
    message("Current mode unusable, trying to get back", Says::Nothing),
    message("Unsupported Target (Chip ID is", Says::Look(unknown_chip)),
    message("unknown coreid, not sure how to write", Says::Fails(F::IdMismatch, P::Identify)),
    message("unsupported flash method, abort", Says::Fails(F::IdMismatch, P::Identify)),
    message("Invalid flash type, please check device declaration", Says::Fails(F::IdMismatch, P::Identify)),
    message("Could not find chip id!", Says::Fails(F::NoTarget, P::Identify)),
    message("Failed to read core_id", Says::Fails(F::NoTarget, P::Identify)),
    message("Failed to get Core's status", Says::Fails(F::NoTarget, P::Halt)),
    message("Failed to halt the core", Says::Fails(F::NotHalted, P::Halt)),
    message("Unable to debug device", Says::Fails(F::NotHalted, P::Halt)),
    message("Failed to reset device", Says::Fails(F::ConnectFailed, P::Reset)),
    message("Unable to reset device", Says::Fails(F::ConnectFailed, P::Reset)),
    message("Failed to use flash loader, fallback to soft write", Says::Fails(F::WriteFailed, P::Write)),
    message("Failed to write flash loader to sram", Says::Fails(F::WriteFailed, P::Write)),
    message("write_buffer_to_sram() == -1", Says::Fails(F::WriteFailed, P::Write)),
    message("Failed to erase the flash prior to writing", Says::Fails(F::EraseFailed, P::Erase)),
    message("Flash unlock failed! System reset required", Says::Fails(F::WriteProtected, P::Write)),
    message("Flash option unlock failed", Says::Fails(F::WriteProtected, P::OptionBytesWrite)),
    message("Could not unlock flash option", Says::Fails(F::WriteProtected, P::OptionBytesWrite)),
    message("Flash option write failed", Says::Fails(F::WriteFailed, P::OptionBytesWrite)),
    message("could not read option bytes (", Says::Fails(F::ReadFailed, P::OptionBytes)),
    message("could not read OTP area", Says::Fails(F::ReadFailed, P::Otp)),
    message("OTP Read NOT implemented", Says::Fails(F::BadArguments, P::Otp)),
    message("OTP Write NOT implemented", Says::Fails(F::BadArguments, P::Otp)),
    message("Wrote option bytes", Says::Done(P::OptionBytesWrite)),
    message("could not read main memory (", Says::Fails(F::ReadFailed, P::Read)),
    message("Invalid flash address", Says::Fails(F::AddressRefused, P::Write)),
    message("Unknown memory region", Says::Fails(F::AddressRefused, P::Write)),
    message("addr overruns", Says::Fails(F::AddressRefused, P::Write)),
    message("addr too low", Says::Fails(F::AddressRefused, P::Write)),
    message("as Intel-HEX file", Says::Fails(F::BadFile, P::ImageFile)),
    message("Wrong file format - ", Says::Fails(F::BadFile, P::ImageFile)),
    message("map_file() == -1", Says::Fails(F::BadFile, P::ImageFile)),
    message("pecr.pelock not clear", Says::Fails(F::WriteProtected, P::Write)),
    message("pecr.prglock not clear", Says::Fails(F::WriteProtected, P::Write)),
    message("check_file() == -1", Says::Fails(F::VerifyFailed, P::Verify)),
    message("Can't find any chip description file", Says::Fails(F::BadArguments, P::Identify)),
    message(" read reply failed: ", Says::Look(send_recv)),
    message(" send request failed: ", Says::Look(send_recv)),
    message(" read storage failed: ", Says::Look(send_recv)),
    message("MCU state: DHCSR", Says::Nothing),
    message("Loader state: R2", Says::Nothing),
    message("Flash page at addr: 0x", Says::Look(page_erased)),
    message("-> Flash page at 0x", Says::Look(page_erased)),
    message("opening ST-Link", Says::Look(numbered_error)),
    message("Failed to open USB device 0x", Says::Look(numbered_error)),
    message("opening ST Link", Says::Look(numbered_error)),
    message("-- exit_dfu_mode", Says::Nothing),
    message("ERROR flash_loader.c", Says::Nothing),
    message("ERROR common_flash.c", Says::Nothing),
    message("ERROR common.c", Says::Nothing),
    message("ERROR usb.c", Says::Nothing),
];

fn banner(notebook: &mut Notebook, line: &Line<'_>) {
    if line.text.trim_start_matches(['$', ' ']).len() < 60 {
        let version = line.text.split_whitespace().find(|word| word.starts_with("1."));
        notebook.start_session(NAME, Transport::Swd, version, line);
    }
}

fn chip_id(notebook: &mut Notebook, line: &Line<'_>) {
    let Some(id) = line.value_of("chipid").and_then(first_hex) else { return };
    notebook.at_work(NAME, Transport::Swd, line);
    if id == 0 {
        notebook.fail(F::NoTarget, P::Identify, "chipid 0x000", line);
    } else {
        notebook.done(P::Identify, line);
        notebook.fact("dev-id", FactValue::Number(f64::from(id)), line);
    }
}

/// Where the Cortex-M0, M3 to M7, M33 and the H7 have the register with their identity.
const IDENTITY_REGISTERS: [u32; 4] = [0x4001_5800, 0xE004_2000, 0xE004_4000, 0x5C00_1000];

/// What the tool writes into AIRCR for a reset; read as an identity it is a buffer that no answer has filled.
const RESET_REQUEST: u32 = 0x05FA_0004;

/// A core id comes from a probe that answers wrongly; 0 comes from no target. Where the read itself failed, older versions hand on
/// the address that was asked for.
fn unknown_chip(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    let id = first_hex(line.text).unwrap_or(0);

    if id == 0 {
        notebook.fail(F::NoTarget, P::Identify, "unknown chip id 0", line);
    } else if id == RESET_REQUEST {
        notebook.fail(F::NoTarget, P::Identify, "what was written last instead of an answer", line);
    } else if IDENTITY_REGISTERS.contains(&id) {
        notebook.fail(F::NoTarget, P::Identify, "the register's address instead of its value", line);
    } else {
        notebook.fact("unknown-chip-id", FactValue::Flag(true), line);
        notebook.text_fact("chip-id", &format!("{id:#x}"), line);
        notebook.fail(F::IdMismatch, P::Identify, "unknown chip id", line);
    }
}

/// The size register reads as zero; a page size of zero as well means that no chip was known at all.
fn no_flash(notebook: &mut Notebook, line: &Line<'_>) {
    if !line.contains("pagesize: 0)") {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.fact("flash-size-unreadable", FactValue::Flag(true), line);
        notebook.fail(F::ReadFailed, P::Identify, "flash size 0", line);
    }
}

fn nrst(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    notebook.normal(
        F::Other,
        P::Reset,
        "NRST is not connected",
        "the reset wire is optional; the tool resets by software",
        line,
    );
}

fn writing(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("bytes") {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.begin(P::Write, line);
    }
}

fn erase_failed(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("ERROR") && line.contains(".c:") {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.fail(F::EraseFailed, P::Erase, "Erase failed", line);
    }
}

/// `Flash page at addr: 0x08000000 erased`: whatever was said of a reset before, the target is under control.
fn page_erased(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("erased") {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.excuse(|failure| failure.phase == P::Reset, "the tool went on and erased the flash");
        notebook.done(P::Erase, line);
    }
}

/// `Error -3 opening ST-Link/V2 device 003:002`: a number of libusb.
fn numbered_error(notebook: &mut Notebook, line: &Line<'_>) {
    let number = line
        .text
        .split("rror")
        .skip(1)
        .last()
        .and_then(|rest| rest.trim_start_matches([':', ' ']).split_whitespace().next());
    let Some(number) = number.and_then(|word| word.trim_matches(['(', ')', ',']).parse::<i32>().ok()) else { return };
    let class = match number {
        -3 => F::Access,
        -6 => F::Busy,
        -12 => F::DriverMissing,
        -4 | -5 => F::NoProbe,
        -1 | -7 | -9 => F::ProbeFault,
        _ => return,
    };
    notebook.at_work(NAME, Transport::Swd, line);
    notebook.fail(class, P::ProbeOpen, &format!("error {number} opening the probe"), line);
}

/// `Could not open USB device 0x0483:0x3748, access error.`
fn access_error(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("access error") {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.fail(F::Access, P::ProbeOpen, "Could not open USB device, access error", line);
    }
}

fn send_recv(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    let name = super::libusb::name_in(line.text);
    // The name of the command alone stands on the next line.
    if name.is_none() && !line.contains("fail") {
        return;
    }
    let class = super::libusb::class_in(line.text).filter(|&class| class != F::Timeout).unwrap_or(F::ProbeFault);
    notebook.fail(class, P::Unknown, name.unwrap_or("send_recv failed"), line);
}
