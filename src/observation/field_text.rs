//! Text that came from a device, a log or an operator. It is hostile until escaped.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// Untrusted text, with one exit per kind of output. It has no `Display` on purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FieldText(String);

impl FieldText {
    pub fn new(raw: impl Into<String>) -> Self {
        Self(raw.into())
    }

    /// The text as it came: for comparison, parsing and storage, never for showing.
    pub fn raw(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For terminals and plain text: control characters, including ESC, C1 and bidirectional overrides, become visible escapes.
    pub fn for_terminal(&self) -> String {
        let mut out = String::with_capacity(self.0.len());
        for c in self.0.chars() {
            if c == '\t' {
                out.push(' ');
            } else if is_unsafe_to_show(c) {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            } else {
                out.push(c);
            }
        }
        out
    }

    /// For Markdown: as on a terminal, with the characters that Markdown or embedded HTML would act on escaped.
    pub fn for_markdown(&self) -> String {
        let mut out = String::with_capacity(self.0.len());
        for c in self.for_terminal().chars() {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' => {
                    out.push('\\');
                    out.push(c);
                }
                _ => out.push(c),
            }
        }
        out
    }

    /// For HTML text and attribute values; the HTML library does the entity escaping, this removes what it lets through.
    pub fn for_html(&self) -> String {
        self.for_terminal()
    }

    /// For CSV cells: a cell that a spreadsheet would run as a formula is quoted with a leading apostrophe.
    pub fn for_csv(&self) -> String {
        let shown = self.for_terminal();
        if shown.starts_with(['=', '+', '-', '@']) { format!("'{shown}") } else { shown }
    }
}

impl From<&str> for FieldText {
    fn from(raw: &str) -> Self {
        Self(raw.to_owned())
    }
}

impl From<String> for FieldText {
    fn from(raw: String) -> Self {
        Self(raw)
    }
}

/// Controls (C0, DEL, C1), line separators, zero-width and bidirectional formatting characters.
pub fn is_unsafe_to_show(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_never_reach_a_terminal() {
        let text = FieldText::from("SN\u{1b}[2J\r\n\u{9b}31m\u{202e}x");
        assert_eq!(text.for_terminal(), "SN\\u{1b}[2J\\u{d}\\u{a}\\u{9b}31m\\u{202e}x");
    }

    #[test]
    fn markdown_and_html_see_no_markup() {
        let text = FieldText::from("<script>*a*|b");
        assert_eq!(text.for_markdown(), "&lt;script&gt;\\*a\\*\\|b");
    }

    #[test]
    fn a_spreadsheet_formula_stays_text() {
        assert_eq!(FieldText::from("=1+1").for_csv(), "'=1+1");
        assert_eq!(FieldText::from("205536685841").for_csv(), "205536685841");
    }
}
