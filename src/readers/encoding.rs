//! Turns UTF-16 input into UTF-8 and drops byte order marks, as a stream.

use std::io::{self, Read};

use encoding_rs::{Decoder, UTF_16BE, UTF_16LE};

/// So much of the beginning decides.
const HEAD_BYTES: usize = 64;

/// A reader that always yields UTF-8 or the bytes as they were.
pub struct Utf8Stream<R> {
    inner: R,
    head: Vec<u8>,
    decoder: Option<Decoder>,
    /// Decoded and not yet handed out.
    ready: Vec<u8>,
    handed_out: usize,
    ended: bool,
}

impl<R> std::fmt::Debug for Utf8Stream<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Utf8Stream").field("utf16", &self.decoder.is_some()).finish_non_exhaustive()
    }
}

impl<R: Read> Utf8Stream<R> {
    pub fn new(mut inner: R) -> io::Result<Self> {
        let mut head = vec![0; HEAD_BYTES];
        let mut filled = 0;
        while filled < head.len() {
            match inner.read(&mut head[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        head.truncate(filled);
        let decoder = utf16_of(&head);
        if head.starts_with(&[0xef, 0xbb, 0xbf]) {
            head.drain(..3);
        }
        Ok(Self { inner, head, decoder, ready: Vec::new(), handed_out: 0, ended: false })
    }

    fn raw(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.head.is_empty() {
            return self.inner.read(out);
        }
        let count = self.head.len().min(out.len());
        out[..count].copy_from_slice(&self.head[..count]);
        self.head.drain(..count);
        Ok(count)
    }
}

/// Whether text that begins so is UTF-16.
pub fn is_utf16(head: &[u8]) -> bool {
    utf16_of(&head[..head.len().min(HEAD_BYTES)]).is_some()
}

/// By its mark, or by zeros in every other of the first bytes.
fn utf16_of(head: &[u8]) -> Option<Decoder> {
    match head {
        [0xff, 0xfe, ..] => return Some(UTF_16LE.new_decoder()),
        [0xfe, 0xff, ..] => return Some(UTF_16BE.new_decoder()),
        _ => {}
    }
    let pairs = head.chunks_exact(2);
    let count = pairs.len();
    let zeros = |place: usize| head.chunks_exact(2).filter(|pair| pair[place] == 0 && pair[1 - place] != 0).count();
    if count >= 4 && zeros(1) * 10 >= count * 9 {
        Some(UTF_16LE.new_decoder())
    } else if count >= 4 && zeros(0) * 10 >= count * 9 {
        Some(UTF_16BE.new_decoder())
    } else {
        None
    }
}

impl<R: Read> Read for Utf8Stream<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.decoder.is_none() {
            return self.raw(out);
        }
        while self.handed_out == self.ready.len() && !self.ended {
            let mut chunk = [0; 16 * 1024];
            let count = self.raw(&mut chunk)?;
            self.ended = count == 0;
            let decoder = self.decoder.as_mut().expect("a decoder was chosen");
            let mut text = String::with_capacity(decoder.max_utf8_buffer_length(count).unwrap_or(64 * 1024));
            // The string has room for everything, so that the whole chunk is consumed.
            let _ = decoder.decode_to_string(&chunk[..count], &mut text, self.ended);
            self.ready = text.into_bytes();
            self.handed_out = 0;
        }
        let count = (self.ready.len() - self.handed_out).min(out.len());
        out[..count].copy_from_slice(&self.ready[self.handed_out..self.handed_out + count]);
        self.handed_out += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(bytes: &[u8]) -> String {
        let mut text = String::new();
        Utf8Stream::new(bytes).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn utf16_with_and_without_a_mark_becomes_utf8() {
        let text = "Error: Data read failed \u{e4}\n";
        let units: Vec<u16> = text.encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        assert_eq!(through(&little), text);
        assert_eq!(through(&big), text);
        assert_eq!(through(&[&[0xff, 0xfe], little.as_slice()].concat()), text);
    }

    #[test]
    fn a_utf8_mark_is_dropped() {
        assert_eq!(through(b"\xef\xbb\xbfhello"), "hello");
        assert_eq!(through(b""), "");
        assert_eq!(through(b"x"), "x");
    }
}
