//! Where in the cycle it fails: failures per step of the recipe against what each step gave to go wrong.
//!
//! A step that moves more bytes has more to lose, so the mere place of the failures proves nothing. As in statistical
//! bug isolation (Liblit et al. 2005) each step is judged against its context: the share of failures that chance would
//! give it by attempts, by transfers and by bytes on the wire, whichever is largest.

use statrs::function::beta::beta_reg;

use super::confidence_sequence::METHOD;
use super::finding::{Finding, NamedCycles, Unit};
use super::sightings::FirstOfBoot;
use super::trial::{Mark, Trial};
use super::weight;
use crate::observation::step::{Outcome, Phase};

/// Set-up and status packets of a control transfer come on top of its data.
const OVERHEAD_BYTES: u64 = 32;

#[derive(Clone, Debug)]
struct Exposure {
    phase: Phase,
    attempts: u64,
    transfers: u64,
    bytes: u64,
    failed_cycles: u64,
    failed_boots: u64,
    bus_error_boots: u64,
    at: NamedCycles,
}

#[derive(Clone, Debug, Default)]
pub struct WhereInCycle {
    steps: Vec<Exposure>,
    failed_boots: FirstOfBoot,
}

impl WhereInCycle {
    pub fn absorb(&mut self, trial: &Trial<'_>, boot: usize) {
        // Up to the first failure: what comes after it may suffer from it.
        let first =
            trial.cycle.steps.iter().position(|step| step.failure().is_some_and(|failure| !failure.is_expected()));
        for record in trial.cycle.steps.iter().take(first.map_or(usize::MAX, |first| first + 1)) {
            let attempted = matches!(record.outcome, Outcome::Done | Outcome::Failed(_));
            if attempted && !matches!(record.phase, Phase::Enumerate | Phase::Wait) {
                let step = self.step(record.phase);
                step.attempts += 1;
                step.transfers += u64::from(record.summary.count);
                step.bytes += record.summary.bytes + OVERHEAD_BYTES * u64::from(record.summary.count);
            }
        }
        if let Some(failure) = trial.failure
            && failure.phase != Phase::Enumerate
            && trial.present
        {
            // What fails later in the same boot may suffer from the first failure.
            let is_first = self.failed_boots.is_first(boot);
            let step = self.step(failure.phase);
            step.failed_cycles += 1;
            if is_first {
                step.failed_boots += 1;
                step.bus_error_boots += u64::from(trial.marks.has(Mark::BusError));
            }
            step.at.add(trial.cycle.number);
        }
    }

    fn step(&mut self, phase: Phase) -> &mut Exposure {
        let at = self.steps.iter().position(|step| step.phase == phase).unwrap_or_else(|| {
            self.steps.push(Exposure {
                phase,
                attempts: 0,
                transfers: 0,
                bytes: 0,
                failed_cycles: 0,
                failed_boots: 0,
                bus_error_boots: 0,
                at: NamedCycles::default(),
            });
            self.steps.len() - 1
        });
        &mut self.steps[at]
    }

    /// Whether bus errors lie over the steps as chance would lay them.
    pub fn bus_errors_spread(&self) -> bool {
        self.concentration(|step| step.bus_error_boots).is_none_or(|found| !found.is_one_step())
    }

    /// Failures that sit in one step although others gave as much to go wrong.
    pub fn findings(&self, boots: u64) -> Vec<Finding> {
        let unit = Unit::independent(boots);
        let count = |step: &Exposure| if unit == Unit::Boot { step.failed_boots } else { step.failed_cycles };
        let Some(found) = self.concentration(count) else { return Vec::new() };
        if !found.is_one_step() {
            return Vec::new();
        }
        let text = format!(
            "{} of {} failures after enumeration, counted once per {}, sit in the step {}, which makes up at most {:.0} % of what was attempted.",
            found.seen,
            found.all,
            unit.name(),
            found.step.phase,
            100.0 * found.expected
        );
        vec![
            Finding::new("fails-in-one-phase", text, found.all, unit)
                .of_share(found.seen, found.all, "share of failures")
                .by(
                    format!("binomial test against the share of attempts, transfers and bytes, Bonferroni over steps, p = {:.2e}; {METHOD}", found.p),
                    weight::of_p_value(found.p).min(weight::of_sightings(found.seen)),
                )
                .seen_at(found.step.at.iter()),
        ]
    }

    /// The step that holds most of what `count` counts, with how unlikely that is.
    fn concentration(&self, count: impl Fn(&Exposure) -> u64) -> Option<Concentration<'_>> {
        let all: u64 = self.steps.iter().map(&count).sum();
        let step = self.steps.iter().max_by_key(|step| count(step)).filter(|_| all > 0)?;
        let seen = count(step);
        let share = |of: fn(&Exposure) -> u64| {
            let total: u64 = self.steps.iter().map(of).sum();
            if total == 0 { 0.0 } else { of(step) as f64 / total as f64 }
        };
        let expected = share(|step| step.attempts).max(share(|step| step.transfers)).max(share(|step| step.bytes));
        let p = (at_least(seen, all, expected) * self.steps.len() as f64).min(1.0);
        Some(Concentration { step, seen, all, expected, p })
    }
}

struct Concentration<'a> {
    step: &'a Exposure,
    seen: u64,
    all: u64,
    expected: f64,
    p: f64,
}

/// Steps differ in what they send, and some of it is easier to damage; only nearly all failures in one step say that it is the step.
const NEARLY_ALL: f64 = 0.95;

impl Concentration<'_> {
    fn is_one_step(&self) -> bool {
        self.p < weight::REPORTED_BELOW && self.seen as f64 >= NEARLY_ALL * self.all as f64
    }
}

/// The chance of at least `k` of `n` at the rate `p`, by the incomplete beta function.
pub fn at_least(k: u64, n: u64, p: f64) -> f64 {
    if k == 0 || p >= 1.0 {
        return 1.0;
    }
    if k > n || p <= 0.0 {
        return 0.0;
    }
    beta_reg(k as f64, (n - k + 1) as f64, p)
}

#[cfg(test)]
mod tests {
    use super::at_least;
    use crate::evidence::synthetic::{campaign, cycle, failing};
    use crate::observation::failure::FailureClass;
    use crate::observation::step::Phase;

    #[test]
    fn binomial_tails_agree_with_the_sum_of_their_terms() {
        // 10 tosses of a fair coin: 56/1024 show at least 8 heads.
        assert!((at_least(8, 10, 0.5) - 56.0 / 1024.0).abs() < 1e-12);
        assert_eq!((at_least(0, 5, 0.1), at_least(6, 5, 0.1)), (1.0, 0.0));
    }

    #[test]
    fn failures_in_the_short_otp_step_alone_are_a_finding() {
        let evidence = campaign(30, 2, |number, boot| {
            if boot % 5 == 0 { failing(number, boot, FailureClass::Stall, Phase::Otp) } else { cycle(number, boot) }
        });
        let findings = evidence.verdict_findings();
        let one = findings.iter().find(|finding| finding.id == "fails-in-one-phase").unwrap();
        assert!(one.text.contains("6 of 6 failures") && one.text.contains("step otp"), "{}", one.text);
        assert_eq!(one.at, [9, 10, 19, 20, 29, 30, 39, 40, 49, 50, 59, 60]);
    }

    #[test]
    fn failures_in_the_step_that_moves_most_bytes_are_not() {
        let evidence = campaign(30, 1, |number, boot| {
            if boot % 10 == 0 {
                failing(number, boot, FailureClass::BusError, Phase::Read)
            } else {
                cycle(number, boot)
            }
        });
        assert!(evidence.verdict_findings().iter().all(|finding| finding.id != "fails-in-one-phase"));
    }
}
