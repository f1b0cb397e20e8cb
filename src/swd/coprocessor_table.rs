//! The table in shared RAM in which the coprocessor of an STM32WB says what runs on it. Pure.
//!
//! Layout and keyword: ST's `mbox_def.h` and `shci.h` of the wireless middleware; FACTS section D. A running upgrade service
//! begins its table with a keyword; a running stack has a table of its own, without one.

use std::fmt;

use crate::observation::units::Address;

/// `FUS_DEVICE_INFO_TABLE_VALIDITY_KEYWORD`.
pub const SERVICE_KEYWORD: u32 = 0xA946_56B9;
/// What the service puts there when the mailbox address (IPCCDBA) is wrong.
pub const MAILBOX_WRONG: u32 = 0x3DE9_6F61;
/// As many words as either table needs here.
pub const WORDS: usize = 7;

/// Where the mailbox lies: IPCCDBA counts words from the beginning of SRAM2a.
pub const fn mailbox(shared_ram: Address, ipccdba: u32) -> Address {
    Address(shared_ram.0 + (ipccdba & 0x3FFF) * 4)
}

/// What runs on the coprocessor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoprocessorTable {
    pub owner: Owner,
    pub service: CoprocessorVersion,
    /// Absent where no stack is installed, or where the table does not tell.
    pub stack: Option<CoprocessorVersion>,
    /// The upgrade service's state byte before the last reset; only its own table has it.
    pub last_state: Option<u8>,
}

/// Major, minor, subversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoprocessorVersion(pub u8, pub u8, pub u8);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Service,
    Stack,
}

impl CoprocessorTable {
    /// Whatever lies there, or nothing if it can be neither table.
    pub fn of_words(words: &[u32; WORDS]) -> Option<Self> {
        let [first, second, _, fourth, fifth, sixth, _] = *words;
        if first == SERVICE_KEYWORD {
            return Some(Self {
                owner: Owner::Service,
                service: version(fourth),
                stack: Some(version(sixth)).filter(|stack| *stack != CoprocessorVersion(0, 0, 0)),
                last_state: Some((second >> 8) as u8),
            });
        }
        // Safe boot, then the service, then the stack. Random RAM has no such small major versions.
        let plausible = |word: u32| word != 0 && word >> 24 < 16;
        (plausible(second) && plausible(fifth)).then(|| Self {
            owner: Owner::Stack,
            service: version(second),
            stack: Some(version(fifth)),
            last_state: None,
        })
    }
}

impl CoprocessorTable {
    /// As it lies in RAM.
    pub fn words(&self) -> [u32; WORDS] {
        let stack = self.stack.map_or(0, version_word);
        match self.owner {
            Owner::Service => {
                let state = u32::from(self.last_state.unwrap_or(0)) << 8;
                [
                    SERVICE_KEYWORD,
                    state,
                    version_word(CoprocessorVersion(1, 0, 0)),
                    version_word(self.service),
                    0,
                    stack,
                    0,
                ]
            }
            Owner::Stack => [version_word(CoprocessorVersion(1, 0, 0)), version_word(self.service), 0, 0, stack, 0, 0],
        }
    }
}

/// Major, minor and subversion from the top byte down; the lowest byte is branch and build.
pub const fn version(word: u32) -> CoprocessorVersion {
    CoprocessorVersion((word >> 24) as u8, (word >> 16) as u8, (word >> 8) as u8)
}

/// As such a table holds a version.
pub const fn version_word(version: CoprocessorVersion) -> u32 {
    (version.0 as u32) << 24 | (version.1 as u32) << 16 | (version.2 as u32) << 8
}

impl fmt::Display for CoprocessorVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Service => "upgrade service",
            Self::Stack => "wireless stack",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_service_is_known_by_its_keyword() {
        let words = [SERVICE_KEYWORD, 0x0000_1000, 0, 0x0102_0000, 0, 0x010D_0000, 0];
        let table = CoprocessorTable::of_words(&words).unwrap();
        assert_eq!((table.owner, table.last_state), (Owner::Service, Some(0x10)));
        assert_eq!(
            (table.service.to_string(), table.stack.map(|stack| stack.to_string())),
            ("1.2.0".to_owned(), Some("1.13.0".to_owned()))
        );
    }

    #[test]
    fn what_is_no_table_is_none() {
        assert_eq!(CoprocessorTable::of_words(&[0; WORDS]), None);
        assert_eq!(CoprocessorTable::of_words(&[0x2000_1000; WORDS]), None);
        assert_eq!(CoprocessorTable::of_words(&[MAILBOX_WRONG, 0, 0, 0, 0, 0, 0]), None);
    }

    #[test]
    fn a_stack_has_a_table_of_its_own() {
        let table = CoprocessorTable::of_words(&[0x0100_0000, 0x0102_0000, 0x0A00, 0, 0x010D_0015, 0, 0]).unwrap();
        assert_eq!(
            (table.owner, table.service, table.stack),
            (Owner::Stack, CoprocessorVersion(1, 2, 0), Some(CoprocessorVersion(1, 13, 0)))
        );
    }

    #[test]
    fn the_mailbox_is_counted_in_words() {
        assert_eq!(mailbox(Address(0x2003_0000), 0), Address(0x2003_0000));
        assert_eq!(mailbox(Address(0x2003_0000), 0x10), Address(0x2003_0040));
    }
}
