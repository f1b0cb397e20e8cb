//! Numbers that carry their unit in the type.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

use serde::{Deserialize, Serialize};

/// A span of time, or a moment counted from the start of a campaign, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Micros(pub u64);

impl Micros {
    pub const ZERO: Self = Self(0);

    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(milliseconds.saturating_mul(1_000))
    }

    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Rounds to the nearest microsecond; negative values and NaN become zero.
    pub fn from_secs_f64(seconds: f64) -> Self {
        Self((seconds * 1e6).round().max(0.0) as u64)
    }

    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    pub fn as_millis_f64(self) -> f64 {
        self.0 as f64 / 1e3
    }

    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add for Micros {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Micros {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Micros {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.saturating_sub(other)
    }
}

impl fmt::Display for Micros {
    /// Three significant digits in the unit a person would choose: `870 us`, `24.1 ms`, `3.60 s`, `2 min 05 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            us @ 0..1_000 => write!(f, "{us} us"),
            us @ 1_000..10_000 => write!(f, "{:.2} ms", us as f64 / 1e3),
            us @ 10_000..100_000 => write!(f, "{:.1} ms", us as f64 / 1e3),
            us @ 100_000..1_000_000 => write!(f, "{:.0} ms", us as f64 / 1e3),
            us @ 1_000_000..10_000_000 => write!(f, "{:.2} s", us as f64 / 1e6),
            us @ 10_000_000..100_000_000 => write!(f, "{:.1} s", us as f64 / 1e6),
            us => write!(f, "{} min {:02} s", us / 60_000_000, us / 1_000_000 % 60),
        }
    }
}

/// An address in the memory of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Address(pub u32);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08X}", self.0)
    }
}

/// A frequency in hertz.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Hertz(pub f64);

impl Hertz {
    pub const fn from_mhz(megahertz: f64) -> Self {
        Self(megahertz * 1e6)
    }

    pub const fn as_mhz(self) -> f64 {
        self.0 / 1e6
    }
}

impl fmt::Display for Hertz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0;
        if value.abs() >= 1e6 {
            write!(f, "{} MHz", trim_zeros(value / 1e6))
        } else if value.abs() >= 1e3 {
            write!(f, "{} kHz", trim_zeros(value / 1e3))
        } else {
            write!(f, "{} Hz", trim_zeros(value))
        }
    }
}

fn trim_zeros(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A relative deviation in parts per million; 1 % is 10 000 ppm.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Ppm(pub f64);

impl Ppm {
    pub const fn from_percent(percent: f64) -> Self {
        Self(percent * 1e4)
    }

    pub const fn as_percent(self) -> f64 {
        self.0 / 1e4
    }

    pub const fn as_fraction(self) -> f64 {
        self.0 / 1e6
    }
}

impl fmt::Display for Ppm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.abs() >= 1_000.0 { write!(f, "{:+.2} %", self.as_percent()) } else { write!(f, "{:+.0} ppm", self.0) }
    }
}

/// An electric potential in millivolts.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Millivolts(pub f64);

impl fmt::Display for Millivolts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} V", self.0 / 1e3)
    }
}

/// A temperature in degrees Celsius.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Celsius(pub f64);

impl fmt::Display for Celsius {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} C", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_shown_in_the_unit_a_person_would_choose() {
        for (span, shown) in [
            (870, "870 us"),
            (3_456, "3.46 ms"),
            (24_100, "24.1 ms"),
            (870_000, "870 ms"),
            (3_600_000, "3.60 s"),
            (92_380_000, "92.4 s"),
            (125_000_000, "2 min 05 s"),
        ] {
            assert_eq!(Micros(span).to_string(), shown);
        }
    }

    #[test]
    fn subtraction_never_wraps() {
        assert_eq!(Micros(1) - Micros(2), Micros::ZERO);
    }

    #[test]
    fn units_are_part_of_the_text() {
        assert_eq!(Hertz::from_mhz(14.7456).to_string(), "14.7456 MHz");
        assert_eq!(Hertz::from_mhz(25.0).to_string(), "25 MHz");
        assert_eq!(Ppm::from_percent(1.5).to_string(), "+1.50 %");
        assert_eq!(Ppm(-40.0).to_string(), "-40 ppm");
        assert_eq!(Address(0x1fff_c000).to_string(), "0x1FFFC000");
        assert_eq!(Millivolts(3269.8).to_string(), "3.27 V");
    }
}
