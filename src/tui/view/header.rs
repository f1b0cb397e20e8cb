//! The two lines at the top: which board, what it says of itself, whether the picture is live, and how far the campaign is.

use ratatui::layout::Rect;

use super::pen::{Pen, Piece, columns, row};
use crate::investigation::snapshot::{RunState, Snapshot};
use crate::observation::board::BoardIdentity;
use crate::observation::event::Transport;
use crate::observation::units::Micros;
use crate::tui::state::App;
use crate::tui::theme::Role;

pub fn draw(pen: &mut Pen<'_>, area: Rect, app: &App) {
    let shown = app.shown();
    let roomy = area.width >= 100;
    let state = state_pieces(app, pen.looks.glyphs.times, roomy);
    let first = row(area, 0);
    let taken = pen.line_right(first, &state);
    let mut name = vec![(Role::Name, "flakescope".to_owned()), (Role::Plain, "  ".to_owned())];
    name.push((Role::Title, board_name(shown)));
    // At the right stands that the time is simulated, which says the same.
    if shown.start.virtual_board.is_some() && roomy {
        name.push((Role::Dim, " (virtual)".to_owned()));
    }
    if let Some(part) = &shown.board.part {
        name.push((Role::Plain, format!("  {part}")));
    }
    if let Some(experiment) = &shown.conditions {
        name.push((Role::Warning, format!("  with {experiment}")));
    }
    pen.line(columns(first, 0, area.width.saturating_sub(taken + 2)), &name);

    let second = row(area, 1);
    let taken = pen.right(second, Role::Dim, &plan(shown, pen.looks.glyphs.separator));
    let identity = identity(&shown.board).join(pen.looks.glyphs.separator);
    pen.text(columns(second, 0, area.width.saturating_sub(taken + 2)), Role::Dim, &identity);
}

/// The state as a word on a coloured ground, then speed and time.
fn state_pieces(app: &App, times: char, roomy: bool) -> Vec<Piece> {
    let shown = app.shown();
    let mut pieces = Vec::new();
    if app.is_frozen() {
        pieces.push((Role::Frozen, " FROZEN ".to_owned()));
        pieces.push((Role::Plain, " ".to_owned()));
    }
    let (role, word) = match &app.latest().state {
        RunState::Running if app.replay => (Role::Live, " REPLAY "),
        RunState::Running => (Role::Live, " LIVE "),
        RunState::Waiting(_) => (Role::Waiting, " WAITING "),
        RunState::Finished => (Role::Ended, " FINISHED "),
        RunState::Interrupted => (Role::Ended, " STOPPED "),
        RunState::Failed(_) => (Role::Waiting, " FAILED "),
    };
    pieces.push((role, word.to_owned()));
    if let (Some(pace), RunState::Running) = (app.pace, &app.latest().state) {
        pieces.push((Role::Accent, format!("  {times}{pace}")));
    }
    let at = if shown.at == Micros::ZERO { "0 s".to_owned() } else { shown.at.to_string() };
    pieces.push((Role::Plain, format!("  {at}")));
    if roomy || !app.is_frozen() {
        let clock = match (&shown.start.virtual_board, app.replay) {
            (Some(_), _) => " simulated",
            (None, true) => " recorded",
            (None, false) => " elapsed",
        };
        pieces.push((Role::Dim, clock.to_owned()));
    }
    pieces
}

fn board_name(shown: &Snapshot) -> String {
    match (&shown.start.virtual_board, &shown.board.product, &shown.board.port) {
        (Some(name), ..) => name.clone(),
        (None, Some(product), _) if !product.is_empty() => product.for_terminal(),
        (None, _, Some(port)) => format!("board on port {port}"),
        _ => "no board seen yet".to_owned(),
    }
}

/// What the board has told so far.
fn identity(board: &BoardIdentity) -> Vec<String> {
    let mut told = Vec::new();
    if let Some(port) = &board.port {
        told.push(format!("port {port}"));
    }
    if let (Some(vendor), Some(product)) = (board.vendor_id, board.product_id) {
        told.push(format!("{vendor:04X}:{product:04X}"));
    }
    if let Some(serial) = board.serial.as_ref().filter(|serial| !serial.is_empty()) {
        told.push(format!("serial {}", serial.for_terminal()));
    }
    if let Some(id) = board.dev_id {
        told.push(format!("DEV_ID 0x{id:03X}"));
    }
    if let Some(id) = board.rom_id {
        told.push(format!("ROM 0x{id:02X}"));
    }
    if let Some(release) = board.bcd_device {
        told.push(format!("bcdDevice {release:04X}"));
    }
    if told.is_empty() {
        told.push("the board has not said who it is".to_owned());
    }
    told
}

fn plan(shown: &Snapshot, separator: &str) -> String {
    let start = &shown.start;
    if start.recipe.is_empty() {
        return String::new();
    }
    let links = if start.transport == Transport::Other { "dfu and swd" } else { start.transport.name() };
    format!("{links}{separator}{}{separator}seed {}", start.recipe, start.seed)
}
