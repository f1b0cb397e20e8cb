//! The strip of cycles, grouped by boot: a dot for a good cycle, a letter per failure class, a mark per kind of boot.

use std::collections::BTreeMap;

use ratatui::layout::Rect;

use super::pen::{Pen, Piece, below, columns, row};
use crate::investigation::snapshot::{BootStrip, CycleMark, Snapshot};
use crate::observation::boot::BootKind;
use crate::observation::failure::FailureClass;
use crate::tui::state::{App, Pane};
use crate::tui::theme::{Glyphs, Role};

/// Columns in front of each row for the number of its first boot.
const LABEL: u16 = 6;

/// Returns how many rows lie above what is shown.
pub fn draw(pen: &mut Pen<'_>, area: Rect, app: &App) -> usize {
    if area.height < 2 {
        return 0;
    }
    let shown = app.shown();
    pen.title(area, "Cycles by boot", &progress(shown), app.focus == Pane::Cycles);
    let legend = row(area, area.height - 1);
    draw_legend(pen, legend, &shown.boots);

    let space = Rect { height: area.height - 2, ..below(area, 1) };
    let rows = flow(&shown.boots, space.width.saturating_sub(LABEL));
    let visible = usize::from(space.height);
    let reach = rows.len().saturating_sub(visible);
    let first = reach - app.scrolled().cycles.min(reach);
    for (index, strip_row) in rows.iter().skip(first).take(visible).enumerate() {
        let line = row(space, index as u16);
        pen.text(columns(line, 0, LABEL), Role::Dim, &format!("{:>5} ", strip_row.first_boot));
        let cells = columns(line, LABEL, line.width);
        for (offset, cell) in strip_row.cells.iter().enumerate() {
            let (role, character) = look(*cell, pen.looks.glyphs);
            pen.text(columns(cells, offset as u16, 1), role, character.encode_utf8(&mut [0; 4]));
        }
    }
    if rows.is_empty() {
        pen.text(row(space, 0), Role::Dim, "waiting for the first cycle");
    }
    reach
}

/// Rows that the whole plan will take, so that the panes below stay where they are while it runs.
pub fn planned_rows(shown: &Snapshot, columns: u16) -> u16 {
    let width = u64::from(columns.saturating_sub(LABEL)).max(2);
    let (boots, length) = (u64::from(shown.start.boots), u64::from(shown.start.cycles_per_boot) + 1);
    let planned = if length > width { boots * length.div_ceil(width) } else { boots.div_ceil(width / length) };
    u16::try_from(planned.max(flow(&shown.boots, columns.saturating_sub(LABEL)).len() as u64)).unwrap_or(u16::MAX)
}

fn progress(shown: &Snapshot) -> String {
    let boot = shown.boots.last().map_or(0, |strip| strip.boot.number);
    let cycle = shown.boots.iter().rev().find_map(|strip| strip.cycles.last()).map_or(0, |cycle| cycle.number);
    let planned = u64::from(shown.start.boots) * u64::from(shown.start.cycles_per_boot);
    format!("boot {boot} of {}, cycle {cycle} of {planned}", shown.start.boots)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Boot(BootKind),
    Cycle(CycleMark),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct StripRow {
    first_boot: u32,
    cells: Vec<Cell>,
}

/// Puts the boots into rows; a boot goes to the next row whole unless it is longer than a row.
fn flow(boots: &[BootStrip], width: u16) -> Vec<StripRow> {
    let width = usize::from(width.max(2));
    let mut rows: Vec<StripRow> = Vec::new();
    for strip in boots {
        let needed = 1 + strip.cycles.len();
        let fits = rows.last().is_some_and(|row| row.cells.len() + needed <= width);
        if !fits {
            rows.push(StripRow { first_boot: strip.boot.number, cells: Vec::with_capacity(width) });
        }
        let cells = std::iter::once(Cell::Boot(strip.boot.kind)).chain(strip.cycles.iter().copied().map(Cell::Cycle));
        for cell in cells {
            if rows.last().is_none_or(|row| row.cells.len() >= width) {
                rows.push(StripRow { first_boot: strip.boot.number, cells: Vec::with_capacity(width) });
            }
            rows.last_mut().expect("a row was just made").cells.push(cell);
        }
    }
    rows
}

fn look(cell: Cell, glyphs: &Glyphs) -> (Role, char) {
    match cell {
        Cell::Boot(kind) => (Role::Rule, boot_glyph(kind, glyphs)),
        Cell::Cycle(CycleMark { failure: Some(class), .. }) => (Role::of_failure(class), class.letter()),
        Cell::Cycle(CycleMark { interrupted: true, .. }) => (Role::Warning, glyphs.interrupted),
        Cell::Cycle(_) => (Role::Good, glyphs.good),
    }
}

fn boot_glyph(kind: BootKind, glyphs: &Glyphs) -> char {
    let [cold, nrst, software, jump, unknown] = glyphs.boots;
    match kind {
        BootKind::ColdPowerOn { .. } => cold,
        BootKind::Nrst => nrst,
        BootKind::SoftwareReset => software,
        BootKind::SoftwareJump => jump,
        BootKind::Unknown => unknown,
    }
}

/// Names what occurs in the strip, failures first, so that what is cut off matters least.
fn draw_legend(pen: &mut Pen<'_>, area: Rect, boots: &[BootStrip]) {
    let glyphs = pen.looks.glyphs;
    let mut pieces: Vec<Piece> = Vec::new();
    let mut entry = |role, character: char, meaning: &str| {
        pieces.push((role, character.to_string()));
        pieces.push((Role::Dim, format!(" {meaning}  ")));
    };
    for class in classes(boots) {
        entry(Role::of_failure(class), class.letter(), class.name());
    }
    if boots.iter().flat_map(|boot| &boot.cycles).any(|cycle| cycle.interrupted) {
        entry(Role::Warning, glyphs.interrupted, "interrupted");
    }
    entry(Role::Good, glyphs.good, "good");
    let mut kinds: Vec<BootKind> = Vec::new();
    for strip in boots {
        if !kinds.iter().any(|kind| kind.name() == strip.boot.kind.name()) {
            kinds.push(strip.boot.kind);
        }
    }
    for kind in kinds {
        let same = boots.iter().filter(|strip| strip.boot.kind.name() == kind.name());
        let mut proofs: Vec<&str> = same.map(|strip| strip.boot.proof.name()).collect();
        proofs.dedup();
        let proof = if let [one] = proofs[..] { one } else { "proof varies" };
        entry(Role::Rule, boot_glyph(kind, glyphs), &format!("{}, {proof}", kind.name()));
    }
    pen.line(columns(area, 1, area.width), &pieces);
}

/// The classes that occur, the commonest first.
fn classes(boots: &[BootStrip]) -> Vec<FailureClass> {
    let mut counts: BTreeMap<FailureClass, usize> = BTreeMap::new();
    for class in boots.iter().flat_map(|boot| &boot.cycles).filter_map(|cycle| cycle.failure) {
        *counts.entry(class).or_default() += 1;
    }
    let mut classes: Vec<_> = counts.into_iter().collect();
    classes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    classes.into_iter().map(|(class, _)| class).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixtures;

    fn shape(rows: &[StripRow]) -> Vec<(u32, String)> {
        let letter = |cell: &Cell| look(*cell, &crate::tui::theme::ASCII).1;
        rows.iter().map(|row| (row.first_boot, row.cells.iter().map(letter).collect())).collect()
    }

    #[test]
    fn boots_stay_whole_and_long_ones_go_on_in_the_next_row() {
        let boots = fixtures::boots(&["..", ".E", "......."]);
        assert_eq!(shape(&flow(&boots, 6)), [(1, "|..|.E".to_owned()), (3, "|.....".to_owned()), (3, "..".to_owned())]);
    }

    #[test]
    fn a_boot_without_cycles_is_still_seen() {
        assert_eq!(shape(&flow(&fixtures::boots(&["", "."]), 8)), [(1, "||.".to_owned())]);
    }

    #[test]
    fn no_boots_make_no_rows() {
        assert!(flow(&[], 8).is_empty());
    }
}
