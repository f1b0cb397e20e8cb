//! The poster's own words as facts: patterns kept as readable data in `profiles/phrases`.

use std::collections::BTreeMap;

use regex::Regex;
use serde::Deserialize;

use crate::observation::fact::FactValue;
use crate::observation::failure::FailureClass;
use crate::observation::field_text::FieldText;
use crate::observation::step::Phase;
use crate::profile::loader::{self, ProfileError};
use crate::profile::shelf::{self, Sheet};

use super::message::{Line, first_number};
use super::notebook::Notebook;
use super::pattern::{Found, Pattern};
use super::required_words::{Collection, Present, RequiredWords};
use super::word_classes::WordClasses;

/// A phrase file: classes of words that the patterns of every file may use, and rules.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct PhraseSheet {
    #[serde(default)]
    class: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    phrase: Vec<PhraseEntry>,
}

/// One rule of a phrase file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct PhraseEntry {
    /// The fact that the words state.
    #[serde(default)]
    fact: Option<String>,
    #[serde(default)]
    value: ValueKind,
    /// For a text: what is noted instead of the words.
    #[serde(default)]
    text: Option<String>,
    /// The failure that the words describe.
    #[serde(default)]
    failure: Option<DescribedFailure>,
    /// Literals of which a line must hold one before the patterns are tried.
    near: Vec<String>,
    /// Patterns, any of which suffices; without regard to case. The first group, if any, holds the value.
    any: Vec<String>,
    /// Patterns that, anywhere in the same sentence, mean that something else is said.
    #[serde(default)]
    unless: Vec<String>,
    /// Whether "not", "without" and the like in front of the words deny the fact. Off where the words are a denial themselves.
    #[serde(default = "yes")]
    deniable: bool,
    /// Whether the words count in a question.
    #[serde(default)]
    in_questions: bool,
    /// Sentences that the rule must understand; checked by a test.
    #[serde(default)]
    #[cfg_attr(not(test), expect(dead_code, reason = "the test reads them"))]
    examples: Vec<String>,
    /// Sentences in which it must not see the fact; checked by a test.
    #[serde(default)]
    #[cfg_attr(not(test), expect(dead_code, reason = "the test reads them"))]
    counterexamples: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ValueKind {
    #[default]
    Flag,
    Text,
    Mhz,
    Volts,
    Number,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct DescribedFailure {
    class: FailureClass,
    phase: Phase,
}

fn yes() -> bool {
    true
}

#[derive(Debug)]
struct Phrase {
    entry: PhraseEntry,
    any: Vec<Pattern>,
    unless: Vec<Pattern>,
}

#[derive(Debug)]
pub struct Phrases {
    phrases: Vec<Phrase>,
    required: RequiredWords,
    denial: Regex,
    /// A question hung onto a statement, which it leaves standing.
    tag: Regex,
}

impl Phrases {
    pub fn load() -> Result<Self, ProfileError> {
        Self::from_sheets(&shelf::sheets("phrases")?)
    }

    pub fn from_sheets(sheets: &[Sheet]) -> Result<Self, ProfileError> {
        let mut parsed = Vec::new();
        let mut classes = WordClasses::default();
        for sheet in sheets {
            let PhraseSheet { class, phrase } = loader::parse(&sheet.file, &sheet.text)?;
            classes.extend(class);
            parsed.push((sheet, phrase));
        }
        let mut phrases = Vec::new();
        let mut words = Collection::default();
        for (sheet, entries) in parsed {
            for entry in entries {
                let mut compile = |pattern: &String| {
                    let refuse = |message| loader::refuse(&sheet.file, &sheet.text, pattern, message, None);
                    let written_out = classes.write_out(pattern).map_err(refuse)?;
                    Pattern::new(written_out, &mut words)
                        .map_err(|error| refuse(format!("`{pattern}` is not a pattern: {error}")))
                };
                let any = entry.any.iter().map(&mut compile).collect::<Result<_, _>>()?;
                let unless = entry.unless.iter().map(&mut compile).collect::<Result<_, _>>()?;
                phrases.push(Phrase { entry, any, unless });
            }
        }
        let denial = Regex::new(
            r"(?i)(?:\b(?:not|never|no|without|neither|nor|cannot|none|don't|doesn't|didn't|isn't|wasn't|aren't|can't|won't|instead of|rather than)\b)(?:[^\w,;:()]+\w+){0,4}[^\w,;:()]*$",
        )
        .expect("the pattern is fixed");
        let tag = Regex::new(
            r"(?i),\s*(?:(?:could|can|might|may|would) (?:it|that|this) be(?: it| that| this| the \w+| why| related)?|(?:is|was) (?:it|that|this) (?:the \w+|why|ok|okay|normal|related|it)|right|correct|isn'?t it)\s*\?+$",
        )
        .expect("the pattern is fixed");
        Ok(Self { phrases, required: words.build(), denial, tag })
    }

    /// Every literal with the number of its phrase.
    pub fn literals(&self) -> impl Iterator<Item = (&str, usize)> {
        self.phrases
            .iter()
            .enumerate()
            .flat_map(|(index, phrase)| phrase.entry.near.iter().map(move |literal| (literal.as_str(), index)))
    }

    #[cfg(test)]
    pub fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.phrases.iter().flat_map(|phrase| phrase.any.iter().chain(&phrase.unless))
    }

    #[cfg(test)]
    pub fn examples(&self) -> impl Iterator<Item = &str> {
        self.phrases.iter().flat_map(|phrase| &phrase.entry.examples).map(String::as_str)
    }

    /// Tries the phrases whose literals stand on the line; described failures only where no tool has reported one there.
    pub fn hear(&self, notebook: &mut Notebook, indices: &[usize], line: &Line<'_>, failures_too: bool) {
        if indices.is_empty() {
            return;
        }
        for sentence in sentences(line.text) {
            let present = self.required.in_sentence(sentence);
            for &index in indices {
                let phrase = &self.phrases[index];
                if failures_too || phrase.entry.failure.is_none() {
                    self.hear_sentence(notebook, phrase, sentence, &present, line);
                }
            }
        }
    }

    fn hear_sentence(
        &self,
        notebook: &mut Notebook,
        phrase: &Phrase,
        sentence: &str,
        present: &Present,
        line: &Line<'_>,
    ) {
        let mut worth_trying = phrase.any.iter().filter(|pattern| present.meets(pattern.needs())).peekable();
        if worth_trying.peek().is_none() {
            return;
        }
        let sentence = self.tag.find(sentence).map_or(sentence, |tag| &sentence[..tag.start()]);
        if sentence.ends_with('?') && !phrase.entry.in_questions {
            return;
        }
        let Some(found) = worth_trying.find_map(|pattern| pattern.find(sentence)) else { return };
        if goes_on_as_a_path(sentence, &found) || phrase.unless.iter().any(|pattern| pattern.is_match(sentence)) {
            return;
        }
        let denied = phrase.entry.deniable && self.denial.is_match(&sentence[..found.start]);
        let group = found.group.unwrap_or("");
        let group = phrase.entry.text.as_deref().unwrap_or(group);
        if let Some(fact) = &phrase.entry.fact {
            let Some(value) = value_of(&phrase.entry.value, group, denied) else { return };
            notebook.fact_quoted(fact, value, sentence.trim_end_matches(['.', ',', ';', ':']), line);
        }
        if let Some(failure) = &phrase.entry.failure
            && !denied
        {
            notebook.describe(failure.class, failure.phase, found.whole, line);
        }
    }
}

/// Ends within the name of a file, as `works` does in `out/works/app.bin`, which says nothing.
fn goes_on_as_a_path(sentence: &str, found: &Found<'_>) -> bool {
    sentence[found.start + found.whole.len()..].starts_with(['/', '\\'])
        && found.whole.rsplit_once(char::is_whitespace).is_some_and(|(_, last)| last.contains(['/', '\\']))
}

fn value_of(kind: &ValueKind, group: &str, denied: bool) -> Option<FactValue> {
    match kind {
        ValueKind::Flag => Some(FactValue::Flag(!denied)),
        _ if denied => None,
        ValueKind::Text => Some(FactValue::Text(FieldText::new(group))),
        ValueKind::Mhz => first_number(group).map(FactValue::FrequencyMhz),
        ValueKind::Volts => first_number(group).map(FactValue::Volts),
        ValueKind::Number => first_number(group).map(FactValue::Number),
    }
}

/// Splits at full stops, question and exclamation marks and semicolons that end a sentence, and before a `but`.
pub(super) fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    let bytes = text.as_bytes();
    for (at, c) in text.char_indices() {
        let behind = at + 1 + bytes[at + 1..].iter().take_while(|&&byte| matches!(byte, b')' | b'"')).count();
        let next_is_space = c.is_ascii() && bytes.get(behind).is_none_or(u8::is_ascii_whitespace);
        if matches!(c, '.' | '?' | '!' | ';') && next_is_space {
            found.push(text[start..behind].trim());
            start = behind;
        } else if c == ' ' && text[at..].get(..5).is_some_and(|word| word.eq_ignore_ascii_case(" but ")) {
            found.push(text[start..at].trim());
            start = at + 1;
        }
    }
    found.push(text[start..].trim());
    found.retain(|sentence| !sentence.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::super::cleaning;
    use super::*;
    use crate::observation::event::EventKind;

    /// The fact values and failures that one rule alone finds in a sentence whose literals it holds.
    fn heard(phrases: &Phrases, index: usize, text: &str) -> Vec<EventKind> {
        let text = &cleaning::clean(text.as_bytes());
        let entry = &phrases.phrases[index].entry;
        let lower = text.to_lowercase();
        if !entry.near.iter().any(|literal| lower.contains(&literal.to_lowercase())) {
            return Vec::new();
        }
        let mut notebook = Notebook::default();
        phrases.hear(&mut notebook, &[index], &Line { number: 1, text }, true);
        notebook.into_events()
    }

    fn says_so(events: &[EventKind]) -> bool {
        events.iter().any(|event| match event {
            EventKind::FactNoted(fact) => fact.value != FactValue::Flag(false),
            EventKind::CycleFinished(_) => true,
            _ => false,
        })
    }

    #[test]
    fn the_name_of_a_folder_is_no_word() {
        let goes_on = |sentence: &str, whole| {
            goes_on_as_a_path(sentence, &Found { whole, start: sentence.find(whole).unwrap(), group: None })
        };
        assert!(goes_on("dfu-util -D out/works/app.bin", "dfu-util -D out/works"));
        assert!(!goes_on("dfu-util works/is fine", "dfu-util works"));
        assert!(!goes_on("dfu-util -D out/app.bin works", "dfu-util -D out/app.bin works"));
    }

    #[test]
    fn every_rule_understands_its_examples_and_nothing_else() {
        let phrases = Phrases::load().unwrap();
        let mut wrong = Vec::new();
        for (index, phrase) in phrases.phrases.iter().enumerate() {
            let entry = &phrase.entry;
            let name = entry.fact.clone().unwrap_or_else(|| format!("{:?}", entry.failure));
            if entry.examples.is_empty() {
                wrong.push(format!("{name}: no example"));
            }
            for example in entry.examples.iter().filter(|text| !says_so(&heard(&phrases, index, text))) {
                wrong.push(format!("{name}: not understood: {example}"));
            }
            for example in entry.counterexamples.iter().filter(|text| says_so(&heard(&phrases, index, text))) {
                wrong.push(format!("{name}: wrongly seen: {example}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn a_denial_ends_at_the_comma() {
        let denial = Phrases::load().unwrap().denial;
        assert!(denial.is_match("It is not powered by "));
        assert!(!denial.is_match("I don't use USART1, its Rx "));
    }

    #[test]
    fn a_question_hung_onto_a_statement_leaves_it_standing() {
        let tag = Phrases::load().unwrap().tag;
        for stated in
            ["Our loader sets WRP, could it be that?", "BOOT1 floats, is that the reason?", "PA9 is open, right?"]
        {
            assert!(tag.is_match(stated), "{stated}");
        }
        for asked in ["Is the flash locked?", "If I pull BOOT0 up, is the ROM started?", "Could it be that WRP is set?"]
        {
            assert!(!tag.is_match(asked), "{asked}");
        }
    }

    #[test]
    fn sentences_end_where_they_end() {
        assert_eq!(
            sentences("It runs at 3.3V. Does it? It connects but fails; odd"),
            ["It runs at 3.3V.", "Does it?", "It connects", "but fails;", "odd"]
        );
        assert_eq!(sentences("(It was lost.) Now it is back"), ["(It was lost.)", "Now it is back"]);
    }
}
