//! A campaign made up for the tests of this room, and one whose every text is hostile.

use std::path::PathBuf;

use crate::campaign::journal::Journal;
use crate::diagnosis::verdict::{
    Argument, CampaignFigures, FailureLine, NextExperiment, RankedCause, UNKNOWN_CAUSE, VERDICT_SCHEMA, Verdict,
    VerdictKind,
};
use crate::evidence::finding::{Effect, Finding, Unit};
use crate::evidence::rate::{Rate, StepLatency};
use crate::investigation::snapshot::{BootStrip, CycleMark, RunState, Snapshot};
use crate::observation::board::BoardIdentity;
use crate::observation::boot::{Boot, BootKind, BootProof};
use crate::observation::cycle::Cycle;
use crate::observation::event::{CampaignStart, Reentry, Transport};
use crate::observation::failure::{DfuStand, Failure, FailureClass};
use crate::observation::field_text::FieldText;
use crate::observation::step::{Outcome, Phase, StepRecord, TransferSummary};
use crate::observation::units::{Address, Micros};

const CYCLES_PER_BOOT: u32 = 4;
const BOOTS: u32 = 20;

/// Escape sequences, markup, a formula and a direction override in one text.
pub const HOSTILE: &str = "=cmd()\u{1b}[31m<script>alert(1)</script>|*x*`\u{202e}\u{9b}]]>\r\n\"";

/// Twenty boots of four cycles; three boots fail as a whole, one cycle fails by itself, and the last is interrupted.
pub fn cycles() -> Vec<Cycle> {
    (0..BOOTS * CYCLES_PER_BOOT).map(|index| cycle(index + 1)).collect()
}

fn cycle(number: u32) -> Cycle {
    let boot = (number - 1) / CYCLES_PER_BOOT + 1;
    let started = Micros::from_millis(u64::from(number) * 400);
    let enumerate = match boot {
        7..=9 => Outcome::Failed(
            Failure::new(FailureClass::DescriptorFailed, Phase::Enumerate).with_code("-71").after(Micros::from_secs(5)),
        ),
        _ => Outcome::Done,
    };
    let gone = enumerate != Outcome::Done;
    let option_bytes = match number {
        _ if gone => Outcome::Skipped,
        55 => Outcome::Failed(
            Failure::new(FailureClass::Stall, Phase::OptionBytes)
                .with_code("LIBUSB_ERROR_PIPE")
                .at(Address(0x1fff_0000))
                .standing(DfuStand { alternate: Some((1, "Option Bytes".into())), state: Some("dfuERROR".to_owned()) })
                .after(Micros::from_millis(12)),
        ),
        80 => Outcome::Interrupted,
        _ => Outcome::Done,
    };
    let enumerate_took = if gone { Micros::from_secs(5) } else { Micros(310_000 + u64::from(number % 7) * 9_000) };
    let step = |phase, elapsed, outcome| StepRecord {
        phase,
        started: Some(started),
        elapsed: Some(elapsed),
        outcome,
        summary: TransferSummary { count: 2, bytes: 64, total: elapsed, max: elapsed, ..TransferSummary::default() },
        transfers: Vec::new(),
        facts: Vec::new(),
    };
    let steps = vec![
        step(Phase::Enumerate, enumerate_took, enumerate),
        step(Phase::OptionBytes, Micros(12_000 + u64::from(number % 5) * 700), option_bytes),
    ];
    Cycle { number, boot: Some(boot), started: Some(started), steps, levels: Default::default() }
}

pub fn campaign() -> Snapshot {
    let cycles = cycles();
    Snapshot {
        at: Micros::from_secs(92),
        state: RunState::Finished,
        start: CampaignStart {
            transport: Transport::Dfu,
            virtual_board: Some("f746-25mhz-warm-hsi".to_owned()),
            recipe: "dfu-read".to_owned(),
            reentry: Reentry::Virtual,
            seed: 1,
            boots: BOOTS,
            cycles_per_boot: CYCLES_PER_BOOT,
            calendar_millis: 1_790_000_000_000,
        },
        board: BoardIdentity {
            part: Some("STM32F746".to_owned()),
            serial: Some("205536685841".into()),
            vendor_id: Some(0x0483),
            product_id: Some(0xdf11),
            layouts: vec!["@Internal Flash  /0x08000000/04*032Kg,01*128Kg,03*256Kg".into()],
            ..BoardIdentity::default()
        },
        boots: strips(&cycles),
        rates: vec![
            Rate { kind: None, failed: 4, n: 20, unit: Unit::Boot, interval: (0.06, 0.47) },
            Rate { kind: None, failed: 13, n: 79, unit: Unit::Cycle, interval: (0.08, 0.28) },
        ],
        latencies: latencies(&cycles),
        findings: vec![finding()],
        verdict: verdict(&cycles),
        says: vec!["RDP = 0xAA: level 0.".to_owned()],
        limits: vec!["The operator gave no board profile, so the fitted crystal is not known.".to_owned()],
        tail: Vec::new(),
        conditions: None,
        case: Some(PathBuf::from("f746.flakescope")),
        journal: Journal::default(),
    }
}

/// The same campaign with hostile text wherever a device, a log or an operator can put some.
pub fn hostile_campaign() -> Snapshot {
    let mut snapshot = campaign();
    let verdict = &mut snapshot.verdict;
    verdict.source = HOSTILE.into();
    verdict.device = Some(HOSTILE.to_owned());
    verdict.tools = vec![HOSTILE.to_owned()];
    for failure in &mut verdict.failures {
        failure.code = Some(HOSTILE.into());
        failure.memory = failure.alternate.map(|_| HOSTILE.into());
    }
    for cause in &mut verdict.causes {
        cause.name = HOSTILE.to_owned();
        for argument in cause.speaks_for.iter_mut().chain(&mut cause.speaks_against) {
            argument.text = HOSTILE.to_owned();
        }
    }
    for next in &mut verdict.next {
        next.text = HOSTILE.to_owned();
        next.changes = vec![HOSTILE.to_owned()];
    }
    for finding in &mut snapshot.findings {
        finding.text = HOSTILE.to_owned();
    }
    snapshot.start.virtual_board = Some(HOSTILE.to_owned());
    snapshot.start.recipe = HOSTILE.to_owned();
    snapshot.start.reentry = Reentry::Command(HOSTILE.to_owned());
    snapshot.state = RunState::Failed(HOSTILE.to_owned());
    snapshot.board.serial = Some(HOSTILE.into());
    snapshot.board.product = Some(HOSTILE.into());
    snapshot.board.layouts = vec![HOSTILE.into()];
    snapshot.says = vec![HOSTILE.to_owned()];
    snapshot.limits = vec![HOSTILE.to_owned()];
    snapshot.case = Some(PathBuf::from(HOSTILE));
    snapshot
}

/// The same cycles with hostile text.
pub fn hostile_cycles() -> Vec<Cycle> {
    let mut cycles = cycles();
    for cycle in &mut cycles {
        cycle.levels.insert(HOSTILE.to_owned(), HOSTILE.to_owned());
        for step in &mut cycle.steps {
            if let Outcome::Failed(failure) = &mut step.outcome {
                failure.code = Some(HOSTILE.into());
            }
        }
    }
    cycles
}

fn strips(cycles: &[Cycle]) -> Vec<BootStrip> {
    let mark = |cycle: &Cycle| CycleMark {
        number: cycle.number,
        failure: cycle.failure().map(|failure| failure.class),
        interrupted: cycle.is_interrupted(),
    };
    let boot = |number: u32| Boot {
        number,
        started: Micros::from_secs(u64::from(number) * 4),
        kind: BootKind::ColdPowerOn { off_time: Some(Micros::from_secs(2)) },
        proof: BootProof::Commanded,
    };
    cycles
        .chunks(CYCLES_PER_BOOT as usize)
        .zip(1..)
        .map(|(cycles, number)| BootStrip { boot: boot(number), cycles: cycles.iter().map(mark).collect() })
        .collect()
}

fn latencies(cycles: &[Cycle]) -> Vec<StepLatency> {
    [Phase::Enumerate, Phase::OptionBytes]
        .into_iter()
        .map(|phase| {
            let steps = cycles.iter().flat_map(|cycle| &cycle.steps).filter(|step| step.phase == phase);
            let mut times: Vec<_> =
                steps.filter(|step| step.outcome == Outcome::Done).filter_map(|step| step.elapsed).collect();
            let recent = times.clone();
            times.sort_unstable();
            let at = |share: f64| times[(share * (times.len() - 1) as f64) as usize];
            StepLatency { phase, n: times.len() as u64, p50: at(0.5), p95: at(0.95), max: at(1.0), recent }
        })
        .collect()
}

fn finding() -> Finding {
    Finding {
        id: "streaks-over-boots".to_owned(),
        text: "Bad boots follow bad boots: 3 of 4 bad boots stand side by side.".to_owned(),
        effect: Some(Effect { value: 6.1, interval: Some((1.4, 31.0)), unit: "odds ratio".to_owned() }),
        n: 20,
        unit: Unit::Boot,
        method: "permutation test of runs over boots, p 0.012".to_owned(),
        at: vec![25, 29, 33],
        weight: 0.8,
        certainty: 0.8,
    }
}

fn verdict(cycles: &[Cycle]) -> Verdict {
    let argument = |finding: &str, text: &str, at: &[u32]| Argument {
        finding: finding.to_owned(),
        text: text.to_owned(),
        at: at.to_vec(),
    };
    let cause = |id: &str, name: &str, probability, speaks_for, speaks_against| RankedCause {
        id: id.to_owned(),
        family: id.to_owned(),
        name: name.to_owned(),
        probability,
        speaks_for,
        speaks_against,
    };
    let streaks = || argument("streaks-over-boots", "Bad boots follow bad boots.", &[25, 26, 27, 28, 29, 33]);
    let later = || argument("fails-after-identify", "One cycle enumerated, answered and failed later.", &[55]);
    Verdict {
        schema: VERDICT_SCHEMA,
        source: FieldText::from("f746.flakescope"),
        verdict: VerdictKind::Fault,
        decided: false,
        device: Some("STM32F746".to_owned()),
        transport: Some("dfu"),
        tools: vec!["flakescope".to_owned()],
        causes: vec![
            cause(
                "hse-mismatch",
                "The ROM misreads the crystal because its internal oscillator is off",
                0.56,
                vec![streaks()],
                vec![later()],
            ),
            cause(
                "usb-signal-integrity",
                "Cable, connector or routing of the USB pair",
                0.21,
                vec![later()],
                vec![streaks()],
            ),
            cause(UNKNOWN_CAUSE, "", 0.23, Vec::new(), Vec::new()),
        ],
        together: None,
        failures: cycles
            .iter()
            .filter_map(|cycle| {
                let failure = cycle.failure()?;
                let worked = cycle.steps.iter().filter(|step| step.outcome == Outcome::Done).map(|step| step.phase);
                Some(FailureLine { worked: worked.collect(), ..FailureLine::of(failure, Some(cycle.number)) })
            })
            .collect(),
        next: vec![
            NextExperiment {
                experiment: "golden-board".to_owned(),
                minutes: 3.0,
                bits: 0.41,
                changes: vec!["board".to_owned()],
                text: "Put a board that is known to work on the same port and cable.".to_owned(),
                command: None,
            },
            NextExperiment {
                experiment: "other-computer".to_owned(),
                minutes: 8.5,
                bits: 0.2,
                changes: vec!["host".to_owned(), "cable".to_owned()],
                text: "Take board and cable to another computer.".to_owned(),
                command: None,
            },
        ],
        alterations: Vec::new(),
        campaign: Some(CampaignFigures {
            boots: 20,
            cycles: 79,
            failed_boots: 4,
            failed_cycles: 13,
            unit: Unit::Boot,
            rate: 0.2,
            interval: (0.06, 0.47),
        }),
    }
}
