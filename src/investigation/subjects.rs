//! Whose campaigns a case holds: every part, serial number and link that its events tell of.

use std::collections::BTreeSet;

use crate::observation::board::BoardIdentity;
use crate::observation::event::{EventKind, Transport};
use crate::observation::fact::FactValue;
use crate::observation::field_text::FieldText;
use crate::profile::device::{Device, Devices, SerialKind};

/// Some ROMs show another number at every power-up.
const MOST_SERIALS: usize = 100;

#[derive(Clone, Debug, Default)]
pub struct Subjects {
    /// As somebody named them, or as a board says.
    pub(super) parts: BTreeSet<String>,
    pub(super) serials: BTreeSet<String>,
    pub(super) dev_ids: BTreeSet<u16>,
    pub(super) links: BTreeSet<&'static str>,
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
                self.parts.extend(board.part.as_deref().map(|part| FieldText::from(part).for_terminal()));
                if self.serials.len() < MOST_SERIALS {
                    self.serials.extend(serial(board));
                }
                self.dev_ids.extend(board.dev_id);
            }
            _ => {}
        }
    }

    /// What the figures of a case that mixes them cannot say.
    pub fn limits(&self, devices: &Devices) -> impl Iterator<Item = String> {
        // A name too short to decide for a profile may mean any of them.
        let silicon: BTreeSet<_> = devices_of(&self.parts, devices).map(|device| device.name.as_str()).collect();
        let rules: Vec<_> =
            devices_of(&self.parts, devices).filter_map(|it| it.serial.as_ref()).map(|it| it.kind).collect();
        let telling = |serial: &&String| rules.iter().all(|rule| tells(serial, Some(*rule)));
        let of_form = |uid: bool| self.serials.iter().filter(telling).filter(|serial| is_uid(serial) == uid).count();
        let serials = of_form(true).max(of_form(false));
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
}

fn devices_of<'a>(parts: &BTreeSet<String>, devices: &'a Devices) -> impl Iterator<Item = &'a Device> {
    parts.iter().filter_map(|part| devices.by_part(part))
}

/// The number of the silicon, which a probe reads where the ROM does not show one that is made of it.
pub(super) fn is_uid(serial: &str) -> bool {
    serial.len() == 24 && serial.bytes().all(|digit| digit.is_ascii_hexdigit())
}

pub(super) fn tells(serial: &str, rule: Option<SerialKind>) -> bool {
    is_uid(serial) || !matches!(rule, Some(SerialKind::SameForAll | SerialKind::Changing))
}

pub(super) fn serial(board: &BoardIdentity) -> Option<String> {
    board.serial.as_ref().map(|serial| serial.raw().trim().to_owned()).filter(|serial| !serial.is_empty())
}

pub(super) const fn in_words(link: Transport) -> &'static str {
    match link {
        Transport::Dfu => "DFU",
        Transport::Swd => "SWD",
        Transport::Other => "both links in turn",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::observation::fact::{Fact, Origin};
    use crate::profile::device;

    pub fn held(part: &str, serials: &[&str]) -> Subjects {
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

    pub fn board(serial: &str) -> BoardIdentity {
        BoardIdentity { serial: Some(FieldText::from(serial)), ..BoardIdentity::default() }
    }

    #[test]
    fn what_a_mixed_case_cannot_say_is_said() {
        let devices = device::catalogue().unwrap();
        assert_eq!(held("STM32F407VG", &["A1"]).limits(&devices).count(), 0);
        let over_both_links = held("STM32H743ZI", &["200364500000", "003200443332511830313837"]);
        assert_eq!(over_both_links.limits(&devices).count(), 0, "one board");
        let mut mixed = held("STM32F407VG", &["A1", "B2"]);
        mixed.parts.insert("STM32F429ZI".to_owned());
        mixed.links.extend(["DFU", "SWD"]);
        let told: Vec<_> = mixed.limits(&devices).collect();
        for (limit, words) in told.iter().zip(["STM32F407VG, STM32F429ZI", "2 serial numbers", "over DFU and SWD"]) {
            assert!(limit.contains(words), "{told:?}");
        }
        assert_eq!(told.len(), 3);
    }
}
