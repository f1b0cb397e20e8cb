//! Alterations: operations that change non-volatile memory, and what the journal says of them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::fact::Fact;
use super::field_text::FieldText;
use super::step::Phase;
use super::units::{Address, Micros};

/// One operation that lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alteration {
    /// Erases every sector that the range touches.
    Erase { place: Place, address: Address, length_bytes: u32 },
    /// Programs erased flash.
    Write { place: Place, address: Address, data: Payload },
    /// Puts back what a range held before: erases, programs and reads back, so that its end is certain.
    Restore { address: Address, data: Payload },
    /// Writes a whole option-byte area; the part resets and comes back.
    OptionBytes { address: Address, data: Payload },
    /// The upgrade service of a WB deletes the wireless stack.
    FusDelete,
    /// It installs the image that it finds in flash.
    FusInstall,
    /// It hands the coprocessor to the wireless stack.
    FusStart,
}

/// What a piece of flash is to us, which decides how to recover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// A sector that the user named; its contents are saved before and put back after.
    Scratch,
    /// Where a coprocessor image goes.
    Image,
    /// The scratch range again, as what was saved is put back.
    Restored,
}

impl Alteration {
    pub const fn phase(&self) -> Phase {
        match self {
            Self::Erase { .. } => Phase::Erase,
            Self::Write { .. } | Self::Restore { .. } => Phase::Write,
            Self::OptionBytes { .. } => Phase::OptionBytesWrite,
            Self::FusDelete => Phase::FusDelete,
            Self::FusInstall => Phase::FusUpgrade,
            Self::FusStart => Phase::FusStart,
        }
    }

    /// What the journal keeps of it; option bytes whole, because they are short and a half-written set needs them.
    pub fn note(&self) -> AlterationNote {
        let (place, address, length_bytes) = match self {
            Self::Erase { place, address, length_bytes } => (Some(*place), Some(*address), Some(*length_bytes)),
            Self::Write { place, address, data } => (Some(*place), Some(*address), Some(data.len_bytes())),
            Self::Restore { address, data } => (Some(Place::Restored), Some(*address), Some(data.len_bytes())),
            Self::OptionBytes { address, data } => (None, Some(*address), Some(data.len_bytes())),
            Self::FusDelete | Self::FusInstall | Self::FusStart => (None, None, None),
        };
        let data = match self {
            Self::OptionBytes { data, .. } => Some(data.clone()),
            Self::Erase { .. }
            | Self::Write { .. }
            | Self::Restore { .. }
            | Self::FusDelete
            | Self::FusInstall
            | Self::FusStart => None,
        };
        AlterationNote { phase: self.phase(), place, address, length_bytes, data }
    }
}

/// The line of the journal that is durable before the alteration starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlterationNote {
    pub phase: Phase,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length_bytes: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Payload>,
}

impl fmt::Display for AlterationNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.phase, self.place) {
            (Phase::Erase, Some(Place::Scratch)) => "erase the scratch range",
            (Phase::Erase, _) => "erase the place of the image",
            (Phase::Write, Some(Place::Scratch)) => "write the scratch range",
            (Phase::Write, Some(Place::Restored)) => "put back the contents of the scratch range",
            (Phase::Write, _) => "download the image",
            (Phase::OptionBytesWrite, _) => "write the option bytes",
            (Phase::FusDelete, _) => "delete the wireless stack",
            (Phase::FusUpgrade, _) => "install the image",
            (Phase::FusStart, _) => "start the wireless stack",
            (other, _) => other.name(),
        })?;
        match (self.address, self.length_bytes) {
            (Some(address), Some(length)) => write!(f, " at {address}, {length} bytes"),
            _ => Ok(()),
        }
    }
}

/// How an alteration ended, durable before anything else is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlterationEnd {
    pub elapsed: Option<Micros>,
    pub outcome: AlterationOutcome,
    /// What a probe beside the link saw of supply and reset causes when it failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<Fact>,
}

/// An alteration as it is published: in the verdict and in the journal.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlterationLine {
    pub what: String,
    pub phase: &'static str,
    /// `done`, `not-begun`, `failed`, or null where no end was written.
    pub end: Option<&'static str>,
    pub words: Option<String>,
    pub elapsed_ms: Option<f64>,
    /// What a probe saw of supply and reset causes when it failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<SeenFact>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeenFact {
    pub key: String,
    /// With its unit.
    pub value: String,
}

impl AlterationLine {
    pub fn of(note: &AlterationNote, end: Option<&AlterationEnd>) -> Self {
        Self {
            what: note.to_string(),
            phase: note.phase.name(),
            end: end.map(|end| end.outcome.name()),
            words: end.map(ToString::to_string),
            elapsed_ms: end.and_then(|end| end.elapsed).map(Micros::as_millis_f64),
            seen: end.map(|end| end.seen.iter().map(SeenFact::of).collect()).unwrap_or_default(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlterationOutcome {
    Done,
    /// It was refused before anything was sent.
    NotBegun(FieldText),
    /// What the board is like now is not certain.
    Failed(FieldText),
}

impl SeenFact {
    fn of(fact: &Fact) -> Self {
        Self { key: fact.key.clone(), value: fact.value.to_string() }
    }
}

impl AlterationOutcome {
    const fn name(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NotBegun(_) => "not-begun",
            Self::Failed(_) => "failed",
        }
    }
}

impl fmt::Display for AlterationEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            AlterationOutcome::Done => f.write_str("done")?,
            AlterationOutcome::NotBegun(why) => write!(f, "not begun: {}", why.for_terminal())?,
            AlterationOutcome::Failed(why) => write!(f, "FAILED: {}", why.for_terminal())?,
        }
        match self.elapsed {
            Some(elapsed) => write!(f, " after {elapsed}"),
            None => Ok(()),
        }
    }
}

/// Bytes that are to be written or were saved; hexadecimal in files.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload(Vec<u8>);

impl Payload {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn len_bytes(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} B)", self.0.len())
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
        let text: String = self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect();
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let nibble = |digit: u8| char::from(digit).to_digit(16);
        let byte = |pair: &[u8]| match pair {
            [high, low] => Some((nibble(*high)? << 4 | nibble(*low)?) as u8),
            _ => None,
        };
        let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
        bytes.map(Self).ok_or_else(|| de::Error::custom("expected an even number of hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_note_says_what_where_and_how_much() {
        let write = Alteration::Write {
            place: Place::Image,
            address: Address(0x0805_3000),
            data: Payload::new(vec![0; 183_536]),
        };
        assert_eq!(write.note().to_string(), "download the image at 0x08053000, 183536 bytes");
        assert_eq!(write.note().data, None);
        assert_eq!(Alteration::FusDelete.note().to_string(), "delete the wireless stack");
    }

    proptest! {
        #[test]
        fn bytes_survive_the_file(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let text = serde_json::to_string(&Payload::new(bytes.clone())).unwrap();
            prop_assert_eq!(text.len(), 2 * bytes.len() + 2);
            prop_assert_eq!(serde_json::from_str::<Payload>(&text).unwrap(), Payload::new(bytes));
        }

        #[test]
        fn what_is_no_hexadecimal_is_refused(text in "[0-9a-fg]{0,9}") {
            let read = serde_json::from_str::<Payload>(&format!("\"{text}\""));
            prop_assert_eq!(read.is_ok(), text.len() % 2 == 0 && !text.contains('g'));
        }
    }
}
