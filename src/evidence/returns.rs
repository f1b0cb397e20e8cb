//! Does the board restart when it leaves the bus? A part that was reset has its start before it again, and so comes back no sooner than it
//! came after any power-on. One that comes back sooner went on running, and only its connection was gone.

use super::boot_log::{Arrival, BootLog};
use super::finding::{Finding, NAMED_CYCLES, Unit};
use super::trial::{Mark, Trial};
use super::weight;
use crate::observation::step::{Outcome, Phase};
use crate::observation::units::Micros;

/// Fewer starts do not tell how soon the part can come, and fewer returns not how it comes back.
const LEAST_STARTS: usize = 3;
const LEAST_RETURNS: usize = 3;
/// After a power-on the supply has to rise first, which a reset spares; beside what a ROM does before USB that is little.
const OF_A_START: f64 = 0.75;
const MOST_KEPT: usize = 256;

#[derive(Clone, Debug, Default)]
pub struct Returns {
    /// The boot in which the board left last, and when.
    gone: Option<(usize, Micros)>,
    seen: Vec<Return>,
}

#[derive(Clone, Copy, Debug)]
struct Return {
    boot: usize,
    cycle: u32,
    /// The longest that it can have been away.
    within: f64,
}

impl Returns {
    pub fn absorb(&mut self, trial: &Trial<'_>, boot: usize) {
        let steps = &trial.cycle.steps;
        if let Some((_, left)) = self.gone.filter(|(of, _)| *of == boot) {
            let came = steps.iter().find(|step| step.phase == Phase::Enumerate && step.outcome == Outcome::Done);
            let came = came.and_then(|step| Some(step.started? + step.elapsed?));
            if let Some(came) = came.filter(|came| *came > left && self.seen.len() < MOST_KEPT) {
                let within = (came - left).as_secs_f64();
                self.seen.push(Return { boot, cycle: trial.cycle.number, within });
            }
            self.gone = self.gone.filter(|_| came.is_none());
        }
        if trial.marks.has(Mark::Disconnect) {
            let failed = steps.iter().find(|step| step.failure().is_some_and(|failure| !failure.is_expected()));
            self.gone = failed.and_then(|step| Some((boot, step.started? + step.elapsed.unwrap_or_default())));
        }
    }

    pub fn finding(&self, log: &BootLog) -> Option<Finding> {
        let start = |arrival| if let Some(Arrival::After(time)) = arrival { Some(time.as_secs_f64()) } else { None };
        let starts: Vec<f64> = log.boots().filter_map(|boot| start(boot.arrival)).collect();
        let quickest = starts.iter().copied().min_by(f64::total_cmp).filter(|_| starts.len() >= LEAST_STARTS)?;
        let sooner: Vec<Return> =
            self.seen.iter().copied().filter(|back| back.within < OF_A_START * quickest).collect();
        if sooner.len() < LEAST_RETURNS {
            return None;
        }
        let slowest = sooner.iter().map(|back| back.within).fold(0.0, f64::max);
        let share = sooner.len() as f64 / self.seen.len() as f64;
        let mut boots: Vec<usize> = sooner.iter().map(|back| back.boot).collect();
        boots.dedup();
        let independent = if log.boots().nth(1).is_some() { boots.len() } else { sooner.len() };
        let text = format!(
            "In {} of {} cases the board was back within {slowest:.2} s of leaving the bus, and never came within {quickest:.2} s of a start ({}): it did not start anew.",
            sooner.len(),
            self.seen.len(),
            Unit::Boot.count(starts.len() as u64)
        );
        Some(
            Finding::new("returns-without-a-start", text, self.seen.len() as u64, Unit::Cycle)
                .of_size(share, None, "share of returns")
                .by("longest absence against the quickest start", share * weight::of_sightings(independent as u64))
                .seen_at(sooner.iter().map(|back| back.cycle).take(NAMED_CYCLES)),
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::evidence::synthetic::{campaign, cycle, failing};
    use crate::observation::failure::FailureClass;
    use crate::observation::step::Phase;
    use crate::observation::units::Micros;

    /// Starts take 500 ms; the second of four cycles of every boot loses the board, and the third finds it again after so long.
    fn told(away_ms: u64) -> Option<String> {
        const CYCLES: u32 = 4;
        let evidence = campaign(6, CYCLES, |number, boot| {
            let place = u64::from((number - 1) % CYCLES);
            let mut cycle = match place {
                1 => failing(number, boot, FailureClass::Disconnected, Phase::Read),
                _ => cycle(number, boot),
            };
            let at = Micros::from_secs(60 * u64::from(boot) + 2 * place);
            cycle.started = Some(at);
            for step in &mut cycle.steps {
                step.started = Some(at);
                match step.phase {
                    Phase::Enumerate if place == 0 => step.elapsed = Some(Micros::from_millis(500)),
                    // The board left 100 ms after the beginning of the cycle before, two seconds ago.
                    Phase::Enumerate if place == 2 => {
                        step.started = Some(at - Micros::from_millis(1_900));
                        step.elapsed = Some(Micros::from_millis(away_ms));
                    }
                    Phase::Read if place == 1 => step.elapsed = Some(Micros::from_millis(100)),
                    _ => {}
                }
            }
            cycle
        });
        let found = evidence.verdict_findings().into_iter().find(|finding| finding.id == "returns-without-a-start");
        found.map(|finding| finding.text)
    }

    #[test]
    fn a_board_that_is_back_sooner_than_it_starts_went_on_running() {
        let text = told(300).unwrap();
        assert!(text.starts_with("In 6 of 6 cases the board was back within 0.30 s of leaving the bus"), "{text}");
    }

    #[test]
    fn a_board_that_takes_as_long_as_at_a_start_may_have_been_reset() {
        assert_eq!(told(490), None);
    }
}
