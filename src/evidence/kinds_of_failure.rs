//! Findings about what the failures look like and how far the board got: counted, so they hold at every look.

use super::boot_log::BootSums;
use super::confidence_sequence::{self, ALPHA};
use super::finding::{Finding, NamedCycles, Unit};
use super::trial::{Mark, Trial};
use super::weight;

/// From so many silent boots on, one that is not would be expected of a cause that sometimes shows something.
const SILENT_BOOTS_THAT_SPEAK: u64 = 5;

/// How often each mark was seen, and where first.
#[derive(Clone, Debug, Default)]
pub struct KindsOfFailure {
    cycles: [u64; Mark::ALL.len()],
    at: [NamedCycles; Mark::ALL.len()],
}

impl KindsOfFailure {
    pub fn absorb(&mut self, trial: &Trial<'_>) {
        for mark in Mark::ALL {
            if trial.marks.has(mark) {
                self.cycles[mark as usize] += 1;
                self.at[mark as usize].add(trial.cycle.number);
            }
        }
    }

    /// `bus_errors_spread` tells whether bus errors lie over the steps as chance would lay them.
    pub fn findings(&self, sums: &BootSums, bus_errors_spread: bool) -> Vec<Finding> {
        let bus_errors_and_answers = if bus_errors_spread { sums.bus_errors_and_answers } else { 0 };
        let mut found = vec![
            self.presence(sums),
            self.counted(
                sums,
                Mark::AtEnumerate,
                sums.with_mark(Mark::AtEnumerate),
                "fails-at-enumerate",
                "the board did not come onto the bus",
            ),
            self.silence(sums),
            self.counted(
                sums,
                Mark::AfterAnswer,
                sums.with_mark(Mark::AfterAnswer),
                "fails-after-identify",
                "the board had answered first and failed later in the same cycle",
            ),
            self.counted(
                sums,
                Mark::Silent,
                sums.silent_throughout,
                "timeouts-no-answer",
                "the board was on the bus, or at least on its port, and answered nothing",
            ),
            self.counted(
                sums,
                Mark::LateTimeout,
                sums.with_mark(Mark::LateTimeout),
                "timeouts-mid-session",
                "an answer stayed out after others had come",
            ),
            self.counted(
                sums,
                Mark::Stall,
                sums.with_mark(Mark::Stall),
                "stalls",
                "the board refused a request (STALL)",
            ),
            self.counted(
                sums,
                Mark::LeftEarly,
                sums.with_mark(Mark::LeftEarly),
                "leaves-while-enumerating",
                "the board showed on the port and was gone again before it was on the bus",
            ),
            self.counted(
                sums,
                Mark::Disconnect,
                sums.with_mark(Mark::Disconnect),
                "disconnects-mid-session",
                "the board left the bus during the session",
            ),
            self.counted(
                sums,
                Mark::BusError,
                bus_errors_and_answers,
                "bus-errors-scattered",
                "single transfers failed on the wire while others of the same boot passed",
            ),
            self.counted(
                sums,
                Mark::BusError,
                sums.bus_errors_only,
                "bus-errors-all-transfers",
                "transfers failed on the wire and none of the boot passed",
            ),
            self.counted(
                sums,
                Mark::DataDiffers,
                sums.with_mark(Mark::DataDiffers),
                "data-differs",
                "data read back differed from what it should be or was before",
            ),
        ];
        found.retain(Option::is_some);
        found.into_iter().flatten().collect()
    }

    /// Boots in which the port showed nothing; that it was so in every failing boot says more.
    fn silence(&self, sums: &BootSums) -> Option<Finding> {
        let silent = sums.with_mark(Mark::NothingOnPort);
        let throughout = sums.port_silent_throughout;
        let always = throughout >= SILENT_BOOTS_THAT_SPEAK && throughout == sums.bad;
        let id = if always { "port-always-silent" } else { "port-silent" };
        self.counted(sums, Mark::NothingOnPort, silent, id, "the port was watched and nothing showed on it")
    }

    /// Boots in which the board was never seen.
    fn presence(&self, sums: &BootSums) -> Option<Finding> {
        let (absent, boots) = (sums.absent, sums.boots);
        if absent == 0 {
            return None;
        }
        let (id, text) = if absent == boots {
            ("never-enumerates", format!("The board was never seen on the bus, in {}.", Unit::Boot.count(boots)))
        } else {
            (
                "enumerate-fails-some-boots",
                format!(
                    "The board never came onto the bus in {absent} of {}, and did in the others.",
                    Unit::Boot.count(boots)
                ),
            )
        };
        let interval = confidence_sequence::interval(absent as f64, boots as f64, ALPHA);
        Some(
            Finding::new(id, text, boots, Unit::Boot)
                .of_size(absent as f64 / boots as f64, Some(interval), "share of boots")
                .by(confidence_sequence::METHOD, weight::of_sightings(absent))
                .seen_at(self.at[Mark::AtEnumerate as usize].iter()),
        )
    }

    /// `boots` is in how many boots the statement holds; within a single boot its cycles are counted instead.
    fn counted(&self, sums: &BootSums, mark: Mark, boots: u64, id: &str, what: &str) -> Option<Finding> {
        if boots == 0 {
            return None;
        }
        let (unit, seen, failing, n) = if sums.boots > 1 {
            (Unit::Boot, boots, sums.bad, sums.boots)
        } else {
            (Unit::Cycle, self.cycles[mark as usize], sums.failed, sums.cycles)
        };
        let share = seen as f64 / failing as f64;
        let text = format!("In {seen} of {failing} failing {}s ({} in all) {what}.", unit.name(), unit.count(n));
        let interval = confidence_sequence::interval(seen as f64, failing as f64, ALPHA);
        Some(
            Finding::new(id, text, n, unit)
                .of_size(share, Some(interval), &format!("share of failing {}s", unit.name()))
                .by(format!("count; {}", confidence_sequence::METHOD), weight::of_sightings(seen) * share)
                .occurs(weight::of_sightings(seen))
                .seen_at(self.at[mark as usize].iter()),
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::evidence::finding::Finding;
    use crate::evidence::synthetic::{campaign, cycle, failing};
    use crate::observation::failure::FailureClass;
    use crate::observation::step::Phase;

    fn found<'a>(findings: &'a [Finding], id: &str) -> Option<&'a Finding> {
        findings.iter().find(|finding| finding.id == id)
    }

    #[test]
    fn a_board_that_stays_away_in_some_boots_says_so_with_interval_and_cycles() {
        let evidence = campaign(10, 2, |number, boot| {
            if boot == 3 {
                failing(number, boot, FailureClass::NotEnumerated, Phase::Enumerate)
            } else {
                cycle(number, boot)
            }
        });
        let findings = evidence.live_findings();
        let absent = found(&findings, "enumerate-fails-some-boots").unwrap();
        assert_eq!(absent.text, "The board never came onto the bus in 1 of 10 boots, and did in the others.");
        assert_eq!((absent.n, absent.at.as_slice()), (10, [5, 6].as_slice()));
        let (low, high) = absent.effect.as_ref().unwrap().interval.unwrap();
        assert!(low > 0.0 && low < 0.1 && high > 0.3 && high < 0.6, "{low} {high}");
        assert!(found(&findings, "never-enumerates").is_none());
        assert!(found(&findings, "fails-after-identify").is_none());
    }

    #[test]
    fn single_bus_errors_among_good_transfers_are_not_a_dead_boot() {
        let evidence = campaign(6, 3, |number, boot| match (boot, number % 3) {
            (2 | 4, 1) => failing(number, boot, FailureClass::BusError, Phase::Read),
            (5, 2) => failing(number, boot, FailureClass::BusError, Phase::Layout),
            _ => cycle(number, boot),
        });
        let findings = evidence.live_findings();
        let scattered = found(&findings, "bus-errors-scattered").unwrap();
        assert!(scattered.text.starts_with("In 3 of 3 failing boots (6 boots in all)"), "{}", scattered.text);
        assert!((scattered.weight - 0.75).abs() < 1e-9);
        assert!(found(&findings, "bus-errors-all-transfers").is_none());
    }

    #[test]
    fn a_port_on_which_something_showed_in_any_cycle_was_not_always_silent() {
        let seen = |class: FailureClass| {
            let evidence = campaign(6, 2, |number, boot| {
                let class = if number % 2 == 0 { class } else { FailureClass::NotEnumerated };
                failing(number, boot, class, Phase::Enumerate)
            });
            let findings = evidence.live_findings();
            ["port-always-silent", "port-silent"].map(|id| found(&findings, id).is_some())
        };
        assert_eq!(seen(FailureClass::NotEnumerated), [true, false]);
        assert_eq!(seen(FailureClass::DescriptorFailed), [false, true]);
    }

    #[test]
    fn within_a_single_boot_the_cycles_are_counted() {
        let evidence = campaign(1, 8, |number, boot| {
            if number > 5 {
                failing(number, boot, FailureClass::Disconnected, Phase::Read)
            } else {
                cycle(number, boot)
            }
        });
        let findings = evidence.live_findings();
        let gone = found(&findings, "disconnects-mid-session").unwrap();
        assert_eq!(gone.text, "In 3 of 3 failing cycles (8 cycles in all) the board left the bus during the session.");
    }
}
