//! pyOCD.

use crate::observation::event::Transport;
use crate::observation::fact::FactValue;
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
    message("SWD/JTAG communication failure (", Says::Fails(F::NoAcknowledge, P::Connect)),
    // The memory refused: the wires had carried the request.
    message("Memory transfer fault", Says::Look(memory_fault)),
    message("TransferFaultError", Says::Fails(F::SwdFault, P::Read)),
    message("TransferTimeoutError", Says::Fails(F::SwdWait, P::Connect)),
    message("Transfer fault", Says::Fails(F::SwdFault, P::Read)),
    message("STLink error (", Says::Look(stlink_error)),
    message("No available debug probes are connected", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("No available boards are connected", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("] boardId => ", Says::Done(P::ProbeOpen)),
    message("No connected debug probe matches", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("Waiting for a debug probe to be connected", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("Unable to open device", Says::Fails(F::Access, P::ProbeOpen)),
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
    message("received incomplete command response from STLink", Says::Fails(F::ProbeFault, P::Unknown)),
    message("ProbeError: USB Error", Says::Fails(F::ProbeFault, P::Unknown)),
    message("is using an unsupported, older firmware version", Says::Look(firmware)),
    message("firmware does not support JTAG/SWD. Please update", Says::Fails(F::ProbeFirmware, P::ProbeOpen)),
    message("DAP_CONNECT failed", Says::Fails(F::ProbeFault, P::Connect)),
    message("DAP_SWJ_CLOCK failed", Says::Fails(F::ProbeFault, P::Speed)),
    message("DAP_SWJ_SEQUENCE failed", Says::Fails(F::ProbeFault, P::Connect)),
    message("DAP_TRANSFER_CONFIGURE failed", Says::Fails(F::ProbeFault, P::Connect)),
    message("DAP_RESET_TARGET failed", Says::Fails(F::ProbeFault, P::Reset)),
    message("Timeout reading from probe", Says::Fails(F::ProbeFault, P::Unknown)),
    message("Timeout reading from device", Says::Fails(F::ProbeFault, P::Unknown)),
    message("Timed out attempting to open device", Says::Fails(F::ProbeFault, P::ProbeOpen)),
    message("read thread exited unexpectedly", Says::Fails(F::ProbeLost, P::Unknown)),
    message("Unable to claim interface for probe", Says::Fails(F::Busy, P::ProbeOpen)),
    message("while trying to get the STLink USB device configuration", Says::Fails(F::Access, P::ProbeOpen)),
    message("Error accessing USB device (VID=", Says::Fails(F::Access, P::ProbeOpen)),
    message("No USB backend found", Says::Fails(F::DriverMissing, P::ProbeOpen)),
    message("ERROR:__main__:uncaught exception", Says::Fails(F::ConnectFailed, P::Connect)),
    message("C Uncaught exception", Says::Fails(F::ConnectFailed, P::Connect)),
    message("AP#0 was not found, unable to create core", Says::Fails(F::NoTarget, P::Connect)),
    message("No cores were discovered", Says::Fails(F::NoTarget, P::Connect)),
    message("Error probing AP#", Says::Look(port_failure)),
    message("Error reading AP#", Says::Look(port_failure)),
    message("SWD protocol error", Says::Fails(F::NoAcknowledge, P::Connect)),
    message("TransferProtocolError", Says::Fails(F::NoAcknowledge, P::Connect)),
    message("DAP is not accessible after reset", Says::Fails(F::NoTarget, P::Reset)),
    message("is not accessible after reset", Says::Look(core_after_reset)),
    message("Timed out waiting for core to halt", Says::Fails(F::NotHalted, P::Halt)),
    message("Timeout waiting for reset", Says::Fails(F::NotHalted, P::Reset)),
    message("Timeout re-establishing target control", Says::Fails(F::NotHalted, P::Reset)),
    message("Could not halt core #", Says::Fails(F::NotHalted, P::Halt)),
    message("Failed to power up power domain", Says::Fails(F::PowerUp, P::Connect)),
    message("flash erase sector timed out", Says::Fails(F::EraseFailed, P::Erase)),
    message("flash erase all timed out", Says::Fails(F::EraseFailed, P::Erase)),
    message("flash program page timed out", Says::Fails(F::WriteFailed, P::Write)),
    message("flash program phrase failure", Says::Fails(F::WriteFailed, P::Write)),
    message("flash program phrase timed out", Says::Fails(F::WriteFailed, P::Write)),
    message("target was not halted as expected after calling", Says::Fails(F::WriteFailed, P::Write)),
    message("attempt to program invalid flash address", Says::Fails(F::AddressRefused, P::Write)),
    message("is not within a memory region", Says::Fails(F::AddressRefused, P::Write)),
    message("target type is selected by default; is this intentional", Says::Fails(F::BadArguments, P::ImageFile)),
    message("requested wire protocol", Says::Look(wire_protocol)),
    message("T bit in XPSR is invalid", Says::Nothing),
    message("DP IDR = 0x", Says::Look(debug_port)),
];

fn stlink_error(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    let words = line.value_of("STLink error").unwrap_or_default();
    let class = match () {
        () if line.contains("wait") => F::SwdWait,
        () if line.contains("fault") => F::SwdFault,
        () if line.contains("parity") => F::Parity,
        () if line.contains("debug power") => F::PowerUp,
        () if line.contains("already opened") => F::Busy,
        () if line.contains("internal error") || line.contains("dma error") || line.contains("spi error") => {
            F::ProbeFault
        }
        () if line.contains("unknown command") => F::ProbeFirmware,
        () if line.contains("sticky") || line.contains("bad ap") => F::SwdFault,
        () if line.contains("unknown jtag chain") => F::NoTarget,
        () if line.contains("no device connected") || line.contains("idcode") => F::NoTarget,
        () => F::NoAcknowledge,
    };
    notebook.fail(class, P::Connect, words, line);
}

/// `DP IDR = 0x5ba02477 (v2 rev5) [dap]`
fn debug_port(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    notebook.done(P::Connect, line);
    if let Some(id) = first_hex(line.text) {
        notebook.text_fact("idcode", &format!("{id:#010x}"), line);
    }
}

/// `Error reading AP#0 IDR: No ACK received`
fn port_failure(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    let class = if line.contains("fault") { F::SwdFault } else { F::NoAcknowledge };
    notebook.fail(class, P::Connect, "Error reading the access port", line);
}

fn core_after_reset(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("Core ") {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.fail(F::NoTarget, P::Reset, "core is not accessible after reset", line);
    }
}

fn wire_protocol(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("not supported by the debug probe") {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.fail(F::BadArguments, P::ProbeOpen, "wire protocol not supported by the probe", line);
    }
}

/// `Memory transfer fault (read) @ 0x08000000-0x0800003f`
fn memory_fault(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    let (class, phase) = if line.contains("write") { (F::WriteFailed, P::Write) } else { (F::ReadFailed, P::Read) };
    notebook.fail_at(class, phase, "Memory transfer fault", first_hex(line.text), line);
}

fn firmware(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("V3 v3J") && line.contains("v2J") {
        // The firmware of a V3 is held against the number of a V2.
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.fact("tool-contradiction", FactValue::Flag(true), line);
        notebook.fail(F::ToolFailure, P::ProbeOpen, "the minimum for another generation of probe", line);
    } else if line.contains("too old") || line.contains("unsupported") || line.contains("must be") {
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
    let counts = line.value_of("Erased").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    if counts && line.contains("programmed") {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.done(P::Write, line);
    }
}
