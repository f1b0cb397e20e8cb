//! Writing into the buffer: every text passes here, so nothing hostile, too long or outside its place gets through.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use crate::observation::field_text::FieldText;
use crate::tui::theme::{Looks, Role};

/// Draws with the looks of the terminal at hand.
#[derive(Debug)]
pub struct Pen<'a> {
    pub buffer: &'a mut Buffer,
    pub looks: &'a Looks,
}

/// A piece of text with its role.
pub type Piece = (Role, String);

impl Pen<'_> {
    /// Writes one line, cut with an ellipsis where it does not fit; returns how many columns it took.
    pub fn text(&mut self, area: Rect, role: Role, text: &str) -> u16 {
        let area = area.intersection(self.buffer.area);
        if area.is_empty() {
            return 0;
        }
        let clean = self.clean(text);
        let shown = cut(&clean, area.width, self.looks.glyphs.ellipsis);
        let (end, _) = self.buffer.set_stringn(area.x, area.y, shown, usize::from(area.width), self.looks.style(role));
        end - area.x
    }

    /// Writes pieces one after the other on one line; returns how many columns they took.
    pub fn line(&mut self, area: Rect, pieces: &[Piece]) -> u16 {
        let mut used = 0;
        for (role, text) in pieces {
            used += self.text(columns(area, used, area.width), *role, text);
        }
        used
    }

    /// Writes one line that ends at the right edge; returns how many columns it took.
    pub fn right(&mut self, area: Rect, role: Role, text: &str) -> u16 {
        let width = width(&self.clean(text)).min(area.width);
        self.text(columns(area, area.width - width, width), role, text)
    }

    /// As [`Self::line`], but ending at the right edge.
    pub fn line_right(&mut self, area: Rect, pieces: &[Piece]) -> u16 {
        let wanted = pieces.iter().map(|(_, text)| width(&self.clean(text))).fold(0, u16::saturating_add);
        let wanted = wanted.min(area.width);
        self.line(columns(area, area.width - wanted, wanted), pieces)
    }

    /// A rule with a title at the left and a note at the right.
    pub fn title(&mut self, area: Rect, title: &str, note: &str, focused: bool) {
        let glyphs = self.looks.glyphs;
        let (role, rule) = if focused { (Role::Focus, glyphs.heavy_rule) } else { (Role::Title, glyphs.rule) };
        let rule_role = if focused { Role::Focus } else { Role::Rule };
        self.text(row(area, 0), rule_role, &rule.to_string().repeat(usize::from(area.width)));
        let used = 1 + self.text(columns(area, 1, area.width), role, &format!(" {title} "));
        if !note.is_empty() {
            self.right(columns(area, used + 1, area.width), Role::Dim, &format!(" {note}"));
        }
    }

    /// Fills an area with blanks, for what lies over other things.
    pub fn clear(&mut self, area: Rect) {
        for place in area.intersection(self.buffer.area).positions() {
            self.buffer[place].reset();
            self.buffer[place].set_style(self.looks.style(Role::Plain));
        }
    }

    /// Text that is safe to show and, where the terminal knows only ASCII, made of it.
    fn clean<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Cow::Borrowed(text);
        }
        let safe = FieldText::from(text).for_terminal();
        Cow::Owned(if self.looks.glyphs.utf8 { safe } else { safe.chars().map(ascii_for).collect() })
    }
}

fn ascii_for(c: char) -> char {
    match c {
        '\u{2010}'..='\u{2015}' | '−' => '-',
        '\u{2018}' | '\u{2019}' => '\'',
        '\u{201c}' | '\u{201d}' => '"',
        '…' => '~',
        '×' => 'x',
        '·' => '.',
        'µ' | 'μ' => 'u',
        _ if c.is_ascii() => c,
        _ => '?',
    }
}

/// How many columns a text takes.
pub fn width(text: &str) -> u16 {
    u16::try_from(Span::raw(text).width()).unwrap_or(u16::MAX)
}

/// The text, or as much of it as fits before an ellipsis.
pub fn cut(text: &str, columns: u16, ellipsis: char) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let mut shown = String::new();
    for c in text.chars() {
        shown.push(c);
        if width(&shown) >= columns {
            shown.pop();
            break;
        }
    }
    shown.push(ellipsis);
    Cow::Owned(shown)
}

/// Breaks a text into lines of at most `columns`, between words where it can.
pub fn wrap(text: &str, columns: u16) -> Vec<String> {
    let columns = columns.max(1);
    // Escaped first, for an escape is longer than what it stands for.
    let text = FieldText::from(text).for_terminal();
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let room = columns.saturating_sub(width(&line) + u16::from(!line.is_empty()));
        if width(word) > room && !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for c in word.chars() {
            line.push(c);
            if width(&line) > columns {
                line.pop();
                lines.push(std::mem::replace(&mut line, c.to_string()));
            }
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// One row of an area; empty where there is no such row.
pub fn row(area: Rect, index: u16) -> Rect {
    if index >= area.height {
        return Rect { height: 0, ..area };
    }
    Rect { y: area.y + index, height: 1, ..area }
}

/// Some columns of an area's first row.
pub fn columns(area: Rect, from: u16, count: u16) -> Rect {
    let from = from.min(area.width);
    Rect { x: area.x + from, width: count.min(area.width - from), height: area.height.min(1), ..area }
}

/// An area without its first rows.
pub fn below(area: Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    Rect { y: area.y + rows, height: area.height - rows, ..area }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_long_text_ends_in_an_ellipsis() {
        assert_eq!(cut("enumerate", 9, '…'), "enumerate");
        assert_eq!(cut("enumerate", 6, '…'), "enume…");
        assert_eq!(cut("enumerate", 1, '~'), "~");
    }

    #[test]
    fn words_stay_whole_where_they_can() {
        assert_eq!(wrap("the board enumerates late", 10), ["the board", "enumerates", "late"]);
        assert_eq!(wrap("0123456789abc d", 5), ["01234", "56789", "abc d"]);
        assert!(wrap("  ", 5).is_empty());
    }

    #[test]
    fn columns_and_rows_never_leave_their_area() {
        let area = Rect::new(2, 3, 10, 2);
        assert_eq!(columns(area, 4, 50), Rect::new(6, 3, 6, 1));
        assert!(columns(area, 12, 3).is_empty());
        assert!(row(area, 2).is_empty());
        assert_eq!(below(area, 1), Rect::new(2, 4, 10, 1));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn wrapped_lines_fit_and_lose_no_letter(text in "[a-z漢é ]{0,60}", columns in 2u16..20) {
            let lines = wrap(&text, columns);
            prop_assert!(lines.iter().all(|line| width(line) <= columns));
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(letters(&lines.concat()), letters(&text));
        }

        #[test]
        fn a_cut_text_fits(text in "\\PC{0,40}", columns in 1u16..20) {
            prop_assert!(width(&cut(&text, columns, '…')) <= columns);
        }
    }
}
