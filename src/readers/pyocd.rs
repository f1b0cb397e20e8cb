//! pyOCD.

use crate::observation::event::Transport;
use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;

use super::message::{Line, Message, Says, Tool, first_hex};
use super::notebook::Notebook;

pub const NAME: &str = "pyocd";

pub static TOOL: Tool = Tool { name: NAME, transport: Transport::Swd, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

const MESSAGES: &[Message] = &[
    message("Probe/Board ", Says::Done(P::ProbeOpen)),
    message("| Unique ID", Says::Done(P::ProbeOpen)),
    message("[load_cmd]", Says::Nothing),
    message("[eraser]", Says::Nothing),
    message("[pyocd", Says::Nothing),
    message("pyocd.core.exceptions", Says::Nothing),
    message("No ACK received", Says::Fails(F::NoAcknowledge, P::Connect)),
    message("SWD/JTAG communication failure", Says::Fails(F::NoAcknowledge, P::Connect)),
    // The memory refused: the wires had carried the request.
    message("Memory transfer fault", Says::Look(memory_fault)),
    message("TransferFaultError", Says::Fails(F::SwdFault, P::Read)),
    message("TransferTimeoutError", Says::Fails(F::SwdWait, P::Connect)),
    message("Transfer fault", Says::Fails(F::SwdFault, P::Read)),
    message("STLink error (", Says::Look(stlink_error)),
    message("No available debug probes are connected", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("No connected debug probe matches", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("Waiting for a debug probe to be connected", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("Unable to open device", Says::Fails(F::Access, P::ProbeOpen)),
    message("Access denied (insufficient permissions)", Says::Fails(F::Access, P::ProbeOpen)),
    message("probe firmware version", Says::Nothing),
    message("STLink firmware version", Says::Look(firmware)),
    message("Timeout waiting for target", Says::Fails(F::NotHalted, P::Reset)),
    message("flash erase sector failure", Says::Look(erase_failure)),
    message("flash erase all failure", Says::Fails(F::EraseFailed, P::Erase)),
    message("flash program page failure", Says::Look(program_failure)),
    message("FlashEraseFailure", Says::Fails(F::EraseFailed, P::Erase)),
    message("FlashProgramFailure", Says::Fails(F::WriteFailed, P::Write)),
    message("flash init", Says::Look(flash_init)),
    message("no memory region defined", Says::Fails(F::AddressRefused, P::Write)),
    message("Target type", Says::Look(target_type)),
    message("Erased ", Says::Look(erased)),
    message("Chip erase complete", Says::Done(P::Erase)),
    message("Error: core was locked", Says::Fails(F::Protected, P::Connect)),
];

fn stlink_error(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    let words = line.value_of("STLink error").unwrap_or_default();
    let class = match () {
        () if line.contains("wait") => F::SwdWait,
        () if line.contains("fault") => F::SwdFault,
        () if line.contains("parity") => F::Parity,
        () if line.contains("no device connected") || line.contains("idcode") => F::NoTarget,
        () => F::NoAcknowledge,
    };
    notebook.fail(class, P::Connect, words, line);
}

/// `Memory transfer fault (read) @ 0x08000000-0x0800003f`
fn memory_fault(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    let (class, phase) = if line.contains("write") { (F::WriteFailed, P::Write) } else { (F::ReadFailed, P::Read) };
    notebook.fail_at(class, phase, "Memory transfer fault", first_hex(line.text), line);
}

fn firmware(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("too old") || line.contains("unsupported") || line.contains("must be") {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.fail(F::ProbeFirmware, P::ProbeOpen, "probe firmware too old", line);
    }
}

fn erase_failure(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    notebook.fail_at(F::EraseFailed, P::Erase, "flash erase sector failure", first_hex(line.text), line);
}

fn program_failure(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    notebook.fail_at(F::WriteFailed, P::Write, "flash program page failure", first_hex(line.text), line);
}

fn flash_init(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("failure") || line.contains("timeout") {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.fail(F::WriteFailed, P::Write, "flash init failure", line);
    }
}

fn target_type(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("not recognized") {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.fail(F::BadArguments, P::ImageFile, "target type not recognized", line);
    }
}

/// `Erased 1024 bytes (1 sector), programmed 1024 bytes (1 page), ...` closes a good run.
fn erased(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("programmed") {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.done(P::Write, line);
    }
}
