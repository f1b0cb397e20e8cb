//! Something that no data sheet describes and that keeps to a rule of its own: a time of day, a count, a pattern in the data.
//!
//! Source: none, on purpose. For trying how a diagnosis behaves outside what it knows; the rule is all that is given.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Impossible, Mechanism};
use crate::bench::surroundings::{BootCourse, Dice, Disturbance, Packet, Runs, Surroundings};
use crate::observation::units::{Address, Micros};

/// When it acts, all that is given must hold; and what it does then.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Oddity {
    pub does: Effect,
    /// It acts this often, by a clock that knows nothing of boots.
    #[schemars(range(min = 0.001, max = 1e6))]
    pub every_s: Option<f64>,
    /// For this long each time.
    #[serde(default = "half_a_second_ms")]
    #[schemars(range(min = 0.0, max = 1e7))]
    pub for_ms: f64,
    /// Only in every so many-th power-on.
    pub every_power_on: Option<u32>,
    /// Only on every so many-th transfer since power-on.
    pub every_transfer: Option<u32>,
    /// Only later than this after power-on.
    pub after_s: Option<f64>,
    /// Only earlier than this after power-on.
    pub until_s: Option<f64>,
    /// Only packets that hold these bytes in a row; for `spoils`.
    #[serde(default)]
    pub packet_holds: Vec<u8>,
    /// Only packets of this length; for `spoils`.
    pub packet_bytes: Option<usize>,
    /// And then only by this chance.
    #[serde(default = "always")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub chance: f64,
    /// How long the device is away; for `leaves`.
    #[serde(default = "half_a_second_ms")]
    #[schemars(range(min = 0.0, max = 1e7))]
    pub away_ms: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Packets do not arrive whole.
    Spoils,
    /// The part resets.
    Resets,
    /// The core is stuck until the next reset.
    Sticks,
    /// The device leaves the bus for a while, without a reset.
    Leaves,
    /// The core starts something that has no USB.
    StartsDark,
    /// The pull-up is on and nobody answers.
    StartsDeaf,
}

fn half_a_second_ms() -> f64 {
    500.0
}

fn always() -> f64 {
    1.0
}

impl Oddity {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("chance", self.chance, 0.0, 1.0, "")?;
        Impossible::unless_within("for-ms", self.for_ms, 0.0, 1e7, " ms")?;
        Impossible::unless_within("away-ms", self.away_ms, 0.0, 1e7, " ms")?;
        Impossible::unless_within("every-s", self.every_s.unwrap_or(1.0), 0.001, 1e6, " s")?;
        if self.every_power_on == Some(0) || self.every_transfer == Some(0) {
            return Err(Impossible::new("every-power-on", "and `every-transfer` count from 1"));
        }
        let of_packets = !self.packet_holds.is_empty() || self.packet_bytes.is_some();
        if of_packets && self.does != Effect::Spoils {
            return Err(Impossible::new("does", "must be `spoils` where single packets are meant"));
        }
        Ok(())
    }

    pub fn describe(&self) -> String {
        let mut rules = Vec::new();
        rules.extend(self.every_s.map(|every| format!("every {every} s for {} ms", self.for_ms)));
        rules.extend(self.every_power_on.map(|every| format!("in every power-on that {every} divides")));
        rules.extend(self.every_transfer.map(|every| format!("on every transfer that {every} divides")));
        rules.extend(self.after_s.map(|after| format!("from {after} s after power-on")));
        rules.extend(self.until_s.map(|until| format!("until {until} s after power-on")));
        if !self.packet_holds.is_empty() {
            rules.push(format!("on packets that hold {:02X?}", self.packet_holds));
        }
        rules.extend(self.packet_bytes.map(|bytes| format!("on packets of {bytes} bytes")));
        if self.chance < 1.0 {
            rules.push(format!("by a chance of {}", self.chance));
        }
        let effect = match self.does {
            Effect::Spoils => "spoils packets",
            Effect::Resets => "resets the part",
            Effect::Sticks => "stops the core",
            Effect::Leaves => "takes the device off the bus",
            Effect::StartsDark => "keeps the ROM from USB at start",
            Effect::StartsDeaf => "leaves the pull-up on with nobody to answer at start",
        };
        format!("Something {effect} {}.", rules.join(", "))
    }

    pub fn hook(self) -> AtWork {
        AtWork { figures: self, power_ons: 0, transfers: 0, holds: false }
    }
}

/// The counts that the rule goes by.
#[derive(Debug)]
pub struct AtWork {
    figures: Oddity,
    power_ons: u32,
    transfers: u32,
    /// For the transfer on its way.
    holds: bool,
}

impl AtWork {
    fn is_time(&self, around: &Surroundings) -> bool {
        let figures = &self.figures;
        let at = around.at.as_secs_f64();
        let since = around.powered_since.map_or(0.0, |on| (around.at - on).as_secs_f64());
        // It begins with a pause, so that its first turn is no different from the others.
        let turn = figures.every_s.is_none_or(|every| at >= every && at % every < figures.for_ms / 1e3);
        turn && figures.every_power_on.is_none_or(|every| self.power_ons.is_multiple_of(every))
            && figures.after_s.is_none_or(|after| since >= after)
            && figures.until_s.is_none_or(|until| since < until)
    }
}

impl Mechanism for AtWork {
    fn power_on(&mut self, _around: &Surroundings, _off: Micros, _dice: &mut Dice) {
        self.power_ons += 1;
        self.transfers = 0;
    }

    fn boot(&mut self, around: &Surroundings, course: &mut BootCourse, dice: &mut Dice) {
        let runs = match self.figures.does {
            Effect::StartsDark => Runs::SomethingElse,
            Effect::StartsDeaf => Runs::ServesNobody { pull_up: true },
            Effect::Spoils | Effect::Resets | Effect::Sticks | Effect::Leaves => return,
        };
        if self.is_time(around) && dice.chance(self.figures.chance) {
            course.runs = runs;
        }
    }

    fn transfer(&mut self, around: &Surroundings, _: Option<(Address, u32)>, dice: &mut Dice) -> Option<Disturbance> {
        self.transfers += 1;
        let turn = self.figures.every_transfer.is_none_or(|every| self.transfers.is_multiple_of(every));
        self.holds = turn && self.is_time(around);
        let disturbance = match self.figures.does {
            Effect::Resets => Disturbance::Reset,
            Effect::Sticks => Disturbance::Stuck,
            Effect::Leaves => Disturbance::Unplugged { span: Micros::from_secs_f64(self.figures.away_ms / 1e3) },
            Effect::Spoils | Effect::StartsDark | Effect::StartsDeaf => return None,
        };
        (self.holds && dice.chance(self.figures.chance)).then_some(disturbance)
    }

    fn packet(&self, _around: &Surroundings, packet: &Packet<'_>) -> f64 {
        let figures = &self.figures;
        let held = figures.packet_holds.is_empty()
            || packet.data.windows(figures.packet_holds.len()).any(|bytes| bytes == figures.packet_holds);
        let length = figures.packet_bytes.is_none_or(|bytes| packet.data.len() == bytes);
        if figures.does == Effect::Spoils && self.holds && held && length { figures.chance } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::surroundings::Direction;

    fn oddity(rule: &str) -> AtWork {
        let figures: Oddity = toml_of(rule);
        figures.check().unwrap();
        figures.hook()
    }

    fn toml_of(rule: &str) -> Oddity {
        crate::profile::loader::parse("oddity.toml", rule).unwrap()
    }

    fn at(seconds: f64) -> Surroundings {
        Surroundings {
            at: Micros::from_secs_f64(seconds),
            powered_since: Some(Micros::ZERO),
            ..Surroundings::default()
        }
    }

    #[test]
    fn a_clock_of_its_own_knows_nothing_of_boots() {
        let mut work = oddity("does = \"leaves\"\nevery-s = 7.0\nfor-ms = 100\naway-ms = 300");
        let mut dice = Dice::new(1);
        let mut acts = |seconds: f64| work.transfer(&at(seconds), None, &mut dice).is_some();
        assert_eq!([0.05, 6.9, 7.05, 7.2, 14.05].map(&mut acts), [false, false, true, false, true]);
    }

    #[test]
    fn every_third_power_on_starts_dark() {
        let mut work = oddity("does = \"starts-dark\"\nevery-power-on = 3");
        let mut dice = Dice::new(1);
        let dark: Vec<_> = (1..=6)
            .map(|_| {
                let mut course = BootCourse::default();
                work.power_on(&at(0.0), Micros::ZERO, &mut dice);
                work.boot(&at(0.0), &mut course, &mut dice);
                course.runs == Runs::SomethingElse
            })
            .collect();
        assert_eq!(dark, [false, false, true, false, false, true]);
    }

    #[test]
    fn only_packets_with_the_pattern_are_spoilt() {
        let mut work = oddity("does = \"spoils\"\npacket-holds = [0x20, 0x00]\nchance = 0.9");
        let mut dice = Dice::new(1);
        assert_eq!(work.transfer(&at(1.0), None, &mut dice), None);
        let chance = |data: &[u8]| work.packet(&at(1.0), &Packet { direction: Direction::ToHost, data, place: 0 });
        assert_eq!((chance(&[0x11, 0x20, 0x00, 0x08]), chance(&[0x20, 0x11, 0x00])), (0.9, 0.0));
    }

    #[test]
    fn packets_are_not_what_resets_go_by() {
        assert_eq!(toml_of("does = \"resets\"\npacket-bytes = 6").check().unwrap_err().key, "does");
    }
}
