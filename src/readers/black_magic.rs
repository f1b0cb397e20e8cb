//! Black Magic Probe, through gdb and as the Black Magic Debug App.

use crate::observation::event::Transport;
use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;

use super::cubeprogrammer::target_voltage;
use super::message::{Line, Message, Says, Tool, first_number};
use super::notebook::Notebook;

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
    message("SW-DP scan failed", Says::Fails(F::NoTarget, P::Connect)),
    message("SWD scan failed", Says::Fails(F::NoTarget, P::Connect)),
    message("JTAG device scan failed", Says::Fails(F::NoTarget, P::Connect)),
    message("SWD scan found no devices", Says::Fails(F::NoTarget, P::Connect)),
    message("No usable targets found", Says::Fails(F::NoTarget, P::Connect)),
    message("Attaching to Remote target failed", Says::Fails(F::ConnectFailed, P::Connect)),
    message("Device is Read Protected", Says::Fails(F::Protected, P::Erase)),
    message("Error writing data to flash", Says::Fails(F::WriteFailed, P::Write)),
    message("Error erasing flash with vFlashErase packet", Says::Fails(F::EraseFailed, P::Erase)),
    message("Exception: Timeout during scan", Says::Fails(F::Timeout, P::Connect)),
    message("Transfer rate:", Says::Done(P::Write)),
];

/// The same words stand in OpenOCD's lines, with `Info :` in front.
fn voltage(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("Info :") {
        return;
    }
    let Some(volts) = line.value_of("Target voltage").filter(|text| !text.starts_with("ABSENT")).and_then(first_number)
    else {
        if line.contains("absent") {
            target_voltage(notebook, 0.0, line);
        }
        return;
    };
    target_voltage(notebook, volts, line);
}
