//! The notebook that all readers write into: it keeps sessions, attempts and open operations apart and yields events.

use std::collections::{HashMap, HashSet};

use crate::observation::cycle::Cycle;
use crate::observation::event::{EventKind, Session, Transport};
use crate::observation::fact::{Fact, FactValue, Origin};
use crate::observation::failure::{Failure, FailureClass};
use crate::observation::field_text::FieldText;
use crate::observation::step::{Outcome, Phase, StepRecord, TransferSummary};
use crate::observation::units::{Address, Micros};

use super::across_sessions::{AcrossSessions, Standing};
use super::hindsight;
use super::message::{Line, first_hex};
use super::timestamps;

/// A log may repeat one message for hours; beyond this many in one attempt the rest say nothing new.
const SAME_FAILURES_KEPT: u32 = 20;
const STEPS_KEPT: usize = 400;
const CYCLES_KEPT: u32 = 2_000;
const HOST_MESSAGES_KEPT: u32 = 500;
const QUOTE_CHARS: usize = 160;

#[derive(Debug, Default)]
pub struct Notebook {
    events: Vec<EventKind>,
    tool: Option<&'static str>,
    cycle: Option<OpenCycle>,
    cycles: u32,
    failures: u32,
    /// Words that describe failures.
    described: HashSet<String>,
    host_messages: u32,
    /// The operation that began and has neither ended nor failed.
    open: Option<OpenStep>,
    facts: HashSet<(String, String)>,
    dated: bool,
    across: AcrossSessions,
    /// Whether erasing or writing failed; a debugger that gives up then tells nothing new.
    programming_failed: bool,
    transport: Option<Transport>,
    /// What a person says does not go, for a report that tells no failure otherwise.
    complaint: Option<Complaint>,
    /// Small memories of single readers, for example the last state printed.
    remembered: HashMap<&'static str, String>,
}

#[derive(Debug)]
struct OpenCycle {
    started: Option<Micros>,
    steps: Vec<StepRecord>,
    repeats: HashMap<(FailureClass, Phase, String), u32>,
}

#[derive(Debug)]
struct Complaint {
    class: FailureClass,
    phase: Phase,
    words: String,
    line: u32,
}

#[derive(Debug)]
struct OpenStep {
    phase: Phase,
    started: Option<Micros>,
}

impl Notebook {
    /// A tool starts, as its banner shows.
    pub fn start_session(&mut self, tool: &'static str, transport: Transport, version: Option<&str>, line: &Line<'_>) {
        self.close_cycle();
        self.tool = Some(tool);
        self.transport = Some(transport);
        let version = version.map(FieldText::new);
        if let Some(version) = &version {
            self.note(Fact {
                key: "tool-version".into(),
                value: FactValue::Text(FieldText::new(format!("{tool} {}", version.raw()))),
                origin: Origin::Line(line.number),
                quote: Some(quote(line.text)),
            });
        }
        self.events.push(EventKind::SessionStarted(Session {
            tool: tool.into(),
            version,
            transport,
            line: line.number,
        }));
    }

    /// A message shows which tool is at work, whether or not its banner was copied.
    pub fn at_work(&mut self, tool: &'static str, transport: Transport, line: &Line<'_>) {
        if self.tool != Some(tool) {
            self.start_session(tool, transport, None, line);
        }
    }

    /// A message that several tools print: it belongs to the one at work, and shows this one where none is known.
    pub fn at_work_if_alone(&mut self, tool: &'static str, transport: Transport, line: &Line<'_>) {
        if self.tool.is_none() {
            self.start_session(tool, transport, None, line);
        }
    }

    pub fn tool(&self) -> Option<&'static str> {
        self.tool
    }

    /// A new attempt begins within the session.
    pub fn start_attempt(&mut self, line: &Line<'_>) {
        self.close_cycle();
        self.cycle_at(line);
    }

    /// Whether the running attempt has recorded anything yet.
    pub fn attempt_has_steps(&self) -> bool {
        self.cycle.as_ref().is_some_and(|cycle| !cycle.steps.is_empty())
    }

    /// Whether an operation of this phase ended well in the running attempt.
    pub fn has_done(&self, phase: Phase) -> bool {
        let done = |step: &StepRecord| step.phase == phase && step.outcome == Outcome::Done;
        self.cycle.as_ref().is_some_and(|cycle| cycle.steps.iter().any(done))
    }

    pub fn has_failed(&self, phase: Phase) -> bool {
        let failed =
            |step: &StepRecord| step.phase == phase && step.failure().is_some_and(|failure| !failure.is_expected());
        self.cycle.as_ref().is_some_and(|cycle| cycle.steps.iter().any(failed))
    }

    pub fn has_failed_programming(&self) -> bool {
        self.programming_failed
    }

    pub fn begin(&mut self, phase: Phase, line: &Line<'_>) {
        self.cycle_at(line);
        self.open = Some(OpenStep { phase, started: timestamps::stamp_of(line.text) });
    }

    /// The phase of the operation that is under way.
    pub fn under_way(&self) -> Option<Phase> {
        self.open.as_ref().map(|step| step.phase)
    }

    pub fn done(&mut self, phase: Phase, line: &Line<'_>) {
        let (started, elapsed) = self.close_step(phase, line);
        self.record(
            StepRecord {
                phase,
                started,
                elapsed,
                outcome: Outcome::Done,
                summary: TransferSummary::default(),
                transfers: Vec::new(),
                facts: Vec::new(),
            },
            line,
        );
    }

    /// A later line tells how long the last operation of a phase took.
    pub fn took(&mut self, phase: Phase, elapsed: Micros) {
        let steps = self.cycle.iter_mut().flat_map(|cycle| &mut cycle.steps).rev();
        if let Some(step) = steps.into_iter().find(|step| step.phase == phase) {
            step.elapsed.get_or_insert(elapsed);
        }
    }

    pub fn fail(&mut self, class: FailureClass, phase: Phase, code: &str, line: &Line<'_>) {
        self.failed(Failure::new(class, phase).with_code(code), line);
    }

    /// A failure that a person describes.
    pub fn describe(&mut self, class: FailureClass, phase: Phase, words: &str, line: &Line<'_>) {
        self.described.insert(words.to_owned());
        self.fail(class, phase, words, line);
    }

    /// The log shows a download that went through to the leave: what was described as a failure to write was the message at its end.
    fn settle_described_writes(&mut self, reason: &str) {
        let described = &self.described;
        let of_writing = |failure: &Failure| {
            failure.class == FailureClass::WriteFailed
                && failure.code.as_ref().is_some_and(|code| described.contains(code.raw()))
        };
        let running = self.cycle.iter_mut().flat_map(|cycle| &mut cycle.steps);
        hindsight::excuse(hindsight::steps_of(&mut self.events).chain(running), of_writing, reason);
    }

    /// A failure that is normal there.
    pub fn normal(&mut self, class: FailureClass, phase: Phase, code: &str, reason: &str, line: &Line<'_>) {
        if phase == Phase::Leave && self.has_done(Phase::Write) {
            self.settle_described_writes(reason);
        }
        let failure = Failure { expected: Some(reason.to_owned()), ..Failure::new(class, phase).with_code(code) };
        self.failed(failure, line);
    }

    pub fn fail_at(&mut self, class: FailureClass, phase: Phase, code: &str, address: Option<u32>, line: &Line<'_>) {
        let failure = Failure::new(class, phase).with_code(code);
        self.failed(Failure { address: address.map(Address), ..failure }, line);
    }

    fn standing(&self) -> Standing {
        Standing {
            transport: self.transport,
            has_steps: self.attempt_has_steps(),
            reached: self.has_done(Phase::Connect) || self.has_done(Phase::Identify),
            verified: self.has_done(Phase::Verify),
        }
    }

    /// How many failures were heard so far, normal ones and repeated ones too.
    pub fn failures_noted(&self) -> u32 {
        self.failures
    }

    fn failed(&mut self, failure: Failure, line: &Line<'_>) {
        self.failures = self.failures.saturating_add(1);
        if let Some(words) = self.across.blames_what_was_programmed(&failure, self.standing()) {
            self.fact_quoted("after-firmware-load", FactValue::Flag(true), words, line);
        }
        if failure.class == FailureClass::FusStatus {
            let answer = failure.code.as_ref().map_or("a failure", |code| code.raw()).to_owned();
            self.text_fact("fus-answer", &answer, line);
        }
        if matches!(failure.phase, Phase::Erase | Phase::Write) && failure.expected.is_none() {
            self.programming_failed = true;
        }
        self.cycle_at(line);
        let key = (
            failure.class,
            failure.phase,
            failure.code.as_ref().map_or_else(String::new, |code| code.raw().to_owned()),
        );
        let cycle = self.cycle.as_mut().expect("an attempt was opened");
        let seen = cycle.repeats.entry(key).or_default();
        *seen += 1;
        if *seen > SAME_FAILURES_KEPT {
            return;
        }
        let (started, elapsed) = self.close_step(failure.phase, line);
        let phase = failure.phase;
        let failure = Failure { line: Some(line.number), elapsed, ..failure };
        self.record(
            StepRecord {
                phase,
                started,
                elapsed,
                outcome: Outcome::Failed(failure),
                summary: TransferSummary::default(),
                transfers: Vec::new(),
                facts: Vec::new(),
            },
            line,
        );
    }

    /// The first complaint stands for the report, if nothing better tells what failed.
    pub fn complain(&mut self, class: FailureClass, phase: Phase, words: &str, line: &Line<'_>) {
        let complaint = || Complaint { class, phase, words: words.to_owned(), line: line.number };
        self.complaint.get_or_insert_with(complaint);
    }

    pub fn has_complaint(&self) -> bool {
        self.complaint.is_some()
    }

    /// A report that shows a course of its own, good or bad, is judged by it.
    fn settle_complaint(&mut self) {
        let shows_a_course = self.cycle.is_some() || self.cycles > 0;
        if let Some(complaint) = self.complaint.take().filter(|_| !shows_a_course) {
            let line = Line { number: complaint.line, text: "" };
            self.fail(complaint.class, complaint.phase, &complaint.words, &line);
        }
    }

    /// Calls earlier failures of the running attempt normal once a later line shows that they were.
    pub fn excuse(&mut self, which: impl Fn(&Failure) -> bool, reason: &str) {
        hindsight::excuse(self.cycle.iter_mut().flat_map(|cycle| &mut cycle.steps), which, reason);
    }

    /// As `excuse`, in attempts that have ended too.
    pub fn excuse_in_all_attempts(&mut self, which: impl Fn(&Failure) -> bool, reason: &str) {
        self.excuse(&which, reason);
        hindsight::excuse(hindsight::steps_of(&mut self.events), which, reason);
    }

    /// How many failures of the running attempt are of a kind.
    pub fn failures_like(&self, which: impl Fn(&Failure) -> bool) -> usize {
        let steps = self.cycle.iter().flat_map(|cycle| &cycle.steps);
        steps.filter(|step| step.failure().is_some_and(&which)).count()
    }

    /// As `excuse`, and what the poster quoted of them before the log comes under it too.
    pub fn excuse_with_quotes(&mut self, which: impl Fn(&Failure) -> bool, reason: &str) {
        self.excuse(&which, reason);
        let steps = self.cycle.iter().flat_map(|cycle| &cycle.steps);
        let excused = |failure: &&Failure| failure.expected.as_deref() == Some(reason);
        let codes: Vec<FieldText> = steps.filter_map(|step| step.failure().filter(excused)?.code.clone()).collect();
        let quoted =
            |failure: &Failure| which(failure) && failure.code.as_ref().is_some_and(|code| codes.contains(code));
        hindsight::excuse(hindsight::steps_of(&mut self.events), quoted, reason);
    }

    /// A line of the host's kernel, kept as it is.
    pub fn host_message(&mut self, line: &Line<'_>) {
        self.host_messages += 1;
        if self.host_messages <= HOST_MESSAGES_KEPT {
            self.events.push(EventKind::HostMessage(quote(line.text)));
        }
    }

    pub fn fact(&mut self, key: &str, value: FactValue, line: &Line<'_>) {
        self.fact_quoted(key, value, line.text, line);
    }

    pub fn text_fact(&mut self, key: &str, value: &str, line: &Line<'_>) {
        self.fact(key, FactValue::Text(FieldText::new(value)), line);
    }

    /// The first address on the line.
    pub fn address_fact(&mut self, key: &str, line: &Line<'_>) {
        if let Some(address) = first_hex(line.text) {
            self.fact(key, FactValue::Address(Address(address)), line);
        }
    }

    pub fn fact_quoted(&mut self, key: &str, value: FactValue, words: &str, line: &Line<'_>) {
        self.note(Fact { key: key.into(), value, origin: Origin::Line(line.number), quote: Some(quote(words)) });
    }

    /// Notes a fact once; the same words further down add nothing.
    fn note(&mut self, fact: Fact) {
        if self.facts.len() < 5_000 && self.facts.insert((fact.key.clone(), format!("{:?}", fact.value))) {
            self.events.push(EventKind::FactNoted(fact));
        }
    }

    /// The day of the report, from the first of its lines that tells one.
    pub fn date(&mut self, day: &str, line: &Line<'_>) {
        self.dated = true;
        self.text_fact("dated", day, line);
    }

    pub fn is_dated(&self) -> bool {
        self.dated
    }

    /// A command stands behind a prompt: what follows is its answer.
    pub fn command_given(&mut self, as_root: bool) {
        self.close_cycle();
        self.across.command_given(as_root);
    }

    pub fn remember(&mut self, what: &'static str, value: impl Into<String>) {
        self.remembered.insert(what, value.into());
    }

    pub fn recall(&self, what: &str) -> Option<&str> {
        self.remembered.get(what).map(String::as_str)
    }

    pub fn forget(&mut self, what: &str) {
        self.remembered.remove(what);
    }

    pub fn into_events(mut self) -> Vec<EventKind> {
        let complains = self.complaint.is_some() || !self.described.is_empty();
        self.settle_complaint();
        self.close_cycle();
        hindsight::excuse_a_program_that_runs(&mut self.events);
        if !complains {
            hindsight::excuse_what_was_got_over(&mut self.events);
        }
        self.events
    }

    fn cycle_at(&mut self, line: &Line<'_>) {
        if self.cycle.is_none() {
            self.cycle = Some(OpenCycle {
                started: timestamps::stamp_of(line.text),
                steps: Vec::new(),
                repeats: HashMap::new(),
            });
        }
    }

    fn close_cycle(&mut self) {
        self.open = None;
        self.across.attempt_ended(self.standing());
        let Some(cycle) = self.cycle.take() else { return };
        if cycle.steps.is_empty() || self.cycles >= CYCLES_KEPT {
            return;
        }
        self.cycles += 1;
        self.events.push(EventKind::CycleFinished(Cycle {
            number: self.cycles,
            boot: None,
            started: cycle.started,
            steps: cycle.steps,
            levels: Default::default(),
        }));
    }

    /// When the operation began and how long it took, as far as its own stamps tell.
    fn close_step(&mut self, phase: Phase, line: &Line<'_>) -> (Option<Micros>, Option<Micros>) {
        let Some(step) = self.open.take_if(|step| step.phase == phase) else { return (None, None) };
        let now = timestamps::stamp_of(line.text);
        let elapsed = step.started.zip(now).and_then(|(from, to)| timestamps::span(from, to));
        (step.started, elapsed)
    }

    fn record(&mut self, step: StepRecord, line: &Line<'_>) {
        if let Some(works) = self.across.works_as_root(&step) {
            self.fact("works-with-sudo", FactValue::Flag(works), line);
        }
        self.cycle_at(line);
        let cycle = self.cycle.as_mut().expect("an attempt was opened");
        if cycle.steps.len() < STEPS_KEPT {
            cycle.steps.push(step);
        }
    }
}

fn quote(text: &str) -> FieldText {
    let text = text.trim();
    match text.char_indices().nth(QUOTE_CHARS) {
        Some((end, _)) => FieldText::new(format!("{}...", &text[..end])),
        None => FieldText::new(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u32, text: &str) -> Line<'_> {
        Line { number, text }
    }

    #[test]
    fn elapsed_is_told_only_where_the_log_tells_it() {
        let mut notebook = Notebook::default();
        notebook.at_work("cubeprogrammer", Transport::Dfu, &line(1, "x"));
        notebook.begin(Phase::Erase, &line(2, "08:59:01 : Erasing"));
        notebook.fail(FailureClass::EraseFailed, Phase::Erase, "failed to erase", &line(3, "08:59:03 : Error: failed"));
        notebook.fail(FailureClass::WriteFailed, Phase::Write, "failed to download", &line(4, "Error: failed"));
        let events = notebook.into_events();
        let Some(EventKind::CycleFinished(cycle)) = events.last() else { panic!("{events:?}") };
        let elapsed: Vec<_> = cycle.failures().map(|failure| failure.elapsed).collect();
        assert_eq!(elapsed, [Some(Micros::from_secs(2)), None]);
    }

    #[test]
    fn a_described_failure_to_write_was_the_message_at_the_end_of_a_good_download() {
        let mut notebook = Notebook::default();
        notebook.describe(FailureClass::WriteFailed, Phase::Write, "can't flash", &line(1, "I can't flash it"));
        notebook.start_session("dfu-util", Transport::Dfu, None, &line(2, "dfu-util 0.11"));
        notebook.done(Phase::Write, &line(3, "Download done."));
        let reason = "the device left";
        notebook.normal(FailureClass::Disconnected, Phase::Leave, "reset", reason, &line(4, "error resetting"));
        let failed = |event: &EventKind| match event {
            EventKind::CycleFinished(cycle) => cycle.failure().is_some(),
            _ => false,
        };
        assert!(!notebook.into_events().iter().any(failed));
    }

    #[test]
    fn what_opens_for_root_alone_is_a_matter_of_rights() {
        let mut notebook = Notebook::default();
        notebook.fail(FailureClass::NoProbe, Phase::ProbeOpen, "Found 0", &line(1, "Found 0 stlink programmers"));
        notebook.command_given(true);
        notebook.done(Phase::ProbeOpen, &line(3, "Found 1 stlink programmers"));
        let works = |event: EventKind| match event {
            EventKind::FactNoted(fact) if fact.key == "works-with-sudo" => Some(fact.value),
            _ => None,
        };
        assert_eq!(notebook.into_events().into_iter().find_map(works), Some(FactValue::Flag(true)));
    }

    #[test]
    fn a_message_repeated_for_hours_stays_small() {
        let mut notebook = Notebook::default();
        for number in 1..100_000 {
            notebook.fail(FailureClass::BusError, Phase::Enumerate, "-71", &line(number, "error -71"));
        }
        let events = notebook.into_events();
        let [EventKind::CycleFinished(cycle)] = events.as_slice() else { panic!("one cycle") };
        assert_eq!(cycle.steps.len(), SAME_FAILURES_KEPT as usize);
    }
}
