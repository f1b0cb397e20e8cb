//! Findings on places: failures at one address or spread over what was read, and data that reads differently.

use std::collections::{BTreeMap, BTreeSet};

use super::boot_log::BootSums;
use super::confidence_sequence::METHOD;
use super::finding::{Finding, Unit};
use super::sightings::{FirstOfBoot, Sightings};
use super::trial::{Mark, Trial};
use super::weight;
use super::where_in_cycle::at_least;
use crate::observation::board::BoardIdentity;
use crate::observation::fact::FactValue;
use crate::observation::failure::FailureClass;
use crate::observation::field_text::FieldText;
use crate::observation::step::{Outcome, Phase};
use crate::observation::units::Address;

/// What a ROM moves per block where nothing says otherwise.
const USUAL_BLOCK_BYTES: f64 = 2_048.0;
/// Beyond this many, single addresses say nothing more.
const MOST_ADDRESSES: usize = 4_096;
/// Facts that read the same from cycle to cycle on a sound board.
const STEADY_FACTS: [&str; 3] = ["flash-digest", "option-bytes", "otp"];

#[derive(Clone, Debug, Default)]
pub struct Place {
    failing: BTreeMap<Address, Failing>,
    failures: Sightings,
    /// A boot that fails on would name many addresses and be counted as one try, so only its first failure counts.
    failing_boots: FirstOfBoot,
    block_bytes: Option<f64>,
    most_read_bytes: u64,
    serial: Option<FieldText>,
    /// The first value of each steady fact in each arm.
    first_read: BTreeMap<(String, String), FactValue>,
    differing: Sightings,
    differing_keys: Vec<String>,
    reads: u64,
}

/// What failed at one address.
#[derive(Clone, Debug, Default)]
struct Failing {
    seen: Sightings,
    /// It is the word itself, not the beginning of what was asked for.
    exact: bool,
    /// The step that met it reads the OTP, whose place differs from part to part.
    in_otp: bool,
}

/// Where every STM32 has the flash that programs lie in; secure code sees it at 0x0C000000, and the Cortex-M7 of F7 reads it at 0x00200000 as well.
fn is_main_flash(address: Address) -> bool {
    [0x0020_0000..0x0040_0000, 0x0800_0000..0x0A00_0000, 0x0C00_0000..0x0E00_0000]
        .iter()
        .any(|flash| flash.contains(&address.0))
}

/// What was read before such a step is no reference any more.
const fn alters(phase: Phase) -> bool {
    matches!(
        phase,
        Phase::Erase | Phase::Write | Phase::OptionBytesWrite | Phase::FusDelete | Phase::FusUpgrade | Phase::FusStart
    )
}

impl Place {
    /// Another board reads differently by right.
    pub fn meet(&mut self, board: &BoardIdentity) {
        if self.serial.is_some() && self.serial != board.serial {
            self.first_read.clear();
        }
        self.serial.clone_from(&board.serial);
    }

    pub fn absorb(&mut self, trial: &Trial<'_>, boot: usize) {
        for step in &trial.cycle.steps {
            if alters(step.phase) && step.outcome != Outcome::Skipped {
                self.first_read.clear();
            }
            if step.phase == Phase::Read && step.outcome == Outcome::Done {
                self.most_read_bytes = self.most_read_bytes.max(step.summary.bytes);
            }
            for fact in &step.facts {
                match &fact.value {
                    FactValue::Number(bytes) if fact.key == "transfer-size" => self.block_bytes = Some(*bytes),
                    value if STEADY_FACTS.contains(&fact.key.as_str()) => self.compare(trial, boot, &fact.key, value),
                    _ => {}
                }
            }
        }
        if let Some((failure, address)) = trial.failure.and_then(|failure| Some((failure, failure.address?))) {
            let is_first = self.failing_boots.is_first(boot);
            self.failures.add_one(is_first, trial.cycle.number);
            if self.failing.len() < MOST_ADDRESSES || self.failing.contains_key(&address) {
                let failing = self.failing.entry(address).or_default();
                failing.seen.add_one(is_first, trial.cycle.number);
                failing.exact = matches!(failure.class, FailureClass::SwdFault | FailureClass::DataMismatch);
                failing.in_otp |= failure.phase == Phase::Otp;
            }
        }
    }

    fn compare(&mut self, trial: &Trial<'_>, boot: usize, key: &str, value: &FactValue) {
        self.reads += 1;
        let arm = trial.cycle.levels.iter().map(|(factor, level)| format!("{factor}={level} ")).collect();
        // A recipe may read several ranges; each is compared with itself.
        let range = match value {
            FactValue::Text(text) => text.raw().split_once(": ").map_or("", |(range, _)| range),
            _ => "",
        };
        let place = (format!("{key} {range}"), arm);
        if let Some(first) = self.first_read.get(&place) {
            if first != value {
                self.differing.add(boot, trial.cycle.number);
                if !self.differing_keys.iter().any(|known| known == key) {
                    self.differing_keys.push(key.to_owned());
                }
            }
        } else if self.first_read.len() < MOST_ADDRESSES {
            self.first_read.insert(place, value.clone());
        }
    }

    /// What counts alone allow to be said, at any look.
    pub fn counted(&self, sums: &BootSums) -> Vec<Finding> {
        // Failures that say so themselves are counted with the kinds of failure.
        if self.differing.cycles == 0 || sums.with_mark(Mark::DataDiffers) > 0 {
            return Vec::new();
        }
        let text = format!(
            "{} read differently than the first time in {} of {} readings.",
            self.differing_keys.join(" and "),
            self.differing.cycles,
            self.reads
        );
        vec![
            Finding::new("data-differs", text, self.reads, Unit::Reading)
                .of_share(self.differing.cycles, self.reads, "share of readings")
                .by(format!("count; {METHOD}"), weight::of_sightings(self.differing.boots))
                .seen_at(self.differing.at.iter()),
        ]
    }

    pub fn tested(&self, sums: &BootSums) -> Vec<Finding> {
        let unit = Unit::independent(sums.boots);
        self.one_address_or_many(unit).into_iter().chain(self.beside_main_flash(unit)).collect()
    }

    /// The target refused words, and none of them where programs or data of somebody's own lie: a number of the chip or a register is not what a
    /// lost supply cuts off.
    fn beside_main_flash(&self, unit: Unit) -> Option<Finding> {
        let refused = || self.failing.iter().filter(|(_, failing)| failing.exact);
        let (address, _) = refused().max_by_key(|(_, failing)| failing.seen.count(unit))?;
        if refused().any(|(address, failing)| failing.in_otp || is_main_flash(*address)) {
            return None;
        }
        let n = refused().map(|(_, failing)| failing.seen.count(unit)).sum();
        let text = format!(
            "In {} words are refused, and none of them lies in the main flash or the OTP; most often it is {address}.",
            unit.count(n)
        );
        let cycles: BTreeSet<u32> = refused().flat_map(|(_, failing)| failing.seen.at.iter()).collect();
        Some(
            Finding::new("faults-beside-flash", text, n, unit)
                .by("count of refused words", weight::of_sightings(n))
                .seen_at(cycles),
        )
    }

    /// One address or many, against failures dealt at random over the blocks that were read.
    fn one_address_or_many(&self, unit: Unit) -> Option<Finding> {
        let (address, most) = self.failing.iter().max_by_key(|(_, failing)| failing.seen.count(unit))?;
        let (n, k) = (self.failures.count(unit), most.seen.count(unit));
        let block = self.block_bytes.filter(|bytes| *bytes >= 2.0).unwrap_or(USUAL_BLOCK_BYTES);
        // What lies before a word in its block was read well.
        let words_before = if most.exact { (f64::from(address.0) % block / 4.0).floor() } else { 0.0 };
        let blocks =
            (self.most_read_bytes as f64 / block).ceil().max(self.failing.len() as f64).max(words_before + 1.0);
        let p = (blocks * at_least(k, n, 1.0 / blocks)).min(1.0);
        if blocks >= 2.0 && p < weight::REPORTED_BELOW {
            let text = format!(
                "{k} of {n} failures with an address, counted once per {}, sit at {address}; {blocks:.0} places were read.",
                unit.name()
            );
            return Some(
                Finding::new("address-fixed", text, n, unit)
                    .of_share(k, n, "share of failures at this address")
                    .by(
                        format!("binomial test against places at random, Bonferroni, p = {p:.2e}; {METHOD}"),
                        weight::of_p_value(p).min(weight::of_sightings(k)),
                    )
                    .seen_at(most.seen.at.iter()),
            );
        }
        let places = self.failing.values().filter(|failing| failing.seen.count(unit) > 0).count() as u64;
        if places >= 3 && 2 * k <= n {
            let text = format!("{n} failures lie at {places} different addresses; the commonest holds {k}.");
            return Some(
                Finding::new("address-random", text, n, unit)
                    .of_share(k, n, "share of failures at the commonest address")
                    .by(
                        format!("count; blocks at random are not refuted, p = {p:.2}; {METHOD}"),
                        weight::of_sightings(places - 1),
                    )
                    .seen_at(self.failures.at.iter()),
            );
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use crate::evidence::chance::Chance;
    use crate::evidence::finding::Finding;
    use crate::evidence::synthetic::{campaign, cycle, failing};
    use crate::observation::cycle::Cycle;
    use crate::observation::fact::{Fact, FactValue};
    use crate::observation::failure::FailureClass;
    use crate::observation::step::{Outcome, Phase};
    use crate::observation::units::Address;

    fn failing_at(number: u32, boot: u32, address: u32) -> Cycle {
        let mut cycle = failing(number, boot, FailureClass::BusError, Phase::Read);
        if let Outcome::Failed(failure) = &mut cycle.steps[6].outcome {
            failure.address = Some(Address(address));
        }
        cycle
    }

    /// Reads 32 KiB in blocks of 2 KiB; every third boot fails at the address given.
    fn found(address: impl Fn(u32) -> u32) -> Vec<String> {
        let evidence = campaign(30, 1, |number, boot| {
            if boot % 3 == 0 {
                return failing_at(number, boot, address(boot));
            }
            let mut cycle = cycle(number, boot);
            cycle.steps[6].summary.bytes = 32 * 1024;
            cycle
        });
        let ids = evidence.verdict_findings().into_iter().map(|finding| finding.id);
        ids.filter(|id| id.starts_with("address-")).collect()
    }

    #[test]
    fn the_same_block_again_and_again_is_a_place() {
        assert_eq!(found(|_| 0x0800_2000), ["address-fixed"]);
        assert_eq!(found(|boot| 0x0800_0000 + boot * 0x800), ["address-random"]);
    }

    /// Blocks at random, several failures a boot: a boot is one try, whatever it meets later.
    #[test]
    fn boots_that_fail_on_at_random_have_no_place() {
        let mut chance = Chance::seeded(8);
        let mut alarms = 0;
        for _ in 0..40 {
            let evidence = campaign(20, 10, |number, boot| {
                if chance.happens(0.3) {
                    return failing_at(number, boot, 0x0800_0000 + 0x800 * chance.below(32) as u32);
                }
                let mut cycle = cycle(number, boot);
                cycle.steps[6].summary.bytes = 64 * 1024;
                cycle
            });
            alarms += evidence.verdict_findings().iter().filter(|finding| finding.id == "address-fixed").count();
        }
        assert!(alarms <= 5, "{alarms} of 40 at a level of 5 %");
    }

    #[test]
    fn words_refused_outside_the_main_flash_are_told_unless_one_inside_is_refused_too() {
        let refused = |phase: Phase, places: &'static [u32]| {
            let evidence = campaign(10, 2, |number, boot| {
                let mut cycle = failing(number, boot, FailureClass::SwdFault, Phase::Read);
                cycle.steps[6].phase = phase;
                if let Outcome::Failed(failure) = &mut cycle.steps[6].outcome {
                    failure.phase = phase;
                    failure.address = Some(Address(places[number as usize % places.len()]));
                }
                cycle
            });
            let finding = |finding: &Finding| finding.id == "faults-beside-flash";
            evidence.verdict_findings().into_iter().find(finding).map(|finding| finding.text)
        };
        let told = "In 10 boots words are refused, and none of them lies in the main flash or the OTP; most often it is 0x1FF1E800.";
        assert_eq!(refused(Phase::Identify, &[0x1FF1_E800]).as_deref(), Some(told));
        let several = refused(Phase::Identify, &[0x1FF1_E800, 0x1FF1_E800, 0x1FF1_E880]).unwrap();
        assert!(several.starts_with("In 10 boots") && several.ends_with("it is 0x1FF1E800."), "{several}");
        assert_eq!(refused(Phase::Identify, &[0x1FF1_E800, 0x0800_0400]), None);
        assert_eq!(refused(Phase::Identify, &[0x0C00_0000]), None);
        assert_eq!(refused(Phase::Otp, &[0x1FF0_F000]), None);
    }

    #[test]
    fn one_block_read_is_no_choice_of_place() {
        let evidence =
            campaign(
                10,
                1,
                |number, boot| if boot < 5 { failing_at(number, boot, 0x0800_0000) } else { cycle(number, boot) },
            );
        assert!(evidence.verdict_findings().iter().all(|finding| !finding.id.starts_with("address-")));
    }

    #[test]
    fn a_digest_that_changes_is_found_even_if_no_step_failed() {
        let evidence = campaign(4, 2, |number, boot| {
            let mut cycle = cycle(number, boot);
            let digest = if number == 6 { "b" } else { "a" };
            cycle.steps[6].facts.push(Fact::measured("flash-digest", FactValue::Text(digest.into())));
            cycle
        });
        let findings = evidence.live_findings();
        let differs = findings.iter().find(|finding| finding.id == "data-differs").unwrap();
        assert_eq!(differs.text, "flash-digest read differently than the first time in 1 of 8 readings.");
        assert_eq!(differs.at, [6]);
    }

    /// A deleted stack moves the border of the secure flash, which stands in the option bytes.
    #[test]
    fn what_an_alteration_changes_is_no_difference() {
        let evidence = campaign(1, 1, |number, boot| {
            let mut cycle = cycle(number, boot);
            let options = |bytes: u8| Fact::measured("option-bytes", FactValue::Bytes(vec![bytes]));
            cycle.steps[4].facts.push(options(1));
            cycle.steps[5].phase = Phase::FusDelete;
            cycle.steps[6].facts.push(options(2));
            cycle
        });
        assert!(evidence.live_findings().iter().all(|finding| finding.id != "data-differs"));
    }
}
