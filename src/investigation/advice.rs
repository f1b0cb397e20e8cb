//! What a guided campaign asks of whoever keeps the evidence, and of the person at the bench.

use std::collections::BTreeSet;

use crate::campaign::question::{Answer, Question};
use crate::campaign::{Sink, SinkClosed};
use crate::diagnosis::verdict::{NextExperiment, VerdictKind};
use crate::evidence::experiment::{Baseline, Counts};

/// The state of the investigation as far as the next step depends on it.
#[derive(Clone, Debug)]
pub struct Advice {
    pub kind: VerdictKind,
    pub decided: bool,
    /// Everything that is worth a walk to the bench, the most information per minute first.
    pub proposals: Vec<NextExperiment>,
    /// The board as it was found.
    pub as_found: Both<Baseline>,
    /// The ids of all findings.
    pub seen: BTreeSet<String>,
}

/// The same outcomes counted in boots and in cycles.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Both<C> {
    pub boots: C,
    pub cycles: C,
}

/// Where events go and advice comes from: the engine of a live run, or the memory of an evaluation.
pub trait Desk: Sink {
    fn advice(&mut self) -> Result<Advice, SinkClosed>;

    /// Outcomes under the conditions that hold now.
    fn changed(&mut self) -> Result<Both<Counts>, SinkClosed>;
}

/// Whoever answers questions. `None` means that the campaign is to end.
pub trait Respondent {
    fn answer(&mut self, question: &Question) -> Option<Answer>;
}
