//! A supply that gives way: source resistance against the currents of the part and of whatever else hangs on the rail.
//! Dips come by exposure to time and load, not by what the host calls the operation.
//!
//! Source: FACTS sections B and C (power-down reset 1.60 to 1.76 V, brown-out levels 2.13 to 2.24, 2.44 to 2.56 and 2.75 to 2.88 V falling,
//! DS8626 T19; off by default on F2/F4/F7; OTG FS degraded below 3.0 V, works to 2.7 V), `root_causes.csv` PWR_VBUS_DROOP. Currents and
//! resistances are chosen per board.

use schemars::JsonSchema;
use serde::Deserialize;

use super::supply_limit::{Inrush, Limit, OVER_CURRENT};
use super::{Impossible, Mechanism};
use crate::bench::surroundings::{BootCourse, Dice, Disturbance, Draw, Packet, Runs, Surroundings};
use crate::observation::units::{Address, Micros, Millivolts};
use crate::swd::reset_cause::ResetCause;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Supply {
    /// Without load.
    #[schemars(range(min = 1_000.0, max = 6_000.0))]
    pub source_mv: f64,
    #[schemars(range(min = 0.0, max = 1_000.0))]
    pub resistance_ohm: f64,
    /// The part serving USB.
    #[schemars(range(min = 0.0, max = 1_000.0))]
    pub traffic_ma: f64,
    /// On top of that while flash is erased or programmed.
    #[schemars(range(min = 0.0, max = 1_000.0))]
    pub flash_work_ma: f64,
    /// Another load on the rail that comes and goes: a radio, a relay, a fan.
    pub other_load: Option<OtherLoad>,
    /// Below this the USB block makes errors and nothing is flagged.
    #[schemars(range(min = 1_000.0, max = 3_600.0))]
    pub usb_needs_mv: f64,
    /// Below this the part resets, where it is neither the power-down reset nor a level of F2, F4 and F7.
    #[schemars(range(min = 0.0, max = 3_600.0))]
    pub resets_below_mv: Option<f64>,
    /// The brown-out level that the option bytes of an F2, F4 or F7 set; off as they leave the factory.
    pub brown_out: Option<BrownOut>,
    /// What hub, port or regulator can give.
    pub limit: Option<Limit>,
    pub inrush: Option<Inrush>,
}

/// The middle of what the data sheet of F405 and F407 says for a falling supply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BrownOut {
    /// Only the power-down reset watches the supply.
    Off,
    #[serde(rename = "level-1")]
    Level1,
    #[serde(rename = "level-2")]
    Level2,
    #[serde(rename = "level-3")]
    Level3,
}

impl BrownOut {
    const fn falling_mv(self) -> f64 {
        match self {
            Self::Off => 1_680.0,
            Self::Level1 => 2_185.0,
            Self::Level2 => 2_500.0,
            Self::Level3 => 2_815.0,
        }
    }

    /// The field BOR_LEV of F2, F4 and F7 counts downwards.
    pub const fn option_bits(self) -> u32 {
        match self {
            Self::Off => 3,
            Self::Level1 => 2,
            Self::Level2 => 1,
            Self::Level3 => 0,
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OtherLoad {
    #[schemars(range(min = 0.0, max = 10_000.0))]
    pub ma: f64,
    /// Mean time between switching on.
    #[schemars(range(min = 0.001, max = 1e6))]
    pub every_s: f64,
    /// Mean time it stays on.
    #[schemars(range(min = 0.001, max = 1e6))]
    pub for_ms: f64,
}

/// FACTS section B: PDR at 1.60 to 1.76 V.
pub(super) const HIGHEST_POWER_DOWN_MV: f64 = 1_760.0;

impl Supply {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("source-mv", self.source_mv, 1_000.0, 6_000.0, " mV")?;
        Impossible::unless_within("resistance-ohm", self.resistance_ohm, 0.0, 1_000.0, " ohm")?;
        Impossible::unless_within("traffic-ma", self.traffic_ma, 0.0, 1_000.0, " mA")?;
        Impossible::unless_within("flash-work-ma", self.flash_work_ma, 0.0, 1_000.0, " mA")?;
        let key = if self.brown_out.is_some() { "brown-out" } else { "resets-below-mv" };
        if self.brown_out.is_some() && self.resets_below_mv.is_some() {
            return Err(Impossible::new("brown-out", "and `resets-below-mv` say the same in two ways"));
        }
        Impossible::unless_within("usb-needs-mv", self.usb_needs_mv, 1_000.0, 3_600.0, " mV")?;
        Impossible::unless_within(key, self.reset_mv(), 0.0, 3_600.0, " mV")?;
        if self.reset_mv() >= self.usb_needs_mv {
            return Err(Impossible::new(key, "is not below `usb-needs-mv`: a part in reset has no USB to break"));
        }
        self.limit.as_ref().map_or(Ok(()), |limit| limit.check(self.traffic_ma))?;
        self.inrush.as_ref().map_or(Ok(()), Inrush::check)?;
        if self.inrush.is_some() && self.limit.is_none() {
            return Err(Impossible::new("inrush", "has no effect without a `limit`"));
        }
        if self.at_pins(self.traffic_ma) < self.reset_mv() {
            return Err(Impossible::new("resistance-ohm", "is so high that the part never leaves reset"));
        }
        if let Some(load) = self.other_load {
            Impossible::unless_within("ma", load.ma, 0.0, 10_000.0, " mA")?;
            Impossible::unless_within("every-s", load.every_s, 0.001, 1e6, " s")?;
            Impossible::unless_within("for-ms", load.for_ms, 0.001, 1e6, " ms")?;
        }
        match self.other_load {
            Some(load) if load.for_ms / 1e3 >= load.every_s => {
                Err(Impossible::new("for-ms", "is longer than the time between, so the load would never go off"))
            }
            _ => Ok(()),
        }
    }

    fn at_pins(&self, ma: f64) -> f64 {
        let left = self.limit.as_ref().map_or(1.0, |limit| limit.left(ma));
        (self.source_mv - self.resistance_ohm * ma) * left
    }

    fn reset_mv(&self) -> f64 {
        self.resets_below_mv.unwrap_or_else(|| self.brown_out.unwrap_or(BrownOut::Off).falling_mv())
    }

    pub fn describe(&self) -> String {
        let other = self.other_load.map_or(String::new(), |load| {
            format!(" Every {} s or so another {} mA are drawn for {} ms.", load.every_s, load.ma, load.for_ms)
        });
        let limit = self.limit.as_ref().map_or(String::new(), |limit| format!(" {}", limit.describe()));
        let inrush =
            self.inrush.map_or(String::new(), |inrush| format!(" It charges {} uF when it is plugged in.", inrush.uf));
        format!(
            "The rail has {} V behind {} ohm; USB needs {} V, and the part resets below {} V.{other}{limit}{inrush}",
            self.source_mv / 1e3,
            self.resistance_ohm,
            self.usb_needs_mv / 1e3,
            self.reset_mv() / 1e3
        )
    }

    pub fn hook(self) -> Rail {
        Rail {
            figures: self,
            other_on: None,
            other_off: Micros::ZERO,
            flash_until: Micros::ZERO,
            off: Micros::ZERO,
            too_much_since: None,
        }
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
    /// How long power was off before this boot.
    off: Micros,
    /// Since when more is drawn than the limit.
    too_much_since: Option<Micros>,
}

impl Rail {
    fn settle(&mut self, around: &mut Surroundings) {
        let figures = &self.figures;
        let other = self.other_on.is_some_and(|on| on <= around.at && around.at < self.other_off);
        let other_ma = figures.other_load.filter(|_| other).map_or(0.0, |load| load.ma);
        let flash_ma = if around.at < self.flash_until { figures.flash_work_ma } else { 0.0 };
        let ma = figures.traffic_ma + flash_ma + other_ma;
        around.supply = Millivolts(figures.at_pins(ma));
        let too_much = figures.limit.is_some_and(|limit| ma > limit.above_ma());
        self.too_much_since = too_much.then(|| self.too_much_since.unwrap_or(around.at));
    }

    /// A port that switches off for what the board draws.
    fn trips(&self, around: &Surroundings) -> Option<Disturbance> {
        let Some(Limit::Trips(trip)) = self.figures.limit else { return None };
        let lasted = around.at - self.too_much_since?;
        let span = Micros::from_secs_f64(trip.off_for_ms / 1e3);
        (lasted >= Micros::from_secs_f64(trip.after_ms / 1e3))
            .then_some(Disturbance::PowerCut { span, words: OVER_CURRENT })
    }
}

impl Mechanism for Rail {
    fn power_on(&mut self, _around: &Surroundings, off: Micros, _dice: &mut Dice) {
        self.off = off;
        self.too_much_since = None;
    }

    fn boot(&mut self, _around: &Surroundings, course: &mut BootCourse, _dice: &mut Dice) {
        let figures = &self.figures;
        let (Some(inrush), Some(limit)) = (figures.inrush, figures.limit) else { return };
        if !course.from_power_on {
            return;
        }
        let above = inrush.above(limit.above_ma(), figures.source_mv, figures.resistance_ohm, self.off);
        match limit {
            Limit::Trips(trip) if above >= Micros::from_secs_f64(trip.after_ms / 1e3) && above > Micros::ZERO => {
                let off_for = Micros::from_secs_f64(trip.off_for_ms / 1e3);
                course.runs = Runs::LosesPower { after: above, off_for, words: OVER_CURRENT };
            }
            Limit::Trips(_) => {}
            Limit::FoldsBack(_) => course.delay += above,
        }
    }

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
        self.trips(around).or_else(|| self.starves(around).map(|_| Disturbance::Reset))
    }

    /// Brown-out levels begin above the power-down reset that every part has.
    fn starves(&self, around: &Surroundings) -> Option<ResetCause> {
        let brown_out = self.figures.reset_mv() > HIGHEST_POWER_DOWN_MV;
        let cause = if brown_out { ResetCause::BrownOut } else { ResetCause::PowerOn };
        (around.supply.0 < self.figures.reset_mv()).then_some(cause)
    }

    /// Between what USB needs and reset, the deeper the worse.
    fn packet(&self, around: &Surroundings, _packet: &Packet<'_>) -> f64 {
        let band = self.figures.usb_needs_mv - self.figures.reset_mv();
        ((self.figures.usb_needs_mv - around.supply.0) / band).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::supply_limit::Trip;
    use super::*;

    const WEAK: Supply = Supply {
        source_mv: 3_300.0,
        resistance_ohm: 4.0,
        traffic_ma: 50.0,
        flash_work_ma: 100.0,
        other_load: None,
        usb_needs_mv: 2_800.0,
        resets_below_mv: Some(1_700.0),
        brown_out: None,
        limit: None,
        inrush: None,
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
        assert_eq!(Supply { resets_below_mv: Some(2_900.0), ..WEAK }.check().unwrap_err().key, "resets-below-mv");
        assert_eq!(Supply { resistance_ohm: 60.0, ..WEAK }.check().unwrap_err().key, "resistance-ohm");
        let other_load = Some(OtherLoad { ma: 100.0, every_s: 0.1, for_ms: 200.0 });
        assert_eq!(Supply { other_load, ..WEAK }.check().unwrap_err().key, "for-ms");
    }

    #[test]
    fn brown_out_is_off_unless_it_is_set_and_is_not_said_twice() {
        let default = Supply { resets_below_mv: None, ..WEAK };
        assert_eq!((default.reset_mv(), default.check()), (1_680.0, Ok(())));
        assert_eq!(Supply { brown_out: Some(BrownOut::Level2), ..default }.reset_mv(), 2_500.0);
        let twice = Supply { brown_out: Some(BrownOut::Level2), ..WEAK };
        assert_eq!(twice.check().unwrap_err().key, "brown-out");
        let in_reset = Supply { brown_out: Some(BrownOut::Level3), ..default };
        assert_eq!(in_reset.check().unwrap_err().key, "brown-out");
    }

    #[test]
    fn a_port_trips_after_its_time_and_not_before() {
        let trip = Trip { above_ma: 120.0, after_ms: 10.0, off_for_ms: 800.0 };
        let mut rail = Supply { limit: Some(Limit::Trips(trip)), ..WEAK }.hook();
        let mut dice = Dice::new(1);
        let mut around = Surroundings::default();
        rail.load(&mut around, Draw::FlashWork, Micros::from_secs(1), &mut dice);
        let mut cut = |millis| {
            around.at = Micros::from_millis(millis);
            rail.time(&mut around, Micros::from_millis(1), &mut dice);
            rail.transfer(&around, None, &mut dice)
        };
        assert_eq!(cut(5), None);
        let span = Micros::from_millis(800);
        assert_eq!(cut(12), Some(Disturbance::PowerCut { span, words: OVER_CURRENT }));
    }

    #[test]
    fn a_large_inrush_trips_after_a_long_pause_only() {
        let trip = Trip { above_ma: 500.0, after_ms: 1.0, off_for_ms: 800.0 };
        let inrush = Some(Inrush { uf: 4_700.0, bleeds_s: 5.0 });
        let supply = Supply { resistance_ohm: 0.5, limit: Some(Limit::Trips(trip)), inrush, ..WEAK };
        let trips = |off| {
            let mut rail = supply.hook();
            rail.power_on(&Surroundings::default(), off, &mut Dice::new(1));
            let mut course = BootCourse { from_power_on: true, ..BootCourse::default() };
            rail.boot(&Surroundings::default(), &mut course, &mut Dice::new(1));
            course.runs != Runs::UsbBootloader
        };
        assert!(trips(Micros::from_secs(60)) && !trips(Micros::from_millis(100)));
    }
}
