//! Triage of whole reports: the figures on reports written for this test, and on the field reports where they lie beside the project.

use std::path::Path;

use assert_cmd::Command;
use flakescope::diagnosis::verdict::VerdictKind;
use flakescope::investigation::score::{self, Figures, Scored};
use flakescope::investigation::triage::Triage;

use crate::verdict_schema::assert_follows_schema;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn misses(scored: &[Scored]) -> String {
    let missed = scored.iter().filter(|one| !one.first).map(|one| {
        let told: Vec<_> = one.families.iter().take(3).map(|(family, p)| format!("{family} {p:.2}")).collect();
        format!("{}: {} expected, {} told", one.name, one.confirmed, told.join(", "))
    });
    missed.collect::<Vec<_>>().join("\n")
}

#[test]
fn reports_written_afresh_are_answered() {
    let triage = Triage::load().unwrap();
    let scored = score::score(&triage, &root().join("tests/fixtures/reports")).unwrap();
    let figures = Figures::of(&scored);
    assert!(scored.len() >= 40);
    assert!(figures.first.value() >= 0.85, "{}", misses(&scored));
    assert!(figures.among_three.value() >= 0.95, "{}", misses(&scored));
    assert_eq!(figures.negatives_clean.value(), 1.0, "{}", misses(&scored));
    assert!(figures.confidently_wrong.value() <= 0.03, "{}", misses(&scored));
}

/// A development set: where it is missing there is nothing to hold the figures to.
#[test]
fn field_reports_are_answered_as_well_as_before() {
    let corpus = root().join("../shared/corpus");
    if !corpus.is_dir() {
        return;
    }
    let triage = Triage::load().unwrap();
    let scored = score::score(&triage, &corpus).unwrap();
    let figures = Figures::of(&scored);
    assert!(figures.first.value() >= 0.75, "{}", misses(&scored));
    assert!(figures.among_three.value() >= 0.9, "{}", misses(&scored));
    assert_eq!(figures.negatives_clean.value(), 1.0, "{}", misses(&scored));
    assert!(figures.confidently_wrong.value() <= 0.03, "{}", misses(&scored));
}

#[test]
fn a_line_of_json_per_report_follows_the_schema() {
    let output = Command::cargo_bin("flakescope")
        .unwrap()
        .args(["triage", "--format", "json"])
        .arg(root().join("tests/fixtures/reports"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().count() >= 40);
    for line in text.lines() {
        assert_follows_schema(&serde_json::from_str(line).unwrap());
    }
}

#[test]
fn what_is_no_report_is_inconclusive_and_never_a_panic() {
    let triage = Triage::load().unwrap();
    let mut one_line = vec![b'x'; 3_000_000];
    one_line.extend_from_slice(b" error");
    let garbage: Vec<u8> = (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for bytes in [&b""[..], &one_line, &garbage, b"\xff\xfe\x00", "nothing to see here\n".repeat(1000).as_bytes()] {
        let triaged = triage.report("x", &mut &bytes[..]).unwrap();
        assert_eq!(triaged.verdict.verdict, VerdictKind::Inconclusive);
    }
}

#[test]
fn the_text_says_first_the_answer_then_why_then_what_to_do_then_what_to_ask() {
    let report = root().join("tests/fixtures/reports/no-reference-wire/report.txt");
    let output = Command::cargo_bin("flakescope").unwrap().arg("triage").arg(report).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("FAULT"), "{text}");
    let places: Vec<_> = ["WHY", "WHAT TO DO", "WHAT TO ASK"].iter().map(|title| text.find(title)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{text}");
    assert!(text.contains("lines 3-4"), "{text}");
}

#[test]
fn a_path_that_is_not_there_is_told_and_the_others_are_read() {
    let good = root().join("tests/fixtures/reports/good-openocd/report.txt");
    let output = Command::cargo_bin("flakescope").unwrap().arg("triage").arg("nowhere.txt").arg(good).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8(output.stderr).unwrap().contains("nowhere.txt"));
    assert!(String::from_utf8(output.stdout).unwrap().contains("CLEAN"));
}
