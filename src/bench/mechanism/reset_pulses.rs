//! Resets that come again and again: a program that faults and resets itself, or a supervisor that pulls NRST.
//!
//! Source: `root_causes.csv` SWD_RESET_LOOP (firmware resets or faults continuously) and SWD_NRST. Times are chosen per board.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Impossible, Mechanism, SelfReset};
use crate::bench::surroundings::{Dice, Runs};
use crate::observation::units::Micros;
use crate::swd::reset_cause::ResetCause;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ResetPulses {
    /// Mean time from a start of the core to the next reset.
    #[schemars(range(min = 0.001, max = 1e7))]
    pub every_ms: f64,
    #[schemars(range(min = 0.001, max = 600_000.0))]
    pub low_ms: f64,
    pub by: Source,
}

/// What resets. A supervisor acts whatever runs; a program only while it runs; an open pin picks up edges until a probe's wire holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    Pin,
    OpenPin,
    Application,
}

impl ResetPulses {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("every-ms", self.every_ms, 0.001, 1e7, " ms")?;
        Impossible::unless_within("low-ms", self.low_ms, 0.001, 600_000.0, " ms")
    }

    pub fn describe(&self) -> String {
        let by = match self.by {
            Source::Pin => "NRST is pulled low",
            Source::OpenPin => "NRST floats and goes low",
            Source::Application => "The application resets the part",
        };
        format!("{by} every {} ms or so, for {} ms.", self.every_ms, self.low_ms)
    }

    pub const fn hook(self) -> Pulses {
        Pulses { figures: self, next: None, halted: false, pin_held: false }
    }
}

/// The next one.
#[derive(Debug)]
pub struct Pulses {
    figures: ResetPulses,
    next: Option<Micros>,
    halted: bool,
    /// A probe holds NRST up.
    pin_held: bool,
}

impl Mechanism for Pulses {
    fn start(&mut self, at: Micros, runs: Runs, dice: &mut Dice) {
        self.halted = false;
        let acts = self.figures.by != Source::Application || runs == Runs::SomethingElse;
        self.next = acts.then(|| at + dice.waiting(Micros::from_secs_f64(self.figures.every_ms / 1e3)) + Micros(1));
    }

    fn probe_attached(&mut self, nrst: bool) {
        self.pin_held = nrst;
    }

    fn halted(&mut self, _at: Micros, halted: bool) {
        self.halted = halted;
    }

    fn next_reset(&self) -> Option<SelfReset> {
        let cause = match self.figures.by {
            Source::OpenPin if self.pin_held => return None,
            Source::Pin | Source::OpenPin => ResetCause::Pin,
            Source::Application if self.halted => return None,
            Source::Application => ResetCause::Software,
        };
        Some(SelfReset { at: self.next?, low_for: Micros::from_secs_f64(self.figures.low_ms / 1e3), cause })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_pin_is_held_by_the_wire_of_a_probe() {
        let resets = |by, nrst| {
            let mut pulses = ResetPulses { every_ms: 20.0, low_ms: 1.0, by }.hook();
            pulses.start(Micros::ZERO, Runs::UsbBootloader, &mut Dice::new(1));
            pulses.probe_attached(nrst);
            pulses.next_reset().is_some()
        };
        assert!(!resets(Source::OpenPin, true) && resets(Source::OpenPin, false));
        assert!(resets(Source::Pin, true), "a supervisor pulls harder");
    }

    #[test]
    fn a_program_resets_only_while_it_runs() {
        let next = |by, runs, halted| {
            let mut pulses = ResetPulses { every_ms: 20.0, low_ms: 1.0, by }.hook();
            pulses.start(Micros::ZERO, runs, &mut Dice::new(1));
            pulses.halted(Micros(1), halted);
            pulses.next_reset().map(|reset| reset.cause)
        };
        assert_eq!(next(Source::Application, Runs::SomethingElse, false), Some(ResetCause::Software));
        assert_eq!(next(Source::Application, Runs::SomethingElse, true), None);
        assert_eq!(next(Source::Application, Runs::UsbBootloader, false), None);
        assert_eq!(next(Source::Pin, Runs::UsbBootloader, true), Some(ResetCause::Pin));
    }
}
