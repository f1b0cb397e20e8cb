//! Virtual campaigns whose truth is known: the right family has to lead, and healthy boards have to stay clean.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::path::Path;
use std::sync::Arc;

use flakescope::diagnosis::conclusion::Library;
use flakescope::diagnosis::verdict::VerdictKind;
use flakescope::investigation::evaluation::{self, Trial};
use flakescope::investigation::scenario::{self, Scenario};

fn trials(name: &str, draws: u32) -> Vec<Trial> {
    trials_of("quick.toml", name, draws)
}

fn trials_of(file: &str, name: &str, draws: u32) -> Vec<Trial> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/evaluation").join(file);
    let scenarios: Vec<Scenario> =
        scenario::read(&file).unwrap().into_iter().filter(|scenario| scenario.name == name).collect();
    assert_eq!(scenarios.len(), 1, "{name}");
    let library = Arc::new(Library::load().unwrap());
    evaluation::evaluate(&scenarios, draws, 11, &library).unwrap()
}

fn share_of(trial: &Trial, family: &str) -> f64 {
    trial.families.iter().find(|(name, _)| name == family).map_or(0.0, |(_, share)| *share)
}

/// The campaigns with enough failures, of which there must be one.
fn scored(trials: &[Trial]) -> Vec<&Trial> {
    let scored: Vec<_> = trials.iter().filter(|trial| trial.is_scored()).collect();
    assert!(!scored.is_empty(), "no campaign with enough failures");
    scored
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
        for trial in scored(&trials(name, 4)) {
            assert_eq!(trial.families[0].0, "usb-signal-integrity", "{:?}", trial.families);
            assert!(share_of(trial, "hse-mismatch") + share_of(trial, "hse-no-start") < 0.05, "{:?}", trial.families);
        }
    }
}

/// With a debug probe beside the board: what it saw of the ROM settles the argument, one way and the other.
#[test]
fn a_misread_crystal_that_was_witnessed_is_nearly_sure() {
    // About six in ten draws of the board fail often enough to be judged.
    let trials = trials_of("witness.toml", "witness-f746-25mhz-warm-hsi", 24);
    let scored = scored(&trials);
    assert!(scored.len() >= 8, "{}", scored.len());
    for trial in scored {
        assert!(share_of(trial, "hse-mismatch") > 0.95, "{:?} {:?}", trial.families, trial.findings);
        let found = |id: &str| trial.findings.iter().any(|(known, ..)| known == id);
        assert!(found("crystal-misread-witnessed") && found("misread-at-every-failure"), "{:?}", trial.findings);
        assert!(!found("core-clock-drifts") && !found("core-clock-same-at-failures"), "{:?}", trial.findings);
    }
}

#[test]
fn a_crystal_that_was_witnessed_to_be_read_right_is_not_accused() {
    for trial in scored(&trials_of("witness.toml", "witness-f746-25mhz-noisy-pair", 4)) {
        assert_eq!(trial.families[0].0, "usb-signal-integrity", "{:?}", trial.families);
        assert!(share_of(trial, "hse-mismatch") < 0.01, "{:?}", trial.families);
    }
}

/// The probe sees which interface the ROM serves, so that a silent port is not put down to its boot pins, and the other way round.
#[test]
fn an_interface_that_was_seen_to_win_is_not_a_boot_pin() {
    for (name, right, wrong) in [
        ("witness-open-receive-pin", "bootloader-interface-conflict", "boot-strap"),
        ("witness-open-boot-pin-silent-port", "boot-strap", "bootloader-interface-conflict"),
    ] {
        let trials = trials_of("witness.toml", name, 4);
        for trial in scored(&trials) {
            assert_eq!(trial.families[0].0, right, "{name}: {:?}", trial.families);
            assert!(share_of(trial, wrong) < 0.02, "{name}: {:?}", trial.families);
        }
    }
}

/// The wire of a probe holds a pin that floats without it: the boots with it are the comparison.
#[test]
fn a_probe_that_is_varied_tells_an_open_nrst() {
    for trial in scored(&trials_of("modelled.toml", "open-nrst-probe-on-and-off", 4)) {
        assert!(trial.families.iter().take(3).any(|(family, _)| family == "nrst-wiring"), "{:?}", trial.families);
    }
}

/// Reset flags that were cleared at the beginning of the boot tell what reset the part.
fn is_witnessed(name: &str, finding: &str) {
    let trials = trials_of("witness.toml", name, 3);
    for trial in scored(&trials) {
        assert!(trial.findings.iter().any(|(id, ..)| id == finding), "{name}: {:?}", trial.findings);
        assert!(trial.is_among(1), "{name}: {:?} {:?}", trial.families, trial.findings);
    }
}

#[test]
fn reset_flags_that_were_cleared_before_name_what_reset_the_part() {
    is_witnessed("witness-dip-brown-out", "brown-out-witnessed");
    // The flag says that the part's own rail gave way. A dip of the port may be behind it and has to pass the regulator first.
    for trial in scored(&trials_of("witness.toml", "witness-dip-brown-out", 3)) {
        assert_eq!(trial.families[0].0, "supply-droop", "{:?}", trial.families);
        assert!(trial.families.iter().take(4).any(|(family, _)| family == "usb-power"), "{:?}", trial.families);
    }
    is_witnessed("witness-loader-watchdog", "watchdog-witnessed");
}

#[test]
fn a_pulse_on_nrst_is_told_as_such() {
    is_witnessed("witness-nrst-pulses", "pin-reset-witnessed");
    for trial in scored(&trials_of("witness.toml", "witness-nrst-pulses", 3)) {
        let found = |id: &str| trial.findings.iter().any(|(known, ..)| known == id);
        assert!(!found("brown-out-witnessed") && !found("watchdog-witnessed"), "{:?}", trial.findings);
    }
}

#[test]
fn a_missing_brown_out_flag_does_not_clear_the_supply() {
    let trials = trials_of("witness.toml", "witness-dip-without-brown-out", 24);
    let scored: Vec<_> = trials.iter().filter(|trial| trial.is_scored()).collect();
    assert!(scored.len() >= 8, "{}", scored.len());
    for trial in scored {
        assert!(trial.findings.iter().all(|(id, ..)| id != "brown-out-witnessed"), "{:?}", trial.findings);
        let mut causes = trial.families.iter().filter(|(family, _)| family != "unknown").take(3);
        assert!(causes.any(|(family, _)| family == "supply-droop"), "{:?} {:?}", trial.families, trial.findings);
    }
}

/// Each scored trial has the finding, and an expected family leads.
fn is_found_by(name: &str, finding: &str) {
    let trials = trials_of("blind-3.toml", name, 3);
    for trial in scored(&trials) {
        assert!(trial.findings.iter().any(|(id, ..)| id == finding), "{name}: {:?}", trial.findings);
        assert!(trial.is_among(1), "{name}: {:?}", trial.families);
    }
}

#[test]
fn what_a_probe_meets_at_a_silent_port_tells_its_reset_line_and_its_supply() {
    is_found_by("blind3-g474-witnessed-supervisor-that-hangs", "held-in-reset-witnessed");
    is_found_by("blind3-l496-witnessed-flat-battery", "low-rail-witnessed");
}

#[test]
fn a_loader_with_its_own_memories_is_no_rom_and_an_empty_identity_is_no_genuine_part() {
    is_found_by("blind3-f411-loader-of-the-maker", "layout-of-another-loader");
    is_found_by("blind3-f407-fleet-of-clones", "unique-id-blank");
}

/// It answers in some boots and shows a real voltage in others, so its sense pin is connected.
#[test]
fn a_cell_that_is_nearly_empty_is_no_open_sense_pin() {
    for trial in scored(&trials_of("blind-2.toml", "blind2-swd-l433-tired-cell", 3)) {
        assert!(trial.is_among(1), "{:?}", trial.families);
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

/// Over SWD: in every campaign with enough failures one of the expected families leads.
fn is_found_over_swd(names: &[&str]) {
    for name in names {
        let trials = trials_of("swd.toml", name, 4);
        for trial in scored(&trials) {
            assert!(trial.is_among(1), "{name}: {:?} {:?}", trial.families, trial.findings);
        }
    }
}

#[test]
fn wires_and_speed_are_found_over_swd() {
    is_found_over_swd(&["swd-long-wires", "swd-slow-edge"]);
}

#[test]
fn what_the_application_does_to_its_debug_port_is_found_over_swd() {
    is_found_over_swd(&["swd-sleeping", "swd-pins-taken", "swd-reset-loop"]);
}

#[test]
fn reset_line_supply_and_probe_are_found_over_swd() {
    is_found_over_swd(&["swd-held-in-reset", "swd-unpowered", "swd-probe-drops"]);
}

#[test]
fn a_healthy_target_is_clean_over_swd() {
    for trial in trials_of("swd.toml", "swd-healthy", 4) {
        assert_eq!((trial.kind, trial.failed_boots), (VerdictKind::Clean, 0));
    }
}

/// The same word faults in every boot, and was read well in the cycles before and after: a timer that begins with the boot meets it.
#[test]
fn a_word_that_was_read_well_before_and_after_is_not_damaged() {
    let trials = trials_of("blind-10.toml", "blind10-l552-swd-long-leash", 9);
    // The recipe meets the time-out in some draws only.
    let at_one_point = |trial: &&Trial| trial.findings.iter().any(|(id, ..)| id == "fails-at-same-point");
    let met: Vec<_> = trials.iter().filter(at_one_point).collect();
    assert!(!met.is_empty(), "no campaign whose recipe meets the time-out");
    for trial in met {
        assert!(share_of(trial, "flash-ecc") < 0.2, "{:?} {:?}", trial.families, trial.findings);
        assert!(share_of(trial, "watchdog-reset") > share_of(trial, "flash-ecc"), "{:?}", trial.families);
    }
}

/// The port is silent, and the probe meets a part that is reset again and again: no strap does that.
#[test]
fn a_part_that_was_seen_to_reset_again_and_again_is_not_put_down_to_its_boot_pins() {
    for trial in trials_of("blind-10.toml", "blind10-h725-witnessed-protected-and-plugged", 2) {
        assert!(trial.findings.iter().any(|(id, ..)| id == "resets-witnessed"), "{:?}", trial.findings);
        assert!(share_of(&trial, "boot-strap") < 0.05, "{:?}", trial.families);
    }
}
