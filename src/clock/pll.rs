//! The crystal a ROM believes in, worked back from the PLL it has set up for 48 MHz.
//!
//! Field codings other than F2/F4/F7 are general reference-manual knowledge and wait for one known-good board per family.

use crate::observation::units::Hertz;

/// The factors of the PLL that makes 48 MHz, as factors, not as register fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pll {
    /// F2, F4, F7 main PLL, and L4, G4, WB: divide by M, multiply by N, divide by Q.
    MainPll { m: u32, n: u32, q: u32 },
    /// F446, F469, F7 with CK48MSEL set: PLLSAI, output P.
    Sai { m: u32, n: u32, p: u32 },
    /// F412 and F413 with CK48MSEL set: PLLI2S, output Q.
    I2s { m: u32, n: u32, q: u32 },
    /// F1 and F3: PREDIV, PLLMUL and the USB prescaler of 1.5 where USBPRE is clear.
    Multiplier { prediv: u32, multiplier: u32, usb_divides_by_1_5: bool },
    /// L1: USB is half of a VCO that must run at 96 MHz.
    L1 { multiplier: u32 },
    /// H7: DIVM, and the fields DIVN and DIVQ, which count from zero, of the PLL that USBSEL chose.
    H7 { divm: u32, divn_field: u32, divq_field: u32 },
}

/// Why no crystal follows from the registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PllError {
    #[error("a PLL factor reads zero: the PLL is not set up, or the read failed")]
    ZeroFactor,
    #[error("the PLL runs from an internal oscillator, so it tells nothing about the crystal")]
    InternalSource,
}

impl Pll {
    /// The crystal at which this PLL would make exactly 48 MHz.
    pub fn believed_crystal(self) -> Result<Hertz, PllError> {
        let (up, down, base) = match self {
            Self::MainPll { m, n, q } | Self::I2s { m, n, q } => (m * q, n, 48.0),
            Self::Sai { m, n, p } => (m * p, n, 48.0),
            Self::Multiplier { prediv, multiplier, usb_divides_by_1_5 } => {
                (prediv, multiplier, if usb_divides_by_1_5 { 72.0 } else { 48.0 })
            }
            Self::L1 { multiplier } => (1, multiplier, 96.0),
            Self::H7 { divm, divn_field, divq_field } => (divm * (divq_field + 1), divn_field + 1, 48.0),
        };
        if up == 0 || down == 0 {
            return Err(PllError::ZeroFactor);
        }
        Ok(Hertz::from_mhz(base * f64::from(up) / f64::from(down)))
    }

    /// RCC_PLLCFGR of F2, F4 and F7 (bits 5:0 M, 14:6 N, 22 source, 27:24 Q).
    pub fn from_f4_register(pllcfgr: u32) -> Result<Self, PllError> {
        if pllcfgr >> 22 & 1 == 0 {
            return Err(PllError::InternalSource);
        }
        Ok(Self::MainPll { m: pllcfgr & 0x3f, n: pllcfgr >> 6 & 0x1ff, q: pllcfgr >> 24 & 0xf })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn believed(pll: Pll) -> f64 {
        pll.believed_crystal().unwrap().as_mhz()
    }

    #[test]
    fn each_family_gives_its_crystal_back() {
        for (pll, crystal) in [
            (Pll::MainPll { m: 25, n: 240, q: 5 }, 25.0),
            (Pll::Sai { m: 25, n: 192, p: 4 }, 25.0),
            (Pll::I2s { m: 8, n: 192, q: 4 }, 8.0),
            (Pll::Multiplier { prediv: 1, multiplier: 9, usb_divides_by_1_5: true }, 8.0),
            (Pll::Multiplier { prediv: 1, multiplier: 6, usb_divides_by_1_5: false }, 8.0),
            (Pll::L1 { multiplier: 12 }, 8.0),
            (Pll::H7 { divm: 5, divn_field: 47, divq_field: 4 }, 25.0),
        ] {
            assert!((believed(pll) - crystal).abs() < 1e-9, "{pll:?}");
        }
    }

    #[test]
    fn the_register_of_f4_and_f7_is_read_bit_by_bit() {
        let pllcfgr = 24 | 240 << 6 | 1 << 22 | 5 << 24;
        assert!((believed(Pll::from_f4_register(pllcfgr).unwrap()) - 24.0).abs() < 1e-9);
    }

    #[test]
    fn what_tells_nothing_is_an_error() {
        assert_eq!(Pll::from_f4_register(0x2400_3010), Err(PllError::InternalSource));
        assert_eq!(Pll::MainPll { m: 0, n: 240, q: 5 }.believed_crystal(), Err(PllError::ZeroFactor));
    }
}
