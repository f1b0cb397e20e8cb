//! How long each step takes: median, 95th percentile, maximum, and the latest values as a sparkline.

use ratatui::layout::Rect;

use super::gauge::{short_span, spark};
use super::pen::{Pen, below, columns, row};
use crate::evidence::rate::StepLatency;
use crate::tui::state::{App, Pane};
use crate::tui::theme::Role;

const NAME: u16 = 13;
const NUMBER: u16 = 6;
/// p50, p95 and max, each with a blank before it.
const NUMBERS: u16 = 3 * (NUMBER + 1);

/// Returns how far the table can be scrolled.
pub fn draw(pen: &mut Pen<'_>, area: Rect, app: &App) -> usize {
    if area.height < 2 {
        return 0;
    }
    let latencies = &app.shown().latencies;
    pen.title(area, "Step latency", "", app.focus == Pane::Steps);
    draw_heads(pen, row(area, 0));
    let space = below(area, 1);
    if latencies.is_empty() {
        pen.text(row(space, 0), Role::Dim, "no step has ended yet");
        return 0;
    }
    let reach = latencies.len().saturating_sub(usize::from(space.height));
    let first = app.scrolled().steps.min(reach);
    for (index, latency) in latencies.iter().skip(first).take(usize::from(space.height)).enumerate() {
        draw_step(pen, row(space, index as u16), latency);
    }
    reach
}

/// The heads of the columns, in the line of the title.
fn draw_heads(pen: &mut Pen<'_>, line: Rect) {
    let numbers = columns(line, line.width.saturating_sub(NUMBERS), NUMBERS);
    for (index, head) in ["p50", "p95", "max"].into_iter().enumerate() {
        pen.right(columns(numbers, index as u16 * (NUMBER + 1), NUMBER + 1), Role::Dim, &format!(" {head}"));
    }
}

fn draw_step(pen: &mut Pen<'_>, line: Rect, latency: &StepLatency) {
    pen.text(columns(line, 0, NAME - 1), Role::Plain, latency.phase.name());
    let numbers = columns(line, line.width.saturating_sub(NUMBERS), NUMBERS);
    let spark_width = line.width.saturating_sub(NAME + NUMBERS);
    let picture = spark(&latency.recent, spark_width, pen.looks.glyphs);
    pen.right(columns(line, NAME, spark_width), Role::Accent, &picture);
    for (index, span) in [latency.p50, latency.p95, latency.max].into_iter().enumerate() {
        let cell = columns(numbers, index as u16 * (NUMBER + 1), NUMBER + 1);
        let role = if index == 2 { Role::Dim } else { Role::Plain };
        pen.right(cell, role, &format!(" {}", short_span(span)));
    }
}
