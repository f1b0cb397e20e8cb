//! Golden screens: what a person sees, with a second picture of the colours.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

use super::bindings::{Bindings, KeyPress};
use super::fixtures;
use super::pace::Pace;
use super::state::App;
use super::theme::Looks;
use super::view;
use crate::investigation::snapshot::{RunState, Snapshot};

/// What is shown, and how.
struct Shot {
    app: App,
    looks: Looks,
    bindings: Bindings,
}

impl Shot {
    fn of(snapshot: Snapshot) -> Self {
        let pace = snapshot.start.virtual_board.is_some().then(|| Pace::new(20.0));
        let app = App::new(fixtures::shared(snapshot), pace, false);
        Self { app, looks: Looks::built_in("ansi", true, true).unwrap(), bindings: Bindings::built_in().unwrap() }
    }

    fn plain(mut self) -> Self {
        self.looks = Looks::built_in("ansi", false, true).unwrap();
        self
    }

    fn ascii(mut self) -> Self {
        self.looks = Looks::built_in("ansi", false, false).unwrap();
        self
    }

    fn keys(mut self, keys: &[&str]) -> Self {
        for key in keys {
            self.app.press(KeyPress::parse(key).unwrap(), &self.bindings);
        }
        self
    }

    fn draw(&mut self, width: u16, height: u16) -> Buffer {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal
            .draw(|frame| {
                let area = frame.area();
                let reach = view::draw(frame.buffer_mut(), area, &self.app, &self.looks, &self.bindings);
                self.app.set_reach(reach);
            })
            .unwrap();
        terminal.backend().buffer().clone()
    }

    fn text(&mut self, width: u16, height: u16) -> String {
        text(&self.draw(width, height))
    }

    fn text_and_colours(&mut self, width: u16, height: u16) -> String {
        let buffer = self.draw(width, height);
        format!("{}\n{}", text(&buffer), picture(&buffer, colour_letter))
    }
}

fn text(buffer: &Buffer) -> String {
    let mut out = String::new();
    for row in buffer.content.chunks(usize::from(buffer.area.width)) {
        let line: String = row.iter().map(Cell::symbol).collect();
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn picture(buffer: &Buffer, letter: impl Fn(&Cell) -> char) -> String {
    let mut out = String::new();
    for row in buffer.content.chunks(usize::from(buffer.area.width)) {
        let line: String = row.iter().map(&letter).collect();
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// The first letter of the colour, a capital where bold; `#` for a coloured ground or reversed, a blank for blanks and plain text.
fn colour_letter(cell: &Cell) -> char {
    if cell.bg != Color::Reset || cell.modifier.contains(Modifier::REVERSED) {
        return '#';
    }
    if cell.symbol() == " " {
        return ' ';
    }
    let letter = match cell.fg {
        Color::Reset => '.',
        Color::Red | Color::LightRed => 'r',
        Color::Green => 'g',
        Color::Yellow => 'y',
        Color::LightBlue => 'b',
        Color::Magenta => 'm',
        Color::Cyan => 'c',
        Color::DarkGray => 'd',
        _ => '?',
    };
    match (letter, cell.modifier.contains(Modifier::BOLD)) {
        ('.', true) => '!',
        (letter, true) => letter.to_ascii_uppercase(),
        (letter, false) => letter,
    }
}

#[test]
fn running_at_80x24() {
    insta::assert_snapshot!(Shot::of(fixtures::running()).text_and_colours(80, 24));
}

#[test]
fn running_at_120x40() {
    insta::assert_snapshot!(Shot::of(fixtures::running()).text_and_colours(120, 40));
}

#[test]
fn running_without_colour() {
    insta::assert_snapshot!(Shot::of(fixtures::running()).plain().text_and_colours(80, 24));
}

#[test]
fn running_in_ascii() {
    let shown = Shot::of(fixtures::running()).ascii().text(80, 24);
    assert!(shown.is_ascii());
    insta::assert_snapshot!(shown);
}

#[test]
fn evidence_at_80x24() {
    insta::assert_snapshot!(Shot::of(fixtures::running()).keys(&["enter"]).text_and_colours(80, 24));
}

#[test]
fn evidence_of_the_second_cause_at_120x40() {
    insta::assert_snapshot!(Shot::of(fixtures::running()).keys(&["j", "enter"]).text(120, 40));
}

#[test]
fn help_at_80x24() {
    insta::assert_snapshot!(Shot::of(fixtures::running()).keys(&["?"]).text(80, 24));
}

#[test]
fn waiting_for_the_operator() {
    insta::assert_snapshot!(Shot::of(fixtures::waiting()).text(80, 24));
}

#[test]
fn an_answer_being_typed() {
    insta::assert_snapshot!(Shot::of(fixtures::waiting()).keys(&["a", "3", ".", "1", "space", "V"]).text(80, 24));
}

#[test]
fn a_guided_question_at_80x24() {
    insta::assert_snapshot!(Shot::of(fixtures::guided()).text(80, 24));
}

#[test]
fn a_guided_measurement_being_typed_again_at_120x40() {
    let keys = ["a", "2", ".", "9", "space", "m", "V"];
    insta::assert_snapshot!(Shot::of(fixtures::asked_to_measure()).keys(&keys).text(120, 40));
}

#[test]
fn escape_backs_out_of_an_answer_and_not_out_of_the_screen() {
    let mut shot = Shot::of(fixtures::guided()).keys(&["a", "x", "esc"]);
    assert!(shot.app.input.is_none());
    let shown = shot.text(80, 24);
    assert!(shown.contains("Asked of you: Take another cable"), "{shown}");
}

#[test]
fn what_has_to_be_typed_is_typed_though_done_was_pressed() {
    let shot = Shot::of(fixtures::asked_to_measure()).keys(&["d"]);
    assert!(shot.app.input.is_some());
}

#[test]
fn finished_at_120x40() {
    insta::assert_snapshot!(Shot::of(fixtures::finished()).text(120, 40));
}

#[test]
fn frozen_while_the_campaign_goes_on() {
    let mut shot = Shot::of(fixtures::running()).keys(&["space"]);
    let mut later = fixtures::running();
    later.boots.extend(fixtures::boots(&["EEEEE", "....."]));
    later.boots.last_mut().unwrap().cycles.last_mut().unwrap().number = 92;
    shot.app.take(fixtures::shared(later));
    insta::assert_snapshot!(shot.text(80, 24));
}

#[test]
fn without_failures_the_bound_is_told() {
    insta::assert_snapshot!(Shot::of(fixtures::clean()).text(80, 24));
}

#[test]
fn a_failed_campaign_says_why() {
    let reason = "the case board.case cannot be written: the disk is full; what was finished before is intact";
    let failed = Snapshot { state: RunState::Failed(reason.to_owned()), ..fixtures::running() };
    insta::assert_snapshot!(Shot::of(failed).text(80, 24));
}

#[test]
fn before_the_first_event() {
    insta::assert_snapshot!(Shot::of(fixtures::empty()).text(80, 24));
}

#[test]
fn events_filtered_and_zoomed() {
    insta::assert_snapshot!(
        Shot::of(fixtures::running()).keys(&["/", "b", "o", "o", "t", "enter", "shift-tab", "z"]).text(80, 24)
    );
}

#[test]
fn a_replay_says_that_it_is_one() {
    let app = App::new(fixtures::shared(fixtures::real_board()), Some(Pace::new(8.0)), true);
    let shown = Shot { app, ..Shot::of(fixtures::empty()) }.text(80, 24);
    let top = shown.lines().next().unwrap();
    assert!(top.ends_with("REPLAY   ×8  4 min 05 s recorded"), "{top}");
}

#[test]
fn too_small_says_what_it_needs() {
    insta::assert_snapshot!(Shot::of(fixtures::running()).text(20, 5));
}

#[test]
fn nothing_hostile_reaches_the_buffer() {
    let keys = [&[][..], &["enter"], &["?"], &["z"], &["shift-tab", "z"], &["a"]];
    for keys in keys {
        for (width, height) in [(80, 24), (120, 40), (20, 5)] {
            let buffer = Shot::of(fixtures::hostile()).keys(keys).draw(width, height);
            for cell in &buffer.content {
                let bad = |c: char| c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}');
                assert!(!cell.symbol().contains(bad), "{:?}", cell.symbol());
            }
        }
    }
    insta::assert_snapshot!(Shot::of(fixtures::hostile()).text(80, 24));
}

#[test]
fn no_size_panics() {
    let snapshots = [fixtures::running(), fixtures::empty(), fixtures::waiting(), fixtures::hostile()];
    let states = [&[][..], &["enter"], &["?"], &["z"], &["shift-tab", "z"], &["tab", "z"], &["/", "x"]];
    for snapshot in snapshots {
        for keys in states {
            let mut shot = Shot::of(snapshot.clone()).keys(keys);
            for (width, height) in
                [(0, 0), (1, 1), (3, 2), (20, 5), (59, 16), (60, 16), (61, 23), (200, 17), (80, 24), (300, 90)]
            {
                let buffer = shot.draw(width, height);
                assert_eq!(buffer.area.width, width);
            }
        }
    }
}
