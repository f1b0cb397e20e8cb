//! FAIL.TXT: what the drive of a DAPLink or of an ST-Link of a Nucleo board says of a file that was copied onto it.

use crate::observation::event::Transport;
use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;

use super::message::{Message, Says, Tool};

pub const NAME: &str = "probe-drive";

pub static TOOL: Tool = Tool { name: NAME, transport: Transport::Swd, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

/// The words are those of DAPLink, which ST-Link firmware has taken over in part.
const MESSAGES: &[Message] = &[
    message("interface firmware FAILED to reset/halt the target", Says::Fails(F::NoTarget, P::Halt)),
    // It was written to RAM, which fails while the core is held in reset although its debug port answers.
    message("FAILED to download the flash programming algorithms", Says::Fails(F::NotHalted, P::Halt)),
    message("interface firmware ABORTED programming", Says::Fails(F::Protected, P::Write)),
    message("interface firmware FAILED to erase", Says::Fails(F::EraseFailed, P::Erase)),
    message("The target chip erase failed", Says::Fails(F::EraseFailed, P::Erase)),
    message("The target sector erase failed", Says::Fails(F::EraseFailed, P::Erase)),
    message("An error occurred during the page write", Says::Fails(F::WriteFailed, P::Write)),
    message("File sent out of order by PC", Says::Fails(F::BadFile, P::Write)),
    message("The hex file cannot be decoded", Says::Fails(F::BadFile, P::ImageFile)),
    message("The file type is unknown", Says::Fails(F::BadFile, P::ImageFile)),
];
