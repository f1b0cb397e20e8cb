//! Parts that start the ROM where flash is blank: the flag is taken at power-on only, so that a reset goes by what the flash was then.
//!
//! Source: `root_causes.csv` (F04, F070x6, G0, C0, U0, L4, WB, G4: after programming the part still starts the ROM until power-on),
//! `bootloader_versions.csv` (G0B, C071, U073 ROMs clear the flag at their start: a reset of a blank part crashes until power-on).

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Impossible, Mechanism};
use crate::bench::surroundings::{BootCourse, Dice, Runs, Surroundings};

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BlankFlashLatch {
    /// BOOT0 selects the ROM by itself; without it only blank flash does.
    #[serde(default)]
    pub boot0_high: bool,
    /// The ROM clears the flag when it starts.
    #[serde(default)]
    pub rom_clears_flag: bool,
}

impl BlankFlashLatch {
    pub const fn check(&self) -> Result<(), Impossible> {
        Ok(())
    }

    pub fn describe(&self) -> String {
        let pin = if self.boot0_high { "or BOOT0 says so" } else { "and BOOT0 does not" };
        let cleared = if self.rom_clears_flag { "; the ROM clears that flag when it starts" } else { "" };
        format!("The ROM starts where flash was blank at power-on {pin}{cleared}.")
    }

    pub const fn hook(self) -> BlankFlag {
        BlankFlag { figures: self, blank: false }
    }
}

#[derive(Debug)]
pub struct BlankFlag {
    figures: BlankFlashLatch,
    /// As latched.
    blank: bool,
}

impl Mechanism for BlankFlag {
    fn boot(&mut self, _around: &Surroundings, course: &mut BootCourse, _dice: &mut Dice) {
        if course.from_power_on {
            self.blank = course.flash_is_blank;
        }
        if !self.blank && !self.figures.boot0_high {
            course.runs = Runs::SomethingElse;
        }
        if self.figures.rom_clears_flag {
            self.blank = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the ROM starts: power-on or reset, with flash blank or not.
    fn starts(figures: BlankFlashLatch, boots: &[(bool, bool)]) -> Vec<bool> {
        let mut flag = figures.hook();
        let boot = |&(from_power_on, flash_is_blank): &(bool, bool)| {
            let mut course = BootCourse { from_power_on, flash_is_blank, ..BootCourse::default() };
            flag.boot(&Surroundings::default(), &mut course, &mut Dice::new(1));
            course.runs == Runs::UsbBootloader
        };
        boots.iter().map(boot).collect()
    }

    #[test]
    fn a_part_that_was_just_programmed_starts_the_rom_until_power_on() {
        let figures = BlankFlashLatch { boot0_high: false, rom_clears_flag: false };
        assert_eq!(starts(figures, &[(true, true), (false, false), (true, false)]), [true, true, false]);
    }

    #[test]
    fn where_the_rom_clears_the_flag_a_reset_of_a_blank_part_finds_nothing() {
        let figures = BlankFlashLatch { boot0_high: false, rom_clears_flag: true };
        assert_eq!(starts(figures, &[(true, true), (false, true), (true, true)]), [true, false, true]);
    }
}
