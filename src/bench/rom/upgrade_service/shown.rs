//! What the main processor sees of the service: state and error bytes, SFSA, the table in shared RAM, and option words that are not
//! its to write.

use super::UpgradeService;
use crate::bench::rom::memory::{Memory, UPGRADE_SERVICE};
use crate::observation::units::Address;
use crate::swd::coprocessor_table::{CoprocessorTable, CoprocessorVersion, Owner};

/// Of the option-byte area of a WB: SFSA with its neighbours, and the complement after it.
pub(super) const SFSA_WORD: Address = Address(0x1fff_8070);
/// Words that only the coprocessor writes.
const SECURE_WORDS: std::ops::Range<u32> = 0x1fff_8068..0x1fff_8080;

pub(super) mod code {
    pub const IDLE: u8 = 0x00;
    pub const STACK_AT_WORK: u8 = 0x10;
    pub const SERVICE_AT_WORK: u8 = 0x20;
    pub const BUSY: u8 = 0x30;
    pub const ERROR: u8 = 0xff;
    pub const NO_ERROR: u8 = 0x00;
    pub const NOT_FOUND: u8 = 0x01;
    pub const CORRUPT: u8 = 0x02;
    pub const NOT_AUTHENTIC: u8 = 0x03;
    pub const NO_SPACE: u8 = 0x04;
    pub const ABORTED: u8 = 0x05;
    pub const ERASE: u8 = 0x06;
    pub const WRITE: u8 = 0x07;
    pub const ROLLBACK: u8 = 0x11;
    pub const NOT_RUNNING: u8 = 0xfe;
}

impl UpgradeService {
    /// What it, or the stack, keeps for the main processor in shared RAM. The bench keeps no version of a stack; 1.0.0 is chosen.
    pub fn told(&self) -> CoprocessorTable {
        let (major, minor, sub) = self.kept.fus_version;
        let owner = if self.kept.runs { Owner::Stack } else { Owner::Service };
        CoprocessorTable {
            owner,
            service: CoprocessorVersion(major, minor, sub),
            stack: self.kept.stack_page.map(|_| CoprocessorVersion(1, 0, 0)),
            last_state: (owner == Owner::Service).then_some(self.kept.shown.0),
        }
    }

    pub(super) fn show(&mut self, state: u8, error: u8, memory: &mut Memory) {
        self.kept.shown = (state, error);
        self.publish(memory);
    }

    /// State, error and SFSA where the main processor can read them.
    pub(super) fn publish(&self, memory: &mut Memory) {
        let answer = if self.kept.runs && self.job.is_none() {
            [code::ERROR, code::NOT_RUNNING]
        } else {
            [self.kept.shown.0, self.kept.shown.1]
        };
        memory.set(UPGRADE_SERVICE, &answer);
        let Some(word) = memory.read(SFSA_WORD, 4).filter(|bytes| bytes.len() == 4) else { return };
        let page = self.kept.stack_page.unwrap_or(self.own_page) as u8;
        let bytes = [page, word[1], word[2], word[3]];
        memory.set(SFSA_WORD, &[bytes, bytes.map(|byte| !byte)].concat());
    }

    /// Whether the option word is one that only the coprocessor writes.
    pub fn keeps_options_at(address: Address) -> bool {
        SECURE_WORDS.contains(&address.0)
    }

    /// Option bytes as they will be after the main processor has written `data`: some words are not its to write.
    pub fn option_bytes_after(first: Address, data: &[u8], memory: &Memory) -> Vec<u8> {
        let mut kept = data.to_vec();
        for (place, byte) in (first.0..).zip(kept.iter_mut()) {
            if SECURE_WORDS.contains(&place)
                && let Some(own) = memory.read(Address(place), 1)
            {
                *byte = own[0];
            }
        }
        kept
    }
}
