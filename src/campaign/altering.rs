//! How the runner alters: the journal is written before and after, and nothing is altered on top of a failure.

use super::journal::Journal;
use super::runner::{CampaignError, Runner};
use crate::link::session::alter::SAVED;
use crate::observation::alteration::{Alteration, AlterationEnd, AlterationOutcome, Payload};
use crate::observation::event::EventKind;
use crate::observation::fact::{Fact, FactValue};
use crate::observation::failure::{Failure, FailureClass};
use crate::observation::field_text::FieldText;
use crate::observation::step::{Outcome, Step, StepRecord};
use crate::observation::units::{Address, Micros};

/// Whether a step of an altering recipe is to be left out after what happened before it in the same cycle.
pub fn is_unwise(done: &[StepRecord], step: &Step, journal: &Journal) -> bool {
    let is_altered = |address: Address| journal.scratch().is_some_and(|scratch| scratch.address == address);
    match step {
        // What an altered range holds now is not worth keeping, and what it held before must not be lost.
        Step::Save { address, .. } => is_altered(*address),
        // Putting back is right after any failure, and pointless where nothing was altered.
        Step::Alter(Alteration::Restore { address, .. }) => !is_altered(*address),
        Step::Alter(_) | Step::Verify { .. } => done.iter().any(|record| record.outcome != Outcome::Done),
        _ => false,
    }
}

/// A step that was performed, and what a probe beside the link saw at once after it failed, if it was asked then.
#[derive(Debug)]
pub struct Performed {
    pub record: StepRecord,
    pub seen: Vec<Fact>,
}

impl From<StepRecord> for Performed {
    fn from(record: StepRecord) -> Self {
        Self { record, seen: Vec::new() }
    }
}

impl Runner<'_> {
    /// The beginning is durable before the board is touched, and the end before anything else is done to it.
    pub(super) fn alter(&mut self, alteration: &Alteration, deadline: Micros) -> Result<Performed, CampaignError> {
        let Some(alteration) = self.complete(alteration) else { return Ok(self.nothing_saved(alteration).into()) };
        self.emit(EventKind::AlterationBegan(alteration.note()))?;
        let record = self.link.perform(&Step::Alter(alteration), deadline);
        let mut end = end_of(&record);
        if matches!(end.outcome, AlterationOutcome::Failed(_)) {
            end.seen = self.link.look();
        }
        let seen = end.seen.clone();
        self.emit(EventKind::AlterationEnded(end))?;
        Ok(Performed { record, seen })
    }

    pub(super) fn save(
        &mut self,
        step: &Step,
        address: Address,
        deadline: Micros,
    ) -> Result<StepRecord, CampaignError> {
        let mut record = self.link.perform(step, deadline);
        let saved = record.facts.iter().position(|fact| fact.key == SAVED).map(|at| record.facts.remove(at).value);
        if let Some(FactValue::Bytes(bytes)) = saved {
            let data = Payload::new(bytes);
            if self.journal.saved(address) != Some(&data) {
                self.emit(EventKind::MemorySaved { address, data })?;
            }
        }
        Ok(record)
    }

    /// Fills in what a range is to be given back; `None` if the case has not saved it.
    fn complete(&self, alteration: &Alteration) -> Option<Alteration> {
        match alteration {
            Alteration::Restore { address, data } if data.bytes().is_empty() => {
                let data = self.journal.saved(*address)?.clone();
                Some(Alteration::Restore { address: *address, data })
            }
            other => Some(other.clone()),
        }
    }

    fn nothing_saved(&self, alteration: &Alteration) -> StepRecord {
        let phase = alteration.phase();
        let failure = Failure::new(FailureClass::BadArguments, phase);
        let failure = failure.with_code("this case has not saved what the range held");
        StepRecord {
            phase,
            started: Some(self.link.now()),
            elapsed: Some(Micros::ZERO),
            outcome: Outcome::Failed(failure),
            summary: Default::default(),
            transfers: Vec::new(),
            facts: Vec::new(),
        }
    }
}

pub fn end_of(record: &StepRecord) -> AlterationEnd {
    let outcome = match &record.outcome {
        Outcome::Done => AlterationOutcome::Done,
        Outcome::Failed(failure) => {
            let words = failure.code.clone().unwrap_or_else(|| FieldText::from(failure.class.name()));
            // The gate and the scope refuse before anything is sent.
            if failure.class == FailureClass::BadArguments {
                AlterationOutcome::NotBegun(words)
            } else {
                AlterationOutcome::Failed(words)
            }
        }
        Outcome::Skipped | Outcome::Interrupted => AlterationOutcome::Failed(FieldText::from("interrupted")),
    };
    AlterationEnd { elapsed: record.elapsed, outcome, seen: Vec::new() }
}
