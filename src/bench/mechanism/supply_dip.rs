//! A rail that gives way under flash work that goes on without a pause: a regulator at its limit, a capacitor that runs empty.
//! The dip has a given depth and duration. It comes by exposure, not by what the host calls the operation.
//!
//! Source: FORUM 14419 and 90382 in FACTS section D (field: errors of the upgrade service that another supply cured).
//! HYPOTHESIS: no numeric requirement on the supply of the service has been published; depth, duration and the exposure before
//! it are chosen per board. PDR 1.60 to 1.76 V as in `supply`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::supply::HIGHEST_POWER_DOWN_MV;
use super::{Impossible, Mechanism};
use crate::bench::surroundings::{Dice, Disturbance, Draw, Packet, Surroundings};
use crate::observation::units::{Address, Micros, Millivolts};
use crate::swd::reset_cause::ResetCause;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SupplyDip {
    /// The rail while nothing is wrong.
    #[schemars(range(min = 1_710.0, max = 3_600.0))]
    pub rail_mv: f64,
    /// So long flash is worked on without a pause before the rail gives way.
    #[schemars(range(min = 0.0, max = 600_000.0))]
    pub after_work_ms: f64,
    #[schemars(range(max = 3_600.0))]
    pub to_mv: f64,
    #[schemars(range(min = 1.0, max = 60_000.0))]
    pub for_ms: f64,
    /// A pause that lets it recover.
    #[schemars(range(min = 0.1, max = 60_000.0))]
    pub recovers_in_ms: f64,
    /// Below this the part resets.
    #[schemars(range(max = 3_600.0))]
    pub resets_below_mv: f64,
}

impl SupplyDip {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("rail-mv", self.rail_mv, 1_710.0, 3_600.0, " mV")?;
        Impossible::unless_within("after-work-ms", self.after_work_ms, 0.0, 600_000.0, " ms")?;
        Impossible::unless_within("for-ms", self.for_ms, 1.0, 60_000.0, " ms")?;
        Impossible::unless_within("recovers-in-ms", self.recovers_in_ms, 0.1, 60_000.0, " ms")?;
        if self.to_mv >= self.rail_mv {
            return Err(Impossible::new("to-mv", "is not below rail-mv, so nothing would dip"));
        }
        if self.resets_below_mv >= self.rail_mv {
            return Err(Impossible::new("resets-below-mv", "is not below rail-mv: the part would never leave reset"));
        }
        Ok(())
    }

    pub fn describe(&self) -> String {
        format!(
            "HYPOTHESIS of the supply: after {} ms of flash work without a pause of {} ms the rail of {} V falls to {} V for {} ms; \
             the part resets below {} V.",
            self.after_work_ms,
            self.recovers_in_ms,
            self.rail_mv / 1e3,
            self.to_mv / 1e3,
            self.for_ms,
            self.resets_below_mv / 1e3
        )
    }

    pub fn hook(self) -> DippingRail {
        DippingRail { figures: self, worked: Micros::ZERO, worked_until: Micros::ZERO, dip: None }
    }
}

/// The rail as it is now.
#[derive(Debug)]
pub struct DippingRail {
    figures: SupplyDip,
    /// Without a pause.
    worked: Micros,
    worked_until: Micros,
    dip: Option<(Micros, Micros)>,
}

impl DippingRail {
    fn millis(value: f64) -> Micros {
        Micros::from_secs_f64(value / 1e3)
    }

    fn settle(&self, around: &mut Surroundings) {
        let low = self.dip.is_some_and(|(from, until)| (from..until).contains(&around.at));
        around.supply = Millivolts(if low { self.figures.to_mv } else { self.figures.rail_mv });
    }
}

impl Mechanism for DippingRail {
    fn time(&mut self, around: &mut Surroundings, _span: Micros, _dice: &mut Dice) {
        self.settle(around);
    }

    fn load(&mut self, around: &mut Surroundings, draw: Draw, span: Micros, _dice: &mut Dice) {
        if draw == Draw::FlashWork {
            if around.at > self.worked_until + Self::millis(self.figures.recovers_in_ms) {
                self.worked = Micros::ZERO;
            }
            let before = self.worked;
            self.worked += span;
            self.worked_until = around.at + span;
            let limit = Self::millis(self.figures.after_work_ms);
            if before <= limit && limit < self.worked {
                let from = around.at + (limit - before);
                self.dip = Some((from, from + Self::millis(self.figures.for_ms)));
            }
        }
        self.settle(around);
    }

    fn transfer(&mut self, around: &Surroundings, _: Option<(Address, u32)>, _: &mut Dice) -> Option<Disturbance> {
        self.starves(around).map(|_| Disturbance::Reset)
    }

    fn starves(&self, around: &Surroundings) -> Option<ResetCause> {
        let brown_out = self.figures.resets_below_mv > HIGHEST_POWER_DOWN_MV;
        let cause = if brown_out { ResetCause::BrownOut } else { ResetCause::PowerOn };
        (around.supply.0 < self.figures.resets_below_mv).then_some(cause)
    }

    /// What it does to USB is the business of `supply`; this one is about the part's own flash.
    fn packet(&self, _around: &Surroundings, _packet: &Packet<'_>) -> f64 {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIP: SupplyDip = SupplyDip {
        rail_mv: 3_300.0,
        after_work_ms: 100.0,
        to_mv: 2_300.0,
        for_ms: 20.0,
        recovers_in_ms: 1.0,
        resets_below_mv: 1_700.0,
    };

    /// The lowest supply in a second of work in stretches of 50 ms with a pause after each.
    fn lowest(pause: Micros) -> f64 {
        let (mut rail, mut dice) = (DIP.hook(), Dice::new(1));
        let mut around = Surroundings::default();
        let mut lowest = f64::INFINITY;
        for _ in 0..20 {
            for _ in 0..50 {
                rail.time(&mut around, Micros::ZERO, &mut dice);
                rail.load(&mut around, Draw::FlashWork, Micros::from_millis(1), &mut dice);
                lowest = lowest.min(around.supply.0);
                around.at += Micros::from_millis(1);
            }
            around.at += pause;
        }
        lowest
    }

    #[test]
    fn work_without_a_pause_makes_it_dip_and_a_pause_lets_it_recover() {
        assert_eq!(lowest(Micros::ZERO), 2_300.0);
        assert_eq!(lowest(Micros::from_millis(5)), 3_300.0);
    }

    #[test]
    fn the_dip_lasts_as_long_as_it_says() {
        let (mut rail, mut dice) = (DIP.hook(), Dice::new(1));
        let mut around = Surroundings::default();
        rail.load(&mut around, Draw::FlashWork, Micros::from_millis(500), &mut dice);
        let mut at = |ms| {
            around.at = Micros::from_millis(ms);
            rail.time(&mut around, Micros::ZERO, &mut dice);
            around.supply.0
        };
        assert_eq!([at(99), at(100), at(119), at(120)], [3_300.0, 2_300.0, 2_300.0, 3_300.0]);
    }

    #[test]
    fn contradictions_are_refused() {
        assert_eq!(SupplyDip { to_mv: 3_300.0, ..DIP }.check().unwrap_err().key, "to-mv");
        assert_eq!(SupplyDip { resets_below_mv: 3_400.0, ..DIP }.check().unwrap_err().key, "resets-below-mv");
        assert_eq!(SupplyDip { for_ms: 0.0, ..DIP }.check().unwrap_err().key, "for-ms");
    }
}
