//! QMK Toolbox, which runs dfu-util and prints lines of its own around it.

use crate::observation::event::Transport;
use crate::observation::fact::FactValue;
use crate::observation::failure::FailureClass;
use crate::observation::step::Phase as P;

use super::message::{Line, Message, Says, Tool};
use super::notebook::Notebook;

pub const NAME: &str = "qmk-toolbox";

pub static TOOL: Tool = Tool { name: NAME, transport: Transport::Dfu, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

/// Without the asterisks in front, which are markup to whoever copies them.
const MESSAGES: &[Message] = &[
    message("STM32 device connected", Says::Look(connected)),
    message("STM32 DFU device connected", Says::Look(connected)),
    message("STM32 device disconnected", Says::Repeats),
    message("STM32 DFU device disconnected", Says::Repeats),
    message("Flash complete", Says::Nothing),
    message("Attempting to flash, please", Says::Nothing),
    message("ARM DFU (", Says::Repeats),
    message("NO DRIVER", Says::Look(no_driver)),
    message("driver assigned but should be", Says::Look(other_driver)),
    message("Only firmware files in .", Says::Fails(FailureClass::BadFile, P::ImageFile)),
    message("USB device enumeration failed.", Says::Fails(FailureClass::ToolFailure, P::Enumerate)),
    message("Could not start process", Says::Fails(FailureClass::ToolFailure, P::Open)),
    message("There are no devices available", Says::Fails(FailureClass::NotFound, P::Enumerate)),
];

fn connected(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Dfu, line);
    notebook.done(P::Enumerate, line);
    notebook.text_fact("host-os", "windows", line);
    notebook.fact("device-seen-by-host", FactValue::Flag(true), line);
    if line.contains("(WinUSB)") {
        notebook.fact("driver-bound-right", FactValue::Flag(true), line);
    }
}

/// `STM32 DFU device has libusbK driver assigned but should be WinUSB. Flashing may not succeed.`
fn other_driver(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Dfu, line);
    notebook.text_fact("host-os", "windows", line);
    notebook.fail(FailureClass::DriverMissing, P::Open, "another driver than the tool wants", line);
}

fn no_driver(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("device") {
        notebook.at_work(NAME, Transport::Dfu, line);
        notebook.fail(FailureClass::DriverMissing, P::Open, "NO DRIVER", line);
    }
}
