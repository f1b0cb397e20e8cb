//! Names of parts and boards in running text.

use std::sync::LazyLock;

use regex::Regex;

use crate::observation::event::Transport;
use crate::observation::fact::FactValue;
use crate::observation::units::Address;

use super::compared_part::is_compared;
use super::message::{Line, Message, Says, Tool};
use super::notebook::Notebook;

pub static TOOL: Tool = Tool { name: "", transport: Transport::Other, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

const MESSAGES: &[Message] = &[
    message("dfu", Says::Look(names_dfu)),
    message("betaflight", Says::Look(names_dfu)),
    message("cleanflight", Says::Look(names_dfu)),
    message("flight controller", Says::Look(names_dfu)),
    message("qmk", Says::Look(names_dfu)),
    message("zadig", Says::Look(names_dfu)),
    message("katapult", Says::Look(names_dfu)),
    message("swd", Says::Look(names_swd)),
    message("st-link", Says::Look(names_swd)),
    message("stlink", Says::Look(names_swd)),
    // As it stands before the line is cleaned, which is when lines are chosen.
    message("st link", Says::Look(names_swd)),
    message("jtag", Says::Look(names_swd)),
    message("debugger", Says::Look(names_swd)),
    message("j-link", Says::Look(names_swd)),
    message("jlink", Says::Look(names_swd)),
    message("gdb server", Says::Look(names_swd)),
    message("stm32", Says::Look(part)),
    message("nucleo", Says::Look(part)),
    message("disco", Says::Look(part)),
    message("0x08", Says::Look(flash_address)),
    message("blue pill", Says::Look(blue_pill)),
    message("bluepill", Says::Look(blue_pill)),
    message("giga r1", Says::Look(board_by_name)),
    message("portenta h7", Says::Look(board_by_name)),
    message("nicla vision", Says::Look(board_by_name)),
    message("pyboard v1", Says::Look(board_by_name)),
    message("flipper zero", Says::Look(board_by_name)),
    message("stm32f4discovery", Says::Look(board_by_name)),
    message("stm32f4-discovery", Says::Look(board_by_name)),
    message("f4 discovery", Says::Look(board_by_name)),
    message("stm32vldiscovery", Says::Look(board_by_name)),
    message("stm32f3discovery", Says::Look(board_by_name)),
    message("f3 discovery", Says::Look(board_by_name)),
    message("stmf", Says::Look(part)),
    message("stmg", Says::Look(part)),
    message("stmh", Says::Look(part)),
    message("stml", Says::Look(part)),
    message("stm f", Says::Look(part)),
    message("stm h", Says::Look(part)),
    message("stm l", Says::Look(part)),
    message(" f0", Says::Look(part)),
    message(" f10", Says::Look(part)),
    message(" f2", Says::Look(part)),
    message(" f3", Says::Look(part)),
    message(" f4", Says::Look(part)),
    message(" f7", Says::Look(part)),
    message(" g0", Says::Look(part)),
    message(" g4", Says::Look(part)),
    message(" h5", Says::Look(part)),
    message(" h7", Says::Look(part)),
    message(" l0", Says::Look(part)),
    message(" l1", Says::Look(part)),
    message(" l4", Says::Look(part)),
    message(" l5", Says::Look(part)),
    message(" u5", Says::Look(part)),
    message(" wb1", Says::Look(part)),
    message(" wb3", Says::Look(part)),
    message(" wb5", Says::Look(part)),
    message(" wl5", Says::Look(part)),
];

/// `STM32F746`, `stm32h743xi`, `NUCLEO-F303K8`, `F411`; the letters behind the digits are pins and flash size, then package, temperature and
/// options.
static NAME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?x)
        (?: (?i: (?: stm32 | \b stm ) [\ -]? | \b nucleo -? (?:64|144|32)? [\ -]* | \b disco [\ -]* ) | \b )
        ( (?i: F[0-47][0-9]{2} | H[57][0-9A-Z][0-9] | L[0-5][0-9]{2} | L4[PQRS][0-9] | G[04][0-9B-C][0-9] | U[05][0-9A-Z][0-9] | C0[0-9]{2} | WBA?[0-9][0-9M] | WL[E5][0-9] | N6[0-9]{2} ) )
        ( (?i: [A-Z][0-9A-K] | [A-Z]{2} )? ) (?i: [BFHIJKMPQTUVY][0-9X]{1,2} [A-Z]? (?:TR)? | [HTUY] (?:TR)? | [GIKMNOPQRSVXZ] )? (?: \b | [_.,] )",
    )
    .expect("the pattern is fixed")
});

static FAMILY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)\bstm32[ -]?(F[0-47]|H[57]|L[0-5]|G[04]|U[05]|WB|WL|C0)(?:x+|[0-9]{0,2}x*)?\b")
        .expect("the pattern is fixed")
});

fn part(notebook: &mut Notebook, line: &Line<'_>) {
    for found in NAME.captures_iter(line.text) {
        let whole = found.get(0).map_or("", |all| all.as_str()).to_ascii_lowercase();
        let series = &found[1];
        let named = whole.starts_with("stm") || whole.starts_with("nucleo") || whole.starts_with("disco");
        let in_capitals = !series.chars().any(|c| c.is_ascii_lowercase());
        if !named && !in_capitals && !is_part_among_words(line.text, &whole) {
            continue;
        }
        let pins = found[2].to_ascii_uppercase();
        let placeholder = pins.starts_with('X') && pins.ends_with(['X', '4', '6', '8']);
        let pins = if placeholder { "" } else { pins.as_str() };
        let name = format!("STM32{}{pins}", series.to_ascii_uppercase());
        let all = found.get(0).map_or(0..0, |all| all.range());
        let key = if is_compared(&line.text[..all.start], &line.text[all.end..]) { "compared-part" } else { "part" };
        notebook.text_fact(key, &name, line);
        if whole.starts_with("nucleo") || whole.starts_with("disco") {
            notebook.fact("dev-board", FactValue::Flag(true), line);
        }
    }
    if let Some(found) = FAMILY.captures(line.text) {
        notebook.text_fact("part-family", &format!("STM32{}", found[1].to_ascii_uppercase()), line);
    }
}

/// What people call a part in small letters: a number that exists, and the letters behind it those of pins and flash size.
static SMALL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?x)^
        (?: f0(?:30|31|42|48|51|58|7[0128]|9[18]) | f10[0-7] | f2[01][57] | f3(?:0[1238]|18|28|34|58|7[38]|98)
          | f4(?:0[157]|1[0-357]|2[79]|3[79]|46|69|79) | f7(?:2[23]|3[023]|4[56]|50|56|6[579]|7[79])
          | g0(?:3[01]|41|5[01]|61|7[01]|81|b[01]|c1) | g4(?:31|41|7[134]|83|84|91|a1)
          | h5(?:03|23|33|62|63|73) | h7(?:2[35]|3[035]|4[2357]|50|5[357]|a3|b0|b3)
          | l0[1-8][0-3] | l1(?:00|5[12]|62) | l4(?:1[2]|22|3[1-3]|4[23]|5[12]|62|7[1-6]|86|96|a6|[pqrs][579]) | l5[56]2
          | u0(?:31|73|83) | u5(?:35|45|75|85|9[59]|a[59]) | wb(?:1[05]|3[05]|5[05]|5m) | wl(?:33|5[45]|e[45]) )
        (?: [cdfgijkmnoqrtuvz] [34689bcdefghixyz] (?:[a-z]?[0-9x])? | mg | xx? )? [_.,]? $",
    )
    .expect("the pattern is fixed")
});

/// Without a word in front small letters are a part only as a word among words; hex dumps and file names hold the rest.
fn is_part_among_words(text: &str, name: &str) -> bool {
    let is_word = |word: &&str| word.len() > 2 && word.chars().all(|c| c.is_ascii_alphabetic());
    SMALL.is_match(name) && text.split_whitespace().filter(is_word).count() >= 2
}

/// Which link the report is about, where no tool's line tells.
fn names_dfu(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.fact("names-dfu", FactValue::Flag(true), line);
}

fn names_swd(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.fact("names-swd", FactValue::Flag(true), line);
}

/// The highest address of the flash that the report names: whether the part reaches so far is judged once the part is known.
fn flash_address(notebook: &mut Notebook, line: &Line<'_>) {
    const HIGHEST: &str = "highest-flash-address";
    let so_far = notebook.recall(HIGHEST).and_then(|text| text.parse().ok()).unwrap_or(0);
    let named = line.text.match_indices("0x08").filter_map(|(at, _)| {
        let digits = line.text.get(at + 2..at + 10)?;
        let ends = line.text[at + 10..].chars().next().is_none_or(|c| !c.is_ascii_alphanumeric());
        u32::from_str_radix(digits, 16).ok().filter(|_| ends)
    });
    if let Some(highest) = named.max().filter(|&address| address > so_far) {
        notebook.remember(HIGHEST, highest.to_string());
        notebook.fact(HIGHEST, FactValue::Address(Address(highest)), line);
    }
}

/// Boards of which every one carries the same part.
const BOARDS: &[(&str, &str)] = &[
    ("giga r1", "STM32H747XI"),
    ("portenta h7", "STM32H747XI"),
    ("nicla vision", "STM32H747AI"),
    ("pyboard v1", "STM32F405RG"),
    ("flipper zero", "STM32WB55RG"),
    ("stm32f4discovery", "STM32F407VG"),
    ("stm32f4-discovery", "STM32F407VG"),
    ("f4 discovery", "STM32F407VG"),
    ("stm32vldiscovery", "STM32F100RB"),
    ("stm32f3discovery", "STM32F303VC"),
    ("f3 discovery", "STM32F303VC"),
];

fn board_by_name(notebook: &mut Notebook, line: &Line<'_>) {
    for (board, part) in BOARDS {
        if line.contains(board) {
            notebook.text_fact("part", part, line);
        }
    }
}

/// Every board sold under this name carries, or claims to carry, the same part.
fn blue_pill(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.text_fact("part", "STM32F103C8", line);
    notebook.fact("blue-pill", FactValue::Flag(true), line);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::event::EventKind;

    fn parts_in(text: &str) -> Vec<String> {
        let mut notebook = Notebook::default();
        part(&mut notebook, &Line { number: 1, text });
        let name = |event| match event {
            EventKind::FactNoted(fact) if fact.key == "part" => match fact.value {
                FactValue::Text(text) => Some(text.raw().to_owned()),
                _ => None,
            },
            _ => None,
        };
        notebook.into_events().into_iter().filter_map(name).collect()
    }

    #[test]
    fn the_highest_flash_address_is_kept() {
        let mut notebook = Notebook::default();
        for text in ["-D a.bin -s 0x08004000:leave", "at 0x080DC000, not 0x08000000", "key 0x080123456789"] {
            flash_address(&mut notebook, &Line { number: 1, text });
        }
        assert_eq!(notebook.recall("highest-flash-address"), Some("135118848"));
    }

    #[test]
    fn parts_are_found_in_every_spelling() {
        for (text, part) in [
            ("trouble with an STM32F746 and DFU", "STM32F746"),
            ("stm32h743xi on my board", "STM32H743XI"),
            ("Board : NUCLEO-F303K8", "STM32F303K8"),
            ("my Nucleo-G070RB base board", "STM32G070RB"),
            ("FUS 1.2.0 on an STM32WB55CEU and", "STM32WB55CE"),
            ("STM32L475RET6 on my own board", "STM32L475RE"),
            ("a custom PCB with STM32WLE5J8I6.", "STM32WLE5J8"),
            ("STM32F042F6P6 in a TSSOP", "STM32F042F6"),
            ("a STM32G030J6M6TR", "STM32G030J6"),
            ("STM32L4R5QII6, BGA", "STM32L4R5QI"),
            ("STM32U575ZIT6Q with SMPS", "STM32U575ZI"),
            ("Octopus Pro / F429 chip", "STM32F429"),
            ("STM32WB5MMG module", "STM32WB5MMG"),
            ("--target stm32g431kbtx ../g4", "STM32G431KB"),
            ("STM32F103C8T6 (Bluepill)", "STM32F103C8"),
            ("my wb55rg does not start", "STM32WB55RG"),
            ("the h743 never shows up", "STM32H743"),
            ("my STM32H735G-DK is dead", "STM32H735"),
            ("the STM32F429I-DISC1 kit", "STM32F429"),
            ("My board has an stmf401 on it", "STM32F401"),
            ("an STM F103C8 that I soldered", "STM32F103C8"),
            ("my newSTM32F429VG is silent", "STM32F429VG"),
            ("a reel of STM32F030K6T6TR", "STM32F030K6"),
        ] {
            assert_eq!(parts_in(text), [part], "{text}");
        }
    }

    #[test]
    fn a_board_of_which_all_are_alike_names_its_part() {
        for (board, _) in BOARDS {
            assert!(MESSAGES.iter().any(|message| message.needle == *board), "no line is chosen for {board}");
        }
        let mut notebook = Notebook::default();
        board_by_name(&mut notebook, &Line { number: 1, text: "trouble with my Arduino GIGA R1" });
        let found = notebook.into_events().into_iter().any(
            |event| matches!(event, EventKind::FactNoted(fact) if fact.value == FactValue::Text("STM32H747XI".into())),
        );
        assert!(found);
    }

    #[test]
    fn other_words_are_no_parts() {
        for text in [
            "STM32CubeProgrammer v2.11",
            "at 0x08 f4 f0 12",
            "a STM32 BOOTLOADER",
            "sha f407ab",
            "f4 f407 12 0a",
            "commit f407ab of the firmware",
            "in room f404 of the house",
        ] {
            assert!(parts_in(text).is_empty(), "{text}: {:?}", parts_in(text));
        }
    }
}
