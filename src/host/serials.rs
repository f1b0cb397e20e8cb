//! Serial numbers that are no identity: shared by several boards, or not what an STM32 ROM would say.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::observation::board::PortPath;
use crate::observation::field_text::FieldText;

/// What the ROM's formula gives when every word of the unique ID reads as ones.
pub const UNREADABLE_UID: &str = "FFFFFFFEFFFF";

/// Why a serial number of a ROM in DFU mode cannot be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SerialDoubt {
    Missing,
    /// Every word of the unique ID reads as ones.
    UidUnreadable,
    /// Not twelve upper-case hexadecimal digits.
    NotOfTheRom,
}

impl SerialDoubt {
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Missing => "the board tells no serial number",
            Self::UidUnreadable => "the serial number is what the ROM makes of a unique ID that reads as all ones",
            Self::NotOfTheRom => {
                "the serial number is not 12 hexadecimal digits: not ST's ROM, an application's loader, or a descriptor fault"
            }
        }
    }
}

pub fn doubt(serial: Option<&FieldText>) -> Option<SerialDoubt> {
    let Some(serial) = serial.map(FieldText::raw).filter(|raw| !raw.is_empty()) else {
        return Some(SerialDoubt::Missing);
    };
    let of_the_rom = serial.len() == 12 && serial.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
    match (serial, of_the_rom) {
        (UNREADABLE_UID, _) => Some(SerialDoubt::UidUnreadable),
        (_, false) => Some(SerialDoubt::NotOfTheRom),
        (_, true) => None,
    }
}

/// The ports of boards that share a serial number with another.
pub fn shared<'a>(boards: impl IntoIterator<Item = (&'a PortPath, Option<&'a FieldText>)>) -> Vec<Vec<PortPath>> {
    let mut by_serial: BTreeMap<&str, Vec<PortPath>> = BTreeMap::new();
    for (port, serial) in boards {
        if let Some(serial) = serial {
            by_serial.entry(serial.raw()).or_default().push(port.clone());
        }
    }
    by_serial.into_values().filter(|ports| ports.len() > 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_of_the_rom_is_believed() {
        assert_eq!(doubt(Some(&FieldText::from("325E35633334"))), None);
    }

    #[test]
    fn serials_that_no_rom_gives_are_doubted() {
        for (serial, reason) in [
            ("FFFFFFFEFFFF", SerialDoubt::UidUnreadable),
            ("STM32FxSTM32", SerialDoubt::NotOfTheRom),
            ("325e35633334", SerialDoubt::NotOfTheRom),
            ("", SerialDoubt::Missing),
        ] {
            assert_eq!(doubt(Some(&FieldText::from(serial))), Some(reason), "{serial}");
        }
        assert_eq!(doubt(None), Some(SerialDoubt::Missing));
    }

    #[test]
    fn boards_with_one_serial_are_grouped() {
        let ports: Vec<PortPath> = ["1-1", "1-2", "1-3"].map(|port| port.parse().unwrap()).to_vec();
        let (same, other) = (FieldText::from("200364500000"), FieldText::from("357236543131"));
        let boards = [(&ports[0], Some(&same)), (&ports[1], Some(&other)), (&ports[2], Some(&same))];
        assert_eq!(shared(boards), [vec![ports[0].clone(), ports[2].clone()]]);
    }
}
