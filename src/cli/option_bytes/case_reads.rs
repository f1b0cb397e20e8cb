//! The reads of option bytes that a case has kept, each by itself.

use std::path::Path;

use crate::case::file::Case;
use crate::cli::board_choice::Refusal;
use crate::cli::console::Console;
use crate::cli::exit::ExitCode;
use crate::cli::reading;
use crate::dfu::layout::{self, Area, Layout};
use crate::investigation::option_facts;
use crate::observation::event::EventKind;
use crate::observation::fact::{Fact, FactValue};
use crate::observation::units::Address;
use crate::profile::device::Device;
use crate::profile::option_bytes::Reading;

/// Oldest first; `None` where the file is no case.
pub fn of(path: &Path, device: &Device, console: &mut Console) -> Result<Option<Vec<Vec<Reading>>>, Refusal> {
    if !reading::is_case(path) {
        return Ok(None);
    }
    let mut reads = Vec::new();
    let case = Case::open(path).map_err(|error| Refusal::of(ExitCode::UnreadableInput, &error))?;
    let folded = case.for_each(|event| {
        if let EventKind::CycleFinished(cycle) = &event.kind {
            let mut areas = Vec::new();
            for step in &cycle.steps {
                note_layouts(&step.facts, &mut areas);
                reads.extend(option_facts::readings(&step.facts, device, &areas));
            }
        }
    });
    folded.map_err(|error| Refusal::of(ExitCode::UnreadableInput, &error))?;
    if reads.is_empty() {
        console.error(&format!("{}: no cycle of this case has read option bytes", path.display()));
        return Err(Refusal::told(ExitCode::UnreadableInput));
    }
    Ok(Some(reads))
}

/// What the board itself said about where its option bytes lie.
fn note_layouts(facts: &[Fact], areas: &mut Vec<(Address, u32)>) {
    for fact in facts.iter().filter(|fact| fact.key == "layout") {
        if let FactValue::Text(text) = &fact.value {
            areas.extend(layout::areas(&[Layout::parse(text)], Area::OptionBytes));
        }
    }
}
