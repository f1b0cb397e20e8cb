//! Cycles: one run of a recipe, or one recognised session in a report.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::step::{Outcome, StepRecord};
use super::units::Micros;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cycle {
    /// Counted from 1 within the campaign or the report.
    pub number: u32,
    /// The boot it ran in; absent where a report does not tell.
    pub boot: Option<u32>,
    pub started: Option<Micros>,
    pub steps: Vec<StepRecord>,
    /// The level of each factor that was varied, for example `transfer-size` = `1024`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub levels: BTreeMap<String, String>,
}

impl Cycle {
    /// The first failure that is not expected.
    pub fn failure(&self) -> Option<&Failure> {
        self.failures().find(|failure| !failure.is_expected())
    }

    pub fn failures(&self) -> impl Iterator<Item = &Failure> {
        self.steps.iter().filter_map(StepRecord::failure)
    }

    pub fn is_interrupted(&self) -> bool {
        self.steps.iter().any(|step| step.outcome == Outcome::Interrupted)
    }

    /// Keeps single transfers of failed cycles only; sums stay.
    pub fn drop_transfers_if_good(&mut self) {
        if self.failure().is_none() {
            for step in &mut self.steps {
                step.transfers.clear();
            }
        }
    }
}
