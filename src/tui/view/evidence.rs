//! What speaks for and against the selected cause, with the cycles behind every argument.

use ratatui::layout::Rect;

use super::causes;
use super::gauge::percent;
use super::pen::{Pen, Piece, below, columns, row, wrap};
use crate::diagnosis::verdict::{Argument, RankedCause};
use crate::evidence::finding::Finding;
use crate::tui::state::{App, Pane};
use crate::tui::theme::{Glyphs, Role};

/// Returns how far the pane can be scrolled.
pub fn draw(pen: &mut Pen<'_>, area: Rect, app: &App) -> usize {
    if area.height < 2 {
        return 0;
    }
    let focused = app.focus == Pane::Evidence;
    let Some(cause) = app.selected_cause() else {
        pen.title(area, "Evidence", "", focused);
        return 0;
    };
    pen.title(area, "Evidence", &cause.id, focused);
    let space = below(area, 1);
    let lines = lines(cause, &app.shown().findings, space.width, pen.looks.glyphs);
    let reach = lines.len().saturating_sub(usize::from(space.height));
    let first = app.scrolled().evidence.min(reach);
    for (index, (mark, (role, text))) in lines.iter().skip(first).take(usize::from(space.height)).enumerate() {
        let line = row(space, index as u16);
        pen.text(columns(line, 0, 2), mark.0, &mark.1);
        pen.text(columns(line, 2, line.width), *role, text);
    }
    if reach > first {
        // For whoever does not know that the pane scrolls.
        let last = row(space, space.height - 1);
        pen.right(last, Role::Accent, &format!(" {} {} more", pen.looks.glyphs.opened, reach - first));
    }
    reach
}

/// A mark in the margin and the text beside it.
type MarkedLine = (Piece, Piece);

fn lines(cause: &RankedCause, findings: &[Finding], width: u16, glyphs: &Glyphs) -> Vec<MarkedLine> {
    let roomy = width >= 50;
    let width = width.saturating_sub(2);
    let mut lines = Vec::new();
    let blank = || (Role::Plain, String::new());
    for text in wrap(&format!("{}: {}", causes::name(cause), percent(cause.probability)), width) {
        lines.push((blank(), (Role::Title, text)));
    }
    let sides = [
        (&cause.speaks_for, "+", Role::Good, "nothing speaks for it yet"),
        (&cause.speaks_against, "-", Role::Bad, "nothing speaks against it yet"),
    ];
    for (arguments, mark, role, none) in sides {
        if arguments.is_empty() {
            lines.push(((Role::Dim, mark.to_owned()), (Role::Dim, none.to_owned())));
        }
        for argument in arguments {
            for (index, text) in wrap(&argument.text, width).into_iter().enumerate() {
                let mark = if index == 0 { (role, mark.to_owned()) } else { blank() };
                lines.push((mark, (Role::Plain, text)));
            }
            for text in wrap(&basis(argument, findings, roomy, glyphs), width) {
                lines.push((blank(), (Role::Dim, text)));
            }
        }
    }
    lines
}

/// What an argument rests on: cycles and units; with room also the method and the finding's id, which `explain` knows.
fn basis(argument: &Argument, findings: &[Finding], roomy: bool, glyphs: &Glyphs) -> String {
    let mut parts = Vec::new();
    if !argument.at.is_empty() {
        parts.push(format!("cycles {}", numbers(&argument.at, glyphs.dash)));
    }
    if let Some(finding) = findings.iter().find(|finding| finding.id == argument.finding) {
        let plural = if finding.n == 1 { "" } else { "s" };
        parts.push(format!("n = {} {}{plural}", finding.n, finding.unit.name()));
        if roomy && !finding.method.is_empty() {
            parts.push(finding.method.clone());
        }
    }
    if roomy || parts.is_empty() {
        parts.push(argument.finding.clone());
    }
    parts.join(glyphs.separator)
}

/// At most six numbers or ranges: `3, 7-9, 12 and 40 more`.
fn numbers(at: &[u32], dash: &str) -> String {
    const MOST: usize = 6;
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &number in at {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let text =
        |&(first, last): &(u32, u32)| if first == last { first.to_string() } else { format!("{first}{dash}{last}") };
    let shown = ranges.iter().take(MOST).map(text).collect::<Vec<_>>().join(", ");
    let hidden: u64 = ranges.iter().skip(MOST).map(|(first, last)| u64::from(last - first) + 1).sum();
    if hidden == 0 { shown } else { format!("{shown} and {hidden} more") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_cycles_are_ranges() {
        assert_eq!(numbers(&[3, 7, 8, 9, 12], "-"), "3, 7-9, 12");
        assert_eq!(numbers(&[1, 3, 5, 7, 9, 11, 13, 14, 20], "-"), "1, 3, 5, 7, 9, 11 and 3 more");
        assert_eq!(numbers(&[], "-"), "");
    }
}
