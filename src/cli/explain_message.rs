//! What a message or a code of another program means: a line of a log, an error of libusb, a state of DFU, a status of an ST-LINK.

use std::io::{self, Write};

use crate::dfu::state::{DfuState, DfuStatus};
use crate::diagnosis::knowledge::Knowledge;
use crate::profile::fus_code;
use crate::profile::loader::{self, ProfileError};
use crate::profile::message::{self, Message, Messages};
use crate::profile::shelf::Sheet;
use crate::swd::stlink_status;

/// A line that says several things is told by those that most of it agrees with.
const MOST_MESSAGES: usize = 3;

/// False if nothing is known of it.
pub fn explain(messages: &Messages, knowledge: &Knowledge, line: &str, out: &mut impl Write) -> io::Result<bool> {
    let said = messages.said_in(line);
    for message in said.iter().take(MOST_MESSAGES) {
        explain_message(knowledge, message, out)?;
    }
    let codes = codes_in(line);
    for code in &codes {
        writeln!(out, "{code}")?;
    }
    let is_known = !said.is_empty() || !codes.is_empty();
    if is_known {
        writeln!(out, "\nOne line says little of the cause; `flakescope triage FILE` reads a whole log.")?;
    }
    Ok(is_known)
}

/// Reads one sheet and refuses causes that there are not.
pub fn check(sheet: &Sheet, knowledge: &Knowledge) -> Result<(), ProfileError> {
    let messages = message::parse(sheet)?;
    let unknown = messages.iter().flat_map(|message| &message.causes).find(|id| knowledge.cause(id).is_none());
    let Some(id) = unknown else { return Ok(()) };
    let near = loader::nearest(id, knowledge.causes.iter().map(|cause| cause.id.as_str()));
    let hint = near.map(|near| format!("did you mean `{near}`?"));
    Err(loader::refuse(&sheet.file, &sheet.text, &format!("\"{id}\""), format!("no cause is called `{id}`"), hint))
}

fn explain_message(knowledge: &Knowledge, message: &Message, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{} (message): {}", message.says.join(", "), message.meaning)?;
    if let Some(think_of) = &message.think_of {
        writeln!(out, "It makes one think of {think_of}.")?;
    }
    if !message.causes.is_empty() {
        writeln!(out, "Causes to look at:")?;
    }
    for cause in message.causes.iter().filter_map(|id| knowledge.cause(id)) {
        writeln!(out, "  {:<28} {}", cause.id, cause.name)?;
    }
    writeln!(out, "Source: {}", message.source)
}

/// The names that a specification or a header gives, which a tool shows as they are.
fn codes_in(line: &str) -> Vec<String> {
    let words: Vec<&str> = line.split(|c: char| !(c.is_alphanumeric() || "_-".contains(c))).collect();
    let is_word = |name: &str| words.iter().any(|word| word.eq_ignore_ascii_case(name));
    let named = |name: Option<&'static str>| name.filter(|name| *name != "OK" && is_word(name));
    let states = DfuState::ALL.iter().filter_map(|state| {
        named(state.name()).map(|name| format!("{name} (state {} of DFU): {}.", state.0, state.meaning()))
    });
    let statuses = DfuStatus::ALL.iter().filter_map(|status| {
        named(status.name()).map(|name| format!("{name} (status 0x{:02X} of DFU): {}.", status.0, status.meaning()))
    });
    let fus = fus_code::ERRORS.iter().filter(|error| is_word(error.name) || is_word(&format!("FUS_{}", error.name)));
    let fus = fus.map(|error| {
        let reason = error.usual_reason.map(|reason| format!("; usually: {reason}")).unwrap_or_default();
        format!("{} (error 0x{:02X} of the FUS): {}{reason}.", error.name, error.code, error.meaning)
    });
    let line = line.to_ascii_lowercase();
    let probe = stlink_status::STATUSES.iter().filter(|status| {
        status.class.is_some() && status.name.contains(' ') && line.contains(&status.name.to_ascii_lowercase())
    });
    let probe = probe.map(|status| {
        let reasons = status.reasons.map(|reasons| format!(": {reasons}")).unwrap_or_default();
        format!("{} (status 0x{:02X} of an ST-LINK){reasons}.", status.name, status.code)
    });
    states.chain(statuses).chain(fus).chain(probe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::shelf;

    fn said(line: &str) -> String {
        let messages = Messages::from_sheets(&shelf::built_in("messages")).unwrap();
        let mut out = Vec::new();
        assert!(explain(&messages, &Knowledge::built_in().unwrap(), line, &mut out).unwrap(), "{line}");
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_of_a_kernel_log_is_explained() {
        insta::assert_snapshot!(said("usb 1-2: device descriptor read/64, error -71"));
    }

    #[test]
    fn names_of_specifications_are_known() {
        for (line, expected) in [
            ("state = dfuERROR, status = errVENDOR", "errVENDOR (status 0x0B of DFU)"),
            ("FUS_AUTH_KEY_LOCKED", "AUTH_KEY_LOCKED (error 0x0A of the FUS)"),
            ("ERROR: SWD AP WAIT", "SWD AP WAIT (status 0x10 of an ST-LINK)"),
        ] {
            assert!(said(line).contains(expected), "{}", said(line));
        }
    }

    #[test]
    fn messages_name_causes_that_there_are() {
        let knowledge = Knowledge::built_in().unwrap();
        for sheet in shelf::built_in("messages") {
            check(&sheet, &knowledge).unwrap();
        }
        let text = "[[message]]\nsays = [\"X\"]\nmeaning = \"x\"\ncauses = [\"usb-cabel\"]\nsource = \"x\"\n";
        let own = Sheet { name: "own".into(), file: "own.toml".into(), text: text.into() };
        let refused = check(&own, &knowledge).unwrap_err().to_string();
        assert_eq!(refused, "own.toml:4: no cause is called `usb-cabel`; did you mean `usb-cable`?");
    }
}
