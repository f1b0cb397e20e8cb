//! The firmware version of an ST-Link, as tools print it, and what the tools need at least.

use std::fmt;
use std::str::FromStr;

/// `V2J29S7`: hardware 2, JTAG and SWD 29, SWIM 7. V2-1 has M (mass storage) instead of S; V3 has several letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeFirmware {
    pub hardware: u8,
    pub jtag: u16,
    /// The other parts, letter and number: M mass storage, S SWIM, B bridge, P power.
    pub others: Vec<(char, u16)>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an ST-Link firmware version; one looks like V2J29S7 or V3J7M2")]
pub struct NotAVersion(String);

impl FromStr for ProbeFirmware {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || NotAVersion(text.to_owned());
        let mut parts = Vec::new();
        let mut rest = text.trim();
        while let Some(letter) = rest.chars().next() {
            if !letter.is_ascii_alphabetic() {
                return Err(refuse());
            }
            let digits = &rest[1..];
            let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
            parts.push((letter.to_ascii_uppercase(), digits[..end].parse::<u16>().map_err(|_| refuse())?));
            rest = &digits[end..];
        }
        let [('V', hardware), ('J', jtag), others @ ..] = parts.as_slice() else { return Err(refuse()) };
        let hardware = u8::try_from(*hardware).ok().filter(|hardware| (1..=4).contains(hardware)).ok_or_else(refuse)?;
        Ok(Self { hardware, jtag: *jtag, others: others.to_vec() })
    }
}

impl fmt::Display for ProbeFirmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "V{}J{}", self.hardware, self.jtag)?;
        self.others.iter().try_for_each(|(letter, number)| write!(f, "{letter}{number}"))
    }
}

impl ProbeFirmware {
    /// The mass-storage part makes a V2 a V2-1.
    pub fn probe_name(&self) -> &'static str {
        let has = |letter| self.others.iter().any(|(other, _)| *other == letter);
        match self.hardware {
            1 => "ST-LINK/V1",
            2 if has('M') => "ST-LINK/V2-1",
            2 => "ST-LINK/V2",
            3 => "STLINK-V3",
            _ => "STLINK-V3PWR",
        }
    }

    /// What a tool or feature needs that this firmware does not reach.
    pub fn falls_short_of(&self) -> impl Iterator<Item = &'static Minimum> {
        let (hardware, jtag) = (self.hardware, self.jtag);
        MINIMA.iter().filter(move |minimum| minimum.hardware == hardware && jtag < minimum.jtag)
    }
}

/// The least JTAG/SWD version that a tool's source asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minimum {
    pub wanted_by: &'static str,
    pub hardware: u8,
    pub jtag: u16,
    pub source: &'static str,
}

const PROBE_RS: &str = "probe-rs stlink/mod.rs";
const OPENOCD: &str = "OpenOCD stlink_usb.c";

/// STM32CubeProgrammer refuses old firmware too (reason 6), but the number it asks for was found nowhere.
pub const MINIMA: [Minimum; 8] = [
    Minimum { wanted_by: "OpenOCD, trace and target voltage", hardware: 2, jtag: 13, source: OPENOCD },
    Minimum { wanted_by: "OpenOCD, choice of SWD speed", hardware: 2, jtag: 22, source: OPENOCD },
    Minimum { wanted_by: "OpenOCD, direct access to debug ports", hardware: 2, jtag: 24, source: OPENOCD },
    Minimum { wanted_by: "pyOCD", hardware: 2, jtag: 24, source: "pyOCD stlink" },
    Minimum { wanted_by: "probe-rs", hardware: 2, jtag: 26, source: PROBE_RS },
    Minimum { wanted_by: "probe-rs, several access ports", hardware: 2, jtag: 28, source: PROBE_RS },
    Minimum { wanted_by: "probe-rs, banked debug-port registers", hardware: 2, jtag: 32, source: PROBE_RS },
    Minimum { wanted_by: "probe-rs", hardware: 3, jtag: 3, source: PROBE_RS },
];

/// The least that the library asks for through which probes are used here.
pub fn needed_by_probe_rs(hardware: u8) -> Option<&'static Minimum> {
    MINIMA.iter().find(|minimum| minimum.hardware == hardware && minimum.wanted_by == "probe-rs")
}

/// The target voltage from the two words of the voltage command; `None` where the reference count is zero.
pub fn target_volts(reference: u32, target: u32) -> Option<f64> {
    (reference != 0).then(|| 2.0 * f64::from(target) * 1.2 / f64::from(reference))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn version(text: &str) -> ProbeFirmware {
        text.parse().unwrap()
    }

    #[test]
    fn versions_are_read_as_tools_print_them() {
        assert_eq!(version("V2J29S7"), ProbeFirmware { hardware: 2, jtag: 29, others: vec![('S', 7)] });
        assert_eq!(version("V2J33M25").probe_name(), "ST-LINK/V2-1");
        assert_eq!(version("V3J7M2").probe_name(), "STLINK-V3");
        assert_eq!(version("V4J5B4P3").probe_name(), "STLINK-V3PWR");
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in ["", "J29S7", "V2", "V2S7", "V2J", "V9J2", "V2J99999999", "2J29", "V2J29 S7", "V\u{e9}J2"] {
            assert!(text.parse::<ProbeFirmware>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_old_probe_is_told_what_it_cannot_do() {
        let wanting: Vec<_> = version("V2J25S4").falls_short_of().map(|minimum| minimum.wanted_by).collect();
        assert_eq!(wanting, ["probe-rs", "probe-rs, several access ports", "probe-rs, banked debug-port registers"]);
        assert_eq!(version("V3J7M2").falls_short_of().count(), 0);
    }

    #[test]
    fn a_reference_of_zero_is_no_voltage() {
        assert_eq!(target_volts(0, 5), None);
        assert!((target_volts(1480, 2030).unwrap() - 3.2919).abs() < 1e-3);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in ".{0,24}") {
            let _ = text.parse::<ProbeFirmware>();
        }
    }
}
