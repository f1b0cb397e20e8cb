//! Coprocessor images of the virtual bench. They stand in for ST's signed files, of which they hold nothing: bytes without a
//! pattern, and at the end a tag that says what the real file's signature and header would.
//!
//! Source: that the service scans the whole flash for images and checks family, version and integrity is in FACTS section D;
//! the form of the tag is chosen.

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::memory::Memory;
use crate::observation::units::Address;
use crate::profile::fus_check::FusVersion;

/// What the tag at the end of an image says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VirtualImage {
    pub kind: ImageKind,
    /// The digit of the part family: 5 for WB5x.
    pub family: u8,
    pub version: FusVersion,
    /// The oldest service that can install it.
    pub needs: FusVersion,
    /// Where it has to lie.
    pub address: Address,
    pub length_bytes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageKind {
    Stack,
    Service,
}

const MAGIC: &[u8; 16] = b"flakescope image";
const TAG_BYTES: u32 = 48;
/// Images begin on pages and have whole units, so that every tag begins on one.
const UNIT_BYTES: u32 = 16;

impl VirtualImage {
    /// The file; the seed gives its bytes.
    pub fn bytes(&self, seed: u64) -> Vec<u8> {
        let length = self.length_bytes.max(TAG_BYTES).next_multiple_of(UNIT_BYTES);
        let mut bytes = vec![0; (length - TAG_BYTES) as usize];
        Pcg64Mcg::seed_from_u64(seed).fill(bytes.as_mut_slice());
        let check = checksum(&bytes);
        bytes.extend(MAGIC);
        let kind = match self.kind {
            ImageKind::Stack => 1,
            ImageKind::Service => 2,
        };
        let version = |FusVersion(major, minor, sub): FusVersion| [major, minor, sub, 0];
        bytes.extend([kind, self.family, 0, 0]);
        bytes.extend(version(self.version));
        bytes.extend(version(self.needs));
        for word in [self.address.0, length, check, 0, 0] {
            bytes.extend(word.to_le_bytes());
        }
        bytes
    }
}

/// An image that the service has come across.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub image: VirtualImage,
    pub lies_at: Address,
    /// Its bytes are what the tag says they should be.
    pub is_whole: bool,
}

/// Every image below an address, as a service that scans the flash finds them.
pub fn scan(memory: &Memory, below: Address) -> Vec<Found> {
    memory.find_in_flash(MAGIC, UNIT_BYTES).into_iter().filter_map(|tag| found(memory, tag, below)).collect()
}

fn found(memory: &Memory, tag: Address, below: Address) -> Option<Found> {
    let bytes = memory.read(tag, TAG_BYTES).filter(|bytes| bytes.len() == TAG_BYTES as usize)?;
    let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let version = |at: usize| FusVersion(bytes[at], bytes[at + 1], bytes[at + 2]);
    let kind = match bytes[16] {
        1 => ImageKind::Stack,
        2 => ImageKind::Service,
        _ => return None,
    };
    let (address, length_bytes, check) = (Address(word(28)), word(32), word(36));
    let end = tag.0.checked_add(TAG_BYTES)?;
    let lies_at = Address(end.checked_sub(length_bytes)?);
    if end > below.0 {
        return None;
    }
    let body = memory.read(lies_at, length_bytes.checked_sub(TAG_BYTES)?);
    let is_whole = body.is_some_and(|body| checksum(&body) == check);
    let image =
        VirtualImage { kind, family: bytes[17], version: version(20), needs: version(24), address, length_bytes };
    Some(Found { image, lies_at, is_whole })
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::bench::rom::sheet::by_name;

    pub fn stack(address: u32, length_bytes: u32) -> VirtualImage {
        VirtualImage {
            kind: ImageKind::Stack,
            family: 5,
            version: FusVersion(1, 13, 0),
            needs: FusVersion(1, 2, 0),
            address: Address(address),
            length_bytes,
        }
    }

    const TOP: Address = Address(0x080f_4000);

    fn memory() -> Memory {
        Memory::new(&by_name("wb55", false).unwrap().unwrap(), 16 * 1024, 7)
    }

    fn put(memory: &mut Memory, address: u32, bytes: &[u8]) {
        (address..address + bytes.len() as u32).step_by(4096).for_each(|page| {
            memory.erase_around(Address(page)).unwrap();
        });
        memory.write(Address(address), bytes).unwrap();
    }

    #[test]
    fn an_image_is_found_where_it_lies_and_copies_are_counted() {
        let mut memory = memory();
        let image = stack(0x080c_0000, 10_000);
        put(&mut memory, 0x0805_3000, &image.bytes(1));
        assert_eq!(scan(&memory, TOP), [Found { image, lies_at: Address(0x0805_3000), is_whole: true }]);
        assert_eq!(scan(&memory, Address(0x0805_4000)), [], "it reaches beyond what is scanned");
        put(&mut memory, 0x0806_0000, &image.bytes(1));
        assert_eq!(scan(&memory, TOP).len(), 2);
    }

    #[test]
    fn a_lost_byte_is_noticed() {
        let mut memory = memory();
        put(&mut memory, 0x0805_3000, &stack(0x0805_3000, 10_000).bytes(1));
        memory.write(Address(0x0805_3100), &[0; 8]).unwrap();
        assert!(!scan(&memory, TOP)[0].is_whole);
    }
}
