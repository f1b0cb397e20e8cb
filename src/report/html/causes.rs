//! The ranked causes with the evidence for and against each, and what to do next.

use maud::{Markup, html};

use super::safe;
use crate::diagnosis::verdict::{Argument, NextExperiment, RankedCause, UNKNOWN_CAUSE, Verdict};
use crate::report::wording;

/// Numbers shown before the rest is left to the case.
const PLACES_SHOWN: usize = 12;

/// `linked` tells whether the page holds a strip whose cells the numbers can lead to.
pub fn causes(verdict: &Verdict, linked: bool) -> Markup {
    let place = wording::place_word(verdict);
    html! {
        @if !verdict.causes.is_empty() {
            section {
                h2 { "Likely causes" }
                p.note { "Open a cause to see what speaks for it and what against it." }
                @if let Some(both) = wording::together(verdict) { p.note { (safe(&both)) } }
                @for (rank, cause) in verdict.causes.iter().enumerate() {
                    (ranked(cause, rank == 0, place, linked))
                }
            }
        }
    }
}

fn ranked(cause: &RankedCause, open: bool, place: &str, linked: bool) -> Markup {
    let weight = format!("{} for, {} against", cause.speaks_for.len(), cause.speaks_against.len());
    let unknown = cause.id == UNKNOWN_CAUSE;
    html! {
        details.cause open[open] {
            summary {
                span.percent { (wording::probability(cause.probability)) }
                span.what {
                    span.name { (safe(wording::cause_name(cause))) }
                    span.id { code { (safe(&cause.id)) } @if !unknown { span.weight { (weight) } } }
                    (bar(cause.probability, unknown))
                }
            }
            @if unknown {
                p.open-remainder { "What is left for causes that the knowledge base does not hold." }
            } @else {
                div.arguments {
                    (arguments("Speaks for it", "for", &cause.speaks_for, place, linked))
                    (arguments("Speaks against it", "against", &cause.speaks_against, place, linked))
                }
            }
        }
    }
}

/// The open remainder is dashed, so that it is not taken for a cause in print.
fn bar(probability: f64, unknown: bool) -> Markup {
    let width = format!("{:.1}%", probability.clamp(0.0, 1.0) * 100.0);
    html! {
        svg.bar width="100%" height="8" aria-hidden="true" {
            rect.track x="0" y="0" width="100%" height="8" rx="4" {}
            @if unknown {
                line.remainder x1="0" x2=(width) y1="4" y2="4" {}
            } @else {
                rect.fill x="0" y="0" width=(width) height="8" rx="4" {}
            }
        }
    }
}

fn arguments(title: &str, kind: &str, list: &[Argument], place: &str, linked: bool) -> Markup {
    html! {
        div class=(kind) {
            h3 { (title) }
            @if list.is_empty() { p.none { "Nothing so far." } }
            ul {
                @for argument in list {
                    li {
                        (safe(&argument.text)) " "
                        span.basis { code { (safe(&argument.finding)) } " " (places(&argument.at, place, linked)) }
                    }
                }
            }
        }
    }
}

/// The cycles or lines behind a statement.
pub fn places(at: &[u32], place: &str, linked: bool) -> Markup {
    let left = at.len().saturating_sub(PLACES_SHOWN);
    html! {
        @if !at.is_empty() {
            (place) @if at.len() > 1 { "s" }
            @for number in at.iter().take(PLACES_SHOWN) {
                " " @if linked { a href=(format!("#cycle-{number}")) { (number) } } @else { (number) }
            }
            @if left > 0 { " and " (left) " more" }
        }
    }
}

pub fn next(verdict: &Verdict) -> Markup {
    html! {
        @if let Some((first, rest)) = verdict.next.split_first() {
            section {
                h2 { "Next experiment" }
                div.experiment.first { (experiment(first)) }
                @if !rest.is_empty() {
                    p.note { "After that, by information per minute:" }
                    ol.experiments start="2" { @for next in rest { li.experiment { (experiment(next)) } } }
                }
            }
        }
    }
}

fn experiment(next: &NextExperiment) -> Markup {
    html! {
        p { (safe(&next.text)) }
        p.terms { (safe(&wording::experiment_terms(next))) }
    }
}
