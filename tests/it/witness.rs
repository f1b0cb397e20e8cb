//! A DFU campaign with a debug probe beside the board: what the probe saw decides, and the same failures without it do not.

use std::path::Path;
use std::sync::Arc;

use flakescope::case::file::Case;
use flakescope::diagnosis::conclusion::Library;
use flakescope::diagnosis::knowledge::Knowledge;
use flakescope::diagnosis::verdict::Verdict;
use flakescope::investigation::ledger::{Depth, Ledger};
use flakescope::observation::boot::{BootKind, BootProof};
use flakescope::observation::event::{Event, EventKind};
use flakescope::observation::fact::{Fact, FactValue};

use crate::program::{answer, flakescope};

/// An F746 at 25 MHz whose ROM takes 24 in most boots, with a probe beside it.
fn witnessed_case(folder: &Path) -> Vec<Event> {
    let case = folder.join("board.flakescope");
    let path = case.to_str().unwrap();
    let arguments = ["--link", "witnessed", "--boots", "20", "--cycles", "2", "--seed", "3", "--headless"];
    let mut run = vec!["run", "--virtual", "f746-25mhz-warm-hsi", "--case", path];
    run.extend(arguments);
    let answer = answer(flakescope().args(&run));
    assert_eq!(answer.code, Some(1), "{}", answer.err);
    let mut events = Vec::new();
    Case::open(&case).unwrap().for_each(|event| events.push(event)).unwrap();
    events
}

/// The verdict on the events, each fact changed as `change` says; one that becomes nothing was never noted.
fn verdict(events: &[Event], change: impl Fn(&Fact) -> Option<Fact>) -> Verdict {
    let mut ledger = Ledger::new(Arc::new(Library::load().unwrap()));
    for event in events {
        let kind = match &event.kind {
            EventKind::FactNoted(fact) => change(fact).map(EventKind::FactNoted),
            other => Some(other.clone()),
        };
        if let Some(kind) = kind {
            ledger.absorb(&Event { kind, ..event.clone() });
        }
    }
    ledger.verdict(Depth::Verdict)
}

fn share(verdict: &Verdict, family: &str) -> f64 {
    verdict.causes.iter().filter(|cause| cause.family == family).map(|cause| cause.probability).sum()
}

fn shares(verdict: &Verdict) -> Vec<(&str, f64)> {
    verdict.causes.iter().map(|cause| (cause.id.as_str(), cause.probability)).collect()
}

fn is_of_the_witness(fact: &Fact) -> bool {
    ["crystal-believed", "crystal-measured", "crystal-misread-witnessed", "crystal-right-witnessed", "clock-look"]
        .contains(&fact.key.as_str())
}

/// The strap keeps the ROM from running at every power-on; the probe sends the board there all the same, and such boots are
/// told apart from cold ones.
#[test]
fn a_probe_brings_a_board_into_its_rom_that_its_strap_keeps_out() {
    let folder = tempfile::tempdir().unwrap();
    let board = folder.path().join("strapped.toml");
    let text = "text = \"BOOT0 is low\"\npart = \"STM32F407VGT6\"\nrom = \"f40x-v9\"\ncrystal-mhz = 8.0\n\
                [mechanism.straps]\nboot0-mv = 0.0\nnoise-mv = 0.0\nthreshold-mv = 1650.0\n";
    std::fs::write(&board, text).unwrap();
    let run = ["run", "--headless", "--virtual", board.to_str().unwrap(), "--boots", "4", "--cycles", "1"];
    let cold = answer(flakescope().args(run).args(["--case", folder.path().join("cold.case").to_str().unwrap()]));
    assert_eq!(cold.code, Some(1), "{cold:?}");
    let case = folder.path().join("sent.case");
    let sent = ["--link", "witnessed", "--reenter", "swd", "--case", case.to_str().unwrap()];
    let sent = answer(flakescope().args(run).args(sent));
    assert_eq!(sent.code, Some(0), "{sent:?}");
    let mut kinds = Vec::new();
    let mut keep = |event: Event| {
        if let EventKind::BootStarted(boot) = event.kind {
            kinds.push((boot.kind, boot.proof));
        }
    };
    Case::open(&case).unwrap().for_each(&mut keep).unwrap();
    assert_eq!(kinds, vec![(BootKind::SoftwareJump, BootProof::Commanded); 4]);
    let without = answer(flakescope().args(run).args(["--reenter", "swd"]));
    without.refused(2, &["--link witnessed"]);
}

#[test]
fn the_same_failures_are_judged_by_what_the_probe_saw() {
    let folder = tempfile::tempdir().unwrap();
    let events = witnessed_case(folder.path());
    let noted = |key: &str| {
        let of_event = |event: &Event| match &event.kind {
            EventKind::FactNoted(fact) if fact.key == key => Some(fact.clone()),
            _ => None,
        };
        events.iter().find_map(of_event).unwrap_or_else(|| panic!("no {key}"))
    };
    assert_eq!(noted("crystal-believed").value, FactValue::FrequencyMhz(24.0));
    let FactValue::FrequencyMhz(measured) = noted("crystal-measured").value else { panic!() };
    assert!((measured - 25.0).abs() < 0.05, "{measured}");
    let quote = noted("crystal-misread-witnessed").quote.unwrap();
    assert!(quote.raw().contains("believed 24.0 MHz, measured 2"), "{}", quote.raw());
    assert!(quote.raw().contains("HSE ready, PLL locked and fed by HSE"), "{}", quote.raw());

    let seen = verdict(&events, |fact| Some(fact.clone()));
    assert!(share(&seen, "hse-mismatch") > 0.95, "{:?}", shares(&seen));

    let right = |fact: &Fact| match fact.key.as_str() {
        "crystal-misread-witnessed" => Some(Fact { key: "crystal-right-witnessed".to_owned(), ..fact.clone() }),
        "crystal-believed" => Some(Fact { value: FactValue::FrequencyMhz(25.0), ..fact.clone() }),
        "clock-look" => {
            let FactValue::Text(look) = &fact.value else { panic!("{fact:?}") };
            let look = look.raw().replace("believed 24.000", "believed 25.000");
            Some(Fact { value: FactValue::Text(look.as_str().into()), ..fact.clone() })
        }
        _ => Some(fact.clone()),
    };
    let cleared = verdict(&events, right);
    // From about 0.9 down to where it neither leads nor comes second.
    assert!(share(&cleared, "hse-mismatch") < 0.1, "{:?}", shares(&cleared));
    assert!(cleared.causes.iter().take(2).all(|cause| cause.family != "hse-mismatch"), "{:?}", shares(&cleared));
    // A crystal that runs at the moment of the look may have stopped before: the look says little against a fault of it.
    let knowledge = Knowledge::built_in().unwrap();
    let number = knowledge.catalogue.entry("crystal-right-witnessed").unwrap().number;
    let against_a_fault = knowledge.cause("crystal-fault").unwrap().stance(number).unwrap().shift;
    assert!((-1.0..0.0).contains(&against_a_fault), "{against_a_fault}");

    let alone = verdict(&events, |fact| (!is_of_the_witness(fact)).then(|| fact.clone()));
    assert!(share(&alone, "hse-mismatch") < share(&seen, "hse-mismatch"), "{:?}", shares(&alone));
    assert!(alone.causes.iter().all(|cause| cause.probability <= 0.9), "{:?}", shares(&alone));
    assert!(alone.next.iter().any(|next| next.experiment == "believed-crystal"), "{:?}", alone.next);
}

fn measured(board: &str, more: &[&str]) -> (Option<i32>, serde_json::Value) {
    let mut arguments = vec!["clock", "--measure", "--virtual", board, "--format", "json"];
    arguments.extend(more);
    let answer = answer(flakescope().args(&arguments));
    let json = serde_json::from_str(&answer.out).unwrap_or_else(|error| panic!("{error}: {answer:?}"));
    (answer.code, json)
}

#[test]
fn the_clock_of_an_attached_board_is_measured_with_its_uncertainty() {
    let (code, sheet) = measured("healthy-f407", &["--repeat", "3", "--seconds", "4"]);
    assert_eq!(code, Some(0), "{sheet}");
    let readings = sheet["measurements"].as_array().unwrap();
    assert_eq!(readings.len(), 3);
    for reading in readings {
        let (core, ppm) = (reading["core_mhz"].as_f64().unwrap(), reading["uncertainty_ppm"].as_f64().unwrap());
        assert!((core / 60.0 - 1.0).abs() * 1e6 <= ppm && ppm < 1_000.0, "{reading}");
        assert_eq!(reading["believed_crystal_mhz"], 8.0, "{reading}");
    }
    assert!(sheet["drift_ppm"].as_f64().unwrap().abs() <= sheet["drift_uncertainty_ppm"].as_f64().unwrap(), "{sheet}");
}

#[test]
fn a_board_that_cannot_be_measured_says_why_and_gives_no_number() {
    for (board, why) in [("swd-unpowered-f407", "low-voltage"), ("swd-sleeping-l476", "")] {
        let (code, sheet) = measured(board, &[]);
        let reading = &sheet["measurements"][0];
        assert!(reading["core_mhz"].is_null() && code == Some(5), "{code:?} {sheet}");
        assert!(reading["refused"].as_str().unwrap().contains(why), "{sheet}");
    }
}

#[test]
fn measuring_and_calculating_exclude_each_other() {
    answer(flakescope().args(["clock", "--measure", "--part", "STM32F407", "--hse", "8MHz"]))
        .refused(2, &["--measure"]);
    answer(flakescope().args(["clock", "--probe", "1-4"])).refused(2, &["--measure"]);
}

#[test]
fn clearing_reset_flags_needs_a_probe_beside_the_board() {
    let run = ["run", "--virtual", "healthy-f407", "--headless", "--clear-reset-flags", "--boots", "1"];
    answer(flakescope().args(run)).refused(2, &["--link witnessed"]);
}
