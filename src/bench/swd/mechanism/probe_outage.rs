//! A probe whose own USB link is not sound: it stops answering for a while, hangs for good, or drops off the bus.
//!
//! Source: lab measurements of probe-rs (a stalled ST-Link takes 0.36 s, a mute one 3.4 s, an unplug 6 to 10 ms). How often
//! is chosen per board.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::bench::mechanism::Impossible;
use crate::bench::surroundings::Dice;
use crate::observation::units::Micros;

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct ProbeOutage {
    /// Share of commands that are answered with a STALL.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub stalls: f64,
    /// Share of commands that get no answer in time.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub mute: f64,
    /// Share of commands after which the probe sends nothing but empty packets, for which probe-rs waits for ever on an ST-Link.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub hangs: f64,
    /// Share of commands during which the probe leaves the bus.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub drops: f64,
    /// How long it then stays away.
    #[schemars(range(min = 0.0, max = 3_600.0))]
    pub away_s: f64,
}

/// What becomes of one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    Stall,
    Mute,
    Hang,
    Drop { away: Micros },
}

impl ProbeOutage {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("stalls", self.stalls, 0.0, 1.0, "")?;
        Impossible::unless_within("mute", self.mute, 0.0, 1.0, "")?;
        Impossible::unless_within("hangs", self.hangs, 0.0, 1.0, "")?;
        Impossible::unless_within("drops", self.drops, 0.0, 1.0, "")?;
        Impossible::unless_within("away-s", self.away_s, 0.0, 3_600.0, " s")
    }

    pub fn describe(&self) -> String {
        format!(
            "Of 1000 commands the probe stalls {}, leaves {} unanswered, hangs in {} and drops off the bus in {}.",
            self.stalls * 1e3,
            self.mute * 1e3,
            self.hangs * 1e3,
            self.drops * 1e3
        )
    }

    pub fn command(&self, dice: &mut Dice) -> Option<Trouble> {
        if dice.chance(self.drops) {
            return Some(Trouble::Drop { away: Micros::from_secs_f64(self.away_s) });
        }
        if dice.chance(self.hangs) {
            return Some(Trouble::Hang);
        }
        if dice.chance(self.mute) {
            return Some(Trouble::Mute);
        }
        dice.chance(self.stalls).then_some(Trouble::Stall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_comes_at_its_share() {
        let usb = ProbeOutage { stalls: 0.1, drops: 0.05, away_s: 2.0, ..ProbeOutage::default() };
        let mut dice = Dice::new(7);
        let all: Vec<_> = (0..2_000).filter_map(|_| usb.command(&mut dice)).collect();
        let drops = all.iter().filter(|it| **it == Trouble::Drop { away: Micros::from_secs(2) }).count();
        assert!((70..130).contains(&drops), "{drops}");
        assert!((250..340).contains(&all.len()), "{}", all.len());
        assert_eq!(ProbeOutage::default().command(&mut dice), None);
    }
}
