//! What a cycle costs the evidence after a hundred and after a million, and how long a verdict takes.
//!
//! `cargo bench --bench evidence` prints times and their growth. A live update should cost the same at any length
//! (growth near 1); a verdict on a million cycles should take less than a second.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench may stop at the first surprise, and prints")]

use std::time::Instant;

use flakescope::evidence::campaign_evidence::CampaignEvidence;
use flakescope::observation::boot::{Boot, BootKind, BootProof};
use flakescope::observation::cycle::Cycle;
use flakescope::observation::event::{CampaignStart, Event, EventKind, Reentry, Transport};
use flakescope::observation::failure::{Failure, FailureClass};
use flakescope::observation::step::{Outcome, Phase, StepRecord, TransferSummary};
use flakescope::observation::units::Micros;

const CYCLES_PER_BOOT: u32 = 5;
const MEASURED: u32 = 2_000;
const SHORT: u32 = 100;
const LONG: u32 = 1_000_000;

fn main() {
    println!("cycles       absorb      live findings   rates");
    let (short, long) = (costs(SHORT), costs(LONG));
    for (cycles, costs) in [(SHORT, &short), (LONG, &long)] {
        println!("{cycles:>9} {:>8.2} us {:>12.2} us {:>9.2} us", costs[0], costs[1], costs[2]);
    }
    println!("growth    {:>8.2}    {:>12.2}    {:>9.2}", long[0] / short[0], long[1] / short[1], long[2] / short[2]);
    for cycles in [10_000, LONG] {
        let evidence = campaign(cycles);
        let started = Instant::now();
        let found = evidence.verdict_findings().len();
        println!("verdict on {cycles} cycles: {:.0} ms, {found} findings", started.elapsed().as_secs_f64() * 1e3);
    }
}

/// Microseconds per cycle absorbed, per look at the live findings, per look at the rates, after so many cycles.
fn costs(cycles: u32) -> [f64; 3] {
    let mut evidence = campaign(cycles);
    let events: Vec<Event> = (cycles..cycles + MEASURED).flat_map(events).collect();
    let started = Instant::now();
    events.iter().for_each(|event| evidence.absorb(event));
    let absorb = started.elapsed();
    let looks = MEASURED / 10;
    let started = Instant::now();
    let live: usize = (0..looks).map(|_| evidence.live_findings().len()).sum();
    let look = started.elapsed();
    let started = Instant::now();
    let rates: usize = (0..looks).map(|_| evidence.rates().len()).sum();
    let rate = started.elapsed();
    assert!(live > 0 && rates > 0);
    [
        absorb.as_secs_f64() * 1e6 / f64::from(MEASURED),
        look.as_secs_f64() * 1e6 / f64::from(looks),
        rate.as_secs_f64() * 1e6 / f64::from(looks),
    ]
}

fn campaign(cycles: u32) -> CampaignEvidence {
    let mut evidence = CampaignEvidence::new();
    let start = CampaignStart {
        transport: Transport::Dfu,
        virtual_board: None,
        recipe: "dfu-read".to_owned(),
        reentry: Reentry::Virtual,
        seed: 1,
        boots: cycles / CYCLES_PER_BOOT,
        cycles_per_boot: CYCLES_PER_BOOT,
        calendar_millis: 0,
    };
    evidence.absorb(&Event { seq: 0, at: None, kind: EventKind::CampaignStarted(start) });
    for number in 0..cycles {
        events(number).iter().for_each(|event| evidence.absorb(event));
    }
    evidence
}

/// The events of one cycle, with a new boot where one is due. One boot in twenty is bad as a whole, one cycle in fifty
/// fails on its own.
fn events(number: u32) -> Vec<Event> {
    let boot = number / CYCLES_PER_BOOT + 1;
    let mut events = Vec::new();
    let event = |kind| Event { seq: u64::from(number) + 1, at: None, kind };
    if number.is_multiple_of(CYCLES_PER_BOOT) {
        let kind = BootKind::ColdPowerOn { off_time: None };
        let started = Micros::from_secs(u64::from(boot));
        events.push(event(EventKind::BootStarted(Boot { number: boot, started, kind, proof: BootProof::Commanded })));
    }
    let scrambled = number.wrapping_mul(2_654_435_761) >> 8;
    let failure = if boot.wrapping_mul(2_654_435_761) >> 8 & 0xff < 13 {
        Some((FailureClass::NotEnumerated, Phase::Enumerate))
    } else if scrambled & 0xff < 5 {
        Some((FailureClass::BusError, Phase::Read))
    } else {
        None
    };
    events.push(event(EventKind::CycleFinished(cycle(number + 1, boot, failure))));
    events
}

fn cycle(number: u32, boot: u32, failure: Option<(FailureClass, Phase)>) -> Cycle {
    let mut failed = false;
    let phases =
        [Phase::Enumerate, Phase::Open, Phase::Claim, Phase::Descriptors, Phase::Layout, Phase::Read, Phase::Otp];
    let steps = phases.map(|phase| {
        let fails = failure.filter(|(_, place)| *place == phase);
        let outcome = match fails {
            _ if failed => Outcome::Skipped,
            Some((class, phase)) => Outcome::Failed(Failure::new(class, phase)),
            None => Outcome::Done,
        };
        failed |= fails.is_some();
        let elapsed = Some(Micros(1_000 + u64::from(number % 97)));
        let summary = TransferSummary {
            count: 4,
            bytes: 300,
            total: Micros(4_000),
            max: Micros(1_200),
            ..TransferSummary::default()
        };
        StepRecord { phase, started: None, elapsed, outcome, summary, transfers: Vec::new(), facts: Vec::new() }
    });
    let levels = [("port".to_owned(), if boot.is_multiple_of(2) { "1-4" } else { "3-1" }.to_owned())].into();
    Cycle { number, boot: Some(boot), started: Some(Micros::from_secs(u64::from(number))), steps: steps.into(), levels }
}
