//! The capacitor of the core's regulator, too small or too lossy: each step of the core's current dips the core's supply, and a deep
//! dip resets the part. The supply at the pins stays as it is, and no flag of it is set.
//!
//! Source: FACTS section B (F405: 2 x 2.2 uF, ESR below 2 ohm, DS8626 T16; H743: 2.2 uF, ESR below 100 mohm, DS12110 T25; VCAP about
//! 1.2 V, `root_causes.csv`). The step of the current, the time the regulator needs and the lowest working voltage are chosen; the dip
//! is what a capacitor with series resistance gives.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Impossible, Mechanism};
use crate::bench::surroundings::{Dice, Disturbance, Draw, Surroundings};
use crate::observation::units::{Address, Micros};

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CoreCapacitor {
    /// All capacitors of the core supply together.
    #[schemars(range(min = 0.001, max = 100.0))]
    pub fitted_uf: f64,
    /// Their series resistance together.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub esr_ohm: f64,
    /// How far the core's current steps while the ROM serves USB, typically.
    #[serde(default = "traffic_step_ma")]
    #[schemars(range(min = 0.0, max = 500.0))]
    pub traffic_step_ma: f64,
    /// The same while flash is erased or programmed.
    #[serde(default = "flash_step_ma")]
    #[schemars(range(min = 0.0, max = 500.0))]
    pub flash_step_ma: f64,
    /// Until the regulator follows a step.
    #[serde(default = "regulator_us")]
    #[schemars(range(min = 0.01, max = 100.0))]
    pub regulator_us: f64,
    /// How far the core supply may fall below its 1.2 V.
    #[serde(default = "room_mv")]
    #[schemars(range(min = 1.0, max = 1_200.0))]
    pub room_mv: f64,
}

fn traffic_step_ma() -> f64 {
    20.0
}

fn flash_step_ma() -> f64 {
    40.0
}

fn regulator_us() -> f64 {
    2.0
}

fn room_mv() -> f64 {
    120.0
}

/// Deviation of single steps around the typical one, as a share; chosen.
const SCATTER: f64 = 0.3;

impl CoreCapacitor {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("fitted-uf", self.fitted_uf, 0.001, 100.0, " uF")?;
        Impossible::unless_within("esr-ohm", self.esr_ohm, 0.0, 100.0, " ohm")?;
        Impossible::unless_within("traffic-step-ma", self.traffic_step_ma, 0.0, 500.0, " mA")?;
        Impossible::unless_within("flash-step-ma", self.flash_step_ma, 0.0, 500.0, " mA")?;
        Impossible::unless_within("regulator-us", self.regulator_us, 0.01, 100.0, " us")?;
        Impossible::unless_within("room-mv", self.room_mv, 1.0, 1_200.0, " mV")
    }

    pub fn describe(&self) -> String {
        format!(
            "The core supply has {} uF with {} ohm: a step of {} mA dips it by {:.0} mV, and {} mV reset the part.",
            self.fitted_uf,
            self.esr_ohm,
            self.traffic_step_ma,
            self.dip_mv(self.traffic_step_ma),
            self.room_mv
        )
    }

    fn dip_mv(&self, step_ma: f64) -> f64 {
        step_ma * self.esr_ohm + step_ma * self.regulator_us / self.fitted_uf
    }

    pub fn hook(self) -> CoreRail {
        CoreRail { figures: self, flash_until: Micros::ZERO }
    }
}

#[derive(Debug)]
pub struct CoreRail {
    figures: CoreCapacitor,
    flash_until: Micros,
}

impl Mechanism for CoreRail {
    fn load(&mut self, around: &mut Surroundings, draw: Draw, span: Micros, _dice: &mut Dice) {
        if draw == Draw::FlashWork {
            self.flash_until = self.flash_until.max(around.at + span);
        }
    }

    fn transfer(&mut self, around: &Surroundings, _: Option<(Address, u32)>, dice: &mut Dice) -> Option<Disturbance> {
        let busy = around.at < self.flash_until;
        let typical = if busy { self.figures.flash_step_ma } else { self.figures.traffic_step_ma };
        let step = typical * (1.0 + SCATTER * dice.normal()).max(0.0);
        (self.figures.dip_mv(step) > self.figures.room_mv).then_some(Disturbance::Reset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AS_IN_THE_DATA_SHEET: CoreCapacitor = CoreCapacitor {
        fitted_uf: 4.4,
        esr_ohm: 0.1,
        traffic_step_ma: 20.0,
        flash_step_ma: 40.0,
        regulator_us: 2.0,
        room_mv: 120.0,
    };

    fn resets(figures: CoreCapacitor, flash: bool) -> usize {
        let mut rail = figures.hook();
        let mut dice = Dice::new(9);
        let mut around = Surroundings::default();
        if flash {
            rail.load(&mut around, Draw::FlashWork, Micros::from_secs(1), &mut dice);
        }
        (0..1_000).filter(|_| rail.transfer(&around, None, &mut dice).is_some()).count()
    }

    #[test]
    fn the_capacitors_of_the_data_sheet_hold_and_a_hundredth_of_them_does_not() {
        assert_eq!((resets(AS_IN_THE_DATA_SHEET, false), resets(AS_IN_THE_DATA_SHEET, true)), (0, 0));
        let small = CoreCapacitor { fitted_uf: 0.47, ..AS_IN_THE_DATA_SHEET };
        let (idle, busy) = (resets(small, false), resets(small, true));
        assert!(idle < 300 && busy > 500, "flash work steps deeper: {idle} {busy}");
    }

    #[test]
    fn a_lossy_capacitor_is_as_bad_as_a_small_one() {
        assert!(resets(CoreCapacitor { esr_ohm: 6.0, ..AS_IN_THE_DATA_SHEET }, false) > 300);
    }
}
