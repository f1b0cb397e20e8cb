//! Made-up cycles for the tests of this room.

use crate::evidence::campaign_evidence::CampaignEvidence;
use crate::observation::boot::{Boot, BootKind, BootProof};
use crate::observation::cycle::Cycle;
use crate::observation::event::{CampaignStart, Event, EventKind, Reentry, Transport};
use crate::observation::failure::{Failure, FailureClass};
use crate::observation::step::{Outcome, Phase, StepRecord, TransferSummary};
use crate::observation::units::Micros;

/// The steps of the standard recipe with the transfers and bytes each takes.
pub const RECIPE: [(Phase, u32, u64); 10] = [
    (Phase::Enumerate, 0, 0),
    (Phase::Open, 0, 0),
    (Phase::Claim, 0, 0),
    (Phase::Descriptors, 4, 100),
    (Phase::Layout, 4, 200),
    (Phase::Status, 2, 12),
    (Phase::Read, 5, 1_050),
    (Phase::OptionBytes, 5, 60),
    (Phase::Otp, 5, 540),
    (Phase::Close, 0, 0),
];

pub fn cycle(number: u32, boot: u32) -> Cycle {
    let steps = RECIPE
        .iter()
        .map(|&(phase, count, bytes)| StepRecord {
            phase,
            started: None,
            elapsed: Some(Micros::from_millis(1 + u64::from(count))),
            outcome: Outcome::Done,
            summary: TransferSummary {
                count,
                bytes,
                total: Micros::from_millis(u64::from(count)),
                ..TransferSummary::default()
            },
            transfers: Vec::new(),
            facts: Vec::new(),
        })
        .collect();
    Cycle { number, boot: Some(boot), started: Some(Micros::from_secs(u64::from(number))), steps, levels: [].into() }
}

/// Fails at `phase`; what follows is skipped.
pub fn failing(number: u32, boot: u32, class: FailureClass, phase: Phase) -> Cycle {
    let mut cycle = cycle(number, boot);
    let at = cycle.steps.iter().position(|step| step.phase == phase).expect("the recipe has every phase");
    cycle.steps[at].outcome = Outcome::Failed(Failure::new(class, phase).after(Micros::from_millis(5)));
    for step in &mut cycle.steps[at + 1..] {
        step.outcome = Outcome::Skipped;
        step.elapsed = None;
        step.summary = TransferSummary::default();
    }
    cycle
}

/// A campaign of cold boots, each with `cycles` cycles; `make` says what the cycle of that number in that boot is like.
pub fn campaign(boots: u32, cycles: u32, mut make: impl FnMut(u32, u32) -> Cycle) -> CampaignEvidence {
    let mut evidence = CampaignEvidence::new();
    let mut seq = 0;
    let mut tell = |kind| {
        seq += 1;
        evidence.absorb(&Event { seq, at: None, kind });
    };
    tell(EventKind::CampaignStarted(start(boots, cycles)));
    for boot in 1..=boots {
        tell(EventKind::BootStarted(cold_boot(boot)));
        for cycle in 1..=cycles {
            tell(EventKind::CycleFinished(make((boot - 1) * cycles + cycle, boot)));
        }
    }
    tell(EventKind::CampaignEnded { interrupted: false });
    evidence
}

pub fn start(boots: u32, cycles_per_boot: u32) -> CampaignStart {
    CampaignStart {
        transport: Transport::Dfu,
        virtual_board: None,
        recipe: "dfu-read".to_owned(),
        reentry: Reentry::Manual,
        seed: 1,
        boots,
        cycles_per_boot,
        calendar_millis: 0,
    }
}

pub fn cold_boot(number: u32) -> Boot {
    Boot {
        number,
        started: Micros::from_secs(60 * u64::from(number)),
        kind: BootKind::ColdPowerOn { off_time: None },
        proof: BootProof::Commanded,
    }
}
