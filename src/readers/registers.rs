//! Register dumps that a poster or the customer's support was asked for: `-r32` of STM32CubeProgrammer, `mdw` of OpenOCD.

use std::sync::LazyLock;

use regex::Regex;

use crate::observation::event::Transport;
use crate::observation::fact::FactValue;
use crate::observation::field_text::FieldText;

use super::message::{Line, Message, Says, Tool};
use super::notebook::Notebook;

pub static TOOL: Tool = Tool { name: "", transport: Transport::Other, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

const MESSAGES: &[Message] = &[
    message("0x400238", Says::Look(row)),
    message("0x40023c", Says::Look(row)),
    message("0x40006c0", Says::Look(row)),
    message("0x4000840", Says::Look(row)),
    message("0x400220", Says::Look(row)),
    message("0x400210", Says::Look(row)),
    message("0x580040", Says::Look(row)),
    message("0x580000", Says::Look(row)),
    message("0x580244", Says::Look(row)),
];

/// `0x40023800 : 0300FF83 24003010` and `0x40023804: 24003010`.
static ROW: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)\b0x([0-9a-f]{8})\s*:\s*((?:(?:0x)?[0-9a-f]{8}\s*){1,8})$").expect("the pattern is fixed")
});

fn row(notebook: &mut Notebook, line: &Line<'_>) {
    let Some(found) = ROW.captures(line.text.trim_end()) else { return };
    let Ok(start) = u32::from_str_radix(&found[1], 16) else { return };
    for (index, word) in (0..).zip(found[2].split_whitespace()) {
        let digits = word.trim_start_matches("0x").trim_start_matches("0X");
        if let Ok(value) = u32::from_str_radix(digits, 16) {
            decode(notebook, start.wrapping_add(index * 4), value, line);
        }
    }
}

/// Addresses that mean one thing in every family that has them.
fn decode(notebook: &mut Notebook, address: u32, value: u32, line: &Line<'_>) {
    match address {
        0x4002_3800 => {
            notebook.fact("hse-ready", FactValue::Flag(value & 1 << 17 != 0), line);
        }
        0x4002_3804 => pll_of_f4(notebook, value, line),
        0x4002_3874 => reset_flags(notebook, value >> 25, &["BOR", "PIN", "POR", "SFT", "IWDG", "WWDG", "LPWR"], line),
        0x5802_44d0 => {
            reset_flags(notebook, value >> 21, &["BOR", "PIN", "POR", "SFT", "", "IWDG1", "IWDG2", "WWDG1"], line);
        }
        0x4002_3c14 => read_out_level(notebook, (value >> 8 & 0xff) as u8, line),
        0x4002_2020 | 0x5800_4020 => read_out_level(notebook, (value & 0xff) as u8, line),
        0x4000_6c08 | 0x4000_8408 => crs(notebook, value, line),
        _ => {}
    }
}

/// On F2, F4 and F7 the ROM writes the crystal it believes, in MHz, into PLLM.
fn pll_of_f4(notebook: &mut Notebook, value: u32, line: &Line<'_>) {
    let (m, n, q) = (value & 0x3f, value >> 6 & 0x1ff, value >> 24 & 0xf);
    let from_hse = value & 1 << 22 != 0;
    notebook.fact("pll-from-hse", FactValue::Flag(from_hse), line);
    if from_hse && n > 0 && m > 1 && q > 1 {
        let believed_mhz = 48.0 * f64::from(m) * f64::from(q) / f64::from(n);
        notebook.fact("believed-crystal", FactValue::FrequencyMhz(believed_mhz), line);
    }
}

fn reset_flags(notebook: &mut Notebook, flags: u32, names: &[&str], line: &Line<'_>) {
    let set = names.iter().enumerate().filter(|(bit, name)| flags & 1 << bit != 0 && !name.is_empty());
    let names: Vec<&str> = set.map(|(_, name)| *name).collect();
    notebook.fact("reset-flags", FactValue::Text(FieldText::new(names.join(" "))), line);
    if names.iter().any(|name| name.starts_with("IWDG") || name.starts_with("WWDG")) {
        notebook.fact("watchdog-reset-flag", FactValue::Flag(true), line);
    }
}

fn read_out_level(notebook: &mut Notebook, byte: u8, line: &Line<'_>) {
    let level = match byte {
        0xaa => 0.0,
        0xcc => 2.0,
        _ => 1.0,
    };
    notebook.fact("read-out-protection-level", FactValue::Number(level), line);
}

fn crs(notebook: &mut Notebook, value: u32, line: &Line<'_>) {
    let text = if value & 1 << 10 != 0 {
        "trim at its end"
    } else if value & (1 << 8 | 1 << 9) != 0 {
        "synchronisation lost"
    } else if value & 1 != 0 {
        "locked to the USB frames"
    } else {
        "no synchronisation seen"
    };
    notebook.fact("hsi48-synchronisation", FactValue::Text(FieldText::new(text)), line);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::event::EventKind;

    fn facts(text: &str) -> Vec<(String, FactValue)> {
        let mut notebook = Notebook::default();
        row(&mut notebook, &Line { number: 1, text });
        let pair = |event| match event {
            EventKind::FactNoted(fact) => Some((fact.key, fact.value)),
            _ => None,
        };
        notebook.into_events().into_iter().filter_map(pair).collect()
    }

    #[test]
    fn the_crystal_that_the_rom_believes_is_decoded() {
        // PLLM 25, PLLN 240, PLLP 4, PLLQ 5, source HSE.
        let found = facts("0x40023804 : 05413C19");
        assert_eq!(found[1], ("believed-crystal".to_owned(), FactValue::FrequencyMhz(25.0)));
    }

    #[test]
    fn a_row_of_words_is_decoded_word_by_word() {
        let found = facts("0x40023800: 03020083 05413c19");
        assert_eq!(found[0], ("hse-ready".to_owned(), FactValue::Flag(true)));
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn protection_and_reset_flags_are_named() {
        assert_eq!(facts("0x40023C14 : 0FFFAAED"), [("read-out-protection-level".to_owned(), FactValue::Number(0.0))]);
        assert_eq!(
            facts("0x40023874 : 24000003")[0],
            ("reset-flags".to_owned(), FactValue::Text(FieldText::new("PIN IWDG")))
        );
    }

    #[test]
    fn prose_about_a_register_is_no_dump() {
        assert!(facts("the register at 0x40023804: it reads zero").is_empty());
    }
}
