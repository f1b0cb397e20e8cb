//! The help over the screen, made from the key bindings and the failure classes.

use ratatui::layout::Rect;

use super::pen::{Pen, Piece, columns, row, wrap};
use crate::observation::failure::FailureClass;
use crate::tui::bindings::{Action, Bindings, KeyPress};
use crate::tui::state::App;
use crate::tui::theme::Role;

const MARGIN: u16 = 22;

/// Returns how far the help can be scrolled.
pub fn draw(pen: &mut Pen<'_>, screen: Rect, app: &App, bindings: &Bindings) -> usize {
    let area = Rect {
        x: screen.x + 1,
        y: screen.y + 2.min(screen.height),
        width: screen.width.saturating_sub(2),
        height: screen.height.saturating_sub(3),
    };
    pen.clear(area);
    let space = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let lines = lines(app, bindings, space.width);
    let reach = lines.len().saturating_sub(usize::from(space.height));
    let first = app.scrolled().help.min(reach);
    let note = if reach > first { format!("{} more lines below", reach - first) } else { String::new() };
    pen.title(area, "Help", &note, true);
    for (index, (head, text)) in lines.iter().skip(first).take(usize::from(space.height)).enumerate() {
        let line = row(space, index as u16);
        pen.text(columns(line, 1, MARGIN - 2), head.0, &head.1);
        pen.text(columns(line, MARGIN, line.width), text.0, &text.1);
    }
    reach
}

fn lines(app: &App, bindings: &Bindings, width: u16) -> Vec<(Piece, Piece)> {
    let mut lines = Vec::new();
    let blank = || (Role::Plain, String::new());
    for action in Action::ALL {
        let keys = bindings.keys(action).iter().map(KeyPress::to_string).collect::<Vec<_>>().join(" ");
        lines.push(((Role::Key, keys), (Role::Plain, action.description().to_owned())));
    }
    lines.push((blank(), blank()));
    lines.push(((Role::Title, "Reading the screen".to_owned()), blank()));
    for (head, text) in READING {
        for (index, text) in wrap(text, width.saturating_sub(MARGIN)).into_iter().enumerate() {
            let head = if index == 0 { (Role::Plain, (*head).to_owned()) } else { blank() };
            lines.push((head, (Role::Dim, text)));
        }
    }
    if let Some(case) = &app.shown().case {
        lines.push(((Role::Plain, "case file".to_owned()), (Role::Dim, case.display().to_string())));
    }
    lines.push((blank(), blank()));
    lines.push(((Role::Title, "Letters".to_owned()), blank()));
    for class in FailureClass::ALL {
        for (index, text) in wrap(class.meaning(), width.saturating_sub(MARGIN)).into_iter().enumerate() {
            let head = if index == 0 {
                (Role::of_failure(*class), format!("{} {}", class.letter(), class.name()))
            } else {
                blank()
            };
            lines.push((head, (Role::Dim, text)));
        }
    }
    lines
}

const READING: &[(&str, &str)] = &[
    (
        "your own looks",
        "Keys are read from keys/default.toml and colours from themes/ in your profile folder. FLAKESCOPE_THEME names the theme; ansi and night are built in.",
    ),
    (
        "failure rate",
        "The share of failed boots or cycles, and an interval that stays valid however often you look. With no failure it says how large the rate may still be.",
    ),
    (
        "likely causes",
        "Probabilities after all findings, with an open remainder for what is not in the list. Decided means that the leader passed the threshold.",
    ),
    ("+ and -", "Findings that speak for and against a cause, with the cycles behind them."),
    (
        "step latency",
        "Median, 95th percentile, maximum; the small bars are the latest values, from zero to the largest of them.",
    ),
    (
        "next experiment",
        "What would tell most per minute. Bits are the information about the cause that it is expected to give.",
    ),
];
