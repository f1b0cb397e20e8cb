//! Findings on failures that return with a period: by a clock, by a count of cycles, or by a count of boots.

use std::collections::{BTreeMap, VecDeque};

use super::boot_log::{BootLog, BootTally};
use super::clock_marks::{ByClock, ClockMarks};
use super::every_nth::{self, LONGEST_OF_BOOTS};
use super::finding::{Finding, Unit};
use super::spectrum::{self, Period};
use super::trial::Trial;
use super::weight;
use crate::observation::units::Micros;

/// Fewer failures show no period.
const LEAST_FAILURES: usize = 6;
/// A period is looked for among many and says much, so it must stand out more.
const BELOW: f64 = 0.001;
/// In time fewer shuffles can be afforded; they show no smaller p-value than 1/200.
const BELOW_IN_TIME: f64 = 0.006;
/// A period of boots is looked for among few.
const BELOW_OF_BOOTS: f64 = 0.006;

const KEEPS_TO_A_CLOCK: &str = "keeps-to-a-clock";

/// The latest cycles: when each began, or failed, and how it ended.
#[derive(Clone, Debug, Default)]
pub struct Periods {
    cycles: VecDeque<(Option<f64>, bool)>,
    /// The numbers of those that failed.
    failed: VecDeque<u32>,
    clock: ClockMarks,
}

impl Periods {
    pub fn absorb(&mut self, trial: &Trial<'_>, boot: usize) {
        if self.cycles.len() == spectrum::LONGEST && self.cycles.pop_front().is_some_and(|(_, failed)| failed) {
            self.failed.pop_front();
        }
        let failing =
            trial.cycle.steps.iter().find(|step| step.failure().is_some_and(|failure| !failure.is_expected()));
        let moment = failing.and_then(|step| Some(step.started? + step.elapsed.unwrap_or_default()));
        let at = moment.or(trial.cycle.started);
        self.clock.absorb(trial, boot, trial.failed(), at);
        self.cycles.push_back((at.map(Micros::as_secs_f64), trial.failed()));
        self.failed.extend(trial.failed().then_some(trial.cycle.number));
    }

    /// With several arms a period may be that of the plan, so none is looked for.
    pub fn tested(&self, log: &BootLog, arms: usize) -> Vec<Finding> {
        if arms > 1 {
            return Vec::new();
        }
        if let Some(found) = over_boots(log) {
            return vec![found];
        }
        // Boots that are bad as a whole make stretches of equal length, which is no period of cycles.
        let sums = log.sums();
        let found = if 2 * sums.mixed < sums.bad {
            self.clock
                .of_boots(log, BELOW_IN_TIME)
                .map(|found| by_clock(KEEPS_TO_A_CLOCK, "Boots of the rarer outcome begin", &found))
        } else {
            let within = || self.clock.within_boots(log, BELOW_IN_TIME);
            self.of_cycles(log).or_else(|| within().map(|found| by_clock(KEEPS_TO_A_CLOCK, "Failures begin", &found)))
        };
        found.into_iter().map(|finding| finding.seen_at(self.failed.iter().copied())).collect()
    }

    fn of_cycles(&self, log: &BootLog) -> Option<Finding> {
        let failures = self.cycles.iter().filter(|(_, failed)| *failed).count();
        if failures < LEAST_FAILURES {
            return None;
        }
        self.in_time(log).or_else(|| self.in_cycles(log))
    }

    fn outcomes(&self) -> Vec<bool> {
        self.cycles.iter().map(|(_, failed)| *failed).collect()
    }

    fn in_cycles(&self, log: &BootLog) -> Option<Finding> {
        let outcomes = self.outcomes();
        let per_boot = log.boots().map(|boot| f64::from(boot.cycles)).next()?;
        let period = spectrum::strongest(&outcomes, BELOW)?;
        let too_long = period.length * 4.0 > outcomes.len() as f64;
        if too_long || is_of_boots(period.length, per_boot, log) {
            return None;
        }
        let text = format!("Failures return every {:.1} cycles.", period.length);
        let method = of_spectrum("", period.p);
        Some(finding(
            "periodic",
            text,
            (outcomes.len(), Unit::Cycle),
            &period,
            (outcomes.len() as f64, "cycles"),
            &method,
        ))
    }

    fn in_time(&self, log: &BootLog) -> Option<Finding> {
        let times: Vec<f64> = self.cycles.iter().map(|(at, _)| *at).collect::<Option<_>>()?;
        let of_boot = boot_seconds(log);
        let counts = |period: f64| of_boot.is_none_or(|of_boot| !is_of_boots(period, of_boot, log));
        let outcomes: Vec<f64> = self.outcomes().into_iter().map(|failed| f64::from(u8::from(failed))).collect();
        let period = spectrum::strongest_in_time(&times, &outcomes, counts)?;
        if period.p >= BELOW_IN_TIME {
            return None;
        }
        let text =
            format!("Failures return every {:.1} s, by a clock that neither boots nor cycles set.", period.length);
        let span = times.last()? - times.first()?;
        let method = format!("periodogram of outcomes in time, block permutation, p = {:.3}", period.p);
        Some(finding("periodic", text, (times.len(), Unit::Cycle), &period, (span, "s"), &method))
    }
}

/// `id` is that of the finding, `what` begins its text.
pub(super) fn by_clock(id: &str, what: &str, found: &ByClock) -> Finding {
    let text = format!(
        "{what} in one part of every {:.1} s, by a clock that neither boots nor cycles set: {} times in {}.",
        found.period.length,
        found.marks,
        Unit::Boot.count(found.boots as u64)
    );
    let method = format!(
        "moments folded by each period, hypergeometric tail of the least likely arc, boots exchanged whole and within their streaks, p = {:.3}",
        found.period.p
    );
    finding(id, text, (found.boots, Unit::Boot), &found.period, (found.span, "s"), &method)
}

/// Boots return with a period themselves, and so do first cycles that are worse, with all the overtones that short events have.
fn is_of_boots(period: f64, of_boot: f64, log: &BootLog) -> bool {
    let parts = of_boot / period;
    log.boots().nth(1).is_some() && parts > 0.9 && (parts - parts.round()).abs() < 0.1
}

/// From one boot to the next, on average.
fn boot_seconds(log: &BootLog) -> Option<f64> {
    let starts: Vec<f64> = log.boots().filter_map(BootTally::started).map(Micros::as_secs_f64).collect();
    let (first, last) = (starts.first()?, starts.last()?);
    (starts.len() > 1).then(|| (last - first) / (starts.len() - 1) as f64)
}

/// Every so many-th boot is bad; boots of one kind, one campaign and in order.
fn over_boots(log: &BootLog) -> Option<Finding> {
    let mut strata: BTreeMap<(u32, &'static str), Vec<&BootTally>> = BTreeMap::new();
    for boot in log.boots() {
        strata.entry((boot.campaign, boot.kind.name())).or_default().push(boot);
    }
    let boots = strata.into_values().max_by_key(Vec::len)?;
    let outcomes: Vec<bool> = boots.iter().map(|boot| boot.is_bad()).collect();
    let bad = outcomes.iter().filter(|bad| **bad).count();
    if bad < LEAST_FAILURES || outcomes.len() - bad < LEAST_FAILURES {
        return None;
    }
    let by_waves = spectrum::strongest(&outcomes, BELOW).filter(|period| period.length <= LONGEST_OF_BOOTS as f64);
    let (period, method) = match by_waves {
        Some(period) => (period, of_spectrum(" of boots", period.p)),
        None => counted(&outcomes)?,
    };
    let text = format!(
        "Bad boots return with a period of {:.1} boots, more regularly than chance makes them: {bad} of {} boots failed.",
        period.length,
        Unit::Boot.count(outcomes.len() as u64)
    );
    let found = finding(
        "every-nth-boot",
        text,
        (outcomes.len(), Unit::Boot),
        &period,
        (outcomes.len() as f64, "boots"),
        &method,
    );
    Some(found.seen_at(boots.iter().filter_map(|boot| boot.failed_at)))
}

/// The second look at the same boots, so its p-value counts twice.
fn counted(outcomes: &[bool]) -> Option<(Period, String)> {
    let period = every_nth::strongest(outcomes, LONGEST_OF_BOOTS, BELOW_OF_BOOTS / 2.0)?;
    let period = Period { p: 2.0 * period.p, ..period };
    let method = format!("{}, twice their p = {:.4}", every_nth::METHOD, period.p);
    Some((period, method))
}

fn of_spectrum(what: &str, p: f64) -> String {
    format!("Fisher's g test on the whitened periodogram{what} and shuffles that keep its streaks, p = {p:.4}")
}

/// `span` is the length of the whole sequence, in what the period is in. Two periods that slip by half a period over it look
/// alike (the resolution that Rayleigh gave to spectra), which is the interval.
pub(super) fn finding(
    id: &str,
    text: String,
    (n, unit): (usize, Unit),
    period: &Period,
    (span, of): (f64, &str),
    method: &str,
) -> Finding {
    let (rate, half) = (1.0 / period.length, 0.5 / span);
    let longest = if rate > half { 1.0 / (rate - half) } else { span };
    Finding::new(id, text, n as u64, unit)
        .of_size(period.length, Some((1.0 / (rate + half), longest)), of)
        .by(format!("{method}; interval by the resolution of the sequence"), weight::of_p_value(period.p))
}

#[cfg(test)]
mod tests {
    use crate::evidence::chance::Chance;
    use crate::evidence::synthetic::{campaign, cycle, failing};
    use crate::observation::failure::FailureClass;
    use crate::observation::step::Phase;
    use crate::observation::units::Micros;

    fn found(boots: u32, cycles: u32, bad: impl Fn(u32, u32) -> bool, at: impl Fn(u32, u32) -> f64) -> Vec<String> {
        let evidence = campaign(boots, cycles, |number, boot| {
            let mut cycle = if bad(number, boot) {
                failing(number, boot, FailureClass::BusError, Phase::Read)
            } else {
                cycle(number, boot)
            };
            cycle.started = Some(Micros::from_secs_f64(at(number, boot)));
            cycle
        });
        let found = evidence.verdict_findings().into_iter();
        let periods =
            found.filter(|finding| ["periodic", "every-nth-boot", "keeps-to-a-clock"].contains(&finding.id.as_str()));
        periods.map(|finding| finding.text).collect()
    }

    #[test]
    fn every_seventh_cycle_of_one_long_boot() {
        let even = |number: u32, _| f64::from(number);
        let texts = found(1, 140, |number, _| number % 7 == 0, even);
        assert_eq!(texts.len(), 1);
        assert!(texts[0].starts_with("Failures return every 7.0"), "{texts:?}");
    }

    #[test]
    fn a_clock_of_eleven_seconds_over_several_boots() {
        let at = |number: u32, boot: u32| {
            60.0 * f64::from(boot) + f64::from((number - 1) % 80) * 0.7 + 0.3 * f64::from(number % 3)
        };
        let ticks = |number: u32, boot: u32| at(number, boot) % 11.0 < 0.8;
        let texts = found(4, 80, ticks, at);
        assert_eq!(texts.len(), 1);
        assert!(texts[0].starts_with("Failures return every 11.") && texts[0].contains("by a clock"), "{texts:?}");
    }

    #[test]
    fn every_third_boot() {
        let texts = found(36, 2, |_, boot| boot % 3 == 0, |number, _| f64::from(number));
        assert_eq!(texts.len(), 1);
        assert!(texts[0].starts_with("Bad boots return with a period of 3.0 boots"), "{texts:?}");
    }

    #[test]
    fn every_third_boot_of_twenty() {
        let texts = found(20, 2, |_, boot| boot % 3 == 2, |number, _| f64::from(number));
        assert_eq!(texts.len(), 1);
        assert!(texts[0].starts_with("Bad boots return with a period of 3.0 boots"), "{texts:?}");
    }

    #[test]
    fn the_boots_themselves_are_no_period() {
        let at = |number: u32, boot: u32| 60.0 * f64::from(boot) + 5.0 * f64::from((number - 1) % 10);
        assert!(found(20, 10, |number, _| number % 10 == 1, at).is_empty());
    }

    const CYCLES: u32 = 24;

    /// Boots a minute apart, each of them with cycles of two seconds.
    fn even_cycles(number: u32, boot: u32) -> f64 {
        60.0 * f64::from(boot) + 2.0 * f64::from((number - 1) % CYCLES)
    }

    #[test]
    fn a_few_failures_by_a_clock_that_runs_on_through_the_boots() {
        let strikes = |number, boot| even_cycles(number, boot) % 71.0 < 2.0;
        let texts = found(8, CYCLES, strikes, even_cycles);
        assert_eq!(texts.len(), 1);
        // Of 71 s; what strikes in one part of a period does so in one part of half of it, and so few failures do not tell them apart.
        assert!(texts[0].starts_with("Failures begin in one part of every 35."), "{texts:?}");
    }

    /// It creeps by a fifth over the campaign, as the time of an oscillator that warms up does.
    #[test]
    fn a_time_in_the_boot_that_drifts_is_no_clock() {
        let boots = 12;
        let is_taken_for_one = |campaign: &u64| {
            let mut chance = Chance::seeded(*campaign);
            let due: Vec<f64> =
                (0..=boots).map(|boot| 19.0 + 0.32 * f64::from(boot) + 2.4 * chance.fraction()).collect();
            let fails = |number: u32, boot: u32| {
                let since = even_cycles(number, boot) - 60.0 * f64::from(boot);
                (since..since + 2.0).contains(&due[boot as usize])
            };
            !found(boots, CYCLES, fails, even_cycles).is_empty()
        };
        let alarms = (0..16).filter(is_taken_for_one).count();
        // 0.1 are expected at the level of 0.006; 2 would be met less than once in two hundred times.
        assert!(alarms <= 1, "{alarms}");
    }
}
