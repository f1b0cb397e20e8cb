//! The figures of a campaign: tiles at the top, charts further down.

use maud::{Markup, html};

use super::safe;
use crate::evidence::finding::Unit;
use crate::evidence::rate::Rate;
use crate::investigation::snapshot::{BootStrip, Snapshot};
use crate::report::chart::{latency, rate, strip};
use crate::report::wording::{self, percent};

pub fn tiles(snapshot: &Snapshot) -> Markup {
    html! {
        @if let Some(why) = wording::unfinished(&snapshot.state) { p.unfinished { (safe(&why)) } }
        div.tiles {
            @for rate in &snapshot.rates { (rate_tile(rate)) }
            (extent_tile(snapshot))
        }
    }
}

fn rate_tile(rate: &Rate) -> Markup {
    let (low, high) = rate.interval;
    html! {
        div.tile {
            p.label { "Failed " (rate.unit.name()) "s" @if let Some(kind) = rate.kind { ", " (kind.name()) } }
            p.value { (rate.failed) span.of { " of " (rate.n) } }
            p.detail {
                @if rate.failed == 0 { "up to " (percent(high)) " may fail (95 %)" }
                @else { (percent(rate.share())) ", interval " (percent(low)) " to " (percent(high)) " (95 %)" }
            }
        }
    }
}

fn extent_tile(snapshot: &Snapshot) -> Markup {
    let kinds: std::collections::BTreeSet<_> = snapshot.boots.iter().map(|strip| strip.boot.kind.name()).collect();
    let kinds: Vec<_> = kinds.into_iter().collect();
    html! {
        div.tile {
            p.label { "Campaign" }
            p.value { (snapshot.at) }
            p.detail {
                (wording::count(snapshot.boots.len() as u64, "boot"))
                @if !kinds.is_empty() { " (" (kinds.join(", ")) ")" }
            }
        }
    }
}

/// The rate of the commonest kind of boot, and the boots of that kind: kinds are not pooled.
fn of_commonest_kind(snapshot: &Snapshot) -> (Vec<BootStrip>, Option<&Rate>) {
    let rate = snapshot.rates.iter().find(|rate| rate.unit == Unit::Boot);
    let is_of_kind =
        |strip: &&BootStrip| rate.and_then(|rate| rate.kind).is_none_or(|kind| kind.name() == strip.boot.kind.name());
    (snapshot.boots.iter().filter(is_of_kind).cloned().collect(), rate)
}

pub fn charts(snapshot: &Snapshot) -> Markup {
    let (boots, boot_rate) = of_commonest_kind(snapshot);
    html! {
        @if !snapshot.boots.is_empty() {
            section {
                h2 { "Boots and cycles" }
                p.note { "Every group of cells is a boot, every cell a cycle, in the order in which they ran." }
                (strip::strip(&snapshot.boots))
            }
        }
        section {
            h2 { "Failure rate" }
            ul.rates { @for rate in &snapshot.rates { li { (wording::rate(rate)) } } }
            @if let Some(chart) = rate::rate(&boots, boot_rate) {
                (chart)
                p.note {
                    "The line is the share of failed boots so far, the band its 95 % interval, which holds at every moment. Dots below the axis are failed boots."
                }
            }
        }
        @if let Some(chart) = latency::latency(&snapshot.latencies) {
            section {
                h2 { "Time per step" }
                (chart)
            }
        }
    }
}
