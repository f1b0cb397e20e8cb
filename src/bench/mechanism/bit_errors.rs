//! Bits that flip on the pair: reflections, noise, too much capacitance. Every bit can, and after a long run without an edge more easily.
//!
//! Source: `usb_errors.csv` (-71, -84: physical layer), `root_causes.csv` USB_SI (errors independent of temperature). That errors
//! grow with run length and differ by direction is general knowledge of serial links; the figures of each board are chosen.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Impossible, Mechanism};
use crate::bench::surroundings::{Direction, Packet, Surroundings};
use crate::bench::wire::longest_run_bits;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BitErrors {
    /// Errors per bit towards the host.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub to_host_per_bit: f64,
    /// Errors per bit towards the device.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub to_device_per_bit: f64,
    /// Factor on the error rate for each bit of the packet's longest run beyond one.
    #[serde(default = "one")]
    #[schemars(range(min = 1.0, max = 10.0))]
    pub factor_per_run_bit: f64,
}

fn one() -> f64 {
    1.0
}

/// Sync, packet identifier, checksum and end of packet.
const OVERHEAD_BITS: f64 = 35.0;

impl BitErrors {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("to-host-per-bit", self.to_host_per_bit, 0.0, 0.5, "")?;
        Impossible::unless_within("to-device-per-bit", self.to_device_per_bit, 0.0, 0.5, "")?;
        Impossible::unless_within("factor-per-run-bit", self.factor_per_run_bit, 1.0, 10.0, "")
    }

    pub fn describe(&self) -> String {
        format!(
            "Bits flip on the pair: {:.1e} towards the host, {:.1e} towards the device, {} times more for each bit of a run.",
            self.to_host_per_bit, self.to_device_per_bit, self.factor_per_run_bit
        )
    }

    pub const fn hook(self) -> Self {
        self
    }
}

impl Mechanism for BitErrors {
    fn packet(&self, _around: &Surroundings, packet: &Packet<'_>) -> f64 {
        let per_bit = match packet.direction {
            Direction::ToHost => self.to_host_per_bit,
            Direction::ToDevice => self.to_device_per_bit,
        };
        let run = longest_run_bits(packet.data) - 1;
        let rate = (per_bit * self.factor_per_run_bit.powi(run as i32)).min(0.5);
        let bits = packet.data.len() as f64 * 8.0 + OVERHEAD_BITS;
        1.0 - (1.0 - rate).powf(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOISY: BitErrors = BitErrors { to_host_per_bit: 1e-4, to_device_per_bit: 1e-5, factor_per_run_bit: 1.5 };

    fn chance(direction: Direction, data: &[u8]) -> f64 {
        NOISY.packet(&Surroundings::default(), &Packet { direction, data, place: 0 })
    }

    #[test]
    fn longer_packets_and_longer_runs_suffer_more() {
        let plain = chance(Direction::ToHost, &[0x55; 8]);
        assert!(chance(Direction::ToHost, &[0x55; 64]) > 3.0 * plain);
        assert!(chance(Direction::ToHost, &[0xff; 8]) > 3.0 * plain);
        assert!(chance(Direction::ToDevice, &[0x55; 8]) < plain / 5.0);
    }
}
