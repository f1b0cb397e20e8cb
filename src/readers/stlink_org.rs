//! stlink-org's st-flash, st-info and st-util, three generations.

use crate::observation::event::Transport;
use crate::observation::fact::FactValue;
use crate::observation::failure::{Failure, FailureClass as F};
use crate::observation::step::Phase as P;

use super::message::{Line, Message, Says, Tool, first_hex};
use super::notebook::Notebook;

pub const NAME: &str = "stlink";

const NO_SIZE: &str = "flash size 0";

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
    message("Flash: 0x", Says::Look(flash_size)),
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
    message("Data length doesn't have a 32 bit alignment", Says::Fails(F::ToolFailure, P::Write)),
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
    message("Invalid flash type, please check device declaration", Says::Look(no_flash_type)),
    message("Could not find chip id!", Says::Fails(F::NoTarget, P::Identify)),
    message("Failed to read core_id", Says::Look(no_core_id)),
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

/// The keys without which AIRCR and DHCSR take nothing, in the upper half of what the tool writes there; read as an identity it is
/// a buffer that no answer has filled.
const KEYS_OF_WRITES: [u32; 2] = [0x05FA, 0xA05F];

/// A core id comes from a probe that answers wrongly; 0 comes from no target. Where the read itself failed, older versions hand on
/// the address that was asked for.
fn unknown_chip(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    let id = first_hex(line.text).unwrap_or(0);

    if probe_has_failed(notebook) {
        return;
    }
    if id == 0 {
        notebook.fail(F::NoTarget, P::Identify, "unknown chip id 0", line);
    } else if KEYS_OF_WRITES.contains(&(id >> 16)) {
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
        notebook.fail(F::ReadFailed, P::Identify, NO_SIZE, line);
    }
}

/// What a probe reads that does not answer the host says nothing of the target.
fn probe_has_failed(notebook: &Notebook) -> bool {
    notebook.failures_like(|failure| matches!(failure.class, F::ProbeFault | F::ProbeLost)) > 0
}

fn no_core_id(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    if !probe_has_failed(notebook) {
        notebook.fail(F::NoTarget, P::Identify, "Failed to read core_id", line);
    }
}

fn no_flash_type(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    if !probe_has_failed(notebook) {
        notebook.fail(F::IdMismatch, P::Identify, "Invalid flash type, please check device declaration", line);
    }
}

/// `SRAM size: 0x5000 bytes (20 KiB), Flash: 0x20000 bytes (128 KiB)`: it is known, whatever was read before.
fn flash_size(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("KiB) in pages of") {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.fact("flash-size-read", FactValue::Flag(true), line);
        notebook.excuse_in_all_attempts(is_no_size, "another run of the tool knows the size of the flash");
    }
}

fn is_no_size(failure: &Failure) -> bool {
    failure.code.as_ref().is_some_and(|code| code.raw() == NO_SIZE)
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
    let class = match super::libusb::class_in(line.text) {
        // These befall the link between host and probe, whatever the target does.
        None | Some(F::Timeout | F::BusError | F::Overflow) => F::ProbeFault,
        Some(F::Disconnected) => F::ProbeLost,
        Some(class) => class,
    };
    notebook.fail(class, P::Unknown, name.unwrap_or("send_recv failed"), line);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::event::EventKind;

    type Look = fn(&mut Notebook, &Line<'_>);

    /// The classes of failures that are no normal ones, of all attempts.
    fn classes(lines: &[(Look, &str)]) -> Vec<F> {
        let mut notebook = Notebook::default();
        for (number, (look, text)) in (1..).zip(lines) {
            look(&mut notebook, &Line { number, text });
        }
        let cycles = notebook.into_events().into_iter().filter_map(|event| match event {
            EventKind::CycleFinished(cycle) => Some(cycle),
            _ => None,
        });
        cycles
            .flat_map(|cycle| {
                cycle.failures().filter(|failure| !failure.is_expected()).map(|f| f.class).collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn what_a_silent_probe_reads_says_nothing_of_the_target() {
        let silent = "[!] send_recv send request failed: LIBUSB_ERROR_IO";
        assert_eq!(classes(&[(send_recv, silent), (no_core_id, "Failed to read core_id")]), [F::ProbeFault]);
        assert_eq!(classes(&[(no_core_id, "Failed to read core_id")]), [F::NoTarget]);
    }

    #[test]
    fn a_size_that_is_known_later_was_no_failure() {
        let none = "flash: 0 (pagesize: 1024)";
        let known = "SRAM size: 0x5000 bytes (20 KiB), Flash: 0x20000 bytes (128 KiB) in pages of 1024 bytes";
        assert_eq!(classes(&[(no_flash, none)]), [F::ReadFailed]);
        assert!(classes(&[(no_flash, none), (flash_size, known)]).is_empty());
    }

    #[test]
    fn a_key_that_was_written_is_no_identity() {
        let chips = ["unknown chip id! 0xa05f0000", "unknown chip id! 0x5fa0004", "unknown chip id! 0x10006463"];
        assert_eq!(chips.map(|chip| classes(&[(unknown_chip, chip)])[0]), [F::NoTarget, F::NoTarget, F::IdMismatch]);
    }
}
