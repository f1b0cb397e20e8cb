//! Failures drawn together: the same class and step make one line, with the raw codes it was seen under and where it was.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnosis::verdict::FailureLine;
use crate::observation::failure::FailureClass;
use crate::observation::field_text::FieldText;
use crate::observation::step::Phase;
use crate::observation::units::Address;

/// Failures that are alike. Codes may hold addresses or counters, so that they do not tell groups apart.
#[derive(Clone, Debug, PartialEq)]
pub struct FailureGroup {
    pub class: FailureClass,
    pub phase: Phase,
    /// Every code with how often it was seen, the commonest first.
    pub codes: Vec<(FieldText, usize)>,
    /// Every address with how often it was seen, the commonest first.
    pub addresses: Vec<(Address, usize)>,
    /// Alternate settings with the memory behind them.
    pub alternates: BTreeMap<u8, FieldText>,
    /// DFU states that were told last.
    pub states: BTreeSet<String>,
    /// Steps that went well in every boot that failed so.
    pub worked: BTreeSet<Phase>,
    /// Cycles or lines.
    pub at: Vec<u32>,
    pub count: usize,
    /// The median over those that tell.
    pub elapsed_ms: Option<f64>,
}

impl FailureGroup {
    fn of(class: FailureClass, phase: Phase, failures: &[&FailureLine]) -> Self {
        Self {
            class,
            phase,
            codes: counted(failures.iter().filter_map(|failure| failure.code.clone())),
            addresses: counted(failures.iter().filter_map(|failure| failure.address)),
            alternates: failures.iter().filter_map(|failure| failure.alternate.zip(failure.memory.clone())).collect(),
            states: failures.iter().filter_map(|failure| failure.dfu_state.clone()).collect(),
            worked: failures
                .iter()
                .map(|failure| failure.worked.clone())
                .reduce(|all, one| &all & &one)
                .unwrap_or_default(),
            at: failures.iter().filter_map(|failure| failure.line).collect(),
            count: failures.len(),
            elapsed_ms: median(failures.iter().filter_map(|failure| failure.elapsed_ms).collect()),
        }
    }

    /// `0x1FFF7800 in alternate setting 1 (Option Bytes), told dfuERROR`, as far as it is known.
    pub fn place_in_words(&self, escape: impl Fn(&FieldText) -> String) -> Option<String> {
        let mut words = match self.addresses.as_slice() {
            [] => String::new(),
            [(address, _)] => address.to_string(),
            [(address, _), (other, _)] => format!("{address} and {other}"),
            [(address, _), rest @ ..] => format!("{address} and {} other addresses", rest.len()),
        };
        let alternates: Vec<_> =
            self.alternates.iter().map(|(number, memory)| format!("{number} ({})", escape(memory))).collect();
        if !alternates.is_empty() {
            let plural = if alternates.len() == 1 { "" } else { "s" };
            let joint = if words.is_empty() { "" } else { " in " };
            words = format!("{words}{joint}alternate setting{plural} {}", alternates.join(", "));
        }
        if !self.states.is_empty() {
            let states: Vec<_> = self.states.iter().map(String::as_str).collect();
            let joint = if words.is_empty() { "" } else { ", " };
            words = format!("{words}{joint}last state {}", states.join(" or "));
        }
        (!words.is_empty()).then_some(words)
    }

    /// What still went well in the same boots.
    pub fn worked_in_words(&self) -> Option<String> {
        let phases: Vec<_> = self.worked.iter().map(|phase| phase.name()).collect();
        (!phases.is_empty()).then(|| phases.join(", "))
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

/// Every value with how often it occurs, the commonest first; equally common ones in the order in which they were seen.
fn counted<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<(T, usize)> {
    let mut counts: Vec<(T, usize)> = Vec::new();
    for value in values {
        match counts.iter_mut().find(|(known, _)| *known == value) {
            Some((_, count)) => *count += 1,
            None => counts.push((value, 1)),
        }
    }
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
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
    use crate::observation::failure::{DfuStand, Failure};

    fn line(class: FailureClass, number: u32, elapsed_ms: Option<f64>, code: &str) -> FailureLine {
        let failure = Failure::new(class, Phase::Read).with_code(code);
        FailureLine { elapsed_ms, ..FailureLine::of(&failure, Some(number)) }
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

    #[test]
    fn a_group_says_where_it_was_and_what_worked_in_all_its_boots() {
        let stand = |alternate| DfuStand {
            alternate: Some((alternate, "Option Bytes".into())),
            state: Some("dfuERROR".to_owned()),
        };
        let failed = |address, alternate, worked: &[Phase]| {
            let failure = Failure::new(FailureClass::Stall, Phase::OptionBytes).at(Address(address));
            FailureLine {
                worked: worked.iter().copied().collect(),
                ..FailureLine::of(&failure.standing(stand(alternate)), Some(1))
            }
        };
        let one = failed(0x1fff_7800, 1, &[Phase::Layout, Phase::Read]);
        let group = &grouped(std::slice::from_ref(&one))[0];
        let place = group.place_in_words(FieldText::for_terminal).unwrap();
        assert_eq!(place, "0x1FFF7800 in alternate setting 1 (Option Bytes), last state dfuERROR");
        assert_eq!(group.worked_in_words().unwrap(), "layout, read");

        let group = &grouped(&[one.clone(), one, failed(0x1fff_f800, 2, &[Phase::Layout])])[0];
        let place = group.place_in_words(FieldText::for_terminal).unwrap();
        let both = "0x1FFF7800 and 0x1FFFF800 in alternate settings 1 (Option Bytes), 2 (Option Bytes)";
        assert_eq!(place, format!("{both}, last state dfuERROR"));
        assert_eq!(group.worked_in_words().unwrap(), "layout");
        assert_eq!(
            grouped(&[line(FailureClass::Stall, 1, None, "a")])[0].place_in_words(FieldText::for_terminal),
            None
        );
    }
}
