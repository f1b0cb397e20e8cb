//! What the reset flags of RCC say, and what they do not.

use std::fmt;

/// One cause of a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResetCause {
    PowerOn,
    BrownOut,
    Pin,
    Software,
    IndependentWatchdog,
    WindowWatchdog,
    LowPower,
    OptionByteLoad,
    Firewall,
    /// The 1.8 V supply of the parts without a regulator.
    CoreSupply,
    /// A flag of a core or a power domain.
    Domain,
}

impl ResetCause {
    /// From the name of the flag in the manufacturer's header; `RMVF` is no cause.
    pub fn of_flag(name: &str) -> Option<Self> {
        Some(match name {
            "PORRSTF" | "POR1RSTF" | "PWRRSTF" => Self::PowerOn,
            "BORRSTF" => Self::BrownOut,
            "PINRSTF" => Self::Pin,
            "SFTRSTF" | "SFT1RSTF" | "SFT2RSTF" => Self::Software,
            "IWDGRSTF" | "IWDG1RSTF" | "IWDG2RSTF" => Self::IndependentWatchdog,
            "WWDGRSTF" | "WWDG1RSTF" | "WWDG2RSTF" | "WDGRSTF" => Self::WindowWatchdog,
            "LPWRRSTF" | "LPWR1RSTF" | "LPWR2RSTF" => Self::LowPower,
            "OBLRSTF" => Self::OptionByteLoad,
            "FWRSTF" => Self::Firewall,
            "V18PWRRSTF" => Self::CoreSupply,
            name if name.ends_with("RSTF") => Self::Domain,
            _ => return None,
        })
    }

    pub const fn meaning(self) -> &'static str {
        match self {
            Self::PowerOn => "power-on or power-down reset",
            Self::BrownOut => "brown-out reset: the supply fell below the level of the option bytes",
            Self::Pin => "NRST was low; every internal reset sets this too",
            Self::Software => "software reset",
            Self::IndependentWatchdog => "the independent watchdog ran out",
            Self::WindowWatchdog => "the window watchdog ran out",
            Self::LowPower => "a low-power mode was entered that the option bytes turn into a reset",
            Self::OptionByteLoad => "the option bytes were loaded",
            Self::Firewall => "the firewall was violated",
            Self::CoreSupply => "the 1.8 V supply came up",
            Self::Domain => "a core or power domain was reset",
        }
    }
}

impl fmt::Display for ResetCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.meaning())
    }
}

/// Why flags that are set prove little. They are sticky from power-on unless software clears them.
pub const STICKY: &str = "flags are sticky: they count only if RMVF cleared them earlier in the same boot; a plug-in alone sets power-on, brown-out and pin";

/// Why a missing brown-out flag never clears the supply.
pub const NO_BROWN_OUT: &str = "a missing brown-out flag does not clear the supply: BOR is off by default on F2, F4 and F7, and slow reads miss dips";

/// The causes whose flags are set, in order of the enumeration; `flags` are names and bit numbers.
pub fn decode<'a>(word: u32, flags: impl IntoIterator<Item = (&'a str, u8)>) -> Vec<ResetCause> {
    let mut causes: Vec<_> = flags
        .into_iter()
        .filter(|(_, bit)| u32::from(*bit) < u32::BITS && word >> bit & 1 == 1)
        .filter_map(|(name, _)| ResetCause::of_flag(name))
        .collect();
    causes.sort_unstable();
    causes.dedup();
    causes
}

#[cfg(test)]
mod tests {
    use super::*;

    const F4: [(&str, u8); 8] = [
        ("RMVF", 24),
        ("BORRSTF", 25),
        ("PINRSTF", 26),
        ("PORRSTF", 27),
        ("SFTRSTF", 28),
        ("IWDGRSTF", 29),
        ("WWDGRSTF", 30),
        ("LPWRRSTF", 31),
    ];

    #[test]
    fn a_plug_in_shows_power_brown_out_and_pin() {
        assert_eq!(decode(0x0E00_0003, F4), [ResetCause::PowerOn, ResetCause::BrownOut, ResetCause::Pin]);
    }

    #[test]
    fn the_flag_that_clears_is_no_cause() {
        assert_eq!(decode(0x0100_0000, F4), []);
        assert_eq!(decode(0x2400_0000, F4), [ResetCause::Pin, ResetCause::IndependentWatchdog]);
    }

    #[test]
    fn both_watchdogs_of_a_dual_core_are_one_cause() {
        assert_eq!(decode(u32::MAX, [("IWDG1RSTF", 26), ("IWDG2RSTF", 27)]), [ResetCause::IndependentWatchdog]);
    }
}
