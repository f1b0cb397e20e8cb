//! The clock of the core, counted by its cycle counter against the link's time, and where the program is meanwhile. The core
//! keeps running; the counter's two switches are put back as they were.

use crate::observation::fact::{Fact, FactValue};
use crate::observation::field_text::FieldText;
use crate::observation::units::{Address, Micros, Millivolts, Ppm};
use crate::swd::core_debug::{
    CYCCNTENA, DEMCR, DHCSR, DWT_CTRL, DWT_PCSR, NOCYCCNT, S_HALT, S_LOCKUP, S_RESET_ST, S_SLEEP, TRCENA,
};
use crate::swd::crystal_witness::CoreClock;

use super::cycle_counter::{Counter, LONGEST_UNREAD, Reading};
use super::swd_probe::SwdProbe;
use super::swd_session::SwdFault;
use super::swd_wire::SwdWire;

pub const CORE_CLOCK: &str = "core-clock";
pub const UNCERTAINTY: &str = "core-clock-uncertainty-ppm";
/// Why the counter was not believed.
pub const REFUSED: &str = "core-clock-refused";
pub const PROGRAM_COUNTER: &str = "program-counter";
/// The lowest and the highest of the voltages that the probe measured meanwhile, with how often it did.
pub const VOLTAGE_LOWEST: &str = "target-voltage-lowest";
pub const VOLTAGE_HIGHEST: &str = "target-voltage-highest";

/// How often the probe measures the voltage while the cycles are counted. A reading takes a few milliseconds over USB.
const VOLTAGES: u64 = 20;
/// What a sound clock may change by within one measurement: warming of a crystal or an internal oscillator.
const DRIFT: Ppm = Ppm(1_000.0);

/// Counts cycles over a span of the link's time.
pub fn measure<P: SwdProbe>(wire: &mut SwdWire<'_, P>, span: Micros, learned: &mut Vec<Fact>) -> Result<(), SwdFault> {
    let trace = wire.read_word(DEMCR)?;
    set(wire, DEMCR, trace, TRCENA)?;
    let counting = with_trace(wire, span, learned);
    let restored = set_back(wire, DEMCR, trace);
    match counting? {
        Ok(clock) => {
            learned.push(Fact::measured(CORE_CLOCK, FactValue::FrequencyMhz(clock.frequency.as_mhz())));
            learned.push(Fact::measured(UNCERTAINTY, FactValue::Number(clock.uncertainty.0)));
        }
        Err(why) => learned.push(Fact::measured(REFUSED, FactValue::Text(FieldText::from(why)))),
    }
    restored
}

/// A clock, or why the counter is not believed.
type Counted = Result<CoreClock, &'static str>;

fn with_trace<P: SwdProbe>(
    wire: &mut SwdWire<'_, P>,
    span: Micros,
    learned: &mut Vec<Fact>,
) -> Result<Counted, SwdFault> {
    let control = wire.read_word(DWT_CTRL)?;
    if control & NOCYCCNT != 0 {
        return Ok(Err("this core has no cycle counter"));
    }
    set(wire, DWT_CTRL, control, CYCCNTENA)?;
    let counted = count(wire, span, learned);
    let restored = set_back(wire, DWT_CTRL, control);
    let counted = counted?;
    restored?;
    Ok(counted)
}

fn count<P: SwdProbe>(wire: &mut SwdWire<'_, P>, span: Micros, learned: &mut Vec<Fact>) -> Result<Counted, SwdFault> {
    let half = Micros(span.min(wire.remaining()).0 / 2);
    // Reading the status clears what it says of the time before.
    wire.read_word(DHCSR)?;
    let mut status = 0;
    let mut counter = Counter::default();
    let mut readings = vec![Reading::take(wire, &mut counter)?];
    let mut voltages = Vec::new();
    for _ in 0..2 {
        wait_measuring(wire, half, &mut counter, &mut voltages)?;
        let program = wire.read_word(DWT_PCSR)?;
        if program != u32::MAX {
            learned.push(Fact::measured(PROGRAM_COUNTER, FactValue::Address(Address(program))));
        }
        readings.push(Reading::take(wire, &mut counter)?);
        status |= wire.read_word(DHCSR)?;
    }
    learned.extend(range_of(&voltages, half));
    if counter.is_lost {
        return Ok(Err("the probe answered too slowly to follow the cycle counter, which may have come round unseen"));
    }
    Ok(judge(status, &readings))
}

/// Waits, and looks at the voltage meanwhile: that reaches no target. A probe that cannot measure it only follows the counter.
fn wait_measuring<P: SwdProbe>(
    wire: &mut SwdWire<'_, P>,
    span: Micros,
    counter: &mut Counter,
    voltages: &mut Vec<Millivolts>,
) -> Result<(), SwdFault> {
    let end = wire.probe().now() + span;
    let mut step = Micros(span.0 / (VOLTAGES / 2)).clamp(Micros(1), LONGEST_UNREAD);
    let mut has_voltage = true;
    while wire.probe().now() + step < end {
        wire.probe().wait(step);
        if has_voltage {
            match wire.probe().target_voltage() {
                Ok(Some(voltage)) => voltages.push(voltage),
                Ok(None) | Err(_) => (has_voltage, step) = (false, LONGEST_UNREAD),
            }
        }
        if counter.is_due(wire.probe().now() + step) {
            counter.read(wire)?;
        }
    }
    let left = end.saturating_sub(wire.probe().now());
    wire.probe().wait(left);
    Ok(())
}

fn range_of(voltages: &[Millivolts], half: Micros) -> Vec<Fact> {
    let volts = || voltages.iter().map(|voltage| voltage.0 / 1e3);
    let (low, high) = (volts().fold(f64::INFINITY, f64::min), volts().fold(f64::NEG_INFINITY, f64::max));
    if voltages.len() < 2 {
        return Vec::new();
    }
    let apart_ms = 2.0 * half.as_millis_f64() / voltages.len() as f64;
    let quote = format!("{low:.2} to {high:.2} V in {} readings, one each {apart_ms:.0} ms", voltages.len());
    let fact = |key, volts| Fact {
        quote: Some(FieldText::new(quote.clone())),
        ..Fact::measured(key, FactValue::Volts(volts))
    };
    vec![fact(VOLTAGE_LOWEST, low), fact(VOLTAGE_HIGHEST, high)]
}

fn judge(status: u32, readings: &[Reading]) -> Counted {
    let [first, middle, last] = readings else { return Err("the counter could not be read") };
    match () {
        () if status & (S_HALT | S_LOCKUP) != 0 => return Err("the core stood while its cycles were counted"),
        () if status & S_RESET_ST != 0 => return Err("the core was reset while its cycles were counted"),
        () if status & S_SLEEP != 0 => return Err("the core slept while its cycles were counted"),
        () => {}
    }
    let (Some(whole), Some(early), Some(late)) = (first.until(last), first.until(middle), middle.until(last)) else {
        return Err("the cycle counter stands");
    };
    let apart = (early.frequency.0 / late.frequency.0 - 1.0).abs() * 1e6;
    if apart > early.uncertainty.0 + late.uncertainty.0 + DRIFT.0 {
        return Err("the cycle counter runs at times only, as in a core that sleeps between its tasks");
    }
    Ok(whole)
}

fn set<P: SwdProbe>(wire: &mut SwdWire<'_, P>, register: Address, before: u32, bit: u32) -> Result<(), SwdFault> {
    if before & bit == 0 {
        wire.write_word(register, before | bit)?;
    }
    Ok(())
}

fn set_back<P: SwdProbe>(wire: &mut SwdWire<'_, P>, register: Address, before: u32) -> Result<(), SwdFault> {
    if wire.read_word(register)? != before {
        wire.write_word(register, before)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::surroundings::Dice;
    use crate::link::cycle_counter::READINGS;

    fn reading(micros: u64, length: u64, cycles: u64) -> Reading {
        Reading { middle: Micros(micros), length: Micros(length), cycles }
    }

    #[test]
    fn a_counter_that_stands_sleeps_or_is_reset_is_refused() {
        let sound = [reading(0, 100, 0), reading(1_000_000, 100, 60_000_000), reading(2_000_000, 100, 120_000_000)];
        assert!((judge(0, &sound).unwrap().frequency.as_mhz() - 60.0).abs() < 1e-9);
        for (status, word) in [(S_HALT, "stood"), (S_RESET_ST, "reset"), (S_SLEEP, "slept")] {
            assert!(judge(status, &sound).unwrap_err().contains(word));
        }
        let standing = sound.map(|reading| Reading { cycles: 5, ..reading });
        assert_eq!(judge(0, &standing), Err("the cycle counter stands"));
        let now_and_then = [sound[0], reading(1_000_000, 100, 60_000_000), reading(2_000_000, 100, 90_000_000)];
        assert!(judge(0, &now_and_then).unwrap_err().contains("at times only"));
    }

    /// A probe behind a busy USB: most calls take 0.2 to 0.6 ms, some of them many times as long, and the counter is read anywhere
    /// within its call. The host's own clock is off by up to 40 ppm.
    fn campaign(seed: u64) -> (CoreClock, f64) {
        let mut dice = Dice::new(seed);
        let truth = 55.0 + 10.0 * dice.share();
        let host = 1.0 + (dice.share() - 0.5) * 80e-6;
        let mut at = 1_000.0 * dice.share();
        let mut take = |gap: f64| {
            at += gap;
            let calls: Vec<_> = (0..READINGS)
                .map(|_| {
                    let slow = if dice.chance(0.2) { 8_000.0 * dice.share() } else { 0.0 };
                    let length = 200.0 + 400.0 * dice.share() + slow;
                    let read = at + length * dice.share();
                    let (from, to) = ((at * host) as u64, ((at + length) * host) as u64);
                    at += length;
                    reading((from + to) / 2, to - from, (read * truth) as u64)
                })
                .collect();
            *calls.iter().min_by_key(|reading| reading.length).unwrap()
        };
        let readings = [take(0.0), take(1_000_000.0), take(1_000_000.0)];
        (judge(0, &readings).unwrap(), truth)
    }

    #[test]
    fn the_stated_uncertainty_covers_the_truth_under_jitter() {
        let covered = (0..100).filter(|seed| {
            let (clock, truth) = campaign(*seed);
            assert!(clock.uncertainty.0 < 1_500.0, "an uncertainty that covers everything says nothing: {clock:?}");
            (clock.frequency.as_mhz() / truth - 1.0).abs() * 1e6 <= clock.uncertainty.0
        });
        assert!(covered.count() >= 95);
    }
}
