//! The 48 MHz internal oscillator of crystal-less parts: what its trim can reach, and when the clock recovery system locks it to the host's frames.

use crate::observation::units::Ppm;

/// Counts of HSI48 in one frame of 1 ms (CRS reload value 47 999).
pub const COUNTS_PER_FRAME: f64 = 48_000.0;

/// The trim of one family: how fine, and how far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trim {
    pub step: Ppm,
    /// Steps on either side of the middle.
    pub steps: u32,
}

impl Trim {
    /// STM32G431 (DS12589 table 43): 0.11 % a step, 32 steps.
    pub const G431: Self = Self { step: Ppm(1_100.0), steps: 32 };
    /// STM32H743 (DS12110 table 46): 0.17 % a step, 32 steps, 5.45 % in all.
    pub const H743: Self = Self { step: Ppm(1_700.0), steps: 32 };

    pub fn reach(self) -> Ppm {
        Ppm(self.step.0 * f64::from(self.steps))
    }
}

/// Where clock recovery ends up for an oscillator that is `raw_error` off without it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Recovery {
    /// The nearest step leaves this much.
    Locked { residual: Ppm },
    /// The trim is at its end (TRIMOVF) and this much is left.
    OutOfReach { residual: Ppm },
    /// More frames are needed.
    OnItsWay { residual: Ppm },
    /// Recovery is off, or no frames are seen.
    Free { error: Ppm },
}

impl Recovery {
    pub fn of(raw_error: Ppm, trim: Trim, frames_seen: bool) -> Self {
        if !frames_seen {
            return Self::Free { error: raw_error };
        }
        let wanted = (-raw_error.0 / trim.step.0).round();
        let limit = f64::from(trim.steps);
        let residual = Ppm(raw_error.0 + wanted.clamp(-limit, limit) * trim.step.0);
        if wanted.abs() > limit { Self::OutOfReach { residual } } else { Self::Locked { residual } }
    }

    /// The same while the trim is still on its way: one step for each frame so far. That the trim moves by a step a frame, and by two
    /// where the error is large, is general reference-manual knowledge; one is the slow case.
    pub fn after_frames(raw_error: Ppm, trim: Trim, frames_seen: bool, frames: u32) -> Self {
        let needed = (raw_error.0.abs() / trim.step.0).round() as u32;
        if !frames_seen || frames >= needed.min(trim.steps) {
            return Self::of(raw_error, trim, frames_seen);
        }
        let moved = trim.step.0 * f64::from(frames) * raw_error.0.signum();
        Self::OnItsWay { residual: Ppm(raw_error.0 - moved) }
    }

    pub const fn error(self) -> Ppm {
        match self {
            Self::Locked { residual } | Self::OutOfReach { residual } | Self::OnItsWay { residual } => residual,
            Self::Free { error } => error,
        }
    }
}

/// The frequency error that CRS_ISR tells: FECAP counts, and FEDIR, which is set while the counter counts down because HSI48 is slow.
/// The sense of FEDIR is general reference-manual knowledge.
pub fn error_from_capture(fecap: u16, fedir: bool) -> Ppm {
    let size = f64::from(fecap) / COUNTS_PER_FRAME * 1e6;
    Ppm(if fedir { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::usb_clock::within_tolerance;

    #[test]
    fn a_part_within_reach_ends_inside_the_usb_tolerance() {
        for percent in [-3.0, -0.4, 0.0, 1.7, 3.4] {
            let recovery = Recovery::of(Ppm::from_percent(percent), Trim::G431, true);
            assert!(matches!(recovery, Recovery::Locked { .. }), "{percent}");
            assert!(within_tolerance(recovery.error()), "{percent}");
        }
    }

    #[test]
    fn a_badly_trimmed_part_cannot_be_pulled_in() {
        let recovery = Recovery::of(Ppm::from_percent(-5.0), Trim::G431, true);
        let Recovery::OutOfReach { residual } = recovery else { panic!("{recovery:?}") };
        assert!((residual.as_percent() + 1.48).abs() < 1e-9);
    }

    #[test]
    fn the_trim_moves_a_step_with_each_frame() {
        let after = |frames| Recovery::after_frames(Ppm::from_percent(-2.2), Trim::G431, true, frames);
        assert_eq!(after(0), Recovery::OnItsWay { residual: Ppm(-22_000.0) });
        assert_eq!(after(10), Recovery::OnItsWay { residual: Ppm(-11_000.0) });
        assert!(matches!(after(20), Recovery::Locked { .. }));
    }

    #[test]
    fn without_frames_the_raw_error_stays() {
        assert_eq!(Recovery::of(Ppm(10_000.0), Trim::H743, false).error(), Ppm(10_000.0));
    }

    #[test]
    fn one_hundred_and_twenty_counts_are_a_quarter_percent() {
        assert_eq!(error_from_capture(120, false), Ppm(2_500.0));
        assert_eq!(error_from_capture(120, true), Ppm(-2_500.0));
    }
}
