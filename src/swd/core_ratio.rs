//! How many times the crystal the core clock is, by the clock registers: what turns a counted core clock into the crystal that runs.

use super::clk48::{self, Coding};
use super::clock_tree::ClockTree;
use crate::observation::units::Address;

/// Why the registers give no ratio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRatio {
    #[error("how the core clock of this part comes from its crystal is not known here")]
    UnknownTree,
    #[error("the register at {0} was not read")]
    NotRead(Address),
    #[error("a factor of the PLL reads zero")]
    ZeroFactor,
}

const F4_PLLCFGR: Address = Address(0x4002_3804);
/// Of the F2, F4, F7 and L1.
const F4_CFGR: Address = Address(0x4002_3808);
const F3_CFGR: Address = Address(0x4002_1004);
const F3_CFGR2: Address = Address(0x4002_102C);

/// Core clock divided by crystal, for a core that runs from the PLL and a PLL that is fed by the crystal. On the ROM of the F2, F4
/// and F7 this is 60 MHz / PLLM.
pub fn core_per_crystal(dev_id: u16, read: impl Fn(Address) -> Option<u32>) -> Result<f64, NoRatio> {
    let word = |address| read(address).ok_or(NoRatio::NotRead(address));
    let (up, down, cfgr) = match ClockTree::of_dev_id(dev_id).ok_or(NoRatio::UnknownTree)? {
        ClockTree::F4 | ClockTree::F446 | ClockTree::F469 | ClockTree::F412 | ClockTree::F7 => {
            let pll = word(F4_PLLCFGR)?;
            let p = 2 * ((pll >> 16 & 3) + 1);
            (pll >> 6 & 0x1FF, (pll & 0x3F) * p, word(F4_CFGR)?)
        }
        ClockTree::F1 => {
            let cfgr = word(F3_CFGR)?;
            (multiplier(cfgr), (cfgr >> 17 & 1) + 1, cfgr)
        }
        ClockTree::F3 => {
            let cfgr = word(F3_CFGR)?;
            (multiplier(cfgr), (word(F3_CFGR2)? & 0xF) + 1, cfgr)
        }
        ClockTree::L1 => {
            const FACTORS: [u32; 9] = [3, 4, 6, 8, 12, 16, 24, 32, 48];
            let cfgr = word(F4_CFGR)?;
            let divider = match cfgr >> 22 & 3 {
                0 => 0,
                field => field + 1,
            };
            (FACTORS.get((cfgr >> 18 & 0xF) as usize).copied().unwrap_or(0), divider, cfgr)
        }
        tree @ (ClockTree::L4 | ClockTree::Wb) => {
            let ([_, pllcfgr, cfgr, ..], coding) =
                if tree == ClockTree::L4 { (clk48::L4, Coding::L4) } else { (clk48::WB, Coding::Wb) };
            let (m, n, _, r) = clk48::factors(word(pllcfgr.address)?, coding);
            (n, m * r, word(cfgr.address)?)
        }
        // An F0 counts no cycles, and how an H7 divides for its core is not in the facts.
        ClockTree::F0 | ClockTree::H7 => return Err(NoRatio::UnknownTree),
    };
    let down = down * bus_divider(cfgr);
    if up == 0 || down == 0 {
        return Err(NoRatio::ZeroFactor);
    }
    Ok(f64::from(up) / f64::from(down))
}

/// PLLMUL counts from two and stops at sixteen.
fn multiplier(cfgr: u32) -> u32 {
    ((cfgr >> 18 & 0xF) + 2).min(16)
}

/// HPRE, bits 7:4: from 8 on 2, 4, 8, 16, 64, 128, 256 and 512.
const fn bus_divider(cfgr: u32) -> u32 {
    match cfgr >> 4 & 0xF {
        0..8 => 1,
        field @ 8..12 => 2 << (field - 8),
        field => 4 << (field - 8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(dev_id: u16, words: &[(u32, u32)]) -> Result<f64, NoRatio> {
        core_per_crystal(dev_id, |address| words.iter().find(|(at, _)| *at == address.0).map(|(_, word)| *word))
    }

    #[test]
    fn the_rom_of_the_f7_runs_at_60_mhz_over_pllm() {
        let pll = 25 | 240 << 6 | 1 << 16;
        assert_eq!(ratio(0x449, &[(0x4002_3804, pll), (0x4002_3808, 0xA)]), Ok(60.0 / 25.0));
        assert_eq!(ratio(0x449, &[(0x4002_3804, pll), (0x4002_3808, 0x8A)]), Ok(30.0 / 25.0), "HPRE halves it");
    }

    #[test]
    fn an_f303_multiplies_and_an_l1_divides_too() {
        assert_eq!(ratio(0x422, &[(0x4002_1004, 7 << 18), (0x4002_102C, 0)]), Ok(9.0));
        assert_eq!(ratio(0x416, &[]), Err(NoRatio::UnknownTree));
        // Times twelve, divided by three.
        assert_eq!(ratio(0x436, &[(0x4002_3808, 4 << 18 | 2 << 22)]), Ok(4.0));
    }

    #[test]
    fn an_l476_runs_at_r_of_its_pll() {
        // Times twelve, halved.
        assert_eq!(ratio(0x415, &[(0x4002_100C, 3 | 12 << 8), (0x4002_1008, 3 << 2)]), Ok(6.0));
    }

    #[test]
    fn dividers_of_the_bus_leave_out_32() {
        let all: Vec<_> = (8..16).map(|field| bus_divider(field << 4)).collect();
        assert_eq!(all, [2, 4, 8, 16, 64, 128, 256, 512]);
    }

    #[test]
    fn what_was_not_read_or_reads_zero_gives_no_ratio() {
        assert_eq!(ratio(0x413, &[]), Err(NoRatio::NotRead(Address(0x4002_3804))));
        assert_eq!(ratio(0x413, &[(0x4002_3804, 0), (0x4002_3808, 0)]), Err(NoRatio::ZeroFactor));
    }
}
