//! Campaigns on virtual boards, from the command line to the verdict, the case and the exit code.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::program::flakescope;

/// Exit code and verdict of a headless run.
fn run(case: &Path, board: &str, more: &[&str]) -> (i32, Value) {
    let output = flakescope()
        .args(["run", "--virtual", board, "--headless", "--format", "json", "--case"])
        .arg(case)
        .args(more)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let verdict = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    (output.status.code().unwrap(), verdict)
}

fn diagnose(case: &Path) -> (i32, Value) {
    let output = flakescope().args(["diagnose", "--format", "json"]).arg(case).output().unwrap();
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap())
}

fn families(verdict: &Value) -> Vec<&str> {
    verdict["causes"].as_array().unwrap().iter().map(|cause| cause["family"].as_str().unwrap()).collect()
}

/// Everything but when it was done.
fn timeless(mut verdict: Value) -> Value {
    verdict["source"] = Value::Null;
    verdict
}

#[test]
fn a_healthy_board_is_clean_with_an_upper_bound_per_boot() {
    let folder = tempfile::tempdir().unwrap();
    let (code, verdict) = run(&folder.path().join("a.case"), "healthy-f407", &["--boots", "40"]);
    assert_eq!((code, verdict["verdict"].as_str()), (0, Some("clean")));
    let campaign = &verdict["campaign"];
    assert_eq!((campaign["unit"].as_str(), campaign["failed_boots"].as_u64()), (Some("boot"), Some(0)));
    let bound = campaign["interval"][1].as_f64().unwrap();
    assert!(bound > 0.05 && bound < 0.2, "zero failures in 40 boots do not prove more than {bound}");
}

#[test]
fn a_board_whose_oscillator_is_off_has_a_clock_cause_and_no_bad_cable() {
    let folder = tempfile::tempdir().unwrap();
    let (code, verdict) = run(&folder.path().join("a.case"), "f746-25mhz-warm-hsi", &["--boots", "40"]);
    assert_eq!(code, 1);
    assert_eq!(families(&verdict)[0], "hse-mismatch");
}

#[test]
fn a_board_with_a_noisy_pair_has_a_bad_line_and_no_clock_cause() {
    let folder = tempfile::tempdir().unwrap();
    let (code, verdict) = run(&folder.path().join("a.case"), "f407-noisy-pair", &["--boots", "40"]);
    assert_eq!(code, 1);
    let families = families(&verdict);
    assert_eq!(families[0], "usb-signal-integrity");
    assert!(!families[..2].iter().any(|family| family.starts_with("hse")), "{families:?}");
}

#[test]
fn the_same_seed_gives_the_same_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let more = ["--boots", "12", "--seed", "11", "--vary", "transfer-size=2048,512"];
    let (_, one) = run(&folder.path().join("a.case"), "f407-noisy-pair", &more);
    let (_, other) = run(&folder.path().join("b.case"), "f407-noisy-pair", &more);
    assert_eq!(timeless(one), timeless(other));
}

#[test]
fn a_case_gives_the_verdict_again_and_is_continued() {
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("a.case");
    let (code, first) = run(&case, "f411-open-pa10", &["--boots", "10", "--cycles", "2"]);
    assert_eq!(diagnose(&case), (code, first));
    let (_, second) = run(&case, "f411-open-pa10", &["--boots", "5", "--cycles", "2", "--seed", "2"]);
    assert_eq!(second["campaign"]["boots"], 15);
    assert_eq!(second["campaign"]["cycles"], 30);
}

#[test]
fn without_reentry_the_run_says_that_clock_causes_cannot_be_tested() {
    let folder = tempfile::tempdir().unwrap();
    let output = flakescope()
        .args(["run", "--virtual", "healthy-f407", "--headless", "--reenter", "none", "--case"])
        .arg(folder.path().join("a.case"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("One boot only") && text.contains("cannot be tested in this run"), "{text}");
}

#[test]
fn a_demand_that_was_not_met_has_its_own_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _) = run(&folder.path().join("a.case"), "healthy-f407", &["--boots", "20", "--strict", "0.01"]);
    assert_eq!(code, 5);
    let (code, _) = run(&folder.path().join("b.case"), "healthy-f407", &["--boots", "20", "--strict", "0.5"]);
    assert_eq!(code, 0);
    let (code, _) = run(&folder.path().join("c.case"), "healthy-f407", &["--boots", "5", "--until-decided"]);
    assert_eq!(code, 5);
}

#[test]
fn with_nothing_attached_the_run_names_a_virtual_board() {
    let output = flakescope().args(["run", "--headless", "--board", "NO-SUCH-SERIAL"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("--virtual"), "{text}");
}

#[test]
#[cfg(unix)]
fn a_case_is_read_while_it_is_written_and_a_kill_loses_no_finished_cycle() {
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("a.case");
    let mut campaign = flakescope()
        .args(["run", "--virtual", "healthy-f407", "--headless", "--quiet", "--boots", "1000000", "--case"])
        .arg(&case)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    // The write-ahead log grows with every cycle.
    while fs::metadata(folder.path().join("a.case-wal")).map_or(0, |log| log.len()) < 200_000 {
        assert!(begun.elapsed() < Duration::from_secs(60), "the campaign does not write its case");
        thread::sleep(Duration::from_millis(20));
    }
    let (code, verdict) = diagnose(&case);
    let meanwhile = verdict["campaign"]["cycles"].as_u64().unwrap();
    assert!(code == 0 && meanwhile > 0, "{verdict}");
    let second = flakescope().args(["run", "--virtual", "healthy-f407", "--headless", "--case"]).arg(&case).output();
    let refused = String::from_utf8(second.unwrap().stderr).unwrap();
    assert!(refused.contains("is being written by another flakescope"), "{refused}");
    campaign.kill().unwrap();
    campaign.wait().unwrap();
    let (code, verdict) = diagnose(&case);
    let cycles = verdict["campaign"]["cycles"].as_u64().unwrap();
    assert!(code == 0 && cycles >= meanwhile, "{verdict}");
    let (_, continued) = run(&case, "healthy-f407", &["--boots", "1", "--cycles", "3"]);
    assert_eq!(continued["campaign"]["cycles"].as_u64(), Some(cycles + 3));
}

#[test]
#[cfg(unix)]
fn an_interrupt_ends_the_campaign_with_a_complete_case() {
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("a.case");
    let campaign = flakescope()
        .args(["run", "--virtual", "healthy-f407", "--headless", "--quiet", "--boots", "1000000", "--case"])
        .arg(&case)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while !case.exists() && begun.elapsed() < Duration::from_secs(60) {
        thread::sleep(Duration::from_millis(20));
    }
    thread::sleep(Duration::from_millis(300));
    let asked = Command::new("kill").args(["-INT", &campaign.id().to_string()]).status().unwrap();
    assert!(asked.success());
    let output = campaign.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(String::from_utf8(output.stdout).unwrap().contains("nterrupted"));
    assert_eq!(diagnose(&case).0, 0);
}
