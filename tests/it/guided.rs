//! Campaigns that are led, watched and held: `run --guided`, `--sensor`, `--on-failure`, `--hold-on-failure`, `--reenter hub`.

use std::path::Path;

use flakescope::case::file::Case;
use flakescope::observation::boot::BootProof;
use flakescope::observation::cycle::Cycle;
use flakescope::observation::event::EventKind;
use flakescope::observation::fact::{Fact, FactValue};
use flakescope::observation::step::{Outcome, Phase};

use super::program::{Answer, answer, flakescope};

fn run(case: &Path, board: &str, more: &[&str]) -> Answer {
    let mut command = flakescope();
    command.args(["run", "--virtual", board, "--headless", "--seed", "7", "--case"]).arg(case).args(more);
    answer(command.env("PATH", std::env::var_os("PATH").unwrap_or_default()))
}

fn events(case: &Path) -> Vec<EventKind> {
    let mut events = Vec::new();
    Case::open(case).unwrap().for_each(|event| events.push(event.kind)).unwrap();
    events
}

fn cycles(events: &[EventKind]) -> impl Iterator<Item = &Cycle> {
    events.iter().filter_map(|kind| if let EventKind::CycleFinished(cycle) = kind { Some(cycle) } else { None })
}

fn facts(events: &[EventKind]) -> impl Iterator<Item = &Fact> {
    events.iter().filter_map(|kind| if let EventKind::FactNoted(fact) = kind { Some(fact) } else { None })
}

fn notes(events: &[EventKind]) -> Vec<String> {
    let note = |kind: &EventKind| if let EventKind::Note(text) = kind { Some(text.for_terminal()) } else { None };
    events.iter().filter_map(note).collect()
}

/// Bits flip on the pair of the board, or in its cable.
fn board(folder: &Path, place: &str) -> String {
    let text = format!(
        "text = \"Bits flip on the pair.\"\npart = \"STM32F407VGT6\"\nrom = \"f40x-v9\"\ncrystal-mhz = 8.0\n\
         [mechanism.bit-errors]\nto-host-per-bit = 1e-4\nto-device-per-bit = 5e-5\nfactor-per-run-bit = 1.2\n\
         [place]\nbit-errors = \"{place}\"\n"
    );
    let path = folder.join(format!("{place}.toml"));
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn a_guided_campaign_finds_out_whether_it_is_the_cable_and_says_how() {
    let folder = tempfile::tempdir().unwrap();
    for (place, cause, other_board_works) in [("board", "usb-pair-on-board", true), ("cable", "usb-cable", false)] {
        let case = folder.path().join(format!("{place}.case"));
        let said = run(&case, &board(folder.path(), place), &["--guided", "--format", "json"]);
        assert_eq!(said.code, Some(1), "{said:?}");
        let verdict: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!(verdict["causes"][0]["id"], cause, "{verdict:#}");
        assert_eq!(verdict["decided"], true);
        let events = events(&case);
        let outcome = |name: &str| {
            facts(&events).find(|fact| fact.key == format!("experiment-{name}")).map(|fact| fact.value.clone())
        };
        let Some(FactValue::Number(works)) = outcome("golden-board") else {
            panic!("{place}: no other board was tried")
        };
        assert!(if other_board_works { works > 0.9 } else { works < 0.1 }, "{place}: {works}");
        let done = notes(&events);
        assert!(done.iter().any(|note| note.starts_with("guided: the bench did `")), "{done:?}");
        assert!(done.iter().any(|note| note == "guided: one cause has passed the threshold"), "{done:?}");
        let changed = cycles(&events).filter(|cycle| cycle.levels.contains_key("experiment")).count() as u64;
        let counted = verdict["campaign"]["cycles"].as_u64().unwrap();
        assert!(changed > 0 && counted + changed == cycles(&events).count() as u64, "changed cycles are kept apart");
    }
}

#[test]
fn the_board_as_found_is_compared_with_itself_under_an_experiment() {
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("a.case");
    run(&case, &board(folder.path(), "board"), &["--guided"]);
    let changed = format!("{}@experiment=golden-board", case.display());
    let said = answer(flakescope().arg("compare").arg(&case).arg(changed));
    assert_eq!((said.code, said.out.contains("percentage points")), (Some(0), true), "{said:?}");
    assert!(said.out.contains("golden-board failed in 0 of"), "{said:?}");
    let part = format!("{}@boots=1-3", case.display());
    let itself = answer(flakescope().arg("compare").arg(&case).arg(part));
    itself.refused(2, &["both sides hold", "narrow one of them"]);
}

#[test]
fn a_part_of_a_case_that_holds_nothing_is_told_with_what_the_case_has() {
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("a.case");
    let vary = ["--link", "swd", "--vary", "speed=480kHz,4MHz", "--boots", "2", "--cycles", "2"];
    run(&case, "swd-healthy-f407", &vary);
    let side = |filter: &str| format!("{}{filter}", case.display());
    let compare = |a: &str, b: &str| answer(flakescope().arg("compare").args([side(a), side(b)]));
    assert_eq!(compare("@speed=480kHz", "@speed=4000 kHz").code, Some(0));
    let all = "the case has: probe (attached); speed (480 kHz, 4000 kHz); boots 1-2";
    compare("@speed=480kHz", "@speed=8MHz").refused(4, &["no finished cycle", "@speed=8MHz", all]);
    compare("@speed=480kHz", "@sped=4MHz").refused(4, &["no cycle of", "`sped`; did you mean `speed`?", all]);
    compare("@boots=1-1", "@boots=3-9").refused(4, &["@boots=3-9 lies beyond the boots", all]);
    compare("@boots=1-1", "@boots=2-1").refused(2, &["runs backwards; write 1-2"]);
    let other = folder.path().join("..").join(folder.path().file_name().unwrap()).join("a.case");
    answer(flakescope().arg("compare").arg(&case).arg(other)).refused(2, &["both sides hold 4 cycles"]);
}

#[test]
fn what_a_guided_campaign_prints() {
    let folder = tempfile::tempdir().unwrap();
    let said = run(&folder.path().join("a.case"), "healthy-f407", &["--guided", "--boots", "10"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("0 of 10 boots failed"), "a healthy board is looked at and left alone: {said:?}");
}

#[test]
fn a_guided_campaign_has_no_more_boots_than_were_allowed() {
    let folder = tempfile::tempdir().unwrap();
    for most in [3, 12] {
        let case = folder.path().join(format!("{most}.case"));
        let said = run(&case, &board(folder.path(), "cable"), &["--guided", "--boots", &most.to_string()]);
        assert_eq!(said.code, Some(1), "{said:?}");
        let events = events(&case);
        let boots = events.iter().filter(|kind| matches!(kind, EventKind::BootStarted(_))).count();
        assert!(boots <= most, "{boots} boots instead of {most}");
    }
}

#[test]
fn nobody_to_ask_is_refused_before_anything_begins() {
    let guided = answer(flakescope().args(["run", "--guided", "--headless", "--port", "1-4.2"]));
    guided.refused(2, &["a guided campaign asks a person", "standard input is no terminal", "--until-decided"]);
    let asked = answer(flakescope().args(["run", "--guided", "--ask", "--headless", "--virtual", "healthy-f407"]));
    asked.refused(2, &["standard input is no terminal"]);
    let held = answer(flakescope().args(["run", "--hold-on-failure", "--headless", "--port", "1-4.2"]));
    held.refused(2, &["--hold-on-failure waits for a person", "--on-failure PROGRAM"]);
}

#[test]
fn a_sensor_is_read_before_every_cycle_and_one_that_fails_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("a.case");
    let sensors = ["--sensor", "air=echo 21.5 degC", "--sensor", "broken=exit 7", "--boots", "2", "--cycles", "2"];
    let said = run(&case, "healthy-f407", &sensors);
    assert_eq!(said.code, Some(0), "{said:?}");
    let events = events(&case);
    assert_eq!(cycles(&events).count(), 4);
    for cycle in cycles(&events) {
        let air = cycle.steps.iter().flat_map(|step| &step.facts).find(|fact| fact.key == "sensor-air").unwrap();
        assert_eq!(air.value, FactValue::Number(21.5));
    }
    assert_eq!(notes(&events).iter().filter(|note| note.contains("`exit 7` ended with")).count(), 4);
    assert!(said.out.contains("A sensor gave no value, 4 times: sensor `exit 7`"), "{}", said.out);
}

#[test]
fn what_cannot_be_run_is_refused_or_told_beside_the_verdict() {
    let folder = tempfile::tempdir().unwrap();
    for (wrong, why) in [
        (vec!["--sensor", "="], "expected a program"),
        (vec!["--sensor", "vdd=echo 3 V", "--sensor", "vdd=echo 4 V"], "two sensors are called `vdd`"),
        (vec!["--on-failure", " "], "expected a program"),
        (vec!["--strict", "-1"], "expected a share between 0 and 1"),
    ] {
        let said = run(&folder.path().join("wrong.case"), "healthy-f407", &wrong);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.contains(why), "{said:?}");
    }
    let hook = ["--boots", "1", "--cycles", "2", "--on-failure", "exit 9"];
    let said = run(&folder.path().join("a.case"), "f407-rdp1", &hook);
    let text = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("The program of --on-failure failed, 2 times: `exit 9` ended with"), "{text}");
}

#[test]
fn a_demand_that_was_not_met_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let strict = run(&folder.path().join("a.case"), "healthy-f407", &["--boots", "20", "--strict", "0.05"]);
    assert_eq!(strict.code, Some(5), "{strict:?}");
    assert!(strict.err.contains("--strict 0.05 was not reached: 0 of 20 boots failed"), "{strict:?}");
    let decided = run(&folder.path().join("b.case"), "healthy-f407", &["--boots", "3", "--until-decided"]);
    assert_eq!(decided.code, Some(5), "{decided:?}");
    assert!(decided.err.contains("--until-decided was not reached: nothing failed"), "{decided:?}");
}

#[test]
fn a_failure_starts_the_program_and_the_board_is_held_as_it_failed() {
    let folder = tempfile::tempdir().unwrap();
    let (case, told) = (folder.path().join("a.case"), folder.path().join("told"));
    let program =
        format!("echo $FLAKESCOPE_CLASS $FLAKESCOPE_PHASE $FLAKESCOPE_PORT $FLAKESCOPE_CYCLE >> {}", told.display());
    let more = ["--boots", "1", "--cycles", "2", "--hold-on-failure", "--on-failure", &program];
    let said = run(&case, "f407-rdp1", &more);
    assert_eq!(said.code, Some(1), "{said:?}");
    let told = std::fs::read_to_string(told).unwrap();
    assert_eq!(told, "protected read 1-1 1\nprotected read 1-1 2\n");
    let events = events(&case);
    for cycle in cycles(&events) {
        let after = cycle.steps.iter().skip_while(|step| step.phase != Phase::Read).skip(1);
        let touched: Vec<_> = after.filter(|step| step.outcome != Outcome::Skipped).map(|step| step.phase).collect();
        assert_eq!(touched, [Phase::Close], "nothing else is done to a board that is held");
    }
    assert!(notes(&events).iter().any(|note| note.starts_with("held as it failed in cycle 1: ")));
    assert!(facts(&events).any(|fact| fact.key == "vdd-minimum"), "the bench shows what it can measure");
    assert!(said.err.contains("held while the program of --on-failure runs"), "{said:?}");
    let alone =
        run(&folder.path().join("b.case"), "f407-rdp1", &["--boots", "1", "--cycles", "1", "--hold-on-failure"]);
    assert!(alone.err.contains("nobody is asked here, so a virtual board is held only while"), "{alone:?}");
}

#[test]
fn a_hub_makes_boots_that_a_sensor_proves() {
    let folder = tempfile::tempdir().unwrap();
    let proofs = |more: &[&str], name: &str| {
        let case = folder.path().join(name);
        let said = run(&case, "healthy-f407", &[&["--reenter", "hub", "--boots", "3", "--cycles", "1"], more].concat());
        assert_eq!(said.code, Some(0), "{said:?}");
        let proof = |kind: EventKind| if let EventKind::BootStarted(boot) = kind { Some(boot.proof) } else { None };
        events(&case).into_iter().filter_map(proof).collect::<Vec<_>>()
    };
    assert_eq!(proofs(&[], "a.case"), [BootProof::Inferred; 3]);
    // A shunt shows next to nothing with and without power.
    assert_eq!(proofs(&["--sensor", "shunt=echo 0.01 V"], "b.case"), [BootProof::Inferred; 3]);
    // Outside of cycles it is read in turn before and after the port was switched off.
    let off = folder.path().join("off");
    let turns = format!(
        "vdd=if [ $FLAKESCOPE_CYCLE != 0 ]; then echo 3.3 V; elif rm {0} 2>&-; then echo 0.01 V; else touch {0}; echo 3.3 V; fi",
        off.display()
    );
    assert_eq!(proofs(&["--sensor", &turns], "c.case"), [BootProof::Commanded; 3]);
}
