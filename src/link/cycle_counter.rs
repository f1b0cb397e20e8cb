//! The cycle counter of a core: 32 bits that come round every few seconds, read over a link whose calls take their time.

use crate::observation::units::{Hertz, Micros, Ppm};
use crate::swd::core_debug::DWT_CYCCNT;
use crate::swd::crystal_witness::CoreClock;

use super::swd_probe::SwdProbe;
use super::swd_session::SwdFault;
use super::swd_wire::SwdWire;

/// Of several readings the one with the shortest call is known best.
pub const READINGS: usize = 5;
/// How far the clock of a computer may be off: crystals of computers, and the most that time services slew is 500 ppm. Judgement.
const HOST_CLOCK: Ppm = Ppm(100.0);
/// The counter has 32 bits, which the fastest core of an STM32 (800 MHz) fills in 5.3 s. It is read at least this often, so that a late
/// answer still comes before it has come round twice.
pub const LONGEST_UNREAD: Micros = Micros::from_secs(2);
const COMES_ROUND: Micros = Micros::from_secs(5);

/// The cycle counter, followed as it comes round.
#[derive(Debug, Default)]
pub struct Counter {
    /// When the last reading began, and what it was.
    last: Option<(Micros, u32)>,
    /// Cycles since the first reading.
    total: u64,
    /// It may have come round unseen.
    pub is_lost: bool,
}

impl Counter {
    pub fn read<P: SwdProbe>(&mut self, wire: &mut SwdWire<'_, P>) -> Result<u64, SwdFault> {
        let before = wire.probe().now();
        let cycles = wire.read_word(DWT_CYCCNT)?;
        let after = wire.probe().now();
        self.follow(before, after, cycles);
        Ok(self.total)
    }

    fn follow(&mut self, before: Micros, after: Micros, cycles: u32) {
        if let Some((since, last)) = self.last.replace((before, cycles)) {
            self.total += u64::from(cycles.wrapping_sub(last));
            self.is_lost |= after - since >= COMES_ROUND;
        }
    }

    /// Whether it has to be read before this moment.
    pub fn is_due(&self, by: Micros) -> bool {
        self.last.is_some_and(|(since, _)| by.saturating_sub(since) > LONGEST_UNREAD)
    }
}

/// Cycles since the first reading, and between which moments they were read.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    pub middle: Micros,
    pub length: Micros,
    pub cycles: u64,
}

impl Reading {
    pub fn take<P: SwdProbe>(wire: &mut SwdWire<'_, P>, counter: &mut Counter) -> Result<Self, SwdFault> {
        let mut best = None::<Self>;
        for _ in 0..READINGS {
            let before = wire.probe().now();
            let cycles = counter.read(wire)?;
            let length = wire.probe().now() - before;
            if best.is_none_or(|best| length < best.length) {
                best = Some(Self { middle: before + Micros(length.0 / 2), length, cycles });
            }
        }
        Ok(best.expect("there is at least one reading"))
    }

    /// The clock between two readings; nothing where the counter stands. Each reading happened somewhere within its call.
    pub fn until(&self, later: &Self) -> Option<CoreClock> {
        let cycles = (later.cycles - self.cycles) as f64;
        let seconds = (later.middle - self.middle).as_secs_f64();
        if cycles == 0.0 || seconds == 0.0 {
            return None;
        }
        // The moments are whole microseconds.
        let unknown = (self.length + later.length).as_secs_f64() / 2.0 + 1e-6;
        Some(CoreClock { frequency: Hertz(cycles / seconds), uncertainty: Ppm(unknown / seconds * 1e6 + HOST_CLOCK.0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_are_counted_on_when_the_counter_comes_round() {
        let mut counter = Counter::default();
        for second in (0..=30).step_by(2) {
            let at = Micros::from_secs(second);
            counter.follow(at, at + Micros::from_millis(1), (480_000_000 * second) as u32);
        }
        assert_eq!((counter.total, counter.is_lost), (480_000_000 * 30, false));
    }

    #[test]
    fn what_may_have_come_round_unseen_is_lost() {
        let mut counter = Counter::default();
        counter.follow(Micros::ZERO, Micros(1), 0);
        assert!(!counter.is_due(Micros::from_secs(2)) && counter.is_due(Micros::from_secs(3)));
        counter.follow(Micros::from_secs(2), Micros::from_secs(5), 7);
        assert!(counter.is_lost);
    }
}
