//! How long a crystal takes to oscillate, against how long the ROM waits for it.

use crate::observation::units::{Celsius, Micros};

/// A Pierce oscillator known by one measured start, scaled to other loads and temperatures.
///
/// The amplitude grows from noise with a time constant that is inversely proportional to the excess of the
/// amplifier's negative resistance over the crystal's series resistance, and that negative resistance falls with
/// the square of the load capacitance. Textbook relations; the facts at hand give only the typical time (DS8626 table 32: 2 ms).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CrystalStart {
    /// Start-up time with the reference load at 25 degrees.
    pub reference_time: Micros,
    pub reference_load_pf: f64,
    /// Negative resistance over series resistance with the reference load; at 1 the oscillator never starts.
    pub reference_gain_margin: f64,
    /// Relative change of the gain margin per degree; amplifiers weaken as they warm, so it is usually negative.
    pub gain_margin_per_degree: f64,
}

impl CrystalStart {
    const REFERENCE: Celsius = Celsius(25.0);

    pub fn gain_margin(&self, load_pf: f64, temperature: Celsius) -> f64 {
        let by_load = (self.reference_load_pf / load_pf).powi(2);
        let by_temperature = 1.0 + self.gain_margin_per_degree * (temperature.0 - Self::REFERENCE.0);
        self.reference_gain_margin * by_load * by_temperature
    }

    /// `None` where it never starts.
    pub fn time(&self, load_pf: f64, temperature: Celsius) -> Option<Micros> {
        let excess = self.gain_margin(load_pf, temperature) - 1.0;
        if excess <= 0.0 {
            return None;
        }
        let scale = (self.reference_gain_margin - 1.0) / excess;
        Some(Micros::from_secs_f64(self.reference_time.as_secs_f64() * scale))
    }
}

/// Whether the ROM sees HSE ready before it gives up and resets.
pub fn in_time(start: Option<Micros>, rom_time_out: Micros) -> bool {
    start.is_some_and(|start| start <= rom_time_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPICAL: CrystalStart = CrystalStart {
        reference_time: Micros(2_000),
        reference_load_pf: 10.0,
        reference_gain_margin: 5.0,
        gain_margin_per_degree: -0.002,
    };

    #[test]
    fn a_typical_crystal_misses_the_early_rom_and_meets_the_late_one() {
        let start = TYPICAL.time(10.0, Celsius(25.0));
        assert_eq!(start, Some(Micros(2_000)));
        assert!(!in_time(start, Micros(790)));
        assert!(in_time(start, Micros::from_millis(96)));
    }

    #[test]
    fn smaller_load_capacitors_start_faster_and_too_large_ones_never() {
        let time = |load| TYPICAL.time(load, Celsius(25.0));
        assert!(time(6.0) < time(10.0));
        assert_eq!(time(23.0), None);
    }

    #[test]
    fn warmth_slows_the_start() {
        assert!(TYPICAL.time(10.0, Celsius(85.0)) > TYPICAL.time(10.0, Celsius(25.0)));
    }
}
