//! Text from devices and logs is hostile: it reaches no output raw.

use std::fs;
use std::path::Path;

use flakescope::case::file::{Case, Durability};
use flakescope::observation::board::BoardIdentity;
use flakescope::observation::boot::{Boot, BootKind, BootProof};
use flakescope::observation::cycle::Cycle;
use flakescope::observation::event::{CampaignStart, EventKind, Reentry, Transport};
use flakescope::observation::failure::{Failure, FailureClass};
use flakescope::observation::field_text::is_unsafe_to_show;
use flakescope::observation::step::{Outcome, Phase, StepRecord, TransferSummary};
use flakescope::observation::units::Micros;

use super::program::{answer, flakescope};

const HOSTILE: &str =
    "=HYPERLINK(0)\u{1b}]0;x\u{7}\u{1b}[2J<img src=x onerror=alert(1)>\u{202e}\u{9b}31m|`*x*`]]>\r\n&\"'";

/// A case whose board, codes and notes all say the worst.
fn hostile_case(file: &Path) {
    let mut case = Case::open_or_create(file, Durability::Crash).unwrap();
    let mut tell = |kind| drop(case.append(Some(Micros::ZERO), kind).unwrap());
    tell(EventKind::CampaignStarted(CampaignStart {
        transport: Transport::Dfu,
        virtual_board: None,
        recipe: HOSTILE.to_owned(),
        reentry: Reentry::Command(HOSTILE.to_owned()),
        seed: 1,
        boots: 3,
        cycles_per_boot: 1,
        calendar_millis: 0,
    }));
    tell(EventKind::BoardSeen(BoardIdentity {
        part: Some(HOSTILE.to_owned()),
        serial: Some(HOSTILE.into()),
        product: Some(HOSTILE.into()),
        layouts: vec![HOSTILE.into()],
        ..BoardIdentity::default()
    }));
    tell(EventKind::Note(HOSTILE.into()));
    tell(EventKind::HostMessage(HOSTILE.into()));
    for number in 1..=3 {
        tell(EventKind::BootStarted(Boot {
            number,
            started: Micros::ZERO,
            kind: BootKind::Nrst,
            proof: BootProof::Commanded,
        }));
        tell(EventKind::CycleFinished(cycle(number)));
    }
    tell(EventKind::CampaignEnded { interrupted: false });
}

fn cycle(number: u32) -> Cycle {
    let failure = Failure::new(FailureClass::Stall, Phase::Read).with_code(HOSTILE);
    Cycle {
        number,
        boot: Some(number),
        started: Some(Micros::ZERO),
        steps: vec![StepRecord {
            phase: Phase::Read,
            started: Some(Micros::ZERO),
            elapsed: Some(Micros::from_millis(1)),
            outcome: Outcome::Failed(failure),
            summary: TransferSummary::default(),
            transfers: Vec::new(),
            facts: Vec::new(),
        }],
        levels: [(HOSTILE.to_owned(), HOSTILE.to_owned())].into(),
    }
}

/// No control character but the end of a line, and no markup.
fn assert_harmless(what: &str, text: &str) {
    for line in text.replace("\r\n", "\n").split('\n') {
        assert!(!line.contains(is_unsafe_to_show), "{what}: {line:?}");
    }
}

#[test]
fn no_report_of_a_case_repeats_it_raw() {
    let folder = tempfile::tempdir().unwrap();
    hostile_case(&folder.path().join("h.case"));
    for kind in ["html", "md", "json", "csv", "xml", "txt"] {
        let file = format!("out.{kind}");
        let made = answer(flakescope().current_dir(folder.path()).args(["report", "h.case", "--out", &file]));
        assert_eq!(made.code, Some(0), "{made:?}");
        let text = fs::read_to_string(folder.path().join(&file)).unwrap();
        assert!(text.contains("HYPERLINK"), "{kind} does not hold the text at all");
        assert_harmless(kind, &text);
        if ["html", "md", "xml"].contains(&kind) {
            assert!(!text.contains("<img"), "{kind}: {text}");
        }
        if kind == "csv" {
            assert!(!text.contains(",=") && !text.contains(",\"="), "{text}");
        }
    }
}

#[test]
fn no_verdict_on_standard_output_repeats_it_raw() {
    let folder = tempfile::tempdir().unwrap();
    hostile_case(&folder.path().join("h.case"));
    for format in ["text", "json", "md"] {
        let made = answer(flakescope().current_dir(folder.path()).args(["diagnose", "h.case", "--format", format]));
        assert_eq!(made.code, Some(1), "{made:?}");
        assert_harmless(format, &made.out);
        assert_harmless(format, &made.err);
    }
}

#[test]
fn no_verdict_on_a_log_repeats_it_raw() {
    let folder = tempfile::tempdir().unwrap();
    let log = format!(
        "STM32F746 {HOSTILE}\n\
         14:02:31:107 : Error: Uploading Option Bytes bank: 0 failed {HOSTILE}\n\
         dfu-util: Cannot open DFU device 0483:df11 serial=\"{HOSTILE}\"\n\
         14:02:31 : SN : {HOSTILE}\n"
    );
    fs::write(folder.path().join("log.txt"), log).unwrap();
    for format in ["text", "json", "md", "html"] {
        let made = answer(flakescope().current_dir(folder.path()).args(["triage", "log.txt", "--format", format]));
        assert!(matches!(made.code, Some(0 | 1)), "{made:?}");
        assert_harmless(format, &made.out);
        assert_harmless(format, &made.err);
        if ["html", "md"].contains(&format) {
            assert!(!made.out.contains("<img"), "{format}: {}", made.out);
        }
    }
}
