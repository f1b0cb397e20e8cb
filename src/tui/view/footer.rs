//! The bottom: the keys that do something now, and above them what the operator has to know or is typing.

use ratatui::layout::Rect;

use super::pen::{Pen, Piece, columns, row, wrap};
use crate::campaign::question::{Question, Wanted};
use crate::investigation::snapshot::{RunState, Snapshot};
use crate::tui::bindings::{Action, Bindings};
use crate::tui::state::{App, Purpose};
use crate::tui::theme::Role;

/// The most lines that a banner takes; a question is read in full.
const MOST_LINES: usize = 2;
const MOST_LINES_OF_A_QUESTION: usize = 4;

/// What stands above the keys: the most urgent of a line being typed, a request, a failure, a notice, a frozen screen.
pub fn banner(app: &App, bindings: &Bindings, columns: u16) -> Vec<Piece> {
    let (role, text) = if let Some(input) = &app.input {
        let prompt = match (input.purpose, app.asked()) {
            (Purpose::Answer, Some(question)) => format!("Your answer ({})", question.wanted.hint()),
            (Purpose::Answer, None) => "Your answer".to_owned(),
            (Purpose::Filter, _) => "Show events that contain".to_owned(),
        };
        // What is being typed is seen at its end.
        let room = usize::from(columns).saturating_sub(prompt.len() + 3);
        let skipped = input.text.chars().count().saturating_sub(room);
        let typed: String = input.text.chars().skip(skipped).collect();
        let line = (Role::Accent, format!("{prompt}: {typed}_"));
        return match (input.purpose, app.asked()) {
            (Purpose::Answer, Some(question)) => {
                let mut lines = shortened(&asked(question), columns, MOST_LINES_OF_A_QUESTION - 1, Role::Warning);
                lines.push(line);
                lines
            }
            _ => vec![line],
        };
    } else if let Some(notice) = &app.notice {
        (Role::Accent, notice.clone())
    } else if let Some(question) = app.asked() {
        let text = format!("{} ({})", asked(question), ways_to_answer(question, bindings));
        return shortened(&text, columns, MOST_LINES_OF_A_QUESTION, Role::Warning);
    } else if let RunState::Failed(reason) = &app.latest().state {
        (Role::Bad, format!("The campaign failed: {reason}"))
    } else if app.is_frozen() {
        (Role::Accent, frozen(app, bindings))
    } else {
        return Vec::new();
    };
    shortened(&text, columns, MOST_LINES, role)
}

fn shortened(text: &str, columns: u16, most: usize, role: Role) -> Vec<Piece> {
    let mut lines = wrap(text, columns);
    if lines.len() > most {
        let rest = lines.split_off(most - 1).join(" ");
        lines.push(rest);
    }
    lines.into_iter().map(|line| (role, line)).collect()
}

/// The question after what was wrong with the last answer.
fn asked(question: &Question) -> String {
    match &question.problem {
        Some(problem) => format!("Not taken: {problem}. Asked of you: {}", question.text),
        None => format!("Asked of you: {}", question.text),
    }
}

fn ways_to_answer(question: &Question, bindings: &Bindings) -> String {
    let (done, answer) = (bindings.key(Action::Done), bindings.key(Action::Answer));
    match question.wanted {
        Wanted::Done => format!("{done} = done, {answer} = type an answer"),
        Wanted::DoneOrCannot => format!("{done} = done, {answer} = type skip if you cannot"),
        Wanted::YesOrNo => format!("{answer} = type yes, no or skip"),
        Wanted::Quantity(unit) => format!("{answer} = type a value in {}, or skip", unit.symbol()),
        Wanted::Measurements(_) => format!("{done} = go on, {answer} = type a measurement"),
    }
}

fn frozen(app: &App, bindings: &Bindings) -> String {
    let since = cycles(app.latest()).saturating_sub(cycles(app.shown()));
    let key = bindings.key(Action::Freeze);
    format!("Frozen at {}; the campaign goes on, {since} cycles since. {key} = show them", app.shown().at)
}

fn cycles(snapshot: &Snapshot) -> u32 {
    snapshot.boots.iter().rev().find_map(|boot| boot.cycles.last()).map_or(0, |cycle| cycle.number)
}

pub fn draw(pen: &mut Pen<'_>, area: Rect, banner_area: Rect, app: &App, bindings: &Bindings) {
    for (index, (role, text)) in banner(app, bindings, banner_area.width).iter().enumerate() {
        pen.text(row(banner_area, index as u16), *role, text);
    }
    let mut used = 0;
    for (keys, word) in hints(app, bindings, pen.looks.glyphs.up_down) {
        let needed = keys.chars().count() + word.len() + 3;
        if usize::from(used) + needed > usize::from(area.width) + 2 {
            break;
        }
        used += pen.text(columns(area, used, area.width), Role::Key, &keys);
        used += pen.text(columns(area, used, area.width), Role::Dim, &format!(" {word}  "));
    }
}

/// Only keys that work now, the most needed first.
fn hints(app: &App, bindings: &Bindings, up_down: &str) -> Vec<(String, &'static str)> {
    let key = |action| bindings.key(action);
    if app.input.is_some() {
        return vec![("enter".to_owned(), "take it"), ("esc".to_owned(), "leave it")];
    }
    if app.help {
        return vec![(key(Action::Back), "close help"), (up_down.to_owned(), "scroll"), (key(Action::Leave), "leave")];
    }
    let mut hints = vec![(key(Action::Leave), "leave"), (key(Action::Help), "help")];
    if app.asked().is_some() {
        hints.push((key(Action::Done), "done"));
        hints.push((key(Action::Answer), "answer"));
    }
    hints.push((key(Action::Freeze), if app.is_frozen() { "go on" } else { "freeze" }));
    if app.pace.is_some() {
        hints.push((format!("{}/{}", key(Action::Faster), key(Action::Slower)), "speed"));
    }
    hints.push((key(Action::Evidence), if app.evidence { "steps" } else { "evidence" }));
    hints.push((up_down.to_owned(), "move"));
    hints.push((key(Action::NextPane), "pane"));
    hints.push((key(Action::Zoom), if app.zoomed { "smaller" } else { "zoom" }));
    hints.push((key(Action::Report), "report"));
    hints.push((key(Action::Filter), "filter"));
    hints
}
