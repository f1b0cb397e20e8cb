//! What a wrongly believed crystal does to the USB bit clock, and what full speed tolerates.

use crate::observation::units::{Hertz, Ppm};

/// What the PLL of the ROM is set up to make.
pub const NOMINAL_USB_MHZ: f64 = 48.0;

/// The core clock of F4 and F7 parts once their ROM serves DFU.
pub const NOMINAL_CORE_MHZ: f64 = 60.0;

/// Full-speed devices, all causes together (USB 2.0, 7.1.11). A limit of compliance, not a threshold of failure.
pub const FULL_SPEED_TOLERANCE: Ppm = Ppm(2_500.0);

/// Bit stuffing breaks every run of equal bits after this many bit times, and receivers resynchronise on edges.
const LONGEST_RUN_BITS: f64 = 7.0;

/// The clock of the USB block when the ROM set its PLL for `believed_mhz`.
pub fn usb_clock(fitted_mhz: f64, believed_mhz: u32) -> Hertz {
    Hertz::from_mhz(NOMINAL_USB_MHZ * fitted_mhz / f64::from(believed_mhz))
}

/// The core clock of F4 and F7 in DFU, measurable over SWD as cycles against host time.
pub fn core_clock(fitted_mhz: f64, believed_mhz: u32) -> Hertz {
    Hertz::from_mhz(NOMINAL_CORE_MHZ * fitted_mhz / f64::from(believed_mhz))
}

/// By how much the USB clock is off.
pub fn usb_error(fitted_mhz: f64, believed_mhz: u32) -> Ppm {
    Ppm((fitted_mhz / f64::from(believed_mhz) - 1.0) * 1e6)
}

pub fn within_tolerance(error: Ppm) -> bool {
    error.0.abs() <= FULL_SPEED_TOLERANCE.0
}

/// How far the sampling point has moved, in bits, at the end of the longest run without an edge. Half a bit is certain misreading.
pub fn slip_at_longest_run_bits(error: Ppm) -> f64 {
    error.as_fraction().abs() * LONGEST_RUN_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_megahertz_low_at_25_shifts_usb_by_four_percent() {
        let error = usb_error(25.0, 24);
        assert!((error.as_percent() - 4.1667).abs() < 1e-3);
        assert!(!within_tolerance(error));
        assert!((slip_at_longest_run_bits(error) - 0.2917).abs() < 1e-3);
        assert!((core_clock(25.0, 24).as_mhz() - 62.5).abs() < 1e-9);
    }

    #[test]
    fn a_crystal_taken_for_what_it_is_leaves_usb_exact() {
        assert!(within_tolerance(usb_error(25.0, 25)));
        assert!(!within_tolerance(usb_error(14.7456, 15)));
    }
}
