//! What a range read before: nothing writes while we observe, so every later reading has to agree with it.

use std::collections::BTreeMap;

use super::mismatch::Mismatch;
use crate::observation::units::Address;

/// What each range reads.
#[derive(Debug, Default)]
pub struct References(BTreeMap<Address, Reference>);

/// The first reading may itself be the spoilt one. What reads alike twice running takes its place, unless it was read again before.
#[derive(Debug)]
struct Reference {
    held: Vec<u8>,
    seen_again: bool,
    rival: Option<Vec<u8>>,
}

impl References {
    /// Another board, or one that was altered, reads differently by right.
    pub fn forget(&mut self) {
        self.0.clear();
    }

    /// Where the reading differs from the reference, and how.
    pub fn compare(&mut self, address: Address, bytes: &[u8]) -> Result<(), (Address, Mismatch)> {
        let Some(reference) = self.0.get_mut(&address) else {
            self.0.insert(address, Reference { held: bytes.to_vec(), seen_again: false, rival: None });
            return Ok(());
        };
        let Some(mismatch) = Mismatch::between(&reference.held, bytes) else {
            reference.seen_again = true;
            reference.rival = None;
            return Ok(());
        };
        if !reference.seen_again && reference.rival.as_deref() == Some(bytes) {
            *reference = Reference { held: bytes.to_vec(), seen_again: true, rival: None };
            return Ok(());
        }
        reference.rival = Some(bytes.to_vec());
        Err((Address(address.0.wrapping_add(mismatch.at as u32)), mismatch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How each reading compares, in turn.
    fn agree(readings: &[u8]) -> Vec<bool> {
        let mut references = References::default();
        readings.iter().map(|byte| references.compare(Address(0x0800_0000), &[0, *byte]).is_ok()).collect()
    }

    #[test]
    fn one_odd_reading_is_the_odd_one_even_if_it_came_first() {
        assert_eq!(agree(&[1, 1, 2, 1]), [true, true, false, true]);
        assert_eq!(agree(&[2, 1, 1, 1]), [true, false, true, true]);
    }

    #[test]
    fn what_was_seen_twice_is_not_given_up() {
        assert_eq!(agree(&[1, 1, 2, 2, 2]), [true, true, false, false, false]);
        assert_eq!(agree(&[1, 2, 1, 2, 2]), [true, false, true, false, false]);
        assert_eq!(agree(&[1, 2, 3, 4]), [true, false, false, false]);
    }

    #[test]
    fn the_difference_is_told_with_its_place() {
        let mut references = References::default();
        references.compare(Address(0x0800_0000), &[0, 1]).unwrap();
        let (place, mismatch) = references.compare(Address(0x0800_0000), &[0, 3]).unwrap_err();
        assert_eq!((place, mismatch.to_string().as_str()), (Address(0x0800_0001), "0x03 instead of 0x01"));
    }
}
