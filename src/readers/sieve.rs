//! Finds the lines worth looking at in a stream of any size, with bounded memory: everything else costs one pass of a literal matcher.

use std::io::{self, Read};

use aho_corasick::{AhoCorasick, AhoCorasickKind, Anchored, Input, MatchKind};

use super::cleaning::{self, MAX_LINE_BYTES};

const CHUNK_BYTES: usize = 256 * 1024;

/// A matcher over all literals of all readers, without regard to ASCII case.
#[derive(Debug)]
pub struct Sieve {
    matcher: AhoCorasick,
    /// For each literal, what it stands for.
    meanings: Vec<usize>,
}

impl Sieve {
    pub fn new<'a>(literals: impl IntoIterator<Item = (&'a str, usize)>) -> Self {
        let (literals, meanings): (Vec<&str>, Vec<usize>) = literals.into_iter().unzip();
        let matcher = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .build(literals)
            .expect("a few hundred short literals fit a DFA");
        Self { matcher, meanings }
    }

    /// What the literals in a line stand for, in the order in which they end, each once. A literal that begins with a space is a word's
    /// beginning, and so is the beginning of a line.
    pub fn meanings_in(&self, line: &str) -> Vec<usize> {
        let mut found = Vec::new();
        for hit in self.matcher.find_overlapping_iter(&format!(" {line}")) {
            let meaning = self.meanings[hit.pattern()];
            if !found.contains(&meaning) {
                found.push(meaning);
            }
        }
        found
    }

    fn first_hit(&self, text: &[u8], from: usize) -> Option<usize> {
        let input = Input::new(text).span(from..text.len()).anchored(Anchored::No).earliest(true);
        self.matcher.find(input).map(|hit| hit.end())
    }

    /// Calls `visit` with the number and the cleaned text of every line that holds a literal. Parts of a line that a
    /// carriage return would have overwritten are lines of their own with the same number. Returns the lines read.
    pub fn sift(&self, source: &mut dyn Read, mut visit: impl FnMut(u32, &str)) -> io::Result<u32> {
        let mut buffer = vec![0; CHUNK_BYTES + MAX_LINE_BYTES];
        let mut held = 0;
        let mut line_number = 1_u32;
        loop {
            let count = fill(source, &mut buffer[held..])?;
            let filled = held + count;
            let ended = count == 0;
            let whole = if ended { filled } else { end_of_whole_lines(&buffer[..filled]) };
            line_number = self.sift_lines(&buffer[..whole], line_number, &mut visit);
            buffer.copy_within(whole..filled, 0);
            held = filled - whole;
            if ended {
                let unterminated = whole > 0 && buffer.get(whole.wrapping_sub(1)) != Some(&b'\n');
                return Ok(line_number - u32::from(!unterminated));
            }
        }
    }

    /// Returns the number of the line that follows.
    fn sift_lines(&self, text: &[u8], first_number: u32, visit: &mut impl FnMut(u32, &str)) -> u32 {
        let mut number = first_number;
        let mut counted = 0;
        let mut from = 0;
        while let Some(hit) = self.first_hit(text, from) {
            let start = memchr::memrchr(b'\n', &text[..hit - 1]).map_or(0, |at| at + 1).max(from.min(hit - 1));
            let end = memchr::memchr(b'\n', &text[hit - 1..]).map_or(text.len(), |at| hit - 1 + at);
            number = number.saturating_add(newlines(&text[counted..start]));
            counted = start;
            for piece in text[start..end].split(|&byte| byte == b'\r').filter(|piece| !piece.is_empty()) {
                for part in piece.chunks(MAX_LINE_BYTES) {
                    visit(number, &cleaning::clean(part));
                }
            }
            from = end;
            if from >= text.len() {
                break;
            }
        }
        number.saturating_add(newlines(&text[counted..]))
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

fn newlines(text: &[u8]) -> u32 {
    u32::try_from(memchr::memchr_iter(b'\n', text).count()).unwrap_or(u32::MAX)
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
        let sieve = Sieve::new([("error", 0), ("usb speed", 1)]);
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
