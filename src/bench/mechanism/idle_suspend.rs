//! A host that puts an idle port to sleep: the first request afterwards wakes the device, and sometimes fails.
//!
//! Source: `root_causes.csv` (first transfer after idle fails; power/control=auto; Linux Documentation/usb/power-management),
//! `usb_errors.csv` (-113: device suspended). The idle time is the host's setting; in which share the waking fails is chosen.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Impossible, Mechanism};
use crate::bench::surroundings::{Dice, Disturbance, Surroundings};
use crate::observation::units::{Address, Micros};

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct IdleSuspend {
    /// Without a request for this long, the port is put to sleep.
    #[schemars(range(min = 1.0, max = 1e7))]
    pub after_idle_ms: f64,
    /// How many of the first requests afterwards fail.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub lost_share: f64,
}

impl IdleSuspend {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("after-idle-ms", self.after_idle_ms, 1.0, 1e7, " ms")?;
        Impossible::unless_within("lost-share", self.lost_share, 0.0, 1.0, "")
    }

    pub fn describe(&self) -> String {
        format!(
            "The port is put to sleep after {} ms without a request; {} % of the first requests afterwards fail.",
            self.after_idle_ms,
            self.lost_share * 100.0
        )
    }

    pub const fn hook(self) -> Sleeper {
        Sleeper { figures: self, last: None }
    }
}

#[derive(Debug)]
pub struct Sleeper {
    figures: IdleSuspend,
    /// The last request.
    last: Option<Micros>,
}

impl Mechanism for Sleeper {
    fn transfer(&mut self, around: &Surroundings, _: Option<(Address, u32)>, dice: &mut Dice) -> Option<Disturbance> {
        let idle = self.last.replace(around.at).map(|last| around.at - last);
        let slept = idle.is_some_and(|idle| idle > Micros::from_secs_f64(self.figures.after_idle_ms / 1e3));
        (slept && dice.chance(self.figures.lost_share)).then_some(Disturbance::Lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_request_after_a_pause_is_lost() {
        let mut port = IdleSuspend { after_idle_ms: 500.0, lost_share: 1.0 }.hook();
        let mut lost = |millis: u64| {
            let around = Surroundings { at: Micros::from_millis(millis), ..Surroundings::default() };
            port.transfer(&around, None, &mut Dice::new(1)).is_some()
        };
        assert_eq!([0, 400, 1_000, 1_010].map(&mut lost), [false, false, true, false]);
    }
}
