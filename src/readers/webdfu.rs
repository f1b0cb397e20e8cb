//! WebUSB DFU pages: the messages of webdfu and of the browser under it.

use crate::observation::event::Transport;
use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;

use super::message::{Message, Says, Tool};

pub static TOOL: Tool = Tool { name: "webdfu", transport: Transport::Dfu, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

const MESSAGES: &[Message] = &[
    message("no compatible devices found", Says::Fails(F::DriverMissing, P::Open)),
    message("Failed to execute 'open' on 'USBDevice'", Says::Fails(F::Access, P::Open)),
    message("Failed to execute 'claimInterface' on 'USBDevice'", Says::Fails(F::Busy, P::Claim)),
    message("Failed to execute 'selectConfiguration' on 'USBDevice'", Says::Fails(F::Busy, P::Claim)),
    message("Failed to execute 'controlTransferIn' on 'USBDevice'", Says::Fails(F::BusError, P::Status)),
    message("Failed to execute 'controlTransferOut' on 'USBDevice'", Says::Fails(F::BusError, P::Write)),
    message("Error during DFU download", Says::Fails(F::WriteFailed, P::Write)),
    message("Error during DfuSe download", Says::Fails(F::WriteFailed, P::Write)),
    message("DFU GETSTATUS failed", Says::Fails(F::Stall, P::Status)),
    message("DFU DOWNLOAD failed", Says::Fails(F::WriteFailed, P::Write)),
];
