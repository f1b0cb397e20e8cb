//! An application that turns PA13 and PA14 into something else. A debugger gets in only between reset and that moment.
//!
//! Source: `root_causes.csv` SWD_PINS, `stlink_status.csv` 0x05 and 0x09 (SWD pins taken or remapped); cured by connecting under reset.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Scene, Stance, SwdMechanism};
use crate::bench::mechanism::Impossible;
use crate::bench::surroundings::{Dice, Runs};
use crate::observation::units::Micros;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PinsReassigned {
    /// From the first instruction of the application.
    #[schemars(range(min = 0.0, max = 600_000.0))]
    pub after_ms: f64,
}

impl PinsReassigned {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("after-ms", self.after_ms, 0.0, 600_000.0, " ms")
    }

    pub fn describe(&self) -> String {
        format!("The application takes the debug pins {} ms after it starts.", self.after_ms)
    }
}

impl SwdMechanism for PinsReassigned {
    fn stance(&mut self, scene: &Scene, stance: &mut Stance, _dice: &mut Dice) {
        let after = Micros::from_secs_f64(self.after_ms / 1e3);
        let application = scene.runs == Runs::SomethingElse;
        if application && scene.running_for().is_some_and(|running| running >= after) {
            stance.pins = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::scene;
    use super::*;

    fn pins(scene: &Scene) -> bool {
        let mut stance = Stance::default();
        PinsReassigned { after_ms: 50.0 }.stance(scene, &mut stance, &mut Dice::new(1));
        stance.pins
    }

    #[test]
    fn only_a_running_application_takes_them() {
        let running = scene(1_000);
        assert!(!pins(&running));
        assert!(pins(&Scene { at: Micros::from_millis(20), ..running }));
        assert!(pins(&Scene { started: None, ..running }), "in reset");
        assert!(pins(&Scene { halted: true, ..running }));
        assert!(pins(&Scene { runs: Runs::UsbBootloader, ..running }));
    }
}
