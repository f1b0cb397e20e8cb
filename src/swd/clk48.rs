//! What the 48 MHz of USB come from on L4, G4, WB and F0: HSI48, MSI, or a PLL that tells the crystal the ROM believes in.
//!
//! Bits after RM0091, RM0351, RM0394, RM0432, RM0434 and RM0440; not tried on hardware.

use super::clock_tree::{ClockRegister, NoBelief, register};
use crate::clock::pll::{Pll, PllError};

/// L4, L4+ and G4 at 0x40021000, WB at 0x58000000: CR, PLLCFGR, CFGR, CCIPR, CRRCR.
pub const L4: [ClockRegister; 5] = l4_like(0x4002_1000);
pub const WB: [ClockRegister; 5] = l4_like(0x5800_0000);
pub const F0: [ClockRegister; 5] = [
    register("RCC_CR", 0x4002_1000),
    register("RCC_CFGR", 0x4002_1004),
    register("RCC_CFGR2", 0x4002_102C),
    register("RCC_CFGR3", 0x4002_1030),
    register("RCC_CR2", 0x4002_1034),
];

const fn l4_like(base: u32) -> [ClockRegister; 5] {
    [
        register("RCC_CR", base),
        register("RCC_PLLCFGR", base + 0x0C),
        register("RCC_CFGR", base + 0x08),
        register("RCC_CCIPR", base + 0x88),
        register("RCC_CRRCR", base + 0x98),
    ]
}

/// How the fields of PLLCFGR are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Q and R are 2, 4, 6 or 8.
    L4,
    /// Q and R count from one.
    Wb,
}

/// M, N, Q and R of the main PLL as factors.
pub const fn factors(pllcfgr: u32, coding: Coding) -> (u32, u32, u32, u32) {
    let (m, n) = ((pllcfgr >> 4 & 0xF) + 1, pllcfgr >> 8 & 0x7F);
    match coding {
        Coding::L4 => (m, n, 2 * ((pllcfgr >> 21 & 3) + 1), 2 * ((pllcfgr >> 25 & 3) + 1)),
        Coding::Wb => (m, n, (pllcfgr >> 25 & 7) + 1, (pllcfgr >> 29) + 1),
    }
}

/// CLK48SEL of CCIPR, bits 27:26. A part without HSI48 has no clock at the value 0.
pub fn of_l4(ccipr: u32, crrcr: u32, pllcfgr: u32, coding: Coding) -> Result<Pll, NoBelief> {
    match ccipr >> 26 & 3 {
        0 => Err(hsi48(crrcr & 3 == 3)),
        2 if pllcfgr & 3 != 3 => Err(PllError::InternalSource.into()),
        2 => {
            let (m, n, q, _) = factors(pllcfgr, coding);
            Ok(Pll::MainPll { m, n, q })
        }
        3 => Err(NoBelief::Msi),
        _ => Err(NoBelief::SecondPll),
    }
}

/// USBSW of CFGR3, bit 7; PLLSRC of CFGR, bits 16:15: 2 is HSE, 3 is HSI48.
pub fn of_f0(cfgr: u32, cfgr2: u32, cfgr3: u32, cr2: u32) -> Result<Pll, NoBelief> {
    let from_hsi48 = || hsi48(cr2 >> 16 & 3 == 3);
    if cfgr3 >> 7 & 1 == 0 {
        return Err(from_hsi48());
    }
    match cfgr >> 15 & 3 {
        2 => Ok(Pll::Multiplier {
            prediv: (cfgr2 & 0xF) + 1,
            multiplier: ((cfgr >> 18 & 0xF) + 2).min(16),
            usb_divides_by_1_5: false,
        }),
        3 => Err(from_hsi48()),
        _ => Err(PllError::InternalSource.into()),
    }
}

/// On and ready.
const fn hsi48(runs: bool) -> NoBelief {
    if runs { NoBelief::Hsi48 } else { NoBelief::Hsi48Off }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crystal(pll: Result<Pll, NoBelief>) -> f64 {
        pll.unwrap().believed_crystal().unwrap().as_mhz()
    }

    const HSE: u32 = 3;

    #[test]
    fn a_pll_that_makes_48_mhz_tells_the_crystal() {
        // 8 MHz / 1 x 12 = 96 MHz, halved.
        assert!((crystal(of_l4(2 << 26, 0, HSE | 12 << 8, Coding::L4)) - 8.0).abs() < 1e-9);
        // 32 MHz / 2 x 6 = 96 MHz, halved; Q counts from one.
        assert!((crystal(of_l4(2 << 26, 0, HSE | 1 << 4 | 6 << 8 | 1 << 25, Coding::Wb)) - 32.0).abs() < 1e-9);
        assert!((crystal(of_f0(2 << 15 | 4 << 18, 0, 1 << 7, 0)) - 8.0).abs() < 1e-9);
    }

    #[test]
    fn an_internal_oscillator_needs_no_crystal_and_may_be_off() {
        assert_eq!(of_l4(0, 3, 0, Coding::L4), Err(NoBelief::Hsi48));
        assert_eq!(of_l4(0, 1, 0, Coding::L4), Err(NoBelief::Hsi48Off), "on and not ready");
        assert_eq!(of_l4(3 << 26, 0, 0, Coding::L4), Err(NoBelief::Msi));
        assert_eq!(of_f0(0, 0, 0, 3 << 16), Err(NoBelief::Hsi48));
        assert_eq!(of_f0(3 << 15, 0, 1 << 7, 3 << 16), Err(NoBelief::Hsi48));
        assert_eq!(of_l4(2 << 26, 0, 2, Coding::L4), Err(PllError::InternalSource.into()));
    }
}
