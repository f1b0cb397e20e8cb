//! Whether a case is about the board that is there: what it holds may be continued, or written back, only then.

use super::subjects::{Subjects, in_words, is_uid, serial, tells};
use crate::observation::board::BoardIdentity;
use crate::observation::event::Transport;
use crate::observation::field_text::FieldText;
use crate::profile::device::{Device, Devices};

/// Serial numbers of a refusal; a case may hold very many.
const MOST_NAMED: usize = 3;

/// Whether a case is about the board that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kinship {
    Same,
    /// What the case is about, and what this is.
    Other {
        kept: String,
        here: String,
    },
    /// Only the part could be compared; why.
    SamePart(String),
}

/// A board as far as it is known before anything is done to it.
#[derive(Clone, Debug)]
pub struct Present<'a> {
    /// As somebody named it, or as its profile is called.
    pub part: Option<String>,
    pub device: Option<&'a Device>,
    pub identity: BoardIdentity,
}

impl Subjects {
    /// Why a campaign on this part over this link does not belong into the case.
    pub fn refuse(&self, part: Option<&str>, link: Transport, devices: &Devices) -> Option<String> {
        let here = Present::named(part, BoardIdentity::default(), devices);
        if let Some(other) = self.other_part(&here, devices) {
            return Some(format!("it holds campaigns on {other}, and this board is {}", here.in_words()));
        }
        let link = in_words(link);
        if self.links.contains(link) {
            return None;
        }
        let other = self.links.first()?;
        Some(format!("it holds campaigns over {other}, and this one goes over {link}"))
    }

    /// Whether what the case keeps may be written to this board.
    pub fn kinship(&self, here: &Present<'_>, devices: &Devices) -> Kinship {
        let rule = here.device.and_then(|device| device.serial.as_ref()).map(|rule| rule.kind);
        let own = serial(&here.identity).filter(|own| tells(own, rule));
        let mut comparable =
            self.serials.iter().filter(|held| own.as_ref().is_some_and(|own| is_uid(own) == is_uid(held)));
        let known = comparable.clone().count() > 0;
        if comparable.any(|held| Some(held) != own.as_ref()) || self.other_part(here, devices).is_some() {
            return Kinship::Other { kept: self.in_words(), here: here.in_words() };
        }
        let untold = if self.parts.is_empty() && self.serials.is_empty() && self.dev_ids.is_empty() {
            "the case does not say which board it is about"
        } else if own.is_none() && here.identity.serial.is_some() {
            "the serial number of this part's ROM does not tell one board from another"
        } else if own.is_none() {
            "this board shows no serial number"
        } else if !known {
            "the case holds no serial number that could be compared"
        } else {
            return Kinship::Same;
        };
        Kinship::SamePart(untold.to_owned())
    }

    /// A part of the case that this board cannot be.
    fn other_part(&self, here: &Present<'_>, devices: &Devices) -> Option<String> {
        let dev_id = here.identity.dev_id.or(here.device.map(|device| device.dev_id));
        let other_id = self.dev_ids.iter().find(|held| dev_id.is_some_and(|id| id != **held));
        let named = self.parts.iter().find(|held| match (here.device, devices.by_part(held)) {
            (Some(here), Some(held)) => here.name != held.name,
            _ => here.part.as_deref().is_some_and(|part| !may_be_one(held, part)),
        });
        named.cloned().or_else(|| other_id.map(|id| format!("a part with DEV_ID 0x{id:03X}")))
    }

    /// `STM32F407VGT6, serial 325E35633334`.
    fn in_words(&self) -> String {
        let ids = self.dev_ids.iter().map(|id| format!("DEV_ID 0x{id:03X}")).filter(|_| self.parts.is_empty());
        let serials = self
            .serials
            .iter()
            .take(MOST_NAMED)
            .map(|serial| format!("serial {}", FieldText::from(serial.as_str()).for_terminal()));
        self.parts.iter().cloned().chain(ids).chain(serials).collect::<Vec<_>>().join(", ")
    }
}

impl<'a> Present<'a> {
    pub fn named(part: Option<&str>, identity: BoardIdentity, devices: &'a Devices) -> Self {
        let device = part.and_then(|part| devices.by_part(part));
        let device = device.or_else(|| match devices.by_dev_id(identity.dev_id?).as_slice() {
            [only] => Some(*only),
            _ => None,
        });
        Self { part: part.map(str::to_owned), device, identity }
    }

    fn in_words(&self) -> String {
        let part = self.part.as_deref().map(|part| FieldText::from(part).for_terminal());
        let serial = self.identity.serial.as_ref().map(|serial| format!("serial {}", serial.for_terminal()));
        let known: Vec<_> = part.into_iter().chain(serial).collect();
        if known.is_empty() { "not named".to_owned() } else { known.join(", ") }
    }
}

/// Of two names that decide for no profile, one may be the beginning of the other.
fn may_be_one(one: &str, other: &str) -> bool {
    let (one, other) = (one.to_ascii_uppercase(), other.to_ascii_uppercase());
    one.starts_with(&other) || other.starts_with(&one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::investigation::subjects::tests::{board, held};
    use crate::profile::device;

    fn present<'a>(part: &str, serial: &str, devices: &'a Devices) -> Present<'a> {
        Present::named(Some(part), board(serial), devices)
    }

    #[test]
    fn another_part_or_serial_is_another_board() {
        let devices = device::catalogue().unwrap();
        let f407 = held("STM32F407VGT6", &["A1"]);
        assert_eq!(f407.kinship(&present("STM32F407VG", "A1", &devices), &devices), Kinship::Same);
        for (part, serial) in [("STM32F429ZI", "A1"), ("STM32F407VG", "B2")] {
            let kinship = f407.kinship(&present(part, serial, &devices), &devices);
            let (kept, here) = ("STM32F407VGT6, serial A1".to_owned(), format!("{part}, serial {serial}"));
            assert_eq!(kinship, Kinship::Other { kept, here });
        }
    }

    #[test]
    fn where_serials_are_no_identity_only_the_part_counts_and_that_is_said() {
        let devices = device::catalogue().unwrap();
        let h743 = held("STM32H743ZI", &["200364500000"]);
        for serial in ["200364500000", "203364500000"] {
            let Kinship::SamePart(why) = h743.kinship(&present("STM32H743ZI", serial, &devices), &devices) else {
                panic!()
            };
            assert!(why.contains("does not tell one board from another"), "{why}");
        }
        assert!(matches!(h743.kinship(&present("STM32F407VG", "A1", &devices), &devices), Kinship::Other { .. }));
        let (one, other) = ("003200443332511830313837", "003200443332511830313838");
        let by_probe = held("STM32H743ZI", &["200364500000", one]);
        assert_eq!(by_probe.kinship(&present("STM32H743ZI", one, &devices), &devices), Kinship::Same);
        assert!(matches!(by_probe.kinship(&present("STM32H743ZI", other, &devices), &devices), Kinship::Other { .. }));
        let silent = held("STM32F407VG", &[]).kinship(&present("STM32F407VG", "A1", &devices), &devices);
        assert_eq!(silent, Kinship::SamePart("the case holds no serial number that could be compared".to_owned()));
    }

    #[test]
    fn a_case_is_continued_on_its_own_part_and_link_only() {
        let devices = device::catalogue().unwrap();
        let mut case = held("STM32F407VG", &["A1"]);
        case.links.insert("DFU");
        assert_eq!(case.refuse(Some("STM32F407VGT6"), Transport::Dfu, &devices), None);
        assert_eq!(case.refuse(None, Transport::Dfu, &devices), None);
        assert!(case.refuse(Some("STM32F429ZI"), Transport::Dfu, &devices).unwrap().contains("on STM32F407VG"));
        assert!(case.refuse(None, Transport::Swd, &devices).unwrap().contains("over DFU"));
    }
}
