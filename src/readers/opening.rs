//! The words of a report's beginning, each once: what reads alike has mostly the same cause (`diagnosis/likeness.rs`).

use std::collections::BTreeSet;
use std::io::{self, Read};

use crate::observation::fact::{Fact, FactValue, Origin, WORDS};
use crate::observation::field_text::FieldText;

/// People say what ails them at the start; a long log behind it costs nothing.
const OPENING_BYTES: usize = 32 * 1024;
/// More different words than this are a dictionary, not a report.
const MOST_WORDS: usize = 2_000;
const LONGEST_WORD: usize = 30;

/// Hands the text on and keeps its beginning.
#[derive(Debug)]
pub struct Opening<R> {
    inner: R,
    kept: Vec<u8>,
}

impl<R: Read> Opening<R> {
    pub fn of(inner: R) -> Self {
        Self { inner, kept: Vec::new() }
    }

    /// Absent where there are none.
    pub fn fact(&self) -> Option<Fact> {
        let words: Vec<_> = self.words().into_iter().collect();
        let text = FieldText::new(words.join(" "));
        let fact = Fact { key: WORDS.to_owned(), value: FactValue::Text(text), origin: Origin::Line(1), quote: None };
        (!words.is_empty()).then_some(fact)
    }

    fn words(&self) -> BTreeSet<String> {
        words(&String::from_utf8_lossy(&self.kept))
    }
}

impl<R: Read> Read for Opening<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        let wanted = count.min(OPENING_BYTES - self.kept.len());
        self.kept.extend_from_slice(&out[..wanted]);
        Ok(count)
    }
}

/// Words in lower case. A run of digits is `#`, so that `f407` and `f411` are the same word; of a hexadecimal number only that it is one stays.
fn words(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for run in text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '\'')) {
        let word = shape(run.trim_matches('\''));
        let is_telling = word == "#" || word.chars().nth(1).is_some();
        if is_telling && word.len() <= LONGEST_WORD && found.len() < MOST_WORDS {
            found.insert(word);
        }
    }
    found
}

fn shape(run: &str) -> String {
    if run.starts_with("0x") || run.starts_with("0X") {
        return "0x#".to_owned();
    }
    let mut word = String::with_capacity(run.len());
    for c in run.chars() {
        if !c.is_ascii_digit() {
            word.extend(c.to_lowercase());
        } else if !word.ends_with('#') {
            word.push('#');
        }
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_in_lower_case_and_numbers_by_their_shape() {
        let found = words("The STM32F407 isn't at 0x08000000; it's 3.3V, Größe 12 a");
        let expected = ["#", "#v", "0x#", "at", "größe", "isn't", "it's", "stm#f#", "the"];
        assert_eq!(found, expected.map(str::to_owned).into());
    }

    #[test]
    fn what_is_read_is_what_stands_there_and_only_its_beginning_is_kept() {
        let text = format!("first {}last", "x ".repeat(OPENING_BYTES));
        let mut opening = Opening::of(text.as_bytes());
        let mut read = String::new();
        opening.read_to_string(&mut read).unwrap();
        assert_eq!(read, text);
        assert_eq!(opening.words(), ["first".to_owned()].into());
    }
}
