//! The next experiments, best information per minute first, each with its cost and what it changes.

use ratatui::layout::Rect;

use super::pen::{Pen, Piece, below, columns, row, wrap};
use crate::diagnosis::verdict::NextExperiment;
use crate::tui::state::{App, Pane};
use crate::tui::theme::Role;

/// Returns how far the pane can be scrolled.
pub fn draw(pen: &mut Pen<'_>, area: Rect, app: &App) -> usize {
    if area.height < 2 {
        return 0;
    }
    let next = &app.shown().verdict.next;
    let note = next.first().map_or_else(String::new, |first| cost(first, pen.looks.glyphs.separator));
    pen.title(area, "Next experiment", &note, app.focus == Pane::Next);
    let space = below(area, 1);
    if next.is_empty() {
        pen.text(row(space, 0), Role::Dim, "none is worth its time yet");
        return 0;
    }
    let separator = pen.looks.glyphs.separator;
    let mut lines: Vec<(Piece, Piece)> = Vec::new();
    for (index, experiment) in next.iter().enumerate() {
        let text = in_full(experiment, index, separator);
        // The best one is told in full, the others in a line each while they share the screen.
        let parts = if index == 0 || app.zoomed { wrap(&text, space.width.saturating_sub(3)) } else { vec![text] };
        for (part, text) in parts.into_iter().enumerate() {
            let mark = if part == 0 { format!("{}.", index + 1) } else { String::new() };
            let role = if index == 0 { Role::Plain } else { Role::Dim };
            lines.push(((Role::Accent, mark), (role, text)));
        }
    }
    let reach = lines.len().saturating_sub(usize::from(space.height));
    let first = app.scrolled().next.min(reach);
    for (index, ((mark_role, mark), (role, text))) in
        lines.iter().skip(first).take(usize::from(space.height)).enumerate()
    {
        let line = row(space, index as u16);
        pen.text(columns(line, 0, 3), *mark_role, mark);
        pen.text(columns(line, 3, line.width), *role, text);
    }
    reach
}

fn cost(experiment: &NextExperiment, separator: &str) -> String {
    format!("{:.0} min{separator}{:.2} bits", experiment.minutes.max(1.0), experiment.bits)
}

/// The cost of the first stands in the title. More than one changed factor must be said: the outcome cannot tell them apart.
fn in_full(experiment: &NextExperiment, index: usize, separator: &str) -> String {
    let mut parts = Vec::new();
    if index > 0 {
        parts.push(cost(experiment, separator));
    }
    if experiment.changes.len() > 1 {
        parts.push(format!("changes {} at once", experiment.changes.join(" and ")));
    }
    if parts.is_empty() { experiment.text.clone() } else { format!("({}) {}", parts.join(separator), experiment.text) }
}
