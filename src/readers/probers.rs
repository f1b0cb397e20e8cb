//! probe-rs, cargo-flash, cargo-embed and probe-run.

use crate::observation::event::Transport;
use crate::observation::fact::FactValue;
use crate::observation::failure::{Failure, FailureClass as F};
use crate::observation::step::Phase as P;

use super::message::{Line, Message, Says, Tool, first_hex, first_number};
use super::notebook::Notebook;

pub const NAME: &str = "probe-rs";

pub static TOOL: Tool = Tool { name: NAME, transport: Transport::Swd, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

const MESSAGES: &[Message] = &[
    message("probe_rs:", Says::Nothing),
    // Warnings of a request that is made again; where that fails too, an error says so.
    message("arm_debug_interface: DAP FAULT", Says::Repeats),
    message("Writing DAP register failed", Says::Repeats),
    message("Reading DAP register failed", Says::Repeats),
    message("probe-rs list", Says::Nothing),
    message("probe-rs run", Says::Nothing),
    message("probe-rs-cli", Says::Nothing),
    message("Common reasons for this are", Says::Nothing),
    message("(HOST) INFO  flashing program", Says::Begins(P::Write)),
    message("(HOST) INFO  success!", Says::Done(P::Write)),
    message("The following debug probes were found", Says::Done(P::ProbeOpen)),
    message("No debug probes were found", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("No probe was found", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("no probe found", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("No connected probes were found", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("The debug probe could not be created", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("Probe could not be opened", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("Could not determine driver for interface", Says::Fails(F::DriverMissing, P::ProbeOpen)),
    message("Failed to open the debug probe", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("Failed to open probe", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("could not be accessed", Says::Fails(F::Access, P::ProbeOpen)),
    message("SwdDpWait", Says::Fails(F::SwdWait, P::Connect)),
    message("SwdApWait", Says::Fails(F::SwdWait, P::Connect)),
    message("SwdDpFault", Says::Fails(F::SwdFault, P::Connect)),
    message("SwdApFault", Says::Fails(F::SwdFault, P::Connect)),
    message("SwdDpError", Says::Fails(F::NoAcknowledge, P::Connect)),
    message("SwdApError", Says::Fails(F::NoAcknowledge, P::Connect)),
    message("SwdDpParityError", Says::Fails(F::Parity, P::Connect)),
    message("SwdApParityError", Says::Fails(F::Parity, P::Connect)),
    message("JtagGetIdcodeError", Says::Fails(F::NoTarget, P::Connect)),
    message("JtagDbgPowerError", Says::Fails(F::PowerUp, P::Connect)),
    message("JtagNoDeviceConnected", Says::Fails(F::NoTarget, P::Connect)),
    message("too many retries, giving up", Says::Fails(F::SwdWait, P::Connect)),
    message("Connecting to the chip was unsuccessful", Says::Fails(F::NoTarget, P::Connect)),
    message("Failed to attach to probe", Says::Fails(F::ConnectFailed, P::Connect)),
    message("Target device did not respond to request", Says::Fails(F::NoAcknowledge, P::Connect)),
    message("did not respond with an ACK", Says::Fails(F::NoAcknowledge, P::Connect)),
    message("No access ports found to attach", Says::Fails(F::NoTarget, P::Connect)),
    message("The firmware on the probe is outdated", Says::Fails(F::ProbeFirmware, P::ProbeOpen)),
    message("probe firmware is too old", Says::Fails(F::ProbeFirmware, P::ProbeOpen)),
    message("An error with the usage of the probe occurred", Says::Nothing),
    message("A USB error occurred", Says::Nothing),
    message("Operation timed out", Says::Fails(F::Timeout, P::Connect)),
    message("Timeout while attaching to target under reset", Says::Fails(F::Timeout, P::Reset)),
    message("Core access could not be granted", Says::Fails(F::NoTarget, P::Halt)),
    message("The core could not be halted", Says::Fails(F::NotHalted, P::Halt)),
    message("Timeout occurred during operation", Says::Fails(F::Timeout, P::Halt)),
    message("A Wait Timeout occurred", Says::Fails(F::SwdWait, P::Connect)),
    message("JTAG locked", Says::Fails(F::Protected, P::Connect)),
    message("Chip 'locked'", Says::Fails(F::Protected, P::Connect)),
    message("Failed to erase flash sector", Says::Fails(F::EraseFailed, P::Erase)),
    message("Failed to erase chip", Says::Fails(F::EraseFailed, P::Erase)),
    message("Something during the interaction with the core went wrong", Says::Fails(F::ConnectFailed, P::Halt)),
    message("flashing failed", Says::Fails(F::WriteFailed, P::Write)),
    message("The flashing procedure failed", Says::Fails(F::WriteFailed, P::Write)),
    message("An error with the flashing procedure has occurred", Says::Fails(F::WriteFailed, P::Write)),
    message("Failed to write page", Says::Fails(F::WriteFailed, P::Write)),
    message("verification failed", Says::Look(verification)),
    message("No flash memory contains the entire requested memory range", Says::Look(range_refused)),
    message("Found no loadable segments", Says::Fails(F::BadFile, P::ImageFile)),
    message("The chip '", Says::Look(chip)),
    message("\"version\": \"0.", Says::Look(json_version)),
    message("\"os\": \"", Says::Look(json_system)),
    message("\"--connect-under-reset\"", Says::Look(json_under_reset)),
    message("  Programming ", Says::Look(programming)),
    message("    Finished in ", Says::Look(finished)),
    message("    Finished flashing in ", Says::Look(finished)),
    message("Unable to load specification for chip", Says::Fails(F::BadArguments, P::ImageFile)),
    message("ProbeCouldNotBeCreated", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("CouldNotClaimInterface", Says::Fails(F::Busy, P::ProbeOpen)),
    message("Resource busy (os error 16)", Says::Fails(F::Busy, P::ProbeOpen)),
    message("Probe is already in use", Says::Fails(F::Busy, P::ProbeOpen)),
    message("Error: Probe not found", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("probes were found:", Says::Look(several)),
    message("A protocol error occurred in the", Says::Fails(F::NoAcknowledge, P::Connect)),
    message("responded with a FAULT response to the request", Says::Fails(F::SwdFault, P::Connect)),
    message("responded with a WAIT response to the request", Says::Fails(F::SwdWait, P::Connect)),
    message("Incorrect parity on READ request", Says::Fails(F::Parity, P::Connect)),
    message("SwdApWdataError", Says::Fails(F::Parity, P::Connect)),
    message("SwdApStickyError", Says::Fails(F::SwdFault, P::Connect)),
    message("SwdApStickyorunError", Says::Fails(F::SwdFault, P::Connect)),
    message("JtagUnknownJtagChain", Says::Fails(F::NoTarget, P::Connect)),
    message("JtagUnknownCommand", Says::Fails(F::ProbeFirmware, P::ProbeOpen)),
    message("Target power-up failed", Says::Fails(F::PowerUp, P::Connect)),
    message("An error occurred in the communication with an access port or debug port", Says::Nothing),
    message("Error while communicating with debug port", Says::Nothing),
    message("Error using access port", Says::Nothing),
    message("An ARM specific error occurred", Says::Nothing),
    message("An error specific to a probe type occurred", Says::Nothing),
    message("A USB transport error occurred", Says::Fails(F::ProbeFault, P::Unknown)),
    message("Not enough bytes written", Says::Fails(F::ProbeFault, P::Unknown)),
    message("Failed to get active configuration", Says::Fails(F::ProbeFault, P::ProbeOpen)),
    message("Error during the USB communication", Says::Fails(F::ProbeFault, P::Unknown)),
    message("Invalid IR scan chain", Says::Fails(F::NoTarget, P::Connect)),
    message("The core entered an unexpected status", Says::Fails(F::NotHalted, P::Halt)),
    message("The core did not acknowledge a request for", Says::Fails(F::NotHalted, P::Halt)),
    message("Failed to reset, and then halt the CPU", Says::Fails(F::NotHalted, P::Reset)),
    message("Core is running but operation requires it to be halted", Says::Fails(F::NotHalted, P::Halt)),
    message("Halting failed", Says::Fails(F::NotHalted, P::Halt)),
    message("Failed to read the core status", Says::Fails(F::NoTarget, P::Halt)),
    message("Failed to read flash size", Says::Fails(F::ReadFailed, P::Identify)),
    message("Failed to read data from flash", Says::Fails(F::ReadFailed, P::Read)),
    message("Failed to erase the whole chip", Says::Fails(F::EraseFailed, P::Erase)),
    message("The initialization of the flash algorithm failed", Says::Fails(F::WriteFailed, P::Write)),
    message("The execution of ", Says::Look(routine)),
    message("The page write of the page at address", Says::Look(page_write)),
    message("RAM contents did not match the expected contents", Says::Fails(F::VerifyFailed, P::Write)),
    message("lacked the permission to do so", Says::Fails(F::Protected, P::Connect)),
    message("no suitable (default) flash loader algorithm is linked", Says::Fails(F::AddressRefused, P::Write)),
    message("could not be selected.", Says::Look(protocol)),
    message("The protocol speed could not be set", Says::Fails(F::BadArguments, P::Speed)),
    message("probe does not support target interface", Says::Fails(F::BadArguments, P::ProbeOpen)),
    message("Failed to open the chip description", Says::Fails(F::BadArguments, P::ImageFile)),
    message("Failed to open the ELF file", Says::Fails(F::BadFile, P::ImageFile)),
    message("Failed to load the ELF data", Says::Fails(F::BadFile, P::ImageFile)),
    message("found more than one suitable flash", Says::Fails(F::ToolFailure, P::ImageFile)),
    message("Finished programming in", Says::Done(P::Write)),
    message("Finished erasing in", Says::Done(P::Erase)),
];

fn several(notebook: &mut Notebook, line: &Line<'_>) {
    let several = line.text.split("probes were found").next().and_then(first_number).is_some_and(|count| count > 1.0);
    if several {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.fail(F::BadArguments, P::ProbeOpen, "several probes were found", line);
    }
}

/// `The execution of 'erase_sector' failed with code 1.`
fn routine(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("failed with code") {
        notebook.at_work(NAME, Transport::Swd, line);
        let erases = line.contains("erase");
        let (class, phase) = if erases { (F::EraseFailed, P::Erase) } else { (F::WriteFailed, P::Write) };
        notebook.fail(class, phase, "a routine of the flash algorithm failed", line);
    }
}

fn page_write(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    notebook.fail_at(F::WriteFailed, P::Write, "page write failed", first_hex(line.text), line);
}

/// `The protocol 'Jtag' could not be selected.`
fn protocol(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("protocol") {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.fail(F::BadArguments, P::ProbeOpen, "protocol could not be selected", line);
    }
}

/// Of one line that says so there are two names; more of them is a core that sleeps most of the time.
const OVERCOME: usize = 2;

/// A wait that a second try got over is how these programs meet a core at rest.
fn finished(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    let overcome = |failure: &Failure| failure.class == F::SwdWait && failure.phase == P::Connect;
    if notebook.failures_like(overcome) <= OVERCOME {
        notebook.excuse(overcome, "the tool tried again and got through");
    }
    notebook.done(P::Write, line);
}

fn range_refused(notebook: &mut Notebook, line: &Line<'_>) {
    let code = "No flash memory contains the entire requested memory range";
    notebook.at_work(NAME, Transport::Swd, line);
    notebook.fail_at(F::AddressRefused, P::Write, code, first_hex(line.text), line);
}

fn verification(notebook: &mut Notebook, line: &Line<'_>) {
    if notebook.tool() == Some(NAME) {
        notebook.fail(F::VerifyFailed, P::Verify, "verification failed", line);
    }
}

fn chip(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("was not found in the database") {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.fail(F::BadArguments, P::ImageFile, "chip not in the data base", line);
    }
}

fn json_version(notebook: &mut Notebook, line: &Line<'_>) {
    let version = line.value_of("\"version\"").map(|text| text.trim_matches(['"', ',', ' ']));
    notebook.start_session(NAME, Transport::Swd, version, line);
}

fn json_system(notebook: &mut Notebook, line: &Line<'_>) {
    if notebook.tool() == Some(NAME)
        && let Some(system) = line.value_of("\"os\"")
    {
        notebook.text_fact("host-os", system.trim_matches(['"', ',', ' ']), line);
    }
}

/// A failed command was given with this switch, so a reset held by the probe did not help.
fn json_under_reset(notebook: &mut Notebook, line: &Line<'_>) {
    if notebook.tool() == Some(NAME) {
        notebook.fact("works-under-reset", FactValue::Flag(false), line);
    }
}

/// The error of a report that `--report` writes: a whole chain of causes in one string, whose line ends are written out.
pub fn lines_of_report<'t>(text: &'t str) -> Option<impl Iterator<Item = &'t str> + use<'t>> {
    text.trim_start().starts_with("\"error\": \"").then(|| text.split("\\n").filter(|part| !part.trim().is_empty()))
}

/// Bars of good runs carry a rate; a rate of a few hundred bytes a second is a fault of its own.
fn programming(notebook: &mut Notebook, line: &Line<'_>) {
    if !line.contains("100%") {
        return;
    }
    notebook.at_work(NAME, Transport::Swd, line);
    notebook.done(P::Write, line);
    let rate = line.text.split('@').nth(1).unwrap_or_default().trim_start();
    if rate.contains(" B/s") && first_number(rate).is_some_and(|bytes| bytes < 1024.0) {
        notebook.fact("very-slow-programming", FactValue::Flag(true), line);
        notebook.fail(F::Timeout, P::Write, "programming is slower than 1 KiB/s", line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swd::stlink_status;

    #[test]
    fn the_error_of_a_report_file_is_read_line_by_line() {
        let text = r#"  "error": "Failed to open the debug probe.\n\nCaused by:\n    0: A USB error occurred.""#;
        let lines: Vec<_> = lines_of_report(text).unwrap().collect();
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[2].ends_with("A USB error occurred.\""));
        assert!(lines_of_report("error: a\\nb").is_none());
    }

    /// A log and the live link give one failure class to one status of an ST-Link.
    #[test]
    fn a_status_means_the_same_in_a_log_as_on_the_link() {
        for (word, code) in [
            ("SwdApWait", 0x10),
            ("SwdApFault", 0x11),
            ("SwdApError", 0x12),
            ("SwdApParityError", 0x13),
            ("SwdDpWait", 0x14),
            ("SwdDpFault", 0x15),
            ("SwdDpError", 0x16),
            ("SwdDpParityError", 0x17),
            ("JtagNoDeviceConnected", 0x05),
            ("JtagGetIdcodeError", 0x09),
            ("JtagDbgPowerError", 0x0B),
        ] {
            let said = MESSAGES.iter().find(|message| message.needle == word).unwrap();
            let Says::Fails(class, P::Connect) = said.says else { panic!("{word}") };
            assert_eq!(Some(class), stlink_status::of_code(code).unwrap().class, "{word}");
        }
    }
}
