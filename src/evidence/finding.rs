//! Findings: statements that the data support.

use serde::{Deserialize, Serialize};

/// A statement with everything needed to check it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// An id of the catalogue in `profiles/findings`.
    pub id: String,
    /// The statement in words, figures included.
    pub text: String,
    pub effect: Option<Effect>,
    /// How many units it rests on.
    pub n: u64,
    pub unit: Unit,
    /// The test or estimate, for example `beta-binomial mixture confidence sequence, alpha 0.05`.
    pub method: String,
    /// The numbers of the cycles, or of the lines of a report, behind it.
    pub at: Vec<u32>,
    /// From 0 (a hint) to 1 (established): scales what the finding says about causes.
    pub weight: f64,
}

/// A size with its interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    pub value: f64,
    pub interval: Option<(f64, f64)>,
    /// `share`, `ms`, `odds ratio`, ...
    pub unit: String,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    Boot,
    Cycle,
    Transfer,
    /// A tool's session in a report.
    Session,
}

impl Unit {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Cycle => "cycle",
            Self::Transfer => "transfer",
            Self::Session => "session",
        }
    }
}
