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
    draw_rates(pen, space, &shown.rates);
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

/// One line per rate, in columns that are as wide as their widest entry.
fn draw_rates(pen: &mut Pen<'_>, space: Rect, rates: &[Rate]) {
    let entries: Vec<[String; 4]> = rates.iter().map(|rate| entries(rate, pen.looks.glyphs.dash)).collect();
    let widest = |column: usize| entries.iter().map(|entry| width(&entry[column])).max().unwrap_or(0);
    let widths = [widest(0), widest(1), widest(2), widest(3)];
    for (index, (rate, entry)) in rates.iter().zip(&entries).enumerate() {
        let line = row(space, index as u16);
        let role = if rate.failed == 0 { Role::Good } else { Role::Bad };
        let mut used = 0;
        for (column, shown_as) in [Role::Plain, Role::Plain, role, Role::Dim].into_iter().enumerate() {
            let cell = columns(line, used, if column == 3 { line.width } else { widths[column] });
            let right = column == 2 && rate.failed > 0;
            if right {
                pen.right(cell, shown_as, &entry[column])
            } else {
                pen.text(cell, shown_as, &entry[column])
            };
            used += widths[column] + 1;
        }
        draw_axis(pen, columns(line, used + 1, line.width), rate, role);
    }
}

/// Unit with the kind of boot, counts, share and interval; without a failure only the upper bound is of interest.
fn entries(rate: &Rate, dash: &str) -> [String; 4] {
    let (low, high) = rate.interval;
    let (share, interval) = match (rate.n, rate.failed) {
        (0, _) => (String::new(), String::new()),
        (_, 0) => ("0 %".to_owned(), format!("at most {}", percent(high))),
        _ => (percent(rate.share()), format!("{}{dash}{}", percent(low).trim_end_matches(" %"), percent(high))),
    };
    let kind = rate.kind.map_or(String::new(), |kind| format!(", {kind}"));
    [format!("{}s{kind}", rate.unit.name()), format!("{}/{}", rate.failed, rate.n), share, interval]
}

fn draw_axis(pen: &mut Pen<'_>, area: Rect, rate: &Rate, role: Role) {
    const FEWEST_COLUMNS: u16 = 5;
    const MOST_COLUMNS: u16 = 40;
    if rate.n == 0 || area.width < FEWEST_COLUMNS {
        return;
    }
    let glyphs = pen.looks.glyphs;
    let axis = interval(rate.share(), rate.interval, area.width.min(MOST_COLUMNS), glyphs);
    let role_of = |c: char| if c == glyphs.track { Role::Rule } else { role };
    let coloured: Vec<Piece> = axis.chars().map(|c| (role_of(c), c.to_string())).collect();
    pen.line_right(area, &coloured);
}
