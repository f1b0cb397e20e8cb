//! The build output of Keil uVision, which programs the target by a driver that it calls a target DLL.

use crate::observation::event::Transport;
use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;

use super::message::{Line, Message, Says, Tool};
use super::notebook::Notebook;

pub const NAME: &str = "keil";

pub static TOOL: Tool = Tool { name: NAME, transport: Transport::Swd, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

const MESSAGES: &[Message] = &[
    message("*** Using Compiler 'V", Says::Nothing),
    message("Build Time Elapsed:", Says::Nothing),
    message("Erase Done.", Says::Look(erase_done)),
    message("Erase skipped!", Says::Nothing),
    message("Programming Done.", Says::Done(P::Write)),
    message("Verify OK.", Says::Done(P::Verify)),
    message("Flash Load finished at", Says::Nothing),
    message("Target DLL has been cancelled", Says::Fails(F::ConnectFailed, P::Connect)),
    message("Flash Download failed  -  \"Cortex-M", Says::Fails(F::WriteFailed, P::Write)),
    message("Flash Download failed - \"Cortex-M", Says::Fails(F::WriteFailed, P::Write)),
    message("Flash Download failed  -  Could not load file", Says::Fails(F::BadFile, P::ImageFile)),
    message("Flash Download failed - Could not load file", Says::Fails(F::BadFile, P::ImageFile)),
    message("Flash Timeout. Reset the Target", Says::Fails(F::Timeout, P::Write)),
    message("Contents mismatch at: ", Says::Look(mismatch)),
    message("Programming Failed!", Says::Fails(F::WriteFailed, P::Write)),
    message("Erase Failed!", Says::Fails(F::EraseFailed, P::Erase)),
    message("No Algorithm found for:", Says::Fails(F::BadArguments, P::Write)),
    message("Cannot Load Flash Programming Algorithm", Says::Fails(F::WriteFailed, P::Write)),
    message("Cannot Load Flash Device Description", Says::Fails(F::BadArguments, P::ImageFile)),
    message("Insufficient RAM for Flash Algorithms", Says::Fails(F::BadArguments, P::Write)),
    message("RDDI-DAP Error", Says::Fails(F::SwdFault, P::Connect)),
    message("SWD/JTAG Communication Failure", Says::Fails(F::NoAcknowledge, P::Connect)),
    message("Invalid ROM Table", Says::Fails(F::ConnectFailed, P::Identify)),
    message("Connection refused due to device mismatch", Says::Fails(F::BadArguments, P::Identify)),
    message("Cannot access target. Shutting down debug session", Says::Fails(F::NoTarget, P::Connect)),
    message("Could not stop Cortex-M device", Says::Fails(F::NotHalted, P::Halt)),
];

/// With capitals, as no poster writes it.
fn erase_done(notebook: &mut Notebook, line: &Line<'_>) {
    if line.text.contains("Erase Done.") {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.done(P::Erase, line);
    }
}

/// `Contents mismatch at: 08000000H  (Flash=FFH  Required=00H) !`, for every word of a download that did not take.
fn mismatch(notebook: &mut Notebook, line: &Line<'_>) {
    let address = line.text.split("mismatch at: ").nth(1).and_then(|rest| rest.split('H').next());
    let address = address.and_then(|digits| u32::from_str_radix(digits.trim(), 16).ok());
    notebook.at_work(NAME, Transport::Swd, line);
    notebook.fail_at(F::VerifyFailed, P::Verify, "Contents mismatch", address, line);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::event::EventKind;
    use crate::observation::units::Address;

    #[test]
    fn a_word_that_did_not_take_is_a_failed_verification_at_its_address() {
        let mut notebook = Notebook::default();
        mismatch(
            &mut notebook,
            &Line { number: 1, text: "Contents mismatch at: 08000004H  (Flash=FFH  Required=A9H) !" },
        );
        let failures: Vec<_> = notebook
            .into_events()
            .iter()
            .filter_map(
                |event| if let EventKind::CycleFinished(cycle) = event { cycle.failure().cloned() } else { None },
            )
            .collect();
        assert_eq!((failures[0].class, failures[0].address), (F::VerifyFailed, Some(Address(0x0800_0004))));
    }
}
