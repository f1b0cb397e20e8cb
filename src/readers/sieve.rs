//! Finds the lines worth looking at in a stream of any size, with bounded memory: everything else costs one pass of a literal matcher.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Anchored, Input, MatchKind};

use super::cleaning::{self, MAX_LINE_BYTES};
use super::handwriting;

/// Most reports are smaller than the first chunk; only a long log is worth the memory of the largest.
const FIRST_CHUNK_BYTES: usize = 16 * 1024;
const CHUNK_BYTES: usize = 256 * 1024;
/// From here on a log is long enough for an automaton that takes longer to build and runs faster.
const LONG_BYTES: usize = 4 * 1024 * 1024;
/// So much of a literal tells that a line may hold it; an automaton of whole literals would be far larger.
const BEGINNING_BYTES: usize = 10;

/// Two matchers: what tools print is looked for on every line, people's words only on lines that a person may have written, because
/// words stand on most lines of any log.
#[derive(Debug)]
pub struct Sieve {
    messages: Matcher,
    words: Matcher,
    scout: Scout,
}

/// Where on a long log a message of a tool may stand, by how messages begin: built for the first one.
#[derive(Debug)]
struct Scout {
    beginnings: BTreeSet<Vec<u8>>,
    automaton: OnceLock<AhoCorasick>,
}

/// Literals, without regard to ASCII case.
#[derive(Debug)]
struct Matcher {
    automaton: AhoCorasick,
    /// For each literal, what it stands for.
    meanings: Vec<usize>,
}

fn automaton<B: AsRef<[u8]>>(kind: AhoCorasickKind, literals: impl IntoIterator<Item = B>) -> AhoCorasick {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::Standard)
        .kind(Some(kind))
        .build(literals)
        .expect("a few thousand short literals fit")
}

/// Where the literal that ends first ends.
fn first_hit(automaton: &AhoCorasick, text: &[u8], from: usize) -> Option<usize> {
    let input = Input::new(text).span(from..text.len()).anchored(Anchored::No).earliest(true);
    automaton.find(input).map(|hit| hit.end())
}

impl Scout {
    fn new<'a>(literals: impl IntoIterator<Item = &'a str>) -> Self {
        let beginning = |literal: &str| literal.as_bytes()[..literal.len().min(BEGINNING_BYTES)].to_ascii_lowercase();
        Self { beginnings: literals.into_iter().map(beginning).collect(), automaton: OnceLock::new() }
    }

    fn automaton(&self) -> &AhoCorasick {
        self.automaton.get_or_init(|| automaton(AhoCorasickKind::DFA, &self.beginnings))
    }
}

impl Matcher {
    fn new<'a>(literals: impl IntoIterator<Item = (&'a str, usize)>) -> Self {
        let (literals, meanings): (Vec<&str>, Vec<usize>) = literals.into_iter().unzip();
        Self { automaton: automaton(AhoCorasickKind::ContiguousNFA, literals), meanings }
    }

    fn meanings_in(&self, line: &str) -> Vec<usize> {
        let mut found: Vec<_> =
            self.automaton.find_overlapping_iter(line).map(|hit| self.meanings[hit.pattern()]).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    fn holds(&self, text: &[u8]) -> bool {
        first_hit(&self.automaton, text, 0).is_some()
    }
}

/// What stands on a line, each meaning once.
#[derive(Debug, Default)]
pub struct Meanings {
    pub messages: Vec<usize>,
    /// None where no person has written the line.
    pub words: Vec<usize>,
}

impl Sieve {
    pub fn new<'a>(
        messages: impl IntoIterator<Item = (&'a str, usize)>,
        words: impl IntoIterator<Item = (&'a str, usize)>,
    ) -> Self {
        let messages: Vec<_> = messages.into_iter().collect();
        let scout = Scout::new(messages.iter().map(|(literal, _)| *literal));
        Self { messages: Matcher::new(messages), words: Matcher::new(words), scout }
    }

    /// What the literals in a line stand for. A literal that begins with a space is a word's beginning, and so is the beginning of a
    /// line.
    pub fn meanings_in(&self, line: &str) -> Meanings {
        let padded = format!(" {line}");
        let words = if handwriting::may_be(line.as_bytes()) { self.words.meanings_in(&padded) } else { Vec::new() };
        Meanings { messages: self.messages.meanings_in(&padded), words }
    }

    /// Calls `visit` with the number and the cleaned text of every line that holds a literal. Parts of a line that a
    /// carriage return would have overwritten are lines of their own with the same number. Returns the lines read.
    pub fn sift(&self, source: &mut dyn Read, mut visit: impl FnMut(u32, &str)) -> io::Result<u32> {
        let mut buffer = vec![0; FIRST_CHUNK_BYTES + MAX_LINE_BYTES];
        let mut held = 0;
        let mut line_number = 1_u32;
        let mut sifted = 0;
        let mut in_a_line = false;
        loop {
            let count = fill(source, &mut buffer[held..])?;
            let filled = held + count;
            let ended = count == 0;
            let whole = if ended { filled } else { end_of_whole_lines(&buffer[..filled]) };
            // What a long log is scanned with finds too much rather than too little.
            let scan = if sifted < LONG_BYTES { &self.messages.automaton } else { self.scout.automaton() };
            line_number = self.sift_lines(scan, &buffer[..whole], line_number, &mut visit);
            sifted += whole;
            in_a_line = buffer[..whole].last().map_or(in_a_line, |&last| last != b'\n');
            buffer.copy_within(whole..filled, 0);
            held = filled - whole;
            if filled == buffer.len() {
                buffer.resize(CHUNK_BYTES + MAX_LINE_BYTES, 0);
            }
            if ended {
                return Ok(line_number - u32::from(!in_a_line));
            }
        }
    }

    /// Returns the number of the line that follows.
    fn sift_lines(&self, scan: &AhoCorasick, text: &[u8], first_number: u32, visit: &mut impl FnMut(u32, &str)) -> u32 {
        let mut number = first_number;
        let mut padded = Vec::new();
        // Where the next message of a tool ends; it may lie many lines ahead.
        let mut message = first_hit(scan, text, 0);
        let mut start = 0;
        while start < text.len() {
            let end = memchr::memchr(b'\n', &text[start..]).map_or(text.len(), |at| start + at);
            if message.is_some_and(|hit| hit <= start) {
                message = first_hit(scan, text, start);
            }
            let line = &text[start..end];
            let has_message = message.is_some_and(|hit| hit <= end) && self.messages.holds(line);
            if has_message || self.has_words(line, &mut padded) {
                for piece in line.split(|&byte| byte == b'\r').filter(|piece| !piece.is_empty()) {
                    for part in piece.chunks(MAX_LINE_BYTES) {
                        visit(number, &cleaning::clean(part));
                    }
                }
            }
            number = number.saturating_add(u32::from(end < text.len()));
            start = end + 1;
        }
        number
    }

    fn has_words(&self, line: &[u8], padded: &mut Vec<u8>) -> bool {
        if !handwriting::may_be(line) {
            return false;
        }
        padded.clear();
        padded.push(b' ');
        padded.extend_from_slice(line);
        self.words.holds(padded)
    }
}

/// Up to and including the last line feed; a line longer than the limit is cut, so that memory stays bounded.
fn end_of_whole_lines(text: &[u8]) -> usize {
    match memchr::memrchr(b'\n', text) {
        Some(at) => at + 1,
        None if text.len() >= MAX_LINE_BYTES => text.len(),
        None => 0,
    }
}

/// Reads until the buffer is full or the source ends; how much came.
pub fn fill(source: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sift(text: &[u8]) -> (Vec<(u32, String)>, u32) {
        let sieve = Sieve::new([("error", 0), ("usb speed", 1)], []);
        let mut lines = Vec::new();
        let count = sieve.sift(&mut &text[..], |number, line| lines.push((number, line.to_owned()))).unwrap();
        (lines, count)
    }

    #[test]
    fn lines_keep_the_numbers_of_the_file() {
        let (lines, count) = sift(b"a\nb\r\nan ERROR\r\n\nUSB speed : Full error\nend");
        assert_eq!(lines, [(3, "an ERROR".to_owned()), (5, "USB speed : Full error".to_owned())]);
        assert_eq!(count, 6);
    }

    #[test]
    fn overwritten_progress_is_read_piece_by_piece() {
        let (lines, count) = sift(b"[==  ] 40%\r[====] 100%\rError: lost\n");
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[2], (1, "Error: lost".to_owned()));
        assert_eq!(count, 1);
    }

    #[test]
    fn one_endless_line_is_cut_and_later_lines_are_still_read() {
        let mut text = vec![b'x'; 3 * CHUNK_BYTES];
        text.extend_from_slice(b"\nerror here\n");
        let (lines, _) = sift(&text);
        assert_eq!(lines.last(), Some(&(2, "error here".to_owned())));
    }

    #[test]
    fn a_line_without_an_end_is_one_line_however_long() {
        let text = vec![b'x'; FIRST_CHUNK_BYTES + MAX_LINE_BYTES];
        for length in [1, 9_000, text.len()] {
            assert_eq!(sift(&text[..length]).1, 1, "{length}");
        }
        assert_eq!(sift(b"").1, 0);
        assert_eq!(sift(b"a\n").1, 1);
    }

    #[test]
    fn numbers_hold_across_chunks() {
        let mut text = Vec::new();
        for _ in 0..50_000 {
            text.extend_from_slice(b"nothing of interest\n");
        }
        text.extend_from_slice(b"error at the end");
        let (lines, count) = sift(&text);
        assert_eq!(lines, [(50_001, "error at the end".to_owned())]);
        assert_eq!(count, 50_001);
    }

    #[test]
    fn deep_in_a_long_log_a_beginning_alone_is_no_hit() {
        let sieve = Sieve::new([("connection to device", 0)], []);
        let mut text = vec![b'\n'; 2 * LONG_BYTES];
        text.extend_from_slice(b"Connection to host\nthe CONNECTION TO DEVICE is lost\n");
        let mut lines = Vec::new();
        sieve.sift(&mut &text[..], |number, line| lines.push((number, line.to_owned()))).unwrap();
        assert_eq!(lines, [(2 * LONG_BYTES as u32 + 2, "the CONNECTION TO DEVICE is lost".to_owned())]);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn a_hit_is_found_on_its_line_whatever_stands_around(before in "[a-d\n]{0,80}", after in "[a-d\n]{0,80}") {
            let text = format!("{before}\nerror\n{after}");
            let number = before.matches('\n').count() as u32 + 2;
            let (lines, _) = sift(text.as_bytes());
            proptest::prop_assert_eq!(lines, [(number, "error".to_owned())]);
        }
    }
}
