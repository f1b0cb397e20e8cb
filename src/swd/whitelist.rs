//! What a debug session may write at its level of touch. The one rule that keeps observing read-only.

use crate::observation::step::Touch;
use crate::observation::units::Address;

use super::core_debug::{DEMCR, DWT_CTRL};
use super::transaction::{dp, mem_ap};

/// Something that reaches the target and may change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TargetWrite {
    DebugPort {
        address: u8,
        word: u32,
    },
    AccessPort {
        port: u8,
        address: u8,
        word: u32,
    },
    Memory {
        address: Address,
        /// What was read there immediately before, where the level of touch asks for it.
        before: Option<u32>,
        word: u32,
    },
    /// NRST pulled low, or let go.
    ResetLine {
        low: bool,
    },
}

/// Whether this may be written by a session that was allowed `touch`.
pub fn permits(touch: Touch, write: &TargetWrite) -> bool {
    touch >= needed(write)
}

/// Whether a write of memory needs the word that is there now, so that single bits can be judged.
pub const fn judged_by_bits(address: Address) -> bool {
    changeable_bits(address) != 0
}

/// The bits that observing may change, and puts back: what CYCCNT needs to count.
const fn changeable_bits(address: Address) -> u32 {
    match address {
        DEMCR => 1 << 24,
        DWT_CTRL => 1,
        _ => 0,
    }
}

/// The least touch that covers the write; what is not known to be harmless counts as more.
pub fn needed(write: &TargetWrite) -> Touch {
    match *write {
        TargetWrite::DebugPort { address: dp::ABORT | dp::CTRL_STAT | dp::SELECT, .. } => Touch::Observe,
        TargetWrite::AccessPort { address: mem_ap::CSW | mem_ap::TAR, .. } => Touch::Observe,
        TargetWrite::Memory { address, before: Some(before), word }
            if (before ^ word) & !changeable_bits(address) == 0 =>
        {
            Touch::Observe
        }
        // The controller of the flash, where a word can erase.
        TargetWrite::Memory { address, .. } if reaches_flash(address) => Touch::Alter,
        TargetWrite::Memory { .. } | TargetWrite::ResetLine { .. } => Touch::Disturb,
        // DRW and the banked data registers reach memory without saying where; anything else has no business here.
        TargetWrite::AccessPort { .. } | TargetWrite::DebugPort { .. } => Touch::Alter,
    }
}

/// Flash, option bytes and OTP, and the registers of the flash controllers of all families, as secure code sees them too.
const fn reaches_flash(address: Address) -> bool {
    matches!(address.0,
        0x0000_0000..=0x1FFF_FFFF
        | 0x4002_2000..=0x4002_23FF
        | 0x4002_3C00..=0x4002_3FFF
        | 0x5002_2000..=0x5002_23FF
        | 0x5200_2000..=0x5200_2FFF
        | 0x5800_4000..=0x5800_43FF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn memory(address: Address, before: Option<u32>, word: u32) -> TargetWrite {
        TargetWrite::Memory { address, before, word }
    }

    #[test]
    fn observing_may_switch_the_cycle_counter_on_and_off() {
        for write in [
            memory(DEMCR, Some(0), 1 << 24),
            memory(DEMCR, Some(1 << 24 | 1), 1),
            memory(DWT_CTRL, Some(0x4000_0000), 0x4000_0001),
            TargetWrite::DebugPort { address: dp::ABORT, word: dp::CLEAR_STICKY },
            TargetWrite::AccessPort { port: 0, address: mem_ap::TAR, word: 0x0800_0000 },
        ] {
            assert!(permits(Touch::Observe, &write), "{write:?}");
        }
    }

    #[test]
    fn what_halts_resets_or_reaches_memory_is_not_observing() {
        const DHCSR: Address = Address(0xE000_EDF0);
        const AIRCR: Address = Address(0xE000_ED0C);
        for write in [
            memory(DHCSR, None, 0xA05F_0003),
            memory(AIRCR, None, 0x05FA_0004),
            // The vector catch of reset is another bit of the same register.
            memory(DEMCR, Some(0), 1 << 24 | 1),
            // What is there was not looked at.
            memory(DEMCR, None, 1 << 24),
            memory(Address(0x2000_0000), None, 0),
            memory(Address(0x2000_0000), Some(0), 1),
            TargetWrite::ResetLine { low: true },
            TargetWrite::AccessPort { port: 0, address: mem_ap::DRW, word: 0 },
            TargetWrite::AccessPort { port: 0, address: mem_ap::BD0, word: 0 },
        ] {
            assert!(!permits(Touch::Observe, &write), "{write:?}");
        }
    }

    #[test]
    fn the_flash_controller_needs_alter() {
        for address in [0x4002_3C04, 0x4002_2010, 0x5002_2010, 0x5200_2004, 0x5800_4008, 0x0800_0000, 0x1FFF_C000] {
            let write = memory(Address(address), Some(0), 1);
            assert!(!permits(Touch::Disturb, &write), "{write:?}");
            assert!(permits(Touch::Alter, &write));
        }
    }

    proptest! {
        #[test]
        fn only_two_bits_of_memory_can_change_while_observing(address: u32, before: u32, word: u32) {
            let allowed = permits(Touch::Observe, &memory(Address(address), Some(before), word));
            let changed = before ^ word;
            let harmless = changed == 0
                || (Address(address) == DEMCR && changed == 1 << 24)
                || (Address(address) == DWT_CTRL && changed == 1);
            prop_assert_eq!(allowed, harmless);
        }
    }
}
