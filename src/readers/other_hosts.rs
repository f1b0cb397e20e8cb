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
    message("(Code 31)", Says::Look(code_28)),
    message("(Code 37)", Says::Look(code_28)),
    message("(Code 39)", Says::Look(code_28)),
    message("(Code 48)", Says::Look(code_28)),
    message("(Code 52)", Says::Look(code_28)),
    message("CM_PROB_FAILED_INSTALL", Says::Look(code_28)),
    message("Driver Installation: FAILED", Says::Look(code_28)),
    message("has been modified to reject unsigned drivers", Says::Look(code_28)),
    message("Invalid Device Descriptor", Says::Look(wrong_descriptor)),
    message("Invalid Configuration Descriptor", Says::Look(wrong_descriptor)),
    message("returned an invalid USB configuration descriptor", Says::Look(wrong_descriptor)),
    message("connected to this computer malfunctioned", Says::Look(descriptor_request)),
    message("surge on the USB port", Says::Fails(F::NoPower, P::Enumerate)),
    message("over current status detected", Says::Fails(F::NoPower, P::Enumerate)),
    message("attached to the system is not functioning", Says::Look(not_functioning)),
    message("semaphore timeout period has expired", Says::Look(semaphore)),
    message("USB device not recognized", Says::Look(descriptor_request)),
    message("usb device not recognised", Says::Look(descriptor_request)),
    message("unknown usb device", Says::Look(descriptor_request)),
    message("over current condition", Says::Fails(F::NoPower, P::Enumerate)),
    message("USBD_ERR_", Says::Fails(F::DescriptorFailed, P::Enumerate)),
    message("usbd_setup_device_desc", Says::Fails(F::DescriptorFailed, P::Enumerate)),
    message("usbd_req_re_enumerate", Says::Fails(F::NotEnumerated, P::Enumerate)),
    message("uhub_reattach_port: could not allocate", Says::Fails(F::NotEnumerated, P::Enumerate)),
    message("usb_alloc_device: set address", Says::Fails(F::DescriptorFailed, P::Enumerate)),
    message("usb_alloc_device: getting device descriptor", Says::Fails(F::DescriptorFailed, P::Enumerate)),
    message("usb_alloc_device: Failure selecting configuration", Says::Fails(F::DescriptorFailed, P::Descriptors)),
    message("is having trouble enumerating", Says::Fails(F::DescriptorFailed, P::Enumerate)),
    message("IOUSBHostDevice: failed to get device descriptor", Says::Fails(F::DescriptorFailed, P::Enumerate)),
    message("AppleUSBHostPort::createDevice: failed", Says::Fails(F::DescriptorFailed, P::Enumerate)),
    message("persistent enumeration failures", Says::Fails(F::NotEnumerated, P::Enumerate)),
    message("USB Accessories Disabled", Says::Fails(F::NoPower, P::Enumerate)),
    message("accessory using too much power", Says::Fails(F::NoPower, P::Enumerate)),
    message("kIOReturnNotResponding", Says::Fails(F::Timeout, P::Unknown)),
    message("0xe00002ed", Says::Fails(F::Timeout, P::Unknown)),
    message("kIOReturnNoDevice", Says::Fails(F::Disconnected, P::Unknown)),
    message("0xe00002c0", Says::Fails(F::Disconnected, P::Unknown)),
    message("kIOUSBPipeStalled", Says::Fails(F::Stall, P::Unknown)),
    message("0xe000404f", Says::Fails(F::Stall, P::Unknown)),
    message("kIOReturnNotPermitted", Says::Fails(F::Access, P::Open)),
    message("0xe00002e2", Says::Fails(F::Access, P::Open)),
    message("kIOUSBTransactionTimeout", Says::Fails(F::Timeout, P::Unknown)),
    message("Failed to create a proxy device for the USB device", Says::Look(not_handed_over)),
    message("VERR_PDM_NO_USB_PORTS", Says::Look(not_handed_over)),
    message("is busy with a previous request", Says::Look(not_handed_over)),
    message("Failed to attach the USB device", Says::Look(not_handed_over)),
    message("The connection for the USB device", Says::Look(not_handed_over)),
    message("usbipd: error", Says::Look(not_handed_over)),
    message("usbip: error", Says::Look(not_handed_over)),
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

/// What a descriptor says cannot be. It arrived, so that the wires and the clock are good.
fn wrong_descriptor(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.text_fact("host-os", "windows", line);
    notebook.fail(F::MalformedDescriptor, P::Descriptors, "invalid descriptor", line);
}

/// Windows' word for a control transfer that the device refused.
fn not_functioning(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("sending control message") {
        return;
    }
    notebook.text_fact("host-os", "windows", line);
    notebook.fail(F::BusError, notebook.under_way().unwrap_or(P::Unknown), "ERROR_GEN_FAILURE", line);
}

fn semaphore(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("sending control message") {
        return;
    }
    notebook.text_fact("host-os", "windows", line);
    notebook.fail(F::Timeout, notebook.under_way().unwrap_or(P::Unknown), "ERROR_SEM_TIMEOUT", line);
}

/// The virtual machine asked for the device and did not get it.
fn not_handed_over(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.fact("virtual-machine", FactValue::Flag(true), line);
    notebook.fail(F::NotFound, P::Open, "not handed over to the virtual machine", line);
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
