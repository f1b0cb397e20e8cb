//! Tests only: whatever the evaluation's campaigns find can be checked by its reader.

#![cfg(test)]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::evaluation::campaign;
use super::ledger::Depth;
use super::scenario;
use super::snapshot::RunState;
use crate::diagnosis::conclusion::Library;
use crate::diagnosis::subject::DEVICE_PROFILE;
use crate::evidence::catalogue::RULE_OVER_FACTS;
use crate::evidence::finding::Finding;

/// Only told where they hold of all that was seen, so that a share would be 1 whatever the board does.
const OF_ALL: [&str; 5] = [
    "every-nth-transfer",
    "fails-at-same-point",
    "faults-beside-flash",
    "loss-after-same-work",
    "wire-errors-only-at-enumerate",
];

/// What is missing of effect, interval, n, method and cycles. A fact, read from the board or known of its part, has no size.
fn missing(finding: &Finding) -> Option<&'static str> {
    if finding.n == 0 {
        return Some("n");
    }
    if [RULE_OVER_FACTS, DEVICE_PROFILE].contains(&finding.method.as_str()) {
        return None;
    }
    if finding.method.len() < 8 {
        return Some("method");
    }
    if finding.at.is_empty() {
        return Some("cycles");
    }
    if OF_ALL.contains(&finding.id.as_str()) {
        return finding.effect.is_some().then_some("an effect that estimates something");
    }
    let Some(effect) = &finding.effect else { return Some("effect") };
    let Some((low, high)) = effect.interval else { return Some("interval") };
    if !(low <= effect.value && effect.value <= high && low.is_finite()) {
        return Some("an interval around the effect");
    }
    effect.unit.is_empty().then_some("unit")
}

/// The findings of one draw of every scenario of these files, at any look and at the verdict.
fn found(files: &[&str]) -> Vec<(String, Finding)> {
    let library = Arc::new(Library::load().unwrap());
    let mut found = Vec::new();
    for file in files {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/evaluation").join(file);
        for scenario in scenario::read(&path).unwrap() {
            let sink = campaign(&scenario, &scenario.drawn(5), scenario.boots.min(30), 5, &library).unwrap();
            for depth in [Depth::Live, Depth::Verdict] {
                let findings = sink.ledger().snapshot(depth, RunState::Finished, None).findings;
                found.extend(findings.into_iter().map(|finding| (scenario.name.clone(), finding)));
            }
        }
    }
    found
}

#[test]
fn every_finding_has_effect_interval_n_method_and_cycles() {
    let found = found(&["quick.toml", "modelled.toml", "swd.toml"]);
    let kinds: BTreeSet<&str> = found.iter().map(|(_, finding)| finding.id.as_str()).collect();
    assert!(kinds.len() > 40, "{kinds:?}");
    let lacking: BTreeSet<String> = found
        .iter()
        .filter_map(|(_, finding)| Some(format!("{}: {} ({:?})", finding.id, missing(finding)?, finding.effect)))
        .collect();
    assert!(lacking.is_empty(), "{lacking:#?}");
}
