//! Rules: a small declarative language over the failures and facts that were observed.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use regex::Regex;
use serde::Deserialize;

use super::observed::{Observed, Seen};
use crate::observation::event::Transport;
use crate::observation::fact::{Fact, FactValue};
use crate::observation::failure::FailureClass;
use crate::observation::field_text::FieldText;
use crate::observation::step::Phase;
use crate::observation::units::Address;

/// Everything that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Condition {
    pub failure: Option<FailurePattern>,
    pub fact: Option<FactPattern>,
    /// A step of one of these phases succeeded.
    pub done: Vec<Phase>,
    /// One of these tools was at work.
    pub tool: Vec<String>,
    pub transport: Vec<Transport>,
    /// Order codes with `?` for one character and `*` for the rest.
    pub part: Vec<String>,
    /// A line of the host's kernel.
    pub host_message: Option<TextPattern>,
    pub all_of: Vec<Condition>,
    pub any_of: Vec<Condition>,
    pub none_of: Vec<Condition>,
}

/// A failure that fits in everything given; lists are alternatives.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct FailurePattern {
    pub class: Vec<FailureClass>,
    pub phase: Vec<Phase>,
    /// Parts of the raw code, letters large or small.
    pub code_contains: Vec<String>,
    pub tool: Vec<String>,
    pub address: Vec<u32>,
    /// At an address below this one.
    pub address_below: Option<u32>,
    /// Failures that are normal where they happened count only if asked for.
    pub expected: bool,
    /// A step of one of these phases had succeeded before, in the same cycle.
    pub after: Vec<Phase>,
    /// No step of these phases had succeeded before, in the same cycle.
    pub before: Vec<Phase>,
}

/// A fact that fits in everything given; lists are alternatives.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct FactPattern {
    pub key: String,
    pub flag: Option<bool>,
    pub text_contains: Vec<String>,
    pub text_matches: Option<Expression>,
    pub mhz_min: Option<f64>,
    pub mhz_max: Option<f64>,
    pub volts_min: Option<f64>,
    pub volts_max: Option<f64>,
    pub number_min: Option<f64>,
    pub number_max: Option<f64>,
    pub address: Vec<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct TextPattern {
    pub contains: Vec<String>,
    pub matches: Option<Expression>,
}

/// A regular expression, checked when the rule is read and compiled when it is first asked.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Expression {
    text: String,
    compiled: OnceLock<Option<Regex>>,
}

impl Expression {
    /// One that grows beyond what the matcher takes matches nothing.
    fn is_match(&self, text: &str) -> bool {
        self.compiled.get_or_init(|| Regex::new(&self.text).ok()).as_ref().is_some_and(|regex| regex.is_match(text))
    }
}

impl TryFrom<String> for Expression {
    type Error = regex_syntax::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        regex_syntax::parse(&text)?;
        Ok(Self { text, compiled: OnceLock::new() })
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// What a rule met.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Met {
    pub at: BTreeSet<u32>,
    pub count: u64,
    /// The share of all failures that it met; absent where it met no failure.
    pub share: Option<f64>,
    /// How many failures there were; absent where it met none.
    pub failures: Option<u64>,
    pub code: Option<FieldText>,
    pub phase: Option<Phase>,
    pub quote: Option<FieldText>,
}

impl Met {
    /// Both together; the first that has a code, phase or quote gives it.
    pub fn and(mut self, other: Self) -> Self {
        self.at.extend(other.at);
        self.count = self.count.max(other.count);
        self.share = self.share.into_iter().chain(other.share).reduce(f64::max);
        self.failures = self.failures.max(other.failures);
        self.code = self.code.or(other.code);
        self.phase = self.phase.or(other.phase);
        self.quote = self.quote.or(other.quote);
        self
    }

    /// The entry's text with what was met in its places.
    pub fn fill(&self, text: &str) -> String {
        let shown = |text: &Option<FieldText>| text.as_ref().map_or("not given".to_owned(), FieldText::for_terminal);
        text.replace("{code}", &shown(&self.code))
            .replace("{quote}", &shown(&self.quote))
            .replace("{phase}", self.phase.map_or("not given", Phase::name))
    }
}

impl Condition {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What it met, if all that is given holds.
    pub fn met_by(&self, observed: &Observed) -> Option<Met> {
        let mut met = Met::default();
        if let Some(pattern) = &self.failure {
            met = met.and(observed.failures_that(|seen| pattern.fits(seen))?);
        }
        if let Some(pattern) = &self.fact {
            met = met.and(observed.facts_that(&pattern.key, |fact| pattern.fits(fact))?);
        }
        if let Some(pattern) = &self.host_message {
            met = met.and(observed.host_messages_that(|text| pattern.fits(text))?);
        }
        let simple = (self.done.is_empty() || self.done.iter().any(|phase| observed.has_done(*phase)))
            && (self.tool.is_empty() || self.tool.iter().any(|tool| observed.has_tool(tool)))
            && (self.transport.is_empty() || self.transport.iter().any(|way| observed.goes_over(*way)))
            && (self.part.is_empty() || self.part.iter().any(|pattern| observed.part_fits(pattern)));
        if !simple || self.none_of.iter().any(|condition| condition.met_by(observed).is_some()) {
            return None;
        }
        for condition in &self.all_of {
            met = met.and(condition.met_by(observed)?);
        }
        if !self.any_of.is_empty() {
            let some = self.any_of.iter().filter_map(|condition| condition.met_by(observed)).reduce(Met::and);
            met = met.and(some?);
        }
        Some(met)
    }
}

impl FailurePattern {
    fn fits(&self, seen: &Seen) -> bool {
        let failure = &seen.failure;
        let code = || failure.code.as_ref().map(|code| code.raw().to_ascii_lowercase()).unwrap_or_default();
        failure.is_expected() == self.expected
            && among(&self.class, &failure.class)
            && among(&self.phase, &failure.phase)
            && (self.code_contains.is_empty() || contains_one(&code(), &self.code_contains))
            && (self.tool.is_empty() || seen.tool.as_ref().is_some_and(|tool| self.tool.contains(tool)))
            && (self.address.is_empty() || failure.address.is_some_and(|Address(at)| self.address.contains(&at)))
            && self.address_below.is_none_or(|end| failure.address.is_some_and(|Address(at)| at < end))
            && (self.after.is_empty() || self.after.iter().any(|phase| seen.done_before.contains(phase)))
            && !self.before.iter().any(|phase| seen.done_before.contains(phase))
    }
}

impl FactPattern {
    fn fits(&self, fact: &Fact) -> bool {
        let band = |value: Option<f64>, low: Option<f64>, high: Option<f64>| {
            (low.is_none() && high.is_none())
                || value
                    .is_some_and(|value| low.is_none_or(|low| value >= low) && high.is_none_or(|high| value <= high))
        };
        let of = |pick: fn(&FactValue) -> Option<f64>| pick(&fact.value);
        let mhz = |value: &FactValue| if let FactValue::FrequencyMhz(mhz) = value { Some(*mhz) } else { None };
        let volts = |value: &FactValue| if let FactValue::Volts(volts) = value { Some(*volts) } else { None };
        let number = |value: &FactValue| if let FactValue::Number(number) = value { Some(*number) } else { None };
        let text = || if let FactValue::Text(text) = &fact.value { text.raw() } else { "" };
        self.flag.is_none_or(|flag| fact.value == FactValue::Flag(flag))
            && (self.text_contains.is_empty() || contains_one(&text().to_lowercase(), &self.text_contains))
            && self.text_matches.as_ref().is_none_or(|expression| expression.is_match(text()))
            && band(of(mhz), self.mhz_min, self.mhz_max)
            && band(of(volts), self.volts_min, self.volts_max)
            && band(of(number), self.number_min, self.number_max)
            && (self.address.is_empty()
                || matches!(fact.value, FactValue::Address(Address(at)) if self.address.contains(&at)))
    }
}

impl TextPattern {
    fn fits(&self, text: &FieldText) -> bool {
        (self.contains.is_empty() || contains_one(&text.raw().to_lowercase(), &self.contains))
            && self.matches.as_ref().is_none_or(|expression| expression.is_match(text.raw()))
    }
}

fn among<T: PartialEq>(list: &[T], value: &T) -> bool {
    list.is_empty() || list.contains(value)
}

fn contains_one(text: &str, parts: &[String]) -> bool {
    parts.iter().any(|part| text.contains(&part.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::catalogue::Catalogue;
    use crate::observation::event::{Event, EventKind, Session};
    use crate::observation::fact::Origin;
    use crate::observation::failure::Failure;
    use crate::observation::step::{Outcome, StepRecord};
    use crate::profile::shelf::Sheet;

    fn step(phase: Phase, outcome: Outcome) -> StepRecord {
        StepRecord {
            phase,
            started: None,
            elapsed: None,
            outcome,
            summary: Default::default(),
            transfers: Vec::new(),
            facts: Vec::new(),
        }
    }

    /// A report: identified at 24 MHz, then a stall in the option bytes at line 7.
    fn report() -> Observed {
        let mut failure = Failure::new(FailureClass::Stall, Phase::OptionBytes).with_code("LIBUSB_ERROR_PIPE");
        failure.line = Some(7);
        let steps = vec![step(Phase::Identify, Outcome::Done), step(Phase::OptionBytes, Outcome::Failed(failure))];
        let cycle = crate::observation::cycle::Cycle { number: 1, boot: None, started: None, steps, levels: [].into() };
        let session = Session { tool: "cubeprogrammer".into(), version: None, transport: Transport::Dfu, line: 1 };
        let crystal = Fact {
            key: "fitted-crystal".into(),
            value: FactValue::FrequencyMhz(24.0),
            origin: Origin::Line(3),
            quote: Some("a 24MHz\u{1b}[31m crystal".into()),
        };
        let part = Fact::measured("part", FactValue::Text("STM32F746".into()));
        let kinds = [
            EventKind::SessionStarted(session),
            EventKind::FactNoted(part),
            EventKind::FactNoted(crystal),
            EventKind::CycleFinished(cycle),
        ];
        let mut observed = Observed::default();
        for (seq, kind) in (1..).zip(kinds) {
            observed.absorb(&Event { seq, at: None, kind });
        }
        observed
    }

    fn finds(rule: &str) -> Option<(String, Vec<u32>)> {
        let text = format!(
            "[[group]]\nid = \"g\"\ntext = \"G.\"\n[[finding]]\nid = \"f\"\ngroup = \"g\"\ntext = \"In {{phase}}: {{code}}, {{quote}}.\"\n[finding.when]\n{rule}\n"
        );
        let sheet = Sheet { name: "f".into(), file: "f.toml".into(), text };
        let found = Catalogue::from_sheets(&[sheet]).unwrap().read_off(&report());
        found.into_iter().next().map(|finding| (finding.text, finding.at))
    }

    #[test]
    fn a_failure_is_found_by_what_was_done_before_it() {
        let (text, at) =
            finds(r#"failure = { class = ["stall"], code-contains = ["pipe"], after = ["identify"] }"#).unwrap();
        assert_eq!((text.as_str(), at), ("In option-bytes: LIBUSB_ERROR_PIPE, not given.", vec![7]));
        assert!(finds(r#"failure = { class = ["stall"], before = ["identify"] }"#).is_none());
        assert!(finds(r#"failure = { expected = true }"#).is_none());
    }

    #[test]
    fn words_of_the_field_are_escaped_where_they_enter_a_finding() {
        let (text, at) = finds(r#"fact = { key = "fitted-crystal", mhz-min = 16 }"#).unwrap();
        assert_eq!((text.as_str(), at), ("In not given: not given, a 24MHz\\u{1b}[31m crystal.", vec![3]));
        assert!(finds(r#"fact = { key = "fitted-crystal", mhz-max = 16 }"#).is_none());
    }

    #[test]
    fn lists_join_and_exclude() {
        let both = r#"all-of = [{ failure = { phase = ["option-bytes"] } }, { fact = { key = "fitted-crystal" } }]"#;
        assert_eq!(finds(both).unwrap().1, [3, 7]);
        assert!(finds(r#"any-of = [{ tool = ["openocd"] }, { part = ["STM32F74*"] }]"#).unwrap().1.is_empty());
        assert!(finds(r#"none-of = [{ transport = ["dfu"] }]"#).is_none());
        assert!(finds(r#"done = ["otp"]"#).is_none());
    }
}
