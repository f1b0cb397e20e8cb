//! What was altered, as the reports tell it: every alteration with its time and end, and what is left to do.

use crate::campaign::recovery;
use crate::investigation::snapshot::Snapshot;
use crate::link::{reset_witness, witness};
use crate::observation::alteration::{AlterationEnd, AlterationOutcome};
use crate::observation::field_text::FieldText;

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
    let seen = |key: &str| end.seen.iter().find(|fact| fact.key == key);
    let voltage = seen(witness::VOLTAGE).map(|fact| format!("target voltage {} (one reading, after it)", fact.value));
    let flags = [reset_witness::SINCE_CLEARED, reset_witness::SINCE_UNKNOWN].into_iter().find_map(seen).map(|fact| {
        let flags = fact.quote.as_ref().map_or_else(|| fact.value.to_string(), FieldText::for_terminal);
        format!("reset flags {flags}")
    });
    let silent = seen(witness::SILENT).map(|fact| format!("not the clocks: {}", fact.value));
    let told: Vec<_> = [voltage, flags, silent].into_iter().flatten().collect();
    format!("; the probe saw {}", told.join("; "))
}

/// How to bring the board back, if it was left halfway; empty otherwise.
pub fn advice(snapshot: &Snapshot) -> String {
    let case = snapshot.case.as_ref().map_or_else(|| "CASE".to_owned(), |case| case.display().to_string());
    recovery::in_words(&recovery::of(&snapshot.journal, &case))
}
