//! Failures drawn together: the same class, step and code make one line with a count.

use crate::diagnosis::verdict::FailureLine;
use crate::observation::failure::FailureClass;
use crate::observation::field_text::FieldText;
use crate::observation::step::Phase;

/// Failures that are alike.
#[derive(Clone, Debug, PartialEq)]
pub struct FailureGroup {
    pub class: FailureClass,
    pub phase: Phase,
    pub code: Option<FieldText>,
    /// Cycles or lines.
    pub at: Vec<u32>,
    pub count: usize,
    /// The median over those that tell.
    pub elapsed_ms: Option<f64>,
}

/// The commonest first; equally common ones in the order in which they were seen.
pub fn grouped(failures: &[FailureLine]) -> Vec<FailureGroup> {
    let mut groups: Vec<(FailureGroup, Vec<f64>)> = Vec::new();
    for failure in failures {
        let known = groups.iter_mut().find(|(group, _)| {
            group.class == failure.class && group.phase == failure.phase && group.code == failure.code
        });
        let (group, elapsed) = match known {
            Some(known) => known,
            None => {
                groups.push((empty_group(failure), Vec::new()));
                groups.last_mut().expect("one was just added")
            }
        };
        group.count += 1;
        group.at.extend(failure.line);
        elapsed.extend(failure.elapsed_ms);
    }
    let mut groups: Vec<_> =
        groups.into_iter().map(|(group, elapsed)| FailureGroup { elapsed_ms: median(elapsed), ..group }).collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    groups
}

fn empty_group(failure: &FailureLine) -> FailureGroup {
    FailureGroup {
        class: failure.class,
        phase: failure.phase,
        code: failure.code.clone(),
        at: Vec::new(),
        count: 0,
        elapsed_ms: None,
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(class: FailureClass, number: u32, elapsed_ms: Option<f64>) -> FailureLine {
        FailureLine { class, phase: Phase::Read, code: None, line: Some(number), elapsed_ms }
    }

    #[test]
    fn failures_that_are_alike_make_one_group_and_the_commonest_leads() {
        let groups = grouped(&[
            line(FailureClass::Stall, 1, None),
            line(FailureClass::Timeout, 2, Some(4.0)),
            line(FailureClass::Timeout, 5, Some(2.0)),
            line(FailureClass::Timeout, 6, None),
        ]);
        assert_eq!(groups.len(), 2);
        assert_eq!((groups[0].class, groups[0].count), (FailureClass::Timeout, 3));
        assert_eq!(groups[0].at, [2, 5, 6]);
        assert_eq!(groups[0].elapsed_ms, Some(3.0));
        assert_eq!(groups[1].elapsed_ms, None);
    }
}
