//! ST-LINK Utility and ST-LINK_CLI, whose messages also appear as dialogs.

use crate::observation::event::Transport;
use crate::observation::fact::FactValue;
use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;

use crate::swd::stlink_status;

use super::message::{Line, Message, Says, Tool, first_hex, first_number};
use super::notebook::Notebook;
use super::target_voltage;

pub const NAME: &str = "stlink-utility";

pub static TOOL: Tool = Tool { name: NAME, transport: Transport::Swd, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

const MESSAGES: &[Message] = &[
    message("bigger than the flash memory size", Says::Fails(F::AddressRefused, P::ImageFile)),
    message("larger than the flash memory size", Says::Fails(F::AddressRefused, P::ImageFile)),
    message("STM32 ST-LINK CLI v", Says::Started),
    message("STM32 ST-LINK Command Line Interface", Says::Nothing),
    message("ST-LINK_CLI.exe", Says::Nothing),
    message("ST-LINK Firmware version", Says::Look(firmware)),
    message("Connected via SWD", Says::Done(P::Connect)),
    message("Connection mode :", Says::Nothing),
    message("Target voltage =", Says::Look(voltage)),
    message("SWD Frequency =", Says::Look(frequency)),
    message("Can not connect to target", Says::Fails(F::NoTarget, P::Connect)),
    message("Cannot connect to target", Says::Fails(F::NoTarget, P::Connect)),
    message("Unable to connect to ST-LINK", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("No target connected", Says::Fails(F::NoTarget, P::Connect)),
    message("No target found", Says::Fails(F::NoTarget, P::Connect)),
    message("USB communication error", Says::Fails(F::ProbeFault, P::ProbeOpen)),
    message("Communication error with ST-Link", Says::Fails(F::ProbeFault, P::ProbeOpen)),
    message("ST-LINK USB communication error", Says::Fails(F::ProbeFault, P::ProbeOpen)),
    message("ST-Link is not in the DFU mode", Says::Fails(F::ProbeFault, P::ProbeUpdate)),
    message("Old ST-LINK firmware", Says::Fails(F::ProbeFirmware, P::ProbeOpen)),
    message("ST link already used", Says::Fails(F::Busy, P::ProbeOpen)),
    message("ST-LINK already used", Says::Fails(F::Busy, P::ProbeOpen)),
    message("ST-LINK is already used", Says::Fails(F::Busy, P::ProbeOpen)),
    message("Internal command error", Says::Fails(F::NoTarget, P::Connect)),
    message("Error occured during memory writing", Says::Fails(F::WriteFailed, P::Write)),
    message("Error occurred during memory writing", Says::Fails(F::WriteFailed, P::Write)),
    message("Error occured during memory reading", Says::Fails(F::ReadFailed, P::Read)),
    message("Can not read memory", Says::Look(memory_read)),
    message("Cannot read memory", Says::Look(memory_read)),
    message("Can't read memory", Says::Look(memory_read)),
    message("Read Out Protection is activated", Says::Fails(F::Protected, P::Read)),
    message("Disable Read Out Protection and retry", Says::Fails(F::Protected, P::Read)),
    message("Error occured during program operation", Says::Fails(F::WriteFailed, P::Write)),
    message("Flash memory programmed in", Says::Done(P::Write)),
    message("Verification...OK", Says::Done(P::Verify)),
    message("Verification failed", Says::Fails(F::VerifyFailed, P::Verify)),
    message("Programming Complete", Says::Done(P::Write)),
    message("Flash memory erased", Says::Done(P::Erase)),
    message("Device family :", Says::Done(P::Identify)),
    message("Problem occured while trying to halt", Says::Fails(F::NotHalted, P::Halt)),
    message("Could not set Option bytes", Says::Fails(F::WriteFailed, P::OptionBytesWrite)),
    message("Option bytes could not be", Says::Fails(F::WriteFailed, P::OptionBytesWrite)),
    message("STLinkUSBDriver.dll loaded", Says::Nothing),
    message("Target voltage detected:", Says::Look(voltage_detected)),
    message("Error getting target IDCODE: if SWD, check SWD connection", Says::Fails(F::NoTarget, P::Connect)),
    message("Error getting target IDCODE", Says::Fails(F::NoTarget, P::Connect)),
    message("while initializing ST-Link in SWD mode", Says::Nothing),
    message("after target cmd", Says::Look(command_status)),
    message("Unable to communicate with ST-LINK", Says::Fails(F::ProbeFault, P::ProbeOpen)),
    message("Unknown MCU!", Says::Fails(F::IdMismatch, P::Identify)),
    message("Unknown target!", Says::Fails(F::IdMismatch, P::Identify)),
    message("Error occured during flash erase", Says::Fails(F::EraseFailed, P::Erase)),
    message("Error during flash erase", Says::Fails(F::EraseFailed, P::Erase)),
    message("Flash memory erase error", Says::Fails(F::EraseFailed, P::Erase)),
    message("Programming error @ 0x", Says::Fails(F::WriteFailed, P::Write)),
    message("Programming failed @ 0x", Says::Fails(F::WriteFailed, P::Write)),
    message("Programming error!", Says::Fails(F::WriteFailed, P::Write)),
    message("Verification...Failed", Says::Fails(F::VerifyFailed, P::Verify)),
    message("Verification...KO", Says::Fails(F::VerifyFailed, P::Verify)),
    message("Could not unlock flash", Says::Fails(F::WriteProtected, P::Write)),
    message("Could not disable read out protection", Says::Fails(F::Protected, P::ReadUnprotect)),
    message("Unable to set option bytes", Says::Fails(F::WriteFailed, P::OptionBytesWrite)),
    message("Option bytes update failed", Says::Fails(F::WriteFailed, P::OptionBytesWrite)),
    message("Flash sector is write protected", Says::Fails(F::WriteProtected, P::Write)),
    message("at least one of the flash pages is write protected", Says::Fails(F::WriteProtected, P::Write)),
    message("Some pages are write protected", Says::Fails(F::WriteProtected, P::Write)),
    message("flash sectors are read protected", Says::Look(sectors_protected)),
    message("flash sectors are write protected", Says::Fails(F::WriteProtected, P::Write)),
];

/// `ST-LINK Firmware version : V2J33M25 (Need Update)`.
fn firmware(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    if let Some(version) = line.value_of("Firmware version") {
        notebook.done(P::ProbeOpen, line);
        notebook.text_fact("probe-firmware", version, line);
    }
    if line.contains("need update") {
        notebook.fact("probe-firmware-old", FactValue::Flag(true), line);
    }
}

fn voltage(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    if let Some(volts) = line.value_of("Target voltage").and_then(first_number) {
        target_voltage::note(notebook, volts, line);
    }
}

/// Single sectors are read protected by PCROP only.
fn sectors_protected(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    notebook.fact("secure-area-named", FactValue::Flag(true), line);
    notebook.fail(F::Protected, P::Write, "flash sectors are read protected", line);
}

fn voltage_detected(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    if let Some(volts) = line.value_of("Target voltage detected").and_then(first_number) {
        target_voltage::note(notebook, volts, line);
    }
}

/// `Error (0x16) after target cmd F2 30 A3`: the status byte of the probe.
fn command_status(notebook: &mut Notebook, line: &Line<'_>) {
    let status = first_hex(line.text).and_then(|code| u8::try_from(code).ok()).and_then(stlink_status::of_code);
    if let Some((status, class)) = status.and_then(|status| Some((status, status.class?))) {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.fail(class, P::Connect, status.name, line);
    }
}

fn frequency(notebook: &mut Notebook, line: &Line<'_>) {
    let Some(text) = line.value_of("SWD Frequency") else { return };
    if let Some(value) = first_number(text) {
        let khz = if text.contains(['M', 'm']) { value * 1000.0 } else { value };
        notebook.fact("swd-frequency-khz", FactValue::Number(khz), line);
    }
}

fn memory_read(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    let class = if line.contains("protect") { F::Protected } else { F::ReadFailed };
    notebook.fail(class, P::Read, "Can not read memory", line);
}
