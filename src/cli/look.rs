//! A look at the board before it is altered: who it is, how its memory lies, what its option bytes say.

use crate::dfu::layout::{Area, Layout};
use crate::link::Link;
use crate::link::session::alter::SAVED;
use crate::observation::fact::FactValue;
use crate::observation::step::{Outcome, Step, StepRecord};
use crate::observation::units::{Address, Micros};
use crate::profile::option_bytes::Reading;

use super::board_choice::Refusal;
use super::exit::ExitCode;

/// What was seen. Nothing of it was changed.
#[derive(Debug, Default)]
pub struct Look {
    pub layouts: Vec<Layout>,
    /// Area by area.
    pub option_bytes: Vec<Reading>,
}

const STEP: Micros = Micros::from_secs(10);
const ARRIVAL: Micros = Micros::from_secs(15);

impl Look {
    /// Leaves the board closed, as it was found.
    pub fn at(link: &mut dyn Link) -> Result<Self, Refusal> {
        perform(link, &Step::Enumerate, ARRIVAL)?;
        for step in [Step::Open, Step::Claim, Step::Descriptors, Step::Layout, Step::Status] {
            perform(link, &step, STEP)?;
        }
        let layouts: Vec<_> = link.identity().layouts.iter().map(Layout::parse).collect();
        let mut look = Self { layouts, option_bytes: Vec::new() };
        for (address, length_bytes) in look.areas(Area::OptionBytes) {
            let record = perform(link, &Step::Save { address, length_bytes }, STEP)?;
            let bytes = record.facts.into_iter().find(|fact| fact.key == SAVED).map(|fact| fact.value);
            if let Some(FactValue::Bytes(bytes)) = bytes {
                look.option_bytes.push(Reading { address, bytes });
            }
        }
        perform(link, &Step::Close, STEP)?;
        Ok(look)
    }

    fn areas(&self, area: Area) -> Vec<(Address, u32)> {
        let groups = self.layouts.iter().filter(|layout| layout.area() == area).flat_map(|layout| &layout.groups);
        groups.filter_map(|group| Some((group.address, u32::try_from(group.size_bytes()).ok()?))).collect()
    }
}

fn perform(link: &mut dyn Link, step: &Step, deadline: Micros) -> Result<StepRecord, Refusal> {
    let record = link.perform(step, deadline);
    let Outcome::Failed(failure) = &record.outcome else { return Ok(record) };
    let code = failure.code.as_ref().map(|code| format!(" ({})", code.for_terminal())).unwrap_or_default();
    let text = format!(
        "the board could not be looked at before altering it: {} in {}{code}. {} A board that does not answer well is not written \
         to; `flakescope run` finds out why.",
        failure.class,
        failure.phase,
        failure.class.meaning()
    );
    Err(Refusal { code: ExitCode::NoSuchBoard, text })
}
