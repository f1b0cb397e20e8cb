//! Register dumps that a poster or the customer's support was asked for: `-r32` of STM32CubeProgrammer, `mdw` of OpenOCD,
//! `x` of gdb. The words are kept as they are; what they mean depends on the part and is told where that is known.

use std::sync::LazyLock;

use regex::Regex;

use crate::observation::event::Transport;
use crate::observation::fact::{Fact, FactValue};
use crate::observation::units::Address;

use super::message::{Line, Message, Says, Tool};
use super::notebook::Notebook;

pub static TOOL: Tool = Tool { name: "", transport: Transport::Other, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

/// The blocks in which clocks, resets, options, identities and the debug unit lie.
const MESSAGES: &[Message] = &[
    message("0x4000", Says::Look(row)),
    message("0x4002", Says::Look(row)),
    message("0x4402", Says::Look(row)),
    message("0x4602", Says::Look(row)),
    message("0x5000", Says::Look(row)),
    message("0x5200", Says::Look(row)),
    message("0x5800", Says::Look(row)),
    message("0x5802", Says::Look(row)),
    message("0x5C00", Says::Look(row)),
    message("0x1FFF", Says::Look(row)),
    message("0x1FF0", Says::Look(row)),
    message("0x1FF1", Says::Look(row)),
    message("0x1FF8", Says::Look(row)),
    message("0x0BF9", Says::Look(row)),
    // pyOCD leaves out the prefix; the space stands for the beginning of the line.
    message(" 40007", Says::Look(row)),
    message(" 4002", Says::Look(row)),
    message(" 44020", Says::Look(row)),
    message(" 46020", Says::Look(row)),
    message(" 5200", Says::Look(row)),
    message(" 5800", Says::Look(row)),
    message(" 5802", Says::Look(row)),
    message(" 1fff", Says::Look(row)),
];

/// `0x40023800 : 0300FF83 24003010`, `0x40023804: 24003010`, `0x40023c14:  0x0fffaaed`.
static ROW: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)(?:\b0x|^\s*)([0-9a-f]{8})\s*:\s*((?:(?:0x)?[0-9a-f]{8}\b\s*){1,8})(?:\||$)")
        .expect("the pattern is fixed")
});

/// `@0x40023C14 0x00000004 bytes Data 0x0FFFAAED` of a verbose STM32CubeProgrammer.
static ACCESS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)@0x([0-9a-f]{8})\s+0x0*4 bytes data 0x([0-9a-f]{8})\b").expect("the pattern is fixed")
});

/// `When I read 0x40023C14 I obtain 0x0FFFAAED`.
static SENTENCE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)\b0x([0-9a-f]{8})\b[^0-9]{0,24}(?:=|:|\bis\b|\bobtain\b|\bgives?\b|\breads?\b|\breturns?\b|\bcontains?\b|\bholds?\b)[^0-9]{0,16}0x([0-9a-f]{8})\b",
    )
    .expect("the pattern is fixed")
});

const KEY: &str = "register-";

fn row(notebook: &mut Notebook, line: &Line<'_>) {
    let text = line.text.trim_end();
    if let Some(found) = ROW.captures(text) {
        let Some(start) = hex(&found[1]) else { return };
        for (index, word) in (0..).zip(found[2].split_whitespace()) {
            if let Some(value) = hex(word) {
                note(notebook, start.wrapping_add(index * 4), value, line);
            }
        }
    } else if let Some(found) = ACCESS.captures(text).or_else(|| SENTENCE.captures(text))
        && let (Some(address), Some(value)) = (hex(&found[1]), hex(&found[2]))
    {
        note(notebook, address, value, line);
    }
}

fn hex(word: &str) -> Option<u32> {
    u32::from_str_radix(word.trim_start_matches("0x").trim_start_matches("0X"), 16).ok()
}

fn note(notebook: &mut Notebook, address: u32, value: u32, line: &Line<'_>) {
    notebook.fact(&format!("{KEY}{address:08x}"), FactValue::Number(f64::from(value)), line);
}

/// The address and the word of a fact that a dump left.
pub fn of_fact(fact: &Fact) -> Option<(Address, u32)> {
    let address = fact.key.strip_prefix(KEY).and_then(hex)?;
    match fact.value {
        FactValue::Number(value) => Some((Address(address), value as u32)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::event::EventKind;

    fn words(text: &str) -> Vec<(u32, u32)> {
        let mut notebook = Notebook::default();
        row(&mut notebook, &Line { number: 1, text });
        let word = |event| match event {
            EventKind::FactNoted(fact) => of_fact(&fact).map(|(address, word)| (address.0, word)),
            _ => None,
        };
        notebook.into_events().into_iter().filter_map(word).collect()
    }

    #[test]
    fn dumps_of_all_tools_give_their_words() {
        for (text, expected) in [
            ("0x40023804 : 05413C19", vec![(0x4002_3804, 0x0541_3c19)]),
            ("0x40023800: 03020083 05413c19 ", vec![(0x4002_3800, 0x0302_0083), (0x4002_3804, 0x0541_3c19)]),
            ("40023c14:  0fffaaed    |....|", vec![(0x4002_3c14, 0x0fff_aaed)]),
            ("0x40023c14:\t0x0fffaaed", vec![(0x4002_3c14, 0x0fff_aaed)]),
            ("  r ap 0 @0x40023C14 0x00000004 bytes Data 0x0FFFAAED", vec![(0x4002_3c14, 0x0fff_aaed)]),
            ("Reading 0x40023C14 gives 0xCFFFFFFD", vec![(0x4002_3c14, 0xcfff_fffd)]),
        ] {
            assert_eq!(words(&text.replace('\t', " ")), expected, "{text}");
        }
    }

    #[test]
    fn prose_about_a_register_is_no_dump() {
        for text in ["the register at 0x40023804: it reads zero", "written to 0x08000000 : 1234", "Size:0x4000"] {
            assert!(words(text).is_empty(), "{text}");
        }
    }
}
