//! The ranked causes, each with a bar of its probability; the open remainder is one of them.

use ratatui::layout::Rect;

use super::gauge::{bar, percent};
use super::pen::{Pen, below, columns, row};
use crate::diagnosis::verdict::{RankedCause, UNKNOWN_CAUSE, Verdict, VerdictKind};
use crate::tui::state::{App, Pane};
use crate::tui::theme::Role;

const PERCENT: u16 = 6;

pub fn draw(pen: &mut Pen<'_>, area: Rect, app: &App) {
    if area.height < 2 {
        return;
    }
    let verdict = &app.shown().verdict;
    pen.title(area, "Likely causes", &standing(verdict), app.focus == Pane::Causes);
    let space = below(area, 1);
    if verdict.causes.is_empty() {
        let none = if verdict.verdict == VerdictKind::Fault { "no cause fits yet" } else { "nothing to explain yet" };
        pen.text(row(space, 0), Role::Dim, none);
        return;
    }
    let selected = app.selected_index();
    let visible = usize::from(space.height);
    let first = (selected + 1).saturating_sub(visible);
    for (index, cause) in verdict.causes.iter().enumerate().skip(first).take(visible) {
        let line = row(space, (index - first) as u16);
        draw_cause(pen, line, cause, Place { leads: index == 0, selected: index == selected, opened: app.evidence });
    }
}

#[derive(Clone, Copy)]
struct Place {
    leads: bool,
    selected: bool,
    opened: bool,
}

fn draw_cause(pen: &mut Pen<'_>, line: Rect, cause: &RankedCause, place: Place) {
    let glyphs = pen.looks.glyphs;
    let open = cause.id == UNKNOWN_CAUSE;
    let bar_width = (line.width / 7 + 1).clamp(4, 24);
    let name_width = line.width.saturating_sub(2 + 1 + bar_width + PERCENT);
    let marker = match (place.selected, place.opened) {
        (true, true) => glyphs.opened,
        (true, false) => glyphs.pointer,
        (false, _) => ' ',
    };
    pen.text(columns(line, 0, 1), Role::Accent, &marker.to_string());
    let name_area = columns(line, 2, name_width);
    let role = match (place.selected, open) {
        (true, _) => Role::Selected,
        (false, true) => Role::Dim,
        (false, false) => Role::Plain,
    };
    pen.text(name_area, role, name(cause));
    let role = match (open, place.leads) {
        (true, _) => Role::Dim,
        (false, true) => Role::Lead,
        (false, false) => Role::Accent,
    };
    let gauge = columns(line, 2 + name_width + 1, bar_width);
    pen.text(gauge, Role::Rule, &glyphs.track.to_string().repeat(usize::from(bar_width)));
    pen.text(gauge, role, &bar(cause.probability, bar_width, glyphs));
    let number = columns(line, line.width.saturating_sub(PERCENT), PERCENT);
    pen.right(number, role, &percent(cause.probability));
}

/// What a person calls the cause.
pub fn name(cause: &RankedCause) -> &str {
    if !cause.name.is_empty() {
        &cause.name
    } else if cause.id == UNKNOWN_CAUSE {
        "something not in this list"
    } else {
        &cause.id
    }
}

fn standing(verdict: &Verdict) -> String {
    let kind = match verdict.verdict {
        VerdictKind::Fault => "fault",
        VerdictKind::Clean => "clean",
        VerdictKind::Inconclusive => "too little to say",
    };
    match (verdict.verdict, verdict.decided) {
        (VerdictKind::Fault, true) => format!("{kind}, decided"),
        (VerdictKind::Fault, false) => format!("{kind}, not decided"),
        (VerdictKind::Clean | VerdictKind::Inconclusive, _) => kind.to_owned(),
    }
}
