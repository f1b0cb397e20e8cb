//! Cycles: one run of a recipe, or one recognised session in a report.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::failure::{Failure, FailureClass};
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

    /// It failed because we refused a request of our own.
    pub fn is_refused(&self) -> bool {
        self.failure().is_some_and(|failure| failure.class == FailureClass::NotSent)
    }

    /// It ended through us and says nothing of the board: it counts in no rate.
    pub fn is_cut_short(&self) -> bool {
        self.is_interrupted() || self.is_refused()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::step::{Phase, TransferSummary};

    fn cycle(classes: &[FailureClass]) -> Cycle {
        let step = |class: &FailureClass| StepRecord {
            phase: Phase::Write,
            started: None,
            elapsed: None,
            outcome: Outcome::Failed(Failure::new(*class, Phase::Write)),
            summary: TransferSummary::default(),
            transfers: Vec::new(),
            facts: Vec::new(),
        };
        let steps = classes.iter().map(step).collect();
        Cycle { number: 1, boot: Some(1), started: None, steps, levels: BTreeMap::new() }
    }

    #[test]
    fn a_request_that_we_refused_counts_in_no_rate_unless_the_board_failed_before() {
        assert!(cycle(&[FailureClass::NotSent]).is_cut_short());
        assert!(!cycle(&[FailureClass::Stall, FailureClass::NotSent]).is_cut_short());
        assert!(!cycle(&[]).is_cut_short());
    }
}
