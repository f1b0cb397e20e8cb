//! ST's GDB server and the dialogs of STM32CubeIDE around it.

use crate::observation::event::Transport;
use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;

use super::message::{Line, Message, Says, Tool};
use super::notebook::Notebook;

pub static TOOL: Tool = Tool { name: "stlink-gdb-server", transport: Transport::Swd, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

const MESSAGES: &[Message] = &[
    message("STMicroelectronics ST-LINK GDB server. Version", Says::Started),
    message("ST-LINK Failed to get target status", Says::Fails(F::NoTarget, P::Connect)),
    message("Error in initializing ST-LINK device", Says::Fails(F::ConnectFailed, P::Connect)),
    message("Reason: Unknown. Please check power and cabling", Says::Fails(F::NoTarget, P::Connect)),
    message("Target held under reset", Says::Fails(F::HeldInReset, P::Connect)),
    message("core held in reset", Says::Fails(F::HeldInReset, P::Connect)),
    message("Device already used", Says::Fails(F::Busy, P::ProbeOpen)),
    message("already in use by another application", Says::Fails(F::Busy, P::ProbeOpen)),
    message("Reason: ST-LINK DLL error", Says::Fails(F::ProbeFault, P::ProbeOpen)),
    message("Reason: (2) ", Says::Fails(F::ConnectFailed, P::Connect)),
    message("Reason: (4) No device found on target", Says::Fails(F::NoTarget, P::Connect)),
    message("No device found on target", Says::Fails(F::NoTarget, P::Connect)),
    message("Could not verify ST device", Says::Look(not_verified)),
    message("Reason: (6)", Says::Fails(F::ProbeFirmware, P::ProbeOpen)),
    message("Reason: (7)", Says::Fails(F::HeldInReset, P::Connect)),
    message("Reason: (18)", Says::Nothing),
    message(
        "Failed to connect to device. Please check power and cabling to target",
        Says::Fails(F::NoTarget, P::Connect),
    ),
    // Said in a running session: the target had answered, and its debug port went away.
    message("Target is not responding, retrying", Says::Fails(F::Disconnected, P::Halt)),
    message("Target unknown error", Says::Fails(F::NoTarget, P::Connect)),
    message("Error! Failed to read target status", Says::Look(status_unread)),
    message("Target no device found", Says::Fails(F::NoTarget, P::Connect)),
    message("Error in final launch sequence", Says::Fails(F::ConnectFailed, P::Connect)),
    message("Failed to bind to port", Says::Fails(F::Busy, P::ProbeOpen)),
    message("ST-LINK device initialization OK", Says::Done(P::Connect)),
    message("Unknown MCU found on target", Says::Fails(F::IdMismatch, P::Identify)),
    message("No ST-LINK device found", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("ST-LINK in use by another application", Says::Fails(F::Busy, P::ProbeOpen)),
    message("ST-Link Server is required to launch the debug session", Says::Fails(F::BadArguments, P::ProbeOpen)),
    message("ST-LINK firmware upgrade is required", Says::Fails(F::ProbeFirmware, P::ProbeOpen)),
    message("Your ST-LINK firmware is outdated", Says::Fails(F::ProbeFirmware, P::ProbeOpen)),
    message("Encountered Error when opening", Says::Look(programmer_missing)),
    message(
        "Debugger connection lost",
        Says::Normal(F::Disconnected, P::Unknown, "the server closes after an error that it has told before"),
    ),
    message("Error! Failed to halt target", Says::Fails(F::NotHalted, P::Halt)),
    message("Failed to halt the target", Says::Fails(F::NotHalted, P::Halt)),
    message("Unable to halt core", Says::Fails(F::NotHalted, P::Halt)),
    message("Target is in unknown state", Says::Fails(F::NotHalted, P::Halt)),
    message("Error during flash programming", Says::Fails(F::WriteFailed, P::Write)),
    message("Error: Flash loader failed", Says::Fails(F::WriteFailed, P::Write)),
    message("Connection to the GDB server lost", Says::Fails(F::Disconnected, P::Unknown)),
    message("Shutting down...", Says::Nothing),
];

/// `Encountered Error when opening ...\STM32_Programmer_CLI.exe`: the tool next to it is not where it is looked for.
fn programmer_missing(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("STM32_Programmer") {
        notebook.at_work(TOOL.name, TOOL.transport, line);
        notebook.fail(F::BadArguments, P::ProbeOpen, "STM32_Programmer_CLI is not found", line);
    }
}

/// The server's check for a part of ST's own; that it did not begin a session follows from it.
fn not_verified(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(TOOL.name, TOOL.transport, line);
    notebook.excuse(|failure| failure.class == F::ConnectFailed, "the reason is told on the next line");
    notebook.fail(F::IdMismatch, P::Identify, "Could not verify ST device", line);
}

fn status_unread(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(TOOL.name, TOOL.transport, line);
    let code = "Failed to read target status";
    if notebook.has_failed_programming() {
        notebook.normal(F::NoTarget, P::Halt, code, "the server gives up after the programming that failed", line);
    } else {
        notebook.fail(F::NoTarget, P::Halt, code, line);
    }
}
