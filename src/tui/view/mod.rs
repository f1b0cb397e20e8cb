//! The view: one file per widget, drawn from the state into a buffer. Nothing here changes anything else.

pub mod causes;
pub mod events;
pub mod evidence;
pub mod footer;
pub mod gauge;
pub mod header;
pub mod help;
pub mod latency;
pub mod layout;
pub mod next;
pub mod pen;
pub mod rates;
pub mod strip;
pub mod too_small;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::layout::{Needs, SMALLEST, arrange};
use self::pen::Pen;
use super::bindings::Bindings;
use super::state::{App, Scrolled};
use super::theme::Looks;
use crate::investigation::snapshot::RunState;

/// Draws the whole screen; returns how far each pane can be scrolled.
pub fn draw(buffer: &mut Buffer, screen: Rect, app: &App, looks: &Looks, bindings: &Bindings) -> Scrolled {
    let mut pen = Pen { buffer, looks };
    pen.clear(screen);
    if screen.width < SMALLEST.0 || screen.height < SMALLEST.1 {
        too_small::draw(&mut pen, screen);
        return Scrolled::default();
    }
    let shown = app.shown();
    let inner = screen.width.saturating_sub(2);
    let panels = arrange(
        screen,
        &Needs {
            cycle_rows: strip::planned_rows(shown, inner),
            banner: footer::banner(app, bindings, inner).len() as u16,
            limits: rates::limit_lines(shown, inner),
            rate_lines: shown.rates.len().max(1) as u16,
            step_lines: shown.latencies.len().max(1) as u16,
            cause_lines: shown.verdict.causes.len().max(1) as u16,
            settled: !matches!(shown.state, RunState::Running | RunState::Waiting(_)),
            evidence: app.evidence,
            zoomed: app.zoomed.then_some(app.focus),
        },
    );
    header::draw(&mut pen, panels.header, app);
    rates::draw_limits(&mut pen, panels.limits, shown);
    causes::draw(&mut pen, panels.causes, app);
    footer::draw(&mut pen, panels.footer, panels.banner, app, bindings);
    Scrolled {
        cycles: strip::draw(&mut pen, panels.cycles, app),
        rates: rates::draw(&mut pen, panels.rates, app),
        steps: latency::draw(&mut pen, panels.steps, app),
        evidence: evidence::draw(&mut pen, panels.evidence, app),
        next: next::draw(&mut pen, panels.next, app),
        events: events::draw(&mut pen, panels.events, app),
        help: if app.help { help::draw(&mut pen, screen, app, bindings) } else { 0 },
    }
}
