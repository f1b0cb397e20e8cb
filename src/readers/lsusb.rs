//! Lists of USB devices that posters copy: `lsusb`, the Device Manager's hardware ids, the System Profiler of macOS.

use std::sync::LazyLock;

use regex::Regex;

use crate::observation::event::Transport;
use crate::observation::fact::FactValue;

use super::message::{Line, Message, Says, Tool};
use super::notebook::Notebook;

pub static TOOL: Tool = Tool { name: "", transport: Transport::Other, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

const MESSAGES: &[Message] = &[
    message(": ID ", Says::Look(lsusb)),
    message("VID_0483", Says::Look(hardware_id)),
    message("Product ID: 0xdf11", Says::Look(profiler)),
    message("Product ID: 0x374", Says::Look(profiler)),
    message("Product ID: 0x375", Says::Look(profiler)),
];

static LSUSB: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)\bBus \d+ Device \d+: ID ([0-9a-f]{4}):([0-9a-f]{4})").expect("the pattern is fixed")
});

static HARDWARE_ID: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i)VID_([0-9a-f]{4})&PID_([0-9a-f]{4})").expect("the pattern is fixed"));

fn lsusb(notebook: &mut Notebook, line: &Line<'_>) {
    if let Some(found) = LSUSB.captures(line.text) {
        notebook.text_fact("host-os", "linux", line);
        listed(notebook, &found[1], &found[2], line);
    }
}

fn hardware_id(notebook: &mut Notebook, line: &Line<'_>) {
    if let Some(found) = HARDWARE_ID.captures(line.text) {
        notebook.text_fact("host-os", "windows", line);
        listed(notebook, &found[1], &found[2], line);
    }
}

fn profiler(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.text_fact("host-os", "macos", line);
    let product = line.value_of("Product ID").map(|text| text.trim_start_matches("0x"));
    if let Some(product) = product.and_then(|text| text.get(..4)) {
        listed(notebook, "0483", product, line);
    }
}

/// Only ids that say something about an STM32 or its probe are kept.
fn listed(notebook: &mut Notebook, vendor: &str, product: &str, line: &Line<'_>) {
    let (vendor, product) = (vendor.to_ascii_lowercase(), product.to_ascii_lowercase());
    let fact = match (vendor.as_str(), product.as_str()) {
        ("0483", "df11") => "rom-listed",
        ("0483", product) if product.starts_with("374") || product.starts_with("375") => "probe-listed",
        ("1366" | "1d50" | "0d28" | "c251", _) | ("0483", "5740") => "",
        ("1eaf" | "1209" | "314b" | "28e9" | "2e3c", _) => "",
        _ => return,
    };
    if !fact.is_empty() {
        notebook.fact(fact, FactValue::Flag(true), line);
    }
    if fact == "probe-listed" {
        notebook.text_fact("probe-product", &product, line);
    } else {
        notebook.text_fact("vid-pid", &format!("{vendor}:{product}"), line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::event::EventKind;

    fn keys(look: fn(&mut Notebook, &Line<'_>), text: &str) -> Vec<String> {
        let mut notebook = Notebook::default();
        look(&mut notebook, &Line { number: 1, text });
        let key = |event| if let EventKind::FactNoted(fact) = event { Some(fact.key) } else { None };
        notebook.into_events().into_iter().filter_map(key).collect()
    }

    #[test]
    fn each_system_lists_the_rom_in_its_own_words() {
        let rom = ["host-os", "rom-listed", "vid-pid"];
        assert_eq!(keys(lsusb, "Bus 005 Device 002: ID 0483:df11 STMicroelectronics STM Device in DFU Mode"), rom);
        assert_eq!(keys(hardware_id, r"USB\VID_0483&PID_DF11\357236543036"), rom);
        assert_eq!(keys(profiler, "          Product ID: 0xdf11"), rom);
    }

    #[test]
    fn hubs_and_mice_say_nothing() {
        assert_eq!(keys(lsusb, "Bus 001 Device 001: ID 1d6b:0002 Linux Foundation 2.0 root hub"), ["host-os"]);
        assert!(keys(lsusb, "the ID 0483:df11 in my notes").is_empty());
    }
}
