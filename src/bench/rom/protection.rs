//! What the option bytes forbid.

use super::memory::Memory;
use super::option_layout::OptionLayout;
use crate::observation::units::Address;

/// Protection as it was loaded from the option bytes at the last start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Protection {
    pub read_out: ReadOut,
    /// Start and length of areas that ignore erase and write without a word.
    pub write_protected: Vec<(Address, u32)>,
    /// Start and length of areas whose code can be executed and not read.
    pub execute_only: Vec<(Address, u32)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReadOut {
    #[default]
    Level0,
    Level1,
    Level2,
}

impl ReadOut {
    /// One of the many values that mean it.
    pub const LEVEL_1_BYTE: u32 = 0x00;
    pub const LEVEL_2_BYTE: u32 = 0xcc;
}

impl Protection {
    /// What the part does with its option bytes at a start.
    pub fn load(&mut self, memory: &Memory, layout: &OptionLayout) {
        if let Some(level) = layout.read_out(memory) {
            self.read_out = level;
        }
    }

    pub fn forbids_writing(&self, address: Address, length: u32) -> bool {
        let closed = self.write_protected.iter().chain(&self.execute_only);
        closed.into_iter().any(|&area| overlap(area, address, length).is_some())
    }

    pub const fn leaves_all_flash_open(&self) -> bool {
        self.write_protected.is_empty() && self.execute_only.is_empty()
    }

    /// What cannot be read shows as zeros.
    pub fn hide(&self, address: Address, bytes: &mut [u8]) {
        for &area in &self.execute_only {
            if let Some((from, to)) = overlap(area, address, bytes.len() as u32) {
                bytes[from..to].fill(0);
            }
        }
    }
}

/// Which of the bytes from an address on lie in an area.
fn overlap((start, bytes): (Address, u32), address: Address, length: u32) -> Option<(usize, usize)> {
    let (start, address) = (u64::from(start.0), u64::from(address.0));
    let from = start.max(address);
    let to = (start + u64::from(bytes)).min(address + u64::from(length));
    (from < to).then(|| ((from - address) as usize, (to - address) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execute_only_area_reads_as_zeros_and_takes_no_writes() {
        let area = (Address(0x0800_0010), 0x10);
        let protection = Protection { execute_only: vec![area], ..Protection::default() };
        let mut bytes = [0x55; 0x30];
        protection.hide(Address(0x0800_0000), &mut bytes);
        assert!(bytes[..0x10].iter().all(|&byte| byte == 0x55) && bytes[0x20..].iter().all(|&byte| byte == 0x55));
        assert_eq!(bytes[0x10..0x20], [0; 0x10]);
        assert!(protection.forbids_writing(Address(0x0800_001f), 1));
        assert!(!protection.forbids_writing(Address(0x0800_0020), 64));
    }
}
