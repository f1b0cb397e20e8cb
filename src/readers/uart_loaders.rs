//! stm32loader and stm32flash, which talk to the ROM over a UART.

use crate::observation::event::Transport;
use crate::observation::fact::FactValue;
use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;

use super::message::{Line, Message, Says, Tool};
use super::notebook::Notebook;

pub static TOOL: Tool = Tool { name: "stm32loader", transport: Transport::Other, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

const MESSAGES: &[Message] = &[
    message("Activating bootloader (select UART)", Says::Begins(P::Connect)),
    message("Bootloader version: 0x", Says::Done(P::Connect)),
    message("Chip id: 0x", Says::Done(P::Identify)),
    // stm32flash tries a serial port first, and then the bus that was meant.
    message("Error: Failed to apply settings", Says::Repeats),
    message("Error probing interface \"serial_posix\"", Says::Repeats),
    message("Interface i2c: addr", Says::Done(P::Connect)),
    message("Wrote address 0x", Says::Look(progress)),
    message("Wrote and verified address 0x", Says::Look(progress)),
    message("Verification OK", Says::Done(P::Verify)),
    message("Can't init into bootloader", Says::Fails(F::NotFound, P::Connect)),
    message("Can't init. Ensure that BOOT0 is enabled", Says::Fails(F::NotFound, P::Connect)),
    message("Failed to init device", Says::Fails(F::NotFound, P::Connect)),
    message("Can't read port or timeout", Says::Fails(F::NotFound, P::Connect)),
    message("Bootloader activation timeout", Says::Nothing),
    message("Bad reply from bootloader", Says::Fails(F::BusError, P::Connect)),
    message("instead of ACK", Says::Fails(F::BusError, P::Connect)),
    message("CommandError: NACK", Says::Fails(F::Protected, P::Read)),
    message("CommandError: Unknown response", Says::Fails(F::BusError, P::Connect)),
    message("target write-protected?", Says::Fails(F::Protected, P::Read)),
    message("Failed to verify at address", Says::Fails(F::VerifyFailed, P::Verify)),
    message("Error running dfu-util", Says::Repeats),
    message("Error running make flash", Says::Repeats),
    message("Failed uploading: uploading error", Says::Repeats),
    message("An error occurred while uploading the sketch", Says::Repeats),
    message("Firmware not suitable for this board", Says::Fails(F::BadFile, P::ImageFile)),
    message("DFU: set address failed", Says::Fails(F::DfuStatus, P::Write)),
    message("Failed to open port", Says::Look(port_not_opened)),
    message("Fail to open port", Says::Look(port_not_opened)),
    message("in write_memory", Says::Fails(F::WriteFailed, P::Write)),
    message("in read_memory", Says::Fails(F::ReadFailed, P::Read)),
    message("Failed to write memory at address", Says::Fails(F::WriteFailed, P::Write)),
    message("Failed to read memory at address", Says::Fails(F::ReadFailed, P::Read)),
    message("Got NACK from device on command", Says::Fails(F::Protected, P::Read)),
];

/// `Wrote address 0x08001000 (9.36%)`, over and over on one line.
fn progress(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(TOOL.name, Transport::Other, line);
    if !notebook.has_done(P::Write) {
        notebook.done(P::Write, line);
    }
}

/// stm32flash speaks to a serial port; the identity of a USB device is none.
fn port_not_opened(notebook: &mut Notebook, line: &Line<'_>) {
    let port = line.value_of("Failed to open port").unwrap_or_default();
    let is_identity = port.split_once(':').is_some_and(|(vendor, product)| {
        [vendor, product].iter().all(|id| id.len() == 4 && id.chars().all(|c| c.is_ascii_hexdigit()))
    });
    if is_identity {
        notebook.fact("wrong-config-suspected", FactValue::Flag(true), line);
        notebook.fail(F::BadArguments, P::Open, "a USB identity where a serial port is wanted", line);
    } else {
        notebook.fail(F::NotFound, P::Open, "Failed to open port", line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::event::EventKind;

    #[test]
    fn a_usb_identity_is_no_serial_port() {
        let classes = |text: &str| {
            let mut notebook = Notebook::default();
            port_not_opened(&mut notebook, &Line { number: 1, text });
            let of_cycle = |event| match event {
                EventKind::CycleFinished(cycle) => cycle.failures().map(|failure| failure.class).next(),
                _ => None,
            };
            notebook.into_events().into_iter().find_map(of_cycle)
        };
        assert_eq!(classes("Failed to open port: 0483:df11"), Some(F::BadArguments));
        assert_eq!(classes("Failed to open port: /dev/ttyUSB0"), Some(F::NotFound));
    }
}
