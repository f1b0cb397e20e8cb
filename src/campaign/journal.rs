//! The journal of alterations, folded from the events of a case: what was altered, and what the board was left in.

use std::collections::{BTreeMap, BTreeSet};

use crate::observation::alteration::{
    AlterationEnd, AlterationLine, AlterationNote, AlterationOutcome, Payload, Place,
};
use crate::observation::event::EventKind;
use crate::observation::step::Phase;
use crate::observation::units::Address;

/// Runner, ledger and the next start fold the same events, so that they cannot disagree.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    lines: Vec<JournalLine>,
    /// What ranges held before they were altered first.
    saved: BTreeMap<Address, Payload>,
    board: Condition,
    /// How the board was before the last alteration began: what an alteration that was refused goes back to.
    before: Condition,
}

/// What the board was left in.
#[derive(Clone, Debug, Default)]
struct Condition {
    scratch: Option<Scratch>,
    stack: Stack,
    image: Image,
    options: BTreeMap<Address, Options>,
    /// Option bytes that do not hold what they held before they were altered first.
    changed: BTreeSet<Address>,
}

/// An alteration, and how it ended if the end was written.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalLine {
    pub note: AlterationNote,
    pub end: Option<AlterationEnd>,
}

impl JournalLine {
    pub fn published(&self) -> AlterationLine {
        AlterationLine::of(&self.note, self.end.as_ref())
    }
}

/// The scratch range while its contents are not what they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scratch {
    pub address: Address,
    pub length_bytes: u32,
}

/// The wireless stack of a WB, as far as this case has touched it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stack {
    #[default]
    Untouched,
    /// Told to be deleted; no end was seen, or it was an error.
    DeleteUncertain(Option<String>),
    Deleted,
    /// Told to be installed; no end was seen, or it was an error.
    InstallUncertain(Option<String>),
    Installed,
}

/// The place where an image goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Image {
    #[default]
    Untouched,
    /// Erased or partly downloaded.
    Incomplete,
    Downloaded,
}

/// Option bytes whose writing has not come to a good end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    pub wanted: Payload,
    pub why: Option<String>,
}

impl Journal {
    pub fn absorb(&mut self, event: &EventKind) {
        match event {
            EventKind::MemorySaved { address, data } => self.save(*address, data),
            EventKind::AlterationBegan(note) => self.begin(note),
            EventKind::AlterationEnded(end) => self.end(end),
            _ => {}
        }
    }

    pub fn lines(&self) -> &[JournalLine] {
        &self.lines
    }

    pub fn saved(&self, address: Address) -> Option<&Payload> {
        self.saved.get(&address)
    }

    /// The alteration that began and of whose end nothing is known.
    pub fn open(&self) -> Option<&AlterationNote> {
        self.lines.last().filter(|line| line.end.is_none()).map(|line| &line.note)
    }

    pub const fn scratch(&self) -> Option<Scratch> {
        self.board.scratch
    }

    pub const fn stack(&self) -> &Stack {
        &self.board.stack
    }

    pub const fn image(&self) -> Image {
        self.board.image
    }

    pub fn options(&self) -> impl Iterator<Item = (Address, &Options)> {
        self.board.options.iter().map(|(address, options)| (*address, options))
    }

    /// What is read from a range that is already altered is not what it held before. Option bytes that read as the old or the
    /// new ones are whole; until they are put back, what they held first is what is kept.
    fn save(&mut self, address: Address, data: &Payload) {
        if let Some(options) = self.board.options.get(&address) {
            if options.wanted == *data || self.saved.get(&address) == Some(data) {
                self.board.options.remove(&address);
                if self.saved.get(&address) == Some(data) {
                    self.board.changed.remove(&address);
                }
            }
        } else if !self.board.changed.contains(&address)
            && self.board.scratch.is_none_or(|scratch| scratch.address != address)
        {
            self.saved.insert(address, data.clone());
        }
    }

    fn begin(&mut self, note: &AlterationNote) {
        self.before = self.board.clone();
        match (note.phase, note.place, note.address, note.length_bytes) {
            (
                Phase::Erase | Phase::Write,
                Some(Place::Scratch | Place::Restored),
                Some(address),
                Some(length_bytes),
            ) => {
                self.board.scratch = Some(Scratch { address, length_bytes });
            }
            (Phase::Erase | Phase::Write, Some(Place::Image), ..) => self.board.image = Image::Incomplete,
            (Phase::FusDelete, ..) => self.board.stack = Stack::DeleteUncertain(None),
            (Phase::FusUpgrade, ..) => self.board.stack = Stack::InstallUncertain(None),
            (Phase::OptionBytesWrite, _, Some(address), _) => {
                if let Some(wanted) = &note.data {
                    self.board.options.insert(address, Options { wanted: wanted.clone(), why: None });
                    self.board.changed.insert(address);
                }
            }
            _ => {}
        }
        self.lines.push(JournalLine { note: note.clone(), end: None });
    }

    fn end(&mut self, end: &AlterationEnd) {
        let Some(line) = self.lines.last_mut().filter(|line| line.end.is_none()) else { return };
        line.end = Some(end.clone());
        let note = line.note.clone();
        match &end.outcome {
            AlterationOutcome::Done => self.succeed(&note),
            AlterationOutcome::Failed(why) => self.fail(&note, &why.for_terminal()),
            // Nothing of it reached the board.
            AlterationOutcome::NotBegun(_) => self.board = self.before.clone(),
        }
    }

    fn succeed(&mut self, note: &AlterationNote) {
        match (note.phase, note.place, note.address) {
            (Phase::Write, Some(Place::Restored), _) => self.board.scratch = None,
            (Phase::Write, Some(Place::Image), _) => self.board.image = Image::Downloaded,
            (Phase::FusDelete, ..) => self.board.stack = Stack::Deleted,
            (Phase::FusUpgrade, ..) => self.board.stack = Stack::Installed,
            (Phase::OptionBytesWrite, _, Some(address)) => {
                self.board.options.remove(&address);
                if note.data.is_some() && note.data.as_ref() == self.saved.get(&address) {
                    self.board.changed.remove(&address);
                }
            }
            _ => {}
        }
    }

    fn fail(&mut self, note: &AlterationNote, why: &str) {
        match (note.phase, note.address) {
            (Phase::FusDelete, _) => self.board.stack = Stack::DeleteUncertain(Some(why.to_owned())),
            (Phase::FusUpgrade, _) => self.board.stack = Stack::InstallUncertain(Some(why.to_owned())),
            (Phase::OptionBytesWrite, Some(address)) => {
                if let Some(options) = self.board.options.get_mut(&address) {
                    options.why = Some(why.to_owned());
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::observation::alteration::Alteration;
    use crate::observation::field_text::FieldText;

    pub const SCRATCH: Address = Address(0x0800_4000);

    pub fn began(alteration: &Alteration) -> EventKind {
        EventKind::AlterationBegan(alteration.note())
    }

    pub fn ended(outcome: AlterationOutcome) -> EventKind {
        EventKind::AlterationEnded(AlterationEnd { elapsed: None, outcome, seen: Vec::new() })
    }

    pub fn failed(why: &str) -> EventKind {
        ended(AlterationOutcome::Failed(FieldText::from(why)))
    }

    pub fn done() -> EventKind {
        ended(AlterationOutcome::Done)
    }

    pub fn journal(events: &[EventKind]) -> Journal {
        let mut journal = Journal::default();
        events.iter().for_each(|event| journal.absorb(event));
        journal
    }

    pub fn erase(place: Place) -> Alteration {
        Alteration::Erase { place, address: SCRATCH, length_bytes: 16 }
    }

    fn saved(byte: u8) -> EventKind {
        EventKind::MemorySaved { address: SCRATCH, data: Payload::new(vec![byte; 16]) }
    }

    fn restore() -> Alteration {
        Alteration::Restore { address: SCRATCH, data: Payload::new(vec![1; 16]) }
    }

    #[test]
    fn a_scratch_range_is_altered_until_it_is_put_back() {
        let erased = [saved(1), began(&erase(Place::Scratch)), done()];
        assert_eq!(journal(&erased).scratch(), Some(Scratch { address: SCRATCH, length_bytes: 16 }));
        let halfway = [&erased[..], &[began(&restore())]].concat();
        assert!(journal(&halfway).scratch().is_some() && journal(&halfway).open().is_some());
        let back = [&halfway[..], &[done()]].concat();
        assert_eq!((journal(&back).scratch(), journal(&back).open()), (None, None));
        assert!(journal(&[&halfway[..], &[failed("verify-failed")]].concat()).scratch().is_some());
    }

    #[test]
    fn what_is_saved_from_an_altered_range_does_not_replace_what_was_saved_before() {
        let journal = journal(&[saved(1), began(&erase(Place::Scratch)), done(), saved(0xff)]);
        assert_eq!(journal.saved(SCRATCH), Some(&Payload::new(vec![1; 16])));
    }

    #[test]
    fn a_refused_alteration_changes_nothing() {
        let refused = ended(AlterationOutcome::NotBegun(FieldText::from("no permit")));
        let one = journal(&[began(&Alteration::FusDelete), done(), began(&Alteration::FusInstall), refused.clone()]);
        assert_eq!((one.stack(), one.lines().len()), (&Stack::Deleted, 2));
        let two = journal(&[began(&Alteration::FusDelete), refused.clone(), began(&erase(Place::Image)), refused]);
        assert_eq!((two.stack(), two.image(), two.lines().len()), (&Stack::Untouched, Image::Untouched, 2));
    }

    #[test]
    fn a_refused_alteration_brings_back_nothing_that_was_resolved() {
        let write = |byte: u8| began(&Alteration::OptionBytes { address: SCRATCH, data: Payload::new(vec![byte; 16]) });
        let refused = ended(AlterationOutcome::NotBegun(FieldText::from("no permit")));
        // The program ended while it wrote; reading showed the new values, or the old ones.
        let found_new = journal(&[saved(1), write(0xaa), saved(0xaa), write(0xbb), refused.clone()]);
        assert_eq!(found_new.options().count(), 0);
        let found_old = journal(&[saved(1), write(0xaa), saved(1), write(0xbb), refused.clone(), saved(2)]);
        assert_eq!(found_old.saved(SCRATCH), Some(&Payload::new(vec![2; 16])));
        let still_open = journal(&[saved(1), write(0xaa), write(0xbb), refused]);
        assert_eq!(still_open.options().map(|(_, options)| options.wanted.bytes()[0]).collect::<Vec<_>>(), [0xaa]);
    }

    #[test]
    fn the_stack_is_followed_from_delete_to_install() {
        let mut events = vec![began(&Alteration::FusDelete)];
        assert_eq!(journal(&events).stack(), &Stack::DeleteUncertain(None));
        events.push(done());
        assert_eq!(journal(&events).stack(), &Stack::Deleted);
        events.push(began(&Alteration::FusInstall));
        assert_eq!(journal(&events).stack(), &Stack::InstallUncertain(None));
        let wrong = [&events[..], &[failed("FUS_IMAGE_WRTERROR")]].concat();
        assert_eq!(journal(&wrong).stack(), &Stack::InstallUncertain(Some("FUS_IMAGE_WRTERROR".to_owned())));
        events.push(done());
        assert_eq!(journal(&events).stack(), &Stack::Installed);
    }

    #[test]
    fn option_bytes_go_back_to_what_they_held_before_they_were_altered_first() {
        let write = |byte: u8| began(&Alteration::OptionBytes { address: SCRATCH, data: Payload::new(vec![byte; 16]) });
        let twice = [saved(3), write(0), done(), saved(0), write(1), done()];
        let kept = |events: &[EventKind]| journal(events).saved(SCRATCH).unwrap().bytes()[0];
        assert_eq!(kept(&twice), 3);
        let back = [&twice[..], &[saved(1), write(3), done()]].concat();
        assert_eq!(kept(&back), 3);
        // What it holds by other means after it was put back is the original of the next alteration.
        assert_eq!(kept(&[&back[..], &[saved(2), write(0), done()]].concat()), 2);
        let refused = ended(AlterationOutcome::NotBegun(FieldText::from("no permit")));
        assert_eq!(kept(&[&twice[..], &[write(2), refused, saved(1)]].concat()), 3);
    }

    #[test]
    fn option_bytes_are_uncertain_until_their_writing_has_ended_well() {
        let data = Payload::new(vec![0xaa; 16]);
        let write = Alteration::OptionBytes { address: SCRATCH, data: data.clone() };
        let open = journal(&[saved(1), began(&write)]);
        assert_eq!(open.options().collect::<Vec<_>>(), [(SCRATCH, &Options { wanted: data, why: None })]);
        assert_eq!(journal(&[saved(1), began(&write), done()]).options().count(), 0);
        let found_old = journal(&[saved(1), began(&write), saved(1)]);
        let found_new = journal(&[saved(1), began(&write), saved(0xaa)]);
        let found_neither = journal(&[saved(1), began(&write), saved(0)]);
        let left = [found_old, found_new, found_neither].map(|journal| journal.options().count());
        assert_eq!(left, [0, 0, 1]);
    }
}
