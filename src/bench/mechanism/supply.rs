//! A supply that gives way: source resistance against the currents of the part and of whatever else hangs on the rail.
//! Dips come by exposure to time and load, not by what the host calls the operation.
//!
//! Source: FACTS sections B and C (PDR 1.60 to 1.76 V; BOR is off by default on F2/F4/F7; OTG FS degraded below 3.0 V, works to 2.7 V),
//! `root_causes.csv` PWR_VBUS_DROOP. Currents and resistances are chosen per board.

use serde::Deserialize;

use super::{Impossible, Mechanism};
use crate::bench::surroundings::{Dice, Disturbance, Draw, Packet, Surroundings};
use crate::observation::units::{Address, Micros, Millivolts};
use crate::swd::reset_cause::ResetCause;

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Supply {
    /// Without load.
    pub source_mv: f64,
    pub resistance_ohm: f64,
    /// The part serving USB.
    pub traffic_ma: f64,
    /// On top of that while flash is erased or programmed.
    pub flash_work_ma: f64,
    /// Another load on the rail that comes and goes: a radio, a relay, a fan.
    pub other_load: Option<OtherLoad>,
    /// Below this the USB block makes errors and nothing is flagged.
    pub usb_needs_mv: f64,
    /// Below this the part resets: power-down reset, or the brown-out level where one is set.
    pub resets_below_mv: f64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OtherLoad {
    pub ma: f64,
    /// Mean time between switching on.
    pub every_s: f64,
    /// Mean time it stays on.
    pub for_ms: f64,
}

/// FACTS section B: PDR at 1.60 to 1.76 V.
const HIGHEST_POWER_DOWN_MV: f64 = 1_760.0;

impl Supply {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("source-mv", self.source_mv, 1_000.0, 6_000.0, " mV")?;
        Impossible::unless_within("resistance-ohm", self.resistance_ohm, 0.0, 1_000.0, " ohm")?;
        Impossible::unless_within("traffic-ma", self.traffic_ma, 0.0, 1_000.0, " mA")?;
        Impossible::unless_within("flash-work-ma", self.flash_work_ma, 0.0, 1_000.0, " mA")?;
        if self.resets_below_mv >= self.usb_needs_mv {
            return Err(Impossible::new(
                "resets-below-mv",
                "is not below usb-needs-mv: a part in reset has no USB to break",
            ));
        }
        if self.at_pins(self.traffic_ma) < self.resets_below_mv {
            return Err(Impossible::new("resistance-ohm", "is so high that the part never leaves reset"));
        }
        match self.other_load {
            Some(load) if load.for_ms / 1e3 >= load.every_s => {
                Err(Impossible::new("for-ms", "is longer than the time between, so the load would never go off"))
            }
            _ => Ok(()),
        }
    }

    fn at_pins(&self, ma: f64) -> f64 {
        self.source_mv - self.resistance_ohm * ma
    }

    pub fn describe(&self) -> String {
        let other = self.other_load.map_or(String::new(), |load| {
            format!(" Every {} s or so another {} mA are drawn for {} ms.", load.every_s, load.ma, load.for_ms)
        });
        format!(
            "The rail has {} V behind {} ohm; USB needs {} V, and the part resets below {} V.{other}",
            self.source_mv / 1e3,
            self.resistance_ohm,
            self.usb_needs_mv / 1e3,
            self.resets_below_mv / 1e3
        )
    }

    pub fn hook(self) -> Rail {
        Rail { figures: self, other_on: None, other_off: Micros::ZERO, flash_until: Micros::ZERO }
    }
}

/// The rail as it is now.
#[derive(Debug)]
pub struct Rail {
    figures: Supply,
    /// When the other load goes on next, and off again.
    other_on: Option<Micros>,
    other_off: Micros,
    flash_until: Micros,
}

impl Rail {
    fn settle(&self, around: &mut Surroundings) {
        let figures = &self.figures;
        let other = self.other_on.is_some_and(|on| on <= around.at && around.at < self.other_off);
        let other_ma = figures.other_load.filter(|_| other).map_or(0.0, |load| load.ma);
        let flash_ma = if around.at < self.flash_until { figures.flash_work_ma } else { 0.0 };
        around.supply = Millivolts(figures.at_pins(figures.traffic_ma + flash_ma + other_ma));
    }
}

impl Mechanism for Rail {
    fn time(&mut self, around: &mut Surroundings, _span: Micros, dice: &mut Dice) {
        if let Some(load) = self.figures.other_load {
            while self.other_on.is_none() || self.other_off <= around.at {
                let on = self.other_off + dice.waiting(Micros::from_secs_f64(load.every_s));
                self.other_on = Some(on);
                self.other_off = on + Micros(1) + dice.waiting(Micros::from_secs_f64(load.for_ms / 1e3));
            }
        }
        self.settle(around);
    }

    fn load(&mut self, around: &mut Surroundings, draw: Draw, span: Micros, _dice: &mut Dice) {
        if draw == Draw::FlashWork {
            self.flash_until = self.flash_until.max(around.at + span);
        }
        self.settle(around);
    }

    fn transfer(&mut self, around: &Surroundings, _: Option<(Address, u32)>, _: &mut Dice) -> Option<Disturbance> {
        self.starves(around).map(|_| Disturbance::Reset)
    }

    /// Brown-out levels begin above the power-down reset that every part has.
    fn starves(&self, around: &Surroundings) -> Option<ResetCause> {
        let brown_out = self.figures.resets_below_mv > HIGHEST_POWER_DOWN_MV;
        let cause = if brown_out { ResetCause::BrownOut } else { ResetCause::PowerOn };
        (around.supply.0 < self.figures.resets_below_mv).then_some(cause)
    }

    /// Between what USB needs and reset, the deeper the worse.
    fn packet(&self, around: &Surroundings, _packet: &Packet<'_>) -> f64 {
        let band = self.figures.usb_needs_mv - self.figures.resets_below_mv;
        ((self.figures.usb_needs_mv - around.supply.0) / band).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEAK: Supply = Supply {
        source_mv: 3_300.0,
        resistance_ohm: 4.0,
        traffic_ma: 50.0,
        flash_work_ma: 100.0,
        other_load: None,
        usb_needs_mv: 2_800.0,
        resets_below_mv: 1_700.0,
    };

    #[test]
    fn flash_work_pulls_the_rail_down_for_as_long_as_it_lasts() {
        let mut rail = WEAK.hook();
        let mut dice = Dice::new(1);
        let mut around = Surroundings::default();
        let packet = Packet { direction: crate::bench::surroundings::Direction::ToHost, data: &[0; 8], place: 0 };
        rail.load(&mut around, Draw::Traffic, Micros(300), &mut dice);
        assert_eq!((around.supply.0, rail.packet(&around, &packet)), (3_100.0, 0.0));
        rail.load(&mut around, Draw::FlashWork, Micros::from_secs(1), &mut dice);
        assert_eq!(around.supply.0, 2_700.0);
        assert!(rail.packet(&around, &packet) > 0.05);
        around.at = Micros::from_secs(2);
        rail.time(&mut around, Micros::from_secs(2), &mut dice);
        assert_eq!(around.supply.0, 3_100.0);
    }

    #[test]
    fn contradictions_are_refused() {
        assert_eq!(Supply { resets_below_mv: 2_900.0, ..WEAK }.check().unwrap_err().key, "resets-below-mv");
        assert_eq!(Supply { resistance_ohm: 60.0, ..WEAK }.check().unwrap_err().key, "resistance-ohm");
        let other_load = Some(OtherLoad { ma: 100.0, every_s: 0.1, for_ms: 200.0 });
        assert_eq!(Supply { other_load, ..WEAK }.check().unwrap_err().key, "for-ms");
    }
}
