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
    message("unable to read config index", Says::Fails(F::DescriptorFailed, P::Descriptors)),
    message("can't read configurations", Says::Fails(F::DescriptorFailed, P::Descriptors)),
    message("can't set config #", Says::Fails(F::DescriptorFailed, P::Descriptors)),
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
