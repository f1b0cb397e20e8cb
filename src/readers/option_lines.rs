//! Option bytes as tools list them, one name and value a line: `TZEN : 0x1 (...)`, `RDP = 0xAA`, `-ob nSWBOOT0=0`.

use std::sync::LazyLock;

use regex::Regex;

use crate::observation::event::Transport;
use crate::observation::fact::FactValue;

use super::message::{Line, Message, Says, Tool};
use super::notebook::Notebook;

pub static TOOL: Tool = Tool { name: "", transport: Transport::Other, messages: MESSAGES };

const fn message(needle: &'static str) -> Message {
    Message { needle, says: Says::Look(listed) }
}

const MESSAGES: &[Message] = &[
    message("TZEN"),
    message("PRODUCT_STATE"),
    message("RDP  "),
    message("RDP :"),
    message("IWDG_SW"),
    message("IWDG1_SW"),
    message("WDG_SW"),
    message("WWDG_SW"),
    message("BOOT_LOCK"),
    message("BFB2"),
    message("nSWBOOT0"),
    message("nBOOT_SEL"),
];

static ENTRY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(TZEN|PRODUCT_STATE|RDP|(?:I?WDG1?|WWDG)_SW|BOOT_LOCK|BFB2|nSWBOOT0|nBOOT_SEL)\s*[:=]\s*(?:0x([0-9a-f]{1,2})|([01]))\b")
        .expect("the pattern is fixed")
});

/// The value that H5, L5 and U5 give TZEN where it is a byte and not a bit.
const TRUSTZONE_ENABLED: u32 = 0xB4;
const TRUSTZONE_DISABLED: u32 = 0xC3;
/// Product state "open" of the H5 (RM0481); in every other one debugging is shut in part or altogether.
const PRODUCT_OPEN: u32 = 0xED;

fn listed(notebook: &mut Notebook, line: &Line<'_>) {
    for entry in ENTRY.captures_iter(line.text) {
        let digits = entry.get(2).or_else(|| entry.get(3)).map_or("", |digits| digits.as_str());
        if let Ok(value) = u32::from_str_radix(digits, 16) {
            note(notebook, &entry[1].to_ascii_uppercase(), value, line);
        }
    }
}

fn note(notebook: &mut Notebook, name: &str, value: u32, line: &Line<'_>) {
    let mut flag = |key: &str, is_so: bool| notebook.fact(key, FactValue::Flag(is_so), line);
    match name {
        "TZEN" => match value {
            1 | TRUSTZONE_ENABLED => flag("trustzone-on", true),
            0 | TRUSTZONE_DISABLED => flag("trustzone-on", false),
            _ => {}
        },
        "PRODUCT_STATE" => flag("product-state-closed", value != PRODUCT_OPEN),
        "RDP" => {
            if let Some(level) = protection_level(value, line.text) {
                notebook.fact("read-out-protection-level", FactValue::Number(level), line);
            }
        }
        // A command that sets it says as much as a list that shows it.
        "BOOT_LOCK" if value == 1 => flag("boot-options-redirect", true),
        "BFB2" if value == 1 => flag("boot-options-redirect", true),
        "NSWBOOT0" if value == 0 => flag("boot-options-redirect", true),
        _ if name.ends_with("WDG_SW") || name.ends_with("WDG1_SW") => {
            flag("watchdog-in-options", value == 0);
        }
        _ => {}
    }
}

/// What the tool says beside the value; the value alone where it means the same on every part. 0x55 is half a level where TrustZone is,
/// 0xA5 is none on F1, and registers show one or two bits.
fn protection_level(value: u32, text: &str) -> Option<f64> {
    let text = text.to_ascii_lowercase();
    let named = [("level 0.5", 0.5), ("level 0", 0.0), ("level 1", 1.0), ("level 2", 2.0)];
    let said = named.into_iter().find(|(name, _)| text.contains(name)).map(|(_, level)| level);
    said.or(match value {
        0xAA => Some(0.0),
        0xCC => Some(2.0),
        0x00..=0x03 | 0x55 | 0xA5 => None,
        _ => Some(1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::event::EventKind;

    fn noted(text: &str) -> Vec<(String, FactValue)> {
        let mut notebook = Notebook::default();
        listed(&mut notebook, &Line { number: 1, text });
        let fact = |event| match event {
            EventKind::FactNoted(fact) => Some((fact.key, fact.value)),
            _ => None,
        };
        notebook.into_events().into_iter().filter_map(fact).collect()
    }

    #[test]
    fn a_list_of_option_bytes_is_read_by_name_and_value() {
        for (text, key, value) in [
            ("     TZEN         : 0x1 (Global TrustZone security enabled)", "trustzone-on", FactValue::Flag(true)),
            ("10:01:02 : TZEN : 0xB4", "trustzone-on", FactValue::Flag(true)),
            ("     TZEN         : 0x0 (Global TrustZone security disabled)", "trustzone-on", FactValue::Flag(false)),
            ("     PRODUCT_STATE: 0x5C (closed)", "product-state-closed", FactValue::Flag(true)),
            ("     PRODUCT_STATE: 0xED (Open)", "product-state-closed", FactValue::Flag(false)),
            ("     RDP          : 0xAA (Level 0, no protection)", "read-out-protection-level", FactValue::Number(0.0)),
            ("     RDP          : 0xBB (Level 1)", "read-out-protection-level", FactValue::Number(1.0)),
            ("     IWDG_SW      : 0x0 (Hardware independent watchdog)", "watchdog-in-options", FactValue::Flag(true)),
        ] {
            assert_eq!(noted(text), [(key.to_owned(), value)], "{text}");
        }
    }

    #[test]
    fn a_name_without_a_value_says_nothing() {
        for text in ["What is TZEN for?", "RDP : see the manual", "I left IWDG_SW alone"] {
            assert!(noted(text).is_empty(), "{text}");
        }
    }
}
