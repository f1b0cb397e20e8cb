//! An application that spends its time in WFI without keeping the debug clocks on (DBG_SLEEP, DBG_STOP of DBGMCU_CR).
//!
//! Source: probe-rs issue 2851 (a sleeping F3 answers WAIT for ever), `stlink_status.csv` 0x0B and 0x10 (core in STOP, debug
//! domain without power), `root_causes.csv` SWD_LOWPOWER. Which answer a part gives in which mode differs; it is chosen per board.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Scene, Stance, SwdMechanism};
use crate::bench::mechanism::Impossible;
use crate::bench::surroundings::{Dice, Runs};
use crate::observation::units::Micros;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SleepingCore {
    /// Mean time awake.
    #[schemars(range(min = 0.001, max = 600_000.0))]
    pub awake_ms: f64,
    /// Mean time asleep.
    #[schemars(range(min = 0.001, max = 600_000.0))]
    pub asleep_ms: f64,
    /// How the part answers meanwhile.
    pub answer: AsleepAnswer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AsleepAnswer {
    /// The bus stands: accesses to memory wait.
    Wait,
    /// The debug domain does not follow the request for power.
    NoPowerUp,
    /// The debug port is off.
    Silence,
}

impl SleepingCore {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("awake-ms", self.awake_ms, 0.001, 600_000.0, " ms")?;
        Impossible::unless_within("asleep-ms", self.asleep_ms, 0.001, 600_000.0, " ms")
    }

    pub fn describe(&self) -> String {
        let answer = match self.answer {
            AsleepAnswer::Wait => "accesses to memory wait",
            AsleepAnswer::NoPowerUp => "the debug domain gets no power",
            AsleepAnswer::Silence => "the debug port is off",
        };
        format!(
            "The application is awake for {} ms and asleep for {} ms; then {answer}.",
            self.awake_ms, self.asleep_ms
        )
    }

    pub const fn hook(self) -> Sleep {
        Sleep { figures: self, asleep_from: None, asleep_until: Micros::ZERO }
    }
}

/// The core as it is now.
#[derive(Debug)]
pub struct Sleep {
    figures: SleepingCore,
    asleep_from: Option<Micros>,
    asleep_until: Micros,
}

impl SwdMechanism for Sleep {
    fn start(&mut self, scene: &Scene, _dice: &mut Dice) {
        self.asleep_from = None;
        self.asleep_until = scene.at;
    }

    fn stance(&mut self, scene: &Scene, stance: &mut Stance, dice: &mut Dice) {
        if scene.runs != Runs::SomethingElse || scene.running_for().is_none() {
            return;
        }
        while self.asleep_from.is_none() || self.asleep_until <= scene.at {
            let from = self.asleep_until + dice.waiting(Micros::from_secs_f64(self.figures.awake_ms / 1e3));
            self.asleep_from = Some(from);
            self.asleep_until = from + Micros(1) + dice.waiting(Micros::from_secs_f64(self.figures.asleep_ms / 1e3));
        }
        if self.asleep_from > Some(scene.at) {
            return;
        }
        stance.asleep = true;
        if !scene.kept_awake {
            match self.figures.answer {
                AsleepAnswer::Wait => stance.bus = false,
                AsleepAnswer::NoPowerUp => stance.debug_power = false,
                AsleepAnswer::Silence => stance.pins = false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::scene;
    use super::*;

    fn asleep_of_1000(scene_at: impl Fn(u64) -> Scene) -> usize {
        let mut sleep = SleepingCore { awake_ms: 1.0, asleep_ms: 9.0, answer: AsleepAnswer::Wait }.hook();
        let mut dice = Dice::new(3);
        let waits = |n: &u64| {
            let mut stance = Stance::default();
            sleep.stance(&scene_at(*n), &mut stance, &mut dice);
            !stance.bus
        };
        (0..1_000).filter(waits).count()
    }

    #[test]
    fn the_bus_stands_for_the_share_of_time_asleep() {
        let share = asleep_of_1000(|n| Scene { at: Micros::from_millis(7 * n), ..scene(1_000) });
        assert!((850..950).contains(&share), "{share}");
    }

    #[test]
    fn a_debugger_that_keeps_the_clocks_on_is_served() {
        assert_eq!(asleep_of_1000(|n| Scene { at: Micros::from_millis(7 * n), kept_awake: true, ..scene(1_000) }), 0);
        assert_eq!(asleep_of_1000(|n| Scene { at: Micros::from_millis(n), halted: true, ..scene(1_000) }), 0);
    }
}
