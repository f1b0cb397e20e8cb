//! Failures that keep to every so many-th transfer since the boot began, whatever that transfer asks for.
//!
//! A recipe is a fixed order of requests, so that one request which fails each time comes round evenly as well. Therefore only different
//! points of the recipe count, each once, and what share of the requests like those that failed lies on the same count anyway.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Finding, NamedCycles, Unit};
use super::sightings::FirstOfBoot;
use super::trial::{Mark, Trial};
use super::weight;
use crate::observation::step::Phase;

/// Fewer different points agree by chance.
const LEAST_POINTS: usize = 4;
/// A count is a rule that hardly any cause makes, so it must stand out more.
const BELOW: f64 = 0.006;
/// Longer boots say no more, and what is kept of them stays small.
const LAST_TRANSFER: u64 = 4096;

#[derive(Clone, Debug, Default)]
pub struct TransferCount {
    boot: Option<usize>,
    /// Transfers since the boot began; `None` once the board was lost, because whether a count goes on then is unknown.
    sent: Option<u64>,
    /// Where failures lie: by their point in the recipe, the counts that they came at.
    failed: BTreeMap<(Phase, usize), BTreeSet<u64>>,
    kinds_failed: BTreeSet<String>,
    /// The counts that requests of each kind came at, in cycles whose transfers are kept.
    tried: BTreeMap<String, BTreeSet<u64>>,
    failures: u64,
    bad_boots: u64,
    failing_boots: FirstOfBoot,
    at: NamedCycles,
}

impl TransferCount {
    pub fn absorb(&mut self, trial: &Trial<'_>, boot: usize) {
        if self.boot != Some(boot) {
            (self.boot, self.sent) = (Some(boot), Some(0));
        }
        let Some(mut sent) = self.sent.filter(|sent| *sent < LAST_TRANSFER) else { return };
        // What is sent to a board that has gone is not counted by it.
        let mut is_there = true;
        for step in &trial.cycle.steps {
            let fails = step.failure().is_some_and(|failure| !failure.is_expected());
            for (point, transfer) in step.transfers.iter().enumerate() {
                let kind = transfer.request.kind().to_owned();
                let count = sent + point as u64 + 1;
                if is_there && fails && transfer.code.is_some() {
                    self.failed.entry((step.phase, point)).or_default().insert(count);
                    self.kinds_failed.insert(kind.clone());
                    self.failures += 1;
                    self.bad_boots += u64::from(self.failing_boots.is_first(boot));
                    is_there = trial.marks.has(Mark::BusError);
                }
                self.tried.entry(kind).or_default().insert(count);
            }
            sent += u64::from(step.summary.count);
        }
        if trial.failed() {
            self.at.add(trial.cycle.number);
        }
        self.sent = (!trial.failed() || trial.marks.has(Mark::BusError)).then_some(sent);
    }

    pub fn tested(&self) -> Option<Finding> {
        let points = self.failed.len();
        let counts: BTreeSet<u64> = self.failed.values().flatten().copied().collect();
        let first = *counts.first()?;
        let period = counts.iter().fold(0, |divisor, count| greatest_common_divisor(divisor, count - first));
        if points < LEAST_POINTS || period < 2 {
            return None;
        }
        let p = chance_of_a_period(period, self.share_on(first, period), points);
        if p >= BELOW {
            return None;
        }
        let text = format!(
            "Failures keep to every {} transfer of a boot: {} at {points} different points of the cycle, all of them after a multiple of {period} transfers from the first.",
            ordinal(period),
            Unit::Transfer.count(self.failures),
        );
        Some(
            Finding::new("every-nth-transfer", text, self.failures, Unit::Transfer)
                .by(
                    format!(
                        "each point once, against the share of like requests on that count, over all longer periods, p = {p:.2e}"
                    ),
                    weight::of_p_value(p).min(weight::of_sightings(self.bad_boots)),
                )
                .seen_at(self.at.iter()),
        )
    }

    /// The share of requests like those that failed which lie on the same count.
    fn share_on(&self, first: u64, period: u64) -> f64 {
        let like = || self.kinds_failed.iter().filter_map(|kind| self.tried.get(kind)).flatten();
        let on_count = like().filter(|count| count.abs_diff(first).is_multiple_of(period)).count();
        on_count as f64 / like().count().max(1) as f64
    }
}

/// The chance that so many points agree on this period or a longer one: each but the first meets its count by chance, and the sum over
/// longer periods is bounded by its integral.
fn chance_of_a_period(period: u64, share: f64, points: usize) -> f64 {
    let agreeing = (points - 1) as i32;
    let longer = 1.0 + period as f64 / f64::from(agreeing - 1);
    (share.powi(agreeing) * longer).min(1.0)
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

fn ordinal(number: u64) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::chance::Chance;
    use crate::evidence::synthetic::{campaign, cycle, failing};
    use crate::observation::cycle::Cycle;
    use crate::observation::failure::FailureClass;
    use crate::observation::request_text::RequestText;
    use crate::observation::step::TransferRecord;
    use crate::observation::units::Micros;

    const READING: usize = 20;

    /// A cycle that reads by so many requests, every other of them an upload, and fails at the one given, if any; returns as well what it sent.
    fn reading(number: u32, boot: u32, class: FailureClass, bad: Option<usize>) -> (Cycle, u64) {
        let mut cycle = match bad {
            Some(_) => failing(number, boot, class, Phase::Read),
            None => cycle(number, boot),
        };
        let at = cycle.steps.iter().position(|step| step.phase == Phase::Read).unwrap();
        let transfer = |place: usize| TransferRecord {
            request: if place.is_multiple_of(2) {
                "GETSTATUS".into()
            } else {
                RequestText::asking(format!("UPLOAD block {place}"), 1024)
            },
            elapsed: Micros(900),
            length_bytes: 1024,
            code: (bad == Some(place)).then(|| "LIBUSB_ERROR_IO".to_owned()),
        };
        cycle.steps[at].summary.count = bad.map_or(READING, |bad| bad + 1) as u32;
        cycle.steps[at].transfers = (0..bad.map_or(READING, |bad| bad + 1)).map(transfer).collect();
        let sent = cycle.steps.iter().map(|step| u64::from(step.summary.count)).sum();
        (cycle, sent)
    }

    /// Boots of four cycles; `strikes` says whether the request fails that is the so many-th transfer of its boot.
    fn found(class: FailureClass, mut strikes: impl FnMut(u64, usize) -> bool) -> Vec<String> {
        let (mut sent, mut of_boot) = (0, 0);
        let evidence = campaign(20, 4, |number, boot| {
            if of_boot != boot {
                (of_boot, sent) = (boot, 0);
            }
            // The steps before the reading send ten transfers.
            let bad = (0..READING).find(|&place| strikes(sent + 10 + place as u64 + 1, place));
            let (cycle, count) = reading(number, boot, class, bad);
            sent += count;
            cycle
        });
        let found = evidence.verdict_findings().into_iter();
        found.filter(|finding| finding.id == "every-nth-transfer").map(|finding| finding.text).collect()
    }

    #[test]
    fn a_count_of_transfers_is_found() {
        let mut chance = Chance::seeded(1);
        let texts = found(FailureClass::BusError, |count, _| count.is_multiple_of(13) && chance.fraction() < 0.7);
        assert_eq!(texts.len(), 1);
        assert!(texts[0].starts_with("Failures keep to every 13th transfer of a boot:"), "{texts:?}");
    }

    #[test]
    fn one_place_that_fails_in_each_cycle_is_no_count() {
        assert!(found(FailureClass::BusError, |_, place| place == 7).is_empty());
    }

    #[test]
    fn failures_that_chance_deals_are_no_count() {
        let mut chance = Chance::seeded(3);
        for _ in 0..200 {
            assert!(found(FailureClass::BusError, |_, _| chance.fraction() < 0.03).is_empty());
        }
    }

    #[test]
    fn requests_of_which_every_other_is_of_that_kind_are_no_count() {
        let mut chance = Chance::seeded(5);
        for _ in 0..200 {
            assert!(found(FailureClass::BusError, |_, place| place % 2 == 1 && chance.fraction() < 0.1).is_empty());
        }
    }

    #[test]
    fn what_comes_after_a_loss_is_not_counted() {
        // From the loss on the count begins anew, which nobody can know: later failures would spoil it.
        let mut lost_in = BTreeSet::new();
        let mut boot = 0;
        let texts = found(FailureClass::Disconnected, |count, _| {
            if count == 11 {
                boot += 1;
            }
            let turn = [17, 51, 68, 102][boot % 4];
            count == turn && lost_in.insert(boot) || lost_in.contains(&boot) && count % 17 == 5
        });
        assert_eq!(texts.len(), 1, "{texts:?}");
    }

    #[test]
    fn numbers_are_written_as_people_write_them() {
        assert_eq!([2, 3, 11, 13, 21, 47].map(ordinal), ["2nd", "3rd", "11th", "13th", "21st", "47th"]);
    }
}
