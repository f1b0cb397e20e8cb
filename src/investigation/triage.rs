//! Triage: a report of any origin to a verdict, through the same evidence and diagnosis as a live campaign.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::{contradictions, part_facts};
use crate::diagnosis::conclusion::Library;
use crate::diagnosis::subject::Subject;
use crate::diagnosis::verdict::{FailureLine, UNKNOWN_CAUSE, VERDICT_SCHEMA, Verdict, VerdictKind};
use crate::evidence::finding::Finding;
use crate::evidence::observed::Observed;
use crate::observation::cycle::Cycle;
use crate::observation::event::{Event, EventKind, Session, Transport};
use crate::observation::fact::{Fact, FactValue, Origin};
use crate::observation::failure::Failure;
use crate::observation::field_text::FieldText;
use crate::observation::step::{Outcome, Phase, StepRecord};
use crate::observation::units::Micros;
use crate::profile::fus::{self, FusTable};
use crate::profile::loader::ProfileError;
use crate::readers::reading::{Readers, Reading};
use crate::readers::uart_loaders;

/// Failures listed in a verdict.
const LISTED_FAILURES: usize = 100;
/// Attempts of one report that are looked at for contradictions.
const JUDGED_ATTEMPTS: usize = 100;

/// Readers and knowledge, loaded once for any number of reports.
#[derive(Debug)]
pub struct Triage {
    readers: Readers,
    pub library: Library,
    images: FusTable,
}

/// A report with what it came to.
#[derive(Debug)]
pub struct Triaged {
    pub verdict: Verdict,
    pub findings: Vec<Finding>,
    pub subject: Subject,
    pub facts: Vec<Fact>,
    /// What was done and how it ended, attempt by attempt, where a log tells.
    pub course: Vec<Vec<CourseStep>>,
    /// Failures that are normal where they stand, with the reason.
    pub normal: Vec<(FailureLine, String)>,
    /// The words of the lines that facts and failures rest on.
    pub quotes: BTreeMap<u32, Vec<FieldText>>,
    pub lines: u32,
}

/// One step of an attempt as a log shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct CourseStep {
    pub phase: Phase,
    pub elapsed: Option<Micros>,
    /// Absent where it went well.
    pub failure: Option<Failure>,
}

impl CourseStep {
    fn of(step: &StepRecord) -> Option<Self> {
        let failure = step.failure().cloned();
        let elapsed = step.elapsed.or_else(|| failure.as_ref().and_then(|failure| failure.elapsed));
        (failure.is_some() || step.outcome == Outcome::Done).then_some(Self { phase: step.phase, elapsed, failure })
    }
}

impl Triage {
    pub fn load() -> Result<Self, ProfileError> {
        Ok(Self { readers: Readers::load()?, library: Library::load()?, images: fus::table()? })
    }

    /// Every literal that a line is looked at for.
    pub fn literals(&self) -> impl Iterator<Item = &str> {
        self.readers.literals()
    }

    /// Reads one report to its end. Any content gives a verdict; only reading itself can fail.
    pub fn report(&self, name: &str, source: &mut dyn Read) -> io::Result<Triaged> {
        Ok(self.verdict_of(name, self.read(source)?))
    }

    /// What a report says, before anything is concluded from it.
    pub fn read(&self, source: &mut dyn Read) -> io::Result<Reading> {
        self.readers.read(source)
    }

    /// What follows from a reading, new or out of a case, with today's knowledge.
    pub fn verdict_of(&self, name: &str, reading: Reading) -> Triaged {
        let mut gathered = Gathered::default();
        for kind in reading.events {
            gathered.absorb(kind);
        }
        gathered.settle_transport();
        gathered.judge_contradictions();
        for kind in part_facts::derive(&gathered.observed, &self.library.devices, &self.images) {
            gathered.absorb(kind);
        }
        self.conclude(name, gathered, reading.lines)
    }

    fn conclude(&self, name: &str, gathered: Gathered, lines: u32) -> Triaged {
        let kind = gathered.kind();
        let subject = self.library.subject(&gathered.observed);
        let findings = self.library.findings(&subject, &gathered.observed);
        let conclusion = self.library.conclude(&subject, kind, &findings);
        let verdict = Verdict {
            schema: VERDICT_SCHEMA,
            source: FieldText::new(name),
            verdict: kind,
            decided: conclusion.decided,
            device: subject.name().map(str::to_owned),
            transport: gathered.observed.transport().map(Transport::name),
            tools: gathered.tools,
            causes: conclusion.causes,
            together: conclusion.together,
            failures: gathered.failures,
            next: conclusion.next,
            alterations: Vec::new(),
            campaign: None,
        };
        let facts = gathered.observed.facts().to_vec();
        Triaged {
            verdict,
            findings,
            subject,
            facts,
            course: gathered.course,
            normal: gathered.normal,
            quotes: gathered.quotes,
            lines,
        }
    }
}

impl Triaged {
    /// The leading cause that has a name.
    pub fn leading(&self) -> Option<&crate::diagnosis::verdict::RankedCause> {
        self.verdict.causes.iter().find(|cause| cause.id != UNKNOWN_CAUSE)
    }
}

/// What the events of one report add up to.
#[derive(Default)]
struct Gathered {
    observed: Observed,
    seq: u64,
    sessions: u32,
    good_cycles: u32,
    tools: Vec<String>,
    failures: Vec<FailureLine>,
    course: Vec<Vec<CourseStep>>,
    normal: Vec<(FailureLine, String)>,
    quotes: BTreeMap<u32, Vec<FieldText>>,
    /// Kept until the whole report is read, so that they can be judged with what it says elsewhere.
    attempts: Vec<Cycle>,
}

impl Gathered {
    fn absorb(&mut self, kind: EventKind) {
        self.seq += 1;
        match &kind {
            EventKind::SessionStarted(session) => {
                self.sessions += 1;
                if !self.tools.contains(&session.tool) {
                    self.tools.push(session.tool.clone());
                }
            }
            EventKind::CycleFinished(cycle) => {
                self.count(cycle);
                if self.course.len() < JUDGED_ATTEMPTS {
                    self.course.push(cycle.steps.iter().filter_map(CourseStep::of).collect());
                }
                if self.attempts.len() < JUDGED_ATTEMPTS {
                    self.attempts.push(cycle.clone());
                }
            }
            EventKind::FactNoted(fact) => {
                if let (Origin::Line(line), Some(quote)) = (fact.origin, &fact.quote) {
                    let of_line = self.quotes.entry(line).or_default();
                    if !of_line.contains(quote) {
                        of_line.push(quote.clone());
                    }
                }
            }
            _ => {}
        }
        self.observed.absorb(&Event { seq: self.seq, at: None, kind });
    }

    fn count(&mut self, cycle: &Cycle) {
        // Nothing that went wrong is not yet something that went well.
        let something_done = cycle.steps.iter().any(|step| step.outcome == Outcome::Done);
        self.good_cycles += u32::from(cycle.failure().is_none() && something_done);
        for failure in cycle.failures() {
            let line = FailureLine::of(failure, None);
            match &failure.expected {
                Some(reason) => self.normal.push((line, reason.clone())),
                None if self.failures.len() < LISTED_FAILURES => self.failures.push(line),
                None => {}
            }
        }
    }

    /// Where no tool's line tells, the failures or the poster's words name the link.
    fn settle_transport(&mut self) {
        // A loader behind a serial port is neither.
        let over_uart = self.tools.iter().any(|tool| tool == uart_loaders::TOOL.name);
        if over_uart || self.observed.goes_over(Transport::Dfu) || self.observed.goes_over(Transport::Swd) {
            return;
        }
        let failed_in = |phases: &[Phase]| self.failures.iter().any(|failure| phases.contains(&failure.phase));
        let line_of = |key: &str| {
            let fact = self.observed.facts().iter().find(|fact| fact.key == key)?;
            if let Origin::Line(line) = fact.origin { Some(line) } else { None }
        };
        let over_usb = failed_in(&[Phase::Enumerate, Phase::Open, Phase::Claim, Phase::Descriptors, Phase::Layout]);
        let over_swd = failed_in(&[Phase::Connect, Phase::Halt, Phase::ProbeOpen, Phase::TargetVoltage]);
        let (dfu, swd) = (line_of("names-dfu"), line_of("names-swd"));
        // Where the probe reaches the part, it is USB that is in question.
        let probe_good = line_of("stlink-still-reaches-target").is_some() && line_of("after-firmware-load").is_some();
        let own_usb = line_of("own-usb-firmware").or_else(|| line_of("usb-pull-up-missing")).is_some();
        let transport = match () {
            () if dfu.is_none() && over_usb && probe_good => Transport::Dfu,
            () if dfu.is_none() && swd.is_some() && !(own_usb && over_usb) => Transport::Swd,
            () if dfu.is_none() && swd.is_none() && own_usb => Transport::Dfu,
            () if over_usb && !over_swd => Transport::Dfu,
            () if dfu.is_some() && (swd.is_none() || dfu <= swd) => Transport::Dfu,
            () if over_swd || swd.is_some() => Transport::Swd,
            () => return,
        };
        let words = Session { tool: "words".to_owned(), version: None, transport, line: 1 };
        self.observed.absorb(&Event { seq: self.seq, at: None, kind: EventKind::SessionStarted(words) });
    }

    fn judge_contradictions(&mut self) {
        let image_bytes = self.observed.facts().iter().find_map(|fact| match fact.value {
            FactValue::Number(bytes) if fact.key == "image-bytes" => Some(bytes),
            _ => None,
        });
        let transport = self.observed.transport();
        let attempts = std::mem::take(&mut self.attempts);
        let found = attempts.iter().find_map(|cycle| contradictions::of_attempt(cycle, transport, image_bytes));
        if let Some(fact) = found {
            self.absorb(EventKind::FactNoted(fact));
        }
    }

    fn kind(&self) -> VerdictKind {
        if !self.failures.is_empty() {
            VerdictKind::Fault
        } else if self.good_cycles > 0 || !self.normal.is_empty() || self.is_said_to_work() {
            VerdictKind::Clean
        } else {
            VerdictKind::Inconclusive
        }
    }

    /// The poster says so, and nothing in the log says otherwise.
    fn is_said_to_work(&self) -> bool {
        self.observed.facts().iter().any(|fact| fact.key == "works-now" && fact.value == FactValue::Flag(true))
    }
}
