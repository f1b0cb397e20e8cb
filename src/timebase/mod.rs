//! Host, simulated and paced time. The only room that reads a clock or sleeps.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::observation::units::Micros;

/// A clock that can be read and waited on. Moments count from the start of the campaign.
pub trait Timebase: Send {
    fn now(&self) -> Micros;
    /// Returns once `span` has passed on this clock.
    fn wait(&mut self, span: Micros);
}

/// The clock of this computer.
#[derive(Debug)]
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
pub fn calendar_millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
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
}
