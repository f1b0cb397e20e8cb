//! Do hidden retries keep to a rule? What spoils packets mostly spoils one that the host's controller sends again unseen, so that retries show a
//! rule where failures are too few to.

use super::boot_log::BootLog;
use super::clock_marks::ClockMarks;
use super::every_nth::{self, LONGEST_OF_BOOTS};
use super::finding::{Finding, Unit};
use super::periods;
use super::retries::RetriesByBoot;
use super::trial::Trial;
use crate::observation::step::StepRecord;

/// Two rules are looked for, beside those of the failures.
const BELOW: f64 = 0.003;

#[derive(Clone, Debug, Default)]
pub struct RetryRules {
    by_boot: RetriesByBoot,
    clock: ClockMarks,
}

impl RetryRules {
    /// `late` of `all` transfers of the cycle came late.
    pub fn absorb(&mut self, trial: &Trial<'_>, boot: usize, (late, all): (u64, u64)) {
        self.by_boot.add(boot, late, all, trial.cycle.number);
        let is_late = |step: &&StepRecord| step.summary.inferred_retries > 0;
        let at = trial.cycle.steps.iter().find(is_late).and_then(|step| step.started);
        self.clock.absorb(trial, boot, late > 0, at.or(trial.cycle.started));
    }

    /// By how much boots differ.
    pub fn by_boot(&self) -> Option<Finding> {
        self.by_boot.finding()
    }

    /// Makes sense where one arrangement was kept: else a rule may be that of the plan.
    pub fn rule(&self, log: &BootLog) -> Option<Finding> {
        self.over_boots().or_else(|| self.in_time(log))
    }

    fn over_boots(&self) -> Option<Finding> {
        let above = self.by_boot.above_their_share();
        let period = every_nth::strongest(&above, LONGEST_OF_BOOTS, BELOW)?;
        let text = format!(
            "Boots with more hidden retries than their share return with a period of {:.0} boots: {} of {}.",
            period.length,
            above.iter().filter(|above| **above).count(),
            Unit::Boot.count(above.len() as u64)
        );
        let method = format!("{}, p = {:.4}; inferred from latency", every_nth::METHOD, period.p);
        let n = above.len();
        Some(periods::finding("retries-every-nth-boot", text, (n, Unit::Boot), &period, (n as f64, "boots"), &method))
    }

    fn in_time(&self, log: &BootLog) -> Option<Finding> {
        let found = self.clock.within_boots(log, BELOW)?;
        Some(periods::by_clock("retries-keep-to-a-clock", "Hidden retries begin", &found))
    }
}

#[cfg(test)]
mod tests {
    use crate::evidence::chance::Chance;
    use crate::evidence::synthetic::{campaign, cycle, failing};
    use crate::observation::cycle::Cycle;
    use crate::observation::failure::FailureClass;
    use crate::observation::step::Phase;
    use crate::observation::units::Micros;

    const CYCLES: u32 = 24;

    /// Boots a minute apart with cycles of two seconds; one cycle in all fails, and others hold a hidden retry.
    fn rules(has_retry: impl Fn(u32, f64) -> bool) -> Vec<String> {
        let evidence = campaign(40, CYCLES, |number, boot| {
            let at = 60.0 * f64::from(boot) + 2.0 * f64::from((number - 1) % CYCLES);
            let mut cycle =
                if number == 30 { failing(30, boot, FailureClass::BusError, Phase::Read) } else { cycle(number, boot) };
            cycle.started = Some(Micros::from_secs_f64(at));
            with_retry(&mut cycle, has_retry(boot, at));
            cycle
        });
        let is_rule = |id: &str| ["retries-every-nth-boot", "retries-keep-to-a-clock"].contains(&id);
        let findings = evidence.verdict_findings().into_iter();
        findings.filter(|finding| is_rule(&finding.id)).map(|finding| finding.text).collect()
    }

    fn with_retry(cycle: &mut Cycle, has_retry: bool) {
        let started = cycle.started;
        for step in cycle.steps.iter_mut().filter(|step| step.phase == Phase::Read) {
            step.started = started;
            step.summary.inferred_retries = u32::from(has_retry);
        }
    }

    #[test]
    fn retries_of_every_second_boot_are_told_though_one_cycle_failed() {
        let texts = rules(|boot, _| boot % 2 == 0 && boot % 7 < 4);
        assert_eq!(texts.len(), 1, "{texts:?}");
        assert!(texts[0].starts_with("Boots with more hidden retries than their share return with a period of 2"));
    }

    #[test]
    fn retries_by_a_clock_are_told() {
        let texts = rules(|_, at| at % 53.0 < 4.0);
        assert_eq!(texts.len(), 1, "{texts:?}");
        assert!(texts[0].starts_with("Hidden retries begin in one part of every 52.9 s"), "{texts:?}");
    }

    #[test]
    fn retries_by_chance_keep_to_no_rule() {
        let alarms = (0..16).filter(|campaign| {
            let chance = std::cell::RefCell::new(Chance::seeded(*campaign));
            !rules(|_, _| chance.borrow_mut().happens(0.05)).is_empty()
        });
        // 0.1 are expected at twice the level; 2 would be met less than once in two hundred times.
        assert!(alarms.count() <= 1);
    }
}
