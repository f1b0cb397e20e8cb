//! What was seen and how: failures with their raw codes, findings with their methods, limits, and how to run it again.

use maud::{Markup, html};

use super::causes::places;
use super::safe;
use crate::diagnosis::verdict::Verdict;
use crate::evidence::finding::{Effect, Finding};
use crate::investigation::snapshot::Snapshot;
use crate::observation::board::BoardIdentity;
use crate::observation::event::Reentry;
use crate::observation::field_text::FieldText;
use crate::report::alterations;
use crate::report::chart::strip::color_class;
use crate::report::failures::{FailureGroup, grouped};
use crate::report::wording;

const CODES_SHOWN: usize = 5;

pub fn failures(verdict: &Verdict) -> Markup {
    let groups = grouped(&verdict.failures);
    let place = wording::place_word(verdict);
    html! {
        @if !groups.is_empty() {
            section {
                h2 { "Failures" }
                div.scroll {
                    table {
                        thead {
                            tr {
                                th.number scope="col" { "n" }
                                th scope="col" { "class" }
                                th scope="col" { "step" }
                                th scope="col" { "raw code" }
                                th scope="col" { "place" }
                                th.number scope="col" { "after" }
                                th scope="col" { "where" }
                            }
                        }
                        tbody { @for group in &groups { (failure_row(group, place)) } }
                    }
                }
                p.note { "After: the median time from the start of the operation to the failure, where it is known." }
            }
        }
    }
}

fn failure_row(group: &FailureGroup, place: &str) -> Markup {
    html! {
        tr {
            td.number { (group.count) }
            td {
                span.letter.(color_class(group.class)) { (group.class.letter()) }
                strong { (group.class) }
                p.meaning { (group.class.meaning()) }
            }
            td { (group.phase) }
            td { (codes(group)) }
            td { (group.place_in_words(FieldText::for_html).unwrap_or_default()) }
            td.number { (group.elapsed_ms.map_or("not known".to_owned(), wording::milliseconds)) }
            td {
                (wording::places(&group.at, place).unwrap_or_default())
                @if let Some(worked) = group.worked_in_words() {
                    p.meaning { "went well in the same boots: " (worked) }
                }
            }
        }
    }
}

fn codes(group: &FailureGroup) -> Markup {
    let left = group.codes.len().saturating_sub(CODES_SHOWN);
    html! {
        @if group.codes.is_empty() { "none" }
        ul.codes {
            @for (code, count) in group.codes.iter().take(CODES_SHOWN) {
                li { code { (code.for_html()) } @if group.codes.len() > 1 { " × " (count) } }
            }
        }
        @if left > 0 { p.meaning { "and " (wording::count(left as u64, "other code")) } }
    }
}

pub fn findings(findings: &[Finding]) -> Markup {
    html! {
        @if !findings.is_empty() {
            section {
                h2 { "Findings" }
                ul.findings {
                    @for finding in findings {
                        li {
                            p { (safe(&finding.text)) }
                            p.basis {
                                code { (safe(&finding.id)) } " "
                                @if let Some(size) = &finding.effect { (effect(size)) "; " }
                                (wording::count(finding.n, finding.unit.name())) "; " (safe(&finding.method))
                                @if !finding.at.is_empty() { "; " (places(&finding.at, "cycle", true)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn effect(effect: &Effect) -> String {
    let value = |number: f64| if effect.unit == "share" { wording::percent(number) } else { significant(number) };
    let unit = if effect.unit == "share" { String::new() } else { format!(" {}", safe(&effect.unit)) };
    match effect.interval {
        Some((low, high)) => format!("{}{unit} ({} to {})", value(effect.value), value(low), value(high)),
        None => format!("{}{unit}", value(effect.value)),
    }
}

/// Three significant digits.
fn significant(number: f64) -> String {
    let digits = 2 - number.abs().log10().floor().clamp(-6.0, 2.0) as i32;
    let text = format!("{number:.*}", digits.max(0) as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// What was written to the board, and the way back where it was left halfway.
pub fn altered(snapshot: &Snapshot) -> Markup {
    let told = alterations::told(snapshot);
    let advice = alterations::advice(snapshot);
    html! {
        @if !told.is_empty() {
            section {
                h2 { "Alterations" }
                ul.limits {
                    @for line in &told {
                        li { @if line.bad { strong { "! " } } (safe(&line.text)) }
                    }
                }
                @for line in advice.lines() { p.note { (safe(line.trim())) } }
            }
        }
    }
}

/// Option bytes, OTP and upgrade service in words.
pub fn says(snapshot: &Snapshot) -> Markup {
    html! {
        @if !snapshot.says.is_empty() {
            section {
                h2 { "Read from the board" }
                ul.limits { @for words in &snapshot.says { li { (safe(words)) } } }
            }
        }
    }
}

pub fn limits(snapshot: &Snapshot) -> Markup {
    html! {
        section {
            h2 { "Limits and method" }
            ul.limits { @for limit in &snapshot.limits { li { (safe(limit)) } } }
            ul.method { @for note in wording::METHOD { li { (note) } } }
        }
    }
}

pub fn set_up(snapshot: &Snapshot) -> Markup {
    let start = &snapshot.start;
    html! {
        section {
            h2 { "Set-up" }
            dl {
                (entry("Recipe", Some(safe(&start.recipe))))
                (entry("Re-entry", Some(reentry(&start.reentry))))
                (entry("Plan", Some(plan(snapshot))))
                (entry("Seed", Some(start.seed.to_string())))
                (board(&snapshot.board))
                (entry("Case", snapshot.case.as_ref().map(|case| safe(&case.to_string_lossy()))))
            }
            @if let Some(name) = &start.virtual_board {
                p.note { "To run it again:" }
                pre {
                    code {
                        "flakescope run --headless --virtual " (safe(name)) " --recipe " (safe(&start.recipe))
                        " --boots " (start.boots) " --cycles " (start.cycles_per_boot) " --seed " (start.seed)
                    }
                }
            }
        }
    }
}

fn plan(snapshot: &Snapshot) -> String {
    let start = &snapshot.start;
    format!(
        "{} of {}",
        wording::count(start.boots.into(), "boot"),
        wording::count(start.cycles_per_boot.into(), "cycle")
    )
}

fn reentry(reentry: &Reentry) -> String {
    match reentry {
        Reentry::None => "none: the whole campaign is one boot".to_owned(),
        Reentry::Manual => "the operator cycles the power".to_owned(),
        Reentry::Command(command) => format!("command: {}", safe(command)),
        Reentry::Swd => "a debug probe sends the board into its ROM".to_owned(),
        Reentry::Hub => "the hub switches the power of the port".to_owned(),
        Reentry::Virtual => "the virtual board is power-cycled".to_owned(),
    }
}

fn board(board: &BoardIdentity) -> Markup {
    let ids = board.vendor_id.zip(board.product_id).map(|(vendor, product)| format!("{vendor:04x}:{product:04x}"));
    html! {
        (entry("Part", board.part.as_deref().map(safe)))
        (entry("USB id", ids))
        (entry("Port", board.port.as_ref().map(ToString::to_string)))
        (entry("Speed", board.speed.map(|speed| speed.name().to_owned())))
        (entry("Serial", board.serial.as_ref().map(FieldText::for_html)))
        (entry("Product", board.product.as_ref().map(FieldText::for_html)))
        (entry("bcdDevice", board.bcd_device.map(|bcd| format!("0x{bcd:04x}"))))
        (entry("DEV_ID", board.dev_id.map(|id| format!("0x{id:03x}"))))
        @for layout in &board.layouts { (entry("Layout", Some(layout.for_html()))) }
    }
}

fn entry(name: &str, value: Option<String>) -> Markup {
    html! {
        @if let Some(value) = value { dt { (name) } dd { (value) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_shown_with_three_digits() {
        for (number, shown) in [(6.1, "6.1"), (31.0, "31"), (1234.5, "1234"), (0.01234, "0.0123"), (0.0, "0")] {
            assert_eq!(significant(number), shown);
        }
    }
}
