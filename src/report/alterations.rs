//! What was altered, as the reports tell it: every alteration with its time and end, and what is left to do.

use crate::campaign::recovery;
use crate::investigation::snapshot::Snapshot;
use crate::observation::alteration::{AlterationEnd, AlterationOutcome};
use crate::observation::fact::{Fact, FactValue};

/// One alteration in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub text: String,
    pub bad: bool,
}

/// Every line of the journal, the latest last; repeated good ones are counted together.
pub fn told(snapshot: &Snapshot) -> Vec<Told> {
    const SHOWN: usize = 12;
    let lines = snapshot.journal.lines();
    let hidden = lines.len().saturating_sub(SHOWN);
    let mut told = Vec::new();
    if hidden > 0 {
        told.push(Told { text: format!("{hidden} alterations before these"), bad: false });
    }
    for line in &lines[hidden..] {
        told.push(match &line.end {
            Some(end) => Told {
                text: format!("{}: {end}{}", line.note, witness(end)),
                bad: end.outcome != AlterationOutcome::Done,
            },
            None => Told { text: format!("{}: no end was written", line.note), bad: true },
        });
    }
    told
}

/// Supply and reset cause at the moment of a failure, or why they are not known.
fn witness(end: &AlterationEnd) -> String {
    if !matches!(end.outcome, AlterationOutcome::Failed(_)) {
        return String::new();
    }
    if end.seen.is_empty() {
        return "; supply voltage and reset cause: not observable, no probe looked on".to_owned();
    }
    let shown = |fact: &Fact| match &fact.value {
        FactValue::Volts(volts) => format!("{} {volts:.2} V", fact.key),
        FactValue::Text(text) => format!("{} {}", fact.key, text.for_terminal()),
        FactValue::Flag(flag) => format!("{} {flag}", fact.key),
        FactValue::Number(number) => format!("{} {number}", fact.key),
        FactValue::FrequencyMhz(_) | FactValue::Address(_) | FactValue::Bytes(_) => fact.key.clone(),
    };
    format!("; the probe saw {}", end.seen.iter().map(shown).collect::<Vec<_>>().join(", "))
}

/// How to bring the board back, if it was left halfway; empty otherwise.
pub fn advice(snapshot: &Snapshot) -> String {
    let case = snapshot.case.as_ref().map_or_else(|| "CASE".to_owned(), |case| case.display().to_string());
    recovery::in_words(&recovery::of(&snapshot.journal, &case))
}
