//! A drawn screen as an SVG picture, for documents. Blocks and rules are drawn as shapes, so no font can spoil them.

use std::fmt::Write as _;
use std::sync::Arc;

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

use super::bindings::Bindings;
use super::pace::Pace;
use super::run::TuiError;
use super::state::App;
use super::theme::Looks;
use super::view;
use crate::investigation::snapshot::Snapshot;

/// Size of a cell in the picture's own units.
const CELL: (f64, f64) = (8.4, 18.0);
const MARGIN: f64 = 14.0;
const GROUND: &str = "#14171c";
const INK: &str = "#c8ccd4";

/// What a screen of this size shows of a snapshot, in the muted theme.
pub fn of_snapshot(snapshot: &Snapshot, pace: Option<f64>, columns: u16, rows: u16) -> Result<String, TuiError> {
    let (bindings, looks) = (Bindings::built_in()?, Looks::built_in("night", true, true)?);
    let app = App::new(Arc::new(snapshot.clone()), pace.map(Pace::new), false);
    let area = Rect::new(0, 0, columns, rows);
    let mut buffer = Buffer::empty(area);
    view::draw(&mut buffer, area, &app, &looks, &bindings);
    Ok(svg(&buffer, "flakescope at work on a virtual board"))
}

/// The picture of everything in the buffer.
pub fn svg(buffer: &Buffer, title: &str) -> String {
    let (columns, rows) = (f64::from(buffer.area.width), f64::from(buffer.area.height));
    let (width, height) = (columns * CELL.0 + 2.0 * MARGIN, rows * CELL.1 + 2.0 * MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.1} {height:.1}\" role=\"img\">\n<title>{}</title>\n\
         <style>text{{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;white-space:pre}}.b{{font-weight:bold}}</style>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{GROUND}\"/>\n",
        escape(title)
    );
    for (index, row) in buffer.content.chunks(usize::from(buffer.area.width.max(1))).enumerate() {
        draw_row(&mut out, row, MARGIN + index as f64 * CELL.1);
    }
    out.push_str("</svg>\n");
    out
}

/// One row: grounds first, then shapes and runs of text that look alike.
fn draw_row(out: &mut String, row: &[Cell], top: f64) {
    for (start, cells) in runs(row, |a, b| ground(a) == ground(b)) {
        if let Some(colour) = ground(&cells[0]) {
            rect(out, (left(start), top), (cells.len() as f64 * CELL.0, CELL.1), &colour);
        }
    }
    for (start, cells) in runs(row, look_alike) {
        let colour = ink(&cells[0]);
        if let Some(shape) = shape(&cells[0]) {
            Shape { width: shape.width + (cells.len() - 1) as f64, ..shape }.draw(out, left(start), top, &colour);
            continue;
        }
        let text: String = cells.iter().map(Cell::symbol).collect();
        let trimmed = text.trim_end();
        let indent = trimmed.chars().count() - trimmed.trim_start().chars().count();
        let shown = trimmed.trim_start();
        if shown.is_empty() {
            continue;
        }
        let class = if bold(&cells[0]) { " class=\"b\"" } else { "" };
        let length = shown.chars().count() as f64 * CELL.0;
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" textLength=\"{length:.1}\" fill=\"{colour}\"{class}>{}</text>",
            left(start + indent),
            top + CELL.1 * 0.74,
            escape(shown)
        );
    }
}

/// Whether two neighbours can be one piece of text, or one long shape.
fn look_alike(a: &Cell, b: &Cell) -> bool {
    let shapes = (shape(a), shape(b));
    let joined = shapes.0.is_none_or(|shape| shape.width == 1.0);
    ink(a) == ink(b) && bold(a) == bold(b) && shapes.0 == shapes.1 && joined
}

/// Neighbouring cells that belong together, with the column of the first.
fn runs(row: &[Cell], alike: impl Fn(&Cell, &Cell) -> bool) -> Vec<(usize, &[Cell])> {
    let mut start = 0;
    row.chunk_by(alike)
        .map(|cells| {
            let at = start;
            start += cells.len();
            (at, cells)
        })
        .collect()
}

fn left(column: usize) -> f64 {
    MARGIN + column as f64 * CELL.0
}

/// A glyph as a rectangle, in parts of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Shape {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Shape {
    fn draw(self, out: &mut String, left: f64, top: f64, colour: &str) {
        let place = (left + self.x * CELL.0, top + self.y * CELL.1);
        rect(out, place, (self.width * CELL.0, self.height * CELL.1), colour);
    }
}

const SPARKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const BARS: [char; 7] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'];

fn shape(cell: &Cell) -> Option<Shape> {
    let glyph = cell.symbol().chars().next()?;
    let eighths = |index: usize| (index + 1) as f64 / 8.0;
    if let Some(index) = SPARKS.iter().position(|spark| *spark == glyph) {
        // A little lower than the cell, so that rows of sparklines stay apart.
        let height = eighths(index) * 0.8;
        return Some(Shape { x: 0.0, y: 0.9 - height, width: 1.0, height });
    }
    if let Some(index) = BARS.iter().position(|bar| *bar == glyph) {
        return Some(Shape { x: 0.0, y: 0.1, width: eighths(index), height: 0.8 });
    }
    match glyph {
        '─' => Some(Shape { x: 0.0, y: 0.49, width: 1.0, height: 0.055 }),
        '━' => Some(Shape { x: 0.0, y: 0.47, width: 1.0, height: 0.11 }),
        '│' => Some(Shape { x: 0.44, y: 0.0, width: 0.12, height: 1.0 }),
        _ => None,
    }
}

fn rect(out: &mut String, (x, y): (f64, f64), (width, height): (f64, f64), colour: &str) {
    let _ = writeln!(
        out,
        "<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\" fill=\"{colour}\"/>"
    );
}

fn bold(cell: &Cell) -> bool {
    cell.modifier.contains(Modifier::BOLD)
}

fn is_reversed(cell: &Cell) -> bool {
    cell.modifier.contains(Modifier::REVERSED)
}

fn ground(cell: &Cell) -> Option<String> {
    if is_reversed(cell) {
        return Some(colour(cell.fg).unwrap_or_else(|| INK.to_owned()));
    }
    colour(cell.bg)
}

fn ink(cell: &Cell) -> String {
    let (colour, default) = if is_reversed(cell) { (colour(cell.bg), GROUND) } else { (colour(cell.fg), INK) };
    colour.unwrap_or_else(|| default.to_owned())
}

/// The sixteen colours as a muted palette; the terminal's own default is `None`.
fn colour(colour: Color) -> Option<String> {
    let named = match colour {
        Color::Reset | Color::Indexed(_) => return None,
        Color::Rgb(red, green, blue) => return Some(format!("#{red:02x}{green:02x}{blue:02x}")),
        Color::Black => GROUND,
        Color::Red => "#ef6b73",
        Color::LightRed => "#ef8f6b",
        Color::Green | Color::LightGreen => "#7fb77e",
        Color::Yellow | Color::LightYellow => "#e5b567",
        Color::Blue | Color::LightBlue => "#79a6f2",
        Color::Magenta | Color::LightMagenta => "#c48ae0",
        Color::Cyan | Color::LightCyan => "#6cc7d9",
        Color::DarkGray => "#6b7280",
        Color::Gray | Color::White => INK,
    };
    Some(named.to_owned())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::style::Style;

    fn drawn(text: &str, style: Style) -> String {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 1));
        buffer.set_string(0, 0, text, style);
        svg(&buffer, "a <screen>")
    }

    #[test]
    fn text_is_escaped_and_placed() {
        let picture = drawn("  a<b", Style::new().fg(Color::Red));
        assert!(picture.contains("<title>a &lt;screen&gt;</title>"));
        assert!(picture.contains("fill=\"#ef6b73\">a&lt;b</text>"), "{picture}");
        assert!(picture.contains("<text x=\"30.8\""), "{picture}");
    }

    #[test]
    fn blocks_are_shapes_and_not_letters() {
        let picture = drawn("██▌▁──", Style::new());
        assert!(!picture.contains("<text"), "{picture}");
        assert_eq!(picture.matches("<rect ").count(), 5, "the ground and four shapes");
    }

    #[test]
    fn reversed_text_has_a_ground() {
        let picture = drawn("LIVE", Style::new().add_modifier(Modifier::REVERSED));
        assert!(picture.contains(&format!("fill=\"{INK}\"/>")) && picture.contains(&format!("fill=\"{GROUND}\">LIVE")));
    }
}
