//! Time since boot as a covariate: do the first failures of boots come late?
//!
//! If nothing within a boot changes with time, the first failure of a boot comes in each of its planned cycles at most as
//! likely as in the one before, however failures cluster: for a stationary sequence the probability that the first failure
//! is in cycle k equals that of a failure followed by k - 1 good cycles read backwards, and longer sequences are rarer.
//! So against "each cycle alike" the test for late ones never alarms too often, whether boots differ or bad cycles come in
//! streaks. Boots that are alike as neighbours are turned over in blocks. Planned cycles are compared, not those that ran:
//! a boot that ends with its failure would otherwise always fail in its last cycle.
//!
//! Time and work go together within a boot; this tells that it is not the start.

use super::boot_log::{BootLog, BootTally};
use super::chance::Chance;
use super::finding::{Finding, Unit};
use super::independent_sum::IndependentSum;
use super::jackknife;
use super::multiplicity::Candidate;
use super::permutation::{BlockPermutation, SHUFFLES, thinned};
use super::weight;

/// Fewer failing boots have no place.
const LEAST_BOOTS: usize = 5;
/// Fewer cycles in a boot have no early and late.
const LEAST_CYCLES: u32 = 3;
/// Of more boots only the latest are compared.
const COMPARED_UP_TO: usize = 10_000;

/// A boot that failed: in which of its planned cycles first, how long after its start, and the number of the cycle.
#[derive(Clone, Copy, Debug)]
struct FirstFailure {
    cycle: u32,
    planned: u32,
    seconds: f64,
    at: u32,
}

impl FirstFailure {
    fn of(boot: &BootTally) -> Option<Self> {
        let first = boot.first_failure.filter(|first| boot.planned >= LEAST_CYCLES && first.cycle <= boot.planned)?;
        let seconds = first.after?.as_secs_f64();
        Some(Self { cycle: first.cycle, planned: boot.planned, seconds, at: boot.failed_at? })
    }

    /// 0 in the first cycle, 1 in the last.
    fn place(&self) -> f64 {
        f64::from(self.cycle - 1) / f64::from(self.planned - 1)
    }
}

pub fn candidate(log: &BootLog) -> Option<Candidate<'static>> {
    let all: Vec<FirstFailure> = log.boots().filter_map(FirstFailure::of).collect();
    let failures = all[all.len().saturating_sub(COMPARED_UP_TO)..].to_vec();
    if failures.len() < LEAST_BOOTS {
        return None;
    }
    let (p, method) = lateness(&failures);
    Some(Candidate::new(p, move |p| finding(&failures, p, &method).into_iter().collect()))
}

/// The chance of first failures as late as these.
fn lateness(failures: &[FirstFailure]) -> (f64, String) {
    let places: Vec<f64> = failures.iter().map(FirstFailure::place).collect();
    let block = BlockPermutation::fitted_to(&thinned(&places), 6).block;
    if block == 1 {
        let mut sum = IndependentSum::default();
        for failure in failures {
            sum.add(1, &vec![1.0 / f64::from(failure.planned); failure.planned as usize]);
        }
        let seen = failures.iter().map(|failure| u64::from(failure.cycle)).sum();
        return (sum.at_least(seen), format!("first failures against equally likely cycles, {}", sum.way()));
    }
    let sums: Vec<f64> = places.chunks(block).map(|chunk| chunk.iter().map(|place| place - 0.5).sum()).collect();
    let seen: f64 = sums.iter().sum();
    let mut chance = Chance::seeded(6);
    let turned =
        |chance: &mut Chance| sums.iter().map(|sum| if chance.happens(0.5) { -sum } else { *sum }).sum::<f64>();
    let as_extreme = (0..SHUFFLES).filter(|_| turned(&mut chance) >= seen - 1e-9).count();
    let p = (1 + as_extreme) as f64 / f64::from(1 + SHUFFLES);
    (p, format!("first failures against equally likely cycles, blocks of {block} boots turned over, {SHUFFLES} times"))
}

fn mean_place(failures: &[FirstFailure]) -> Option<f64> {
    let n = failures.len() as f64;
    (!failures.is_empty()).then(|| failures.iter().map(FirstFailure::place).sum::<f64>() / n)
}

fn finding(failures: &[FirstFailure], p: f64, method: &str) -> Option<Finding> {
    if p >= weight::REPORTED_BELOW {
        return None;
    }
    let place = mean_place(failures)?;
    let interval = jackknife::interval_of_share(failures, mean_place);
    let mut seconds: Vec<f64> = failures.iter().map(|failure| failure.seconds).collect();
    seconds.sort_by(f64::total_cmp);
    let quarter = |k: usize| seconds[seconds.len() * k / 4];
    let text = format!(
        "Failures come late after boot: the first failing cycle of a boot begins a median of {:.3} s after its start (middle half {:.3} to {:.3} s), at {:.0} % of the way through the boot where 50 % or less would be chance, in {}. Time and the work done until then go together here.",
        quarter(2),
        quarter(1),
        quarter(3),
        100.0 * place,
        Unit::Boot.count(failures.len() as u64)
    );
    Some(
        Finding::new("fails-late-after-boot", text, failures.len() as u64, Unit::Boot)
            .of_size(place, interval, "place of the first failure in its boot, 0 first cycle, 1 last")
            .by(format!("{method}, p = {p:.2e} after Benjamini-Hochberg; {}", jackknife::METHOD), weight::of_p_value(p))
            .seen_at(failures.iter().map(|failure| failure.at)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::synthetic::{campaign, cycle, failing};
    use crate::observation::failure::FailureClass;
    use crate::observation::step::Phase;
    use crate::observation::units::Micros;

    /// Boots of ten cycles of two seconds that fail as `bad` says of the cycle in the boot.
    fn late(boots: u32, mut bad: impl FnMut(u32, u32) -> bool) -> Vec<Finding> {
        let evidence = campaign(boots, 10, |number, boot| {
            let in_boot = (number - 1) % 10;
            let mut cycle = if bad(in_boot, boot) {
                failing(number, boot, FailureClass::BusError, Phase::Read)
            } else {
                cycle(number, boot)
            };
            cycle.started = Some(Micros::from_secs(60 * u64::from(boot) + 2 * u64::from(in_boot)));
            cycle
        });
        let found = evidence.verdict_findings().into_iter();
        found.filter(|finding| finding.id == "fails-late-after-boot").collect()
    }

    /// Counted apart from this program, in Python: five throws of a ten-sided die come to at least 38 with probability 0.06083.
    #[test]
    fn the_exact_tail_agrees_with_an_independent_count() {
        let failures: Vec<_> = [10, 6, 9, 4, 9]
            .map(|cycle| FirstFailure { cycle, planned: 10, seconds: f64::from(cycle), at: cycle })
            .to_vec();
        let (p, method) = lateness(&failures);
        assert!((p - 0.060_83).abs() < 1e-9 && method.ends_with("exact"), "{p} {method}");
    }

    #[test]
    fn a_board_that_fails_once_it_is_warm_fails_late() {
        let mut chance = Chance::seeded(71);
        let found = late(20, |in_boot, _| in_boot >= 7 && chance.happens(0.6));
        assert_eq!(found.len(), 1);
        assert!(found[0].text.starts_with(
            "Failures come late after boot: the first failing cycle of a boot begins a median of 14.000 s"
        ));
        let effect = found[0].effect.as_ref().unwrap();
        assert!(
            effect.value > 0.75 && effect.interval.is_some_and(|(low, high)| low > 0.7 && high < 1.0),
            "{effect:?}"
        );
    }

    /// A slow hidden state runs on through cycles and boots and decides what fails; time since boot plays no part.
    #[test]
    fn streaky_failures_without_regard_to_time_keep_the_level() {
        let mut chance = Chance::seeded(72);
        for stay in [0.0, 0.8, 0.97] {
            let alarms = (0..60).filter(|_| {
                let mut bad = false;
                !late(40, |_, _| {
                    if !chance.happens(stay) {
                        bad = chance.happens(0.15);
                    }
                    bad
                })
                .is_empty()
            });
            let alarms = alarms.count();
            // 5 % of 60 is 3; three standard deviations above it 8.
            assert!(alarms <= 8, "{alarms} of 60 at {stay}");
        }
    }

    #[test]
    fn a_boot_that_ends_with_its_failure_is_not_late_for_that() {
        assert!(late(30, |in_boot, boot| in_boot >= boot % 10).is_empty());
    }
}
