//! Every key and action against the state alone; nothing is drawn.

use std::sync::Arc;

use super::bindings::{Action, Bindings, KeyPress};
use super::fixtures;
use super::pace::Pace;
use super::state::{App, Pane, Purpose, Scrolled, Wish};
use crate::investigation::commands::Command;
use crate::investigation::snapshot::Snapshot;

fn app(snapshot: Snapshot) -> App {
    let pace = snapshot.start.virtual_board.is_some().then(|| Pace::new(20.0));
    App::new(fixtures::shared(snapshot), pace, false)
}

/// Presses keys by name and returns the last wish.
fn press(app: &mut App, keys: &[&str]) -> Option<Wish> {
    let bindings = Bindings::built_in().unwrap();
    let mut wish = None;
    for key in keys {
        wish = app.press(KeyPress::parse(key).unwrap(), &bindings);
    }
    wish
}

#[test]
fn q_and_ctrl_c_leave_from_anywhere() {
    for keys in [&["q"][..], &["ctrl-c"], &["?", "q"], &["z", "enter", "q"], &["/", "x", "ctrl-c"]] {
        assert_eq!(press(&mut app(fixtures::running()), keys), Some(Wish::Leave), "{keys:?}");
    }
}

#[test]
fn esc_backs_out_of_one_thing_at_a_time_and_then_leaves() {
    let mut app = app(fixtures::running());
    press(&mut app, &["space", "/", "x", "enter", "enter", "z", "?"]);
    assert!(app.help && app.zoomed && app.evidence && app.is_frozen() && app.filter == "x");
    assert_eq!(press(&mut app, &["esc"]), None);
    assert!(!app.help && app.zoomed);
    assert_eq!(press(&mut app, &["esc"]), None);
    assert!(!app.zoomed && app.evidence);
    assert_eq!(press(&mut app, &["esc"]), None);
    assert!(!app.evidence && !app.filter.is_empty());
    assert_eq!(press(&mut app, &["esc"]), None);
    assert!(app.filter.is_empty() && app.is_frozen());
    assert_eq!(press(&mut app, &["esc"]), None);
    assert!(!app.is_frozen());
    assert_eq!(press(&mut app, &["esc"]), Some(Wish::Leave));
}

#[test]
fn space_freezes_the_picture_and_not_the_campaign() {
    let mut app = app(fixtures::running());
    assert_eq!(press(&mut app, &["space"]), None, "nothing is asked of the campaign");
    assert!(app.take(fixtures::shared(fixtures::finished())));
    assert_eq!(app.shown().at, fixtures::running().at);
    assert_eq!(app.latest().at, fixtures::finished().at);
    press(&mut app, &["space"]);
    assert_eq!(app.shown().at, fixtures::finished().at);
}

#[test]
fn the_same_picture_is_not_drawn_again() {
    let first = fixtures::shared(fixtures::running());
    let mut app = App::new(Arc::clone(&first), None, false);
    assert!(!app.take(first));
    assert!(app.take(fixtures::shared(fixtures::running())));
}

#[test]
fn plus_and_minus_change_the_speed_of_a_virtual_board() {
    let mut app = app(fixtures::running());
    assert_eq!(press(&mut app, &["+"]), Some(Wish::Send(Command::SetPace(50.0))));
    assert_eq!(press(&mut app, &["-", "-"]), Some(Wish::Send(Command::SetPace(10.0))));
    assert_eq!(app.pace, Some(Pace::new(10.0)));
}

#[test]
fn a_real_board_has_no_speed_and_the_screen_says_so() {
    let mut app = app(fixtures::real_board());
    assert_eq!(press(&mut app, &["+"]), None);
    assert!(app.notice.as_deref().unwrap().starts_with("Only a virtual board has a speed"));
    press(&mut app, &["j"]);
    assert_eq!(app.notice, None, "a notice lasts until the next key");
}

#[test]
fn arrows_and_letters_select_causes_and_stop_at_the_ends() {
    let mut app = app(fixtures::running());
    assert_eq!(app.selected_index(), 0);
    press(&mut app, &["down", "j", "k"]);
    assert_eq!(app.selected_cause().unwrap().id, "hse-no-start");
    press(&mut app, &["up", "up", "up"]);
    assert_eq!(app.selected_index(), 0);
    press(&mut app, &["G"]);
    assert_eq!(app.selected_cause().unwrap().id, "unknown");
    press(&mut app, &["page-down", "down"]);
    assert_eq!(app.selected_index(), 6);
    press(&mut app, &["g"]);
    assert_eq!(app.selected_index(), 0);
}

#[test]
fn the_selection_stays_with_its_cause_when_ranks_change() {
    let mut app = app(fixtures::running());
    press(&mut app, &["j"]);
    let mut later = fixtures::running();
    later.verdict.causes.swap(1, 4);
    app.take(fixtures::shared(later));
    assert_eq!(app.selected_index(), 4);
    let mut without = fixtures::running();
    without.verdict.causes.remove(1);
    app.take(fixtures::shared(without));
    assert_eq!(app.selected_index(), 0, "a cause that is gone leaves the leader selected");
}

#[test]
fn enter_opens_and_closes_the_evidence() {
    let mut app = app(fixtures::running());
    press(&mut app, &["enter"]);
    assert!(app.evidence);
    press(&mut app, &["tab"]);
    assert_eq!(app.focus, Pane::Evidence);
    press(&mut app, &["enter"]);
    assert!(!app.evidence);
    assert_eq!(app.focus, Pane::Causes, "what is closed cannot have the focus");
}

#[test]
fn tab_goes_round_the_panes_and_shift_tab_back() {
    let mut app = app(fixtures::running());
    let mut seen = vec![app.focus];
    for _ in 0..6 {
        press(&mut app, &["tab"]);
        seen.push(app.focus);
    }
    assert_eq!(seen, [Pane::Causes, Pane::Cycles, Pane::Rates, Pane::Steps, Pane::Next, Pane::Events, Pane::Causes]);
    press(&mut app, &["shift-tab"]);
    assert_eq!(app.focus, Pane::Events);
}

#[test]
fn scrolling_keeps_within_what_the_view_said_there_is() {
    let mut app = app(fixtures::running());
    app.set_reach(Scrolled { events: 3, cycles: 2, help: 15, ..Scrolled::default() });
    press(&mut app, &["shift-tab", "up"]);
    assert_eq!(app.scrolled().events, 1, "up goes to older events");
    press(&mut app, &["page-up"]);
    assert_eq!(app.scrolled().events, 3);
    press(&mut app, &["end"]);
    assert_eq!(app.scrolled().events, 0);
    press(&mut app, &["tab", "tab", "home"]);
    assert_eq!(app.scrolled().cycles, 2);
    press(&mut app, &["?", "page-down", "down"]);
    assert_eq!(app.scrolled().help, 11, "with the help open, the help scrolls");
    press(&mut app, &["?", "?"]);
    assert_eq!(app.scrolled().help, 0);
}

#[test]
fn z_gives_the_pane_the_whole_screen() {
    let mut app = app(fixtures::running());
    press(&mut app, &["z"]);
    assert!(app.zoomed);
    press(&mut app, &["z"]);
    assert!(!app.zoomed);
}

#[test]
fn e_asks_for_a_report() {
    assert_eq!(press(&mut app(fixtures::running()), &["e"]), Some(Wish::WriteReport));
}

#[test]
fn slash_filters_events_once_the_line_is_taken() {
    let mut app = app(fixtures::running());
    press(&mut app, &["/", "b", "o", "q", "backspace", "o", "t"]);
    assert_eq!(app.filter, "", "not yet taken");
    assert_eq!(app.input.as_ref().unwrap().text, "boot");
    press(&mut app, &["enter"]);
    assert_eq!((app.filter.as_str(), &app.input), ("boot", &None));
    press(&mut app, &["/", "x", "esc"]);
    assert_eq!(app.filter, "boot", "esc leaves the filter as it was");
}

#[test]
fn a_request_is_answered_with_done_or_in_words() {
    let mut app = app(fixtures::waiting());
    assert_eq!(press(&mut app, &["d"]), Some(Wish::Send(Command::Answer(String::new()))));
    assert_eq!(press(&mut app, &["a"]), None);
    assert_eq!(app.input.as_ref().unwrap().purpose, Purpose::Answer);
    let wish = press(&mut app, &["3", ".", "1", "space", "V", "enter"]);
    assert_eq!(wish, Some(Wish::Send(Command::Answer("3.1 V".to_owned()))));
}

#[test]
fn enter_never_answers_a_request_by_accident() {
    assert_eq!(press(&mut app(fixtures::waiting()), &["enter"]), None);
}

#[test]
fn an_answer_to_nothing_is_not_sent() {
    let mut app = app(fixtures::running());
    for key in ["d", "a"] {
        assert_eq!(press(&mut app, &[key]), None);
        assert_eq!(app.notice.as_deref(), Some("Nothing was asked."));
        assert_eq!(app.input, None);
    }
}

#[test]
fn a_typed_line_has_an_end() {
    let mut app = app(fixtures::running());
    press(&mut app, &["/"]);
    press(&mut app, &["x"; 500]);
    assert_eq!(app.input.unwrap().text.len(), 400);
}

#[test]
fn no_action_breaks_an_empty_screen() {
    let mut app = app(fixtures::empty());
    for action in Action::ALL.into_iter().chain(Action::ALL.into_iter().rev()) {
        app.update(action);
    }
    assert_eq!(app.selected_cause(), None);
}
