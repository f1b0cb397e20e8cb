//! A connector or solder joint that opens for moments: in between everything works.
//!
//! Source: `root_causes.csv` USB_CABLE (errors follow the cable, wiggle test). Times are chosen per board.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Impossible, Mechanism};
use crate::bench::surroundings::{Dice, Disturbance, Packet, Surroundings};
use crate::observation::units::{Address, Micros};

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Bursts {
    /// Mean time between openings.
    #[schemars(range(min = 0.001, max = 1e6))]
    pub every_s: f64,
    /// Mean time it stays open.
    #[schemars(range(min = 0.001, max = 1e6))]
    pub open_ms: f64,
    /// Openings longer than this make the host see the device leave; shorter ones spoil packets only.
    #[serde(default = "detach_ms")]
    pub detach_after_ms: f64,
}

/// A host takes a pair without pull-up for a disconnect after about this time (USB 2.0, 7.1.7.3: 2.5 us; hubs report later).
fn detach_ms() -> f64 {
    2.5
}

impl Bursts {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("every-s", self.every_s, 0.001, 1e6, " s")?;
        Impossible::unless_within("open-ms", self.open_ms, 0.001, 1e6, " ms")?;
        if self.open_ms / 1e3 >= self.every_s {
            return Err(Impossible::new(
                "open-ms",
                "is longer than the time between openings, so the contact would never close",
            ));
        }
        Ok(())
    }

    pub fn describe(&self) -> String {
        format!("A contact opens every {} s on average, for {} ms.", self.every_s, self.open_ms)
    }

    pub fn hook(self) -> Contact {
        Contact { figures: self, opens: None, closes: Micros::ZERO }
    }
}

/// When the contact opens next and closes again.
#[derive(Debug)]
pub struct Contact {
    figures: Bursts,
    opens: Option<Micros>,
    closes: Micros,
}

impl Contact {
    fn is_open(&self, at: Micros) -> bool {
        self.opens.is_some_and(|opens| opens <= at && at < self.closes)
    }
}

impl Mechanism for Contact {
    fn time(&mut self, around: &mut Surroundings, _span: Micros, dice: &mut Dice) {
        while self.opens.is_none() || self.closes <= around.at {
            let every = Micros::from_secs_f64(self.figures.every_s);
            let opens = self.closes + dice.waiting(every);
            self.opens = Some(opens);
            self.closes = opens + Micros(1) + dice.waiting(Micros::from_secs_f64(self.figures.open_ms / 1e3));
        }
    }

    fn transfer(&mut self, around: &Surroundings, _: Option<(Address, u32)>, _: &mut Dice) -> Option<Disturbance> {
        let left = self.closes - around.at;
        let detaches = left > Micros::from_secs_f64(self.figures.detach_after_ms / 1e3);
        (self.is_open(around.at) && detaches).then_some(Disturbance::Unplugged { span: left })
    }

    fn packet(&self, around: &Surroundings, _packet: &Packet<'_>) -> f64 {
        if self.is_open(around.at) { 1.0 } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contact_is_open_for_its_share_of_time() {
        let mut contact = Bursts { every_s: 1.0, open_ms: 100.0, detach_after_ms: 2.5 }.hook();
        let mut dice = Dice::new(2);
        let mut around = Surroundings::default();
        let mut open = 0;
        for step in 0..40_000 {
            around.at = Micros::from_millis(step * 10);
            contact.time(&mut around, Micros::from_millis(10), &mut dice);
            open += u32::from(contact.is_open(around.at));
        }
        let share = f64::from(open) / 40_000.0;
        assert!((share - 0.1 / 1.1).abs() < 0.02, "{share}");
    }

    #[test]
    fn a_contact_that_never_closes_is_refused() {
        let error = Bursts { every_s: 0.05, open_ms: 100.0, detach_after_ms: 2.5 }.check().unwrap_err();
        assert_eq!(error.key, "open-ms");
    }
}
