//! Failures drawn together: the same class and step make one line, with the raw codes it was seen under.

use crate::diagnosis::verdict::FailureLine;
use crate::observation::failure::FailureClass;
use crate::observation::field_text::FieldText;
use crate::observation::step::Phase;

/// Failures that are alike. Codes may hold addresses or counters, so that they do not tell groups apart.
#[derive(Clone, Debug, PartialEq)]
pub struct FailureGroup {
    pub class: FailureClass,
    pub phase: Phase,
    /// Every code with how often it was seen, the commonest first.
    pub codes: Vec<(FieldText, usize)>,
    /// Cycles or lines.
    pub at: Vec<u32>,
    pub count: usize,
    /// The median over those that tell.
    pub elapsed_ms: Option<f64>,
}

impl FailureGroup {
    fn of(class: FailureClass, phase: Phase, failures: &[&FailureLine]) -> Self {
        let mut codes: Vec<(FieldText, usize)> = Vec::new();
        for code in failures.iter().filter_map(|failure| failure.code.as_ref()) {
            match codes.iter_mut().find(|(known, _)| known == code) {
                Some((_, count)) => *count += 1,
                None => codes.push((code.clone(), 1)),
            }
        }
        codes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Self {
            class,
            phase,
            codes,
            at: failures.iter().filter_map(|failure| failure.line).collect(),
            count: failures.len(),
            elapsed_ms: median(failures.iter().filter_map(|failure| failure.elapsed_ms).collect()),
        }
    }

    /// The commonest codes in the escape of an output, and how many others there were; `no code` where there is none.
    pub fn codes_in_words(&self, most: usize, escape: impl Fn(&FieldText) -> String) -> String {
        let mut words: Vec<_> = self.codes.iter().take(most).map(|(code, _)| escape(code)).collect();
        match self.codes.len().saturating_sub(most) {
            0 => {}
            1 => words.push("1 other code".to_owned()),
            left => words.push(format!("{left} other codes")),
        }
        if words.is_empty() { "no code".to_owned() } else { words.join("; ") }
    }
}

/// The commonest first; equally common ones in the order in which they were seen.
pub fn grouped(failures: &[FailureLine]) -> Vec<FailureGroup> {
    let mut groups: Vec<((FailureClass, Phase), Vec<&FailureLine>)> = Vec::new();
    for failure in failures {
        let kind = (failure.class, failure.phase);
        match groups.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, members)) => members.push(failure),
            None => groups.push((kind, vec![failure])),
        }
    }
    let mut groups: Vec<_> =
        groups.iter().map(|((class, phase), members)| FailureGroup::of(*class, *phase, members)).collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    groups
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

    fn line(class: FailureClass, number: u32, elapsed_ms: Option<f64>, code: &str) -> FailureLine {
        FailureLine { class, phase: Phase::Read, code: Some(code.into()), line: Some(number), elapsed_ms }
    }

    #[test]
    fn failures_that_are_alike_make_one_group_and_the_commonest_leads() {
        let groups = grouped(&[
            line(FailureClass::Stall, 1, None, "a"),
            line(FailureClass::Timeout, 2, Some(4.0), "at 17"),
            line(FailureClass::Timeout, 5, Some(2.0), "at 18"),
            line(FailureClass::Timeout, 6, None, "at 18"),
        ]);
        assert_eq!(groups.len(), 2);
        assert_eq!((groups[0].class, groups[0].count), (FailureClass::Timeout, 3));
        assert_eq!(groups[0].at, [2, 5, 6]);
        assert_eq!(groups[0].elapsed_ms, Some(3.0));
        assert_eq!(groups[0].codes_in_words(2, FieldText::for_terminal), "at 18; at 17");
        assert_eq!(groups[0].codes_in_words(1, FieldText::for_terminal), "at 18; 1 other code");
        assert_eq!(groups[1].elapsed_ms, None);
    }
}
