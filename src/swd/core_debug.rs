//! The debug registers of a Cortex-M core as they lie in memory (ARMv7-M, chapter C1).

use crate::observation::units::Address;

pub const CPUID: Address = Address(0xE000_ED00);
pub const ICSR: Address = Address(0xE000_ED04);
pub const VTOR: Address = Address(0xE000_ED08);
pub const AIRCR: Address = Address(0xE000_ED0C);
pub const CFSR: Address = Address(0xE000_ED28);
pub const HFSR: Address = Address(0xE000_ED2C);
pub const DFSR: Address = Address(0xE000_ED30);
pub const DHCSR: Address = Address(0xE000_EDF0);
pub const DCRSR: Address = Address(0xE000_EDF4);
pub const DCRDR: Address = Address(0xE000_EDF8);
pub const DEMCR: Address = Address(0xE000_EDFC);
pub const DWT_CTRL: Address = Address(0xE000_1000);
pub const DWT_CYCCNT: Address = Address(0xE000_1004);
/// Samples the program counter without halting; not on every part.
pub const DWT_PCSR: Address = Address(0xE000_101C);

/// In DHCSR. The key has to stand in the upper half of what is written.
pub const DEBUG_KEY: u32 = 0xA05F_0000;
pub const C_DEBUGEN: u32 = 1;
pub const C_HALT: u32 = 1 << 1;
pub const C_MASKINTS: u32 = 1 << 3;
pub const S_REGRDY: u32 = 1 << 16;
pub const S_HALT: u32 = 1 << 17;
pub const S_SLEEP: u32 = 1 << 18;
pub const S_LOCKUP: u32 = 1 << 19;
pub const S_RETIRE_ST: u32 = 1 << 24;
pub const S_RESET_ST: u32 = 1 << 25;

/// In DEMCR.
pub const VC_CORERESET: u32 = 1;
pub const TRCENA: u32 = 1 << 24;

/// In DWT_CTRL.
pub const CYCCNTENA: u32 = 1;
/// The part has no cycle counter.
pub const NOCYCCNT: u32 = 1 << 25;

/// In AIRCR, with its key.
pub const SYSRESETREQ: u32 = 0x05FA_0000 | 1 << 2;

/// The fault whose handler runs, from ICSR.
pub const fn exception(icsr: u32) -> Option<&'static str> {
    Some(match icsr & 0x1FF {
        3 => "HardFault",
        4 => "MemManage",
        5 => "BusFault",
        6 => "UsageFault",
        7 => "SecureFault",
        _ => return None,
    })
}

/// The core by the part number in CPUID.
pub const fn core_name(cpuid: u32) -> Option<&'static str> {
    Some(match cpuid >> 4 & 0xFFF {
        0xC20 => "Cortex-M0",
        0xC60 => "Cortex-M0+",
        0xC23 => "Cortex-M3",
        0xC24 => "Cortex-M4",
        0xC27 => "Cortex-M7",
        0xD21 => "Cortex-M33",
        0xD22 => "Cortex-M55",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_of_an_f746_is_named() {
        assert_eq!(core_name(0x411F_C271), Some("Cortex-M7"));
        assert_eq!(core_name(0x410F_C241), Some("Cortex-M4"));
        assert_eq!(core_name(0), None);
    }
}
