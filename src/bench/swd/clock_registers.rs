//! The clock registers as the running program left them: by the ROM with the crystal it believed in, or by the application.

use crate::clock::hsi48::Recovery;
use crate::observation::units::{Address, Hertz, Ppm};
use crate::swd::clock_tree::ClockTree;

/// How the program that runs has set up its clocks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ClockSetup {
    /// As after reset: the internal oscillator.
    Reset,
    /// The ROM waits for a crystal that has not started.
    WaitsForCrystal,
    /// The ROM runs the PLL from a crystal of so many MHz as it believes.
    FromCrystal { believed_mhz: u32 },
    /// The ROM runs USB from HSI48.
    FromHsi48(Recovery),
    /// The application runs the PLL from the crystal that is fitted.
    Application { crystal_mhz: u32, core_mhz: u32 },
}

/// The ROM of the F2, F4 and F7 brings the PLL to 240 MHz and divides by four and five (FACTS section C: 60 MHz core, 48 MHz USB).
const ROM_CORE_MHZ: f64 = 60.0;
const HSI_MHZ: f64 = 16.0;
/// Of a ROM that runs from HSI48; an assumption.
const HSI48_CORE_MHZ: f64 = 48.0;

/// What the core really runs at.
pub fn core_clock(setup: ClockSetup, fitted_mhz: Option<f64>, hsi_error: Ppm) -> Hertz {
    let internal = Hertz::from_mhz(HSI_MHZ * (1.0 + hsi_error.as_fraction()));
    let fitted = fitted_mhz.unwrap_or(0.0);
    match setup {
        ClockSetup::Reset | ClockSetup::WaitsForCrystal => internal,
        ClockSetup::FromCrystal { believed_mhz } => {
            Hertz::from_mhz(ROM_CORE_MHZ * fitted / f64::from(believed_mhz.max(1)))
        }
        ClockSetup::FromHsi48(recovery) => Hertz::from_mhz(HSI48_CORE_MHZ * (1.0 + recovery.error().as_fraction())),
        ClockSetup::Application { crystal_mhz, core_mhz } => {
            Hertz::from_mhz(f64::from(core_mhz) * fitted / f64::from(crystal_mhz.max(1)))
        }
    }
}

const HSE_ON_AND_READY: u32 = 1 << 16 | 1 << 17;
const PLL_ON_AND_READY: u32 = 1 << 24 | 1 << 25;
const HSE_IS_SOURCE: u32 = 1 << 22;
const RUNS_FROM_PLL: u32 = 2 | 2 << 2;

/// A clock register of a tree; `None` where this one is not modelled.
pub fn register(tree: ClockTree, setup: ClockSetup, address: Address) -> Option<u32> {
    match tree {
        ClockTree::F4 | ClockTree::F446 | ClockTree::F469 | ClockTree::F412 | ClockTree::F7 => f4(setup, address),
        ClockTree::H7 => h7(setup, address),
        ClockTree::F0 => hsi48_control(setup, address, 0x4002_1034, 16),
        ClockTree::L4 => hsi48_control(setup, address, 0x4002_1098, 0),
        ClockTree::Wb => hsi48_control(setup, address, 0x5800_0098, 0),
        ClockTree::F1 | ClockTree::F3 | ClockTree::L1 => None,
    }
}

fn f4(setup: ClockSetup, address: Address) -> Option<u32> {
    const HSI: u32 = 0x83;
    let (cr, pllcfgr, cfgr) = match setup {
        ClockSetup::Reset | ClockSetup::FromHsi48(_) => (HSI, 0x2400_3010, 0),
        ClockSetup::WaitsForCrystal => (HSI | 1 << 16, 0x2400_3010, 0),
        ClockSetup::FromCrystal { believed_mhz } => {
            let pllcfgr = (believed_mhz & 0x3F) | 240 << 6 | 1 << 16 | HSE_IS_SOURCE | 5 << 24;
            (HSI | HSE_ON_AND_READY | PLL_ON_AND_READY, pllcfgr, RUNS_FROM_PLL)
        }
        ClockSetup::Application { crystal_mhz, core_mhz } => {
            let vco = 2 * core_mhz;
            let pllcfgr = (crystal_mhz & 0x3F) | (vco & 0x1FF) << 6 | HSE_IS_SOURCE | ((vco / 48) & 0xF) << 24;
            (HSI | HSE_ON_AND_READY | PLL_ON_AND_READY, pllcfgr, RUNS_FROM_PLL)
        }
    };
    match address.0 {
        0x4002_3800 => Some(cr),
        0x4002_3804 => Some(pllcfgr),
        0x4002_3808 => Some(cfgr),
        _ => None,
    }
}

/// HSI48 on and ready at `bit`, where USB runs from it; that it does is the reset value of the register that chooses.
fn hsi48_control(setup: ClockSetup, address: Address, register: u32, bit: u8) -> Option<u32> {
    let runs = matches!(setup, ClockSetup::FromHsi48(_));
    (address.0 == register).then_some(if runs { 3 << bit } else { 0 })
}

/// USB from HSI48: USBSEL is 3.
const fn h7(setup: ClockSetup, address: Address) -> Option<u32> {
    let hsi48 = matches!(setup, ClockSetup::FromHsi48(_));
    match address.0 {
        0x5802_4400 => Some(if hsi48 { 0x3025 } else { 0x25 }),
        0x5802_4454 => Some(if hsi48 { 3 << 20 } else { 0 }),
        _ => None,
    }
}

/// CRS_CR, CRS_CFGR or CRS_ISR by offset from its base.
pub fn crs(setup: ClockSetup, offset: u32) -> Option<u32> {
    const RESET_TRIM: u32 = 0x20 << 8;
    const COUNTS_AND_TRIMS: u32 = 1 << 5 | 1 << 6;
    match (offset, setup) {
        (0, ClockSetup::FromHsi48(Recovery::Free { .. })) => Some(RESET_TRIM),
        (0, ClockSetup::FromHsi48(_)) => Some(RESET_TRIM | COUNTS_AND_TRIMS),
        (0, _) => Some(RESET_TRIM),
        // Reset value: a frame is 48 000 counts, the limit 34, and the frames of USB are the reference.
        (4, _) => Some(0x2022_BB7F),
        (8, ClockSetup::FromHsi48(recovery)) => Some(crs_status(recovery)),
        (8, _) => Some(0),
        _ => None,
    }
}

fn crs_status(recovery: Recovery) -> u32 {
    const LIMIT: u32 = 34;
    const TRIM_AT_ITS_END: u32 = 1 << 10;
    let residual = match recovery {
        Recovery::Free { .. } => return 0,
        Recovery::Locked { residual } | Recovery::OutOfReach { residual } | Recovery::OnItsWay { residual } => residual,
    };
    let counts = ((residual.as_fraction() * crate::clock::hsi48::COUNTS_PER_FRAME).abs().round() as u32).min(0xFFFF);
    let direction = if residual.0 < 0.0 { 1 << 15 } else { 0 };
    let level = match counts {
        0..LIMIT => 1,
        LIMIT..102 => 1 << 1,
        _ => 1 << 2,
    };
    let end = if matches!(recovery, Recovery::OutOfReach { .. }) { TRIM_AT_ITS_END } else { 0 };
    counts << 16 | direction | level | end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swd::clock_tree::believed_crystal;
    use crate::swd::crs::CrsStatus;

    fn believed(setup: ClockSetup) -> f64 {
        let read = |address| register(ClockTree::F7, setup, address).or(Some(0));
        let belief = believed_crystal(0x449, read).unwrap();
        assert_eq!(belief.doubts, Vec::<&str>::new());
        belief.crystal.as_mhz()
    }

    #[test]
    fn what_the_rom_believed_reads_back_from_its_registers() {
        for mhz in [8, 24, 25] {
            let setup = ClockSetup::FromCrystal { believed_mhz: mhz };
            assert!((believed(setup) - f64::from(mhz)).abs() < 1e-9);
        }
        assert!((believed(ClockSetup::Application { crystal_mhz: 8, core_mhz: 168 }) - 8.0).abs() < 1e-9);
    }

    #[test]
    fn a_misread_crystal_makes_the_core_fast_by_the_same_share() {
        let setup = ClockSetup::FromCrystal { believed_mhz: 24 };
        assert!((core_clock(setup, Some(25.0), Ppm(0.0)).as_mhz() - 62.5).abs() < 1e-9);
        assert!((core_clock(ClockSetup::Reset, Some(25.0), Ppm(10_000.0)).as_mhz() - 16.16).abs() < 1e-9);
    }

    #[test]
    fn crs_shows_what_recovery_left() {
        let read = |recovery| CrsStatus::of_isr(crs(ClockSetup::FromHsi48(recovery), 8).unwrap());
        let locked = read(Recovery::Locked { residual: Ppm(250.0) });
        assert!(locked.sync_ok && !locked.trim_overflow && (locked.deviation.0 - 250.0).abs() < 11.0);
        let out = read(Recovery::OutOfReach { residual: Ppm(-10_000.0) });
        assert!(out.error && out.trim_overflow && (out.deviation.0 + 10_000.0).abs() < 11.0);
    }
}
