//! Snapshots made by hand for the tests of this room: one campaign half way, and what may become of it.

use std::path::PathBuf;
use std::sync::Arc;

use crate::campaign::journal::Journal;
use crate::campaign::question::{self, Question, Wanted};
use crate::diagnosis::verdict::{
    Argument, CampaignFigures, NextExperiment, RankedCause, UNKNOWN_CAUSE, VERDICT_SCHEMA, Verdict, VerdictKind,
};
use crate::evidence::finding::{Finding, Unit};
use crate::evidence::rate::{Rate, StepLatency};
use crate::investigation::snapshot::{BootStrip, CycleMark, RunState, Snapshot, TailLine};
use crate::observation::board::{BoardIdentity, UsbSpeed};
use crate::observation::boot::{Boot, BootKind, BootProof};
use crate::observation::event::{CampaignStart, Reentry, Transport};
use crate::observation::failure::FailureClass;
use crate::observation::field_text::FieldText;
use crate::observation::step::Phase;
use crate::observation::units::Micros;

/// ESC sequences, C1 controls, a line break and a direction override in one text.
pub const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31mSN\r\n\u{202e}dcba";

/// Boots from marks: `.` good, `!` interrupted, a letter for the first class that has it.
pub fn boots(marks: &[&str]) -> Vec<BootStrip> {
    let mut number = 0;
    let mut mark = |character: char| {
        number += 1;
        let failure = FailureClass::ALL.iter().copied().find(|class| class.letter() == character);
        let failure = if character == '.' || character == '!' { None } else { failure };
        CycleMark { number, failure, interrupted: character == '!' }
    };
    let strip = |(index, marks): (usize, &&str)| BootStrip {
        boot: Boot {
            number: index as u32 + 1,
            started: Micros::from_secs(index as u64 * 14),
            kind: BootKind::ColdPowerOn { off_time: Some(Micros::from_secs(5)) },
            proof: BootProof::Commanded,
        },
        cycles: marks.chars().map(&mut mark).collect(),
    };
    marks.iter().enumerate().map(strip).collect()
}

/// A crystal that the ROM misreads while the board is warm, seen 17 boots into a campaign of 40.
pub fn running() -> Snapshot {
    Snapshot {
        at: Micros::from_secs(245),
        state: RunState::Running,
        start: CampaignStart {
            transport: Transport::Dfu,
            virtual_board: Some("f746-25mhz-warm-hsi".to_owned()),
            recipe: "dfu-read".to_owned(),
            reentry: Reentry::Virtual,
            seed: 7,
            boots: 40,
            cycles_per_boot: 5,
            calendar_millis: 0,
        },
        board: BoardIdentity {
            part: Some("STM32F746".to_owned()),
            port: Some("1-1".parse().unwrap()),
            serial: Some("3058375A3436".into()),
            product: Some("STM32  BOOTLOADER".into()),
            vendor_id: Some(0x0483),
            product_id: Some(0xdf11),
            bcd_device: Some(0x2200),
            speed: Some(UsbSpeed::Full),
            ..BoardIdentity::default()
        },
        boots: boots(&[
            ".....", ".....", ".....", "....P", ".....", ".....", "EEEEE", "EEEEE", "EEEEE", "EEEEE", ".....", ".....",
            "..S..", "EEEEE", "EEEEE", ".....", "..",
        ]),
        rates: vec![
            Rate { kind: None, failed: 8, n: 16, unit: Unit::Boot, interval: (0.19, 0.81) },
            Rate { kind: None, failed: 32, n: 82, unit: Unit::Cycle, interval: (0.24, 0.55) },
        ],
        latencies: latencies(),
        findings: findings(),
        verdict: verdict(),
        says: Vec::new(),
        limits: vec!["This is a virtual board: the figures speak of a model, not of hardware.".to_owned()],
        tail: tail(),
        conditions: None,
        case: Some(PathBuf::from("flakescope-7.case")),
        journal: Journal::default(),
    }
}

/// The same campaign while the operator is asked for something.
pub fn waiting() -> Snapshot {
    let request = "switch the board off, wait 5 s, switch it on again with BOOT0 high".to_owned();
    Snapshot { state: RunState::Waiting(Question::new(request, Wanted::Done)), ..real_board() }
}

/// A guided campaign that wants something changed.
pub fn guided() -> Snapshot {
    let text = "Take another cable, short and known to carry data; change nothing else. (About 2 min.)";
    Snapshot { state: RunState::Waiting(Question::new(text, Wanted::DoneOrCannot)), ..real_board() }
}

/// A guided campaign under a change that wants a value; what was typed first could not be read.
pub fn asked_to_measure() -> Snapshot {
    let text = "Measure the lowest VDD at the part, while the ROM runs and the host reads; an oscilloscope with a minimum trigger. It should be 3 to 3.6 V.";
    let problem = Some("`low` does not begin with a number such as 3.31".to_owned());
    let question = Question { problem, ..Question::new(text, Wanted::Quantity(question::Unit::Volt)) };
    Snapshot { state: RunState::Waiting(question), conditions: Some("external-supply".to_owned()), ..real_board() }
}

/// A real board in one boot: less is known, and a limit says so.
pub fn real_board() -> Snapshot {
    let running = running();
    Snapshot {
        start: CampaignStart { virtual_board: None, reentry: Reentry::Manual, ..running.start.clone() },
        says: Vec::new(),
        limits: vec![
            "One boot only: what is decided at reset, such as the clock the ROM chooses, cannot be tested in this run."
                .to_owned(),
        ],
        ..running
    }
}

pub fn finished() -> Snapshot {
    let mut finished = Snapshot { state: RunState::Finished, at: Micros::from_secs(574), ..running() };
    finished.verdict.decided = true;
    finished.verdict.causes.truncate(3);
    for (cause, probability) in finished.verdict.causes.iter_mut().zip([0.91, 0.04, 0.02]) {
        cause.probability = probability;
    }
    finished
}

/// A board on which nothing failed.
pub fn clean() -> Snapshot {
    let running = running();
    let verdict = Verdict { verdict: VerdictKind::Clean, causes: Vec::new(), next: Vec::new(), ..running.verdict };
    Snapshot {
        boots: boots(&["....."; 12]),
        rates: vec![
            Rate { kind: None, failed: 0, n: 12, unit: Unit::Boot, interval: (0.0, 0.32) },
            Rate { kind: None, failed: 0, n: 60, unit: Unit::Cycle, interval: (0.0, 0.087) },
        ],
        verdict,
        ..running
    }
}

/// Before anything has happened.
pub fn empty() -> Snapshot {
    let running = running();
    Snapshot {
        at: Micros::ZERO,
        start: CampaignStart { virtual_board: None, ..running.start },
        board: BoardIdentity::default(),
        boots: Vec::new(),
        rates: Vec::new(),
        latencies: Vec::new(),
        findings: Vec::new(),
        verdict: Verdict {
            verdict: VerdictKind::Inconclusive,
            causes: Vec::new(),
            next: Vec::new(),
            alterations: Vec::new(),
            campaign: None,
            ..running.verdict
        },
        says: Vec::new(),
        limits: Vec::new(),
        tail: Vec::new(),
        conditions: None,
        case: None,
        journal: Journal::default(),
        state: RunState::Running,
    }
}

/// Every text that comes from outside is hostile.
pub fn hostile() -> Snapshot {
    let mut snapshot = real_board();
    let text = || HOSTILE.to_owned();
    snapshot.board.serial = Some(HOSTILE.into());
    snapshot.board.product = Some(HOSTILE.into());
    snapshot.board.part = Some(text());
    snapshot.state = RunState::Waiting(Question::new(text(), Wanted::Done));
    snapshot.limits = vec![text()];
    for cause in &mut snapshot.verdict.causes {
        cause.name = text();
        for argument in cause.speaks_for.iter_mut().chain(&mut cause.speaks_against) {
            argument.text = text();
        }
    }
    for next in &mut snapshot.verdict.next {
        next.text = text();
    }
    for line in &mut snapshot.tail {
        line.text = HOSTILE.into();
    }
    snapshot
}

pub fn shared(snapshot: Snapshot) -> Arc<Snapshot> {
    Arc::new(snapshot)
}

fn latencies() -> Vec<StepLatency> {
    let step = |phase, p50: u64, p95: u64, max: u64| StepLatency {
        phase,
        n: 82,
        p50: Micros(p50),
        p95: Micros(p95),
        max: Micros(max),
        recent: (0..24u64)
            .map(|index| Micros(p50 * (70 + (index * 37 + index * index * (p50 % 97)) % 61) / 100))
            .collect(),
    };
    let mut latencies = vec![
        step(Phase::Enumerate, 341_000, 5_000_000, 5_000_000),
        step(Phase::Open, 120, 180, 240),
        step(Phase::Claim, 90, 130, 160),
        step(Phase::Descriptors, 2_100, 2_900, 3_400),
        step(Phase::Layout, 3_900, 5_100, 6_200),
        step(Phase::Status, 1_010, 1_400, 2_000),
        step(Phase::Read, 14_800, 16_100, 22_900),
        step(Phase::OptionBytes, 4_050, 4_900, 9_800),
        step(Phase::Otp, 15_200, 17_000, 18_100),
        step(Phase::Close, 60, 90, 110),
    ];
    let fast_and_slow = [
        345, 340, 5_000, 5_000, 5_000, 5_000, 5_000, 5_000, 342, 338, 341, 343, 340, 339, 5_000, 5_000, 5_000, 344,
        340, 343,
    ];
    latencies[0].recent = fast_and_slow.map(Micros::from_millis).to_vec();
    latencies
}

fn findings() -> Vec<Finding> {
    let finding =
        |id: &str, text: &str, n, unit, method: &str| Finding::new(id, text.to_owned(), n, unit).by(method, 1.0);
    vec![
        finding("all-or-nothing-boots", ALL_OR_NOTHING, 16, Unit::Boot, "permutation over boots"),
        finding("streaks-over-boots", STREAKS, 16, Unit::Boot, "runs test"),
        finding("enumerate-fails-some-boots", ENUMERATE_FAILS, 16, Unit::Boot, "count"),
        finding("failures-within-boots", WITHIN_BOOTS, 82, Unit::Cycle, "count"),
    ]
}

const ALL_OR_NOTHING: &str = "6 of 16 boots failed in every cycle and 8 in none: what decides is settled once per boot";
const STREAKS: &str = "Failed boots come in 2 streaks, of 4 and 2: a condition that drifts, not chance";
const ENUMERATE_FAILS: &str = "6 of 16 boots never enumerated, the others did at the first attempt";
const WITHIN_BOOTS: &str = "2 boots hold both good and bad cycles";

fn verdict() -> Verdict {
    let argument = |finding: &str, text: &str, at: &[u32]| Argument {
        finding: finding.to_owned(),
        text: text.to_owned(),
        at: at.to_vec(),
    };
    let failed: Vec<u32> = (31..=50).chain(66..=75).collect();
    let all_or_nothing = argument("all-or-nothing-boots", ALL_OR_NOTHING, &failed);
    let streaks = argument("streaks-over-boots", STREAKS, &failed);
    let enumerate = argument("enumerate-fails-some-boots", ENUMERATE_FAILS, &failed);
    let within = argument("failures-within-boots", WITHIN_BOOTS, &[20, 63]);
    let cause =
        |id: &str, name: &str, probability, speaks_for: Vec<Argument>, speaks_against: Vec<Argument>| RankedCause {
            id: id.to_owned(),
            family: id.to_owned(),
            name: name.to_owned(),
            probability,
            speaks_for,
            speaks_against,
        };
    Verdict {
        schema: VERDICT_SCHEMA,
        source: FieldText::from("flakescope-7.case"),
        verdict: VerdictKind::Fault,
        decided: false,
        device: Some("STM32F746".to_owned()),
        transport: Some("dfu"),
        tools: vec!["flakescope".to_owned()],
        causes: vec![
            cause(
                "hse-misdetected",
                "crystal misread by the ROM because HSI is off",
                0.61,
                vec![all_or_nothing.clone(), streaks, enumerate.clone()],
                vec![within.clone()],
            ),
            cause(
                "hse-no-start",
                "crystal starts too slowly for the ROM",
                0.14,
                vec![enumerate],
                vec![all_or_nothing.clone()],
            ),
            cause("supply-droop", "supply sags at power-on", 0.08, vec![], vec![all_or_nothing.clone()]),
            cause("bootloader-interface-conflict", "another interface wins the ROM's race", 0.05, vec![], vec![]),
            cause("usb-signal-integrity", "cable, connector or USB pair", 0.03, vec![within], vec![all_or_nothing]),
            cause("hse-mismatch", "crystal value the ROM does not support", 0.01, vec![], vec![]),
            cause(UNKNOWN_CAUSE, "", 0.08, vec![], vec![]),
        ],
        together: None,
        failures: Vec::new(),
        next: next(),
        alterations: Vec::new(),
        campaign: Some(CampaignFigures {
            boots: 17,
            cycles: 82,
            failed_boots: 8,
            failed_cycles: 32,
            unit: Unit::Boot,
            rate: 0.5,
            interval: (0.19, 0.81),
        }),
    }
}

fn next() -> Vec<NextExperiment> {
    let next = |experiment: &str, minutes, bits, changes: &[&str], text: &str| NextExperiment {
        experiment: experiment.to_owned(),
        minutes,
        bits,
        changes: changes.iter().map(|&factor| factor.to_owned()).collect(),
        text: text.to_owned(),
        command: None,
    };
    vec![
        next(
            "cool-the-chip",
            4.0,
            0.62,
            &["temperature"],
            "Cool the chip below 25 C and run ten more boots: a misread crystal follows the die temperature, a slow one does not.",
        ),
        next("golden-board", 3.0, 0.21, &["board"], "Run a board that is known to be good on the same port and cable."),
        next(
            "external-clock",
            15.0,
            0.55,
            &["clock", "wiring"],
            "Feed 25 MHz from a generator into OSC_IN in place of the crystal.",
        ),
    ]
}

fn tail() -> Vec<TailLine> {
    let line = |seconds: f64, text: &str, bad| TailLine {
        at: Some(Micros::from_secs_f64(seconds)),
        text: FieldText::from(text),
        bad,
    };
    vec![
        line(168.0, "boot 13: cold power-on, commanded", false),
        line(171.4, "cycle 63: stall in option-bytes (LIBUSB_ERROR_PIPE) after 4.10 ms", true),
        line(182.0, "boot 14: cold power-on, commanded", false),
        line(187.0, "cycle 66: not-enumerated in enumerate after 5.00 s", true),
        line(192.0, "cycle 67: not-enumerated in enumerate after 5.00 s", true),
        line(197.0, "cycle 68: not-enumerated in enumerate after 5.00 s", true),
        line(226.0, "boot 16: cold power-on, commanded", false),
        line(240.0, "boot 17: cold power-on, commanded", false),
    ]
}
