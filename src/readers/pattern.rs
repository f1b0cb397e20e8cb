//! One pattern of a phrase, compiled when a sentence first holds the words that it needs: there are more than two thousand, and a
//! report asks for a few.
//!
//! Most tries do not match, and that much a forward automaton tells alone; the regex that also knows the groups is compiled for the
//! few that do, which saves memory.

use std::fmt;
use std::sync::OnceLock;

use regex::{Regex, RegexBuilder, bytes};
use regex_automata::Input;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::pool::Pool;
use regex_automata::util::syntax;

use super::required_words::{Collection, Needs};

pub struct Pattern {
    text: String,
    needs: Needs,
    ascii: OnceLock<Option<AsciiMatcher>>,
    ascii_groups: OnceLock<Option<bytes::Regex>>,
    any_text: OnceLock<Option<Regex>>,
}

/// Where a pattern fits.
#[derive(Debug, PartialEq, Eq)]
pub struct Found<'t> {
    pub whole: &'t str,
    pub start: usize,
    /// What stands in its first group.
    pub group: Option<&'t str>,
}

/// For sentences in ASCII, as most are: without the tables of Unicode it is compiled and run in a fraction of the time, and on these
/// it says the same.
struct AsciiMatcher {
    automaton: DFA,
    caches: Pool<Cache, Box<dyn Fn() -> Cache + Send + Sync>>,
}

impl Pattern {
    /// Parses it, so that what is wrong in it is told when its file is read.
    pub fn new(text: String, words: &mut Collection) -> Result<Self, String> {
        // The tables of Unicode take much of the time of parsing; only what names other letters needs them.
        let parsed = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(&text);
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(_) => regex_syntax::parse(&text).map_err(|error| error.to_string())?,
        };
        let needs = words.needs_of(&parsed);
        Ok(Self { text, needs, ascii: OnceLock::new(), ascii_groups: OnceLock::new(), any_text: OnceLock::new() })
    }

    /// The words that a match holds.
    pub fn needs(&self) -> &Needs {
        &self.needs
    }

    pub fn is_match(&self, sentence: &str) -> bool {
        match self.ascii().filter(|_| sentence.is_ascii()) {
            Some(matcher) => matcher.is_match(sentence),
            None => self.any_text().is_some_and(|regex| regex.is_match(sentence)),
        }
    }

    pub fn find<'t>(&self, sentence: &'t str) -> Option<Found<'t>> {
        if !self.is_match(sentence) {
            return None;
        }
        let [whole, group] = match self.ascii_groups().filter(|_| sentence.is_ascii()) {
            Some(regex) => {
                let found = regex.captures(sentence.as_bytes())?;
                [0, 1].map(|number| found.get(number).map(|part| part.range()))
            }
            None => {
                let found = self.any_text()?.captures(sentence)?;
                [0, 1].map(|number| found.get(number).map(|part| part.range()))
            }
        };
        let whole = whole.expect("a match has a whole");
        Some(Found { start: whole.start, whole: &sentence[whole], group: group.map(|group| &sentence[group]) })
    }

    /// Absent for one that names other letters.
    fn ascii(&self) -> Option<&AsciiMatcher> {
        self.ascii.get_or_init(|| AsciiMatcher::new(&self.text)).as_ref()
    }

    fn ascii_groups(&self) -> Option<&bytes::Regex> {
        let compile = || bytes::RegexBuilder::new(&self.text).case_insensitive(true).unicode(false).build().ok();
        self.ascii_groups.get_or_init(compile).as_ref()
    }

    /// Absent for one that is sound and grows beyond what the matcher takes.
    fn any_text(&self) -> Option<&Regex> {
        self.any_text.get_or_init(|| RegexBuilder::new(&self.text).case_insensitive(true).build().ok()).as_ref()
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Pattern({})", self.text)
    }
}

impl AsciiMatcher {
    fn new(text: &str) -> Option<Self> {
        let automaton = DFA::builder()
            .syntax(syntax::Config::new().case_insensitive(true).unicode(false).utf8(false))
            .thompson(thompson::Config::new().utf8(false).which_captures(WhichCaptures::None))
            .build(text)
            .ok()?;
        let of_caches = automaton.clone();
        Some(Self { automaton, caches: Pool::new(Box::new(move || of_caches.create_cache())) })
    }

    fn is_match(&self, sentence: &str) -> bool {
        let input = Input::new(sentence).earliest(true);
        self.automaton
            .try_search_fwd(&mut self.caches.get(), &input)
            .expect("without Unicode no byte is refused, and the automaton never gives up")
            .is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readers::phrases::Phrases;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text.to_owned(), &mut Collection::default()).unwrap()
    }

    #[test]
    fn what_fits_is_told_with_its_place_and_its_group() {
        let crystal = pattern(r"\b(\d+) ?MHz crystal");
        let found = Found { whole: "25 mhz crystal", start: 2, group: Some("25") };
        assert_eq!(crystal.find("a 25 mhz crystal").as_ref(), Some(&found));
        assert_eq!(crystal.find("no crystal"), None);
        assert_eq!(crystal.find("ein 25 MHz Crystal für USB").map(|found| found.group), Some(Some("25")));
    }

    #[test]
    fn other_letters_are_matched_as_well() {
        let cable = pattern("kürzeres kabel");
        assert!(cable.is_match("ein KÜRZERES Kabel") && !cable.is_match("ein Kabel"));
    }

    #[test]
    fn a_mistake_is_told_when_it_is_read() {
        assert!(Pattern::new("(usb".to_owned(), &mut Collection::default()).unwrap_err().contains("unclosed group"));
    }

    #[test]
    fn every_pattern_of_the_profiles_compiles() {
        let phrases = Phrases::load().unwrap();
        let bad: Vec<_> = phrases.patterns().filter(|pattern| pattern.any_text().is_none()).collect();
        assert!(bad.is_empty(), "{bad:?}");
    }

    #[test]
    fn a_pattern_says_the_same_of_ascii_with_and_without_the_tables_of_unicode() {
        let phrases = Phrases::load().unwrap();
        let examples: Vec<_> = phrases.examples().filter(|text| text.is_ascii()).collect();
        let differs = |pattern: &Pattern| {
            let any_text = pattern.any_text().unwrap();
            let mut some = examples.iter().step_by(37);
            some.any(|text| {
                pattern.find(text).map(|it| (it.start, it.whole))
                    != any_text.find(text).map(|it| (it.start(), it.as_str()))
            })
        };
        let bad: Vec<_> = phrases.patterns().filter(|pattern| differs(pattern)).collect();
        assert!(bad.is_empty(), "{bad:?}");
    }
}
