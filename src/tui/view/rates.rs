//! Failure rates with their unit and interval, and what this campaign cannot tell.

use ratatui::layout::Rect;

use super::gauge::{interval, percent};
use super::pen::{Pen, Piece, below, columns, row, width, wrap};
use crate::evidence::confidence_sequence::ALPHA;
use crate::evidence::rate::Rate;
use crate::investigation::snapshot::Snapshot;
use crate::tui::state::{App, Pane};
use crate::tui::theme::Role;

/// Draws the rates; returns how far the pane can be scrolled.
pub fn draw(pen: &mut Pen<'_>, area: Rect, app: &App) -> usize {
    if area.height < 2 {
        return 0;
    }
    let shown = app.shown();
    let note = format!("{:.0} % interval", 100.0 * (1.0 - ALPHA));
    pen.title(area, "Failure rate", &note, app.focus == Pane::Rates);
    let space = below(area, 1);
    if shown.rates.is_empty() {
        pen.text(row(space, 0), Role::Dim, "nothing counted yet");
    }
    for (index, rate) in shown.rates.iter().enumerate() {
        draw_rate(pen, row(space, index as u16), rate);
    }
    if !app.zoomed {
        return 0;
    }
    // With the whole screen to itself the pane also tells how its figures are meant.
    let mut lines = limits(shown, space.width);
    lines.extend(wrap(METHOD, space.width).into_iter().map(|text| (Role::Dim, text)));
    let rest = below(space, shown.rates.len().max(1) as u16 + 1);
    let reach = lines.len().saturating_sub(usize::from(rest.height));
    draw_lines(pen, rest, &lines[app.scrolled().rates.min(reach)..]);
    reach
}

/// What this campaign cannot tell, in the room there is; what does not fit is in the zoomed pane.
pub fn draw_limits(pen: &mut Pen<'_>, area: Rect, shown: &Snapshot) {
    let mut lines = limits(shown, area.width);
    let room = usize::from(area.height);
    if lines.len() > room && room > 0 {
        let rest = lines.split_off(room - 1);
        let rest = rest.iter().map(|(_, text)| text.trim_start()).collect::<Vec<_>>().join(" ");
        lines.push((Role::Warning, rest));
    }
    draw_lines(pen, area, &lines);
}

/// How many lines the limits would like to have.
pub fn limit_lines(shown: &Snapshot, columns: u16) -> u16 {
    u16::try_from(limits(shown, columns).len()).unwrap_or(u16::MAX)
}

const METHOD: &str = "The interval is a confidence sequence: it stays valid however often it is looked at while cycles run, so \
    it is wider than one that is looked at once. Boots are the unit for what is decided at reset; the cycles of one boot are not independent.";

fn limits(shown: &Snapshot, width: u16) -> Vec<Piece> {
    let mut lines = Vec::new();
    for limit in &shown.limits {
        for (index, text) in wrap(limit, width.saturating_sub(2)).into_iter().enumerate() {
            lines.push((Role::Warning, format!("{} {text}", if index == 0 { '!' } else { ' ' })));
        }
    }
    lines
}

fn draw_lines(pen: &mut Pen<'_>, space: Rect, lines: &[Piece]) {
    for (index, (role, text)) in lines.iter().take(usize::from(space.height)).enumerate() {
        pen.text(row(space, index as u16), *role, text);
    }
}

fn draw_rate(pen: &mut Pen<'_>, line: Rect, rate: &Rate) {
    let dash = pen.looks.glyphs.dash;
    let (low, high) = rate.interval;
    let role = if rate.failed == 0 { Role::Good } else { Role::Bad };
    let mut used = pen.text(columns(line, 0, 10), Role::Plain, &format!("{}s", rate.unit.name())).max(6) + 1;
    used += pen.text(columns(line, used, line.width), Role::Plain, &format!("{}/{}", rate.failed, rate.n)).max(6) + 1;
    if rate.failed == 0 {
        let bound = format!("at most {}", percent(high));
        used += pen.text(columns(line, used, line.width), role, &bound) + 1;
    } else {
        used += pen.text(columns(line, used, 6), role, &format!("{:>5}", percent(rate.share()))).max(5) + 1;
        let span = format!("{}{dash}{}", percent(low).trim_end_matches(" %"), percent(high));
        used += pen.text(columns(line, used, line.width), Role::Dim, &span).max(8) + 1;
    }
    let axis = interval(rate.share(), rate.interval, line.width.saturating_sub(used).min(40), pen.looks.glyphs);
    if width(&axis) >= 5 {
        let track = pen.looks.glyphs.track;
        let coloured: Vec<Piece> =
            axis.chars().map(|c| (if c == track { Role::Rule } else { role }, c.to_string())).collect();
        pen.line_right(line, &coloured);
    }
}
