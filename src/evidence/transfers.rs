//! Findings on transfers: hidden retries and slowness.

use super::boot_log::BootLog;
use super::confidence_sequence::{self, ALPHA};
use super::finding::{Finding, Unit};
use super::lengths::{Lengths, ONE_PACKET_BYTES};
use super::retries::RetriesByLength;
use super::retry_rules::RetryRules;
use super::sightings::Sightings;
use super::trial::Trial;
use super::weight;
use crate::observation::step::{Outcome, StepRecord};

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
    by_length: RetriesByLength,
    retries: RetryRules,
    timed_steps: u64,
    slow_steps: u64,
    /// Transfers of one boot, or one cycle, are no sightings of their own.
    late_in: Sightings,
    slow_in: Sightings,
    lengths: Lengths,
}

impl Transfers {
    pub fn absorb(&mut self, trial: &Trial<'_>, boot: usize) {
        let late: u64 = trial.cycle.steps.iter().map(|step| u64::from(step.summary.inferred_retries)).sum();
        let count = trial.cycle.steps.iter().map(|step| u64::from(step.summary.count)).sum::<u64>();
        self.all += count;
        self.late += late;
        self.retries.absorb(trial, boot, (late, count));
        trial.cycle.steps.iter().for_each(|step| self.by_length.add(step, trial.cycle.number));
        if late > 0 {
            self.late_in.add(boot, trial.cycle.number);
        }
        let slow_before = self.slow_steps;
        for step in trial.cycle.steps.iter().filter(|step| step.outcome == Outcome::Done && step.summary.count > 0) {
            self.timed_steps += 1;
            self.slow_steps += u64::from(is_slow(step));
        }
        if self.slow_steps > slow_before {
            self.slow_in.add(boot, trial.cycle.number);
        }
        self.lengths.absorb(trial, boot);
    }

    /// What counts alone allow to be said, at any look, of so many boots.
    pub fn counted(&self, boots: u64) -> Vec<Finding> {
        [self.late(boots), self.slow(boots)].into_iter().flatten().collect()
    }

    fn late(&self, boots: u64) -> Option<Finding> {
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
                .by(confidence_sequence::METHOD, weight::of_sightings(self.late_in.count(Unit::independent(boots))))
                .seen_at(self.late_in.at.iter()),
        )
    }

    fn slow(&self, boots: u64) -> Option<Finding> {
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
                .by(confidence_sequence::METHOD, weight::of_sightings(self.slow_in.count(Unit::independent(boots))))
                .seen_at(self.slow_in.at.iter()),
        )
    }

    /// The rule that hidden retries keep to.
    pub fn retry_rule(&self, log: &BootLog) -> Option<Finding> {
        Some(self.retries.rule(log)?.seen_at(self.late_in.at.iter()))
    }

    /// The exact tests, of so many boots.
    pub fn tested(&self, boots: u64) -> Vec<Finding> {
        let retries = self.retries.by_boot().into_iter().chain(self.by_length.finding());
        retries.chain(self.lengths.finding(boots)).collect()
    }
}

fn is_slow(step: &StepRecord) -> bool {
    let packets =
        PACKETS_BESIDES_DATA * u64::from(step.summary.count) + step.summary.bytes / u64::from(ONE_PACKET_BYTES);
    step.summary.total.0 > packets * SLOWEST_PACKET_US
}

#[cfg(test)]
mod tests {
    use crate::evidence::campaign_evidence::CampaignEvidence;
    use crate::evidence::synthetic::{campaign, cycle};
    use crate::observation::units::Micros;

    fn has(evidence: &CampaignEvidence, id: &str) -> bool {
        evidence.verdict_findings().iter().any(|finding| finding.id == id)
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
