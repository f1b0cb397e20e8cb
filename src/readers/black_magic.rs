//! Black Magic Probe, through gdb and as the Black Magic Debug App.

use crate::observation::event::Transport;
use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;

use super::message::{Line, Message, Says, Tool, first_number};
use super::notebook::Notebook;
use super::target_voltage;

pub const NAME: &str = "bmp";

pub static TOOL: Tool = Tool { name: NAME, transport: Transport::Swd, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

const MESSAGES: &[Message] = &[
    message("Black Magic Debug App", Says::Nothing),
    message("Black Magic Probe (", Says::Nothing),
    message("monitor swdp_scan", Says::Nothing),
    message("monitor swd_scan", Says::Nothing),
    message("Target voltage: ", Says::Look(voltage)),
    message("Available Targets:", Says::Done(P::Connect)),
    message("DP DPIDR 0x", Says::Done(P::Connect)),
    message("Halt via DHCSR", Says::Look(halted)),
    message("SW-DP scan failed", Says::Fails(F::NoTarget, P::Connect)),
    message("SWD scan failed", Says::Fails(F::NoTarget, P::Connect)),
    message("JTAG device scan failed", Says::Fails(F::NoTarget, P::Connect)),
    message("SWD scan found no devices", Says::Fails(F::NoTarget, P::Connect)),
    message("No usable targets found", Says::Fails(F::NoTarget, P::Connect)),
    message("Attaching to Remote target failed", Says::Fails(F::ConnectFailed, P::Connect)),
    message("Device is Read Protected", Says::Look(protected)),
    message("Error writing data to flash", Says::Fails(F::WriteFailed, P::Write)),
    message("Exception: Timeout during scan", Says::Fails(F::SwdWait, P::Connect)),
    message("scan found no devices", Says::Fails(F::NoTarget, P::Connect)),
    message("Scan failed!", Says::Fails(F::NoTarget, P::Connect)),
    message("auto scan failed!", Says::Fails(F::NoTarget, P::Connect)),
    message("No usable DP found", Says::Fails(F::NoTarget, P::Connect)),
    message("Failed to read DPIDR", Says::Fails(F::NoAcknowledge, P::Connect)),
    message("Invalid DPIDR ", Says::Fails(F::Parity, P::Connect)),
    message("Failure powering DBG", Says::Fails(F::PowerUp, P::Connect)),
    message("adiv5: power-up failed", Says::Fails(F::PowerUp, P::Connect)),
    message("adi: power-up failed", Says::Fails(F::PowerUp, P::Connect)),
    message("adiv6: power-up failed", Says::Fails(F::PowerUp, P::Connect)),
    message("SWD access resulted in fault", Says::Fails(F::SwdFault, P::Connect)),
    message("SWD access resulted in no response", Says::Fails(F::NoAcknowledge, P::Connect)),
    message("SWD access resulted in parity error", Says::Fails(F::Parity, P::Connect)),
    message("SWD access resulted in wait", Says::Fails(F::SwdWait, P::Connect)),
    message("Is target stuck in WFI", Says::Fails(F::SwdWait, P::Connect)),
    message("is target in WFI?", Says::Fails(F::SwdWait, P::Halt)),
    message("Reset seems to be stuck low", Says::Fails(F::HeldInReset, P::Connect)),
    message("Reset seem to be stuck low", Says::Fails(F::HeldInReset, P::Connect)),
    message("Lost communications with target", Says::Fails(F::Disconnected, P::Halt)),
    message("Attached in protected mode, please issue", Says::Fails(F::Protected, P::Connect)),
    message("Failed to halt the core, reason", Says::Fails(F::NotHalted, P::Halt)),
    message("Please report unknown device with Designer", Says::Fails(F::IdMismatch, P::Identify)),
    message("Writing options failed!", Says::Fails(F::WriteFailed, P::OptionBytesWrite)),
    message("unable to unlock FLASH option bytes", Says::Fails(F::WriteProtected, P::OptionBytesWrite)),
    message("flash is not ready, may be hanging", Says::Fails(F::Timeout, P::Erase)),
    message("No Black Magic Probes found", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("No adaptor matching found for", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("Can not claim handle:", Says::Fails(F::Busy, P::ProbeOpen)),
    message("Couldn't open serial port", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("Timeout while waiting for BMP response", Says::Fails(F::ProbeFault, P::Unknown)),
    message("CMSIS-DAP read timeout", Says::Fails(F::ProbeFault, P::Unknown)),
    message("Please update your probe's firmware for improved", Says::Nothing),
    message("Possibly spurious error from OS", Says::Look(spurious)),
    // bmp.py, which drives gdb.
    message("attaching to target successful", Says::Done(P::Connect)),
    message("downloading finished", Says::Done(P::Write)),
    message("checking flash successful", Says::Done(P::Verify)),
    message("erasing target successful", Says::Done(P::Erase)),
    message("successfully rebooted into firmware", Says::Look(back_in_firmware)),
];

const REBOOTED: &str = "the probe left its loader for the new firmware before it answered once more";

/// bmputil, which writes the probe's own firmware over DFU.
fn spurious(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work("bmputil", Transport::Dfu, line);
    notebook.done(P::Write, line);
    notebook.normal(F::Disconnected, P::Leave, "error at the very end of flashing", REBOOTED, line);
}

fn back_in_firmware(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work("bmputil", Transport::Dfu, line);
    notebook.done(P::Write, line);
}

fn halted(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("success") {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.done(P::Halt, line);
    }
}

/// The probe's words, not somebody's that say the same.
fn protected(notebook: &mut Notebook, line: &Line<'_>) {
    if notebook.tool() == Some(TOOL.name) || line.text.trim_start().len() < 60 {
        notebook.at_work(TOOL.name, Transport::Swd, line);
        notebook.fail(F::Protected, P::Erase, "Device is Read Protected", line);
    }
}

/// The same words stand in OpenOCD's lines, with `Info :` in front.
fn voltage(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("Info :") {
        return;
    }
    let Some(volts) = line.value_of("Target voltage").filter(|text| !text.starts_with("ABSENT")).and_then(first_number)
    else {
        if line.contains("absent") {
            target_voltage::note(notebook, 0.0, line);
        }
        return;
    };
    target_voltage::note(notebook, volts, line);
}
