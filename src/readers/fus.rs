//! The firmware upgrade service of the STM32WB, in the words of STM32CubeProgrammer over USB and over SWD.

use crate::observation::event::Transport;
use crate::observation::fact::FactValue;
use crate::observation::failure::{Failure, FailureClass as F};
use crate::observation::field_text::FieldText;
use crate::observation::step::Phase as P;

use super::cubeprogrammer;
use super::message::{Line, Message, Says, Tool, first_hex};
use super::notebook::Notebook;

pub static TOOL: Tool = Tool { name: cubeprogrammer::NAME, transport: Transport::Other, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

const MESSAGES: &[Message] = &[
    message("FUS state is", Says::Look(state)),
    message("FUS status is", Says::Look(status)),
    message("FUS_STATE_", Says::Look(swd_state)),
    message("FUS-STATE", Says::Look(swd_state)),
    message("FUS STATE IMG", Says::Look(swd_state)),
    message("FUS_ERROR", Says::Fails(F::FusStatus, P::FusState)),
    message("FUS_IMAGE_", Says::Look(status)),
    message("FUS_IMG_", Says::Look(status)),
    message("STATE_NOT_RUNNING", Says::Look(swd_state)),
    message("Read FUS state command execution finished", Says::Done(P::FusState)),
    message("FUS version", Says::Look(version)),
    message("FUS v", Says::Look(version_in_words)),
    message("FUS (v", Says::Look(version_in_words)),
    message("FUS 0.", Says::Look(version_in_words)),
    message("FUS 1.", Says::Look(version_in_words)),
    message("FUS 2.", Says::Look(version_in_words)),
    message("FUS Operator", Says::Nothing),
    message("Deleting firmware", Says::Begins(P::FusDelete)),
    message("Firmware delete finished", Says::Look(deleted)),
    message("Firmware delete execution finished", Says::Nothing),
    message("Firmware delete failed", Says::Fails(F::FusStatus, P::FusDelete)),
    message("Download Stack/FUS image at address", Says::Look(image_address)),
    message("Download firmware image at address", Says::Look(image_address)),
    message("stm32wb", Says::Look(image_in_words)),
    message("Firmware Upgrade process started", Says::Begins(P::FusUpgrade)),
    message("Firmware Upgrade process begins", Says::Begins(P::FusUpgrade)),
    message("Firmware Upgrade Success", Says::Look(upgraded)),
    message("Firmware upgrade finished", Says::Done(P::FusUpgrade)),
    message("Firmware upgrade Error", Says::Fails(F::FusStatus, P::FusUpgrade)),
    message("Firmware Upgrade failed", Says::Fails(F::FusStatus, P::FusUpgrade)),
    message("Starting wireless stack", Says::Begins(P::FusStart)),
    message("Wireless stack started", Says::Done(P::FusStart)),
    message("Anti-Rollback", Says::Look(anti_rollback)),
    message("FW_ROLLBACK_ERROR", Says::Fails(F::FusStatus, P::FusUpgrade)),
    message("startFus failed", Says::Fails(F::FusStatus, P::FusStart)),
    message("FUS is not running", Says::Fails(F::FusStatus, P::FusStart)),
    message("FUS not running", Says::Fails(F::FusStatus, P::FusStart)),
    message("FUS_NOT_RUNNING", Says::Fails(F::FusStatus, P::FusState)),
    message("RSS state is", Says::Look(state)),
    message("RSS status is", Says::Look(status)),
    message("Firwmware upgrade failed", Says::Fails(F::FusStatus, P::FusUpgrade)),
    message("Wireless stack start failed", Says::Fails(F::FusStatus, P::FusStart)),
    message("Failed to start the wireless stack", Says::Fails(F::FusStatus, P::FusStart)),
    message("Failed to start FUS", Says::Fails(F::FusStatus, P::FusStart)),
    message("Unable to start FUS", Says::Fails(F::FusStatus, P::FusStart)),
    message("FUS is not started", Says::Fails(F::FusStatus, P::FusStart)),
    message("Firmware authentication key", Says::Nothing),
    message("fwdelete failed", Says::Fails(F::FusStatus, P::FusDelete)),
    message("fwupgrade failed", Says::Fails(F::FusStatus, P::FusUpgrade)),
    message("Firmware not authentic", Says::Fails(F::FusStatus, P::FusUpgrade)),
    message("Image not authentic", Says::Fails(F::FusStatus, P::FusUpgrade)),
];

const AFTER_DELETE: &str = "no image is what remains after a delete, or on a blank part";

fn state(notebook: &mut Notebook, line: &Line<'_>) {
    let Some(state) = line.value_of("FUS state is").or_else(|| line.value_of("RSS state is")) else { return };
    notebook.at_work(cubeprogrammer::NAME, Transport::Other, line);
    notebook.remember("fus-state", state);
    if state.contains("ERR") {
        let phase = phase(notebook);
        notebook.fail(F::FusStatus, phase, state, line);
    } else if state.contains("IDLE") || state.contains("SERVICE_ONGOING") {
        excuse_the_first_question(notebook);
        notebook.done(P::FusState, line);
    }
}

/// The first question finds the wireless stack at work and starts the service, which answers the next (AN5185).
fn excuse_the_first_question(notebook: &mut Notebook) {
    let is_first = |failure: &Failure| {
        let said = failure.code.as_ref().map_or("", |code| code.raw());
        failure.phase == P::FusState && (said.ends_with("NOT_RUNNING") || said == "FUS_ERROR")
    };
    notebook.excuse(is_first, "asking for the state starts the upgrade service, and the next answer shows it running");
}

/// `FUS status is FUS_IMAGE_WRTERROR`, or the bare name elsewhere; the first versions said `RSS` for `FUS`.
fn status(notebook: &mut Notebook, line: &Line<'_>) {
    let name = word_starting_with(line.text, "FUS_").or_else(|| word_starting_with(line.text, "RSS_"));
    let Some(name) = name.filter(|name| !name.starts_with("FUS_STATE")) else { return };
    if name.ends_with("NO_ERROR") || name.ends_with("IDLE") || asks_about_it(notebook, line) {
        return;
    }
    notebook.at_work(cubeprogrammer::NAME, Transport::Other, line);
    notebook.text_fact("fus-answer", name, line);
    let not_found = name.ends_with("NOT_FOUND");
    let blank = notebook.recall("fus-state").is_some_and(|state| state.contains("SERVICE_ONGOING"));
    let phase = phase(notebook);
    if not_found && (blank || notebook.has_done(P::FusDelete)) && phase != P::FusUpgrade {
        notebook.normal(F::FusStatus, phase, name, AFTER_DELETE, line);
    } else {
        notebook.fail(F::FusStatus, phase, name, line);
    }
}

/// The service takes an image that it has already for one that does not fit, and the tool tries twice; what is upgraded in the end was
/// none the worse for it.
fn upgraded(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(cubeprogrammer::NAME, Transport::Other, line);
    notebook.excuse(|failure| failure.class == F::FusStatus, "the upgrade went through in the end");
    notebook.excuse(|failure| failure.class == F::Disconnected, RESTARTED);
    notebook.done(P::FusUpgrade, line);
    notebook.remember(UPGRADED, "yes");
}

/// The device restarts while its service works, and the tool finds it again.
const RESTARTED: &str = "the device restarts while the firmware upgrade service works";

fn deleted(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(cubeprogrammer::NAME, Transport::Other, line);
    notebook.excuse(|failure| failure.class == F::Disconnected, RESTARTED);
    notebook.done(P::FusDelete, line);
}

/// Since an upgrade went through; a question about an earlier answer quotes it.
const UPGRADED: &str = "fus-upgraded";

fn asks_about_it(notebook: &Notebook, line: &Line<'_>) -> bool {
    notebook.recall(UPGRADED).is_some() && line.text.trim_end().ends_with('?')
}

/// `FUS_STATE_IDLE`, `FUS_STATE_IMG_NOT_FOUND`, `FUS_STATE_ERR_UNKNOWN`.
fn swd_state(notebook: &mut Notebook, line: &Line<'_>) {
    let text = line.text.to_ascii_uppercase().replace("FUS-STATE", "FUS_STATE").replace("FUS STATE I", "FUS_STATE_I");
    let name = word_starting_with(&text, "FUS_STATE_")
        .or_else(|| word_starting_with(&text, "STATE_NOT_RUNNING"))
        .unwrap_or_default();
    notebook.at_work(cubeprogrammer::NAME, Transport::Swd, line);
    notebook.text_fact("fus-answer", name, line);
    if name.ends_with("IDLE") || name.ends_with("NO_ERROR") {
        notebook.done(P::FusState, line);
    } else if name.ends_with("NOT_FOUND") && is_a_complaint(line) {
        notebook.fail(F::FusStatus, P::FusUpgrade, name, line);
    } else if name.ends_with("NOT_FOUND")
        && notebook.under_way() != Some(P::FusUpgrade)
        && (notebook.has_done(P::FusDelete) || !notebook.has_done(P::Write))
    {
        notebook.normal(F::FusStatus, P::FusState, name, AFTER_DELETE, line);
    } else if !name.is_empty() && !name.contains("ONGOING") {
        let phase = phase(notebook);
        notebook.fail(F::FusStatus, phase, name, line);
    }
}

/// A person who writes a sentence about the message does not find it normal.
fn is_a_complaint(line: &Line<'_>) -> bool {
    let words = line.text.split_whitespace().count();
    words > 5 && !super::timestamps::is_stamped(line.text)
}

fn phase(notebook: &Notebook) -> P {
    match notebook.under_way() {
        Some(phase @ (P::FusUpgrade | P::FusDelete | P::FusStart)) => phase,
        _ => P::FusState,
    }
}

fn version(notebook: &mut Notebook, line: &Line<'_>) {
    let Some(version) = line.value_of("FUS version").and_then(super::reading::version_in) else { return };
    notebook.text_fact("fus-version", version.trim_start_matches('v'), line);
    if version.trim_start_matches('v').starts_with("0.0.0") {
        notebook.fact("fus-version-zero", FactValue::Flag(true), line);
    }
}

/// `FUS 2.0`, `FUS (v1.1)`.
fn version_in_words(notebook: &mut Notebook, line: &Line<'_>) {
    for (at, _) in line.text.match_indices("FUS ") {
        let rest = line.text[at + 4..].trim_start_matches(['(', 'v', 'V']);
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number = rest[..end].trim_end_matches('.');
        if number.len() >= 3 && number.contains('.') && number.starts_with(['0', '1', '2']) {
            notebook.text_fact("fus-version", number, line);
        }
    }
}

fn anti_rollback(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("error") || line.contains("fail") {
        notebook.fail(F::FusStatus, P::FusUpgrade, "anti-rollback", line);
    }
}

/// The image's file name follows, or came before.
fn image_address(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(cubeprogrammer::NAME, Transport::Other, line);
    let Some(address) = first_hex(line.text) else { return };
    notebook.address_fact("fus-image-address", line);
    notebook.remember("fus-image-address", format!("{address:#010X}"));
    if !(0x0800_0000..0x0810_0000).contains(&address) {
        notebook.fact("fus-image-address-outside-flash", FactValue::Flag(true), line);
        notebook.fail_at(F::AddressRefused, P::Write, "image address outside the flash", Some(address), line);
    }
}

/// A poster writes file and address in one sentence.
fn image_in_words(notebook: &mut Notebook, line: &Line<'_>) {
    let file = line.text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.').find(|word| {
        let word = word.trim_end_matches('.').to_ascii_lowercase();
        word.starts_with("stm32wb") && (word.ends_with("_fw") || word.contains("_fw") && word.ends_with(".bin"))
    });
    let address = first_hex(line.text).filter(|address| (0x0800_0000..0x0900_0000).contains(address));
    if let (Some(file), Some(_)) = (file, address) {
        let file = file.trim_end_matches('.');
        let file = if file.ends_with("_fw") { format!("{file}.bin") } else { file.to_owned() };
        notebook.fact("fus-image", FactValue::Text(FieldText::new(file)), line);
        notebook.address_fact("fus-image-address", line);
    }
}

pub fn image_named(notebook: &mut Notebook, name: &str, line: &Line<'_>) {
    if name.to_ascii_lowercase().starts_with("stm32wb") && notebook.recall("fus-image-address").is_some() {
        notebook.fact("fus-image", FactValue::Text(FieldText::new(name)), line);
    }
}

/// A name in capitals; `FUS_fw` is part of a file's name.
fn word_starting_with<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let word_at = |at: usize| {
        let end = text[at..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(text.len(), |end| at + end);
        &text[at..end]
    };
    text.match_indices(start).map(|(at, _)| word_at(at)).find(|word| !word.contains(|c: char| c.is_ascii_lowercase()))
}
