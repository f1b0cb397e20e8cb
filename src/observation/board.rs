//! Boards: the thing under test and how to tell it from its neighbours.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::field_text::FieldText;

/// What a board says about itself. Serial numbers collide and lie; the port path is the handle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoardIdentity {
    /// The part as named by the profile, the operator or the report, for example `STM32F746`.
    pub part: Option<String>,
    pub port: Option<PortPath>,
    pub serial: Option<FieldText>,
    pub product: Option<FieldText>,
    pub vendor_id: Option<u16>,
    pub product_id: Option<u16>,
    pub bcd_device: Option<u16>,
    pub speed: Option<UsbSpeed>,
    /// DEV_ID of the DBGMCU IDCODE, for example 0x449.
    pub dev_id: Option<u16>,
    /// The bootloader identity byte in system memory.
    pub rom_id: Option<u8>,
    /// The layout string of every alternate setting.
    #[serde(default)]
    pub layouts: Vec<FieldText>,
}

/// A USB location in the kernel's notation: `1-4.2` is bus 1, root port 4, hub port 2.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PortPath {
    pub bus: u8,
    pub ports: Vec<u8>,
}

/// What a hub says of a port after its power was switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortPower {
    pub powered: bool,
    pub connected: bool,
}

impl fmt::Display for PortPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.bus)?;
        for (depth, port) in self.ports.iter().enumerate() {
            write!(f, "{}{port}", if depth == 0 { '-' } else { '.' })?;
        }
        Ok(())
    }
}

/// The text is not a port path such as `1-4.2`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a USB port path; it looks like 1-4.2 (bus 1, root port 4, hub port 2)")]
pub struct PortPathError(String);

impl FromStr for PortPath {
    type Err = PortPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || PortPathError(text.to_owned());
        let (bus, ports) = text.split_once('-').ok_or_else(refuse)?;
        let bus = bus.parse().map_err(|_| refuse())?;
        let ports = ports.split('.').map(str::parse).collect::<Result<Vec<u8>, _>>().map_err(|_| refuse())?;
        if ports.len() > 7 || ports.contains(&0) {
            return Err(refuse());
        }
        Ok(Self { bus, ports })
    }
}

impl TryFrom<String> for PortPath {
    type Error = PortPathError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PortPath> for String {
    fn from(path: PortPath) -> Self {
        path.to_string()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UsbSpeed {
    Low,
    Full,
    High,
    Super,
}

impl UsbSpeed {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low speed (1.5 Mbit/s)",
            Self::Full => "full speed (12 Mbit/s)",
            Self::High => "high speed (480 Mbit/s)",
            Self::Super => "SuperSpeed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_path_reads_back_as_written() {
        for text in ["1-4", "3-1.4.2"] {
            assert_eq!(text.parse::<PortPath>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_port_path_is_refused() {
        for text in ["", "1", "1-", "1-0", "a-1", "1-1.2.3.4.5.6.7.8"] {
            assert_eq!(text.parse::<PortPath>(), Err(PortPathError(text.to_owned())));
        }
    }
}
