//! How the screen looks: themes are data, colour can be switched off, and every glyph has a form for terminals without UTF-8.

use std::collections::BTreeMap;
use std::str::FromStr;

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;

use crate::observation::failure::FailureClass;
use crate::profile::loader::{self, ProfileError};
use crate::profile::shelf::{self, Sheet};

/// Styles by role and the glyphs that fit the terminal.
#[derive(Clone, Debug)]
pub struct Looks {
    styles: BTreeMap<Role, Style>,
    pub glyphs: &'static Glyphs,
}

/// What a piece of the screen means; a theme says how that looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    Plain,
    Dim,
    Rule,
    Title,
    /// The title of the pane that the arrow keys move in.
    Focus,
    Name,
    Accent,
    Good,
    /// Failures of a board that is not there.
    Absent,
    /// Failures on the wire.
    Wire,
    /// Failures to answer in time.
    Silent,
    /// Failures where something answered and refused.
    Refused,
    Bad,
    Warning,
    /// The cause that leads.
    Lead,
    Selected,
    Key,
    Live,
    Frozen,
    Waiting,
    Ended,
}

impl Role {
    /// Colour only groups the classes; the letter in the strip tells them apart.
    pub const fn of_failure(class: FailureClass) -> Self {
        use FailureClass as C;
        match class {
            C::NotEnumerated | C::DescriptorFailed | C::NotFound | C::Disconnected | C::NoPower | C::NoTarget => {
                Self::Absent
            }
            C::BusError | C::Overflow | C::ShortRead | C::DataMismatch | C::Parity => Self::Wire,
            C::Timeout | C::Hang | C::SwdWait | C::NoAcknowledge => Self::Silent,
            C::Stall | C::DfuStatus | C::UnexpectedState | C::Protected | C::WriteProtected | C::Access | C::Busy => {
                Self::Refused
            }
            _ => Self::Bad,
        }
    }
}

/// One table of a theme file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Ink {
    fg: Option<String>,
    bg: Option<String>,
    bold: bool,
    italic: bool,
    underlined: bool,
    reversed: bool,
}

impl Looks {
    /// Reads the theme `name` from the shelf of profiles.
    pub fn load(name: &str, colour: bool, utf8: bool) -> Result<Self, LooksError> {
        Self::from_shelf(shelf::sheets("themes")?, name, colour, utf8)
    }

    /// The theme as it is built in, whatever the user has set.
    pub fn built_in(name: &str, colour: bool, utf8: bool) -> Result<Self, LooksError> {
        Self::from_shelf(shelf::built_in("themes"), name, colour, utf8)
    }

    fn from_shelf(sheets: Vec<Sheet>, name: &str, colour: bool, utf8: bool) -> Result<Self, LooksError> {
        let Some(sheet) = sheets.iter().find(|sheet| sheet.name == name) else {
            let known = sheets.into_iter().map(|sheet| sheet.name).collect::<Vec<_>>().join(", ");
            return Err(LooksError::NoSuchTheme { name: name.to_owned(), known });
        };
        Ok(Self { styles: styles(&sheet.file, &sheet.text, colour)?, glyphs: if utf8 { &UNICODE } else { &ASCII } })
    }

    /// A whole style: whatever was drawn in the same place before shines through nowhere.
    pub fn style(&self, role: Role) -> Style {
        let of = |role| self.styles.get(&role).copied().unwrap_or_default();
        Style::reset().patch(of(Role::Plain)).patch(of(role))
    }
}

#[derive(Debug, thiserror::Error)]
pub enum LooksError {
    #[error("there is no theme `{name}`; there are {known}")]
    NoSuchTheme { name: String, known: String },
    #[error(transparent)]
    Profile(#[from] ProfileError),
}

/// Reads a theme: the style of every role it names.
pub fn styles(file: &str, text: &str, colour: bool) -> Result<BTreeMap<Role, Style>, ProfileError> {
    let inks: BTreeMap<Role, Ink> = loader::parse(file, text)?;
    let mut styles = BTreeMap::new();
    for (role, ink) in inks {
        let mut style = Style::new();
        for (wanted, modifier) in [
            (ink.bold, Modifier::BOLD),
            (ink.italic, Modifier::ITALIC),
            (ink.underlined, Modifier::UNDERLINED),
            // Without its background a badge or a selected row would look like any other text.
            (ink.reversed || (!colour && ink.bg.is_some()), Modifier::REVERSED),
        ] {
            if wanted {
                style = style.add_modifier(modifier);
            }
        }
        let (fg, bg) = (read_colour(file, text, ink.fg)?, read_colour(file, text, ink.bg)?);
        if colour {
            style.fg = fg;
            style.bg = bg;
        }
        styles.insert(role, style);
    }
    Ok(styles)
}

fn read_colour(file: &str, text: &str, name: Option<String>) -> Result<Option<Color>, ProfileError> {
    let Some(name) = name else { return Ok(None) };
    match Color::from_str(&name) {
        Ok(colour) if name.is_ascii() => Ok(Some(colour)),
        _ => {
            let message = format!("`{name}` is no colour");
            let hint = "a name such as light-red, a number from 0 to 255, or #rrggbb".to_owned();
            Err(loader::refuse(file, text, &format!("\"{name}\""), message, Some(hint)))
        }
    }
}

/// The characters that draw bars, rules and marks.
#[derive(Debug, PartialEq, Eq)]
pub struct Glyphs {
    pub utf8: bool,
    pub rule: char,
    /// The rule of the pane that the arrow keys move in.
    pub heavy_rule: char,
    pub ellipsis: char,
    pub separator: &'static str,
    pub good: char,
    pub interrupted: char,
    pub pointer: char,
    pub opened: char,
    pub times: char,
    pub up_down: &'static str,
    pub dash: &'static str,
    /// From nearly empty to full, in equal parts of one cell.
    pub bar: &'static [char],
    pub track: char,
    pub spark: &'static [char],
    /// Left end, line, point, right end of an interval.
    pub interval: [char; 4],
    /// What stands before a boot of each kind: cold power-on, NRST, software reset, software jump, unknown.
    pub boots: [char; 5],
}

pub static UNICODE: Glyphs = Glyphs {
    utf8: true,
    rule: '─',
    heavy_rule: '━',
    ellipsis: '…',
    separator: " · ",
    good: '·',
    interrupted: '¦',
    pointer: '▸',
    opened: '▾',
    times: '×',
    up_down: "↑↓",
    dash: "–",
    bar: &['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'],
    track: '·',
    spark: &['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
    interval: ['├', '─', '●', '┤'],
    boots: ['│', '╎', '┊', '↷', '┆'],
};

pub static ASCII: Glyphs = Glyphs {
    utf8: false,
    rule: '-',
    heavy_rule: '=',
    ellipsis: '~',
    separator: ", ",
    good: '.',
    interrupted: '!',
    pointer: '>',
    opened: 'v',
    times: 'x',
    up_down: "up/down",
    dash: "-",
    bar: &['#'],
    track: '.',
    spark: &['_', '.', ':', '-', '=', '+', '*', '#'],
    interval: ['[', '-', 'o', ']'],
    boots: ['|', '/', ';', '>', ':'],
};

/// Whether the locale promises UTF-8. The first variable that is set decides, as in the C library.
pub fn locale_is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| variable(name).filter(|value| !value.is_empty()));
    match locale {
        Some(locale) => locale.to_ascii_lowercase().replace('-', "").contains("utf8"),
        None => cfg!(any(windows, target_os = "macos")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_theme_loads_with_and_without_colour() {
        for sheet in shelf::built_in("themes") {
            assert!(styles(&sheet.file, &sheet.text, true).unwrap().values().any(|style| style.fg.is_some()));
            let plain = styles(&sheet.file, &sheet.text, false).unwrap();
            assert!(plain.values().all(|style| style.fg.is_none() && style.bg.is_none()), "{}", sheet.name);
        }
    }

    #[test]
    fn without_colour_badges_and_the_selected_row_are_still_marked() {
        for sheet in shelf::built_in("themes") {
            let plain = styles(&sheet.file, &sheet.text, false).unwrap();
            for role in [Role::Live, Role::Frozen, Role::Waiting, Role::Ended, Role::Selected] {
                assert!(plain[&role].add_modifier.contains(Modifier::REVERSED), "{} {role:?}", sheet.name);
            }
        }
    }

    #[test]
    fn a_mistake_in_a_theme_names_its_line() {
        let typo = styles("t.toml", "[titel]\nbold = true\n", true).unwrap_err().to_string();
        assert!(typo.starts_with("t.toml:1:") && typo.ends_with("did you mean `title`?"), "{typo}");
        let colour = styles("t.toml", "[good]\nfg = \"gren\"\n", true).unwrap_err().to_string();
        assert!(colour.starts_with("t.toml:2: `gren` is no colour"), "{colour}");
    }

    #[test]
    fn an_unknown_theme_lists_the_known_ones() {
        let error = Looks::built_in("nihgt", true, true).unwrap_err().to_string();
        assert!(error.contains("ansi") && error.contains("night"), "{error}");
    }

    #[test]
    fn the_first_locale_variable_that_is_set_decides() {
        let locale = |pairs: &'static [(&str, &str)]| {
            locale_is_utf8(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        assert!(locale(&[("LANG", "en_GB.UTF-8")]));
        assert!(locale(&[("LC_ALL", ""), ("LC_CTYPE", "C.utf8")]));
        assert!(!locale(&[("LC_ALL", "C"), ("LANG", "en_GB.UTF-8")]));
    }

    #[test]
    fn the_ascii_glyphs_are_ascii() {
        assert!(format!("{ASCII:?}").is_ascii());
    }
}
