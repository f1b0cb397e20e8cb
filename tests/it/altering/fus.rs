//! The upgrade service of a WB55: the whole way, every way it fails, and the founding report phase by phase.

use serde_json::Value;

use super::bench::{Bench, causes, lines, states, verdict};
use crate::program::{Answer, answer, flakescope};

/// The release that put this image there.
const PLACE: [&str; 4] = ["--release", "1.13.0", "--image-address", "0x08053000"];

fn upgrade(bench: &Bench, image: &str, more: &[&str]) -> Answer {
    let place = if more.contains(&"--image-address") { &PLACE[..2] } else { &PLACE[..] };
    bench.alter("fus-upgrade", &[&["--image", image][..], place, more].concat())
}

fn failure(answer: &Answer) -> (Value, String, String) {
    let verdict = verdict(answer);
    let first = verdict["failures"][0].clone();
    let text = |key: &str| first[key].as_str().unwrap_or_default().to_owned();
    let (phase, code) = (text("phase"), text("code"));
    (verdict, phase, code)
}

/// Seconds of the last line of a phase.
fn seconds(journal: &Value, phase: &str) -> f64 {
    let lines = journal["lines"].as_array().unwrap();
    let line = lines.iter().rfind(|line| line["phase"] == phase).unwrap();
    line["elapsed_ms"].as_f64().unwrap() / 1e3
}

fn is_near(measured: f64, expected: f64) {
    assert!((measured / expected - 1.0).abs() < 0.2, "{measured} s instead of {expected} s");
}

/// What the bench's figures add up to: 45 pages of 23 ms, 11 us for each byte, 0.5 s of checking, 0.4 s before each
/// reset, and after it 0.3 s until the ROM connects and 0.24 s of the host.
const PAGES: f64 = 45.0 * 0.023;
const BYTES: f64 = 183_536.0 * 11e-6;
/// 90 blocks of 2 KB: 32 packets of 64 bytes, set-up and status of each, 8 transactions in a frame of 1 ms.
const BUS: f64 = 90.0 * (32.0 + 2.0) / 8.0 * 1e-3;
const RESET: f64 = 0.4 + 0.3 + 0.24;

#[test]
fn an_upgrade_goes_through_all_its_phases_in_their_times() {
    let bench = Bench::new("wb55-with-stack");
    let image = bench.image(&["--address", "0x08053000"]);
    let answer = upgrade(&bench, &image, &[]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let journal = bench.journal();
    let done = |phase: &str| (phase.to_owned(), Some("done".to_owned()));
    let expected = ["fus-delete", "erase", "write", "fus-upgrade", "fus-start"].map(done);
    assert_eq!(lines(&journal), expected);
    assert_eq!((bench.stack_page(), states(&journal)), (Some(0x53), vec![]));
    is_near(seconds(&journal, "fus-delete"), PAGES + RESET);
    is_near(seconds(&journal, "erase"), PAGES);
    is_near(seconds(&journal, "fus-upgrade"), 0.5 + PAGES + BYTES + 2.0 * RESET);
    // Both move every byte over the bus; the download also programs them.
    is_near(seconds(&journal, "write"), BYTES + BUS);
    is_near(step_seconds(&bench, "verify"), BUS);
}

/// The last double-word is filled up, and what fills it belongs to the alteration.
#[test]
fn an_image_of_an_odd_length_is_installed() {
    let bench = Bench::new("wb55-with-stack");
    let image = bench.image(&["--address", "0x08053000"]);
    let mut bytes = std::fs::read(&image).unwrap();
    bytes.extend([0x5a; 5]);
    std::fs::write(&image, bytes).unwrap();
    let answer = upgrade(&bench, &image, &[]);
    assert_eq!((answer.code, states(&bench.journal())), (Some(0), vec![]), "{answer:?}");
}

/// Of the step in the table of the report; reading back alters nothing and is not in the journal.
fn step_seconds(bench: &Bench, phase: &str) -> f64 {
    let rows = steps(bench);
    let column = rows[0].iter().position(|name| name == "elapsed_us").unwrap_or_else(|| panic!("{:?}", rows[0]));
    let step = rows.iter().find(|row| row[5] == phase).unwrap();
    step[column].parse::<f64>().unwrap() / 1e6
}

fn steps(bench: &Bench) -> Vec<Vec<String>> {
    let table = bench.text_path("steps.csv");
    let made = answer_of(&["report", &bench.text_path("board.case"), "--out", &table]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let rows = std::fs::read_to_string(&table).unwrap();
    rows.lines().map(|row| row.split(',').map(str::to_owned).collect()).collect()
}

#[test]
fn a_dip_while_it_installs_is_a_write_error_at_its_time_and_the_supply_leads() {
    let bench = Bench::new("wb55-dipping-rail");
    let image = bench.image(&["--address", "0x08053000"]);
    let answer = upgrade(&bench, &image, &[]);
    let (verdict, phase, code) = failure(&answer);
    assert_eq!((answer.code, phase.as_str()), (Some(1), "fus-upgrade"), "{answer:?}");
    assert_eq!(code, "FUS_IMAGE_WRTERROR (state 0x10, error 0x07)");
    assert_eq!(causes(&verdict)[0], "fus-power", "{verdict}");
    let journal = bench.journal();
    // The check draws nothing; after that 2.5 s of work without a pause.
    is_near(seconds(&journal, "fus-upgrade"), 0.5 + 2.5);
    assert_eq!(states(&journal), ["installation-failed"]);
    for words in ["no working wireless stack", "hypothesis", "--recipe fus-install"] {
        assert!(answer.err.contains(words), "`{words}`: {answer:?}");
    }
    for kind in ["html", "md"] {
        let out = bench.text_path(&format!("report.{kind}"));
        let made = answer_of(&["report", &bench.text_path("board.case"), "--out", &out]);
        assert_eq!(made.code, Some(0), "{made:?}");
        let report = std::fs::read_to_string(out).unwrap();
        for words in
            ["Alterations", "install the image", "WRTERROR", "not observable, no probe looked on", "hypothesis"]
        {
            assert!(report.contains(words), "`{words}` is missing in {kind}");
        }
    }
    let explained = answer_of(&["explain", "fus-power"]);
    assert!(explained.out.contains("hypothesis"), "{explained:?}");
}

#[test]
fn a_deeper_dip_takes_the_board_off_the_bus() {
    let bench = Bench::new("wb55-collapsing-rail");
    let image = bench.image(&["--address", "0x08053000"]);
    let answer = upgrade(&bench, &image, &[]);
    let (verdict, phase, code) = failure(&answer);
    assert_eq!(phase, "fus-upgrade");
    assert_eq!(code, "FUS_IMAGE_USRABORT (state 0xFF, error 0x05)");
    assert!(causes(&verdict).iter().take(3).any(|cause| cause == "fus-power"), "{verdict}");
    assert_eq!(states(&bench.journal()), ["installation-failed"]);
}

/// A probe looks on from the moment of the error: what it saw stands beside phase and time, and the reset that the supply made
/// counts as one. A dip that resets nothing leaves no flag, and that clears nobody.
#[test]
fn a_probe_beside_it_tells_supply_and_reset_cause_of_the_error() {
    for (board, flag) in [("wb55-dipping-rail", "reset flags PINRSTF SFTRSTF"), ("wb55-collapsing-rail", "BORRSTF")] {
        let bench = Bench::new(board);
        let image = bench.image(&["--address", "0x08053000"]);
        let case = bench.text_path("board.case");
        let watched = ["--link", "witnessed", "--clear-reset-flags", "--write", "--confirm", "1-1"];
        let run =
            ["run", "--headless", "--virtual", board, "--recipe", "fus-upgrade", "--case", &case, "--image", &image];
        let text = answer_of(&[&run[..], &PLACE, &watched].concat());
        assert_eq!(text.code, Some(1), "{text:?}");
        let said = text.out.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in ["the probe saw target voltage 3.30 V (one reading, after it)", flag, "install the image: FAILED"]
        {
            assert!(said.contains(words), "`{words}`: {said}");
        }
        let verdict = verdict(&answer_of(&["diagnose", "--format", "json", &case]));
        let last = verdict["alterations"].as_array().unwrap().last().unwrap().clone();
        assert_eq!((&last["phase"], &last["end"]), (&"fus-upgrade".into(), &"failed".into()), "{last}");
        let seen = |key: &str| last["seen"].as_array().unwrap().iter().find(|fact| fact["key"] == key).cloned();
        assert_eq!(seen("target-voltage-at-look").unwrap()["value"], "3.30 V");
        assert!(seen("reset-flags-since-cleared").is_some(), "{last}");
        assert_eq!(verdict["causes"][0]["family"], "fus-power", "{verdict}");
    }
}

#[test]
fn two_links_do_not_take_turns_while_something_is_altered() {
    let bench = Bench::new("wb55-with-stack");
    let image = bench.image(&["--address", "0x08053000"]);
    let run = ["run", "--headless", "--virtual", "wb55-with-stack", "--recipe", "fus-upgrade", "--image", &image];
    let both = ["--link", "both", "--write", "--confirm", "1-1"];
    answer_of(&[&run[..], &PLACE, &both].concat()).refused(2, &["--link witnessed"]);
}

#[test]
fn a_wrong_address_version_or_copy_has_its_own_error_and_its_cause_in_the_first_group() {
    let despite = ["--despite-check"];
    for (made, more, code, cause) in [
        (vec!["--address", "0x08053000"], vec!["--image-address", "0x08050000"], "FUS_IMG_NOT_FOUND", "fus-address"),
        (vec!["--address", "0x08053000", "--needs", "2.0.0"], vec![], "FUS_IMG_NOT_AUTHENTIC", "fus-version"),
    ] {
        let bench = Bench::new("wb55-with-stack");
        let image = bench.image(&[&made[..], &["--size", "20480"]].concat());
        let answer = upgrade(&bench, &image, &[&despite[..], &more].concat());
        let (verdict, phase, said) = failure(&answer);
        assert_eq!(phase, "fus-upgrade", "{answer:?}");
        assert!(said.starts_with(code), "{said}");
        assert!(causes(&verdict).iter().take(3).any(|it| it == cause), "{cause}: {verdict}");
    }
}

#[test]
fn a_second_copy_is_called_corrupt_and_a_board_without_stack_can_still_be_installed() {
    let bench = Bench::new("wb55-with-stack");
    let image = bench.image(&["--address", "0x08053000", "--size", "20480"]);
    let copy = bench.text_path("copy.bin");
    std::fs::copy(&image, &copy).unwrap();
    let elsewhere = ["--image", copy.as_str(), "--image-address", "0x08010000", "--despite-check"];
    let first = bench.alter("fus-install", &elsewhere);
    assert!(first.out.contains("FUS_IMG_"), "{first:?}");
    let second = upgrade(&bench, &image, &[]);
    assert!(second.out.contains("FUS_IMG_CORRUPT (state 0x10, error 0x02)"), "{second:?}");
    assert_eq!(bench.stack_page(), None);
    assert!(second.err.contains("The board was left altered"), "{second:?}");
    // Somebody who knows nothing of the first attempt.
    let fresh = bench.text_path("fresh.case");
    let install =
        ["run", "--headless", "--format", "json", "--recipe", "fus-install", "--case", &fresh, "--image", &image];
    let again = bench.answer(&[&install[..], &PLACE, &["--write", "--confirm", "1-1"]].concat());
    assert_eq!(failure(&again).2, "FUS_IMG_CORRUPT (state 0x10, error 0x02)");
    assert!(causes(&verdict(&again)).iter().take(3).any(|cause| cause == "fus-duplicate"), "{again:?}");
}

#[test]
fn the_campaign_stops_at_the_first_error_and_goes_on_only_if_told() {
    for (more, deletes) in [(vec![], 1), (vec!["--keep-going"], 3)] {
        let bench = Bench::new("wb55-dipping-rail");
        let image = bench.image(&["--address", "0x08053000"]);
        upgrade(&bench, &image, &[&["--cycles", "3"][..], &more].concat());
        let journal = bench.journal();
        assert_eq!(lines(&journal).iter().filter(|(phase, _)| phase == "fus-delete").count(), deletes);
    }
}

#[test]
fn the_other_recipes_of_the_service_do_their_part() {
    let bench = Bench::new("wb55-with-stack");
    assert_eq!(bench.alter("fus-start-stack", &[]).code, Some(0));
    let deleted = bench.alter("fus-delete", &[]);
    assert_eq!((deleted.code, bench.stack_page()), (Some(0), None), "{deleted:?}");
    assert_eq!(states(&bench.journal()), ["stack-missing"]);
    assert!(deleted.err.contains("it has no wireless stack"), "{deleted:?}");
    let refused = bench.alter("write-verify", &["--scratch", "0x08010000"]);
    refused.refused(2, &["do what stands above first"]);
    let image = bench.image(&["--address", "0x08053000", "--size", "20480"]);
    let installed = bench.alter("fus-install", &[&["--image", image.as_str()][..], &PLACE].concat());
    assert_eq!((installed.code, bench.stack_page()), (Some(0), Some(0x53)), "{installed:?}");
    assert_eq!(states(&bench.journal()), [] as [&str; 0]);
}

/// The phases of the founding report, in its order, with the words that end each.
const FOUNDING: [(&str, &str); 6] = [
    ("fus-state", "FUS state is FUS_IDLE"),
    ("fus-delete", "Firmware delete finished"),
    ("erase", "Erasing memory corresponding to segment 0"),
    ("write", "File download complete"),
    ("verify", "Download verified successfully"),
    ("fus-upgrade", "FUS status is FUS_IMAGE_WRTERROR"),
];

#[test]
fn the_founding_report_replays_phase_by_phase() {
    let report = include_str!("../../fixtures/founding/wb55-fus-write-error.txt");
    let places =
        FOUNDING.map(|(_, words)| report.find(words).unwrap_or_else(|| panic!("{words} is not in the report")));
    assert!(places.is_sorted(), "the report has its phases in this order");
    let bench = Bench::new("wb55-dipping-rail");
    let image = bench.image(&["--address", "0x08053000", "--size", "183536"]);
    upgrade(&bench, &image, &[]);
    let rows = steps(&bench);
    let mut wanted = FOUNDING.iter().map(|(phase, _)| *phase).peekable();
    for step in &rows[1..] {
        if Some(&step[5].as_str()) == wanted.peek() {
            let ended = if step[5] == "fus-upgrade" { "failed" } else { "done" };
            assert_eq!(step[6], ended, "{step:?}");
            wanted.next();
        }
    }
    assert_eq!(wanted.next(), None, "{rows:?}");
    // In the report a second passes for the delete and four for the upgrade, with the tool's own waits.
    let journal = bench.journal();
    assert!((0.8..3.0).contains(&seconds(&journal, "fus-delete")));
    assert!((2.0..5.0).contains(&seconds(&journal, "fus-upgrade")));
}

fn answer_of(arguments: &[&str]) -> Answer {
    answer(flakescope().args(arguments))
}
