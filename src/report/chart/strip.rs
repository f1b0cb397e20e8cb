//! The strip of cycles: one small picture per boot, one cell per cycle, one letter per failure class.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::investigation::snapshot::{BootStrip, CycleMark};
use crate::observation::failure::FailureClass;
use crate::report::wording;

/// Beyond this many cycles a boot is one cell.
const MOST_CELLS: usize = 3_000;

const CELL: usize = 18;
const CELLS_ACROSS: usize = 10;

/// All boots in order, and a key to the letters.
pub fn strip(boots: &[BootStrip]) -> Markup {
    let cells: usize = boots.iter().map(|strip| strip.cycles.len()).sum();
    html! {
        div.strip {
            @for strip in boots {
                @if cells <= MOST_CELLS { (boot_in_full(strip)) } @else { (boot_as_one_cell(strip)) }
            }
        }
        (key(boots))
    }
}

fn boot_in_full(strip: &BootStrip) -> Markup {
    let across = strip.cycles.len().clamp(1, CELLS_ACROSS);
    let rows = strip.cycles.len().div_ceil(CELLS_ACROSS).max(1);
    let (width, height) = (across * CELL, rows * CELL);
    html! {
        div.boot.bad[failed(strip) > 0] title=(strip.boot.kind) {
            span.boot-number { (strip.boot.number) }
            svg width=(width) height=(height) role="img" aria-label=(words(strip)) {
                @for (place, mark) in strip.cycles.iter().enumerate() {
                    (cell(mark, place % CELLS_ACROSS * CELL, place / CELLS_ACROSS * CELL))
                }
            }
        }
    }
}

fn cell(mark: &CycleMark, x: usize, y: usize) -> Markup {
    let (kind, letter, word) = look(mark);
    html! {
        g id=(format!("cycle-{}", mark.number)) class=(kind) {
            title { "Cycle " (mark.number) ": " (word) }
            rect x=(x + 1) y=(y + 1) width=(CELL - 2) height=(CELL - 2) rx="3" {}
            text x=(x + CELL / 2) y=(y + CELL - 5) text-anchor="middle" { (letter) }
        }
    }
}

fn boot_as_one_cell(strip: &BootStrip) -> Markup {
    let worst = counted(std::slice::from_ref(strip)).into_iter().max_by_key(|(_, count)| *count);
    let (kind, letter) = worst.map_or(("good", '·'), |((letter, class), _)| (color_class(class), letter));
    html! {
        div.boot.bad[failed(strip) > 0] {
            svg width=(CELL) height=(CELL) role="img" aria-label=(words(strip)) {
                g class=(kind) {
                    title { (words(strip)) }
                    rect x="1" y="1" width=(CELL - 2) height=(CELL - 2) rx="3" {}
                    text x=(CELL / 2) y=(CELL - 5) text-anchor="middle" { (letter) }
                }
            }
        }
    }
}

fn words(strip: &BootStrip) -> String {
    let boot = &strip.boot;
    format!(
        "Boot {}, {} ({}): {} of {} failed",
        boot.number,
        boot.kind,
        boot.proof.name(),
        failed(strip),
        wording::count(strip.cycles.len() as u64, "cycle")
    )
}

fn failed(strip: &BootStrip) -> usize {
    strip.cycles.iter().filter(|mark| mark.failure.is_some()).count()
}

fn look(mark: &CycleMark) -> (&'static str, char, &'static str) {
    match mark.failure {
        Some(class) => (color_class(class), class.letter(), class.name()),
        None if mark.interrupted => ("interrupted", '/', "interrupted"),
        None => ("good", '·', "good"),
    }
}

/// Letters in use with their classes and how often they occur.
fn key(boots: &[BootStrip]) -> Markup {
    let interrupted = boots.iter().flat_map(|strip| &strip.cycles).filter(|mark| mark.interrupted).count();
    let entry = |kind: &'static str, letter: char, words: String| {
        html! {
            li {
                svg width=(CELL) height=(CELL) aria-hidden="true" {
                    g class=(kind) {
                        rect x="1" y="1" width=(CELL - 2) height=(CELL - 2) rx="3" {}
                        text x=(CELL / 2) y=(CELL - 5) text-anchor="middle" { (letter) }
                    }
                }
                span { (words) }
            }
        }
    };
    html! {
        ul.key {
            (entry("good", '·', "good".to_owned()))
            @for ((letter, class), count) in counted(boots) {
                (entry(color_class(class), letter, format!("{class} × {count}")))
            }
            @if interrupted > 0 { (entry("interrupted", '/', "interrupted".to_owned())) }
        }
    }
}

fn counted(boots: &[BootStrip]) -> BTreeMap<(char, FailureClass), usize> {
    let mut counts = BTreeMap::new();
    for class in boots.iter().flat_map(|strip| &strip.cycles).filter_map(|mark| mark.failure) {
        *counts.entry((class.letter(), class)).or_insert(0) += 1;
    }
    counts
}

/// A few colours for many classes: what kind of failure it is. The letter tells them apart.
pub const fn color_class(class: FailureClass) -> &'static str {
    match class.letter() {
        'E' | 'N' | 'K' | '-' | 'C' => "absent",
        'P' | 'T' | 'D' | 'O' | 'H' | 'Y' | 'h' => "wire",
        'S' | 'F' | 'U' | 'L' | 'Q' | 'V' | 'f' | 'Z' | 'J' => "refused",
        'X' | 'M' | 'I' | 'R' | 'W' => "data",
        _ => "host",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn every_failed_cycle_shows_its_letter_and_can_be_linked_to() {
        let markup = strip(&sample::campaign().boots).into_string();
        assert_eq!(markup.matches("id=\"cycle-").count(), 80);
        assert_eq!(markup.matches(">E</text>").count(), 12 + 1);
        assert_eq!(markup.matches(">S</text>").count(), 1 + 1);
        assert!(markup.contains("Boot 7, cold power-on (commanded): 4 of 4 cycles failed"), "{markup}");
    }

    #[test]
    fn a_very_long_campaign_gets_one_cell_per_boot() {
        let snapshot = sample::campaign();
        let many: Vec<_> = std::iter::repeat_n(&snapshot.boots, 50).flatten().cloned().collect();
        let markup = strip(&many).into_string();
        assert!(!markup.contains("id=\"cycle-"));
        assert_eq!(markup.matches("role=\"img\"").count(), 1_000);
    }
}
