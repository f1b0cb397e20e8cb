//! The latest events in words, newest at the bottom, with a filter.

use ratatui::layout::Rect;

use super::pen::{Pen, below, columns, row};
use crate::investigation::snapshot::TailLine;
use crate::tui::state::{App, Pane};
use crate::tui::theme::Role;

/// `12 min 05 s`, and a blank.
const TIME: u16 = 12;

/// Returns how far the pane can be scrolled.
pub fn draw(pen: &mut Pen<'_>, area: Rect, app: &App) -> usize {
    if area.height == 0 {
        return 0;
    }
    let tail = &app.shown().tail;
    let shown = filtered(tail, &app.filter);
    let focused = app.focus == Pane::Events;
    if area.height == 1 {
        let role = if focused { Role::Focus } else { Role::Title };
        let used = 1 + pen.text(columns(area, 1, area.width), role, "Latest event");
        draw_line(pen, columns(area, used + 1, area.width), shown.last());
        return shown.len().saturating_sub(1);
    }
    let note = if app.filter.is_empty() {
        String::new()
    } else {
        format!("{} of {} contain \"{}\"", shown.len(), tail.len(), app.filter)
    };
    pen.title(area, "Events", &note, focused);
    let space = below(area, 1);
    let visible = usize::from(space.height);
    let reach = shown.len().saturating_sub(visible);
    let first = reach - app.scrolled().events.min(reach);
    for (index, line) in shown.iter().skip(first).take(visible).enumerate() {
        draw_line(pen, row(space, index as u16), Some(line));
    }
    if shown.is_empty() {
        draw_line(pen, row(space, 0), None);
    }
    reach
}

fn draw_line(pen: &mut Pen<'_>, place: Rect, line: Option<&(&TailLine, String)>) {
    let Some((line, text)) = line else {
        pen.text(columns(place, 2, place.width), Role::Dim, "none");
        return;
    };
    if let Some(at) = line.at {
        pen.right(columns(place, 0, TIME - 1), Role::Dim, &at.to_string());
    }
    let (mark, role) = if line.bad { ("! ", Role::Bad) } else { ("  ", Role::Plain) };
    let used = TIME + pen.text(columns(place, TIME, 2), role, mark);
    pen.text(columns(place, used, place.width), role, text);
}

/// The lines that contain the filter, as they are shown.
fn filtered<'a>(tail: &'a [TailLine], filter: &str) -> Vec<(&'a TailLine, String)> {
    let wanted = filter.to_lowercase();
    let texts = tail.iter().map(|line| (line, line.text.for_terminal()));
    texts.filter(|(_, text)| wanted.is_empty() || text.to_lowercase().contains(&wanted)).collect()
}
