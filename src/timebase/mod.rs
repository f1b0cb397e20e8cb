//! Host, simulated and paced time. The only room that reads a clock or sleeps.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::observation::units::Micros;

/// A clock that can be read and waited on. Moments count from the start of the campaign.
pub trait Timebase: Send {
    fn now(&self) -> Micros;
    /// Returns once `span` has passed on this clock.
    fn wait(&mut self, span: Micros);
}

/// The clock of this computer. Copies tell the same time.
#[derive(Clone, Debug)]
pub struct HostTime {
    started: Instant,
}

impl HostTime {
    #[expect(clippy::new_without_default, reason = "starting a clock is an act, not a default")]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Timebase for HostTime {
    fn now(&self) -> Micros {
        to_micros(self.started.elapsed())
    }

    fn wait(&mut self, span: Micros) {
        std::thread::sleep(to_duration(span));
    }
}

/// Time that jumps: waiting costs nothing.
#[derive(Debug, Default)]
pub struct SimulatedTime {
    now: Micros,
}

impl SimulatedTime {
    pub fn starting_at(now: Micros) -> Self {
        Self { now }
    }
}

impl Timebase for SimulatedTime {
    fn now(&self) -> Micros {
        self.now
    }

    fn wait(&mut self, span: Micros) {
        self.now += span;
    }
}

/// Milliseconds since 1970 on the host's calendar clock, for the date of a case; zero where the clock is before 1970.
/// `SOURCE_DATE_EPOCH` (seconds) replaces the clock, so that the example reports come out the same every day.
pub fn calendar_millis() -> u64 {
    let fixed = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| seconds.parse::<u64>().ok());
    fixed.map_or_else(
        || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64),
        |seconds| seconds.saturating_mul(1_000),
    )
}

/// `20261121-093005`, in UTC.
pub fn calendar_stamp(millis_since_1970: u64) -> String {
    let seconds = millis_since_1970 / 1_000;
    let (year, month, day) = civil_date(seconds / 86_400);
    let of_day = seconds % 86_400;
    format!("{year:04}{month:02}{day:02}-{:02}{:02}{:02}", of_day / 3_600, of_day / 60 % 60, of_day % 60)
}

/// The proleptic Gregorian date of a day counted from 1970-01-01, by whole years and months.
fn civil_date(mut day: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    (year, month, day + 1)
}

pub fn to_duration(span: Micros) -> Duration {
    Duration::from_micros(span.0)
}

pub fn to_micros(span: Duration) -> Micros {
    Micros(u64::try_from(span.as_micros()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simulated_time_jumps_without_sleeping() {
        let mut time = SimulatedTime::default();
        time.wait(Micros::from_secs(3_600));
        assert_eq!(time.now(), Micros::from_secs(3_600));
    }

    #[test]
    fn a_moment_is_stamped_with_its_date_in_utc() {
        // Computed with `date -u -d @SECONDS +%Y%m%d-%H%M%S`.
        for (seconds, stamp) in
            [(0, "19700101-000000"), (1_709_210_096, "20240229-123456"), (4_102_444_799, "20991231-235959")]
        {
            assert_eq!(calendar_stamp(seconds * 1_000), stamp);
        }
    }
}
