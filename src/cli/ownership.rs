//! Whose case it is: what a case keeps of one board is not written to another, and is not mixed with what another holds.

use super::board_choice::Refusal;
use super::exit::ExitCode;
use crate::case::file::{Case, CaseError};
use crate::investigation::kinship::{Kinship, Present};
use crate::investigation::subjects::Subjects;
use crate::investigation::trials::Trials;
use crate::observation::event::Transport;
use crate::profile::device::Devices;

/// What the case tells of its boards as they were found.
pub fn of(case: &Case) -> Result<Subjects, CaseError> {
    let (mut subjects, mut trials) = (Subjects::default(), Trials::default());
    case.for_each(|event| {
        if !trials.takes(&event) {
            subjects.absorb(&event.kind);
        }
    })?;
    Ok(subjects)
}

/// Refuses to continue a case with a campaign whose figures would not go with those it holds. Other boards of one design do.
pub fn demand_own(case: &Case, part: Option<&str>, link: Transport, devices: &Devices) -> Result<(), Refusal> {
    if case.is_empty() {
        return Ok(());
    }
    let subjects = of(case).map_err(|error| Refusal::of(ExitCode::UnreadableInput, &error))?;
    let Some(why) = subjects.refuse(part, link, devices) else { return Ok(()) };
    let text = format!(
        "the case {} cannot be continued so: {why}. Give this campaign a case of its own; `flakescope compare` tests two of them \
         against each other",
        case.path().display()
    );
    Err(Refusal { code: ExitCode::Usage, text })
}

/// Refuses to alter a board on the case of another. What could not be compared is a line for whoever confirms.
pub fn demand(case: &Case, here: &Present<'_>, devices: &Devices) -> Result<Option<String>, Refusal> {
    if case.is_empty() {
        return Ok(None);
    }
    let subjects = of(case).map_err(|error| Refusal::of(ExitCode::UnreadableInput, &error))?;
    match subjects.kinship(here, devices) {
        Kinship::Same => Ok(None),
        Kinship::SamePart(why) => Ok(Some(format!(
            "Whether the case {} is of this very board cannot be told: {why}. Only the part was compared.\n",
            case.path().display()
        ))),
        Kinship::Other { kept, here } => {
            let text = format!(
                "the case {} keeps what {kept} held before it was altered; this board is {here}. What one board held is not \
                 written to another, and two boards are not altered on one case; nothing was changed",
                case.path().display()
            );
            Err(Refusal { code: ExitCode::Usage, text })
        }
    }
}
