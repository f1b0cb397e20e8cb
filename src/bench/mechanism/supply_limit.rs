//! What stands behind the rail: a port that switches off above its limit, or a regulator that folds back; and the charge that a board
//! takes when it is plugged in.
//!
//! Source: `usb_errors.csv` and `root_causes.csv` (over-current condition: short, or too large an inrush); USB 2.0, 7.2.4.1 allows 10 uF at
//! the plug. That a folding regulator halves its voltage for twice its current is chosen, as are the figures of each board.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Impossible;
use crate::observation::units::Micros;

/// What happens where more current is drawn than there is.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// The hub or the port switches off, and says so to the host.
    Trips(Trip),
    /// The voltage falls and nobody is told.
    FoldsBack(FoldBack),
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Trip {
    #[schemars(range(min = 1.0, max = 10_000.0))]
    pub above_ma: f64,
    /// Shorter excesses are tolerated.
    #[schemars(range(min = 0.0, max = 10_000.0))]
    pub after_ms: f64,
    /// Until the port is switched on again.
    #[schemars(range(min = 1.0, max = 600_000.0))]
    pub off_for_ms: f64,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FoldBack {
    #[schemars(range(min = 1.0, max = 10_000.0))]
    pub above_ma: f64,
}

/// The capacitors that are charged when the board is plugged in.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Inrush {
    #[schemars(range(min = 0.0, max = 100_000.0))]
    pub uf: f64,
    /// How long they keep their charge without power, so that a short break costs less than a long one.
    #[schemars(range(min = 0.001, max = 10_000.0))]
    pub bleeds_s: f64,
}

/// What the kernel logs where a port trips.
pub const OVER_CURRENT: &str = "over-current condition";
/// Cable and connector at the very least; chosen.
const LEAST_OHM: f64 = 0.1;

impl Limit {
    pub fn check(&self, usual_ma: f64) -> Result<(), Impossible> {
        let above_ma = self.above_ma();
        Impossible::unless_within("above-ma", above_ma, 1.0, 10_000.0, " mA")?;
        if above_ma < usual_ma {
            let why = format!("is less than the {usual_ma} mA of `traffic-ma`, so the board could never work");
            return Err(Impossible::new("above-ma", why));
        }
        if let Self::Trips(trip) = self {
            Impossible::unless_within("after-ms", trip.after_ms, 0.0, 10_000.0, " ms")?;
            Impossible::unless_within("off-for-ms", trip.off_for_ms, 1.0, 600_000.0, " ms")?;
        }
        Ok(())
    }

    pub fn describe(&self) -> String {
        match self {
            Self::Trips(trip) => {
                format!("Above {} mA the port switches off for {} ms.", trip.above_ma, trip.off_for_ms)
            }
            Self::FoldsBack(fold) => format!("Above {} mA the regulator folds back.", fold.above_ma),
        }
    }

    pub const fn above_ma(&self) -> f64 {
        match self {
            Self::Trips(trip) => trip.above_ma,
            Self::FoldsBack(fold) => fold.above_ma,
        }
    }

    /// What is left of the voltage while this much is drawn.
    pub fn left(&self, ma: f64) -> f64 {
        match self {
            Self::FoldsBack(fold) if ma > fold.above_ma => fold.above_ma / ma,
            _ => 1.0,
        }
    }
}

impl Inrush {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("uf", self.uf, 0.0, 100_000.0, " uF")?;
        Impossible::unless_within("bleeds-s", self.bleeds_s, 0.001, 10_000.0, " s")
    }

    /// How long the charging current stays above a limit, after this long without power.
    pub fn above(&self, limit_ma: f64, source_mv: f64, resistance_ohm: f64, off: Micros) -> Micros {
        let ohm = resistance_ohm.max(LEAST_OHM);
        let missing = 1.0 - (-off.as_secs_f64() / self.bleeds_s).exp();
        let peak_ma = source_mv * missing / ohm;
        if peak_ma <= limit_ma {
            return Micros::ZERO;
        }
        // The current of a capacitor through a resistor falls by e in each of their products.
        Micros::from_secs_f64(ohm * self.uf * (peak_ma / limit_ma).ln() / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_standard_allows_does_not_trip_and_a_thousand_times_more_does() {
        let above = |uf, off| Inrush { uf, bleeds_s: 1.0 }.above(500.0, 5_000.0, 0.3, Micros::from_secs(off));
        assert!(above(10.0, 60) < Micros(50), "{}", above(10.0, 60));
        assert!(above(10_000.0, 60) > Micros::from_millis(5));
        assert_eq!(above(10_000.0, 0), Micros::ZERO, "still charged");
    }

    #[test]
    fn a_folding_regulator_gives_no_more_than_its_limit() {
        let fold = Limit::FoldsBack(FoldBack { above_ma: 100.0 });
        assert_eq!((fold.left(80.0), fold.left(200.0)), (1.0, 0.5));
    }

    #[test]
    fn a_limit_below_what_the_part_needs_is_refused() {
        let limit = Limit::Trips(Trip { above_ma: 20.0, after_ms: 1.0, off_for_ms: 100.0 });
        assert_eq!(limit.check(50.0).unwrap_err().key, "above-ma");
    }
}
