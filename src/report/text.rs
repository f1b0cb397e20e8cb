//! The summary for people: what is printed when a run ends. The verdict comes first, and every line fits the width.

use std::fmt::Write as _;
use std::io::{self, Write};

use textwrap::{Options, WordSplitter, fill};

use super::alterations;
use super::failures::grouped;
use super::wording;
use crate::diagnosis::verdict::{Argument, RankedCause, Verdict, VerdictKind};
use crate::investigation::snapshot::Snapshot;
use crate::observation::field_text::FieldText;

/// How the summary is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    pub color: bool,
    pub width: usize,
}

impl Style {
    pub const PLAIN: Self = Self { color: false, width: 80 };
}

/// Causes below this probability are left to the other reports, unless they lead.
const WORTH_A_LINE: f64 = 0.02;

const CAUSES_SHOWN: usize = 6;

const FAILURES_SHOWN: usize = 8;

/// The leading cause shows all its arguments.
const ARGUMENTS_OF_OTHERS: usize = 3;

/// Writes the summary of a campaign.
pub fn write(out: &mut impl Write, snapshot: &Snapshot, style: Style) -> io::Result<()> {
    let verdict = &snapshot.verdict;
    let page = Page { style };
    let mut text = String::new();
    page.head(&mut text, verdict, snapshot);
    page.causes(&mut text, verdict);
    page.failures(&mut text, verdict);
    page.alterations(&mut text, snapshot);
    page.next(&mut text, verdict);
    page.says(&mut text, snapshot);
    page.limits(&mut text, snapshot);
    if let Some(case) = &snapshot.case {
        page.section(&mut text, "CASE");
        page.line(&mut text, &case.to_string_lossy(), "  ", "  ");
    }
    out.write_all(text.as_bytes())
}

/// Writing to a String cannot fail, so the results of `write!` are let go throughout.
struct Page {
    style: Style,
}

impl Page {
    fn head(&self, text: &mut String, verdict: &Verdict, snapshot: &Snapshot) {
        let word = wording::verdict_word(verdict.verdict);
        let line = format!("{word}  {}", shown(&wording::headline(verdict)));
        let wrapped = fill(&line, self.layout("", "  "));
        text.push_str(&wrapped.replacen(word, &self.paint(verdict_color(verdict.verdict), word), 1));
        text.push('\n');
        self.line(text, &wording::subject(verdict, Some(snapshot)), "", "  ");
        if let Some(why) = wording::unfinished(&snapshot.state) {
            self.line(text, &why, "", "  ");
        }
        text.push('\n');
        for rate in &snapshot.rates {
            self.line(text, &wording::rate(rate), "", "  ");
        }
    }

    fn alterations(&self, text: &mut String, snapshot: &Snapshot) {
        let told = alterations::told(snapshot);
        if told.is_empty() {
            return;
        }
        self.section(text, "ALTERATIONS");
        for line in &told {
            let mark = if line.bad { "! " } else { "  " };
            self.line(text, &format!("{mark}{}", line.text), "", "    ");
        }
        for line in alterations::advice(snapshot).lines() {
            self.line(text, line, "  ", "     ");
        }
    }

    fn causes(&self, text: &mut String, verdict: &Verdict) {
        if verdict.causes.is_empty() {
            return;
        }
        self.section(text, "LIKELY CAUSES");
        if let Some(both) = wording::together(verdict) {
            self.line(text, &both, "", "  ");
        }
        let worth: Vec<_> = verdict
            .causes
            .iter()
            .enumerate()
            .filter(|(place, cause)| *place == 0 || (cause.probability >= WORTH_A_LINE && *place < CAUSES_SHOWN))
            .map(|(_, cause)| cause)
            .collect();
        for (place, cause) in worth.iter().enumerate() {
            let most = if place == 0 { usize::MAX } else { ARGUMENTS_OF_OTHERS };
            self.cause(text, cause, wording::place_word(verdict), most);
        }
        let left = verdict.causes.len() - worth.len();
        if left > 0 {
            let rest: f64 = verdict.causes.iter().map(|cause| cause.probability).sum::<f64>()
                - worth.iter().map(|cause| cause.probability).sum::<f64>();
            let others = if left == 1 { "1 other".to_owned() } else { format!("{left} others together") };
            self.line(text, &format!("{others}: {}", wording::probability(rest)), "  ", "  ");
        }
    }

    fn cause(&self, text: &mut String, cause: &RankedCause, place: &str, most: usize) {
        let percent = wording::probability(cause.probability);
        let head = format!("{percent:>5} {}  {} [{}]", bar(cause.probability), wording::cause_name(cause), cause.id);
        self.line(text, &head, "", "                  ");
        for (sign, color, arguments) in [("+", GREEN, &cause.speaks_for), ("-", RED, &cause.speaks_against)] {
            for argument in arguments.iter().take(most) {
                self.argument(text, sign, color, argument, place);
            }
            let left = arguments.len().saturating_sub(most);
            if left > 0 {
                self.line(text, &format!("and {left} more"), &format!("        {sign} "), "          ");
            }
        }
    }

    fn argument(&self, text: &mut String, sign: &str, color: &str, argument: &Argument, place: &str) {
        let mut words = argument.text.clone();
        if let Some(places) = wording::places(&argument.at, place) {
            let _ = write!(words, " ({places})");
        }
        let start = format!("        {sign} ");
        let wrapped = fill(&shown(&words), self.layout(&start, "          "));
        text.push_str(&wrapped.replacen(sign, &self.paint(color, sign), 1));
        text.push('\n');
    }

    fn failures(&self, text: &mut String, verdict: &Verdict) {
        if verdict.failures.is_empty() {
            return;
        }
        self.section(text, "FAILURES");
        let groups = grouped(&verdict.failures);
        for group in groups.iter().take(FAILURES_SHOWN) {
            let codes = group.codes_in_words(2, FieldText::for_terminal);
            let mut line = format!("{:>4} x {} at {}, {codes}", group.count, group.class, group.phase);
            if let Some(place) = group.place_in_words(FieldText::for_terminal) {
                let _ = write!(line, ", at {place}");
            }
            if let Some(elapsed) = group.elapsed_ms {
                let _ = write!(line, ", after {}", wording::milliseconds(elapsed));
            }
            if let Some(places) = wording::places(&group.at, wording::place_word(verdict)) {
                let _ = write!(line, "; {places}");
            }
            self.line(text, &line, "", "       ");
            if let Some(worked) = group.worked_in_words() {
                self.line(text, &format!("went well in the same boots: {worked}"), "       ", "         ");
            }
        }
        if let Some(left) = groups.len().checked_sub(FAILURES_SHOWN).filter(|left| *left > 0) {
            self.line(text, &wording::count(left as u64, "other kind"), "       ", "       ");
        }
    }

    fn next(&self, text: &mut String, verdict: &Verdict) {
        if verdict.next.is_empty() {
            return;
        }
        self.section(text, "NEXT");
        for (next, number) in verdict.next.iter().take(3).zip(1..) {
            self.line(text, &next.text, &format!("  {number}. "), "     ");
            self.line(text, &format!("({})", wording::experiment_terms(next)), "     ", "     ");
        }
    }

    fn says(&self, text: &mut String, snapshot: &Snapshot) {
        if snapshot.says.is_empty() {
            return;
        }
        self.section(text, "READ FROM THE BOARD");
        for words in &snapshot.says {
            self.line(text, words, "  - ", "    ");
        }
    }

    fn limits(&self, text: &mut String, snapshot: &Snapshot) {
        if snapshot.limits.is_empty() {
            return;
        }
        self.section(text, "LIMITS");
        for limit in &snapshot.limits {
            self.line(text, limit, "  - ", "    ");
        }
    }

    fn section(&self, text: &mut String, title: &str) {
        let _ = writeln!(text, "\n{}", self.paint(BOLD, title));
    }

    /// One paragraph of possibly untrusted text.
    fn line(&self, text: &mut String, words: &str, first: &str, rest: &str) {
        let _ = writeln!(text, "{}", fill(&shown(words), self.layout(first, rest)));
    }

    /// Names with hyphens stay whole, so that they can be searched for and copied.
    fn layout<'a>(&self, first: &'a str, rest: &'a str) -> Options<'a> {
        Options::new(self.style.width)
            .initial_indent(first)
            .subsequent_indent(rest)
            .word_splitter(WordSplitter::NoHyphenation)
    }

    fn paint(&self, color: &str, words: &str) -> String {
        if self.style.color { format!("\u{1b}[{color}m{words}\u{1b}[0m") } else { words.to_owned() }
    }
}

const BOLD: &str = "1";
const RED: &str = "31";
const GREEN: &str = "32";

const fn verdict_color(kind: VerdictKind) -> &'static str {
    match kind {
        VerdictKind::Fault => "1;31",
        VerdictKind::Clean => "1;32",
        VerdictKind::Inconclusive => "1;33",
    }
}

fn shown(text: &str) -> String {
    FieldText::from(text).for_terminal()
}

/// Ten characters for a probability.
fn bar(probability: f64) -> String {
    let filled = (probability * 10.0).round().clamp(0.0, 10.0) as usize;
    format!("{}{}", "#".repeat(filled), ".".repeat(10 - filled))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::field_text::is_unsafe_to_show;
    use crate::report::sample;

    fn text_of(snapshot: &Snapshot, style: Style) -> String {
        let mut out = Vec::new();
        write(&mut out, snapshot, style).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_summary_of_a_campaign() {
        insta::assert_snapshot!(text_of(&sample::campaign(), Style::PLAIN));
    }

    #[test]
    fn no_line_is_wider_than_the_page_and_none_ends_in_a_blank() {
        for width in [40, 80, 120] {
            let text = text_of(&sample::campaign(), Style { color: false, width });
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{line}");
                assert_eq!(line.trim_end(), line);
            }
        }
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let plain = text_of(&sample::campaign(), Style::PLAIN);
        let mut colored = text_of(&sample::campaign(), Style { color: true, ..Style::PLAIN });
        assert_ne!(colored, plain);
        for code in ["1", "31", "32", "1;31", "0"] {
            colored = colored.replace(&format!("\u{1b}[{code}m"), "");
        }
        assert_eq!(colored, plain);
    }

    #[test]
    fn nothing_hostile_gets_through() {
        let text = text_of(&sample::hostile_campaign(), Style::PLAIN);
        assert!(text.contains("\\u{1b}[31m"), "{text}");
        for line in text.lines() {
            assert!(!line.contains(is_unsafe_to_show), "{line}");
        }
    }
}
