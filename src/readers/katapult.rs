//! Katapult (CanBoot), the loader of Klipper boards, over USB serial, a UART or CAN; its tool is flashtool.py, earlier flash_can.py.

use crate::observation::event::Transport;
use crate::observation::fact::FactValue;
use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;

use super::message::{Line, Message, Says, Tool};
use super::notebook::Notebook;

pub static TOOL: Tool = Tool { name: "katapult", transport: Transport::Other, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

const MESSAGES: &[Message] = &[
    message("Attempting to connect to bootloader", Says::Begins(P::Connect)),
    message("Katapult Connected", Says::Done(P::Connect)),
    message("CanBoot Connected", Says::Done(P::Connect)),
    message("Write complete: ", Says::Done(P::Write)),
    message("Verification Complete: SHA", Says::Done(P::Verify)),
    message("Error sending command [CONNECT] to Device", Says::Fails(F::NotFound, P::Connect)),
    message("FlashError: No Serial Device found", Says::Fails(F::NotFound, P::Open)),
    message("FlashError: No permission to access device", Says::Fails(F::Access, P::Open)),
    message("FlashError: Serial device", Says::Look(serial_device_in_use)),
    message("Device is not Katapult", Says::Look(other_than_katapult)),
];

fn serial_device_in_use(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("in use") {
        notebook.fail(F::Busy, P::Open, "the serial port is in use", line);
    }
}

fn other_than_katapult(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.fact("application-runs-instead", FactValue::Flag(true), line);
    notebook.fail(F::UnexpectedState, P::Connect, "another device came up", line);
}
