//! The ROM bootloader of a part: which versions exist, what each runs USB from, how long it takes, what it does wrong.

use serde::Deserialize;

use super::sources::Confidence;

/// One generation of the ROM bootloader: versions that share clock source and timing.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rom {
    /// As the documents name it: `V9.x`, `rev Z/1`.
    pub generation: Option<String>,
    /// Values of the bootloader identity byte; empty where the part has none or it is not known.
    #[serde(default)]
    pub ids: Vec<u16>,
    pub dfu: RomDfu,
    pub usb_clock: UsbClock,
    /// The crystals the ROM accepts.
    pub crystals: Option<Crystals>,
    pub hse_detection: Option<HseDetection>,
    /// How long the ROM waits for the crystal to be ready.
    pub hse_timeout_ms: Option<f64>,
    /// From reset until the ROM is ready, at least.
    #[serde(default)]
    pub startup: Vec<Timing>,
    /// From plug to being usable on USB, at least.
    #[serde(default)]
    pub usb_connect: Vec<Timing>,
    pub source: String,
    #[serde(default)]
    pub confidence: Confidence,
}

/// Whether the ROM has USB DFU.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RomDfu {
    Absent,
    /// There is DFU; the protocol version was not found.
    Present,
    /// The DfuSe protocol version, which is the high byte of bcdDevice: `2.2`.
    Protocol(String),
    Unknown,
}

impl RomDfu {
    pub const fn is_there(&self) -> bool {
        matches!(self, Self::Present | Self::Protocol(_))
    }
}

/// Where the 48 MHz of USB come from while the ROM runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UsbClock {
    /// No USB in this ROM.
    None,
    /// The crystal, whose value the ROM measures with the internal oscillator.
    HseMeasured,
    /// The crystal, whose value the ROM tries in turn against the frames of the host.
    HseTried,
    /// The crystal feeds the high-speed PHY.
    HsePhy,
    /// The crystal; how the ROM learns its value was not found.
    Hse,
    /// HSI48, trimmed by the clock recovery system to the frames of the host: no crystal needed.
    Hsi48Crs,
    /// HSI144 divided by three, trimmed likewise.
    Hsi144Crs,
    /// MSI locked to a 32 kHz crystal, and the main crystal where there is none.
    LseMsiElseHse,
    /// An internal oscillator; which one was not found.
    Internal,
    Unknown,
}

impl UsbClock {
    /// Whether the value, the start-up or the health of the main crystal can decide over USB; `None` where it is not known.
    pub const fn needs_crystal(self) -> Option<bool> {
        match self {
            Self::HseMeasured | Self::HseTried | Self::HsePhy | Self::Hse | Self::LseMsiElseHse => Some(true),
            Self::None | Self::Hsi48Crs | Self::Hsi144Crs | Self::Internal => Some(false),
            Self::Unknown => None,
        }
    }

    pub const fn meaning(self) -> &'static str {
        match self {
            Self::None => "no USB in this ROM",
            Self::HseMeasured => "crystal (HSE), measured by the ROM against HSI",
            Self::HseTried => "crystal (HSE), values tried in turn against the host's frames",
            Self::HsePhy => "crystal (HSE) for the high-speed PHY",
            Self::Hse => "crystal (HSE)",
            Self::Hsi48Crs => "HSI48 trimmed by CRS; no crystal needed",
            Self::Hsi144Crs => "HSI144/3 trimmed by CRS; no crystal needed",
            Self::LseMsiElseHse => "MSI locked to the 32 kHz crystal, else the main crystal (HSE)",
            Self::Internal => "internal oscillator; no crystal needed",
            Self::Unknown => "not known",
        }
    }
}

/// Which crystals the ROM can turn into 48 MHz.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crystals {
    /// These and no others.
    ListMhz(Vec<f64>),
    /// Every whole number of megahertz from the first to the second.
    WholeMhz(u32, u32),
}

impl Crystals {
    /// Within 0.1 %: a crystal is far better than that, a typing error far worse.
    pub fn accepts(&self, mhz: f64) -> bool {
        match self {
            Self::ListMhz(list) => list.iter().any(|value| (value - mhz).abs() <= value * 1e-3),
            Self::WholeMhz(low, high) => {
                let whole = mhz.round();
                (whole - mhz).abs() <= mhz * 1e-3 && (f64::from(*low)..=f64::from(*high)).contains(&whole)
            }
        }
    }
}

/// The clock of the timer with which the ROM measures the crystal.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HseDetection {
    pub clock_mhz: u32,
    /// Unverified where the algorithm is taken over from another ROM.
    #[serde(default)]
    pub confidence: Confidence,
    pub source: String,
}

/// A time with the condition it holds under.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Timing {
    pub ms: f64,
    pub when: Option<String>,
}

/// A pin of another interface of the ROM that can win the race against USB.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RomPin {
    pub interface: String,
    /// The receiving pin or pins.
    pub pins: String,
    pub pull: Pull,
    /// The ROM generations it was read for, where not all.
    pub only: Option<String>,
    pub remark: Option<String>,
    pub source: String,
}

/// What the ROM configures on the pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pull {
    /// The pin floats unless the board holds it.
    None,
    Up,
    Down,
}

/// A known defect or limit of a ROM version.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limitation {
    pub versions: String,
    /// Identity bytes it was read for; empty where it holds for all or the source does not say.
    #[serde(default)]
    pub ids: Vec<u16>,
    pub text: String,
    pub workaround: Option<String>,
    pub source: String,
}

/// The name of a version as the documents derive it from the identity byte: 0x91 is V9.1, 0xD5 is V13.5.
pub fn version_name(id: u16) -> Option<String> {
    (0x10..=0xFF).contains(&id).then(|| format!("V{}.{}", id >> 4, id & 0xF))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_byte_names_the_version() {
        assert_eq!(version_name(0x31).as_deref(), Some("V3.1"));
        assert_eq!(version_name(0xD2).as_deref(), Some("V13.2"));
        assert_eq!(version_name(0x101), None);
    }

    #[test]
    fn whole_megahertz_refuse_the_fractions_between() {
        let crystals = Crystals::WholeMhz(4, 26);
        assert!(crystals.accepts(25.0) && crystals.accepts(24.999));
        assert!(!crystals.accepts(14.7456) && !crystals.accepts(27.0));
        assert!(Crystals::ListMhz(vec![14.7456]).accepts(14.7456));
    }
}
