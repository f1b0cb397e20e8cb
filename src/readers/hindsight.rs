//! What later lines make of earlier failures: they were normal after all.

use crate::observation::event::EventKind;
use crate::observation::fact::FactValue;
use crate::observation::failure::{Failure, FailureClass};
use crate::observation::step::{Outcome, Phase, StepRecord};

use super::dfu_util;

/// What a poster says of a program that was written.
const RUNS_AFTERWARDS: &str = "program-runs-afterwards";

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

/// In a report whose every attempt ends with a target programmed, what went wrong on the way there was got over.
pub fn excuse_what_was_got_over(events: &mut [EventKind]) {
    let mut attempts: Vec<&mut Vec<StepRecord>> = Vec::new();
    for event in events {
        if let EventKind::CycleFinished(cycle) = event {
            attempts.push(&mut cycle.steps);
        }
    }
    if attempts.iter().all(|steps| is_got_over(steps)) {
        excuse(attempts.into_iter().flatten(), |_| true, "the tool got over it and programmed the target");
    }
}

/// The poster tells that the new program runs, and the only failure is that the board did not answer once it had it.
pub fn excuse_a_program_that_runs(events: &mut [EventKind]) {
    let is_told = |event: &EventKind| matches!(event, EventKind::FactNoted(fact) if fact.key == RUNS_AFTERWARDS && fact.value == FactValue::Flag(true));
    if events.iter().any(is_told) {
        excuse(steps_of(events), dfu_util::is_status_after_download, dfu_util::AFTER_LEAVE);
    }
}

/// Without a failure, or with failures to get hold of the target alone, before it was programmed.
fn is_got_over(steps: &[StepRecord]) -> bool {
    let is_programmed =
        |step: &StepRecord| step.outcome == Outcome::Done && matches!(step.phase, Phase::Write | Phase::Verify);
    let programmed = steps.iter().rposition(is_programmed);
    steps.iter().enumerate().all(|(at, step)| {
        let failure = step.failure().filter(|failure| !failure.is_expected());
        failure
            .is_none_or(|failure| is_of_the_approach(failure) && programmed.is_some_and(|programmed| at < programmed))
    })
}

/// Errors on the wires are a finding whether or not they were got over.
fn is_of_the_approach(failure: &Failure) -> bool {
    let approach =
        [Phase::Open, Phase::ProbeOpen, Phase::Connect, Phase::Halt, Phase::Reset, Phase::Identify, Phase::Read]
            .contains(&failure.phase);
    let on_the_wires =
        [FailureClass::SwdFault, FailureClass::SwdWait, FailureClass::Parity, FailureClass::NoAcknowledge];
    approach && !on_the_wires.contains(&failure.class)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::event::Transport;
    use crate::readers::message::Line;
    use crate::readers::notebook::Notebook;

    /// Whether a report is without a failure whose attempt is written by `tell`.
    fn is_clean(tell: impl Fn(&mut Notebook)) -> bool {
        let mut notebook = Notebook::default();
        notebook.at_work("openocd", Transport::Swd, &LINE);
        tell(&mut notebook);
        let fails = |event: &EventKind| matches!(event, EventKind::CycleFinished(cycle) if cycle.failure().is_some());
        !notebook.into_events().iter().any(fails)
    }

    const LINE: Line<'static> = Line { number: 1, text: "" };

    fn not_halted(notebook: &mut Notebook) {
        notebook.fail(FailureClass::NotHalted, Phase::Halt, "not halted", &LINE);
    }

    #[test]
    fn what_was_got_over_before_the_target_was_programmed_is_no_failure() {
        assert!(is_clean(|notebook| {
            not_halted(notebook);
            notebook.done(Phase::Write, &LINE);
        }));
    }

    #[test]
    fn a_later_failure_an_error_on_the_wires_and_a_complaint_stand() {
        assert!(!is_clean(|notebook| {
            notebook.done(Phase::Write, &LINE);
            not_halted(notebook);
        }));
        assert!(!is_clean(|notebook| {
            notebook.fail(FailureClass::Parity, Phase::Connect, "parity", &LINE);
            notebook.done(Phase::Write, &LINE);
        }));
        assert!(!is_clean(|notebook| {
            notebook.describe(FailureClass::NotHalted, Phase::Halt, "it often does not halt", &LINE);
            notebook.done(Phase::Write, &LINE);
        }));
    }

    #[test]
    fn one_attempt_that_ends_without_a_programmed_target_speaks_for_all() {
        assert!(!is_clean(|notebook| {
            not_halted(notebook);
            notebook.done(Phase::Write, &LINE);
            notebook.start_attempt(&LINE);
            not_halted(notebook);
        }));
    }
}
