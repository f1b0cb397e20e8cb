//! What a person says does not go, from the words of a sentence alone: something denied, what was to be done, and to what.
//!
//! It is heard for reports in which neither a tool's message nor a phrase tells a failure. A phrase knows more of what it describes;
//! this reader knows that one who writes for help and says "no computer of mine detects it" reports a device that does not show.

use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;

use super::message::Line;
use super::notebook::Notebook;
use super::phrases;

/// So far apart, in words, a denial and the verb that it denies may stand: "can't, on any of my machines, see".
const BEFORE: usize = 6;
/// And behind the verb: "flashing it always fails", "the list shows nothing".
const BEHIND: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    See,
    Connect,
    Enter,
    Write,
    Erase,
    Read,
    Debug,
    Open,
    Install,
}

pub fn hear(notebook: &mut Notebook, line: &Line<'_>) {
    for sentence in phrases::sentences(line.text) {
        if let Some((class, phase, words)) = in_sentence(sentence) {
            notebook.complain(class, phase, words, line);
        }
    }
}

/// The failure that a sentence describes, with the words that say so.
fn in_sentence(sentence: &str) -> Option<(F, P, &str)> {
    let words = words(sentence);
    let lower: Vec<String> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
    if !lower.iter().any(|word| THINGS.iter().any(|thing| word.contains(thing))) {
        return None;
    }
    let denials = (0..lower.len()).filter(|&at| denies(&lower, at));
    let found = denials.filter_map(|at| Some((at, doing_near(&lower, at)?))).next();
    let (at, (verb, doing)) = found?;
    let (class, phase) = failure_of(doing, &lower, verb);
    let (from, to) = (at.min(verb), at.max(verb));
    Some((class, phase, span(sentence, words[from], words[to])))
}

fn words(sentence: &str) -> Vec<&str> {
    let is_inner = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '-' | '/' | '+' | '_');
    sentence.split(|c: char| !is_inner(c)).filter(|word| !word.is_empty()).collect()
}

fn span<'t>(sentence: &'t str, first: &str, last: &str) -> &'t str {
    let offset = |word: &str| word.as_ptr() as usize - sentence.as_ptr() as usize;
    &sentence[offset(first)..offset(last) + last.len()]
}

const DENIALS: [&str; 21] = [
    "not",
    "no",
    "never",
    "nothing",
    "none",
    "cannot",
    "cant",
    "doesnt",
    "wont",
    "isnt",
    "unable",
    "fails",
    "fail",
    "failed",
    "failing",
    "refuses",
    "refused",
    "impossible",
    "neither",
    "hardly",
    "stopped",
];
/// A denial of these says that all is well.
const TROUBLES: [&str; 11] = [
    "problem",
    "problems",
    "issue",
    "issues",
    "error",
    "errors",
    "trouble",
    "troubles",
    "difficulty",
    "difficulties",
    "doubt",
];
/// A denial of these is about the writer, not about the device.
const THOUGHTS: [&str; 26] = [
    "sure",
    "know",
    "understand",
    "think",
    "want",
    "need",
    "care",
    "mind",
    "believe",
    "idea",
    "clue",
    "matter",
    "only",
    "figure",
    "documentation",
    "manual",
    "datasheet",
    "answer",
    "solution",
    "solutions",
    "way",
    "reason",
    "help",
    "post",
    "thread",
    "information",
];

/// What reports of this kind are about, at least one of which has to stand in the sentence.
const THINGS: [&str; 33] = [
    "fus",
    "stack",
    "windows",
    "board",
    "device",
    "usb",
    "dfu",
    "chip",
    "mcu",
    "target",
    "core",
    "probe",
    "programmer",
    "debugger",
    "st-link",
    "stlink",
    "stm",
    "nucleo",
    "disco",
    "pill",
    "bootloader",
    "port",
    "flash",
    "firmware",
    "openocd",
    "cube",
    "swd",
    "jtag",
    "controller",
    "micro",
    "module",
    "j-link",
    "jlink",
];

fn denies(words: &[String], at: usize) -> bool {
    let word = words[at].as_str();
    if !DENIALS.contains(&word) && !word.ends_with("n't") {
        return false;
    }
    let next = words.iter().skip(at + 1).take(3);
    !next.into_iter().any(|word| TROUBLES.contains(&word.as_str()) || THOUGHTS.contains(&word.as_str()))
}

/// What may be done may also be a thing: "it never starts my program".
const NOUNS: [&str; 4] = ["program", "programs", "flash", "boot"];
const OWNERS: [&str; 9] = ["my", "the", "our", "a", "this", "that", "your", "its", "any"];

/// The first verb behind the denial, or the nearest in front of it.
fn doing_near(words: &[String], at: usize) -> Option<(usize, Doing)> {
    let is_noun = |at: usize| at > 0 && NOUNS.contains(&words[at].as_str()) && OWNERS.contains(&words[at - 1].as_str());
    let of_lamp = |at: usize| {
        words[at].starts_with("flash") && words[at.saturating_sub(BEFORE)..at].iter().any(|word| is_lamp(word))
    };
    let verb = |at: usize| Some((at, doing(&words[at]).filter(|_| !is_noun(at) && !of_lamp(at))?));
    let behind = (at + 1..words.len().min(at + 1 + BEFORE)).find_map(verb);
    behind.or_else(|| (at.saturating_sub(BEHIND)..at).rev().find_map(verb))
}

/// A lamp that does not flash is no flash that is not written.
fn is_lamp(word: &str) -> bool {
    ["led", "leds", "lamp", "light", "lights"].contains(&word)
}

fn doing(word: &str) -> Option<Doing> {
    let begins = |stems: &[&str]| stems.iter().any(|stem| word.starts_with(stem));
    let is = |forms: &[&str]| forms.contains(&word);
    Some(match () {
        // A discovery is a board of ST's.
        () if begins(&["detect", "recogni", "enumerat", "appear", "identif", "discover", "visible"])
            && !begins(&["discovery"]) =>
        {
            Doing::See
        }
        () if is(&[
            "see", "seeing", "seen", "sees", "show", "shows", "showing", "shown", "find", "finds", "found", "list",
            "lists", "listed",
        ]) =>
        {
            Doing::See
        }
        () if begins(&["connect", "attach", "reach", "communicat", "respon", "handshak", "access"])
            || is(&["answer", "answers", "talk"]) =>
        {
            Doing::Connect
        }
        () if begins(&["eras"]) => Doing::Erase,
        () if begins(&["flash", "upload", "download", "programm"]) && !begins(&["programmer"])
            || is(&["program", "programs", "write", "writes", "writing", "written"]) =>
        {
            Doing::Write
        }
        () if is(&["read", "reading", "reads", "dump", "dumping"]) => Doing::Read,
        () if begins(&["debug", "halt"]) => Doing::Debug,
        () if begins(&["install"]) => Doing::Install,
        () if begins(&["claim"]) || is(&["open", "opened", "opening"]) => Doing::Open,
        () if begins(&["enter"])
            || begins(&["boot"]) && !begins(&["bootl", "boot-l"])
            || is(&["go", "get", "goes", "start", "starts", "come", "comes", "put"]) =>
        {
            Doing::Enter
        }
        () => return None,
    })
}

fn failure_of(doing: Doing, words: &[String], verb: usize) -> (F, P) {
    let near = &words[verb.saturating_sub(6)..words.len().min(verb + 7)];
    let names = |stems: &[&str]| near.iter().any(|word| stems.iter().any(|stem| word.starts_with(stem)));
    let of_probe =
        names(&["st-link", "stlink", "probe", "programmer", "debugger", "j-link", "jlink", "dongle", "daplink"]);
    let of_loader = names(&["dfu", "bootloader", "boot-loader"]);
    let of_port =
        of_loader || near.iter().any(|word| ["usb", "com", "port", "ports", "serial"].contains(&word.as_str()));
    match doing {
        Doing::See if of_probe => (F::NoProbe, P::ProbeOpen),
        Doing::See if names(&["target", "chip", "mcu", "core"]) && !of_port => (F::NoTarget, P::Connect),
        Doing::See => (F::NotEnumerated, P::Enumerate),
        Doing::Enter if of_loader => (F::NotEnumerated, P::Enumerate),
        Doing::Connect if of_port && !of_probe => (F::NotFound, P::Enumerate),
        Doing::Connect => (F::NoTarget, P::Connect),
        Doing::Open if of_probe => (F::NoProbe, P::ProbeOpen),
        Doing::Open if of_port => (F::NotFound, P::Open),
        Doing::Erase => (F::EraseFailed, P::Erase),
        Doing::Write if names(&["option"]) => (F::WriteFailed, P::OptionBytesWrite),
        Doing::Write => (F::WriteFailed, P::Write),
        Doing::Read => (F::ReadFailed, P::Read),
        Doing::Debug => (F::ConnectFailed, P::Halt),
        Doing::Install if names(&["fus", "stack", "wireless", "stm32wb"]) => (F::FusStatus, P::FusUpgrade),
        Doing::Enter | Doing::Install | Doing::Open => (F::Other, P::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_go_is_heard_in_whatever_words() {
        for (sentence, class) in [
            ("no computer of mine detects the board as a DFU device", F::NotEnumerated),
            ("dfu-util -l lists nothing", F::NotEnumerated),
            ("I cannot for the life of me get it into the bootloader", F::NotEnumerated),
            ("None of our PCs ever recognised the programmer", F::NoProbe),
            ("Windows doesn't find the debugger", F::NoProbe),
            ("The probe can't reach the chip", F::NoTarget),
            ("CubeIDE is unable to communicate with my nucleo", F::NoTarget),
            ("nothing here can access the MCU, not even the programmer", F::NoTarget),
            ("CubeProgrammer can't find the target any more", F::NoTarget),
            ("FUS refuses to install the light stack there", F::FusStatus),
            ("Windows is not seeing the newly flashed board", F::NotEnumerated),
            ("flashing this board always fails", F::WriteFailed),
            ("a mass erase is impossible on this chip", F::EraseFailed),
            ("I couldn't dump the flash", F::ReadFailed),
            ("the board refuses to let me debug", F::ConnectFailed),
        ] {
            assert_eq!(in_sentence(sentence).map(|(class, ..)| class), Some(class), "{sentence}");
        }
    }

    #[test]
    fn what_goes_and_what_the_writer_does_not_know_is_no_failure() {
        for sentence in [
            "It connects without a problem",
            "the loader of my own is not good enough for USB",
            "Flashing works and there are no errors when I connect",
            "I'm not sure how to flash it",
            "I don't know what to read",
            "I can't find the answer in the manual",
            "nothing to see here",
            "The green LED on the board doesn't flash any more",
            "After a long search I found no solution for my ST-Link",
            "The board is detected and programs fine",
        ] {
            assert_eq!(in_sentence(sentence), None, "{sentence}");
        }
    }

    #[test]
    fn the_words_that_say_so_are_given() {
        assert_eq!(in_sentence("But, dfu-util lists nothing at all").map(|found| found.2), Some("lists nothing"));
    }
}
