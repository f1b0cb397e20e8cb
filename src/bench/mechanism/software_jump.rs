//! The ROM entered by a jump of the application, with what the application leaves behind: interrupts, clocks, its own USB.
//!
//! Source: `root_causes.csv` (only software entry fails; clocks, PLL, interrupts and caches left on; AN2606 r70 jump notes). What is
//! left behind in which share of the jumps is chosen per board; that a stray interrupt hangs the ROM is assumed.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Impossible, Mechanism};
use crate::bench::surroundings::{BootCourse, Dice, Runs, Surroundings};
use crate::observation::units::{Micros, Ppm};

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SoftwareJump {
    /// How long the application runs before it jumps.
    #[schemars(range(min = 0.0, max = 600_000.0))]
    pub after_ms: f64,
    /// How many of the jumps end in a ROM that hangs.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub hangs_share: f64,
    /// The application leaves its own pull-up on: the host sees a device that does not answer.
    #[serde(default)]
    pub pull_up_left_on: bool,
    /// How far the clock that the ROM measures with is off after the jump; where the ROM measures a crystal.
    #[serde(default)]
    #[schemars(range(min = -50.0, max = 100.0))]
    pub clock_left_percent: f64,
}

impl SoftwareJump {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("after-ms", self.after_ms, 0.0, 600_000.0, " ms")?;
        Impossible::unless_within("hangs-share", self.hangs_share, 0.0, 1.0, "")?;
        Impossible::unless_within("clock-left-percent", self.clock_left_percent, -50.0, 100.0, " %")
    }

    pub fn describe(&self) -> String {
        let pull_up = if self.pull_up_left_on { " with the pull-up on" } else { "" };
        format!(
            "The ROM is entered by a jump {} ms after reset; in {} % of the jumps it hangs{pull_up}.",
            self.after_ms,
            self.hangs_share * 100.0
        )
    }

    pub const fn hook(self) -> Self {
        self
    }
}

impl Mechanism for SoftwareJump {
    fn boot(&mut self, _around: &Surroundings, course: &mut BootCourse, dice: &mut Dice) {
        course.delay += Micros::from_secs_f64(self.after_ms / 1e3);
        course.hsi_error = Ppm(course.hsi_error.0 + Ppm::from_percent(self.clock_left_percent).0);
        if dice.chance(self.hangs_share) && course.runs == Runs::UsbBootloader {
            course.runs = Runs::ServesNobody { pull_up: self.pull_up_left_on };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_jumps_hangs_and_all_take_the_time_of_the_application() {
        let mut jump =
            SoftwareJump { after_ms: 500.0, hangs_share: 0.5, pull_up_left_on: true, clock_left_percent: 0.0 };
        let mut dice = Dice::new(4);
        let mut hung = 0;
        for _ in 0..200 {
            let mut course = BootCourse::default();
            jump.boot(&Surroundings::default(), &mut course, &mut dice);
            assert_eq!(course.delay, Micros::from_millis(500));
            hung += u32::from(course.runs == Runs::ServesNobody { pull_up: true });
        }
        assert!((60..140).contains(&hung), "{hung}");
    }
}
