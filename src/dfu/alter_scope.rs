//! What one alteration may reach: the range that it named, inside flash or option bytes as the device describes them.

use std::ops::Range;

use crate::observation::alteration::Alteration;
use crate::observation::units::Address;

use super::command::{FUS_DELETE, FUS_INSTALL, FUS_START};
use super::download::filled_bytes;
use super::layout::{Area, Group, Layout};

/// Made of an alteration and the layouts of the board; it can never cover OTP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlterScope {
    erase: Range<u64>,
    write: Range<u64>,
    command: Option<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutOfScope {
    #[error("{address}, {length_bytes} bytes, is OTP; OTP is never written")]
    Otp { address: Address, length_bytes: u32 },
    #[error("{address}, {length_bytes} bytes, is not inside one {wanted} area that the device describes as writable")]
    NotWritable { address: Address, length_bytes: u32, wanted: &'static str },
    #[error("nothing is to be written")]
    Empty,
}

impl AlterScope {
    pub fn of(alteration: &Alteration, layouts: &[Layout]) -> Result<Self, OutOfScope> {
        match alteration {
            Alteration::Erase { address, length_bytes, .. } => {
                let group = writable(layouts, Area::Flash, *address, *length_bytes)?;
                let sectors = sectors(group, *address, *length_bytes);
                let end = sectors.last().map_or(0, |(start, size)| u64::from(start.0) + u64::from(*size));
                let start = sectors.first().map_or(end, |(start, _)| u64::from(start.0));
                Ok(Self { erase: start..end, ..Self::default() })
            }
            Alteration::Write { address, data, .. } => {
                let filled = filled_bytes(data.len_bytes());
                writable(layouts, Area::Flash, *address, filled)?;
                Ok(Self { write: range(*address, filled), ..Self::default() })
            }
            Alteration::Restore { address, data } => {
                let filled = filled_bytes(data.len_bytes());
                let group = writable(layouts, Area::Flash, *address, filled)?;
                let sectors = sectors(group, *address, data.len_bytes());
                let write = range(*address, filled);
                // A sector that is only partly put back would lose the rest.
                let whole =
                    sectors.iter().map(|(_, size)| u64::from(*size)).sum::<u64>() == u64::from(data.len_bytes());
                let erase = if whole { write.clone() } else { 0..0 };
                Ok(Self { erase, write, command: None })
            }
            Alteration::OptionBytes { address, data } => {
                writable(layouts, Area::OptionBytes, *address, data.len_bytes())?;
                Ok(Self { write: range(*address, data.len_bytes()), ..Self::default() })
            }
            Alteration::FusDelete => Ok(Self { command: Some(FUS_DELETE), ..Self::default() }),
            Alteration::FusInstall => Ok(Self { command: Some(FUS_INSTALL), ..Self::default() }),
            Alteration::FusStart => Ok(Self { command: Some(FUS_START), ..Self::default() }),
        }
    }

    pub fn allows_erasing(&self, address: Address) -> bool {
        self.erase.contains(&u64::from(address.0))
    }

    pub fn allows_writing(&self, start: u64, length_bytes: u64) -> bool {
        start >= self.write.start && start + length_bytes <= self.write.end
    }

    pub fn allows_command(&self, command: u8) -> bool {
        self.command == Some(command)
    }
}

fn range(address: Address, length_bytes: u32) -> Range<u64> {
    u64::from(address.0)..u64::from(address.0) + u64::from(length_bytes)
}

/// The group of the layouts that holds the whole range and may be written.
fn writable(layouts: &[Layout], wanted: Area, address: Address, length_bytes: u32) -> Result<&Group, OutOfScope> {
    if length_bytes == 0 {
        return Err(OutOfScope::Empty);
    }
    let asked = range(address, length_bytes);
    let extent = |group: &Group| u64::from(group.address.0)..u64::from(group.address.0) + group.size_bytes();
    let overlaps = |other: &Range<u64>| other.start < asked.end && asked.start < other.end;
    let groups = |area| layouts.iter().filter(move |layout| layout.area() == area).flat_map(|layout| &layout.groups);
    if groups(Area::Otp).any(|group| overlaps(&extent(group))) {
        return Err(OutOfScope::Otp { address, length_bytes });
    }
    let holds = |group: &&Group| {
        let whole = extent(group);
        let may_write = group.segments.iter().all(|segment| segment.access.write);
        may_write && whole.start <= asked.start && asked.end <= whole.end
    };
    let word = if wanted == Area::Flash { "flash" } else { "option-byte" };
    groups(wanted).find(holds).ok_or(OutOfScope::NotWritable { address, length_bytes, wanted: word })
}

/// Start and size of every sector that a range touches.
pub fn sectors(group: &Group, address: Address, length_bytes: u32) -> Vec<(Address, u32)> {
    let asked = range(address, length_bytes);
    let mut start = u64::from(group.address.0);
    let mut touched = Vec::new();
    for segment in &group.segments {
        for _ in 0..segment.count {
            let end = start + u64::from(segment.size_bytes);
            if start < asked.end
                && asked.start < end
                && let Ok(at) = u32::try_from(start)
            {
                touched.push((Address(at), segment.size_bytes));
            }
            start = end;
        }
    }
    touched
}

/// The sectors of the board's flash that a range touches; none if it is not inside one flash area.
pub fn flash_sectors(layouts: &[Layout], address: Address, length_bytes: u32) -> Vec<(Address, u32)> {
    writable(layouts, Area::Flash, address, length_bytes)
        .map(|group| sectors(group, address, length_bytes))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::alteration::{Payload, Place};
    use crate::observation::field_text::FieldText;

    fn layouts(texts: &[&str]) -> Vec<Layout> {
        texts.iter().map(|text| Layout::parse(&FieldText::from(*text))).collect()
    }

    const F4: [&str; 3] = [
        "@Internal Flash  /0x08000000/04*016Kg,01*064Kg",
        "@Option Bytes  /0x1FFFC000/01*016 e",
        "@OTP Memory /0x1FFF7800/01*512 e,01*016 e",
    ];

    fn write(address: u32, length: usize) -> Alteration {
        Alteration::Write { place: Place::Scratch, address: Address(address), data: Payload::new(vec![0; length]) }
    }

    #[test]
    fn otp_is_refused_by_its_name() {
        let refusal = AlterScope::of(&write(0x1fff_7800, 4), &layouts(&F4)).unwrap_err();
        assert!(refusal.to_string().ends_with("is OTP; OTP is never written"), "{refusal}");
        let lock = Alteration::OptionBytes { address: Address(0x1fff_7a00), data: Payload::new(vec![0; 16]) };
        assert!(matches!(AlterScope::of(&lock, &layouts(&F4)), Err(OutOfScope::Otp { .. })));
    }

    #[test]
    fn a_range_must_lie_in_one_writable_area_of_its_kind() {
        let f4 = layouts(&F4);
        assert!(AlterScope::of(&write(0x0800_0000, 0x4000), &f4).is_ok());
        for outside in [write(0x1fff_c000, 16), write(0x0801_ffff, 2), write(0x2000_0000, 4), write(0x0800_0000, 0)] {
            assert!(AlterScope::of(&outside, &f4).is_err(), "{outside:?}");
        }
        let read_only = layouts(&["@Internal Flash /0x08000000/04*016Ka"]);
        assert!(AlterScope::of(&write(0x0800_0000, 4), &read_only).is_err());
    }

    #[test]
    fn what_a_download_fills_up_is_inside_the_scope_and_inside_the_flash() {
        let scope = AlterScope::of(&write(0x0800_0000, 13), &layouts(&F4)).unwrap();
        assert!(scope.allows_writing(0x0800_0000, 16) && !scope.allows_writing(0x0800_0000, 24));
        let odd_flash = layouts(&["@Internal Flash /0x08000000/01*020Bg"]);
        assert!(AlterScope::of(&write(0x0800_0000, 16), &odd_flash).is_ok());
        assert!(AlterScope::of(&write(0x0800_0000, 17), &odd_flash).is_err());
    }

    #[test]
    fn only_whole_sectors_can_be_put_back() {
        let restore = |length| {
            let data = Payload::new(vec![0; length]);
            AlterScope::of(&Alteration::Restore { address: Address(0x0800_4000), data }, &layouts(&F4)).unwrap()
        };
        assert!(restore(0x4000).allows_erasing(Address(0x0800_4000)));
        assert!(!restore(0x4000).allows_erasing(Address(0x0800_8000)));
        assert!(!restore(0x3ff8).allows_erasing(Address(0x0800_4000)));
        assert!(!restore(0x3ffd).allows_erasing(Address(0x0800_4000)));
    }

    #[test]
    fn sectors_of_different_sizes_are_walked() {
        let f4 = layouts(&F4);
        let touched = flash_sectors(&f4, Address(0x0800_ffff), 2);
        assert_eq!(touched, [(Address(0x0800_c000), 0x4000), (Address(0x0801_0000), 0x1_0000)]);
        assert!(flash_sectors(&f4, Address(0x0900_0000), 2).is_empty());
    }
}
