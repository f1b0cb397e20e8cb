//! What Windows, macOS and FreeBSD say about a USB device.

use crate::observation::event::Transport;
use crate::observation::fact::FactValue;
use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;

use super::message::{Line, Message, Says, Tool};
use super::notebook::Notebook;

pub static TOOL: Tool = Tool { name: "", transport: Transport::Other, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

const MESSAGES: &[Message] = &[
    message("descriptor request failed", Says::Look(descriptor_request)),
    message("device descriptor failed", Says::Look(descriptor_request)),
    message("DEVICE_DESCRIPTOR_FAILURE", Says::Look(descriptor_request)),
    message("VID_0000&PID_0002", Says::Look(descriptor_request)),
    message("VID_0000&PID_0001", Says::Look(descriptor_request)),
    message("port reset failed", Says::Fails(F::NotEnumerated, P::Enumerate)),
    message("set address failed", Says::Look(set_address)),
    message("Code 43", Says::Look(code_43)),
    message("Code 28", Says::Look(code_28)),
    message("Code 10", Says::Look(code_10)),
    message("USB device not recognized", Says::Look(descriptor_request)),
    message("usb device not recognised", Says::Look(descriptor_request)),
    message("unknown usb device", Says::Look(descriptor_request)),
    message("over current condition", Says::Fails(F::NoPower, P::Enumerate)),
    message("USBD_ERR_", Says::Fails(F::DescriptorFailed, P::Enumerate)),
    message("usbd_setup_device_desc", Says::Fails(F::DescriptorFailed, P::Enumerate)),
    message("usbd_req_re_enumerate", Says::Fails(F::NotEnumerated, P::Enumerate)),
    message("kIOUSBTransactionTimeout", Says::Fails(F::Timeout, P::Unknown)),
    message("kIOReturnExclusiveAccess", Says::Fails(F::Busy, P::Open)),
    message("0xe00002c5", Says::Fails(F::Busy, P::Open)),
    message("enumeration failure", Says::Fails(F::NotEnumerated, P::Enumerate)),
    message("failed to enumerate", Says::Look(failed_to_enumerate)),
    message("unable to enumerate", Says::Look(failed_to_enumerate)),
];

fn descriptor_request(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.text_fact("host-os", "windows", line);
    notebook.fail(F::DescriptorFailed, P::Enumerate, "device descriptor request failed", line);
}

fn set_address(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("usb") {
        notebook.fail(F::DescriptorFailed, P::Enumerate, "set address failed", line);
    }
}

fn code_43(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.text_fact("host-os", "windows", line);
    notebook.fail(F::DescriptorFailed, P::Enumerate, "Code 43", line);
}

fn code_28(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.text_fact("host-os", "windows", line);
    notebook.fail(F::DriverMissing, P::Open, "Code 28", line);
}

/// The device enumerated and its driver could not start it.
fn code_10(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.text_fact("host-os", "windows", line);
    notebook.fact("windows-code-10", FactValue::Flag(true), line);
    notebook.fail(F::DescriptorFailed, P::Descriptors, "Code 10", line);
}

fn failed_to_enumerate(notebook: &mut Notebook, line: &Line<'_>) {
    if !line.contains("unable to enumerate USB device") {
        notebook.fail(F::NotEnumerated, P::Enumerate, "failed to enumerate", line);
    }
}
