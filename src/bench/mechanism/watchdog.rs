//! A watchdog that is not always fed in time: it resets the part, and its flag stays.
//!
//! Source: `root_causes.csv` SWD_RESET_LOOP (flags IWDG) and the watchdog rows; an independent watchdog goes on while the core is
//! halted unless DBGMCU freezes it (general reference-manual knowledge). Times are chosen per board.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Impossible, Mechanism, SelfReset};
use crate::bench::surroundings::{Dice, Runs};
use crate::observation::units::Micros;
use crate::swd::reset_cause::ResetCause;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Watchdog {
    /// From the last feeding to the reset.
    #[schemars(range(min = 0.1, max = 60_000.0))]
    pub time_out_ms: f64,
    /// Mean time until the program misses a feeding; never fed where absent.
    #[schemars(range(min = 0.001, max = 1e6))]
    pub missed_every_s: Option<f64>,
    /// The option bytes start it, so that it also runs under the ROM bootloader, which does not feed it.
    #[serde(default)]
    pub hardware: bool,
}

impl Watchdog {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("time-out-ms", self.time_out_ms, 0.1, 60_000.0, " ms")?;
        match self.missed_every_s {
            Some(every) => Impossible::unless_within("missed-every-s", every, 0.001, 1e6, " s"),
            None => Ok(()),
        }
    }

    pub fn describe(&self) -> String {
        let fed = self
            .missed_every_s
            .map_or("never fed".to_owned(), |every| format!("not fed in time every {every} s or so"));
        let runs = if self.hardware { "; it also runs under the ROM" } else { "" };
        format!("A watchdog of {} ms is {fed}{runs}.", self.time_out_ms)
    }

    pub const fn hook(self) -> Guard {
        Guard { figures: self, bites: None, fed_until: None }
    }

    fn time_out(&self) -> Micros {
        Micros::from_secs_f64(self.time_out_ms / 1e3)
    }
}

/// The watchdog as it is now.
#[derive(Debug)]
pub struct Guard {
    figures: Watchdog,
    bites: Option<Micros>,
    /// While the core is halted nobody feeds; then this is when the program would next have missed.
    fed_until: Option<Micros>,
}

impl Mechanism for Guard {
    fn start(&mut self, at: Micros, runs: Runs, dice: &mut Dice) {
        let watched = runs == Runs::SomethingElse || self.figures.hardware;
        let fed = runs == Runs::SomethingElse;
        self.fed_until = None;
        self.bites = watched.then(|| {
            let missed = self.figures.missed_every_s.filter(|_| fed);
            let fed_for = missed.map_or(Micros::ZERO, |every| dice.waiting(Micros::from_secs_f64(every)));
            at + fed_for + self.figures.time_out()
        });
    }

    fn halted(&mut self, at: Micros, halted: bool) {
        let Some(bites) = self.bites else { return };
        if halted {
            self.fed_until = Some(bites);
            self.bites = Some(bites.min(at + self.figures.time_out()));
        } else if let Some(planned) = self.fed_until.take() {
            self.bites = Some(planned.max(at));
        }
    }

    fn next_reset(&self) -> Option<SelfReset> {
        let at = self.bites?;
        Some(SelfReset { at, low_for: Micros::from_millis(1), cause: ResetCause::IndependentWatchdog })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bites(figures: Watchdog, runs: Runs) -> Option<Micros> {
        let mut guard = figures.hook();
        guard.start(Micros::from_secs(1), runs, &mut Dice::new(1));
        guard.next_reset().map(|reset| reset.at)
    }

    const NEVER_FED: Watchdog = Watchdog { time_out_ms: 500.0, missed_every_s: None, hardware: false };

    #[test]
    fn one_that_is_never_fed_bites_after_its_time_out() {
        assert_eq!(bites(NEVER_FED, Runs::SomethingElse), Some(Micros::from_millis(1_500)));
        assert_eq!(bites(NEVER_FED, Runs::UsbBootloader), None);
        assert_eq!(
            bites(Watchdog { hardware: true, ..NEVER_FED }, Runs::UsbBootloader),
            Some(Micros::from_millis(1_500))
        );
    }

    #[test]
    fn halting_the_core_starves_it() {
        let mut guard = Watchdog { missed_every_s: Some(1_000.0), ..NEVER_FED }.hook();
        guard.start(Micros::ZERO, Runs::SomethingElse, &mut Dice::new(1));
        let planned = guard.next_reset().unwrap().at;
        guard.halted(Micros::from_secs(2), true);
        assert_eq!(guard.next_reset().unwrap().at, Micros::from_millis(2_500));
        guard.halted(Micros::from_millis(2_100), false);
        assert_eq!(guard.next_reset().unwrap().at, planned);
    }
}
