//! Keys as data: which key does what is read from a profile, and the help is made from the same table.

use std::collections::BTreeMap;
use std::fmt;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use serde::Deserialize;

use crate::profile::loader::{self, ProfileError};
use crate::profile::shelf::{self, Sheet};

/// Everything a key can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    Leave,
    Back,
    Help,
    Freeze,
    Slower,
    Faster,
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Evidence,
    NextPane,
    PreviousPane,
    Zoom,
    Report,
    Filter,
    Done,
    Answer,
}

impl Action {
    /// In the order of the help.
    pub const ALL: [Self; 20] = [
        Self::Leave,
        Self::Back,
        Self::Help,
        Self::Freeze,
        Self::Slower,
        Self::Faster,
        Self::Report,
        Self::Done,
        Self::Answer,
        Self::Up,
        Self::Down,
        Self::PageUp,
        Self::PageDown,
        Self::First,
        Self::Last,
        Self::Evidence,
        Self::NextPane,
        Self::PreviousPane,
        Self::Zoom,
        Self::Filter,
    ];

    pub const fn description(self) -> &'static str {
        match self {
            Self::Leave => "leave: the campaign ends after this step, nothing is lost",
            Self::Back => "back out of what is open; with nothing open, leave",
            Self::Help => "this help",
            Self::Freeze => "freeze the screen only; the campaign goes on",
            Self::Slower => "a virtual board runs slower",
            Self::Faster => "a virtual board runs faster",
            Self::Report => "write a report of what is shown",
            Self::Done => "tell that what was asked for is done",
            Self::Answer => "type an answer to what was asked for",
            Self::Up => "up: the cause above, or scroll",
            Self::Down => "down: the cause below, or scroll",
            Self::PageUp => "a page up",
            Self::PageDown => "a page down",
            Self::First => "to the beginning",
            Self::Last => "to the end",
            Self::Evidence => "evidence for and against the selected cause",
            Self::NextPane => "next pane",
            Self::PreviousPane => "previous pane",
            Self::Zoom => "this pane on the whole screen, and back",
            Self::Filter => "show only events that contain a text",
        }
    }
}

/// A key with the modifiers that matter. Shift is part of the character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPress {
    pub code: KeyCode,
    pub control: bool,
    pub alt: bool,
}

const NAMED_KEYS: [(&str, KeyCode); 15] = [
    ("space", KeyCode::Char(' ')),
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("shift-tab", KeyCode::BackTab),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("page-up", KeyCode::PageUp),
    ("page-down", KeyCode::PageDown),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
];

impl KeyPress {
    pub const fn plain(code: KeyCode) -> Self {
        Self { code, control: false, alt: false }
    }

    /// What the terminal reported; releases are none of our business.
    pub fn of(event: &KeyEvent) -> Option<Self> {
        (event.kind != KeyEventKind::Release).then(|| Self {
            code: event.code,
            control: event.modifiers.contains(KeyModifiers::CONTROL),
            alt: event.modifiers.contains(KeyModifiers::ALT),
        })
    }

    /// Reads a name such as `q`, `page-down`, `ctrl-c` or `f1`.
    pub fn parse(name: &str) -> Option<Self> {
        if let Some(rest) = name.strip_prefix("ctrl-") {
            return Some(Self { control: true, ..Self::parse(rest)? });
        }
        if let Some(rest) = name.strip_prefix("alt-") {
            return Some(Self { alt: true, ..Self::parse(rest)? });
        }
        if let Some((_, code)) = NAMED_KEYS.iter().find(|(known, _)| *known == name) {
            return Some(Self::plain(*code));
        }
        let mut characters = name.chars();
        match (characters.next()?, characters.next()) {
            (c, None) if !c.is_control() && c != ' ' => Some(Self::plain(KeyCode::Char(c))),
            ('f', Some(_)) => name[1..].parse().ok().filter(|n| (1..=12).contains(n)).map(KeyCode::F).map(Self::plain),
            _ => None,
        }
    }
}

impl fmt::Display for KeyPress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.control {
            f.write_str("ctrl-")?;
        }
        if self.alt {
            f.write_str("alt-")?;
        }
        match (NAMED_KEYS.iter().find(|(_, code)| *code == self.code), self.code) {
            (Some((name, _)), _) => f.write_str(name),
            (None, KeyCode::Char(c)) => write!(f, "{c}"),
            (None, KeyCode::F(number)) => write!(f, "f{number}"),
            (None, other) => write!(f, "{other}"),
        }
    }
}

/// Which key does what.
#[derive(Clone, Debug)]
pub struct Bindings {
    keys: BTreeMap<Action, Vec<KeyPress>>,
}

impl Bindings {
    /// The user's own keys where there are any, else those built in.
    pub fn load() -> Result<Self, ProfileError> {
        Self::from_shelf(shelf::sheets("keys")?)
    }

    /// The keys built in, whatever the user has set.
    pub fn built_in() -> Result<Self, ProfileError> {
        Self::from_shelf(shelf::built_in("keys"))
    }

    fn from_shelf(sheets: Vec<Sheet>) -> Result<Self, ProfileError> {
        let sheet = sheets.into_iter().find(|sheet| sheet.name == "default");
        let sheet = sheet.expect("the default keys are built in");
        Self::parse(&sheet.file, &sheet.text)
    }

    pub fn parse(file: &str, text: &str) -> Result<Self, ProfileError> {
        let names: BTreeMap<Action, Vec<String>> = loader::parse(file, text)?;
        let mut keys: BTreeMap<Action, Vec<KeyPress>> = BTreeMap::new();
        for (action, names) in names {
            for name in names {
                let refuse = |message, hint| Err(loader::refuse(file, text, &format!("\"{name}\""), message, hint));
                let Some(key) = KeyPress::parse(&name) else {
                    let nearest = loader::nearest(&name, NAMED_KEYS.iter().map(|(known, _)| *known));
                    let hint = nearest.map(|known| format!("did you mean `{known}`?"));
                    return refuse(format!("`{name}` is no key"), hint);
                };
                if keys.values().flatten().any(|taken| *taken == key) {
                    return refuse(format!("the key `{name}` is bound twice"), None);
                }
                keys.entry(action).or_default().push(key);
            }
        }
        if !keys.contains_key(&Action::Leave) {
            let hint = Some("add a line such as leave = [\"q\"]".to_owned());
            return Err(loader::refuse(file, text, "leave", "no key leaves the screen".to_owned(), hint));
        }
        Ok(Self { keys })
    }

    pub fn action(&self, key: KeyPress) -> Option<Action> {
        self.keys.iter().find(|(_, keys)| keys.contains(&key)).map(|(action, _)| *action)
    }

    /// The keys of an action, the usual one first.
    pub fn keys(&self, action: Action) -> &[KeyPress] {
        self.keys.get(&action).map_or(&[], Vec::as_slice)
    }

    /// The usual key of an action; a dash where it has none.
    pub fn key(&self, action: Action) -> String {
        self.keys(action).first().map_or_else(|| "-".to_owned(), KeyPress::to_string)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_a_key_and_a_description() {
        let bindings = Bindings::built_in().unwrap();
        for action in Action::ALL {
            assert!(!bindings.keys(action).is_empty(), "{action:?}");
            assert!(!action.description().is_empty());
        }
        assert_eq!(bindings.keys.len(), Action::ALL.len());
    }

    #[test]
    fn a_key_name_reads_back_as_written() {
        for name in ["q", "G", "?", "/", "+", "-", "space", "ctrl-c", "alt-x", "page-down", "f1", "f12", "shift-tab"] {
            assert_eq!(KeyPress::parse(name).unwrap().to_string(), name);
        }
        for name in ["", "f0", "f13", "fx", "qq", "ctrl-", " "] {
            assert_eq!(KeyPress::parse(name), None, "{name}");
        }
    }

    #[test]
    fn the_keys_that_the_manual_names_do_what_it_says() {
        let bindings = Bindings::built_in().unwrap();
        for (name, action) in [
            ("q", Action::Leave),
            ("ctrl-c", Action::Leave),
            ("esc", Action::Back),
            ("?", Action::Help),
            ("space", Action::Freeze),
            ("+", Action::Faster),
            ("-", Action::Slower),
            ("j", Action::Down),
            ("k", Action::Up),
            ("enter", Action::Evidence),
            ("tab", Action::NextPane),
            ("e", Action::Report),
            ("/", Action::Filter),
        ] {
            assert_eq!(bindings.action(KeyPress::parse(name).unwrap()), Some(action), "{name}");
        }
    }

    #[test]
    fn mistakes_in_a_key_file_are_named() {
        let error = |text| Bindings::parse("keys.toml", text).unwrap_err().to_string();
        assert_eq!(error("leave = [\"q\"]\nback = [\"q\"]\n"), "keys.toml:1: the key `q` is bound twice");
        assert_eq!(error("leave = [\"pagedown\"]"), "keys.toml:1: `pagedown` is no key; did you mean `page-down`?");
        assert!(error("back = [\"q\"]").starts_with("keys.toml:1: no key leaves the screen"));
        assert!(error("leav = [\"q\"]").ends_with("did you mean `leave`?"));
    }
}
