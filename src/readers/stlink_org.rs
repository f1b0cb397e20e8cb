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

/// A core id comes from a probe that answers wrongly; 0 comes from no target. Where the read itself failed, older versions hand on
/// the address that was asked for.
fn unknown_chip(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    let id = first_hex(line.text).unwrap_or(0);

    if id == 0 {
        notebook.fail(F::NoTarget, P::Identify, "unknown chip id 0", line);
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

fn send_recv(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    let class = super::libusb::class_in(line.text).unwrap_or(F::ProbeFault);
    notebook.fail(class, P::Unknown, super::libusb::name_in(line.text).unwrap_or("send_recv failed"), line);
}
