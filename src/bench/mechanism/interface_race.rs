//! A receive pin without pull that picks up edges while the ROM looks for a host: the first interface to speak wins, and once
//! USB is selected no edge matters any more.
//!
//! Source: `rom_interface_pins.csv` (PA10 has no pull in F2/F4/F7 ROMs), `root_causes.csv` BOOT_OTHER_IF (port sees nothing, or
//! read/64 fails with -110), `usb_errors.csv`. The rate of edges of each board is chosen; the field reports name dry air and hands.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Impossible, Mechanism};
use crate::bench::surroundings::{BootCourse, Dice, Runs, Surroundings};
use crate::observation::units::Micros;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct InterfaceRace {
    /// Edges on the pin that the ROM takes for the beginning of a frame.
    #[schemars(range(min = 0.0, max = 1e6))]
    pub edges_per_s: f64,
    /// From the end of start-up until the pull-up on D+ is on.
    #[schemars(range(min = 0.0, max = 10_000.0))]
    pub pull_up_after_ms: f64,
    /// From there until the host's first request selects USB.
    #[schemars(range(min = 0.0, max = 10_000.0))]
    pub selected_after_ms: f64,
    /// How long the pin stays as sensitive as it is: charge, hands and weather change slowly.
    #[schemars(range(min = 0.0, max = 1e6))]
    pub wander_time_s: f64,
}

/// That of PA10.
const INTERFACE: &str = "USART1";

impl InterfaceRace {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("edges-per-s", self.edges_per_s, 0.0, 1e6, "/s")?;
        Impossible::unless_within("pull-up-after-ms", self.pull_up_after_ms, 0.0, 10_000.0, " ms")?;
        Impossible::unless_within("selected-after-ms", self.selected_after_ms, 0.0, 10_000.0, " ms")?;
        Impossible::unless_within("wander-time-s", self.wander_time_s, 0.0, 1e6, " s")
    }

    pub fn describe(&self) -> String {
        format!(
            "A receive pin floats and picks up {} edges per second; USB is selected {} ms after start-up.",
            self.edges_per_s,
            self.pull_up_after_ms + self.selected_after_ms
        )
    }

    pub fn hook(self) -> FloatingPin {
        FloatingPin { figures: self, mood: 0.0 }
    }
}

#[derive(Debug)]
pub struct FloatingPin {
    figures: InterfaceRace,
    /// Logarithm of how much more sensitive than usual the pin is, in units of its deviation.
    mood: f64,
}

impl Mechanism for FloatingPin {
    fn time(&mut self, _around: &mut Surroundings, span: Micros, dice: &mut Dice) {
        let time = self.figures.wander_time_s;
        let kept = if time > 0.0 { (-span.as_secs_f64() / time).exp() } else { 0.0 };
        self.mood = self.mood * kept + (1.0 - kept * kept).sqrt() * dice.normal();
    }

    fn boot(&mut self, _around: &Surroundings, course: &mut BootCourse, dice: &mut Dice) {
        // One deviation is a factor of e in either direction, with the mean kept.
        let rate = self.figures.edges_per_s * (self.mood - 0.5).exp();
        if rate <= 0.0 {
            return;
        }
        let first_edge_ms = dice.waiting(Micros::from_secs_f64(1.0 / rate)).as_millis_f64();
        let until_selected = self.figures.pull_up_after_ms + self.figures.selected_after_ms;
        if first_edge_ms < until_selected {
            let pull_up = first_edge_ms >= self.figures.pull_up_after_ms;
            course.runs = Runs::OtherInterface { interface: INTERFACE, pull_up };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_before_the_selection_win_and_later_ones_do_not() {
        let figures =
            InterfaceRace { edges_per_s: 2.0, pull_up_after_ms: 100.0, selected_after_ms: 200.0, wander_time_s: 0.0 };
        let mut pin = figures.hook();
        let mut dice = Dice::new(4);
        let mut count = [0; 3];
        for _ in 0..600 {
            let mut course = BootCourse::default();
            pin.time(&mut Surroundings::default(), Micros::from_secs(1), &mut dice);
            pin.boot(&Surroundings::default(), &mut course, &mut dice);
            match course.runs {
                Runs::UsbBootloader => count[0] += 1,
                Runs::OtherInterface { pull_up: false, .. } => count[1] += 1,
                Runs::OtherInterface { pull_up: true, .. } => count[2] += 1,
                other => panic!("{other:?}"),
            }
        }
        assert!(count[0] > 200, "{count:?}");
        assert!(count[1] > 30 && count[2] > 30, "both ways of losing occur: {count:?}");
    }
}
