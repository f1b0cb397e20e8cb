//! What a tool prints and what it means: the form in which every reader states its knowledge.

use crate::observation::event::Transport;
use crate::observation::failure::FailureClass;
use crate::observation::step::Phase;

use super::notebook::Notebook;

/// A tool with the messages it is known by.
#[derive(Debug)]
pub struct Tool {
    /// As in `Session::tool`; empty for messages that belong to whichever tool is at work.
    pub name: &'static str,
    /// The usual one; a line of the log may say otherwise.
    pub transport: Transport,
    pub messages: &'static [Message],
}

/// One message: a fixed part of its text, compared without regard to case, and what it says.
#[derive(Debug)]
pub struct Message {
    pub needle: &'static str,
    pub says: Says,
}

#[derive(Debug)]
pub enum Says {
    /// The tool was started. Its version follows the needle, if it is printed.
    Started,
    /// A new attempt begins within the session.
    Attempt,
    /// An operation begins.
    Begins(Phase),
    /// An operation ended well.
    Done(Phase),
    /// An operation failed. The text of the message stands for a code.
    Fails(FailureClass, Phase),
    /// An operation failed as it normally does there; the reason is told.
    Normal(FailureClass, Phase, &'static str),
    /// The line is known and says nothing that matters; it only shows that the tool is at work.
    Nothing,
    /// The line repeats what was said before, in words that would else be heard as a description.
    Repeats,
    /// The line is looked at only if no message with a meaning of its own stands on it.
    Otherwise(fn(&mut Notebook, &Line<'_>)),
    /// The line has to be taken apart.
    Look(fn(&mut Notebook, &Line<'_>)),
}

/// A line of the report after cleaning.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Counted from 1 in the original file.
    pub number: u32,
    pub text: &'a str,
}

impl<'a> Line<'a> {
    /// What stands behind the needle and a colon, trimmed: `3.24V` for `Voltage     : 3.24V`.
    pub fn value_of(&self, needle: &str) -> Option<&'a str> {
        let at = find_ascii(self.text, needle)? + needle.len();
        let rest = self.text[at..].trim_start().trim_start_matches([':', '=']).trim();
        (!rest.is_empty()).then_some(rest)
    }

    pub fn contains(&self, needle: &str) -> bool {
        find_ascii(self.text, needle).is_some()
    }
}

/// The place of an ASCII needle, without regard to case.
pub fn find_ascii(text: &str, needle: &str) -> Option<usize> {
    let (text, needle) = (text.as_bytes(), needle.as_bytes());
    text.windows(needle.len().max(1)).position(|window| window.eq_ignore_ascii_case(needle))
}

/// How often an ASCII needle stands in a text, without regard to case.
pub fn occurrences(text: &str, needle: &str) -> usize {
    let (text, needle) = (text.as_bytes(), needle.as_bytes());
    text.windows(needle.len().max(1)).filter(|window| window.eq_ignore_ascii_case(needle)).count()
}

/// The first number in the text, with a point or a comma before its decimals.
pub fn first_number(text: &str) -> Option<f64> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let rest = &text[start..];
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',').unwrap_or(rest.len());
    rest[..end].trim_end_matches(['.', ',']).replace(',', ".").parse().ok()
}

/// The first `0x...` number in the text.
pub fn first_hex(text: &str) -> Option<u32> {
    text.match_indices("0x").chain(text.match_indices("0X")).find_map(|(at, _)| {
        let digits = &text[at + 2..];
        let end = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
        u32::from_str_radix(&digits[..end], 16).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stands_behind_the_colon() {
        let line = Line { number: 1, text: "  Voltage     : 3,26V" };
        assert_eq!(line.value_of("voltage"), Some("3,26V"));
        assert_eq!(first_number("3,26V"), Some(3.26));
        assert_eq!(first_hex("Device ID : 0x0495"), Some(0x495));
    }

    #[test]
    fn no_number_is_none() {
        assert_eq!(first_number("--"), None);
        assert_eq!(first_hex("0x"), None);
        assert_eq!(Line { number: 1, text: "Board :" }.value_of("Board"), None);
    }
}
