//! Parts with TrustZone whose product state, or security, closes the ROM: nothing of it is seen on USB.
//!
//! Source: `root_causes.csv` SEC_TZ (H5, L5, U5: no DFU unless the state is open or provisioning; AN2606 r70 patterns 12 and 17),
//! `bootloader_versions.csv` (H503, H563 ROMs crash when provisioned with HDPL3).

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Impossible, Mechanism};
use crate::bench::surroundings::{BootCourse, Dice, Runs, Surroundings};

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ProductState {
    pub is: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Open,
    Provisioning,
    /// Provisioned, TrustZone closed, closed or locked.
    Closed,
}

impl ProductState {
    pub const fn check(&self) -> Result<(), Impossible> {
        Ok(())
    }

    pub fn describe(&self) -> String {
        let told = match self.is {
            State::Open => "open: the ROM serves USB",
            State::Provisioning => "provisioning: the ROM serves USB",
            State::Closed => "closed: the ROM does not serve USB",
        };
        format!("The state of the product is {told}.")
    }

    pub const fn hook(self) -> Self {
        self
    }
}

impl Mechanism for ProductState {
    fn boot(&mut self, _around: &Surroundings, course: &mut BootCourse, _dice: &mut Dice) {
        if self.is == State::Closed {
            course.runs = Runs::SomethingElse;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_closed_part_keeps_its_rom_to_itself() {
        let runs = |is| {
            let mut course = BootCourse::default();
            ProductState { is }.boot(&Surroundings::default(), &mut course, &mut Dice::new(1));
            course.runs
        };
        assert_eq!([State::Open, State::Provisioning].map(runs), [Runs::UsbBootloader; 2]);
        assert_eq!(runs(State::Closed), Runs::SomethingElse);
    }
}
