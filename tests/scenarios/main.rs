//! Virtual campaigns whose truth is known: the right family has to lead, and healthy boards have to stay clean.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::path::Path;
use std::sync::Arc;

use flakescope::diagnosis::conclusion::Library;
use flakescope::diagnosis::verdict::VerdictKind;
use flakescope::investigation::evaluation::{self, Trial};
use flakescope::investigation::scenario::{self, Scenario};

fn trials(name: &str, draws: u32) -> Vec<Trial> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/evaluation/quick.toml");
    let scenarios: Vec<Scenario> =
        scenario::read(&file).unwrap().into_iter().filter(|scenario| scenario.name == name).collect();
    assert_eq!(scenarios.len(), 1, "{name}");
    let library = Arc::new(Library::load().unwrap());
    evaluation::evaluate(&scenarios, draws, 11, &library).unwrap()
}

fn share_of(trial: &Trial, family: &str) -> f64 {
    trial.families.iter().find(|(name, _)| name == family).map_or(0.0, |(_, share)| *share)
}

/// In boards that fail in some boots and not in others.
fn each_prefers(name: &str, right: &str, wrong: &str) {
    let trials = trials(name, 6);
    let partly: Vec<_> = trials.iter().filter(|trial| trial.is_scored() && trial.failed_boots < trial.boots).collect();
    assert!(!partly.is_empty(), "{name}: no campaign with enough failures");
    for trial in partly {
        assert!(share_of(trial, right) > 2.0 * share_of(trial, wrong), "{name}: {:?}", trial.families);
        assert_eq!(trial.families[0].0, right, "{name}: {:?}", trial.families);
    }
}

#[test]
fn a_crystal_that_is_misread_is_a_clock_cause_and_not_the_cable() {
    each_prefers("f407-24mhz-slow-hsi", "hse-mismatch", "usb-signal-integrity");
    each_prefers("f746-25mhz-warm-hsi", "hse-mismatch", "usb-signal-integrity");
}

#[test]
fn a_noisy_pair_is_the_cable_or_the_pair_and_not_a_clock_cause() {
    for name in ["noisy-pair", "noisy-pair-f746-25mhz"] {
        for trial in trials(name, 4).iter().filter(|trial| trial.is_scored()) {
            assert_eq!(trial.families[0].0, "usb-signal-integrity", "{:?}", trial.families);
            assert!(share_of(trial, "hse-mismatch") + share_of(trial, "hse-no-start") < 0.05, "{:?}", trial.families);
        }
    }
}

#[test]
fn an_open_receive_pin_is_found() {
    each_prefers("open-receive-pin", "bootloader-interface-conflict", "hse-mismatch");
}

#[test]
fn healthy_boards_are_clean() {
    for name in ["healthy-f407-8mhz", "healthy-f746-25mhz"] {
        for trial in trials(name, 4) {
            assert_eq!((trial.kind, trial.failed_boots), (VerdictKind::Clean, 0), "{name}");
            assert!(trial.families.is_empty() && !trial.decided, "{name}: {:?}", trial.families);
        }
    }
}
