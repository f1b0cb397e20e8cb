//! Which patterns are worth trying on a sentence: those whose required words all stand in it.
//!
//! Every match of `\bboot.{0,20}(?:jumper|button)` holds "boot", and one of "jumper" and "button". There are more than two thousand
//! patterns, and looking for all their words in one pass costs less than a few tries (Cox, "Regular Expression Matching with a
//! Trigram Index", 2012, does the same for files).

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex_syntax::hir::{Hir, HirKind};

/// Shorter words stand in most sentences.
const SHORTEST: usize = 2;

/// Words of which a match holds at least one.
type Choice = Vec<String>;

/// For one pattern, the choices that a match has to meet, all of them; the words by their numbers.
#[derive(Clone, Debug, Default)]
pub struct Needs(Vec<Vec<usize>>);

/// Collects the words of all patterns.
#[derive(Debug, Default)]
pub struct Collection {
    numbers: BTreeMap<String, usize>,
}

/// All words of all patterns.
#[derive(Debug)]
pub struct RequiredWords {
    automaton: AhoCorasick,
    count: usize,
}

/// The words that stand in one sentence, one bit each.
#[derive(Debug)]
pub struct Present(Vec<u64>);

impl Collection {
    pub fn needs_of(&mut self, pattern: &Hir) -> Needs {
        let mut number = |word: String| {
            let next = self.numbers.len();
            *self.numbers.entry(word).or_insert(next)
        };
        let choices = choices(pattern);
        Needs(choices.into_iter().map(|choice| choice.into_iter().map(&mut number).collect()).collect())
    }

    pub fn build(self) -> RequiredWords {
        let count = self.numbers.len();
        let mut words = vec![String::new(); count];
        for (word, number) in self.numbers {
            words[number] = word;
        }
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(words)
            .expect("a few thousand short words fit");
        RequiredWords { automaton, count }
    }
}

impl RequiredWords {
    pub fn in_sentence(&self, sentence: &str) -> Present {
        let mut present = Present(vec![0; self.count.div_ceil(64)]);
        for hit in self.automaton.find_overlapping_iter(sentence) {
            let word = hit.pattern().as_usize();
            present.0[word / 64] |= 1 << (word % 64);
        }
        present
    }
}

impl Present {
    fn holds(&self, word: usize) -> bool {
        self.0[word / 64] >> (word % 64) & 1 == 1
    }

    pub fn meets(&self, needs: &Needs) -> bool {
        needs.0.iter().all(|choice| choice.iter().any(|word| self.holds(*word)))
    }
}

fn choices(pattern: &Hir) -> Vec<Choice> {
    match pattern.kind() {
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(word) if word.len() >= SHORTEST => vec![vec![word.to_ascii_lowercase()]],
            _ => Vec::new(),
        },
        HirKind::Capture(capture) => choices(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => choices(&repetition.sub),
        HirKind::Concat(parts) => parts.iter().flat_map(choices).collect(),
        HirKind::Alternation(branches) => {
            // A branch that needs nothing leaves the others free as well.
            let of_branches: Option<Vec<Choice>> =
                branches.iter().map(|branch| most_telling(choices(branch))).collect();
            of_branches.map(|choices| vec![choices.concat()]).unwrap_or_default()
        }
        HirKind::Repetition(_) | HirKind::Class(_) | HirKind::Look(_) | HirKind::Empty => Vec::new(),
    }
}

/// The choice whose shortest word is the longest.
fn most_telling(choices: Vec<Choice>) -> Option<Choice> {
    choices.into_iter().max_by_key(|choice| choice.iter().map(String::len).min())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::RegexBuilder;

    use super::*;

    fn needed(pattern: &str) -> Vec<Choice> {
        choices(&regex_syntax::parse(pattern).unwrap())
    }

    #[test]
    fn a_match_holds_one_word_of_each_choice() {
        assert_eq!(needed(r"\bBoot.{0,20}(?:jumper|the button)\b"), [vec!["boot"], vec!["jumper", "the button"]]);
        assert_eq!(needed(r"st-?link(?: utility)?"), [vec!["st"], vec!["link"]]);
        assert_eq!(needed(r"(?:usb ports?|\d+ hubs)"), [vec!["usb port", " hubs"]]);
    }

    #[test]
    fn what_may_be_missing_is_not_needed() {
        assert_eq!(needed(r"(?:cable|\w+)\d?(?:ports)*"), Vec::<Choice>::new());
    }

    proptest! {
        /// No sentence that a pattern matches is kept from it.
        #[test]
        fn what_matches_meets_the_needs(
            pattern in r"(\\b|)(usb|BOOT0|st-?link|(port|hub|\\d) ?)(\.\{0,9\}|\\w\*|( is)\?)(fails?|(no|n\.t) work|[ck]able)\+?",
            sentence in r"([Uu]sb|boot0|ST-?Link|port|hub|7| is|x| ){1,5}(fail|not work|CABLE|n't work| ){1,3}",
        ) {
            let mut collection = Collection::default();
            let needs = collection.needs_of(&regex_syntax::parse(&pattern).unwrap());
            let present = collection.build().in_sentence(&sentence);
            let matches = RegexBuilder::new(&pattern).case_insensitive(true).build().unwrap().is_match(&sentence);
            prop_assert!(!matches || present.meets(&needs), "{pattern} on {sentence}");
        }
    }
}
