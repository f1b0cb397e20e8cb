//! A ROM that needs a pause between packets, against a host that leaves none: single packets pass, the data stage of longer ones fails.
//!
//! Source: `bootloader_versions.csv` (F04, F07, F30x, F37x, L07, L1: "enumerates, data stage fails", cured by a USB 2.0 hub). The
//! lengths of the gaps are not documented; that the host sees no handshake is assumed.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Impossible, Mechanism};
use crate::bench::surroundings::{Packet, Surroundings};

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PacketGap {
    /// What the ROM needs between two packets.
    #[schemars(range(min = 0.0, max = 1_000.0))]
    pub needs_us: f64,
    /// What this host leaves; a hub makes it longer.
    #[schemars(range(min = 0.0, max = 1_000.0))]
    pub host_leaves_us: f64,
    /// Where the gap is too short: how many of the following packets fail.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub lost_share: f64,
}

impl PacketGap {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("needs-us", self.needs_us, 0.0, 1_000.0, " us")?;
        Impossible::unless_within("host-leaves-us", self.host_leaves_us, 0.0, 1_000.0, " us")?;
        Impossible::unless_within("lost-share", self.lost_share, 0.0, 1.0, "")
    }

    pub fn describe(&self) -> String {
        format!("The ROM needs {} us between packets and the host leaves {} us.", self.needs_us, self.host_leaves_us)
    }

    pub const fn hook(self) -> Self {
        self
    }
}

impl Mechanism for PacketGap {
    fn packet(&self, _around: &Surroundings, packet: &Packet<'_>) -> f64 {
        if packet.place > 0 && self.host_leaves_us < self.needs_us { self.lost_share } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::surroundings::Direction;

    #[test]
    fn only_the_packets_that_follow_another_are_lost_and_a_slower_host_cures_it() {
        let chance = |gap: PacketGap, place| {
            gap.packet(&Surroundings::default(), &Packet { direction: Direction::ToHost, data: &[0; 64], place })
        };
        let fast = PacketGap { needs_us: 6.0, host_leaves_us: 2.0, lost_share: 0.9 };
        assert_eq!((chance(fast, 0), chance(fast, 1)), (0.0, 0.9));
        assert_eq!(chance(PacketGap { host_leaves_us: 8.0, ..fast }, 1), 0.0);
    }
}
