//! Findings on transfers: hidden retries, slowness, and whether longer transfers fail more.

use std::collections::BTreeMap;

use super::boot_log::BootLog;
use super::confidence_sequence::{self, ALPHA};
use super::finding::{Finding, NAMED_CYCLES, Unit};
use super::independent_sum::{IndependentSum, hypergeometric};
use super::retries::RetriesByLength;
use super::retry_rules::RetryRules;
use super::trial::Trial;
use super::weight;
use crate::observation::failure::FailureClass;
use crate::observation::step::{Outcome, StepRecord, TransferRecord};

/// The largest packet of a full-speed control endpoint; what is longer takes several packets.
const ONE_PACKET_BYTES: u32 = 64;

/// The slowest full-speed host moves one packet per frame of 1 ms. More than three times that is slow for any of them.
const SLOWEST_PACKET_US: u64 = 3 * 1_000;
/// Set-up and status stage, and a share for polling.
const PACKETS_BESIDES_DATA: u64 = 3;

/// Of the good transfers at least this share must have come late before it says anything about the wire.
const LATE_SHARE: f64 = 1e-3;

#[derive(Clone, Debug, Default)]
pub struct Transfers {
    all: u64,
    late: u64,
    late_at: Vec<u32>,
    by_length: RetriesByLength,
    retries: RetryRules,
    timed_steps: u64,
    slow_steps: u64,
    slow_at: Vec<u32>,
    long: Tally,
    short: Tally,
    /// How many of the failed transfers chance would make long ones, over failing cycles.
    long_by_chance: IndependentSum,
    failed_at: Vec<u32>,
    /// What requests without a stated length bring when they succeed.
    usual_bytes: BTreeMap<String, u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    tried: u64,
    failed: u64,
}

impl Transfers {
    pub fn absorb(&mut self, trial: &Trial<'_>, boot: usize) {
        let late: u64 = trial.cycle.steps.iter().map(|step| u64::from(step.summary.inferred_retries)).sum();
        let count = trial.cycle.steps.iter().map(|step| u64::from(step.summary.count)).sum::<u64>();
        self.all += count;
        self.late += late;
        self.retries.absorb(trial, boot, (late, count));
        trial.cycle.steps.iter().for_each(|step| self.by_length.add(step, trial.cycle.number));
        if late > 0 && self.late_at.len() < NAMED_CYCLES {
            self.late_at.push(trial.cycle.number);
        }
        for step in trial.cycle.steps.iter().filter(|step| step.outcome == Outcome::Done && step.summary.count > 0) {
            self.timed_steps += 1;
            self.slow_steps += u64::from(is_slow(step));
            if is_slow(step) && self.slow_at.len() < NAMED_CYCLES && self.slow_at.last() != Some(&trial.cycle.number) {
                self.slow_at.push(trial.cycle.number);
            }
        }
        if trial.failure.is_some_and(|failure| is_on_the_wire(failure.class)) {
            self.compare_lengths(trial);
        }
    }

    /// Given how many transfers of this cycle failed, each is as likely to be among them under the null.
    fn compare_lengths(&mut self, trial: &Trial<'_>) {
        let (mut long, mut short) = (Tally::default(), Tally::default());
        for transfer in trial.cycle.steps.iter().flat_map(|step| &step.transfers) {
            let Some(length_bytes) = self.length_of(transfer) else { continue };
            let tally = if length_bytes > ONE_PACKET_BYTES { &mut long } else { &mut short };
            tally.tried += 1;
            tally.failed += u64::from(transfer.code.is_some());
        }
        let failed = long.failed + short.failed;
        if failed == 0 || long.tried == 0 || short.tried == 0 {
            return;
        }
        let (least, probabilities) = hypergeometric(long.tried + short.tried, long.tried, failed);
        self.long_by_chance.add(least, &probabilities);
        for (sum, part) in [(&mut self.long, long), (&mut self.short, short)] {
            sum.tried += part.tried;
            sum.failed += part.failed;
        }
        if long.failed > 0 && self.failed_at.len() < NAMED_CYCLES {
            self.failed_at.push(trial.cycle.number);
        }
    }

    /// What was asked for, as the request says it or as the same request has brought before.
    fn length_of(&mut self, transfer: &TransferRecord) -> Option<u32> {
        let stated = transfer.request.strip_suffix(" B").and_then(|text| text.rsplit(' ').next()?.parse().ok());
        if stated.is_some() {
            return stated;
        }
        if transfer.code.is_none() && self.usual_bytes.len() < 256 {
            self.usual_bytes.insert(transfer.request.clone(), transfer.length_bytes);
            return Some(transfer.length_bytes);
        }
        self.usual_bytes.get(&transfer.request).copied()
    }

    /// What counts alone allow to be said, at any look.
    pub fn counted(&self) -> Vec<Finding> {
        [self.late(), self.slow()].into_iter().flatten().collect()
    }

    fn late(&self) -> Option<Finding> {
        let (low, high) = confidence_sequence::interval(self.late as f64, self.all as f64, ALPHA);
        if low < LATE_SHARE {
            return None;
        }
        let share = self.late as f64 / self.all as f64;
        let text = format!(
            "{} of {} transfers came a frame or two later than their equals: retries that the host's controller hides. Inferred from latency.",
            self.late, self.all
        );
        Some(
            Finding::new("late-transfers", text, self.all, Unit::Transfer)
                .of_size(share, Some((low, high)), "share of transfers")
                .by(confidence_sequence::METHOD, weight::of_sightings(self.late))
                .seen_at(self.late_at.iter().copied()),
        )
    }

    fn slow(&self) -> Option<Finding> {
        let (low, high) = confidence_sequence::interval(self.slow_steps as f64, self.timed_steps as f64, ALPHA);
        if low < 0.5 {
            return None;
        }
        let text = format!(
            "{} of {} steps took more than three times what the slowest full-speed host needs.",
            self.slow_steps, self.timed_steps
        );
        Some(
            Finding::new("slow-transfers", text, self.timed_steps, Unit::Step)
                .of_size(self.slow_steps as f64 / self.timed_steps as f64, Some((low, high)), "share of steps")
                .by(confidence_sequence::METHOD, weight::of_sightings(self.slow_steps))
                .seen_at(self.slow_at.iter().copied()),
        )
    }

    /// The rule that hidden retries keep to.
    pub fn retry_rule(&self, log: &BootLog) -> Option<Finding> {
        Some(self.retries.rule(log)?.seen_at(self.late_at.iter().copied()))
    }

    /// The exact test on lengths.
    pub fn tested(&self) -> Vec<Finding> {
        let retries = self.retries.by_boot().into_iter().chain(self.by_length.finding());
        retries.chain(self.rise_with_length()).collect()
    }

    fn rise_with_length(&self) -> Vec<Finding> {
        let p = self.long_by_chance.at_least(self.long.failed);
        if self.long.failed == 0 || p >= weight::REPORTED_BELOW {
            return Vec::new();
        }
        let (long, short) = (self.long, self.short);
        let text = format!(
            "Longer transfers fail more: in failing cycles {} of {} transfers of several packets failed, and {} of {} of one packet.",
            long.failed, long.tried, short.failed, short.tried
        );
        let odds = |tally: Tally| (tally.failed as f64 + 0.5) / ((tally.tried - tally.failed) as f64 + 0.5);
        let ratio = odds(long) / odds(short);
        // Woolf (1955), with the halves that Haldane adds.
        let part = |tally: Tally| 1.0 / (tally.failed as f64 + 0.5) + 1.0 / ((tally.tried - tally.failed) as f64 + 0.5);
        let spread = (1.96 * (part(long) + part(short)).sqrt()).exp();
        vec![
            Finding::new("failures-rise-with-length", text, long.tried + short.tried, Unit::Transfer)
                .of_size(ratio, Some((ratio / spread, ratio * spread)), "odds ratio")
                .by(
                    format!(
                        "stratified test within failing cycles, {}, p = {p:.2e}; interval after Woolf",
                        self.long_by_chance.way()
                    ),
                    weight::of_p_value(p).min(weight::of_sightings(long.failed)),
                )
                .seen_at(self.failed_at.iter().copied()),
        ]
    }
}

fn is_slow(step: &StepRecord) -> bool {
    let packets =
        PACKETS_BESIDES_DATA * u64::from(step.summary.count) + step.summary.bytes / u64::from(ONE_PACKET_BYTES);
    step.summary.total.0 > packets * SLOWEST_PACKET_US
}

fn is_on_the_wire(class: FailureClass) -> bool {
    // A core that is stuck times out wherever it was going, and a device that left fails whatever comes next.
    matches!(class, FailureClass::BusError | FailureClass::Parity | FailureClass::Overflow | FailureClass::ShortRead)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::campaign_evidence::CampaignEvidence;
    use crate::evidence::synthetic::{campaign, cycle, failing};
    use crate::observation::cycle::Cycle;
    use crate::observation::step::Phase;
    use crate::observation::units::Micros;

    fn has(evidence: &CampaignEvidence, id: &str) -> bool {
        evidence.verdict_findings().iter().any(|finding| finding.id == id)
    }

    fn transfer(request: &str, length_bytes: u32, fails: bool) -> TransferRecord {
        TransferRecord {
            request: request.to_owned(),
            elapsed: Micros(900),
            length_bytes: if fails { 0 } else { length_bytes },
            code: fails.then(|| "LIBUSB_ERROR_IO".to_owned()),
        }
    }

    /// A cycle of nine short transfers and one long one, of which the one at `bad` fails.
    fn failing_transfer(number: u32, boot: u32, bad: usize) -> Cycle {
        let mut cycle = failing(number, boot, FailureClass::BusError, Phase::Read);
        let read = cycle.steps.iter_mut().find(|step| step.phase == Phase::Read).unwrap();
        read.transfers = (0..10)
            .map(|place| {
                if place == 9 {
                    transfer("UPLOAD block 2, 1024 B", 1024, bad == 9)
                } else {
                    transfer("GETSTATUS", 6, bad == place)
                }
            })
            .collect();
        cycle
    }

    #[test]
    fn a_data_stage_that_always_fails_is_told_from_errors_anywhere() {
        let long_only = campaign(8, 1, |number, boot| failing_transfer(number, boot, 9));
        assert!(has(&long_only, "failures-rise-with-length"));
        let anywhere = campaign(20, 1, |number, boot| failing_transfer(number, boot, number as usize % 10));
        assert!(!has(&anywhere, "failures-rise-with-length"));
    }

    #[test]
    fn late_transfers_need_more_than_an_odd_one() {
        let with_retries = |every: u32| {
            campaign(50, 4, move |number, boot| {
                let mut cycle = cycle(number, boot);
                cycle.steps[6].summary.inferred_retries = u32::from(number % every == 0);
                cycle
            })
        };
        assert!(has(&with_retries(5), "late-transfers"));
        assert!(!has(&with_retries(100), "late-transfers"));
    }

    #[test]
    fn slow_means_slower_than_any_host() {
        let taking = |milliseconds: u64| {
            campaign(5, 4, move |number, boot| {
                let mut cycle = cycle(number, boot);
                for step in &mut cycle.steps {
                    step.summary.total = Micros::from_millis(milliseconds * u64::from(step.summary.count));
                }
                cycle
            })
        };
        assert!(has(&taking(60), "slow-transfers"));
        assert!(!has(&taking(3), "slow-transfers"));
    }
}
