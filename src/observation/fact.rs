//! Facts: what was learned about a board, its host or its history, other than how a step ended.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::field_text::FieldText;
use super::units::Address;

/// The fact that holds the different words of a report's beginning, with a space between two.
pub const WORDS: &str = "words";

/// One fact with where it comes from. A measurement, a register, a descriptor, or the poster's own words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// A kebab-case name: `part`, `serial`, `fitted-crystal`, `supply`, `works-on-other-host`.
    pub key: String,
    pub value: FactValue,
    pub origin: Origin,
    /// The words or the line it was taken from.
    pub quote: Option<FieldText>,
}

impl Fact {
    pub fn measured(key: &str, value: FactValue) -> Self {
        Self { key: key.to_owned(), value, origin: Origin::Link, quote: None }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FactValue {
    /// True, or expressly denied ("not powered by USB").
    Flag(bool),
    Number(f64),
    /// In megahertz.
    FrequencyMhz(f64),
    /// In volts.
    Volts(f64),
    Address(Address),
    Text(FieldText),
    Bytes(Vec<u8>),
}

/// With its unit, safe on a terminal.
impl fmt::Display for FactValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::FrequencyMhz(mhz) => write!(f, "{mhz} MHz"),
            Self::Volts(volts) => write!(f, "{volts:.2} V"),
            Self::Address(address) => write!(f, "{address}"),
            Self::Text(text) => f.write_str(&text.for_terminal()),
            Self::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02X}")),
        }
    }
}

/// Who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Read from the board through the link.
    Link,
    /// The operating system of the host.
    Host,
    /// The board profile: what somebody said.
    Profile,
    /// The operator's answer or measurement.
    Operator,
    /// A line of a report.
    Line(u32),
}
