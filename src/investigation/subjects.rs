//! Whose campaigns a case holds: every part, serial number and link that its events tell of.

use std::collections::BTreeSet;

use crate::observation::board::BoardIdentity;
use crate::observation::event::{EventKind, Transport};
use crate::observation::fact::FactValue;
use crate::observation::field_text::FieldText;
use crate::profile::device::{Device, Devices, SerialKind};

#[derive(Clone, Debug, Default)]
pub struct Subjects {
    /// As somebody named them, or as a board says.
    parts: BTreeSet<String>,
    serials: BTreeSet<String>,
    dev_ids: BTreeSet<u16>,
    links: BTreeSet<&'static str>,
}

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
    pub fn absorb(&mut self, event: &EventKind) {
        match event {
            EventKind::CampaignStarted(start) => {
                self.links.insert(in_words(start.transport));
            }
            EventKind::FactNoted(fact) if fact.key == "part" => {
                if let FactValue::Text(part) = &fact.value {
                    self.parts.insert(part.for_terminal());
                }
            }
            EventKind::BoardSeen(board) => {
                self.parts.extend(board.part.clone());
                self.serials.extend(serial(board));
                self.dev_ids.extend(board.dev_id);
            }
            _ => {}
        }
    }

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
        let own = serial(&here.identity);
        let serials_tell = here.device.and_then(|device| device.serial.as_ref()).map(|rule| rule.kind);
        let serials_tell = !matches!(serials_tell, Some(SerialKind::SameForAll | SerialKind::Changing));
        let other_serial = serials_tell && own.as_ref().is_some_and(|own| self.serials.iter().any(|held| held != own));
        if other_serial || self.other_part(here, devices).is_some() {
            return Kinship::Other { kept: self.in_words(), here: here.in_words() };
        }
        let untold = if self.parts.is_empty() && self.serials.is_empty() && self.dev_ids.is_empty() {
            "the case does not say which board it is about"
        } else if !serials_tell {
            "the serial number of this part's ROM does not tell one board from another"
        } else if own.is_none() {
            "this board shows no serial number"
        } else if self.serials.is_empty() {
            "the case holds no serial number"
        } else {
            return Kinship::Same;
        };
        Kinship::SamePart(untold.to_owned())
    }

    /// What the figures of a case that mixes them cannot say.
    pub fn limits(&self, devices: &Devices) -> impl Iterator<Item = String> {
        // A name too short to decide for a profile may mean any of them.
        let silicon: BTreeSet<_> =
            self.parts.iter().filter_map(|part| devices.by_part(part)).map(|device| device.name.as_str()).collect();
        let changing = |part: &String| {
            let rule = devices.by_part(part).and_then(|device| device.serial.as_ref());
            rule.is_some_and(|rule| rule.kind == SerialKind::Changing)
        };
        let serials = if self.parts.iter().any(changing) { 0 } else { self.serials.len() };
        let parts = (silicon.len() > 1).then(|| {
            let parts = self.parts.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            format!("Several parts are in this case ({parts}): the rates and causes are those of all together, judged as the last of them.")
        });
        let boards = (serials > 1).then(|| {
            format!("{serials} serial numbers are in this case: the rates are those of all boards together, and which of them fails is not told apart.")
        });
        let links = (self.links.len() > 1).then(|| {
            let links = self.links.iter().copied().collect::<Vec<_>>().join(" and ");
            format!(
                "Campaigns over {links} are in this case: the rates are those of all together, judged as the last link."
            )
        });
        [parts, boards, links].into_iter().flatten()
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
        let serials =
            self.serials.iter().map(|serial| format!("serial {}", FieldText::from(serial.as_str()).for_terminal()));
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

fn serial(board: &BoardIdentity) -> Option<String> {
    board.serial.as_ref().map(|serial| serial.raw().trim().to_owned()).filter(|serial| !serial.is_empty())
}

const fn in_words(link: Transport) -> &'static str {
    match link {
        Transport::Dfu => "DFU",
        Transport::Swd => "SWD",
        Transport::Other => "both links in turn",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::fact::{Fact, Origin};
    use crate::profile::device;

    fn held(part: &str, serials: &[&str]) -> Subjects {
        let mut subjects = Subjects::default();
        let value = FactValue::Text(FieldText::from(part));
        subjects.absorb(&EventKind::FactNoted(Fact {
            key: "part".to_owned(),
            value,
            origin: Origin::Profile,
            quote: None,
        }));
        for serial in serials {
            subjects.absorb(&EventKind::BoardSeen(board(serial)));
        }
        subjects
    }

    fn board(serial: &str) -> BoardIdentity {
        BoardIdentity { serial: Some(FieldText::from(serial)), ..BoardIdentity::default() }
    }

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
        let silent = held("STM32F407VG", &[]).kinship(&present("STM32F407VG", "A1", &devices), &devices);
        assert_eq!(silent, Kinship::SamePart("the case holds no serial number".to_owned()));
    }

    #[test]
    fn what_a_mixed_case_cannot_say_is_said() {
        let devices = device::catalogue().unwrap();
        assert_eq!(held("STM32F407VG", &["A1"]).limits(&devices).count(), 0);
        let mut mixed = held("STM32F407VG", &["A1", "B2"]);
        mixed.parts.insert("STM32F429ZI".to_owned());
        mixed.links.extend(["DFU", "SWD"]);
        let told: Vec<_> = mixed.limits(&devices).collect();
        for (limit, words) in told.iter().zip(["STM32F407VG, STM32F429ZI", "2 serial numbers", "over DFU and SWD"]) {
            assert!(limit.contains(words), "{told:?}");
        }
        assert_eq!(told.len(), 3);
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
