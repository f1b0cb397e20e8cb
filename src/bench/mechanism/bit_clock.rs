//! What a wrong bit clock does to packets: the sampling point slips until the next edge, so long runs suffer first.
//!
//! Source: FACTS section C: receivers resynchronise on every edge, runs are at most 7 bits, 4.17 % is about 0.29 bit at the
//! end of the longest (judgement there), so enumeration usually fails and is sometimes erratic. Margin and jitter are chosen to match.

use crate::bench::surroundings::Packet;
use crate::bench::wire::longest_run_bits;
use crate::observation::units::Ppm;

/// Receivers sample about four times per bit: less than a quarter of a bit of slip is sure to be read.
const MARGIN_BITS: f64 = 0.2;
const RUN_OF_OVERHEAD_BITS: u32 = 5;
/// Jitter of an edge against its ideal place, standard deviation.
const JITTER_BITS: f64 = 0.05;

/// How likely a packet is spoilt when the bit clock of the device is this far off.
pub fn packet_error(clock: Ppm, packet: &Packet<'_>) -> f64 {
    if clock.0.abs() < 2_500.0 {
        return 0.0;
    }
    // Packet identifiers, addresses and checksums hold runs of their own.
    let run = f64::from(longest_run_bits(packet.data).max(RUN_OF_OVERHEAD_BITS));
    let slip = clock.as_fraction().abs() * run;
    upper_tail((MARGIN_BITS - slip) / JITTER_BITS)
}

/// The share of a normal distribution above `z`, by the logistic approximation that is good to 0.01.
fn upper_tail(z: f64) -> f64 {
    1.0 / (1.0 + (1.5976 * z + 0.07056 * z.powi(3)).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::surroundings::Direction;

    fn error(percent: f64, data: &[u8]) -> f64 {
        packet_error(Ppm::from_percent(percent), &Packet { direction: Direction::ToHost, data, place: 0 })
    }

    #[test]
    fn a_clock_inside_the_tolerance_spoils_nothing() {
        assert_eq!(error(0.2, &[0xff; 64]), 0.0);
    }

    #[test]
    fn four_percent_is_erratic_and_worst_on_long_runs() {
        assert!(error(4.17, &[0xff; 64]) > 0.9);
        assert!((0.4..0.7).contains(&error(4.17, &[0x55; 64])));
        assert!(error(2.0, &[0x55; 64]) < 0.05, "half of it mostly gets through");
        assert!(error(9.0, &[0x55; 64]) > 0.9, "twice as far nothing gets through");
    }

    #[test]
    fn the_tail_has_the_known_values() {
        for (z, share) in [(0.0, 0.5), (1.0, 0.1587), (2.0, 0.0228)] {
            assert!((upper_tail(z) - share).abs() < 0.01, "{z}");
        }
    }
}
