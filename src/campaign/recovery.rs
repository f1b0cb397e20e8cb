//! What to do with a board that a case left altered: the state in a sentence, and the way out.

use std::fmt::Write as _;

use super::journal::{Image, Journal, Stack};
use super::recipe::Recipe;
use crate::observation::alteration::{Alteration, Place};
use crate::observation::step::Phase;

/// One thing that was left undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    pub state: Left,
    /// How the board is now, as far as it is known.
    pub text: String,
    /// What to do, first things first.
    pub todo: Vec<String>,
}

/// The states in one word each, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Left {
    /// Contents of the scratch range are saved in the case and not back on the board.
    ScratchAltered,
    StackMissing,
    /// Deleting was begun and its end was not seen.
    StackPerhapsDeleted,
    /// Installing was begun and its end was not seen.
    InstallationUnknown,
    InstallationFailed,
    OptionBytesUncertain,
    /// The place of an image is erased or half written; nothing else is known to be touched.
    ImageIncomplete,
}

/// Everything that was left undone; empty for a case that altered nothing or ended well. `case` is how the file is called.
pub fn of(journal: &Journal, case: &str) -> Vec<Recovery> {
    [scratch(journal, case), options(journal, case), coprocessor(journal, case)].into_iter().flatten().collect()
}

/// Whether a recipe may still be run on such a board without losing what could be put back: its steps decide, whatever it is called.
pub fn allows(left: &[Recovery], recipe: &Recipe) -> bool {
    let is_in_the_way = |state: Left, alteration: &Alteration| match state {
        Left::ScratchAltered => !puts_back(alteration),
        Left::StackMissing
        | Left::StackPerhapsDeleted
        | Left::InstallationUnknown
        | Left::InstallationFailed
        | Left::ImageIncomplete => !is_of_coprocessor(alteration) && !puts_back(alteration),
        Left::OptionBytesUncertain => true,
    };
    recipe.alterations().all(|alteration| !left.iter().any(|it| is_in_the_way(it.state, alteration)))
}

/// It touches nothing but a range that this case has altered and whose contents it holds.
fn puts_back(alteration: &Alteration) -> bool {
    matches!(alteration, Alteration::Restore { .. })
}

fn is_of_coprocessor(alteration: &Alteration) -> bool {
    match alteration {
        Alteration::Erase { place, .. } | Alteration::Write { place, .. } => *place == Place::Image,
        Alteration::FusDelete | Alteration::FusInstall | Alteration::FusStart => true,
        Alteration::Restore { .. } | Alteration::OptionBytes { .. } => false,
    }
}

/// The whole advice as people read it.
pub fn in_words(left: &[Recovery]) -> String {
    let mut text = String::new();
    for recovery in left {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "The board was left altered: {}", recovery.text);
        recovery.todo.iter().enumerate().for_each(|(n, todo)| {
            let _ = writeln!(text, "  {}. {todo}", n + 1);
        });
    }
    text
}

fn scratch(journal: &Journal, case: &str) -> Option<Recovery> {
    let scratch = journal.scratch()?;
    let (address, length) = (scratch.address, scratch.length_bytes);
    let open = journal.open().filter(|note| matches!(note.place, Some(Place::Scratch | Place::Restored)));
    let text = match open {
        Some(note) => format!(
            "it was about to {note} when the program ended, so that the range may be as it was, erased, or partly written."
        ),
        None => format!("the scratch range at {address}, {length} bytes, does not hold what it held before."),
    };
    let text = if journal.saved(address).is_some() {
        format!("{text} What it held before is in the case.")
    } else {
        format!("{text} Its contents were not saved.")
    };
    let todo = vec![format!(
        "flakescope run --recipe scratch-restore --scratch {address}:{length} --case {case} --write  (erases it, puts the contents back and reads them)"
    )];
    Some(Recovery { state: Left::ScratchAltered, text, todo })
}

fn options(journal: &Journal, case: &str) -> Option<Recovery> {
    let (address, options) = journal.options().next()?;
    let how = match &options.why {
        None => "the program ended while they were being written".to_owned(),
        Some(why) => format!("writing them ended in {why}"),
    };
    let text = format!(
        "the option bytes at {address} hold the old values, the new ones, or, if the supply failed at that moment, damaged \
         ones: {how}."
    );
    // One register of four bytes was written over SWD; an area over DFU is longer.
    let over_swd = options.wanted.len_bytes() == 4;
    let (recipe, link) = if over_swd { ("swd-option-bytes", " --link swd") } else { ("option-bytes", "") };
    let todo = vec![
        "do not switch the board off before they were read: damaged option bytes take effect at the next reset"
            .to_owned(),
        format!(
            "flakescope run --recipe {recipe}{link} --boots 1 --cycles 1 --case LOOK.case, then flakescope option-bytes show LOOK.case --part PART"
        ),
        format!("flakescope option-bytes restore {case}{link} --write  (writes the values from before)"),
    ];
    Some(Recovery { state: Left::OptionBytesUncertain, text, todo })
}

const ASK: &str = "leave the power on, wait a minute, and ask: flakescope run --recipe fus-state --boots 1 --cycles 1";

fn coprocessor(journal: &Journal, case: &str) -> Option<Recovery> {
    let install = format!(
        "flakescope run --recipe fus-install --image FILE --release R --case {case} --write  (downloads, verifies, installs)"
    );
    let steady =
        "use a bench supply for it if you can: a weak supply is the first suspect, though that is a hypothesis"
            .to_owned();
    let image = match journal.image() {
        Image::Untouched => "",
        Image::Incomplete => " The image in flash is incomplete.",
        Image::Downloaded => " The image in flash was downloaded to its end.",
    };
    let (state, text, todo) = match journal.stack() {
        Stack::Untouched | Stack::Installed => return image_alone(journal, install),
        Stack::Deleted => (
            Left::StackMissing,
            format!(
                "it has no wireless stack: the old one was deleted and none was installed after it.{image} ROM, upgrade \
                 service and application flash are as they were; an application that needs the radio will not work."
            ),
            vec![install],
        ),
        Stack::DeleteUncertain(None) => (
            Left::StackPerhapsDeleted,
            "it was told to delete the wireless stack, and the end was not seen: the stack is there or it is not."
                .to_owned(),
            vec![ASK.to_owned(), format!("when it is idle: {install}")],
        ),
        Stack::DeleteUncertain(Some(why)) => (
            Left::StackPerhapsDeleted,
            format!("deleting the wireless stack ended in {why}: the stack is there or it is not."),
            vec![ASK.to_owned(), steady, format!("when it is idle: {install}")],
        ),
        Stack::InstallUncertain(None) => (
            Left::InstallationUnknown,
            format!("it was told to install the image, and the end was not seen.{image}"),
            vec![
                ASK.to_owned(),
                "idle without an error, or STATE_NOT_RUNNING because the stack runs, means that it is installed"
                    .to_owned(),
                format!("an error means that it is not: {install}"),
            ],
        ),
        Stack::InstallUncertain(Some(why)) => (
            Left::InstallationFailed,
            format!("it has no working wireless stack: installing ended in {why}.{image} The ROM still answers."),
            vec![
                "flakescope fus check IMAGE --part PART --release R  (address, version, size)".to_owned(),
                steady,
                install,
            ],
        ),
    };
    Some(Recovery { state, text, todo })
}

/// An image that was being downloaded while the stack was not touched by this case.
fn image_alone(journal: &Journal, install: String) -> Option<Recovery> {
    if journal.image() != Image::Incomplete {
        return None;
    }
    let open = journal.open().filter(|note| matches!(note.phase, Phase::Erase | Phase::Write));
    let how =
        open.map_or_else(|| "erased or partly written".to_owned(), |note| format!("uncertain: it was about to {note}"));
    let text = format!("the place of the image is {how}; the wireless stack was not touched after that.");
    Some(Recovery { state: Left::ImageIncomplete, text, todo: vec![install] })
}

#[cfg(test)]
mod tests {
    use super::super::journal::tests::{SCRATCH, began, done, erase, failed, journal};
    use super::*;
    use crate::campaign::recipe::tests::{built_in, recipe};
    use crate::observation::alteration::Payload;
    use crate::observation::event::EventKind;

    fn left(events: &[EventKind]) -> Vec<Recovery> {
        of(&journal(events), "board.case")
    }

    fn states(events: &[EventKind]) -> Vec<Left> {
        left(events).iter().map(|recovery| recovery.state).collect()
    }

    #[test]
    fn every_place_to_stop_has_its_advice() {
        let image = Alteration::Write { place: Place::Image, address: SCRATCH, data: Payload::new(vec![0; 8]) };
        let upgrade = [
            (began(&Alteration::FusDelete), vec![Left::StackPerhapsDeleted]),
            (done(), vec![Left::StackMissing]),
            (began(&erase(Place::Image)), vec![Left::StackMissing]),
            (done(), vec![Left::StackMissing]),
            (began(&image), vec![Left::StackMissing]),
            (done(), vec![Left::StackMissing]),
            (began(&Alteration::FusInstall), vec![Left::InstallationUnknown]),
            (done(), vec![]),
            (began(&Alteration::FusStart), vec![]),
            (done(), vec![]),
        ];
        let mut events = Vec::new();
        for (event, expected) in upgrade {
            events.push(event);
            assert_eq!(states(&events), expected, "after {} events", events.len());
        }
    }

    #[test]
    fn a_board_between_delete_and_install_is_told_how_to_recover() {
        let left = left(&[began(&Alteration::FusDelete), done()]);
        let text = in_words(&left);
        assert!(text.starts_with("The board was left altered: it has no wireless stack"), "{text}");
        assert!(text.contains("1. flakescope run --recipe fus-install --image FILE"), "{text}");
        assert!(allows(&left, &built_in("fus-install")) && !allows(&left, &built_in("write-verify")));
    }

    #[test]
    fn a_failed_installation_names_its_code_and_the_supply_as_a_hypothesis() {
        let left = left(&[began(&Alteration::FusInstall), failed("FUS_IMAGE_WRTERROR")]);
        assert_eq!(left[0].state, Left::InstallationFailed);
        assert!(left[0].text.contains("FUS_IMAGE_WRTERROR"));
        assert!(left[0].todo.iter().any(|todo| todo.contains("hypothesis")));
    }

    #[test]
    fn saved_contents_are_not_saved_over() {
        let saved = EventKind::MemorySaved { address: SCRATCH, data: Payload::new(vec![1; 16]) };
        let left = left(&[saved, began(&erase(Place::Scratch))]);
        assert!(left[0].text.contains("What it held before is in the case."), "{}", left[0].text);
        assert!(allows(&left, &built_in("scratch-restore")) && allows(&left, &built_in("dfu-read")));
        assert!(!allows(&left, &built_in("write-verify")) && !allows(&left, &built_in("fus-upgrade")));
    }

    #[test]
    fn a_recipe_is_judged_by_its_steps_whatever_it_is_called() {
        let scratch = left(&[began(&erase(Place::Scratch))]);
        let failed_install = left(&[began(&Alteration::FusInstall), failed("FUS_IMAGE_WRTERROR")]);
        let mine = recipe("my-restore", &["restore-scratch"]);
        assert!(allows(&scratch, &mine));
        let misnamed = recipe("fus-anything", &["erase-scratch", "fus-install"]);
        assert!(!allows(&failed_install, &misnamed));
        let renamed = recipe("our-install", &["erase-image", "write-image", "fus-install"]);
        assert!(allows(&failed_install, &renamed) && !allows(&scratch, &renamed));
        let both = [&scratch[..], &failed_install[..]].concat();
        assert!(allows(&both, &mine) && !allows(&both, &renamed));
    }

    #[test]
    fn option_bytes_that_were_being_written_are_named_with_the_way_back() {
        let write = Alteration::OptionBytes { address: SCRATCH, data: Payload::new(vec![0; 16]) };
        assert_eq!(states(&[began(&write), done()]), []);
        let left = left(&[began(&write)]);
        assert_eq!(left[0].state, Left::OptionBytesUncertain);
        assert!(left[0].todo[2].starts_with("flakescope option-bytes restore board.case"), "{:?}", left[0].todo);
    }
}
