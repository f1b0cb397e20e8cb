//! The crystal that the ROM believes in against the one that really runs: clock registers and a measured core clock together.

use std::fmt;

use super::clock_tree::{self, NoBelief};
use super::core_ratio::{self, NoRatio};
use crate::observation::units::{Address, Hertz, Ppm};

/// Neighbouring whole megahertz are 3.8 % apart at 26 MHz; a crystal is off by a hundredth of a percent. Between the two limits
/// nothing is claimed.
const SURELY_ANOTHER: Ppm = Ppm(10_000.0);
const SURELY_THE_SAME: Ppm = Ppm(5_000.0);

/// A core clock as it was counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CoreClock {
    pub frequency: Hertz,
    pub uncertainty: Ppm,
}

/// Both crystals at one moment, from a clock tree that is valid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Testimony {
    pub believed: Hertz,
    pub measured: Hertz,
    pub uncertainty: Ppm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    Misread,
    ReadRight,
    /// Too close, or measured too roughly.
    Undecided,
}

/// Why registers and measurement together say nothing.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Silence {
    #[error(transparent)]
    NoBelief(#[from] NoBelief),
    #[error("the clock tree is not valid: {0}")]
    Doubtful(String),
    #[error(transparent)]
    NoRatio(#[from] NoRatio),
}

/// What the registers and the counted clock say of a part whose program counter is in the ROM.
pub fn testify(dev_id: u16, read: impl Fn(Address) -> Option<u32>, core: CoreClock) -> Result<Testimony, Silence> {
    let belief = clock_tree::believed_crystal(dev_id, &read)?;
    if !belief.doubts.is_empty() {
        return Err(Silence::Doubtful(belief.doubts.join("; ")));
    }
    let ratio = core_ratio::core_per_crystal(dev_id, &read)?;
    Ok(Testimony { believed: belief.crystal, measured: Hertz(core.frequency.0 / ratio), uncertainty: core.uncertainty })
}

impl Testimony {
    /// How far the running crystal is from the believed one; USB is off by as much.
    pub fn difference(&self) -> Ppm {
        Ppm((self.measured.0 / self.believed.0 - 1.0) * 1e6)
    }

    pub fn says(&self) -> Says {
        let off = self.difference().0.abs();
        match () {
            () if off - self.uncertainty.0 > SURELY_ANOTHER.0 => Says::Misread,
            () if off + self.uncertainty.0 < SURELY_THE_SAME.0 => Says::ReadRight,
            () => Says::Undecided,
        }
    }
}

impl fmt::Display for Testimony {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "believed {:.1} MHz, measured {:.3} MHz (within {:.0} ppm); program in the ROM, HSE ready, PLL locked and fed by HSE, core from the PLL",
            self.believed.as_mhz(),
            self.measured.as_mhz(),
            self.uncertainty.0.ceil()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNNING: u32 = 1 << 16 | 1 << 17 | 1 << 24 | 1 << 25;

    /// An F746 whose ROM brings 240 MHz / 4 out of a crystal of `pllm` MHz.
    fn f746(pllm: u32, cr: u32) -> impl Fn(Address) -> Option<u32> {
        move |address| match address.0 {
            0x4002_3800 => Some(cr),
            0x4002_3804 => Some(pllm | 240 << 6 | 1 << 16 | 1 << 22 | 5 << 24),
            0x4002_3808 => Some(2 | 2 << 2),
            0x4002_3888 | 0x4002_3890 => Some(0),
            _ => None,
        }
    }

    fn clock(mhz: f64, ppm: f64) -> CoreClock {
        CoreClock { frequency: Hertz::from_mhz(mhz), uncertainty: Ppm(ppm) }
    }

    #[test]
    fn a_core_that_is_fast_by_a_megahertz_of_the_crystal_was_misread() {
        let testimony = testify(0x449, f746(24, RUNNING), clock(62.5, 300.0)).unwrap();
        assert!((testimony.measured.as_mhz() - 25.0).abs() < 1e-9 && (testimony.believed.as_mhz() - 24.0).abs() < 1e-9);
        assert_eq!(testimony.says(), Says::Misread);
        assert!(testimony.to_string().starts_with("believed 24.0 MHz, measured 25.000 MHz (within 300 ppm)"));
    }

    #[test]
    fn the_right_value_at_the_right_clock_is_read_right() {
        assert_eq!(testify(0x449, f746(25, RUNNING), clock(60.001, 300.0)).unwrap().says(), Says::ReadRight);
    }

    #[test]
    fn a_rough_measurement_decides_nothing() {
        for (mhz, ppm) in [(62.5, 35_000.0), (60.0, 6_000.0), (60.45, 300.0)] {
            assert_eq!(testify(0x449, f746(24, RUNNING), clock(mhz, ppm)).unwrap().says(), Says::Undecided, "{mhz}");
        }
    }

    #[test]
    fn a_crystal_that_does_not_run_is_no_witness() {
        let silence = testify(0x449, f746(24, RUNNING & !(1 << 17)), clock(62.5, 300.0)).unwrap_err();
        assert!(silence.to_string().contains("HSERDY is clear"), "{silence}");
    }
}
