//! SWDIO, SWCLK or ground without contact: always, or for moments.
//!
//! Source: `stlink_status.csv` 0x05, 0x09, 0x16 (wiring, cable), `root_causes.csv` SWD_WIRING and SWD_SPEED. Times are chosen per board.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Scene, Spoilt, SwdMechanism};
use crate::bench::mechanism::Impossible;
use crate::bench::surroundings::Dice;
use crate::observation::units::Micros;
use crate::swd::transaction::Request;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OpenWire {
    /// Mean time between openings; always open where absent.
    #[schemars(range(min = 0.001, max = 1e6))]
    pub every_s: Option<f64>,
    /// Mean time it stays open.
    #[serde(default = "some_milliseconds")]
    #[schemars(range(min = 0.001, max = 600_000.0))]
    pub open_ms: f64,
}

const fn some_milliseconds() -> f64 {
    20.0
}

impl OpenWire {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("open-ms", self.open_ms, 0.001, 600_000.0, " ms")?;
        match self.every_s {
            Some(every) => Impossible::unless_within("every-s", every, 0.001, 1e6, " s"),
            None => Ok(()),
        }
    }

    pub fn describe(&self) -> String {
        match self.every_s {
            Some(every) => {
                format!("A debug wire loses contact every {every} s or so, for about {} ms.", self.open_ms)
            }
            None => "A debug wire has no contact.".to_owned(),
        }
    }

    pub const fn hook(self) -> Contact {
        Contact { figures: self, opens: None, closes: Micros::ZERO }
    }
}

/// The contact as it is now.
#[derive(Debug)]
pub struct Contact {
    figures: OpenWire,
    opens: Option<Micros>,
    closes: Micros,
}

impl SwdMechanism for Contact {
    fn wire(&mut self, scene: &Scene, _request: &Request, dice: &mut Dice) -> Option<Spoilt> {
        let Some(every_s) = self.figures.every_s else { return Some(Spoilt::NoAcknowledge) };
        while self.opens.is_none() || self.closes <= scene.at {
            let opens = self.closes + dice.waiting(Micros::from_secs_f64(every_s));
            self.opens = Some(opens);
            self.closes = opens + Micros(1) + dice.waiting(Micros::from_secs_f64(self.figures.open_ms / 1e3));
        }
        (self.opens <= Some(scene.at)).then_some(Spoilt::NoAcknowledge)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::scene;
    use super::*;
    use crate::swd::transaction::Port;

    #[test]
    fn a_loose_contact_is_open_for_its_share_of_the_time() {
        let mut contact = OpenWire { every_s: Some(1.0), open_ms: 100.0 }.hook();
        let mut dice = Dice::new(4);
        let request = Request::read(Port::Debug, 0);
        let open = (0..100_000)
            .filter(|n| {
                let scene = Scene { at: Micros::from_millis(10 * n), ..scene(1_000) };
                contact.wire(&scene, &request, &mut dice).is_some()
            })
            .count();
        assert!((7_000..11_500).contains(&open), "{open} of 100000, expected about 9 %");
    }

    #[test]
    fn a_wire_that_is_off_is_off() {
        let mut contact = OpenWire { every_s: None, open_ms: 1.0 }.hook();
        let spoilt = contact.wire(&scene(1_000), &Request::read(Port::Debug, 0), &mut Dice::new(1));
        assert_eq!(spoilt, Some(Spoilt::NoAcknowledge));
    }
}
