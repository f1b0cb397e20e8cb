//! What hangs on the debug pins of a virtual board: the `[swd]` table of its file.

use schemars::JsonSchema;
use serde::Deserialize;

use super::mechanism::SwdMechanisms;
use crate::bench::mechanism::Impossible;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct SwdSetup {
    /// A probe hangs on the board as it is found; one that is used does so anyway.
    pub attached: bool,
    /// The probe's voltage input is connected to the board's rail.
    pub vtref_wired: bool,
    /// The probe can pull NRST low.
    pub nrst_wired: bool,
    pub probe: ProbeSetup,
    pub mechanism: SwdMechanisms,
}

impl Default for SwdSetup {
    fn default() -> Self {
        Self {
            attached: false,
            vtref_wired: true,
            nrst_wired: true,
            probe: ProbeSetup::default(),
            mechanism: SwdMechanisms::default(),
        }
    }
}

/// The debug probe and its place on the host.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct ProbeSetup {
    pub name: String,
    pub product_id: u16,
    pub serial: String,
    /// As it is printed: `V2J40M27`.
    pub firmware: String,
    /// The speeds of SWCLK that it has.
    pub kilohertz: Vec<u32>,
    /// From the host's call to the first clock, and back again.
    pub command_us: u64,
    pub unplugged: bool,
    /// The device node cannot be opened by this user.
    pub node_closed: bool,
    /// Another program holds it.
    pub held: bool,
}

impl Default for ProbeSetup {
    fn default() -> Self {
        Self {
            name: "ST-LINK/V2-1".to_owned(),
            product_id: 0x374B,
            serial: "066DFF485550755187121723".to_owned(),
            firmware: "V2J40M27".to_owned(),
            // The steps of an ST-Link V2, as OpenOCD and probe-rs list them.
            kilohertz: vec![4_000, 1_800, 1_200, 950, 480, 240, 125, 100, 50, 25, 15, 5],
            command_us: 600,
            unplugged: false,
            node_closed: false,
            held: false,
        }
    }
}

impl ProbeSetup {
    /// The fastest speed that is not above the one asked for, or the slowest there is.
    pub fn nearest_speed(&self, kilohertz: u32) -> u32 {
        let fitting = self.kilohertz.iter().copied().filter(|speed| *speed <= kilohertz).max();
        fitting.or_else(|| self.kilohertz.iter().copied().min()).unwrap_or(kilohertz)
    }
}

impl SwdSetup {
    pub fn check(&self) -> Result<(), Impossible> {
        if self.probe.kilohertz.contains(&0) {
            return Err(Impossible::new("kilohertz", "has a speed of zero"));
        }
        self.mechanism.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_takes_the_next_slower_speed_it_has() {
        let probe = ProbeSetup::default();
        assert_eq!([1_000, 4_000, 9_000, 1].map(|asked| probe.nearest_speed(asked)), [950, 4_000, 4_000, 5]);
    }
}
