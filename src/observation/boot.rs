//! Boots: the span between two resets of the board.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::units::Micros;

/// One boot. A re-enumeration alone is never proof of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// Counted from 1 within the campaign.
    pub number: u32,
    pub started: Micros,
    pub kind: BootKind,
    pub proof: BootProof,
}

/// How the board was reset. Kinds are never pooled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootKind {
    ColdPowerOn {
        off_time: Option<Micros>,
    },
    Nrst,
    SoftwareReset,
    SoftwareJump,
    /// The state in which the board was found.
    Unknown,
}

impl BootKind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::ColdPowerOn { .. } => "cold power-on",
            Self::Nrst => "NRST",
            Self::SoftwareReset => "software reset",
            Self::SoftwareJump => "software jump",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for BootKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How we know that the board was reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootProof {
    /// We commanded it and saw the power or the device go.
    Commanded,
    /// The operator says so.
    ToldByOperator,
    /// Concluded from what was seen; not certain.
    Inferred,
    /// Nothing is known: the board was already running.
    None,
}

impl BootProof {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Commanded => "commanded",
            Self::ToldByOperator => "told by the operator",
            Self::Inferred => "inferred",
            Self::None => "not known",
        }
    }
}
