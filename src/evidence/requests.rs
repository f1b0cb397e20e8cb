//! Findings on the kind of request that fails on the wire: one kind alone, although others gave as much to go wrong.
//!
//! Single transfers are kept of failing cycles only, so what a step sends is learned there, as far as it came; how often
//! each step was attempted is known of all cycles.

use std::collections::BTreeMap;

use super::confidence_sequence::METHOD;
use super::finding::{Finding, Unit};
use super::lengths::ONE_PACKET_BYTES;
use super::sightings::Sightings;
use super::trial::{Mark, Trial};
use super::weight;
use super::where_in_cycle::at_least;
use crate::observation::step::{Outcome, Phase, StepRecord};

/// Set-up and status packets of a control transfer come on top of its data.
const OVERHEAD_BYTES: u64 = 32;
/// Requests differ in what they carry, and some of it is easier to damage.
const NEARLY_ALL: f64 = 0.95;
/// That short requests fail alone is a rule which hardly any cause makes, so it must stand out more.
const RULE_BELOW: f64 = 0.006;
/// Fewer boots show no preference.
const LEAST_BOOTS: u64 = 3;

#[derive(Clone, Debug, Default)]
pub struct Requests {
    attempts: BTreeMap<Phase, u64>,
    /// What one step sends, by kind of request; of the attempt that came furthest.
    sent: BTreeMap<Phase, BTreeMap<String, Load>>,
    /// By kind.
    failed: BTreeMap<String, Sightings>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Load {
    transfers: u64,
    bytes: u64,
    /// How long they took, in microseconds: what strikes at any moment strikes the slow ones.
    time: u64,
}

impl Requests {
    pub fn absorb(&mut self, trial: &Trial<'_>, boot: usize) {
        for step in &trial.cycle.steps {
            if matches!(step.outcome, Outcome::Done | Outcome::Failed(_)) {
                *self.attempts.entry(step.phase).or_default() += 1;
            }
            let known = self.sent.get(&step.phase).map_or(0, |loads| loads.values().map(|load| load.transfers).sum());
            if step.transfers.len() as u64 > known {
                self.sent.insert(step.phase, load_of(step));
            }
        }
        if !trial.marks.has(Mark::BusError) {
            return;
        }
        let failing =
            trial.cycle.steps.iter().find(|step| step.failure().is_some_and(|failure| !failure.is_expected()));
        let broken = failing.and_then(|step| step.transfers.iter().find(|transfer| transfer.code.is_some()));
        if let Some(transfer) = broken {
            self.failed.entry(transfer.request.kind().to_owned()).or_default().add(boot, trial.cycle.number);
        }
    }

    pub fn tested(&self) -> Vec<Finding> {
        let Some((kind, seen)) = self.failed.iter().max_by_key(|(_, seen)| seen.boots) else { return Vec::new() };
        let all: u64 = self.failed.values().map(|seen| seen.boots).sum();
        let loads = self.loads();
        let share = |of: fn(&Load) -> u64| {
            let total: u64 = loads.values().map(of).sum();
            loads.get(kind.as_str()).map_or(0.0, |load| of(load) as f64 / total.max(1) as f64)
        };
        let expected = share(|load| load.transfers).max(share(|load| load.bytes)).max(share(|load| load.time));
        // Long requests need several packets, which some weaknesses mind; short ones alone are nobody's.
        let is_long = loads
            .get(kind.as_str())
            .is_some_and(|load| load.bytes > load.transfers * (OVERHEAD_BYTES + u64::from(ONE_PACKET_BYTES)));
        let id = if is_long { "fails-in-one-long-request" } else { "fails-in-one-short-request" };
        let below = if is_long { weight::REPORTED_BELOW } else { RULE_BELOW };
        let p = (at_least(seen.boots, all, expected) * loads.len() as f64).min(1.0);
        if seen.boots < LEAST_BOOTS || (seen.boots as f64) < NEARLY_ALL * all as f64 || expected <= 0.0 || p >= below {
            return Vec::new();
        }
        let text = format!(
            "Of {all} transfers that failed on the wire, counted once per boot and kind, {} were {kind}, which makes up at most {:.0} % of what was sent.",
            seen.boots,
            100.0 * expected
        );
        vec![
            Finding::new(id, text, all, Unit::Boot)
                .of_share(seen.boots, all, "share of failures")
                .by(
                    format!(
                        "binomial test against the share of transfers, bytes and time, Bonferroni over kinds, p = {p:.2e}; {METHOD}"
                    ),
                    weight::of_p_value(p).min(weight::of_sightings(seen.boots)),
                )
                .seen_at(seen.at.iter()),
        ]
    }

    fn loads(&self) -> BTreeMap<&str, Load> {
        let mut loads: BTreeMap<&str, Load> = BTreeMap::new();
        for (phase, sent) in &self.sent {
            let attempts = self.attempts.get(phase).copied().unwrap_or_default();
            for (kind, load) in sent {
                let sum = loads.entry(kind).or_default();
                sum.transfers += attempts * load.transfers;
                sum.bytes += attempts * load.bytes;
                sum.time += attempts * load.time;
            }
        }
        loads
    }
}

fn load_of(step: &StepRecord) -> BTreeMap<String, Load> {
    let mut loads: BTreeMap<String, Load> = BTreeMap::new();
    for transfer in &step.transfers {
        let load = loads.entry(transfer.request.kind().to_owned()).or_default();
        load.transfers += 1;
        load.time += if transfer.code.is_none() { transfer.elapsed.0 } else { 0 };
        // Where the request does not say, what it brought must do.
        load.bytes += u64::from(transfer.request.asked_bytes().unwrap_or(transfer.length_bytes)) + OVERHEAD_BYTES;
    }
    loads
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::synthetic::{campaign, cycle, failing};
    use crate::observation::cycle::Cycle;
    use crate::observation::failure::FailureClass;
    use crate::observation::step::TransferRecord;
    use crate::observation::units::Micros;

    /// A cycle whose steps each send one upload of 1024 bytes and two status requests, and fails at the `bad`-th transfer of its reading.
    fn sending(number: u32, boot: u32, bad: Option<usize>) -> Cycle {
        let mut cycle = match bad {
            Some(_) => failing(number, boot, FailureClass::BusError, Phase::Read),
            None => cycle(number, boot),
        };
        for step in cycle.steps.iter_mut().filter(|step| matches!(step.phase, Phase::Layout | Phase::Read)) {
            let transfer = |(place, (request, length_bytes)): (usize, (&str, u32))| TransferRecord {
                request: request.into(),
                elapsed: Micros(900),
                length_bytes,
                code: (step.phase == Phase::Read && bad == Some(place)).then(|| "LIBUSB_ERROR_IO".to_owned()),
            };
            let requests = [("GETSTATUS", 6), ("UPLOAD block 2, 1024 B", 1024), ("GETSTATUS", 6)];
            step.transfers = requests.into_iter().enumerate().map(transfer).collect();
        }
        cycle
    }

    fn found(bad: impl Fn(u32) -> Option<usize>) -> Vec<String> {
        let evidence = campaign(60, 1, |number, boot| sending(number, boot, bad(boot)));
        let found = evidence.verdict_findings().into_iter();
        found.filter(|finding| finding.id == "fails-in-one-short-request").map(|finding| finding.text).collect()
    }

    #[test]
    fn uploads_may_fail_alone_because_they_carry_the_bytes() {
        assert!(found(|boot| (boot % 5 == 0).then_some(1)).is_empty());
    }

    #[test]
    fn failures_as_chance_deals_them_are_no_finding() {
        assert!(found(|boot| (boot % 3 == 0).then_some(boot as usize % 4 % 3)).is_empty());
    }

    #[test]
    fn short_requests_that_fail_alone_are_found() {
        let texts = found(|boot| (boot % 3 == 0).then_some(0));
        assert_eq!(
            texts,
            [
                "Of 20 transfers that failed on the wire, counted once per boot and kind, 20 were GETSTATUS, which makes up at most 67 % of what was sent."
            ]
        );
    }
}
