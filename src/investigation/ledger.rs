//! The ledger: folds the event stream into what is known. Live runs, reports and replay fold the same way.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use super::advice::{Advice, Both};
use super::board_facts::{self, BoardFacts};
use super::limits;
use super::snapshot::{BootStrip, CycleMark, RunState, Snapshot, TailLine};
use super::subjects::Subjects;
use super::tail;
use super::trials::Trials;
use super::troubles::Troubles;
use crate::campaign::journal::{Journal, JournalLine};
use crate::campaign::runner::Numbering;
use crate::case::file::{Case, CaseError};
use crate::diagnosis::conclusion::Library;
use crate::diagnosis::inference::Posterior;
use crate::diagnosis::verdict::{CampaignFigures, FailureLine, VERDICT_SCHEMA, Verdict, VerdictKind};
use crate::diagnosis::why::{self, Question};
use crate::evidence::campaign_evidence::CampaignEvidence;
use crate::evidence::experiment::Counts;
use crate::evidence::finding::{Finding, Unit};
use crate::evidence::observed::Observed;
use crate::observation::board::BoardIdentity;
use crate::observation::cycle::Cycle;
use crate::observation::event::{CampaignStart, Event, EventKind, Reentry, Transport};
use crate::observation::fact::{Fact, FactValue};
use crate::observation::failure::FailureClass;
use crate::observation::field_text::FieldText;
use crate::observation::step::{Outcome, Phase};
use crate::observation::units::Micros;
use crate::timebase;

const TAIL_LINES: usize = 200;
/// What a live screen can show; reports get every cycle.
const LIVE_CYCLES: usize = 4_096;
/// Failures listed in a verdict; the case holds them all.
const LISTED_FAILURES: usize = 100;

/// How much work a look may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Constant cost, valid under a look at every cycle.
    Live,
    /// Adds the exact tests.
    Verdict,
}

#[derive(Debug)]
pub struct Ledger {
    library: Arc<Library>,
    start: Option<CampaignStart>,
    at: Micros,
    last_seq: u64,
    board: BoardIdentity,
    part: Option<String>,
    boots: Vec<BootStrip>,
    numbering: Numbering,
    evidence: CampaignEvidence,
    observed: Observed,
    board_facts: BoardFacts,
    trials: Trials,
    troubles: Troubles,
    subjects: Subjects,
    /// With the place of their boot among the boots.
    failures: Vec<(FailureLine, usize)>,
    /// What went well in each boot.
    worked: Vec<BTreeSet<Phase>>,
    listed: BTreeSet<(FailureClass, Phase)>,
    tail: VecDeque<TailLine>,
    unexpected_failures: u64,
    completed_cycles: u64,
    /// Cycles that ended because we refused a request of our own: no fault of the board, and nothing that makes it sound.
    refused_cycles: u64,
    interrupted: bool,
    journal: Journal,
}

impl Ledger {
    pub fn new(library: Arc<Library>) -> Self {
        Self {
            library,
            start: None,
            at: Micros::ZERO,
            last_seq: 0,
            board: BoardIdentity::default(),
            part: None,
            boots: Vec::new(),
            numbering: Numbering::default(),
            evidence: CampaignEvidence::new(),
            observed: Observed::default(),
            board_facts: BoardFacts::default(),
            trials: Trials::default(),
            troubles: Troubles::default(),
            subjects: Subjects::default(),
            failures: Vec::new(),
            worked: Vec::new(),
            listed: BTreeSet::new(),
            tail: VecDeque::new(),
            unexpected_failures: 0,
            completed_cycles: 0,
            refused_cycles: 0,
            interrupted: false,
            journal: Journal::default(),
        }
    }

    /// Everything that a case holds.
    pub fn of_case(case: &Case, library: Arc<Library>) -> Result<Self, CaseError> {
        let mut ledger = Self::new(library);
        case.for_each(|event| ledger.absorb(&event))?;
        Ok(ledger)
    }

    pub fn absorb(&mut self, event: &Event) {
        self.last_seq = event.seq;
        if let Some(at) = event.at {
            self.at = at;
        }
        // Under changed conditions it is not the board as found that fails or does not.
        if !self.trials.takes(event) {
            self.evidence.absorb(event);
            self.observed.absorb(event);
            self.decode(event);
            self.subjects.absorb(&event.kind);
        }
        match &event.kind {
            EventKind::CampaignStarted(start) => self.start = Some(start.clone()),
            EventKind::BoardSeen(board) if self.trials.under().is_none() => self.board = board.clone(),
            EventKind::BootStarted(boot) => {
                self.numbering.boots = self.numbering.boots.max(boot.number);
                self.boots.push(BootStrip { boot: boot.clone(), cycles: Vec::new() });
            }
            EventKind::CycleFinished(cycle) => self.count(cycle),
            EventKind::CampaignEnded { interrupted } => self.interrupted = *interrupted,
            EventKind::FactNoted(fact) => self.note(fact),
            EventKind::Note(text) => self.troubles.note(text),
            EventKind::BoardSeen(_)
            | EventKind::SessionStarted(_)
            | EventKind::HostMessage(_)
            | EventKind::MemorySaved { .. }
            | EventKind::AlterationBegan(_)
            | EventKind::AlterationEnded(_) => {}
        }
        self.journal.absorb(&event.kind);
        if let Some(line) = tail::line(event) {
            if self.tail.len() == TAIL_LINES {
                self.tail.pop_front();
            }
            self.tail.push_back(line);
        }
    }

    /// What the board says of itself in a cycle is a fact of the campaign like any other.
    fn decode(&mut self, event: &Event) {
        if !matches!(event.kind, EventKind::CycleFinished(_) | EventKind::FactNoted(_)) {
            return;
        }
        let library = Arc::clone(&self.library);
        let named = self.part().and_then(|part| library.devices.by_part(&part));
        let device = named.or_else(|| match library.devices.by_dev_id(self.board.dev_id?).as_slice() {
            [only] => Some(*only),
            _ => None,
        });
        let found = match &event.kind {
            EventKind::CycleFinished(cycle) => self.board_facts.of_cycle(cycle, device),
            EventKind::FactNoted(fact) => self.board_facts.of_look(fact, device),
            _ => Vec::new(),
        };
        for fact in found {
            self.observed.absorb(&Event { kind: EventKind::FactNoted(fact), ..*event });
        }
    }

    /// The part that somebody named stands until the board says otherwise.
    fn note(&mut self, fact: &Fact) {
        if let ("part", FactValue::Text(part)) = (fact.key.as_str(), &fact.value) {
            self.part = Some(part.for_terminal());
        }
    }

    fn count(&mut self, cycle: &Cycle) {
        self.numbering.cycles = self.numbering.cycles.max(cycle.number);
        let mark = CycleMark {
            number: cycle.number,
            failure: cycle.failure().map(|failure| failure.class),
            interrupted: cycle.is_interrupted(),
        };
        if let Some(strip) = self.boots.last_mut() {
            strip.cycles.push(mark);
        }
        if self.trials.under().is_some() {
            return;
        }
        self.completed_cycles += u64::from(!cycle.is_cut_short());
        self.refused_cycles += u64::from(cycle.is_refused());
        self.unexpected_failures += u64::from(mark.failure.is_some() && !cycle.is_refused());
        let boot = self.boots.len();
        self.worked.resize_with(boot + 1, BTreeSet::new);
        let done = cycle.steps.iter().filter(|step| step.outcome == Outcome::Done).map(|step| step.phase);
        self.worked[boot].extend(done.filter(|phase| phase.asks_the_board()));
        for failure in cycle.failures() {
            let is_new = self.listed.insert((failure.class, failure.phase));
            if is_new || self.failures.len() < LISTED_FAILURES {
                self.failures.push((FailureLine::of(failure, Some(cycle.number)), boot));
            }
        }
    }

    pub fn next_seq(&self) -> u64 {
        self.last_seq + 1
    }

    pub fn numbering(&self) -> Numbering {
        self.numbering
    }

    pub const fn subjects(&self) -> &Subjects {
        &self.subjects
    }

    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    pub fn was_interrupted(&self) -> bool {
        self.interrupted
    }
}

impl Ledger {
    /// The verdict on what has been folded so far.
    pub fn verdict(&self, depth: Depth) -> Verdict {
        self.assess(depth, &self.findings(depth))
    }

    /// Why a cause is as probable as it is, or not more; `None` if it is no candidate on this link.
    pub fn why(&self, cause: &str, question: Question) -> Option<String> {
        let findings = self.findings(Depth::Verdict);
        let subject = self.library.subject(&self.observed);
        why::answer(&Posterior::of(&self.library.knowledge, &subject, &findings), cause, question)
    }

    pub fn snapshot(&self, depth: Depth, state: RunState, case: Option<PathBuf>) -> Snapshot {
        let findings = self.findings(depth);
        let verdict = self.assess(depth, &findings);
        let cycles_before = match depth {
            Depth::Live => (self.numbering.cycles as usize).saturating_sub(LIVE_CYCLES),
            Depth::Verdict => 0,
        };
        Snapshot {
            at: self.at,
            state,
            start: self.start(),
            board: BoardIdentity { part: self.part(), ..self.board.clone() },
            boots: latest(&self.boots, cycles_before),
            rates: self.evidence.rates(),
            latencies: self.evidence.latencies(),
            findings,
            verdict,
            says: board_facts::in_words(self.observed.facts()),
            limits: limits::of(&self.start(), &self.boots)
                .into_iter()
                .chain(self.trials.limit())
                .chain(self.troubles.limits())
                .chain(self.subjects.limits(&self.library.devices))
                .collect(),
            tail: self.tail.iter().cloned().collect(),
            conditions: self.trials.under().map(str::to_owned),
            case,
            journal: self.journal.clone(),
        }
    }

    fn findings(&self, depth: Depth) -> Vec<Finding> {
        let mut findings = match depth {
            Depth::Live => self.evidence.live_findings(),
            Depth::Verdict => self.evidence.verdict_findings(),
        };
        let subject = self.library.subject(&self.observed);
        findings.extend(self.library.findings(&subject, &self.observed));
        findings.extend(self.trials.findings());
        findings
    }

    /// What a guided campaign has to know to choose its next step.
    pub fn advice(&self) -> Advice {
        let findings = self.findings(Depth::Verdict);
        let subject = self.library.subject(&self.observed);
        let kind = self.kind();
        let (boots, cycles) = self.evidence.as_found();
        Advice {
            kind,
            decided: self.library.conclude(&subject, kind, &findings).decided,
            proposals: match kind {
                VerdictKind::Fault => self.library.proposals(&subject, &findings),
                VerdictKind::Clean | VerdictKind::Inconclusive => Vec::new(),
            },
            as_found: Both { boots, cycles },
            seen: findings.iter().map(|finding| finding.id.clone()).collect(),
        }
    }

    /// Outcomes under the conditions that hold now.
    pub fn changed(&self) -> Both<Counts> {
        self.trials.counts()
    }

    /// A failure is told with all that went well in its boot, before and after.
    fn failures(&self) -> Vec<FailureLine> {
        let told = |(line, boot): &(FailureLine, usize)| FailureLine {
            worked: self.worked.get(*boot).cloned().unwrap_or_default(),
            ..line.clone()
        };
        self.failures.iter().map(told).collect()
    }

    fn assess(&self, depth: Depth, findings: &[Finding]) -> Verdict {
        let kind = self.kind();
        let is_being_booted = depth == Depth::Live && self.makes_many_boots();
        let subject = self.library.subject(&self.observed).being_booted(is_being_booted);
        // Where nothing failed but a request of our own, there is no failure that a cause could answer for.
        let nothing_failed = self.unexpected_failures == 0 && self.refused_cycles > 0;
        let to_explain = if nothing_failed { VerdictKind::Clean } else { kind };
        let conclusion = self.library.conclude(&subject, to_explain, findings);
        Verdict {
            schema: VERDICT_SCHEMA,
            source: FieldText::new(self.source()),
            verdict: kind,
            decided: conclusion.decided,
            device: self.part(),
            transport: self.start.as_ref().map(|start| start.transport.name()),
            tools: vec!["flakescope".to_owned()],
            causes: conclusion.causes,
            together: conclusion.together,
            failures: self.failures(),
            next: conclusion.next,
            alterations: self.journal.lines().iter().map(JournalLine::published).collect(),
            campaign: self.figures(),
        }
    }

    /// Nobody who watches such a campaign has to be told to make boots.
    fn makes_many_boots(&self) -> bool {
        const MANY: u32 = 10;
        self.start.as_ref().is_some_and(|start| start.reentry != Reentry::None && start.boots >= MANY)
    }

    /// What a case is called: the board, and when its last campaign began.
    fn source(&self) -> String {
        let start = self.start();
        let board = start.virtual_board.or_else(|| self.board.port.as_ref().map(ToString::to_string));
        let stamp = timebase::calendar_stamp(start.calendar_millis);
        format!("{} {stamp}", board.unwrap_or_else(|| "board".to_owned()))
    }

    /// Before anything has begun there is nothing to show but that.
    fn start(&self) -> CampaignStart {
        self.start.clone().unwrap_or(CampaignStart {
            transport: Transport::Dfu,
            virtual_board: None,
            recipe: String::new(),
            reentry: Reentry::None,
            seed: 0,
            boots: 0,
            cycles_per_boot: 0,
            calendar_millis: 0,
        })
    }

    fn part(&self) -> Option<String> {
        self.board.part.clone().or_else(|| self.part.clone())
    }

    fn kind(&self) -> VerdictKind {
        if self.unexpected_failures > 0 {
            VerdictKind::Fault
        } else if self.completed_cycles > 0 && self.refused_cycles == 0 {
            VerdictKind::Clean
        } else {
            VerdictKind::Inconclusive
        }
    }

    fn figures(&self) -> Option<CampaignFigures> {
        let rates = self.evidence.rates();
        let boots = rates.iter().find(|rate| rate.unit == Unit::Boot)?;
        let cycles = rates.iter().find(|rate| rate.unit == Unit::Cycle)?;
        let count = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        Some(CampaignFigures {
            boots: count(boots.n),
            cycles: count(cycles.n),
            failed_boots: count(boots.failed),
            failed_cycles: count(cycles.failed),
            unit: Unit::Boot,
            rate: boots.share(),
            interval: boots.interval,
        })
    }
}

/// Every cycle of a case, for the reports that list them.
pub fn cycles_of(case: &Case) -> Result<Vec<Cycle>, CaseError> {
    let mut cycles = Vec::new();
    case.for_each(|event| {
        if let EventKind::CycleFinished(cycle) = event.kind {
            cycles.push(cycle);
        }
    })?;
    Ok(cycles)
}

/// Without the first `skip` cycles, and without the boots that lie in them.
fn latest(boots: &[BootStrip], mut skip: usize) -> Vec<BootStrip> {
    let mut kept = Vec::new();
    for strip in boots {
        if skip >= strip.cycles.len() && skip > 0 {
            skip -= strip.cycles.len();
            continue;
        }
        kept.push(BootStrip { boot: strip.boot.clone(), cycles: strip.cycles[skip..].to_vec() });
        skip = 0;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::synthetic::{cold_boot, cycle, failing, start};

    fn verdict(cycles: &[Cycle]) -> Verdict {
        let mut ledger = Ledger::new(Arc::new(Library::load().unwrap()));
        let events = [EventKind::CampaignStarted(start(1, 3)), EventKind::BootStarted(cold_boot(1))];
        let events = events.into_iter().chain(cycles.iter().cloned().map(EventKind::CycleFinished));
        for (seq, kind) in (1..).zip(events) {
            ledger.absorb(&Event { seq, at: None, kind });
        }
        ledger.verdict(Depth::Verdict)
    }

    #[test]
    fn what_we_refused_ourselves_is_told_and_is_neither_a_fault_nor_clean() {
        let refused = failing(2, 1, FailureClass::NotSent, Phase::Read);
        let verdict = verdict(&[cycle(1, 1), refused]);
        assert_eq!((verdict.verdict, verdict.failures.len()), (VerdictKind::Inconclusive, 1));
        assert_eq!(verdict.causes.len(), 0);
    }

    #[test]
    fn a_failure_of_the_board_stays_a_fault_beside_it() {
        let refused = failing(1, 1, FailureClass::NotSent, Phase::Read);
        let stalled = failing(2, 1, FailureClass::Stall, Phase::Read);
        assert_eq!(verdict(&[refused, stalled]).verdict, VerdictKind::Fault);
    }
}
