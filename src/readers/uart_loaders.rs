//! stm32loader and stm32flash, which talk to the ROM over a UART.

use crate::observation::event::Transport;
use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;

use super::message::{Message, Says, Tool};

pub static TOOL: Tool = Tool { name: "stm32loader", transport: Transport::Other, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

const MESSAGES: &[Message] = &[
    message("Activating bootloader (select UART)", Says::Begins(P::Connect)),
    message("Bootloader version: 0x", Says::Done(P::Connect)),
    message("Chip id: 0x", Says::Done(P::Identify)),
    message("Verification OK", Says::Done(P::Verify)),
    message("Can't init into bootloader", Says::Fails(F::Timeout, P::Connect)),
    message("Can't init. Ensure that BOOT0 is enabled", Says::Fails(F::Timeout, P::Connect)),
    message("Failed to init device", Says::Fails(F::Timeout, P::Connect)),
    message("Got NACK from device on command", Says::Fails(F::Protected, P::Read)),
];
