//! USB messages of the Linux kernel, with any prefix of journal or syslog.

use crate::observation::event::Transport;
use crate::observation::fact::FactValue;
use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;

use super::message::{Line, Message, Says, Tool};
use super::notebook::Notebook;

pub const NAME: &str = "kernel";

pub static TOOL: Tool = Tool { name: NAME, transport: Transport::Other, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

const MESSAGES: &[Message] = &[
    message("-speed USB device number", Says::Look(new_device)),
    message("-speed USB device using", Says::Look(new_device)),
    message("New USB device found", Says::Look(found)),
    message("device descriptor read/", Says::Look(descriptor_read)),
    message("device not accepting address", Says::Look(not_accepting)),
    message("Device not responding to setup address", Says::Fails(F::DescriptorFailed, P::Enumerate)),
    message("unable to enumerate USB device", Says::Look(gave_up)),
    message("unable to read config index", Says::Look(configuration)),
    message("can't read configurations", Says::Look(configuration)),
    message("can't set config #", Says::Look(configuration)),
    message("cannot reset port", Says::Look(port_reset)),
    message("due to insufficient available bus power", Says::Fails(F::NoPower, P::Enumerate)),
    message("USBDEVFS_CONTROL failed cmd", Says::Look(control_of_a_program)),
    message("ep 0 with no TDs queued", Says::Look(controller)),
    message("while waiting for setup device command", Says::Look(controller)),
    message("Transfer event TRB DMA ptr not part of current TD", Says::Look(controller)),
    message("HC died; cleaning up", Says::Look(controller)),
    message("host controller not responding, assume dead", Says::Look(controller)),
    message("failed to stop command ring", Says::Look(controller)),
    message("usbfs: interface", Says::Nothing),
    message("not running at top speed", Says::Nothing),
    message("string descriptor 0 read error", Says::Fails(F::DescriptorFailed, P::Descriptors)),
    message("attempt power cycle", Says::Nothing),
    message("Maybe the USB cable is bad", Says::Look(cannot_enable)),
    message("Cannot enable port", Says::Look(cannot_enable)),
    message("disabled by hub (EMI?)", Says::Look(emi)),
    message("over-current c", Says::Look(over_current)),
    message("reset full-speed USB device", Says::Look(host_reset)),
    message("USB disconnect, device number", Says::Look(disconnect)),
    message("did not claim interface", Says::Nothing),
    message("usbfs: process", Says::Nothing),
    message("Undervoltage detected", Says::Look(under_voltage)),
    message("Under-voltage detected", Says::Look(under_voltage)),
];

/// An attempt begins unless the kernel is still retrying the last one.
fn new_device(notebook: &mut Notebook, line: &Line<'_>) {
    let settled = notebook.has_done(P::Descriptors) || notebook.recall("kernel-gave-up").is_some();
    if notebook.tool() != Some(NAME) {
        notebook.at_work(NAME, Transport::Other, line);
    } else if settled {
        notebook.start_attempt(line);
    }
    notebook.forget("kernel-gave-up");
    notebook.host_message(line);
    notebook.begin(P::Enumerate, line);
    if line.contains("new low-speed") {
        notebook.fact("seen-as-low-speed", FactValue::Flag(true), line);
    }
    if line.contains("xhci") {
        notebook.text_fact("host-controller", "xhci", line);
    }
    notebook.text_fact("host-os", "linux", line);
}

fn found(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Other, line);
    notebook.done(P::Enumerate, line);
    notebook.done(P::Descriptors, line);
    let value = |key: &str| {
        let at = line.text.find(key)? + key.len();
        line.text.get(at..at + 4).map(str::to_ascii_lowercase)
    };
    if let Some((vendor, product)) = value("idVendor=").zip(value("idProduct=")) {
        let id = format!("{vendor}:{product}");
        if SERIAL_BRIDGES.contains(&id.as_str()) {
            notebook.fact("serial-bridge-found", FactValue::Flag(true), line);
        }
        notebook.text_fact("vid-pid", &id, line);
    }
}

/// Chips between USB and a serial port: CH340 and its kin, CP210x, FT232 and FT230X, PL2303.
const SERIAL_BRIDGES: [&str; 7] =
    ["1a86:7523", "1a86:5523", "1a86:55d4", "10c4:ea60", "0403:6001", "0403:6015", "067b:2303"];

/// `device descriptor read/64, error -71`.
fn descriptor_read(notebook: &mut Notebook, line: &Line<'_>) {
    fail_with_errno(notebook, "device descriptor read", line);
}

fn not_accepting(notebook: &mut Notebook, line: &Line<'_>) {
    fail_with_errno(notebook, "device not accepting address", line);
}

/// The device has an address, and its configuration could not be read or set.
fn configuration(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Other, line);
    let errno = line.text.rfind('-').map_or("", |at| line.text[at..].trim());
    notebook.host_message(line);
    notebook.fail(F::DescriptorFailed, P::Descriptors, &format!("configuration, error {errno}"), line);
}

fn port_reset(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Other, line);
    notebook.host_message(line);
    notebook.fail(F::NotEnumerated, P::Enumerate, "cannot reset port", line);
}

/// `usbfs: USBDEVFS_CONTROL failed cmd dfu-util rqt 161 rq 3 len 6 ret -110`: a request of DFU, by its number, went wrong.
fn control_of_a_program(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Other, line);
    notebook.host_message(line);
    let number = |key: &str| line.value_of(key).and_then(super::message::first_number);
    let phase = match (number(" rqt "), number(" rq ")) {
        (Some(161.0), Some(3.0 | 5.0)) => P::Status,
        (Some(161.0), Some(2.0)) => P::Read,
        (Some(33.0), Some(1.0)) => P::Write,
        _ => P::Unknown,
    };
    let class = match line.text.rsplit("ret ").next().map(str::trim) {
        Some("-110") => F::Timeout,
        Some("-32") => F::Stall,
        Some("-19" | "-108") => F::Disconnected,
        Some("-75") => F::Overflow,
        _ => F::BusError,
    };
    notebook.fail(class, phase, "a control request of a program failed", line);
}

/// The host controller itself is in trouble.
fn controller(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Other, line);
    notebook.host_message(line);
    notebook.text_fact("host-controller", "xhci", line);
    notebook.fact("controller-in-trouble", FactValue::Flag(true), line);
}

fn fail_with_errno(notebook: &mut Notebook, what: &str, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Other, line);
    let errno = line.text.rfind("error ").map_or("", |at| line.text[at + 6..].trim());
    notebook.host_message(line);
    notebook.fail(F::DescriptorFailed, P::Enumerate, &format!("{what}, error {errno}"), line);
}

fn gave_up(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Other, line);
    notebook.host_message(line);
    notebook.fail(F::NotEnumerated, P::Enumerate, "unable to enumerate USB device", line);
    notebook.remember("kernel-gave-up", "yes");
}

fn cannot_enable(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Other, line);
    notebook.host_message(line);
    notebook.fact("kernel-blames-cable", FactValue::Flag(true), line);
    notebook.fail(F::NotEnumerated, P::Enumerate, "Cannot enable", line);
}

fn emi(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Other, line);
    notebook.host_message(line);
    notebook.fact("disabled-by-hub", FactValue::Flag(true), line);
    notebook.fail(F::Disconnected, P::Wait, "disabled by hub (EMI?)", line);
}

fn over_current(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Other, line);
    notebook.host_message(line);
    notebook.fact("over-current", FactValue::Flag(true), line);
    notebook.fail(F::NoPower, P::Enumerate, "over-current", line);
}

/// A Raspberry Pi tells of its own supply, on which the board hangs.
fn under_voltage(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Other, line);
    notebook.host_message(line);
    notebook.fact("supply-weak", FactValue::Flag(true), line);
}

fn host_reset(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Other, line);
    notebook.host_message(line);
    notebook.fact("host-resets-device", FactValue::Flag(true), line);
}

/// A device leaves when it is unplugged, reset or reprogrammed: a note, not a failure.
fn disconnect(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Other, line);
    notebook.host_message(line);
    notebook.fact("disconnect-seen", FactValue::Flag(true), line);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::event::EventKind;

    #[test]
    fn a_request_of_dfu_is_known_by_its_number() {
        let failure_of = |text: &str| {
            let mut notebook = Notebook::default();
            control_of_a_program(&mut notebook, &Line { number: 1, text });
            notebook.into_events().iter().find_map(|event| match event {
                EventKind::CycleFinished(cycle) => cycle.failure().map(|failure| (failure.class, failure.phase)),
                _ => None,
            })
        };
        let status = "usb 1-2: usbfs: USBDEVFS_CONTROL failed cmd dfu-util rqt 161 rq 3 len 6 ret -110";
        let page = "usb 1-2: usbfs: USBDEVFS_CONTROL failed cmd dfu-util rqt 33 rq 1 len 2048 ret -71";
        assert_eq!(failure_of(status), Some((F::Timeout, P::Status)));
        assert_eq!(failure_of(page), Some((F::BusError, P::Write)));
    }
}
