//! The latest events in words, newest at the bottom, with a filter.

use ratatui::layout::Rect;

use super::pen::{Pen, below, columns, row};
use crate::investigation::snapshot::TailLine;
use crate::tui::state::{App, Pane};
use crate::tui::theme::Role;

const TIME: u16 = 12;

/// Returns how far the pane can be scrolled.
pub fn draw(pen: &mut Pen<'_>, area: Rect, app: &App) -> usize {
    if area.height < 2 {
        return 0;
    }
    let tail = &app.shown().tail;
    let shown = filtered(tail, &app.filter);
    let note = if app.filter.is_empty() {
        String::new()
    } else {
        format!("{} of {} contain \"{}\"", shown.len(), tail.len(), app.filter)
    };
    pen.title(area, "Events", &note, app.focus == Pane::Events);
    let space = below(area, 1);
    let visible = usize::from(space.height);
    let reach = shown.len().saturating_sub(visible);
    let first = reach - app.scrolled().events.min(reach);
    for (index, (line, text)) in shown.iter().skip(first).take(visible).enumerate() {
        let place = row(space, index as u16);
        if let Some(at) = line.at {
            pen.right(columns(place, 0, TIME - 2), Role::Dim, &at.to_string());
        }
        let (mark, role) = if line.bad { ("! ", Role::Bad) } else { ("  ", Role::Plain) };
        let used = TIME + pen.text(columns(place, TIME, 2), role, mark);
        pen.text(columns(place, used, place.width), role, text);
    }
    if shown.is_empty() {
        pen.text(row(space, 0), Role::Dim, if tail.is_empty() { "none yet" } else { "none fits the filter" });
    }
    reach
}

/// The lines that contain the filter, as they are shown.
fn filtered<'a>(tail: &'a [TailLine], filter: &str) -> Vec<(&'a TailLine, String)> {
    let wanted = filter.to_lowercase();
    let texts = tail.iter().map(|line| (line, line.text.for_terminal()));
    texts.filter(|(_, text)| wanted.is_empty() || text.to_lowercase().contains(&wanted)).collect()
}
