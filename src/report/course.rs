//! What a log shows to have been done, attempt by attempt: every step with its time, and where each error stands.

use crate::investigation::triage::CourseStep;
use crate::observation::failure::Failure;
use crate::observation::field_text::FieldText;
use crate::observation::step::Phase;
use crate::observation::units::Micros;

/// Attempts that are told; the last ones, which the report is about.
const ATTEMPTS_SHOWN: usize = 6;

/// One line per attempt, ready for a terminal; nothing where a report tells no course, as one in plain prose.
pub fn in_words(course: &[Vec<CourseStep>]) -> Vec<String> {
    let tells = |steps: &&Vec<CourseStep>| steps.iter().any(|step| step.failure.is_none());
    let telling: Vec<_> = course.iter().filter(tells).collect();
    let left = telling.len().saturating_sub(ATTEMPTS_SHOWN);
    let mut lines: Vec<_> = telling.iter().skip(left).map(|steps| attempt(steps)).collect();
    if left > 0 {
        lines.insert(0, format!("({left} earlier attempts are not shown)"));
    }
    lines
}

fn attempt(steps: &[CourseStep]) -> String {
    let mut told: Vec<&CourseStep> = Vec::new();
    for step in steps {
        // One line of a log that ends two steps is one error.
        if !told.iter().any(|before| is_same_error(before, step)) {
            told.push(step);
        }
    }
    told.into_iter().map(step).collect::<Vec<_>>().join("; ")
}

fn is_same_error(one: &CourseStep, other: &CourseStep) -> bool {
    let place = |step: &CourseStep| step.failure.as_ref().map(|failure| (failure.line, failure.code.clone()));
    place(one).is_some_and(|place| place.0.is_some()) && place(one) == place(other)
}

/// `fus-delete (1.00 s)`, `fus-upgrade FAILED after 4.00 s: FUS_IMAGE_WRTERROR [line 66]`
fn step(step: &CourseStep) -> String {
    let phase = if step.phase == Phase::Unknown { "afterwards" } else { step.phase.name() };
    // Stamps of whole seconds leave short steps without a time.
    match (&step.failure, step.elapsed.filter(|elapsed| *elapsed > Micros::ZERO)) {
        (None, None) => phase.to_owned(),
        (None, Some(elapsed)) => format!("{phase} ({elapsed})"),
        (Some(failure), elapsed) => {
            let word = if failure.is_expected() { "ended as it should" } else { "FAILED" };
            let after = elapsed.map(|elapsed| format!(" after {elapsed}")).unwrap_or_default();
            format!("{phase} {word}{after}: {}{}", code(failure), line(failure))
        }
    }
}

fn code(failure: &Failure) -> String {
    failure.code.as_ref().map_or_else(|| failure.class.name().to_owned(), FieldText::for_terminal)
}

fn line(failure: &Failure) -> String {
    failure.line.map(|line| format!(" [line {line}]")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::failure::FailureClass;

    fn done(phase: Phase, elapsed: Option<Micros>) -> CourseStep {
        CourseStep { phase, elapsed, failure: None }
    }

    #[test]
    fn an_error_stands_in_its_phase_with_its_time_and_line() {
        let failure = Failure { line: Some(66), ..Failure::new(FailureClass::FusStatus, Phase::FusUpgrade) };
        let failed = CourseStep {
            phase: Phase::FusUpgrade,
            elapsed: Some(Micros::from_secs(4)),
            failure: Some(failure.with_code("FUS_IMAGE_WRTERROR")),
        };
        let again = CourseStep { phase: Phase::FusState, ..failed.clone() };
        let write = done(Phase::Write, Some(Micros::ZERO));
        let course = [vec![done(Phase::FusDelete, Some(Micros::from_secs(1))), write, failed, again]];
        let told = "fus-delete (1.00 s); write; fus-upgrade FAILED after 4.00 s: FUS_IMAGE_WRTERROR [line 66]";
        assert_eq!(in_words(&course), [told]);
    }

    #[test]
    fn prose_has_no_course_and_a_long_one_tells_its_end() {
        let failed = CourseStep {
            phase: Phase::Read,
            elapsed: None,
            failure: Some(Failure::new(FailureClass::Timeout, Phase::Read)),
        };
        assert!(in_words(&[vec![failed]]).is_empty());
        let many = vec![vec![done(Phase::Open, None), done(Phase::Read, None)]; 8];
        let told = in_words(&many);
        assert_eq!((told.len(), told[0].as_str()), (7, "(2 earlier attempts are not shown)"));
    }
}
