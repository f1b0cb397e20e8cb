//! The verdict as one line of JSON; `schemas/verdict.schema.json` describes it.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, Serializer};

use crate::diagnosis::verdict::Verdict;
use crate::observation::field_text::is_unsafe_to_show;

/// Writes one line, with its end.
pub fn write(out: &mut impl Write, verdict: &Verdict) -> io::Result<()> {
    let mut serializer = Serializer::with_formatter(&mut *out, QuietFormatter);
    verdict.serialize(&mut serializer)?;
    writeln!(out)
}

/// JSON whose strings are safe on a terminal: beyond what JSON demands, C1 controls, bidirectional overrides and their like
/// are escaped, which every JSON reader undoes.
struct QuietFormatter;

impl Formatter for QuietFormatter {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|&(_, c)| is_unsafe_to_show(c)) {
            out.write_all(&rest.as_bytes()[..at])?;
            write!(out, "\\u{:04x}", u32::from(c))?;
            rest = &rest[at + c.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, out: &mut W, escape: CharEscape) -> io::Result<()> {
        CompactFormatter.write_char_escape(out, escape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_verdict_is_one_line_and_reads_back_as_it_was() {
        let snapshot = sample::hostile_campaign();
        let mut out = Vec::new();
        write(&mut out, &snapshot.verdict).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches('\n').count(), 1);
        assert!(!text.trim_end().contains(is_unsafe_to_show), "{text}");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read, serde_json::to_value(&snapshot.verdict).unwrap());
    }
}
