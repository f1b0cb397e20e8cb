//! How sure a fact is and where two sources disagree.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How well a fact of a profile is founded; documented where a profile does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// Read in the manufacturer's document, header or tool source.
    #[default]
    Documented,
    /// A text that quotes the manufacturer.
    SecondHand,
    /// Seen by users, in forums or issue trackers.
    Field,
    /// Arithmetic from documented facts.
    Derived,
    /// From memory or analogy; nobody has checked it.
    Unverified,
}

impl Confidence {
    pub const fn is_documented(self) -> bool {
        matches!(self, Self::Documented)
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Documented => "documented",
            Self::SecondHand => "second hand",
            Self::Field => "field report",
            Self::Derived => "derived",
            Self::Unverified => "unverified",
        })
    }
}

/// Sources that contradict each other, shown and not resolved in silence.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Conflict {
    pub about: String,
    /// What each source says.
    pub claims: Vec<String>,
    /// The claim that the profile follows, if it follows one.
    pub followed: Option<String>,
}
