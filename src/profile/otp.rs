//! One-time programmable memory that was read: blocks, locks, blanks; and whether an address asked for is OTP on a part.

use std::fmt;

use crate::observation::units::Address;

use super::device::{Device, Devices};
use super::memory::OtpArea;

/// The state of one block: what is locked or written at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtpBlock {
    pub number: u32,
    pub address: Address,
    /// Bytes that are not 0xFF.
    pub programmed_bytes: u32,
    pub lock: Lock,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// The part has no lock bytes; a double-word that is written stays as it is.
    None,
    /// The lock byte was not read.
    NotRead,
    Open,
    Locked,
    /// Neither 0x00 nor 0xFF, which is not legal.
    Illegal(u8),
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.pad("no locks"),
            Self::NotRead => f.pad("lock not read"),
            Self::Open => f.pad("open"),
            Self::Locked => f.pad("LOCKED for ever"),
            Self::Illegal(byte) => write!(f, "ILLEGAL lock byte 0x{byte:02X}"),
        }
    }
}

/// Takes apart what was read from the first byte of the area on; a short read gives the blocks it holds whole.
pub fn blocks(area: &OtpArea, bytes: &[u8]) -> Vec<OtpBlock> {
    let block_bytes = area.block_bytes.unwrap_or(area.data_bytes).max(1);
    let data = &bytes[..bytes.len().min(area.data_bytes as usize)];
    let lock_offset = area.lock_address.and_then(|lock| lock.0.checked_sub(area.address.0));
    (0u32..)
        .zip(data.chunks_exact(block_bytes as usize))
        .map(|(number, block)| OtpBlock {
            number,
            address: Address(area.address.0 + number * block_bytes),
            programmed_bytes: block.iter().map(|byte| u32::from(*byte != 0xFF)).sum(),
            lock: match lock_offset {
                None => Lock::None,
                Some(offset) => lock(bytes.get((offset + number) as usize)),
            },
        })
        .collect()
}

fn lock(byte: Option<&u8>) -> Lock {
    match byte {
        None => Lock::NotRead,
        Some(0x00) => Lock::Locked,
        Some(0xFF) => Lock::Open,
        Some(other) => Lock::Illegal(*other),
    }
}

/// Whether an address asked for is OTP on a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the data; the block it lies in where the part has blocks.
    Data { block: Option<u32> },
    /// One of the lock bytes.
    LockByte { block: u32 },
    /// Not on this part.
    Elsewhere {
        /// Where this part has its OTP; `None` if it has none.
        right: Option<Address>,
        /// Families that have their OTP there.
        belongs_to: Vec<String>,
    },
    /// The profile does not say whether the part has OTP.
    NotKnown,
}

impl Place {
    pub const fn is_right(&self) -> bool {
        matches!(self, Self::Data { .. } | Self::LockByte { .. })
    }
}

/// Checks an address against the part, and says whose it is otherwise.
pub fn check(device: &Device, devices: &Devices, address: Address) -> Place {
    let Some(otp) = &device.otp else { return Place::NotKnown };
    if let Some(area) = otp.area.as_ref().filter(|area| area.holds(address)) {
        let offset = address.0.wrapping_sub(area.address.0);
        return match area.lock_address.filter(|lock| address >= *lock && offset >= area.data_bytes) {
            Some(lock) => Place::LockByte { block: address.0 - lock.0 },
            None => Place::Data { block: area.block_bytes.map(|bytes| offset / bytes) },
        };
    }
    let has_it =
        |other: &&Device| other.otp.as_ref().and_then(|otp| otp.area.as_ref()).is_some_and(|area| area.holds(address));
    let mut belongs_to: Vec<_> =
        devices.all().map(|(_, other)| other).filter(has_it).map(|other| other.name.clone()).collect();
    belongs_to.sort_unstable();
    Place::Elsewhere { right: otp.area.as_ref().map(|area| area.address), belongs_to }
}

/// The answer as a person wants it, with the part's name in front.
pub fn sentence(device: &Device, address: Address, place: &Place) -> String {
    let part = &device.name;
    match place {
        Place::Data { block: Some(block) } => format!("{address} is OTP of {part}: block {block}"),
        Place::Data { block: None } => format!("{address} is OTP of {part}"),
        Place::LockByte { block } => format!("{address} is the lock byte of OTP block {block} of {part}"),
        Place::NotKnown => format!("whether {part} has OTP is not known here"),
        Place::Elsewhere { right, belongs_to } => {
            let right =
                right.map_or_else(|| format!("{part} has no OTP"), |right| format!("the OTP of {part} is at {right}"));
            let owners = match belongs_to.as_slice() {
                [] => "no known part has OTP there".to_owned(),
                owners => format!("it is OTP of {}", owners.join("; ")),
            };
            format!("{address} is NOT OTP of {part}: {right}; {owners}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::shelf;
    use proptest::prelude::*;

    fn devices() -> Devices {
        Devices::from_sheets(&shelf::built_in("devices")).unwrap()
    }

    fn answer(part: &str, address: u32) -> String {
        let devices = devices();
        let device = devices.by_part(part).unwrap();
        sentence(device, Address(address), &check(device, &devices, Address(address)))
    }

    fn f4_area() -> OtpArea {
        devices().by_part("STM32F429").unwrap().otp.clone().unwrap().area.unwrap()
    }

    #[test]
    fn the_otp_of_an_f7_is_refused_on_an_f429() {
        assert_eq!(
            answer("STM32F429ZI", 0x1FF0_F000),
            "0x1FF0F000 is NOT OTP of STM32F427/429/437/439: the OTP of STM32F427/429/437/439 is at 0x1FFF7800; \
             it is OTP of STM32F745/746/750/756; STM32F765/767/769/777/778/779"
        );
    }

    #[test]
    fn blocks_and_lock_bytes_have_their_numbers() {
        assert!(answer("STM32F429ZI", 0x1FFF_7845).ends_with("block 2"));
        assert!(answer("STM32F429ZI", 0x1FFF_7A0F).contains("lock byte of OTP block 15"));
        assert!(answer("STM32H743ZI", 0x1FFF_7800).contains("has no OTP"));
    }

    #[test]
    fn locked_blank_and_illegal_are_told_apart() {
        let mut bytes = vec![0xFF; 528];
        bytes[32] = 0x12;
        bytes[512] = 0x00;
        bytes[514] = 0x55;
        let blocks = blocks(&f4_area(), &bytes);
        assert_eq!(blocks.len(), 16);
        assert_eq!((blocks[0].programmed_bytes, blocks[0].lock), (0, Lock::Locked));
        assert_eq!((blocks[1].programmed_bytes, blocks[1].lock), (1, Lock::Open));
        assert_eq!(blocks[2].lock, Lock::Illegal(0x55));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn any_read_is_taken_apart_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..700)) {
            let area = f4_area();
            prop_assert!(blocks(&area, &bytes).len() <= 16);
        }
    }
}
