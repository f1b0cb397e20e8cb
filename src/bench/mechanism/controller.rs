//! A host controller that does not always get a new device to take its address, whatever the device is.
//!
//! Source: `usb_errors.csv` (`Device not responding to setup address.`: xHCI and slow devices), `root_causes.csv` (fails on one
//! computer or on USB 3 ports only; the same board works on another). In which share it happens is chosen.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Impossible, Mechanism};
use crate::bench::surroundings::{Dice, Disturbance, Surroundings};
use crate::dfu::request::ControlRequest;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Controller {
    /// How many of the commands that give an address fail.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub address_lost_share: f64,
    /// How many of all other requests fail.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub request_lost_share: f64,
}

const SET_ADDRESS: (u8, u8) = (0, 5);

impl Controller {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("address-lost-share", self.address_lost_share, 0.0, 1.0, "")?;
        Impossible::unless_within("request-lost-share", self.request_lost_share, 0.0, 1.0, "")
    }

    pub fn describe(&self) -> String {
        format!(
            "The host controller loses {} % of the commands that give an address, and {} % of other requests.",
            self.address_lost_share * 100.0,
            self.request_lost_share * 100.0
        )
    }

    pub const fn hook(self) -> Self {
        self
    }
}

impl Mechanism for Controller {
    fn request(&mut self, _around: &Surroundings, request: &ControlRequest, dice: &mut Dice) -> Option<Disturbance> {
        let is_address = (request.request_type, request.request) == SET_ADDRESS;
        let share = if is_address { self.address_lost_share } else { self.request_lost_share };
        dice.chance(share).then_some(Disturbance::Lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dfu::command;
    use crate::dfu::request::DataStage;

    #[test]
    fn addresses_are_lost_and_other_requests_are_not() {
        let mut controller = Controller { address_lost_share: 1.0, request_lost_share: 0.0 };
        let mut lost = |request: &ControlRequest| {
            controller.request(&Surroundings::default(), request, &mut Dice::new(1)).is_some()
        };
        let address =
            ControlRequest { request_type: 0, request: 5, value: 2, index: 0, data: DataStage::Out(Vec::new()) };
        assert!(lost(&address) && !lost(&command::get_status(0)));
    }
}
