//! A triaged report as plain text: first the answer, then why, then what to do, then what to ask.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use textwrap::{Options, fill};

use super::course;
use super::triage_reply;
use super::wording;
use crate::diagnosis::conclusion::Library;
use crate::diagnosis::likeness::READS_ALIKE;
use crate::diagnosis::verdict::{Argument, RankedCause, UNKNOWN_CAUSE, Verdict, VerdictKind};
use crate::investigation::triage::Triaged;
use crate::observation::fact::FactValue;
use crate::observation::field_text::FieldText;
use crate::profile::device::{SerialKind, SerialRule};

const WIDTH: usize = 100;
/// Causes that are explained; the rest is in the JSON.
const EXPLAINED: usize = 3;
/// Causes that get a line each below those, with what speaks against them most.
const ALSO_NAMED: usize = 6;
const WORTH_NAMING: f64 = 0.02;
/// Below this a cause is explained only if it leads.
const WORTH_EXPLAINING: f64 = 0.08;
/// Below this a cause is kept out of the answer unless it leads.
const WORTH_THE_FIRST_LINE: f64 = 0.05;
/// Below this, one in four, the answer names candidates and no favourite: three others of four would be right.
const STANDS_OUT: f64 = 0.25;
const NORMAL_SHOWN: usize = 4;

pub fn write(out: &mut impl Write, triaged: &Triaged, library: &Library) -> io::Result<()> {
    let mut text = String::new();
    head(&mut text, triaged);
    let mut quotes = Quotes { of_lines: &triaged.quotes, told: BTreeSet::new(), arguments: BTreeSet::new() };
    if verdict_needs_reasons(triaged) {
        why(&mut text, triaged, &mut quotes);
        also(&mut text, triaged, &mut quotes);
    }
    course(&mut text, triaged);
    normal(&mut text, triaged);
    known(&mut text, triaged);
    if verdict_needs_reasons(triaged) {
        to_do(&mut text, triaged, library);
    }
    if triaged.verdict.verdict != VerdictKind::Clean {
        section(&mut text, "WHAT TO ASK");
        for line in triage_reply::questions(triaged) {
            item(&mut text, &line);
        }
    }
    out.write_all(text.as_bytes())
}

fn head(text: &mut String, triaged: &Triaged) {
    let verdict = &triaged.verdict;
    let word = wording::verdict_word(verdict.verdict);
    line(text, &format!("{word}  {}", FieldText::new(answer(triaged)).for_terminal()), "", "  ");
    line(
        text,
        &format!("{}, {}", verdict.source.for_terminal(), wording::count(triaged.lines.into(), "line")),
        "",
        "  ",
    );
    let mut subject = vec![verdict.device.clone().unwrap_or_else(|| "part not named".to_owned())];
    subject.extend(verdict.transport.filter(|transport| *transport != "other").map(str::to_owned));
    subject.extend(verdict.tools.iter().cloned());
    line(text, &FieldText::new(subject.join(", ")).for_terminal(), "", "  ");
}

/// Where nothing failed there is nothing to explain or to mend; what only looks like a failure is told as normal.
fn verdict_needs_reasons(triaged: &Triaged) -> bool {
    triaged.verdict.verdict != VerdictKind::Clean
}

fn course(text: &mut String, triaged: &Triaged) {
    let told = course::in_words(&triaged.course);
    if !told.is_empty() {
        section(text, "COURSE");
        told.iter().for_each(|words| item(text, words));
    }
}

/// The words of the report's lines, each quoted once.
struct Quotes<'a> {
    of_lines: &'a BTreeMap<u32, Vec<FieldText>>,
    told: BTreeSet<u32>,
    /// What was already given as a reason.
    arguments: BTreeSet<String>,
}

/// Neither a failure nor a session nor a hint at a cause: what is left are the priors, which are no answer.
fn says_nothing(verdict: &Verdict) -> bool {
    verdict.verdict == VerdictKind::Inconclusive && verdict.causes.iter().all(|cause| cause.speaks_for.is_empty())
}

/// Causes with a name for which something speaks, the likeliest first.
fn candidates(verdict: &Verdict) -> impl Iterator<Item = &RankedCause> {
    verdict.causes.iter().filter(|cause| cause.id != UNKNOWN_CAUSE && !cause.speaks_for.is_empty())
}

fn only_reads_alike(cause: &RankedCause) -> bool {
    cause.speaks_for.iter().all(|reason| reason.finding == READS_ALIKE)
}

/// The one cause that may be named to a customer: it stands out, and by more than how the report reads.
pub(super) fn favourite(verdict: &Verdict) -> Option<&RankedCause> {
    candidates(verdict).next().filter(|cause| cause.probability >= STANDS_OUT && !only_reads_alike(cause))
}

/// One sentence: the cause, or the few that it may be.
fn answer(triaged: &Triaged) -> String {
    let verdict = &triaged.verdict;
    if says_nothing(verdict) {
        return wording::headline(verdict);
    }
    let stands_out = candidates(verdict).next().is_some_and(|cause| cause.probability >= STANDS_OUT);
    let named: Vec<_> = candidates(verdict)
        .enumerate()
        .take_while(|(place, cause)| *place == 0 || cause.probability >= WORTH_THE_FIRST_LINE)
        .take(EXPLAINED)
        .map(|(_, cause)| format!("{} ({})", wording::cause_name(cause), wording::probability(cause.probability)))
        .collect();
    let only_reads_alike = candidates(verdict).next().is_some_and(only_reads_alike);
    match named.as_slice() {
        [_, ..] if verdict.verdict != VerdictKind::Clean && !verdict.decided && !stands_out => {
            format!("Not decided, and nothing stands out yet. To look at first: {}.", named.join("; "))
        }
        [_, ..] if verdict.verdict != VerdictKind::Clean && !verdict.decided && only_reads_alike => {
            format!(
                "Not decided, and nothing in it names a cause. It reads most like reports of: {}.",
                named.join("; ")
            )
        }
        [first, rest @ ..] if verdict.verdict != VerdictKind::Clean && !verdict.decided => {
            let then = if rest.is_empty() { String::new() } else { format!(" Then: {}.", rest.join("; ")) };
            format!("Not decided. Most likely: {first}.{then}")
        }
        _ => wording::headline(verdict),
    }
}

/// What the tables know of this part and this image, where it bears on the report.
fn known(text: &mut String, triaged: &Triaged) {
    let mut told = Vec::new();
    let derived = ["fus-address-known", "identity-does-not-fit", "otp-address-of-other-part", "otp-address-fits"];
    for fact in triaged.facts.iter().filter(|fact| derived.contains(&fact.key.as_str())) {
        match &fact.value {
            FactValue::Text(words) => told.push(words.for_terminal()),
            _ => told.extend(fact.quote.as_ref().map(FieldText::for_terminal)),
        }
    }
    if let Some(device) = triaged.subject.device().filter(|_| triaged.verdict.transport == Some("dfu")) {
        for rom in device.roms.iter().filter(|_| device.has_rom_dfu()) {
            let generation = rom.generation.as_deref().unwrap_or("every version");
            told.push(format!("ROM of {}, {generation}: {}", device.name, rom.usb_clock.meaning()));
        }
        let misleading = |serial: &&SerialRule| matches!(serial.kind, SerialKind::SameForAll | SerialKind::Changing);
        if let Some(serial) = device.serial.as_ref().filter(misleading) {
            told.push(format!("The serial number is no identity on this part: {}", serial.text));
        }
    }
    if !told.is_empty() {
        section(text, "KNOWN OF THIS PART");
        told.iter().for_each(|words| item(text, words));
    }
}

fn why(text: &mut String, triaged: &Triaged, quotes: &mut Quotes<'_>) {
    let mut explained = candidates(&triaged.verdict)
        .take(EXPLAINED)
        .enumerate()
        .filter(|(place, cause)| *place == 0 || cause.probability >= WORTH_EXPLAINING)
        .map(|(_, cause)| cause)
        .peekable();
    if explained.peek().is_some() {
        section(text, "WHY");
    }
    for cause in explained {
        let name = wording::cause_name(cause);
        line(text, &format!("{name} ({})", wording::probability(cause.probability)), "  ", "    ");
        arguments(text, cause, quotes);
    }
}

/// What is less likely and not excluded, each with the strongest argument against it, or for it where there is none.
fn also(text: &mut String, triaged: &Triaged, quotes: &mut Quotes<'_>) {
    let verdict = &triaged.verdict;
    if verdict.decided {
        return;
    }
    let named: Vec<_> = candidates(verdict)
        .enumerate()
        .filter(|(place, cause)| {
            let explained = *place < EXPLAINED && (*place == 0 || cause.probability >= WORTH_EXPLAINING);
            !explained && cause.probability >= WORTH_NAMING
        })
        .map(|(_, cause)| cause)
        .take(ALSO_NAMED)
        .collect();
    if !named.is_empty() {
        section(text, "ALSO POSSIBLE");
    }
    let mut without_own_reason = Vec::new();
    for cause in named {
        let name = format!("{} ({})", wording::cause_name(cause), wording::probability(cause.probability));
        let against = cause.speaks_against.first().map(|argument| ("-", argument));
        match against.or_else(|| cause.speaks_for.first().map(|argument| ("+", argument))) {
            Some((sign, argument)) if !quotes.arguments.contains(&argument.text) => {
                line(text, &name, "  ", "    ");
                argue(text, sign, argument, quotes);
            }
            _ => without_own_reason.push(name),
        }
    }
    if !without_own_reason.is_empty() {
        let names = without_own_reason.join("; ");
        line(text, &format!("The same fits, with nothing of their own: {names}"), "  ", "    ");
    }
}

fn argue(text: &mut String, sign: &str, argument: &Argument, quotes: &mut Quotes<'_>) {
    let shown = FieldText::new(&argument.text).for_terminal();
    line(text, &format!("{sign} {shown}{}", quotes.place(argument)), "    ", "      ");
    quotes.arguments.insert(argument.text.clone());
}

fn arguments(text: &mut String, cause: &RankedCause, quotes: &mut Quotes<'_>) {
    for (sign, arguments) in [("+", &cause.speaks_for), ("-", &cause.speaks_against)] {
        // How a report reads is said once, of the likeliest cause of the family.
        let is_new =
            |argument: &&Argument| argument.finding != READS_ALIKE || !quotes.arguments.contains(&argument.text);
        for argument in arguments.iter().filter(is_new).collect::<Vec<_>>() {
            argue(text, sign, argument, quotes);
        }
    }
}

impl Quotes<'_> {
    /// The lines of the report behind an argument, the first with its words unless they were told before.
    fn place(&mut self, argument: &Argument) -> String {
        let Some(places) = wording::places(&argument.at, "line") else { return String::new() };
        let first = argument.at.first().copied();
        let of_line = first.and_then(|line| self.of_lines.get(&line)).map_or(&[][..], Vec::as_slice);
        let quote = sentence_behind(argument, of_line).map(FieldText::for_terminal);
        let told = argument.text.rsplit(": ").next().unwrap_or_default().trim_end_matches('.');
        let is_new =
            |quote: &String| told.len() < 8 || (!quote.contains(told) && !argument.text.contains(quote.as_str()));
        match (first, quote.filter(is_new)) {
            (Some(line), Some(quote)) if self.told.insert(line) => format!(" [{places}: \"{quote}\"]"),
            _ => format!(" [{places}]"),
        }
    }
}

/// A paragraph may be one line: of its sentences the one that holds the words which the argument gives in brackets. An argument that
/// gives none can be shown only where the line holds one sentence.
fn sentence_behind<'q>(argument: &Argument, of_line: &'q [FieldText]) -> Option<&'q FieldText> {
    let told = argument.text.rsplit_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(code, _)| code);
    match (told, of_line) {
        (Some(code), _) => of_line.iter().find(|quote| quote.raw().to_lowercase().contains(&code.to_lowercase())),
        (None, [only]) => Some(only),
        (None, _) => None,
    }
}

fn normal(text: &mut String, triaged: &Triaged) {
    if triaged.normal.is_empty() {
        return;
    }
    section(text, "NORMAL, NOT A FAULT");
    let mut told: Vec<&str> = Vec::new();
    for (failure, reason) in &triaged.normal {
        if told.contains(&reason.as_str()) || told.len() == NORMAL_SHOWN {
            continue;
        }
        told.push(reason);
        let code = failure.code.as_ref().map(FieldText::for_terminal).unwrap_or_default();
        let at = failure.line.map(|line| format!("line {line}: ")).unwrap_or_default();
        item(text, &format!("{at}{code}: {reason}"));
    }
}

fn to_do(text: &mut String, triaged: &Triaged, library: &Library) {
    if says_nothing(&triaged.verdict) {
        return;
    }
    let remedy = triaged
        .leading()
        .filter(|leading| !leading.speaks_for.is_empty())
        .and_then(|leading| library.knowledge.causes.iter().find(|cause| cause.id == leading.id))
        .map(|cause| cause.remedy.as_str());
    if triaged.verdict.next.is_empty() && remedy.is_none() {
        return;
    }
    section(text, "WHAT TO DO");
    for next in &triaged.verdict.next {
        item(text, &format!("{} ({})", next.text, wording::experiment_terms(next)));
    }
    if let Some(remedy) = remedy {
        item(text, &format!("If the leading cause is confirmed: {remedy}"));
    }
}

fn section(text: &mut String, title: &str) {
    text.push('\n');
    text.push_str(title);
    text.push('\n');
}

fn item(text: &mut String, words: &str) {
    line(text, words, "  * ", "    ");
}

fn line(text: &mut String, words: &str, first: &str, rest: &str) {
    let options = Options::new(WIDTH).initial_indent(first).subsequent_indent(rest).break_words(false);
    text.push_str(&fill(words, options));
    text.push('\n');
}
