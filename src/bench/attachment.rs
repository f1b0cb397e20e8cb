//! How the part is connected while its pull-up is on, and on which clock.

use super::rom::sheet::{RomModel, UsbClock};
use super::surroundings::{BootCourse, Dice, Surroundings};
use super::swd::clock_registers::ClockSetup;
use super::wire::FRAME;
use crate::clock::detection::{DetectionClock, HseDetection, Standing};
use crate::clock::hsi48::{Recovery, Trim};
use crate::clock::start_up::in_time;
use crate::clock::usb_clock::{usb_error, within_tolerance};
use crate::observation::units::{Micros, Ppm};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attachment {
    pub clock: BitClock,
    /// Nobody serves the requests that the USB block acknowledges.
    pub deaf: bool,
}

/// The clock that the device sends and samples bits with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BitClock {
    /// This far off until the next start.
    Fixed(Ppm),
    /// HSI48, trimmed by one step for each frame of the host since this moment.
    Recovered { trim: Trim, frames_since: Micros },
}

impl BitClock {
    pub const EXACT: Self = Self::Fixed(Ppm(0.0));

    pub fn error(self, around: &Surroundings) -> Ppm {
        match self {
            Self::Fixed(error) => error,
            Self::Recovered { .. } => self.recovery(around).map_or(Ppm(0.0), Recovery::error),
        }
    }

    /// How far clock recovery has come, where the clock is recovered.
    pub fn recovery(self, around: &Surroundings) -> Option<Recovery> {
        match self {
            Self::Fixed(_) => None,
            Self::Recovered { trim, frames_since } => {
                let frames = (around.at.saturating_sub(frames_since).0 / FRAME.0) as u32;
                Some(Recovery::after_frames(around.hsi48_error, trim, around.hsi48_recovers, frames))
            }
        }
    }
}

/// One way in which a ROM attaches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Try {
    /// When the pull-up comes on.
    pub at: Micros,
    pub clock: BitClock,
    /// What the ROM has made of its clock registers.
    pub setup: ClockSetup,
}

/// What a ROM that has just started will do. One that tries crystal values in turn comes and goes; one that does not see its crystal in
/// time does not come at all.
pub fn tries(
    rom: &RomModel,
    fitted_mhz: f64,
    course: &BootCourse,
    started: Micros,
    dice: &mut Dice,
) -> Option<Vec<Try>> {
    let usual = started + rom.start_up + rom.usb_connect;
    let crystal = || {
        let time_out = rom.crystal_time_out.unwrap_or(Micros(u64::MAX));
        in_time(course.crystal_start, time_out).then_some(course.crystal_start?)
    };
    let from_crystal = |at: Micros, error: Ppm, believed_mhz: u32| {
        let setup = ClockSetup::FromCrystal { believed_mhz };
        Try { at, clock: BitClock::Fixed(error), setup }
    };
    match &rom.clock {
        UsbClock::HseMeasured { detection_mhz } => {
            let settled = crystal()?;
            let clock = if *detection_mhz == 24 { DetectionClock::Mhz24 } else { DetectionClock::Mhz60 };
            let detection = HseDetection { clock, standing: Standing::Observed };
            let outcomes = detection.outcomes(fitted_mhz, course.hsi_error);
            let longer = dice.chance(outcomes.more_ticks_share);
            let believed = if longer { outcomes.more_ticks } else { outcomes.fewer_ticks }.max(1);
            Some(vec![from_crystal(usual + settled, usb_error(fitted_mhz, believed), believed)])
        }
        UsbClock::HseListed { accepted_mhz } => {
            let settled = crystal()?;
            let nearest = |a: &&f64, b: &&f64| (**a - fitted_mhz).abs().total_cmp(&(**b - fitted_mhz).abs());
            let believed = accepted_mhz.iter().min_by(nearest).copied().unwrap_or(fitted_mhz);
            Some(vec![from_crystal(usual + settled, off_by(fitted_mhz, believed), believed.round() as u32)])
        }
        UsbClock::HseTried { values } => {
            let settled = crystal()?;
            let wrong = |believed: f64| !within_tolerance(off_by(fitted_mhz, believed));
            let tried = values.iter().take_while(|(mhz, _)| wrong(*mhz)).count() + 1;
            let with = |(mhz, after): &(f64, Micros)| {
                from_crystal(started + *after + settled, off_by(fitted_mhz, *mhz), mhz.round() as u32)
            };
            Some(values.iter().take(tried).map(with).collect())
        }
        UsbClock::Hse => Some(vec![from_crystal(usual + crystal()?, Ppm(0.0), fitted_mhz.round() as u32)]),
        UsbClock::LseLocked => Some(vec![Try { at: usual, clock: BitClock::EXACT, setup: ClockSetup::Reset }]),
        UsbClock::Hsi48Recovered(trim) => {
            let trim = Trim { step: Ppm::from_percent(trim.step_percent), steps: trim.steps };
            // Until the host resets the bus nothing is sent that this clock could spoil.
            let clock = BitClock::Recovered { trim, frames_since: Micros::ZERO };
            let setup = ClockSetup::FromHsi48(Recovery::Free { error: Ppm(0.0) });
            Some(vec![Try { at: usual, clock, setup }])
        }
    }
}

fn off_by(fitted_mhz: f64, believed_mhz: f64) -> Ppm {
    Ppm((fitted_mhz / believed_mhz - 1.0) * 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::rom::sheet::by_name;

    fn tries_with(fitted_mhz: f64) -> Vec<Try> {
        let rom = by_name("f105", false).unwrap().unwrap();
        tries(&rom, fitted_mhz, &BootCourse::default(), Micros::ZERO, &mut Dice::new(1)).unwrap()
    }

    #[test]
    fn a_rom_that_tries_values_comes_and_goes_until_one_fits() {
        let starts = |fitted| tries_with(fitted).iter().map(|it| it.at.0 / 1_000_000).collect::<Vec<_>>();
        assert_eq!(starts(25.0), [0]);
        assert_eq!(starts(14.7456), [0, 4]);
        assert_eq!(starts(8.0), [0, 4, 13]);
        assert_eq!(tries_with(8.0).last().unwrap().clock, BitClock::EXACT);
    }

    #[test]
    fn hsi48_is_pulled_in_frame_by_frame() {
        let clock = BitClock::Recovered { trim: Trim::G431, frames_since: Micros::ZERO };
        let around = |at| Surroundings { at, hsi48_error: Ppm::from_percent(2.2), ..Surroundings::default() };
        let error = |millis| clock.error(&around(Micros::from_millis(millis))).as_percent();
        assert!((error(0) - 2.2).abs() < 1e-9);
        assert!((error(10) - 1.1).abs() < 1e-9);
        assert!(error(40).abs() < 1e-9);
    }

    #[test]
    fn warmth_moves_a_clock_that_is_at_the_end_of_its_trim() {
        let clock = BitClock::Recovered { trim: Trim::G431, frames_since: Micros::ZERO };
        let error = |percent| {
            let around = Surroundings {
                at: Micros::from_secs(1),
                hsi48_error: Ppm::from_percent(percent),
                ..Surroundings::default()
            };
            clock.error(&around).as_percent().abs()
        };
        assert!(error(-3.5) < 0.06 && error(-4.0) > 0.4);
    }
}
