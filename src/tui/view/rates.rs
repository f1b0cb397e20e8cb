//! Failure rates with their unit and interval, and what this campaign cannot tell.

use ratatui::layout::Rect;

use super::gauge::{interval, percent};
use super::pen::{Pen, below, columns, row, width, wrap};
use crate::evidence::rate::Rate;
use crate::investigation::snapshot::Snapshot;
use crate::tui::state::{App, Pane};
use crate::tui::theme::Role;

/// Lines that the pane needs in `columns`, so that the layout can make room.
pub fn lines(shown: &Snapshot, roomy: bool, columns: u16) -> u16 {
    let rates = shown.rates.len().max(1);
    let limits = if roomy {
        shown.limits.iter().map(|limit| wrap(limit, columns.saturating_sub(2)).len()).sum()
    } else {
        shown.limits.len().min(1)
    };
    u16::try_from(rates + limits).unwrap_or(u16::MAX)
}

/// Returns how far the pane can be scrolled.
pub fn draw(pen: &mut Pen<'_>, area: Rect, app: &App) -> usize {
    if area.height < 2 {
        return 0;
    }
    let shown = app.shown();
    pen.title(area, "Failure rate", "share, interval", app.focus == Pane::Rates);
    let space = below(area, 1);
    if shown.rates.is_empty() {
        pen.text(row(space, 0), Role::Dim, "nothing counted yet");
    }
    for (index, rate) in shown.rates.iter().enumerate() {
        draw_rate(pen, row(space, index as u16), rate);
    }
    draw_limits(pen, below(space, shown.rates.len().max(1) as u16), app)
}

fn draw_rate(pen: &mut Pen<'_>, line: Rect, rate: &Rate) {
    let dash = pen.looks.glyphs.dash;
    let (low, high) = rate.interval;
    let role = if rate.failed == 0 { Role::Good } else { Role::Bad };
    let mut used = pen.text(columns(line, 0, 8), Role::Plain, &format!("{}s", rate.unit.name())).max(8);
    used += pen.text(columns(line, used, 9), Role::Plain, &format!("{}/{}", rate.failed, rate.n)).max(7) + 1;
    if rate.failed == 0 {
        let bound = format!("at most {}", percent(high));
        used += pen.text(columns(line, used, line.width), role, &bound) + 1;
    } else {
        used += pen.text(columns(line, used, 6), role, &format!("{:>5}", percent(rate.share()))).max(5) + 1;
        let span = format!("{}{dash}{}", percent(low).trim_end_matches(" %"), percent(high));
        used += pen.text(columns(line, used, line.width), Role::Dim, &span).max(9) + 1;
    }
    let axis = interval(rate.share(), rate.interval, line.width.saturating_sub(used).min(40), pen.looks.glyphs);
    if width(&axis) >= 5 {
        pen.right(line, role, &axis);
    }
}

/// One line each, with an ellipsis, where there is no room to wrap.
fn draw_limits(pen: &mut Pen<'_>, space: Rect, app: &App) -> usize {
    let mut lines = Vec::new();
    for limit in &app.shown().limits {
        let wrapped = wrap(limit, space.width.saturating_sub(2));
        if space.height <= 1 {
            lines.push(format!("! {limit}"));
            continue;
        }
        for (index, text) in wrapped.into_iter().enumerate() {
            lines.push(format!("{} {text}", if index == 0 { '!' } else { ' ' }));
        }
    }
    let reach = lines.len().saturating_sub(usize::from(space.height));
    let first = app.scrolled().rates.min(reach);
    for (index, text) in lines.iter().skip(first).take(usize::from(space.height)).enumerate() {
        pen.text(row(space, index as u16), Role::Warning, text);
    }
    reach
}
