//! What later lines make of earlier failures: they were normal after all.

use crate::observation::event::EventKind;
use crate::observation::failure::Failure;
use crate::observation::step::{Outcome, StepRecord};

/// Calls those failures normal that are meant and not normal yet.
pub fn excuse<'s>(steps: impl IntoIterator<Item = &'s mut StepRecord>, which: impl Fn(&Failure) -> bool, reason: &str) {
    for step in steps {
        if let Outcome::Failed(failure) = &mut step.outcome
            && failure.expected.is_none()
            && which(failure)
        {
            failure.expected = Some(reason.to_owned());
        }
    }
}

/// The steps of attempts that have ended.
pub fn steps_of(events: &mut [EventKind]) -> impl Iterator<Item = &mut StepRecord> {
    let steps = events.iter_mut().filter_map(|event| match event {
        EventKind::CycleFinished(cycle) => Some(&mut cycle.steps),
        _ => None,
    });
    steps.flatten()
}
