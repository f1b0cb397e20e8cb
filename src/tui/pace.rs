//! How fast simulated time passes on the screen: a ladder of speeds that a person can step through.

use std::fmt;

/// Simulated seconds per second of the host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace(f64);

const LADDER: [f64; 14] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, f64::INFINITY];

impl Pace {
    /// Values that are no speed become real time.
    pub fn new(simulated_per_second: f64) -> Self {
        Self(if simulated_per_second > 0.0 { simulated_per_second } else { 1.0 })
    }

    pub const fn simulated_per_second(self) -> f64 {
        self.0
    }

    #[must_use]
    pub fn faster(self) -> Self {
        Self(LADDER.into_iter().find(|rung| *rung > self.0).unwrap_or(f64::INFINITY))
    }

    #[must_use]
    pub fn slower(self) -> Self {
        Self(LADDER.into_iter().rev().find(|rung| *rung < self.0).unwrap_or(LADDER[0]))
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_finite() { write!(f, "{}", self.0) } else { f.write_str("max") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ladder_is_climbed_one_rung_at_a_time_and_ends() {
        assert_eq!(Pace::new(20.0).faster(), Pace::new(50.0));
        assert_eq!(Pace::new(20.0).slower(), Pace::new(10.0));
        assert_eq!(Pace::new(30.0).slower(), Pace::new(20.0));
        assert_eq!(Pace::new(1_000.0).faster().to_string(), "max");
        assert_eq!(Pace::new(f64::INFINITY).faster().to_string(), "max");
        assert_eq!(Pace::new(f64::INFINITY).slower(), Pace::new(1_000.0));
        assert_eq!(Pace::new(0.1).slower().to_string(), "0.1");
    }

    #[test]
    fn what_is_no_speed_is_real_time() {
        for odd in [0.0, -3.0, f64::NAN] {
            assert_eq!(Pace::new(odd).to_string(), "1");
        }
    }
}
