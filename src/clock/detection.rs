//! How the boot ROM of F2, F4 and F7 parts finds out which crystal is fitted: it counts its own, inaccurate HSI
//! against HSE/31 and rounds to whole megahertz.

use crate::observation::units::Ppm;

/// HSE is divided by this before it reaches the timer's capture input.
const HSE_DIVIDER: u64 = 31;
/// The timer captures every eighth edge.
const CAPTURE_PRESCALER: u64 = 8;
const ONE_MHZ: u64 = 1_000_000;

/// The crystals these ROMs accept, in whole megahertz.
pub const ACCEPTED_MHZ: std::ops::RangeInclusive<u32> = 4..=26;

/// The clock that counts, nominally; it is made from HSI and carries HSI's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DetectionClock {
    Mhz24,
    Mhz60,
}

impl DetectionClock {
    pub const fn hertz(self) -> u64 {
        match self {
            Self::Mhz24 => 24_000_000,
            Self::Mhz60 => 60_000_000,
        }
    }
}

/// How far the model can be trusted for a ROM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The algorithm was observed on this ROM.
    Observed,
    /// Nobody has published it for this ROM; the reason says what was carried over.
    Assumed(&'static str),
}

/// The measurement one ROM makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HseDetection {
    pub clock: DetectionClock,
    pub standing: Standing,
}

impl HseDetection {
    /// F40x ROM V3 and F42x ROM V7.
    pub const EARLY: Self = Self { clock: DetectionClock::Mhz24, standing: Standing::Observed };

    /// The V9 ROMs, and all of F401, F411, F412, F413, F446 and F7.
    pub const LATE: Self = Self {
        clock: DetectionClock::Mhz60,
        standing: Standing::Assumed(
            "this ROM is documented to count at 60 MHz; that it uses the same divider, prescaler and rounding as the ROMs counting at 24 MHz is assumed",
        ),
    };

    /// Ticks between two captures, with HSI off by `hsi_error`.
    pub fn ticks(self, fitted_mhz: f64, hsi_error: Ppm) -> f64 {
        let per_capture = (HSE_DIVIDER * CAPTURE_PRESCALER) as f64 / (fitted_mhz * ONE_MHZ as f64);
        self.clock.hertz() as f64 * (1.0 + hsi_error.as_fraction()) * per_capture
    }

    /// What the ROM concludes from a count of ticks, in its integer arithmetic. A count of zero cannot happen on silicon and gives zero.
    pub fn believed_mhz(self, count: u64) -> u32 {
        let Some(per_tick) = self.clock.hertz().checked_div(count) else { return 0 };
        let hertz = per_tick * HSE_DIVIDER * CAPTURE_PRESCALER;
        u32::try_from((hertz + ONE_MHZ / 2) / ONE_MHZ).unwrap_or(u32::MAX)
    }

    /// The crystal the ROM believes in, for the two counts that are possible: which of them it gets depends on the phase.
    pub fn outcomes(self, fitted_mhz: f64, hsi_error: Ppm) -> Outcomes {
        let ticks = self.ticks(fitted_mhz, hsi_error);
        let low = ticks.floor().max(0.0);
        Outcomes {
            fewer_ticks: self.believed_mhz(low as u64),
            more_ticks: self.believed_mhz(low as u64 + 1),
            more_ticks_share: ticks - low,
        }
    }

    /// The HSI errors between which a crystal of whole megahertz is recognised.
    pub fn window(self, fitted_mhz: u32) -> Window {
        let ticks = self.ticks(f64::from(fitted_mhz), Ppm(0.0));
        // Counting outwards from the nominal count finds the first and the last count that is read as the fitted crystal.
        let nominal = ticks.round() as u64;
        let reads_right = |count: &u64| self.believed_mhz(*count) == fitted_mhz;
        let first = (1..=nominal).rev().take_while(reads_right).last().unwrap_or(nominal);
        let last = (nominal..nominal * 2).take_while(reads_right).last().unwrap_or(nominal);
        let error_at = |count: u64| Ppm((count as f64 / ticks - 1.0) * 1e6);
        Window { sure: (error_at(first), error_at(last)), possible: (error_at(first - 1), error_at(last + 1)) }
    }
}

/// What the two possible counts lead to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcomes {
    pub fewer_ticks: u32,
    pub more_ticks: u32,
    /// How often the longer count is captured, if the phase is random.
    pub more_ticks_share: f64,
}

impl Outcomes {
    /// The only possible result, unless the phase decides.
    pub fn certain(self) -> Option<u32> {
        (self.fewer_ticks == self.more_ticks).then_some(self.fewer_ticks)
    }
}

/// HSI errors around which one crystal is recognised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Both possible counts are read as the fitted crystal.
    pub sure: (Ppm, Ppm),
    /// Beyond these neither count is; between `sure` and `possible` the phase decides.
    pub possible: (Ppm, Ppm),
}

impl Window {
    pub fn holds(self, hsi_error: Ppm) -> bool {
        self.sure.0 <= hsi_error && hsi_error < self.sure.1
    }

    pub fn may_hold(self, hsi_error: Ppm) -> bool {
        self.possible.0 < hsi_error && hsi_error < self.possible.1
    }
}

/// Where arithmetic without any rounding would put the limits: half-way to the neighbours.
pub fn ideal_window(fitted_mhz: u32) -> (Ppm, Ppm) {
    let fitted = f64::from(fitted_mhz);
    let limit = |neighbour: f64| Ppm((fitted / neighbour - 1.0) * 1e6);
    (limit(fitted + 0.5), limit(fitted - 0.5))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::usb_clock::usb_clock;

    /// The published table; its figures were computed independently of this code.
    const TABLE: &str = include_str!("../../tests/fixtures/hse_detection.csv");

    fn percent(error: Ppm) -> String {
        format!("{:+.2}", error.as_percent())
    }

    #[test]
    fn every_figure_of_the_table_is_reproduced() {
        let mut rows = 0;
        for line in TABLE.lines().skip(1) {
            let cells: Vec<_> = line.split(',').collect();
            let fitted: u32 = cells[0].parse().unwrap();
            for (detection, columns) in [(HseDetection::EARLY, 1..6), (HseDetection::LATE, 6..11)] {
                let window = detection.window(fitted);
                let computed = [
                    format!("{:.1}", detection.ticks(f64::from(fitted), Ppm(0.0))),
                    percent(window.sure.0),
                    percent(window.sure.1),
                    percent(window.possible.0),
                    percent(window.possible.1),
                ];
                assert_eq!(computed, cells[columns], "{fitted} MHz, {:?}", detection.clock);
            }
            let ideal = ideal_window(fitted);
            assert_eq!(format!("{:.2}", ideal.0.as_percent()), cells[11], "{fitted} MHz");
            assert_eq!(format!("{:.2}", ideal.1.as_percent()), cells[12], "{fitted} MHz");
            let taken_as = |believed: u32| {
                let clock = usb_clock(f64::from(fitted), believed);
                if believed < *ACCEPTED_MHZ.start() { String::new() } else { format!("{:.3}", clock.as_mhz()) }
            };
            assert_eq!([taken_as(fitted - 1), taken_as(fitted + 1)], cells[13..15], "{fitted} MHz");
            rows += 1;
        }
        assert_eq!(rows, 23, "one row per accepted crystal");
    }

    #[test]
    fn fast_hsi_makes_the_crystal_look_slow() {
        let outcomes = HseDetection::LATE.outcomes(25.0, Ppm::from_percent(3.0));
        assert_eq!(outcomes.certain(), Some(24));
    }

    #[test]
    fn near_the_limit_the_phase_decides() {
        let window = HseDetection::LATE.window(25);
        let between = Ppm(f64::midpoint(window.sure.1.0, window.possible.1.0));
        assert!(!window.holds(between) && window.may_hold(between));
        let outcomes = HseDetection::LATE.outcomes(25.0, between);
        assert_eq!(outcomes.certain(), None);
        assert_eq!((outcomes.fewer_ticks, outcomes.more_ticks), (25, 24));
    }

    #[test]
    fn a_crystal_between_whole_megahertz_is_always_wrong() {
        let outcomes = HseDetection::EARLY.outcomes(14.7456, Ppm(0.0));
        assert_eq!(outcomes.certain(), Some(15));
    }
}
