//! Do longer transfers fail more? What flips bits finds more of them in a long transfer; what refuses a request does not ask for its length.
//!
//! A step ends with its first failure, so the transfers that were made are no fair sample: where a long one fails, the long ones
//! after it were never tried. The first transfer that failed is therefore held against what the whole cycle would have sent,
//! had it gone well: if each transfer is as likely to fail, the first to do so is a long one at most as often as long ones are
//! among all (less often, in fact, since the short ones come first).

use std::collections::BTreeMap;

use super::confidence_sequence::METHOD;
use super::finding::{Finding, NamedCycles, Unit};
use super::sightings::FirstOfBoot;
use super::trial::Trial;
use super::weight;
use super::where_in_cycle::at_least;
use crate::observation::failure::FailureClass;
use crate::observation::request_text::RequestText;
use crate::observation::step::{Outcome, Phase, StepRecord, TransferRecord};

/// The largest packet of a full-speed control endpoint; what is longer takes several packets.
pub const ONE_PACKET_BYTES: u32 = 64;

/// So many requests are remembered by what they bring.
const REQUESTS_KNOWN: usize = 256;

#[derive(Clone, Debug, Default)]
pub struct Lengths {
    /// What one step of each phase sends.
    sent: BTreeMap<Phase, Sent>,
    /// Cycles whose first failure was on the wire, and those in which it hit a long transfer: of every cycle, and of the first of each boot.
    cycles: Hits,
    boots: Hits,
    failing_boots: FirstOfBoot,
    at: NamedCycles,
    /// What requests without a stated length bring when they succeed.
    usual_bytes: BTreeMap<RequestText, u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Hits {
    all: u64,
    long: u64,
}

/// Single transfers are kept of failing cycles only, as far as they came; of the others their number and their bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    /// Of the attempt that came furthest.
    short: u64,
    long: u64,
    bytes: u64,
    /// Of the step that sent most.
    most: u64,
    most_bytes: u64,
}

impl Sent {
    /// What is not known singly counts as long as far as its bytes allow, so that long transfers are rather too many than too few.
    fn lengths(&self) -> (u64, u64) {
        let beyond = self.most.saturating_sub(self.short + self.long);
        let long = beyond.min(self.most_bytes.saturating_sub(self.bytes) / u64::from(ONE_PACKET_BYTES + 1));
        (self.short + beyond - long, self.long + long)
    }
}

impl Lengths {
    pub fn absorb(&mut self, trial: &Trial<'_>, boot: usize) {
        trial.cycle.steps.iter().for_each(|step| self.learn(step));
        if !trial.failure.is_some_and(|failure| is_on_the_wire(failure.class)) {
            return;
        }
        let failing =
            trial.cycle.steps.iter().find(|step| step.failure().is_some_and(|failure| !failure.is_expected()));
        let broken = failing.and_then(|step| step.transfers.iter().find(|transfer| transfer.code.is_some()));
        let Some(length_bytes) = broken.and_then(|transfer| self.length_of(transfer)) else { return };
        let hit = u64::from(length_bytes > ONE_PACKET_BYTES);
        let is_first_of_boot = self.failing_boots.is_first(boot);
        for hits in [Some(&mut self.cycles), Some(&mut self.boots).filter(|_| is_first_of_boot)].into_iter().flatten() {
            hits.all += 1;
            hits.long += hit;
        }
        if hit > 0 {
            self.at.add(trial.cycle.number);
        }
    }

    fn learn(&mut self, step: &StepRecord) {
        let mut singly = Sent::default();
        for transfer in &step.transfers {
            let Some(length_bytes) = self.length_of(transfer) else { continue };
            singly.long += u64::from(length_bytes > ONE_PACKET_BYTES);
            singly.short += u64::from(length_bytes <= ONE_PACKET_BYTES);
            singly.bytes += u64::from(transfer.length_bytes);
        }
        let sent = self.sent.entry(step.phase).or_default();
        if singly.short + singly.long > sent.short + sent.long {
            *sent = Sent { most: sent.most, most_bytes: sent.most_bytes, ..singly };
        }
        if step.outcome == Outcome::Done && u64::from(step.summary.count) > sent.most {
            (sent.most, sent.most_bytes) = (step.summary.count.into(), step.summary.bytes);
        }
    }

    /// What was asked for, as the request says it or as the same request has brought before.
    fn length_of(&mut self, transfer: &TransferRecord) -> Option<u32> {
        let stated = transfer.request.asked_bytes();
        if stated.is_some() {
            return stated;
        }
        if transfer.code.is_none() && self.usual_bytes.len() < REQUESTS_KNOWN {
            self.usual_bytes.insert(transfer.request.clone(), transfer.length_bytes);
            return Some(transfer.length_bytes);
        }
        self.usual_bytes.get(&transfer.request).copied()
    }

    /// The exact test, on boots where there are several.
    pub fn finding(&self, boots: u64) -> Option<Finding> {
        let unit = Unit::independent(boots);
        let hits = if unit == Unit::Boot { self.boots } else { self.cycles };
        let (short, long) = self.sent.values().map(Sent::lengths).fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
        if hits.long == 0 || short == 0 || long == 0 {
            return None;
        }
        let expected = long as f64 / (short + long) as f64;
        let p = at_least(hits.long, hits.all, expected);
        if p >= weight::REPORTED_BELOW {
            return None;
        }
        let text = format!(
            "Longer transfers fail more: of {} that failed on the wire, the first transfer to fail was one of several packets in {}, where they are {:.0} % of what a cycle sends.",
            unit.count(hits.all),
            hits.long,
            100.0 * expected
        );
        Some(
            Finding::new("failures-rise-with-length", text, hits.all, unit)
                .of_share(hits.long, hits.all, "share of first failures that hit a long transfer")
                .by(
                    format!("binomial test against the share of long transfers, p = {p:.2e}; {METHOD}"),
                    weight::of_p_value(p).min(weight::of_sightings(hits.long)),
                )
                .seen_at(self.at.iter()),
        )
    }
}

fn is_on_the_wire(class: FailureClass) -> bool {
    // A core that is stuck times out wherever it was going, and a device that left fails whatever comes next.
    matches!(class, FailureClass::BusError | FailureClass::Parity | FailureClass::Overflow | FailureClass::ShortRead)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::campaign_evidence::CampaignEvidence;
    use crate::evidence::chance::Chance;
    use crate::evidence::synthetic::{campaign, cycle, failing};
    use crate::observation::cycle::Cycle;
    use crate::observation::units::Micros;

    fn is_found(evidence: &CampaignEvidence) -> bool {
        evidence.verdict_findings().iter().any(|finding| finding.id == "failures-rise-with-length")
    }

    /// Reads in nine short transfers and so many long ones after them, and ends at the one at `bad`.
    fn failing_transfer(number: u32, boot: u32, long: usize, bad: usize) -> Cycle {
        let mut cycle = failing(number, boot, FailureClass::BusError, Phase::Read);
        let read = cycle.steps.iter_mut().find(|step| step.phase == Phase::Read).unwrap();
        let transfer = |place: usize| {
            let (request, length_bytes) = if place < 9 { ("GETSTATUS", 6) } else { ("UPLOAD block 2, 1024 B", 1024) };
            TransferRecord {
                request: request.into(),
                elapsed: Micros(900),
                length_bytes: if place == bad { 0 } else { length_bytes },
                code: (place == bad).then(|| "LIBUSB_ERROR_IO".to_owned()),
            }
        };
        read.transfers = (0..9 + long).take(bad + 1).map(transfer).collect();
        cycle
    }

    fn sound(number: u32, boot: u32, long: usize) -> Cycle {
        let mut cycle = cycle(number, boot);
        for step in &mut cycle.steps {
            (step.summary.count, step.summary.bytes) = (0, 0);
            if step.phase == Phase::Read {
                (step.summary.count, step.summary.bytes) = (9 + long as u32, 54 + 1024 * long as u64);
            }
        }
        cycle
    }

    #[test]
    fn a_data_stage_that_always_fails_is_told_from_errors_anywhere() {
        assert!(is_found(&campaign(8, 1, |number, boot| failing_transfer(number, boot, 1, 9))));
        assert!(!is_found(&campaign(20, 1, |number, boot| failing_transfer(number, boot, 1, number as usize % 10))));
    }

    /// Every transfer is as likely to fail, and a read ends with the first that does: the long ones after it are not tried.
    #[test]
    fn transfers_that_were_never_tried_are_no_preference() {
        let mut chance = Chance::seeded(12);
        let mut alarms = 0;
        for _ in 0..100 {
            let evidence = campaign(40, 1, |number, boot| {
                let bad = (0..41).find(|_| chance.happens(0.01));
                bad.map_or_else(|| sound(number, boot, 32), |bad| failing_transfer(number, boot, 32, bad))
            });
            alarms += u32::from(is_found(&evidence));
        }
        assert!(alarms <= 10, "{alarms} of 100 at a level of 5 %");
    }
}
