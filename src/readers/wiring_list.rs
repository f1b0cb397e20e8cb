//! Lists of wires, as posters write them: a line for each, `SWDIO <---> PA13`, `GND - GND`, `3.3V to VCC`.

use std::sync::LazyLock;

use regex::Regex;

use crate::observation::event::Transport;
use crate::observation::fact::FactValue;
use crate::observation::field_text::FieldText;

use super::message::{Line, Message, Says, Tool};
use super::notebook::Notebook;

pub static TOOL: Tool = Tool { name: "", transport: Transport::Other, messages: MESSAGES };

const fn message(needle: &'static str) -> Message {
    Message { needle, says: Says::Look(wire) }
}

const MESSAGES: &[Message] = &[
    message("swdio"),
    message("swclk"),
    message("swd_"),
    message("gnd"),
    message("vcc"),
    message("vdd"),
    message("vref"),
    message("3v3"),
    message("3.3"),
];

/// One wire: a name, something that joins, and where it goes; a sentence has more words than that.
static WIRE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?ix)^ [\s*\-•\d.)]{0,6} (?P<from>[a-z0-9_./]+(?:\ [a-z0-9_./()]+)?) \s* (?:<?[-=~]+>?|→|↔|:|\bto\b) \s* (?P<to>[a-z0-9_./]+(?:\ [a-z0-9_./()]+){0,4}) \s* $")
        .expect("the pattern is fixed")
});

/// What the wire is for, from either of its ends.
const PURPOSES: &[(&str, &[&str])] = &[
    ("data", &["swdio", "swd_io", "swd_dio", "pa13", "tms"]),
    ("clock", &["swclk", "swd_clk", "pa14", "tck"]),
    ("ground", &["gnd", "ground", "vss"]),
    ("supply", &["vcc", "vdd", "3.3", "3v3", "vref", "vtref", "vapp", "tvcc", "t_vcc", "5v"]),
];

fn wire(notebook: &mut Notebook, line: &Line<'_>) {
    let Some(found) = WIRE.captures(line.text) else { return };
    let ends = format!("{} {}", &found["from"], &found["to"]).to_ascii_lowercase();
    for (purpose, names) in PURPOSES {
        if names.iter().any(|name| ends.contains(name)) {
            notebook.fact("wire-listed", FactValue::Text(FieldText::new(*purpose)), line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::event::EventKind;

    fn listed(text: &str) -> Vec<String> {
        let mut notebook = Notebook::default();
        wire(&mut notebook, &Line { number: 1, text });
        let purpose = |event| match event {
            EventKind::FactNoted(fact) => match fact.value {
                FactValue::Text(text) => Some(text.raw().to_owned()),
                _ => None,
            },
            _ => None,
        };
        notebook.into_events().into_iter().filter_map(purpose).collect()
    }

    #[test]
    fn a_wire_is_known_by_either_end() {
        for (text, purpose) in [
            ("SWDIO <---> PIN72 (SWDIO)", "data"),
            ("SWCLK - PA14", "clock"),
            ("GND - GND", "ground"),
            ("3.3V <---> VCC", "supply"),
            ("DIO to PA13", "data"),
        ] {
            assert_eq!(listed(text), [purpose], "{text}");
        }
    }

    #[test]
    fn a_sentence_is_no_wire() {
        for text in [
            "I connected SWDIO to the wrong pin of my board and nothing came",
            "the reset: it does nothing at all for me",
            "Voltage : 3.24V and more",
        ] {
            assert!(listed(text).is_empty(), "{text}: {:?}", listed(text));
        }
    }
}
