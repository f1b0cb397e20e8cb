//! Which board is meant: by port path, by serial number, by VID:PID, or the only one there is.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::observation::board::{BoardIdentity, PortPath};

/// The pair that every STM32 ROM uses in DFU mode, and many application loaders with it.
pub const ROM_DFU: (u16, u16) = (0x0483, 0xdf11);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum BoardSelector {
    /// The handle that does not lie.
    Port(PortPath),
    Serial(String),
    VidPid(u16, u16),
}

impl BoardSelector {
    pub fn any_rom() -> Self {
        Self::VidPid(ROM_DFU.0, ROM_DFU.1)
    }

    pub fn matches(&self, identity: &BoardIdentity) -> bool {
        match self {
            Self::Port(path) => identity.port.as_ref() == Some(path),
            Self::Serial(serial) => identity.serial.as_ref().is_some_and(|known| known.raw() == serial),
            Self::VidPid(vendor, product) => {
                (identity.vendor_id, identity.product_id) == (Some(*vendor), Some(*product))
            }
        }
    }
}

impl FromStr for BoardSelector {
    type Err = Infallible;

    /// `1-4.2` is a port, `0483:df11` a VID:PID, anything else a serial number.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        if let Ok(path) = text.parse() {
            return Ok(Self::Port(path));
        }
        let hex = |digits: &str| (digits.len() == 4).then(|| u16::from_str_radix(digits, 16).ok()).flatten();
        let pair = text.split_once(':').and_then(|(vendor, product)| Some((hex(vendor)?, hex(product)?)));
        Ok(pair.map_or_else(|| Self::Serial(text.to_owned()), |(vendor, product)| Self::VidPid(vendor, product)))
    }
}

impl From<String> for BoardSelector {
    fn from(text: String) -> Self {
        let Ok(selector) = text.parse();
        selector
    }
}

impl From<BoardSelector> for String {
    fn from(selector: BoardSelector) -> Self {
        selector.to_string()
    }
}

impl fmt::Display for BoardSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(path) => path.fmt(f),
            Self::Serial(serial) => f.write_str(serial),
            Self::VidPid(vendor, product) => write!(f, "{vendor:04x}:{product:04x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_reads_back_as_written() {
        for (text, selector) in [
            ("1-4.2", BoardSelector::Port("1-4.2".parse().unwrap())),
            ("0483:df11", BoardSelector::any_rom()),
            ("357236543131", BoardSelector::Serial("357236543131".to_owned())),
            ("04:df11", BoardSelector::Serial("04:df11".to_owned())),
        ] {
            assert_eq!(BoardSelector::from(text.to_owned()), selector);
            assert_eq!(selector.to_string(), text);
        }
    }
}
