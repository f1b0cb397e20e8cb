//! pystlink, which prints what it found as one line each.

use crate::observation::event::Transport;
use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;

use super::message::{Line, Message, Says, Tool, first_number};
use super::notebook::Notebook;
use super::target_voltage;

pub const NAME: &str = "pystlink";

pub static TOOL: Tool = Tool { name: NAME, transport: Transport::Swd, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

const MESSAGES: &[Message] = &[
    message(" SUPPLY: ", Says::Look(supply)),
    message(" CORE:   Cortex", Says::Done(P::Connect)),
    message("but minimum for FLASH program", Says::Fails(F::LowVoltage, P::TargetVoltage)),
    message("Error unlocking FLASH", Says::Fails(F::WriteProtected, P::Write)),
    message("Error writing FLASH with status", Says::Fails(F::WriteFailed, P::Write)),
    message("ST-Link/V2 is not connected", Says::Fails(F::NoProbe, P::ProbeOpen)),
];

fn supply(notebook: &mut Notebook, line: &Line<'_>) {
    if let Some(volts) = line.value_of("SUPPLY").filter(|text| text.ends_with('V')).and_then(first_number) {
        notebook.at_work(NAME, Transport::Swd, line);
        target_voltage::note(notebook, volts, line);
    }
}
