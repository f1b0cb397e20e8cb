//! What of a recipe is not worth doing any more after a step has failed.

use super::recipe::RecipeStep;
use crate::observation::failure::FailureClass;
use crate::observation::step::{Outcome, Phase, StepRecord, TransferSummary};

pub fn skipped(line: &RecipeStep) -> StepRecord {
    StepRecord {
        phase: line.step.phase(),
        started: None,
        elapsed: None,
        outcome: Outcome::Skipped,
        summary: TransferSummary::default(),
        transfers: Vec::new(),
        facts: Vec::new(),
    }
}

/// After the board is gone or could not be opened, the rest of the cycle says nothing; after a refused read, what still
/// works in the same boot says much. Close is pointless only if open never succeeded, disconnect if connect did not.
pub fn is_pointless(done: &[StepRecord], line: &RecipeStep) -> bool {
    let succeeded =
        |phases: &[Phase]| done.iter().any(|step| phases.contains(&step.phase) && step.outcome == Outcome::Done);
    let went_well = done.iter().all(|step| step.outcome == Outcome::Done);
    match line.step.phase() {
        Phase::Close => return !went_well && !succeeded(&[Phase::Open, Phase::ProbeOpen]),
        Phase::Disconnect => return !went_well && (!succeeded(&[Phase::Connect]) || lost(done)),
        _ => {}
    }
    if done.iter().any(|step| step.outcome == Outcome::Interrupted) {
        return true;
    }
    let needed =
        |phase| matches!(phase, Phase::Enumerate | Phase::Open | Phase::Claim | Phase::ProbeOpen | Phase::Connect);
    lost(done) || done.iter().filter_map(StepRecord::failure).any(|failure| needed(failure.phase))
}

/// The board or the probe is gone.
fn lost(done: &[StepRecord]) -> bool {
    done.iter().filter_map(StepRecord::failure).any(|failure| {
        let is_of_the_probe = matches!(failure.class, FailureClass::ProbeLost | FailureClass::ProbeFault);
        is_of_the_probe
            || matches!(failure.class, FailureClass::Disconnected | FailureClass::Hang | FailureClass::NotFound)
    })
}
