//! What the option bytes forbid.

use crate::observation::units::Address;

/// Protection as the option bytes set it up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Protection {
    pub read_out: bool,
    /// Start and length of areas that ignore erase and write without a word.
    pub write_protected: Vec<(Address, u32)>,
}

impl Protection {
    pub fn forbids_writing(&self, address: Address, length: u32) -> bool {
        let end = u64::from(address.0) + u64::from(length);
        let overlaps = |start: u32, bytes: u32| u64::from(start) < end && address.0 < start.saturating_add(bytes);
        self.write_protected.iter().any(|(start, bytes)| overlaps(start.0, *bytes))
    }
}
