//! DfuSe Demonstration and its file manager, ST's tools of old for Windows.

use crate::observation::event::Transport;
use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;

use super::message::{Line, Message, Says, Tool};
use super::notebook::Notebook;

const NAME: &str = "dfuse";

pub static TOOL: Tool = Tool { name: NAME, transport: Transport::Dfu, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

const MESSAGES: &[Message] = &[
    message("Bad state error", Says::Fails(F::UnexpectedState, P::Status)),
    message("Unable to open DFU Device", Says::Look(not_opened)),
    message("target is read protected", Says::Fails(F::Protected, P::Open)),
    message("Matching not good", Says::Fails(F::BadFile, P::ImageFile)),
    message("Target: upgrade error", Says::Fails(F::WriteFailed, P::Write)),
    message("not correctly formatted DFU file", Says::Fails(F::BadFile, P::ImageFile)),
];

/// The tool runs on Windows only, where what is listed and not opened has another driver than it needs.
fn not_opened(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Dfu, line);
    notebook.text_fact("host-os", "windows", line);
    notebook.fail(F::DriverMissing, P::Open, "Unable to open DFU Device", line);
}

#[cfg(test)]
mod tests {
    use super::super::reading::Readers;
    use super::*;
    use crate::observation::event::EventKind;

    #[test]
    fn a_device_that_is_listed_and_not_opened_lacks_its_driver() {
        let reading = Readers::load().unwrap().read(&mut &b"DfuSe: Unable to open DFU Device!\n"[..]).unwrap();
        let classes = reading.events.iter().filter_map(|event| match event {
            EventKind::CycleFinished(cycle) => cycle.failure().map(|failure| failure.class),
            _ => None,
        });
        assert_eq!(classes.collect::<Vec<_>>(), [F::DriverMissing]);
    }
}
