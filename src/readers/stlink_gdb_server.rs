//! ST's GDB server and the dialogs of STM32CubeIDE around it.

use crate::observation::event::Transport;
use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;

use super::message::{Message, Says, Tool};

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
    message("Could not verify ST device", Says::Fails(F::IdMismatch, P::Identify)),
    message("Reason: (6)", Says::Fails(F::ProbeFirmware, P::ProbeOpen)),
    message("Reason: (7)", Says::Fails(F::HeldInReset, P::Connect)),
    message("Reason: (18)", Says::Fails(F::NoTarget, P::Connect)),
    message(
        "Failed to connect to device. Please check power and cabling to target",
        Says::Fails(F::NoTarget, P::Connect),
    ),
    message("Target is not responding, retrying", Says::Fails(F::NoTarget, P::Halt)),
    message("Target unknown error", Says::Fails(F::NoTarget, P::Connect)),
    message("Error! Failed to read target status", Says::Fails(F::NoTarget, P::Halt)),
    message("Target no device found", Says::Fails(F::NoTarget, P::Connect)),
    message("Error in final launch sequence", Says::Fails(F::ConnectFailed, P::Connect)),
    message("Failed to bind to port", Says::Fails(F::Busy, P::ProbeOpen)),
    message("ST-LINK device initialization OK", Says::Done(P::Connect)),
    message("Shutting down...", Says::Nothing),
];
