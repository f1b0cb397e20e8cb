//! Does damage on the wire lie as chance would lay it? Bits that flip one by one spare nothing: the long transfers after
//! enumeration suffer more than the few short packets of enumeration, and long before a transfer is lost others are saved by a
//! repetition. Where either is missing, something else than the wire spoils packets: an outage that outlasts every repetition, or
//! something that concerns enumeration alone.
//!
//! A host tries a transaction three times before it gives up (xHCI 1.2, 4.10.2.3, and the error counters of EHCI and OHCI).

use super::confidence_sequence::{self, ALPHA};
use super::finding::{Finding, Unit};
use super::sightings::Sightings;
use super::solve::crossing;
use super::trial::{Mark, Trial};
use super::weight;
use super::where_in_cycle::at_least;

/// Tries of one transaction until the host gives up.
const TRIES: f64 = 3.0;
/// Set-up, data and status stage of each control transfer.
const STAGES: u64 = 3;
const PACKET_BYTES: u64 = 64;
/// What a host sends to enumerate a device: about ten control transfers for address, descriptors, strings and configuration.
const ENUMERATION_PACKETS: u64 = 60;
/// On a clean wire fewer of the transfers than this come late.
const CLEAN_SHARE: f64 = 1e-3;
/// In fewer boots with errors a board stays by chance.
const LEAST_BOOTS_THAT_STAY: u64 = 8;
/// Fewer say nothing.
const LEAST_SEEN: u64 = 3;

#[derive(Clone, Debug, Default)]
pub struct WireDamage {
    /// Packets that passed after enumeration, and transfers that came late among them.
    packets: u64,
    late: u64,
    enumerations: u64,
    transfers: u64,
    at_enumerate: Sightings,
    later: Sightings,
    leaves: Sightings,
}

impl WireDamage {
    pub fn absorb(&mut self, trial: &Trial<'_>, boot: usize) {
        for step in &trial.cycle.steps {
            self.packets += STAGES * u64::from(step.summary.count) + step.summary.bytes / PACKET_BYTES;
            self.transfers += u64::from(step.summary.count);
            self.late += u64::from(step.summary.inferred_retries);
        }
        self.enumerations += 1;
        if trial.marks.has(Mark::Disconnect) {
            self.leaves.add(boot, trial.cycle.number);
        }
        if trial.marks.has(Mark::BusError) {
            let seen = if trial.marks.has(Mark::AtEnumerate) { &mut self.at_enumerate } else { &mut self.later };
            seen.add(boot, trial.cycle.number);
        }
    }

    /// Enumeration alone was hit, although far more was sent after it.
    pub fn is_only_at_enumerate(&self) -> bool {
        self.only_at_enumerate().is_some()
    }

    pub fn findings(&self) -> Vec<Finding> {
        let found = [self.only_at_enumerate(), self.without_retries(), self.leaves_a_clean_wire(), self.never_leaves()];
        found.into_iter().flatten().collect()
    }

    fn only_at_enumerate(&self) -> Option<Finding> {
        let seen = self.at_enumerate.boots;
        if seen < LEAST_SEEN || self.later.boots > 0 {
            return None;
        }
        let enumerating = ENUMERATION_PACKETS * self.enumerations;
        let share = enumerating as f64 / (enumerating + self.packets) as f64;
        let p = at_least(seen, seen, share);
        if p >= weight::REPORTED_BELOW {
            return None;
        }
        let text = format!(
            "Errors on the wire sit in enumeration alone, in {}, although enumeration makes up at most {:.0} % of the packets and none of the later ones was lost.",
            Unit::Boot.count(seen),
            100.0 * share
        );
        Some(
            Finding::new("wire-errors-only-at-enumerate", text, seen, Unit::Boot)
                .by(
                    format!("binomial test against the share of packets, p = {p:.2e}"),
                    weight::of_p_value(p).min(weight::of_sightings(seen)),
                )
                .seen_at(self.at_enumerate.at.iter()),
        )
    }

    fn without_retries(&self) -> Option<Finding> {
        let lost = self.later.cycles;
        // Where many came late the wire is not clean, and tries of the same packet may fail alike.
        if self.later.boots < LEAST_SEEN || self.packets == 0 || !self.is_clean() {
            return None;
        }
        let packets = self.packets as f64;
        let per_try = (lost as f64 / packets).powf(1.0 / TRIES).min(1.0);
        let expected = per_try * packets;
        let p = at_most(self.late, expected);
        if p >= weight::REPORTED_BELOW {
            return None;
        }
        let (low, high) = poisson_interval(self.late);
        let text = format!(
            "{} lost a transfer on the wire, and {} came late, where bits that flip one by one would have made the host repeat about {expected:.0}: what spoils packets lasts longer than all tries. Inferred from latency.",
            Unit::Cycle.count(lost),
            Unit::Transfer.count(self.late)
        );
        Some(
            Finding::new("wire-errors-without-retries", text, lost, Unit::Cycle)
                .of_size(
                    self.late as f64 / expected,
                    Some((low / expected, high / expected)),
                    "repetitions seen of those to expect",
                )
                .by(
                    format!("Poisson test against three tries each, p = {p:.2e}, interval after Garwood; inferred from latency"),
                    weight::of_p_value(p).min(weight::of_sightings(self.later.boots)),
                )
                .seen_at(self.later.at.iter()),
        )
    }

    fn is_clean(&self) -> bool {
        (self.late as f64) < CLEAN_SHARE * self.transfers as f64
    }

    /// Errors in so many boots, and a board that stays through all of them.
    fn never_leaves(&self) -> Option<Finding> {
        let boots = self.later.boots;
        if self.leaves.boots > 0 || boots < LEAST_BOOTS_THAT_STAY {
            return None;
        }
        let bound = confidence_sequence::bound_without_failures(boots as f64, ALPHA);
        let text = format!(
            "In {} transfers failed on the wire, and in none of them the board left the bus (below {:.0} % with 95 % confidence).",
            Unit::Boot.count(boots),
            100.0 * bound
        );
        Some(
            Finding::new("never-leaves-the-bus", text, boots, Unit::Boot)
                .of_size(0.0, Some((0.0, bound)), "share of boots with errors")
                .by(confidence_sequence::METHOD, weight::of_absence(bound))
                .seen_at(self.later.at.iter()),
        )
    }

    /// Noise that makes a hub or a board let go spoils packets as well.
    fn leaves_a_clean_wire(&self) -> Option<Finding> {
        let boots = self.leaves.boots;
        if boots < LEAST_SEEN || !self.is_clean() || self.later.boots > 0 || self.at_enumerate.boots > 0 {
            return None;
        }
        let text = format!(
            "The board left the bus in {}, while no transfer failed on the wire and {} of {} came late.",
            Unit::Boot.count(boots),
            self.late,
            self.transfers
        );
        Some(
            Finding::new("leaves-a-clean-wire", text, boots, Unit::Boot)
                .of_share(self.late, self.transfers, "share of transfers that came late")
                .by(
                    format!("count; retries inferred from latency; {}", confidence_sequence::METHOD),
                    weight::of_sightings(boots),
                )
                .seen_at(self.leaves.at.iter()),
        )
    }
}

/// The 95 % interval of a mean of which `k` events were seen (Garwood 1936).
fn poisson_interval(k: u64) -> (f64, f64) {
    let most = 4.0 * k as f64 + 20.0;
    let low = if k == 0 { 0.0 } else { crossing(0.0, most, |mean| 1.0 - at_most(k - 1, mean) - 0.025) };
    (low, crossing(0.0, most, |mean| 0.025 - at_most(k, mean)))
}

/// The chance of at most `k` events where `mean` are to be expected.
fn at_most(k: u64, mean: f64) -> f64 {
    let mut term = (-mean).exp();
    let mut sum = term;
    for n in 1..=k {
        term *= mean / n as f64;
        sum += term;
        // Past the mode of a distribution that has all its mass above, nothing more can come.
        if sum >= 1.0 {
            return 1.0;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::at_most;
    use super::poisson_interval;
    use crate::evidence::synthetic::{campaign, cycle, failing};
    use crate::observation::cycle::Cycle;
    use crate::observation::failure::{Failure, FailureClass};
    use crate::observation::step::{Outcome, Phase};

    fn ids(make: impl Fn(u32, u32) -> Cycle) -> Vec<String> {
        let evidence = campaign(30, 4, make);
        evidence.verdict_findings().into_iter().map(|finding| finding.id).collect()
    }

    fn wire_error_at_enumerate(number: u32, boot: u32) -> Cycle {
        let mut cycle = failing(number, boot, FailureClass::DescriptorFailed, Phase::Enumerate);
        let failure = Failure::new(FailureClass::DescriptorFailed, Phase::Enumerate);
        cycle.steps[0].outcome = Outcome::Failed(failure.with_code("device descriptor read/64, error -71"));
        cycle
    }

    /// P(X <= 2) at a mean of 3 is 0.4232 in the usual tables; at 100 it is nothing.
    /// Exact Poisson limits as tabled by Garwood (1936): 0 to 3.689 for none, 1.623 to 11.668 for five.
    #[test]
    fn intervals_of_counts_agree_with_the_table() {
        for (k, low, high) in [(0, 0.0, 3.689), (5, 1.623, 11.668), (20, 12.217, 30.888)] {
            let found = poisson_interval(k);
            assert!((found.0 - low).abs() < 1e-3 && (found.1 - high).abs() < 1e-3, "{k}: {found:?}");
        }
    }

    #[test]
    fn poisson_tails_agree_with_the_tables() {
        assert!((at_most(2, 3.0) - 0.4232).abs() < 1e-4);
        assert!(at_most(10, 100.0) < 1e-20);
        assert!((at_most(200, 100.0) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn errors_in_enumeration_alone_are_not_called_scattered() {
        let found =
            ids(|number, boot| if boot % 3 == 0 { wire_error_at_enumerate(number, boot) } else { cycle(number, boot) });
        assert!(found.contains(&"wire-errors-only-at-enumerate".to_owned()), "{found:?}");
        assert!(!found.contains(&"bus-errors-scattered".to_owned()), "{found:?}");
    }

    #[test]
    fn a_board_leaves_a_clean_wire_unless_packets_were_spoilt_too() {
        let with_errors = |errors: bool| {
            ids(move |number, boot| match boot % 6 {
                0 => failing(number, boot, FailureClass::Disconnected, Phase::Read),
                3 if errors => failing(number, boot, FailureClass::BusError, Phase::Read),
                _ => cycle(number, boot),
            })
        };
        let clean = "leaves-a-clean-wire".to_owned();
        assert!(with_errors(false).contains(&clean));
        assert!(!with_errors(true).contains(&clean));
    }

    #[test]
    fn a_board_that_stays_through_many_errors_never_leaves() {
        let with_errors_every = |boots: u32| {
            ids(move |number, boot| {
                if boot % boots == 0 {
                    failing(number, boot, FailureClass::BusError, Phase::Read)
                } else {
                    cycle(number, boot)
                }
            })
        };
        let stays = "never-leaves-the-bus".to_owned();
        assert!(with_errors_every(3).contains(&stays));
        assert!(!with_errors_every(6).contains(&stays));
    }

    #[test]
    fn errors_elsewhere_too_are_not_of_enumeration() {
        let found = ids(|number, boot| match boot % 6 {
            0 => wire_error_at_enumerate(number, boot),
            3 => failing(number, boot, FailureClass::BusError, Phase::Read),
            _ => cycle(number, boot),
        });
        assert!(!found.contains(&"wire-errors-only-at-enumerate".to_owned()), "{found:?}");
    }

    #[test]
    fn lost_transfers_without_a_late_one_are_outages_and_with_late_ones_are_not() {
        let with_late = |late: u32| {
            ids(move |number, boot| {
                let fails = boot % 3 == 0 && number % 4 == 1;
                let mut cycle = if fails {
                    failing(number, boot, FailureClass::BusError, Phase::Read)
                } else {
                    cycle(number, boot)
                };
                cycle.steps[3].summary.inferred_retries = late;
                cycle
            })
        };
        let outage = "wire-errors-without-retries".to_owned();
        assert!(with_late(0).contains(&outage));
        assert!(!with_late(4).contains(&outage));
    }
}
