//! USB control requests as values, and the errors a transfer can end with.

use serde::{Deserialize, Serialize};

use crate::observation::failure::FailureClass;

/// A control request in the terms of USB 2.0 table 9-2; `data` is the data stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlRequest {
    /// bmRequestType
    pub request_type: u8,
    /// bRequest
    pub request: u8,
    /// wValue
    pub value: u16,
    /// wIndex
    pub index: u16,
    pub data: DataStage,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataStage {
    /// Device to host, at most this many bytes (wLength).
    In(u16),
    /// Host to device; may be empty.
    Out(Vec<u8>),
}

/// Why a transfer, or an operation on the device, failed: the class and the host's own code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{kind:?} ({code})")]
pub struct UsbError {
    pub kind: UsbErrorKind,
    /// As libusb names it, for example `LIBUSB_ERROR_PIPE`, with the kernel's errno where it is known.
    pub code: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UsbErrorKind {
    Stall,
    Timeout,
    /// No handshake, CRC or bit stuffing error: libusb folds them into one.
    BusError,
    Overflow,
    Disconnected,
    NotFound,
    /// Something is on the port, and the host could not read its descriptors or give it an address.
    NotAddressed,
    Busy,
    Access,
    /// Our own whitelist refused the request; nothing was sent.
    NotAllowed,
    Other,
}

impl UsbErrorKind {
    pub const fn class(self) -> FailureClass {
        match self {
            Self::Stall => FailureClass::Stall,
            Self::Timeout => FailureClass::Timeout,
            Self::BusError => FailureClass::BusError,
            Self::Overflow => FailureClass::Overflow,
            Self::Disconnected => FailureClass::Disconnected,
            Self::NotFound => FailureClass::NotFound,
            Self::NotAddressed => FailureClass::DescriptorFailed,
            Self::Busy => FailureClass::Busy,
            Self::Access => FailureClass::Access,
            Self::NotAllowed => FailureClass::NotSent,
            Self::Other => FailureClass::Other,
        }
    }
}
