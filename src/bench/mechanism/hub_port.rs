//! A hub that disables its port now and then, as noise makes it do: the host enables it again and the device is enumerated anew.
//!
//! Source: `usb_errors.csv` (`disabled by hub (EMI?), re-enabling...`: noise, ground shift, motor supplies), `root_causes.csv` (a
//! port or hub that other devices fail on too). Times are chosen per board.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Impossible, Mechanism};
use crate::bench::surroundings::{Dice, Disturbance, Surroundings};
use crate::observation::units::{Address, Micros};

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HubPort {
    /// Mean time between two disablings.
    #[schemars(range(min = 0.01, max = 1e6))]
    pub every_s: f64,
    /// Until the port is enabled again.
    #[schemars(range(min = 1.0, max = 1e5))]
    pub back_after_ms: f64,
}

/// What the kernel logs then.
pub const DISABLED: &str = "disabled by hub (EMI?), re-enabling...";

impl HubPort {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("every-s", self.every_s, 0.01, 1e6, " s")?;
        Impossible::unless_within("back-after-ms", self.back_after_ms, 1.0, 1e5, " ms")?;
        if self.back_after_ms / 1e3 >= self.every_s {
            return Err(Impossible::new(
                "back-after-ms",
                "is longer than the time between, so the port would stay off",
            ));
        }
        Ok(())
    }

    pub fn describe(&self) -> String {
        format!("The hub disables the port every {} s on average, for {} ms.", self.every_s, self.back_after_ms)
    }

    pub fn hook(self) -> Port {
        Port { figures: self, disables: None }
    }
}

#[derive(Debug)]
pub struct Port {
    figures: HubPort,
    /// When the hub disables it next.
    disables: Option<Micros>,
}

impl Mechanism for Port {
    fn transfer(&mut self, around: &Surroundings, _: Option<(Address, u32)>, dice: &mut Dice) -> Option<Disturbance> {
        let mut next = || around.at + dice.waiting(Micros::from_secs_f64(self.figures.every_s));
        let disables = *self.disables.get_or_insert_with(&mut next);
        if around.at < disables {
            return None;
        }
        self.disables = Some(next());
        let span = Micros::from_secs_f64(self.figures.back_after_ms / 1e3);
        Some(Disturbance::PortDisabled { span, words: DISABLED })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_goes_off_about_as_often_as_it_should() {
        let mut port = HubPort { every_s: 1.0, back_after_ms: 100.0 }.hook();
        let mut dice = Dice::new(2);
        let mut off = |step: u64| {
            let around = Surroundings { at: Micros::from_millis(step * 10), ..Surroundings::default() };
            port.transfer(&around, None, &mut dice).is_some()
        };
        let times = (0..20_000).filter(|&step| off(step)).count();
        assert!((150..250).contains(&times), "{times}");
    }
}
