//! Failure rates and latencies as they are shown: always with interval, n and unit.

use serde::{Deserialize, Serialize};

use super::finding::Unit;
use crate::observation::boot::BootKind;
use crate::observation::step::Phase;
use crate::observation::units::Micros;

/// A share of failures with an interval that stays valid however often it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Where boots of several kinds were counted: of which kind this is the rate.
    pub kind: Option<BootKind>,
    pub failed: u64,
    pub n: u64,
    pub unit: Unit,
    pub interval: (f64, f64),
}

impl Rate {
    /// The observed share; zero where nothing was counted.
    pub fn share(&self) -> f64 {
        if self.n == 0 { 0.0 } else { self.failed as f64 / self.n as f64 }
    }
}

/// How long a step took over all cycles that performed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepLatency {
    pub phase: Phase,
    pub n: u64,
    pub p50: Micros,
    pub p95: Micros,
    pub max: Micros,
    /// The latest values, oldest first, for a sparkline.
    pub recent: Vec<Micros>,
}
