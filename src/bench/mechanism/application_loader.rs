//! A DFU loader in flash instead of the ROM's: the same identity on the bus, other strings, and a watchdog that somebody has to feed.
//!
//! Source: FACTS section A (0483:df11 is used by many application loaders), section B (the ROM refreshes a hardware watchdog; application
//! loaders usually do not), `root_causes.csv` WDG_IWDG. Strings, times and who feeds the watchdog are chosen per board.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Impossible, Mechanism, SelfReset};
use crate::bench::rom::sheet::{RomModel, SerialRule, UsbClock, millis};
use crate::bench::surroundings::{BootCourse, Dice, Draw, Surroundings};
use crate::dfu::layout::Layout;
use crate::observation::field_text::FieldText;
use crate::observation::units::Micros;
use crate::swd::reset_cause::ResetCause;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ApplicationLoader {
    pub product: String,
    /// The loader's own serial number; that of the ROM where absent.
    pub serial: Option<String>,
    /// What its alternate settings say.
    pub layouts: Vec<String>,
    /// From reset until its pull-up is on.
    #[schemars(range(min = 0.0, max = 60_000.0))]
    pub start_ms: f64,
    pub watchdog: Option<Watchdog>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Watchdog {
    #[schemars(range(min = 0.1, max = 32_768.0))]
    pub period_ms: f64,
    pub fed: Fed,
}

/// When the loader feeds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fed {
    Never,
    /// In its main loop, which stands still while flash is erased or written.
    OutsideFlashWork,
}

impl ApplicationLoader {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("start-ms", self.start_ms, 0.0, 60_000.0, " ms")?;
        if let Some(watchdog) = self.watchdog {
            Impossible::unless_within("period-ms", watchdog.period_ms, 0.1, 32_768.0, " ms")?;
            if watchdog.fed == Fed::Never && watchdog.period_ms < self.start_ms {
                return Err(Impossible::new(
                    "period-ms",
                    "is shorter than `start-ms`, so the loader never gets to USB",
                ));
            }
        }
        let defective =
            self.layouts.iter().find(|text| Layout::parse(&FieldText::from(text.as_str())).groups.is_empty());
        match defective {
            Some(text) => Err(Impossible::new("layouts", format!("holds `{text}`, which names no memory"))),
            None if self.layouts.is_empty() => Err(Impossible::new("layouts", "is empty")),
            None => Ok(()),
        }
    }

    pub fn describe(&self) -> String {
        let watchdog = self.watchdog.map_or(String::new(), |watchdog| {
            let fed = match watchdog.fed {
                Fed::Never => "and is never fed",
                Fed::OutsideFlashWork => "and is not fed while flash is erased or written",
            };
            format!(" A watchdog of {} ms runs {fed}.", watchdog.period_ms)
        });
        format!("A loader in flash called `{}` runs instead of the ROM.{watchdog}", self.product)
    }

    /// The loader in the place of the ROM: its own strings and times, and a clock that its author has set up.
    pub fn in_place_of(&self, mut rom: RomModel) -> RomModel {
        rom.product.clone_from(&self.product);
        rom.sheet.alternates.clone_from(&self.layouts);
        rom.sheet.true_layouts = None;
        rom.sheet.garbage_units = 0;
        rom.sheet.quirks = Default::default();
        rom.start_up = millis(self.start_ms);
        rom.usb_connect = Micros::ZERO;
        rom.crystal_time_out = None;
        if !matches!(rom.clock, UsbClock::Hsi48Recovered(_)) {
            rom.clock = UsbClock::Hse;
        }
        if let Some(serial) = &self.serial {
            rom.serial = SerialRule::Constant(serial.clone());
        }
        rom
    }

    pub fn hook(self) -> Timer {
        Timer { watchdog: self.watchdog, bites: None }
    }
}

/// The watchdog's counter.
#[derive(Debug)]
pub struct Timer {
    watchdog: Option<Watchdog>,
    bites: Option<Micros>,
}

impl Mechanism for Timer {
    fn boot(&mut self, around: &Surroundings, _course: &mut BootCourse, _dice: &mut Dice) {
        let never = self.watchdog.filter(|watchdog| watchdog.fed == Fed::Never);
        self.bites = never.map(|watchdog| around.at + millis(watchdog.period_ms));
    }

    fn load(&mut self, around: &mut Surroundings, draw: Draw, span: Micros, _dice: &mut Dice) {
        let Some(Watchdog { period_ms, fed: Fed::OutsideFlashWork }) = self.watchdog else { return };
        if draw == Draw::FlashWork && span > millis(period_ms) {
            self.bites = Some(around.at + millis(period_ms));
        }
    }

    fn next_reset(&self) -> Option<SelfReset> {
        let cause = ResetCause::IndependentWatchdog;
        Some(SelfReset { at: self.bites?, low_for: Micros::from_millis(1), cause })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loader(fed: Fed) -> ApplicationLoader {
        ApplicationLoader {
            product: "A loader".to_owned(),
            serial: None,
            layouts: vec!["@Flash /0x08008000/32*1Kg".to_owned()],
            start_ms: 50.0,
            watchdog: Some(Watchdog { period_ms: 500.0, fed }),
        }
    }

    #[test]
    fn a_watchdog_that_nobody_feeds_bites_in_the_middle_of_anything() {
        let mut timer = loader(Fed::Never).hook();
        let mut dice = Dice::new(1);
        timer.boot(&Surroundings::default(), &mut BootCourse::default(), &mut dice);
        assert_eq!(timer.next_reset().map(|reset| reset.at), Some(Micros::from_millis(500)));
    }

    #[test]
    fn one_that_is_fed_between_bites_in_long_erases_only() {
        let bites = |erase| {
            let mut timer = loader(Fed::OutsideFlashWork).hook();
            let mut around = Surroundings::default();
            timer.load(&mut around, Draw::FlashWork, Micros::from_millis(erase), &mut Dice::new(1));
            timer.next_reset().is_some()
        };
        assert_eq!((bites(400), bites(1_000)), (false, true));
    }

    #[test]
    fn a_loader_that_the_watchdog_never_lets_start_is_refused() {
        let hasty = ApplicationLoader { start_ms: 600.0, ..loader(Fed::Never) };
        assert_eq!(hasty.check().unwrap_err().key, "period-ms");
        let blank = ApplicationLoader { layouts: vec!["Flash".to_owned()], ..loader(Fed::Never) };
        assert_eq!(blank.check().unwrap_err().key, "layouts");
    }
}
