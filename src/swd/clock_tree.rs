//! The crystal that running code believes in, from the clock registers over SWD, with the conditions under which that is sound.

use super::clk48::{self, Coding};
use crate::clock::pll::{Pll, PllError};
use crate::observation::units::{Address, Hertz};

/// How the 48 MHz of USB come about in a group of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockTree {
    /// F2, F40x, F42x, F401, F411: the main PLL.
    F4,
    /// F446: the main PLL or PLLSAI with its own divider.
    F446,
    /// F469: the main PLL or PLLSAI; the choice is in DCKCFGR.
    F469,
    /// F412, F413: the main PLL or PLLI2S.
    F412,
    /// F7: the main PLL or PLLSAI.
    F7,
    /// F1 without F105/107: PLLMUL, one bit of division, the USB prescaler.
    F1,
    /// F3: PLLMUL, a division of 1 to 16, the USB prescaler.
    F3,
    L1,
    /// H74x and H72x: PLL1 or PLL3, unless HSI48 is chosen.
    H7,
    /// F04, F07: HSI48, or the PLL.
    F0,
    /// L4, L4+ and G4: HSI48, MSI or the main PLL.
    L4,
    Wb,
}

/// A register that has to be read for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockRegister {
    pub name: &'static str,
    pub address: Address,
}

pub(super) const fn register(name: &'static str, address: u32) -> ClockRegister {
    ClockRegister { name, address: Address(address) }
}

const F4_CR: ClockRegister = register("RCC_CR", 0x4002_3800);
pub const F4_PLLCFGR: ClockRegister = register("RCC_PLLCFGR", 0x4002_3804);
const F4_CFGR: ClockRegister = register("RCC_CFGR", 0x4002_3808);
const F4_PLLI2SCFGR: ClockRegister = register("RCC_PLLI2SCFGR", 0x4002_3884);
const F4_PLLSAICFGR: ClockRegister = register("RCC_PLLSAICFGR", 0x4002_3888);
const F4_DCKCFGR: ClockRegister = register("RCC_DCKCFGR", 0x4002_388C);
const F7_DCKCFGR2: ClockRegister = register("RCC_DCKCFGR2", 0x4002_3890);
const F4_DCKCFGR2: ClockRegister = register("RCC_DCKCFGR2", 0x4002_3894);
const F3_CR: ClockRegister = register("RCC_CR", 0x4002_1000);
const F3_CFGR: ClockRegister = register("RCC_CFGR", 0x4002_1004);
const F3_CFGR2: ClockRegister = register("RCC_CFGR2", 0x4002_102C);
const H7_CR: ClockRegister = register("RCC_CR", 0x5802_4400);
const H7_PLLCKSELR: ClockRegister = register("RCC_PLLCKSELR", 0x5802_4428);
const H7_PLL1DIVR: ClockRegister = register("RCC_PLL1DIVR", 0x5802_4430);
const H7_PLL3DIVR: ClockRegister = register("RCC_PLL3DIVR", 0x5802_4440);
const H7_D2CCIP2R: ClockRegister = register("RCC_D2CCIP2R", 0x5802_4454);

/// What the registers say the code believes, and what weakens it.
#[derive(Clone, Debug, PartialEq)]
pub struct Belief {
    pub crystal: Hertz,
    pub doubts: Vec<&'static str>,
}

/// Why the registers give no crystal.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum NoBelief {
    #[error("the clock tree of DEV_ID 0x{0:03X} is not known here")]
    UnknownPart(u16),
    #[error("{} at {} was not read", .0.name, .0.address)]
    NotRead(ClockRegister),
    #[error("USB runs from HSI48, so no crystal is believed in")]
    Hsi48,
    #[error("USB is to run from HSI48, which is off or not ready")]
    Hsi48Off,
    #[error("USB runs from MSI, so no crystal is believed in")]
    Msi,
    #[error("USB runs from PLLSAI1, which is not read here")]
    SecondPll,
    #[error(transparent)]
    Pll(#[from] PllError),
}

impl ClockTree {
    pub const fn of_dev_id(dev_id: u16) -> Option<Self> {
        Some(match dev_id {
            0x411 | 0x413 | 0x419 | 0x423 | 0x431 | 0x433 => Self::F4,
            0x421 => Self::F446,
            0x434 => Self::F469,
            0x441 | 0x463 => Self::F412,
            0x449 | 0x451 | 0x452 => Self::F7,
            0x410 | 0x412 | 0x414 | 0x430 => Self::F1,
            0x422 | 0x432 | 0x439 | 0x446 => Self::F3,
            0x427 | 0x436 | 0x437 => Self::L1,
            0x450 | 0x483 => Self::H7,
            0x445 | 0x448 => Self::F0,
            0x415 | 0x435 | 0x461 | 0x462 | 0x464 | 0x470 | 0x471 | 0x468 | 0x469 | 0x479 => Self::L4,
            0x494 | 0x495 => Self::Wb,
            _ => return None,
        })
    }

    /// What to read, in this order.
    pub const fn registers(self) -> &'static [ClockRegister] {
        match self {
            Self::F4 => &[F4_CR, F4_PLLCFGR, F4_CFGR],
            Self::F446 => &[F4_CR, F4_PLLCFGR, F4_CFGR, F4_PLLSAICFGR, F4_DCKCFGR2],
            Self::F469 => &[F4_CR, F4_PLLCFGR, F4_CFGR, F4_PLLSAICFGR, F4_DCKCFGR],
            Self::F412 => &[F4_CR, F4_PLLCFGR, F4_CFGR, F4_PLLI2SCFGR, F4_DCKCFGR2],
            Self::F7 => &[F4_CR, F4_PLLCFGR, F4_CFGR, F4_PLLSAICFGR, F7_DCKCFGR2],
            Self::F1 => &[F3_CR, F3_CFGR],
            Self::F3 => &[F3_CR, F3_CFGR, F3_CFGR2],
            Self::L1 => &[F4_CR, F4_CFGR],
            Self::H7 => &[H7_CR, H7_PLLCKSELR, H7_PLL1DIVR, H7_PLL3DIVR, H7_D2CCIP2R],
            Self::F0 => &clk48::F0,
            Self::L4 => &clk48::L4,
            Self::Wb => &clk48::WB,
        }
    }
}

/// Whether USB runs from HSI48; `None` where the registers do not tell.
pub fn usb_from_hsi48(dev_id: u16, read: impl Fn(Address) -> Option<u32>) -> Option<bool> {
    match believed_crystal(dev_id, read) {
        Err(NoBelief::Hsi48 | NoBelief::Hsi48Off) => Some(true),
        Ok(_) | Err(NoBelief::Msi | NoBelief::SecondPll) => Some(false),
        Err(NoBelief::UnknownPart(_) | NoBelief::NotRead(_) | NoBelief::Pll(_)) => None,
    }
}

/// The believed crystal of a part; `read` gives the words that were read.
pub fn believed_crystal(dev_id: u16, read: impl Fn(Address) -> Option<u32>) -> Result<Belief, NoBelief> {
    let tree = ClockTree::of_dev_id(dev_id).ok_or(NoBelief::UnknownPart(dev_id))?;
    let word = |register: ClockRegister| read(register.address).ok_or(NoBelief::NotRead(register));
    let pll = match tree {
        ClockTree::F4 => Pll::from_f4_register(word(F4_PLLCFGR)?)?,
        ClockTree::F446 => f4_or(word(F4_PLLCFGR)?, word(F4_DCKCFGR2)?, || {
            let sai = word(F4_PLLSAICFGR)?;
            Ok(Pll::Sai { m: sai & 0x3F, n: sai >> 6 & 0x1FF, p: sai_p(sai) })
        })?,
        ClockTree::F469 => f4_or(word(F4_PLLCFGR)?, word(F4_DCKCFGR)?, || shared_sai(word(F4_PLLCFGR)?, &word))?,
        ClockTree::F7 => f4_or(word(F4_PLLCFGR)?, word(F7_DCKCFGR2)?, || shared_sai(word(F4_PLLCFGR)?, &word))?,
        ClockTree::F412 => f4_or(word(F4_PLLCFGR)?, word(F4_DCKCFGR2)?, || {
            let i2s = word(F4_PLLI2SCFGR)?;
            Ok(Pll::I2s { m: i2s & 0x3F, n: i2s >> 6 & 0x1FF, q: i2s >> 24 & 0xF })
        })?,
        ClockTree::F1 => multiplier(word(F3_CFGR)?, None)?,
        ClockTree::F3 => multiplier(word(F3_CFGR)?, Some(word(F3_CFGR2)?))?,
        ClockTree::L1 => l1(word(F4_CFGR)?)?,
        ClockTree::H7 => h7(word(H7_CR)?, word(H7_PLLCKSELR)?, word(H7_D2CCIP2R)?, &word)?,
        ClockTree::F0 => {
            let [_, cfgr, cfgr2, cfgr3, cr2] = clk48::F0;
            clk48::of_f0(word(cfgr)?, word(cfgr2)?, word(cfgr3)?, word(cr2)?)?
        }
        ClockTree::L4 | ClockTree::Wb => {
            let ([_, pllcfgr, _, ccipr, crrcr], coding) =
                if tree == ClockTree::L4 { (clk48::L4, Coding::L4) } else { (clk48::WB, Coding::Wb) };
            clk48::of_l4(word(ccipr)?, word(crrcr)?, word(pllcfgr)?, coding)?
        }
    };
    Ok(Belief { crystal: pll.believed_crystal()?, doubts: doubts(tree, &read) })
}

/// CK48MSEL, bit 27, chooses the second PLL.
fn f4_or(pllcfgr: u32, choice: u32, other: impl Fn() -> Result<Pll, NoBelief>) -> Result<Pll, NoBelief> {
    let main = Pll::from_f4_register(pllcfgr)?;
    if choice >> 27 & 1 == 1 { other() } else { Ok(main) }
}

/// PLLSAI where it shares the divider M of the main PLL.
fn shared_sai(pllcfgr: u32, word: &impl Fn(ClockRegister) -> Result<u32, NoBelief>) -> Result<Pll, NoBelief> {
    let sai = word(F4_PLLSAICFGR)?;
    Ok(Pll::Sai { m: pllcfgr & 0x3F, n: sai >> 6 & 0x1FF, p: sai_p(sai) })
}

/// PLLSAIP is coded 2, 4, 6, 8.
const fn sai_p(sai: u32) -> u32 {
    2 * ((sai >> 16 & 3) + 1)
}

/// PLLMUL counts from two and stops at sixteen; without CFGR2 the divider is the one bit PLLXTPRE.
fn multiplier(cfgr: u32, cfgr2: Option<u32>) -> Result<Pll, NoBelief> {
    if cfgr >> 16 & 1 == 0 {
        return Err(PllError::InternalSource.into());
    }
    let prediv = cfgr2.map_or((cfgr >> 17 & 1) + 1, |cfgr2| (cfgr2 & 0xF) + 1);
    let multiplier = ((cfgr >> 18 & 0xF) + 2).min(16);
    Ok(Pll::Multiplier { prediv, multiplier, usb_divides_by_1_5: cfgr >> 22 & 1 == 0 })
}

fn l1(cfgr: u32) -> Result<Pll, NoBelief> {
    const FACTORS: [u32; 9] = [3, 4, 6, 8, 12, 16, 24, 32, 48];
    if cfgr >> 16 & 1 == 0 {
        return Err(PllError::InternalSource.into());
    }
    let multiplier = FACTORS.get((cfgr >> 18 & 0xF) as usize).copied().unwrap_or(0);
    Ok(Pll::L1 { multiplier })
}

/// USBSEL: 1 is PLL1 Q, 2 is PLL3 Q, 3 is HSI48.
fn h7(
    cr: u32,
    pllckselr: u32,
    d2ccip2r: u32,
    word: &impl Fn(ClockRegister) -> Result<u32, NoBelief>,
) -> Result<Pll, NoBelief> {
    let (divider, divm) = match d2ccip2r >> 20 & 3 {
        1 => (word(H7_PLL1DIVR)?, pllckselr >> 4 & 0x3F),
        2 => (word(H7_PLL3DIVR)?, pllckselr >> 20 & 0x3F),
        // HSI48ON and HSI48RDY.
        3 => return Err(if cr >> 12 & 3 == 3 { NoBelief::Hsi48 } else { NoBelief::Hsi48Off }),
        _ => return Err(PllError::ZeroFactor.into()),
    };
    if pllckselr & 3 != 2 {
        return Err(PllError::InternalSource.into());
    }
    Ok(Pll::H7 { divm, divn_field: divider & 0x1FF, divq_field: divider >> 16 & 0x7F })
}

/// Conditions that a sound answer needs: the crystal runs, the PLL is locked, the core runs from it.
fn doubts(tree: ClockTree, read: &impl Fn(Address) -> Option<u32>) -> Vec<&'static str> {
    let mut doubts = Vec::new();
    match read(tree.registers()[0].address) {
        None => doubts.push("RCC_CR was not read, so whether the crystal runs is not known"),
        Some(cr) => {
            if cr >> 17 & 1 == 0 {
                doubts.push("HSERDY is clear: the crystal does not run now");
            }
            if tree != ClockTree::H7 && cr >> 25 & 1 == 0 {
                doubts.push("PLLRDY is clear: the PLL is not locked");
            }
        }
    }
    let (configuration, running_from_pll) = match tree {
        ClockTree::F1 | ClockTree::F3 | ClockTree::F0 => (F3_CFGR, 2),
        ClockTree::L1 => (F4_CFGR, 3),
        ClockTree::L4 => (clk48::L4[2], 3),
        ClockTree::Wb => (clk48::WB[2], 3),
        ClockTree::H7 => return doubts,
        _ => (F4_CFGR, 2),
    };
    match read(configuration.address) {
        None => doubts.push("RCC_CFGR was not read, so what the core runs from is not known"),
        Some(cfgr) if cfgr >> 2 & 3 != running_from_pll => doubts.push("SWS: the core does not run from the PLL"),
        Some(_) => {}
    }
    doubts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(pairs: &[(u32, u32)]) -> impl Fn(Address) -> Option<u32> {
        move |address| pairs.iter().find(|(at, _)| *at == address.0).map(|(_, word)| *word)
    }

    const RUNNING: u32 = 1 << 16 | 1 << 17 | 1 << 24 | 1 << 25;

    #[test]
    fn the_rom_of_an_f407_believes_its_pllm() {
        let pllcfgr = 25 | 240 << 6 | 1 << 16 | 1 << 22 | 5 << 24;
        let belief =
            believed_crystal(0x413, words(&[(0x4002_3800, RUNNING), (0x4002_3804, pllcfgr), (0x4002_3808, 2 << 2)]))
                .unwrap();
        assert_eq!(belief, Belief { crystal: Hertz::from_mhz(25.0), doubts: vec![] });
    }

    #[test]
    fn a_crystal_that_does_not_run_weakens_the_answer() {
        let pllcfgr = 8 | 240 << 6 | 1 << 22 | 5 << 24;
        let belief =
            believed_crystal(0x411, words(&[(0x4002_3800, 0x83), (0x4002_3804, pllcfgr), (0x4002_3808, 0)])).unwrap();
        assert_eq!(belief.doubts.len(), 3);
    }

    #[test]
    fn pllsai_is_taken_where_it_is_chosen() {
        let pllcfgr = 25 | 432 << 6 | 1 << 22 | 9 << 24;
        let sai = 192 << 6 | 1 << 16;
        let read = [
            (0x4002_3804, pllcfgr),
            (0x4002_3890, 1 << 27),
            (0x4002_3888, sai),
            (0x4002_3800, RUNNING),
            (0x4002_3808, 8),
        ];
        let belief = believed_crystal(0x449, words(&read)).unwrap();
        assert!((belief.crystal.as_mhz() - 25.0).abs() < 1e-9);
    }

    #[test]
    fn an_f303_with_72_mhz_believes_in_8() {
        let cfgr = 2 << 2 | 1 << 16 | 7 << 18;
        let belief =
            believed_crystal(0x422, words(&[(0x4002_1000, RUNNING), (0x4002_1004, cfgr), (0x4002_102C, 0)])).unwrap();
        assert!((belief.crystal.as_mhz() - 8.0).abs() < 1e-9);
    }

    #[test]
    fn hsi48_on_an_h7_is_no_crystal() {
        let read = [(0x5802_4400, 3 << 12), (0x5802_4428, 2), (0x5802_4454, 3 << 20)];
        assert_eq!(believed_crystal(0x450, words(&read)), Err(NoBelief::Hsi48));
        let off = [(0x5802_4400, 1 << 12), (0x5802_4428, 2), (0x5802_4454, 3 << 20)];
        assert_eq!(believed_crystal(0x450, words(&off)), Err(NoBelief::Hsi48Off));
    }

    #[test]
    fn an_l476_whose_rom_runs_from_a_crystal_believes_its_pll() {
        let pllcfgr = 3 | 12 << 8;
        let read = [
            (0x4002_1000, RUNNING),
            (0x4002_100C, pllcfgr),
            (0x4002_1008, 3 << 2),
            (0x4002_1088, 2 << 26),
            (0x4002_1098, 0),
        ];
        let belief = believed_crystal(0x415, words(&read)).unwrap();
        assert_eq!(belief, Belief { crystal: Hertz::from_mhz(8.0), doubts: vec![] });
    }

    #[test]
    fn what_was_not_read_is_named() {
        let error = believed_crystal(0x413, words(&[])).unwrap_err();
        assert_eq!(error.to_string(), "RCC_PLLCFGR at 0x40023804 was not read");
        assert_eq!(believed_crystal(0x482, words(&[])), Err(NoBelief::UnknownPart(0x482)));
    }
}
