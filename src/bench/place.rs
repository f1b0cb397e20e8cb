//! Where a mechanism sits, so that what is exchanged at the bench takes it along.

use schemars::JsonSchema;
use serde::Deserialize;

use super::mechanism::{Impossible, Mechanisms};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// On the board, its connector included.
    Board,
    Cable,
    /// In the port of the host: its contacts and the power that it gives.
    Port,
}

/// The mechanisms that can sit in more than one place. All others are parts of the board, of its air or of its chip.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Places {
    pub bit_errors: Place,
    pub bursts: Place,
    pub supply: Place,
}

impl Default for Places {
    fn default() -> Self {
        Self { bit_errors: Place::Board, bursts: Place::Cable, supply: Place::Board }
    }
}

impl Places {
    /// A place of something that is not there was surely meant otherwise.
    pub fn check(&self, mechanisms: &Mechanisms) -> Result<(), Impossible> {
        let usual = Self::default();
        let misses = [
            ("bit-errors", self.bit_errors != usual.bit_errors && mechanisms.bit_errors.is_none()),
            ("bursts", self.bursts != usual.bursts && mechanisms.bursts.is_none()),
            ("supply", self.supply != usual.supply && mechanisms.supply.is_none()),
        ];
        match misses.into_iter().find(|(_, missing)| *missing) {
            Some((key, _)) => Err(Impossible::new(key, "has a place, and the board has no such mechanism")),
            None => Ok(()),
        }
    }

    /// Takes away everything that sits in this place and nowhere else.
    pub fn clear(&self, place: Place, mechanisms: &mut Mechanisms) {
        if self.bit_errors == place {
            mechanisms.bit_errors = None;
        }
        if self.bursts == place {
            mechanisms.bursts = None;
        }
        if self.supply == place {
            mechanisms.supply = None;
        }
        if place == Place::Port {
            mechanisms.hub_port = None;
        }
    }
}
