//! Messages and codes that other programs show, with what they mean (`profiles/messages`).

use serde::Deserialize;

use super::loader::{self, ProfileError};
use super::shelf::{self, Sheet};

/// Shorter words stand for too many things to be looked for inside a message.
const LEAST_PART: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Message {
    /// The words, the code, its number: whatever people see; `..` stands for anything.
    pub says: Vec<String>,
    pub meaning: String,
    /// What it makes an engineer think of.
    pub think_of: Option<String>,
    /// Ids of causes to look at.
    #[serde(default)]
    pub causes: Vec<String>,
    pub source: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageSheet {
    #[serde(rename = "message")]
    messages: Vec<Message>,
}

impl Message {
    /// How many letters of what people see stand in a line, in the longest of its forms; 0 where it does not say this.
    pub fn matches(&self, line: &str) -> usize {
        let line = line.to_ascii_lowercase();
        let forms = self.says.iter().map(|form| form.to_ascii_lowercase());
        let is_part = |form: &str| line.len() >= LEAST_PART && form.contains(line.as_str());
        forms.filter(|form| holds(&line, form) || is_part(form)).map(|form| form.len()).max().unwrap_or(0)
    }
}

/// The pieces of the form, one after the other; no number or word goes on where a piece ends.
fn holds(line: &str, form: &str) -> bool {
    let mut rest = line;
    form.split("..").map(str::trim).all(|piece| match place_of(rest, piece) {
        Some(place) => {
            rest = &rest[place + piece.len()..];
            true
        }
        None => false,
    })
}

fn place_of(text: &str, piece: &str) -> Option<usize> {
    let goes_on = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let runs_on = |place: usize| {
        let (before, after) = (&text[..place], &text[place + piece.len()..]);
        let begins_a_word = piece.starts_with(|c: char| c.is_alphanumeric() || c == '-');
        let ends_a_word = piece.ends_with(char::is_alphanumeric);
        (begins_a_word && goes_on(before.chars().next_back())) || (ends_a_word && goes_on(after.chars().next()))
    };
    text.match_indices(piece).map(|(place, _)| place).find(|place| !runs_on(*place))
}

/// All messages, in the order of their sheets.
#[derive(Clone, Debug, Default)]
pub struct Messages(Vec<Message>);

impl Messages {
    pub fn load() -> Result<Self, ProfileError> {
        Self::from_sheets(&shelf::sheets("messages")?)
    }

    pub fn from_sheets(sheets: &[Sheet]) -> Result<Self, ProfileError> {
        let each = sheets.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        Ok(Self(each.into_iter().flatten().collect()))
    }

    /// Those that a line says, the one that most of it agrees with first.
    pub fn said_in(&self, line: &str) -> Vec<&Message> {
        let mut said: Vec<_> = self.0.iter().map(|message| (message.matches(line.trim()), message)).collect();
        said.retain(|(letters, _)| *letters > 0);
        said.sort_by_key(|(letters, _)| std::cmp::Reverse(*letters));
        said.into_iter().map(|(_, message)| message).collect()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Message> {
        self.0.iter()
    }
}

/// Reads one sheet and refuses a message without words.
pub fn parse(sheet: &Sheet) -> Result<Vec<Message>, ProfileError> {
    let read: MessageSheet = loader::parse(&sheet.file, &sheet.text)?;
    for message in &read.messages {
        if message.says.iter().all(|form| form.split("..").all(|piece| piece.trim().is_empty())) {
            let problem = "a message needs at least one form of words in `says`".to_owned();
            return Err(loader::refuse(&sheet.file, &sheet.text, &message.meaning, problem, None));
        }
    }
    Ok(read.messages)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_said(line: &str) -> Option<String> {
        let messages = Messages::from_sheets(&shelf::built_in("messages")).unwrap();
        messages.said_in(line).first().map(|message| message.says[0].clone())
    }

    #[test]
    fn a_code_is_found_by_its_name_its_number_and_in_a_line() {
        for line in ["EPROTO", "-71", "libusb_error_io", "LIBUSB_ERROR_IO (-71)", "usb 1-1: error -71"] {
            assert_eq!(first_said(line).as_deref(), Some("EPROTO"), "{line}");
        }
        assert_eq!(first_said("error -710"), None);
        assert_eq!(first_said("EPROTOX"), None);
    }

    #[test]
    fn the_longest_form_of_words_comes_first() {
        let line = "[ 9685.45] usb 3-2: device descriptor read/64, error -110";
        assert_eq!(first_said(line).as_deref(), Some("device descriptor read/64, error -110"));
        let lost = "Warning: Connection to device 0x450 is lost";
        assert_eq!(first_said(lost).as_deref(), Some("Connection to device .. is lost"));
    }

    #[test]
    fn a_part_of_the_words_is_enough_if_it_is_long() {
        assert_eq!(first_said("read protection"), None);
        assert_eq!(first_said("read out protection").as_deref(), Some("Device is under read out protection"));
        assert_eq!(first_said("device"), None);
    }

    #[test]
    fn a_message_without_words_is_refused_with_its_line() {
        let text = "\n[[message]]\nsays = [\"..\"]\nmeaning = \"nothing\"\nsource = \"none\"\n";
        let sheet = Sheet { name: "own".into(), file: "own.toml".into(), text: text.into() };
        let refused = parse(&sheet).unwrap_err().to_string();
        assert_eq!(refused, "own.toml:4: a message needs at least one form of words in `says`");
    }
}
