//! Events in words, one line each, for the tail on the screen and the verbose log.

use super::snapshot::TailLine;
use crate::evidence::experiment::{CONDITIONS, OUTCOME};
use crate::evidence::finding::Unit;
use crate::observation::alteration::AlterationOutcome;
use crate::observation::cycle::Cycle;
use crate::observation::event::{Event, EventKind};
use crate::observation::fact::{Fact, FactValue, Origin};
use crate::observation::failure::Failure;
use crate::observation::field_text::FieldText;

/// The line for an event; some events are of no interest to a person.
pub fn line(event: &Event) -> Option<TailLine> {
    let (text, bad) = match &event.kind {
        EventKind::CampaignStarted(start) => (
            format!(
                "campaign: {} of {}, recipe {}",
                Unit::Boot.count(start.boots.into()),
                Unit::Cycle.count(start.cycles_per_boot.into()),
                start.recipe
            ),
            false,
        ),
        EventKind::SessionStarted(session) => (format!("session of {} at line {}", session.tool, session.line), false),
        EventKind::BoardSeen(board) => {
            let serial = board.serial.as_ref().map_or("no serial number".to_owned(), |serial| serial.raw().to_owned());
            let port = board.port.as_ref().map(|port| format!(" on port {port}")).unwrap_or_default();
            (format!("board{port}: {serial}"), false)
        }
        EventKind::BootStarted(boot) => (format!("boot {}: {}, {}", boot.number, boot.kind, boot.proof.name()), false),
        EventKind::CycleFinished(cycle) => cycle_line(cycle)?,
        EventKind::FactNoted(fact) => (fact_in_words(fact), false),
        EventKind::HostMessage(text) => (format!("kernel: {}", text.raw()), false),
        EventKind::Note(text) => (format!("note: {}", text.raw()), false),
        EventKind::MemorySaved { address, data } => (format!("saved {} bytes at {address}", data.len_bytes()), false),
        EventKind::AlterationBegan(note) => (format!("altering: {note}"), false),
        EventKind::AlterationEnded(end) => (format!("altering: {end}"), end.outcome != AlterationOutcome::Done),
        EventKind::CampaignEnded { interrupted: false } => ("campaign ended as planned".to_owned(), false),
        EventKind::CampaignEnded { interrupted: true } => ("campaign interrupted".to_owned(), false),
    };
    Some(TailLine { at: event.at, text: FieldText::new(text), bad })
}

/// What experiments show is told in full; other facts by their name.
fn fact_in_words(fact: &Fact) -> String {
    match (&fact.value, &fact.quote) {
        (FactValue::Text(name), _) if fact.key == CONDITIONS && name.is_empty() => {
            "the board is as found again".to_owned()
        }
        (FactValue::Text(name), _) if fact.key == CONDITIONS => format!("under the conditions of {}", name.raw()),
        (_, Some(said)) if fact.key.starts_with(OUTCOME) => {
            format!("{}: {}", &fact.key[OUTCOME.len()..], said.raw())
        }
        (FactValue::Volts(_), Some(said)) if fact.origin == Origin::Operator => {
            format!("measured: {} {}", fact.key, said.raw())
        }
        _ => format!("noted: {}", fact.key),
    }
}

/// Good cycles are in the strip; only those that went wrong are told.
fn cycle_line(cycle: &Cycle) -> Option<(String, bool)> {
    if cycle.is_interrupted() {
        return Some((format!("cycle {}: interrupted", cycle.number), false));
    }
    let failure = cycle.failure()?;
    Some((format!("cycle {}: {}", cycle.number, failure_in_words(failure)), true))
}

/// `stall in read at 0x08000000 (LIBUSB_ERROR_PIPE) after 1.20 ms`
pub fn failure_in_words(failure: &Failure) -> String {
    let at = failure.address.map(|address| format!(" at {address}")).unwrap_or_default();
    let code = failure.code.as_ref().map(|code| format!(" ({})", code.for_terminal())).unwrap_or_default();
    let after = failure.elapsed.map(|elapsed| format!(" after {elapsed}")).unwrap_or_default();
    format!("{} in {}{at}{code}{after}", failure.class, failure.phase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::failure::FailureClass;
    use crate::observation::step::Phase;
    use crate::observation::units::{Address, Micros};

    #[test]
    fn a_failure_is_told_with_place_code_and_time() {
        let failure = Failure::new(FailureClass::Stall, Phase::Read)
            .with_code("LIBUSB_ERROR_PIPE")
            .at(Address(0x0800_0000))
            .after(Micros(1_200));
        assert_eq!(failure_in_words(&failure), "stall in read at 0x08000000 (LIBUSB_ERROR_PIPE) after 1.20 ms");
    }
}
