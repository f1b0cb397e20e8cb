//! What is shown where the terminal is too small for the screen.

use ratatui::layout::Rect;

use super::layout::SMALLEST;
use super::pen::{Pen, row, wrap};
use crate::tui::theme::Role;

pub fn draw(pen: &mut Pen<'_>, screen: Rect) {
    let (width, height) = SMALLEST;
    let text = format!("{width}x{height} needed, this is {}x{}. The campaign goes on.", screen.width, screen.height);
    for (index, line) in wrap(&text, screen.width).iter().enumerate() {
        let Ok(index) = u16::try_from(index) else { return };
        pen.text(row(screen, index), Role::Warning, line);
    }
}
