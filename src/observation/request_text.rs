//! A request in words, as records and screens show it and statistics tell one kind from another.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Words, then numbers, then where it is known how much is asked for: `GETSTATUS`, `UPLOAD block 2, 1024 B`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestText(String);

impl RequestText {
    pub fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }

    /// Says how much is asked for as well.
    pub fn asking(words: impl fmt::Display, bytes: usize) -> Self {
        Self(format!("{words}, {bytes} B"))
    }

    /// The words before its numbers: `UPLOAD block` of `UPLOAD block 2, 1024 B`.
    pub fn kind(&self) -> &str {
        let begins_a_number = |at: usize, c: char| c.is_ascii_digit() && (at == 0 || self.0[..at].ends_with(' '));
        let number = self.0.char_indices().find(|(at, c)| begins_a_number(*at, *c));
        self.0[..number.map_or(self.0.len(), |(at, _)| at)].trim_end()
    }

    /// `1024` of `UPLOAD block 2, 1024 B`; absent where the request does not say.
    pub fn asked_bytes(&self) -> Option<u32> {
        self.0.strip_suffix(" B")?.rsplit(' ').next()?.parse().ok()
    }
}

impl fmt::Display for RequestText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl PartialEq<&str> for RequestText {
    fn eq(&self, words: &&str) -> bool {
        self.0 == *words
    }
}

impl From<&str> for RequestText {
    fn from(words: &str) -> Self {
        Self::new(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_and_length_are_read_back() {
        for (text, kind, bytes) in [
            (RequestText::asking("UPLOAD block 2", 1024), "UPLOAD block", Some(1024)),
            (RequestText::new("DNLOAD Set Address 0x08000000"), "DNLOAD Set Address", None),
            (RequestText::new("GETSTATUS"), "GETSTATUS", None),
            (RequestText::new("write AP2 2 words"), "write AP2", None),
            (RequestText::new("NAK, nothing B"), "NAK, nothing B", None),
        ] {
            assert_eq!((text.kind(), text.asked_bytes()), (kind, bytes), "{text}");
        }
    }
}
