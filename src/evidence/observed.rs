//! What rules may ask about: every distinct failure and fact of a campaign or report, so that it stays small however long one runs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::finding::{NamedCycles, Unit};
use super::rules::Met;
use crate::observation::cycle::Cycle;
use crate::observation::event::{Event, EventKind, Transport};
use crate::observation::fact::{Fact, FactValue, Origin};
use crate::observation::failure::{Failure, FailureClass};
use crate::observation::field_text::FieldText;
use crate::observation::step::{Outcome, Phase};
use crate::observation::units::Address;
use crate::profile::device;
use crate::swd::clock_look::CLOCK_LOOK;

/// The memory that rules are asked of.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    failures: Vec<Seen>,
    /// Where each kind of failure lies in `failures`.
    places: BTreeMap<Kind, usize>,
    facts: Vec<Fact>,
    /// Where the facts of each key lie, because hundreds of rules ask for one key each.
    by_key: HashMap<String, Vec<usize>>,
    /// The cycle in which each fact was first read; 0 where it was in none.
    fact_cycles: Vec<u32>,
    done: BTreeSet<Phase>,
    tools: BTreeSet<String>,
    /// With the number of sessions over each, in the order in which they first occurred.
    transports: Vec<(Transport, u32)>,
    /// In the order in which they were first named.
    parts: Vec<String>,
    host_messages: Vec<FieldText>,
    campaign: bool,
    tool: Option<String>,
    boots: u32,
    last_failed_boot: Option<u32>,
}

/// A failure with its surroundings.
#[derive(Clone, Debug)]
pub struct Seen {
    pub failure: Failure,
    pub tool: Option<String>,
    pub done_before: BTreeSet<Phase>,
    every: Times,
    /// In the first failing cycle of a boot; what fails later in it may suffer from that.
    first_of_boot: Times,
}

/// How often, and the first places.
#[derive(Clone, Debug, Default)]
struct Times {
    count: u64,
    at: NamedCycles,
}

impl Times {
    fn add(&mut self, at: u32) {
        self.count += 1;
        self.at.add(at);
    }
}

/// What makes two failures the same to a rule.
type Kind = (FailureClass, Phase, Option<FieldText>, Option<Address>, bool, Option<String>, BTreeSet<Phase>);

/// More kinds of failure, facts or kernel lines than a person could read are not kept apart.
const KEPT: usize = 500;

impl Observed {
    pub fn absorb(&mut self, event: &Event) {
        match &event.kind {
            EventKind::CampaignStarted(start) => {
                self.campaign = true;
                self.note_transport(start.transport);
            }
            EventKind::SessionStarted(session) => {
                self.tools.insert(session.tool.clone());
                self.tool = Some(session.tool.clone());
                self.note_transport(session.transport);
            }
            EventKind::BoardSeen(board) => board.part.iter().for_each(|part| self.note_part(part)),
            EventKind::CycleFinished(cycle) => self.note_cycle(cycle),
            EventKind::FactNoted(fact) => self.note_fact(fact, 0),
            EventKind::HostMessage(text) => {
                if self.host_messages.len() < KEPT && !self.host_messages.contains(text) {
                    self.host_messages.push(text.clone());
                }
            }
            EventKind::BootStarted(_) => {
                self.boots += 1;
                self.last_failed_boot = None;
            }
            EventKind::Note(_)
            | EventKind::MemorySaved { .. }
            | EventKind::AlterationBegan(_)
            | EventKind::AlterationEnded(_)
            | EventKind::CampaignEnded { .. } => {}
        }
    }

    pub const fn is_campaign(&self) -> bool {
        self.campaign
    }

    /// The facts that were noted, each once.
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// Part names from the board, the operator or the report.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(String::as_str)
    }

    /// The one that is meant: the first that was named, in the longest form that is given; a board of another part may be named
    /// beside it.
    pub fn part(&self) -> Option<&str> {
        let first = self.parts().next()?;
        self.parts().filter(|part| part.starts_with(first)).max_by_key(|part| part.len())
    }

    pub fn goes_over(&self, transport: Transport) -> bool {
        self.transports.iter().any(|(known, _)| *known == transport)
    }

    /// The link that is meant: that of the most sessions, the first of them where two have as many.
    pub fn transport(&self) -> Option<Transport> {
        let told = self.transports.iter().rev().filter(|(transport, _)| *transport != Transport::Other);
        let most = told.max_by_key(|(_, sessions)| sessions).or(self.transports.first());
        most.map(|(transport, _)| *transport)
    }

    /// Every kind of failure that was met, each once.
    pub fn failures(&self) -> impl Iterator<Item = &Failure> {
        self.failures.iter().map(|seen| &seen.failure)
    }

    pub fn tools(&self) -> impl Iterator<Item = &str> {
        self.tools.iter().map(String::as_str)
    }

    pub fn has_done(&self, phase: Phase) -> bool {
        self.done.contains(&phase)
    }

    pub fn has_tool(&self, tool: &str) -> bool {
        self.tools.contains(tool)
    }

    fn note_part(&mut self, part: &str) {
        if !self.parts.iter().any(|known| known == part) {
            self.parts.push(part.to_owned());
        }
    }

    fn note_transport(&mut self, transport: Transport) {
        match self.transports.iter_mut().find(|(known, _)| *known == transport) {
            Some((_, sessions)) => *sessions += 1,
            None => self.transports.push((transport, 1)),
        }
    }

    fn note_cycle(&mut self, cycle: &Cycle) {
        let mut done_before = BTreeSet::new();
        for step in &cycle.steps {
            match &step.outcome {
                Outcome::Done => {
                    done_before.insert(step.phase);
                    self.done.insert(step.phase);
                }
                Outcome::Failed(failure) if !cycle.is_refused() => self.note_failure(failure, &done_before, cycle),
                Outcome::Failed(_) | Outcome::Skipped | Outcome::Interrupted => {}
            }
            for fact in &step.facts {
                self.note_fact(fact, cycle.number);
            }
        }
        if cycle.failure().is_some() && !cycle.is_refused() {
            self.last_failed_boot = cycle.boot;
        }
    }

    fn note_fact(&mut self, fact: &Fact, cycle: u32) {
        if let ("part", FactValue::Text(part)) = (fact.key.as_str(), &fact.value) {
            self.note_part(part.raw());
        }
        // Each look at a clock differs from every other, and statistics read them (`clock_looks`).
        if fact.key == CLOCK_LOOK {
            return;
        }
        let known = self.of_key(&fact.key).any(|place| self.facts[place].value == fact.value);
        if !known && self.facts.len() < KEPT {
            self.by_key.entry(fact.key.clone()).or_default().push(self.facts.len());
            self.facts.push(fact.clone());
            self.fact_cycles.push(cycle);
        }
    }

    fn note_failure(&mut self, failure: &Failure, done_before: &BTreeSet<Phase>, cycle: &Cycle) {
        let is_first_of_boot = cycle.boot.is_none() || self.last_failed_boot != cycle.boot;
        if self.boots > 1 && !is_first_of_boot {
            return;
        }
        let kind: Kind = (
            failure.class,
            failure.phase,
            failure.code.clone(),
            failure.address,
            failure.is_expected(),
            self.tool.clone(),
            done_before.clone(),
        );
        if self.failures.len() >= KEPT && !self.places.contains_key(&kind) {
            return;
        }
        let place = *self.places.entry(kind).or_insert(self.failures.len());
        if place == self.failures.len() {
            let (failure, tool, done_before) = (failure.clone(), self.tool.clone(), done_before.clone());
            let (every, first_of_boot) = Default::default();
            self.failures.push(Seen { failure, tool, done_before, every, first_of_boot });
        }
        let seen = &mut self.failures[place];
        let at = failure.line.unwrap_or(cycle.number);
        seen.every.add(at);
        if is_first_of_boot {
            seen.first_of_boot.add(at);
        }
    }

    /// Each boot counts once where there are several.
    fn times<'s>(&self, seen: &'s Seen) -> &'s Times {
        if self.boots > 1 { &seen.first_of_boot } else { &seen.every }
    }

    /// What the counts of `failures_that` count.
    pub const fn unit_of_failures(&self) -> Unit {
        if self.campaign { Unit::Failure } else { Unit::Session }
    }

    pub fn part_fits(&self, pattern: &str) -> bool {
        self.parts.iter().any(|part| device::part_fits(pattern, part))
    }

    pub fn failures_that(&self, fits: impl Fn(&Seen) -> bool) -> Option<Met> {
        let met = |seen: &Seen| Met {
            at: self.times(seen).at.iter().collect(),
            count: self.times(seen).count,
            code: seen.failure.code.clone(),
            phase: Some(seen.failure.phase),
            quote: None,
            share: None,
            failures: None,
        };
        let kinds: Vec<_> = self.failures.iter().filter(|seen| self.times(seen).count > 0 && fits(seen)).collect();
        let count: u64 = kinds.iter().map(|seen| self.times(seen).count).sum();
        let unexpected = self.failures.iter().filter(|seen| !seen.failure.is_expected());
        let all: u64 = unexpected.map(|seen| self.times(seen).count).sum();
        let share = (count as f64 / all.max(1) as f64).min(1.0);
        kinds.into_iter().map(met).reduce(Met::and).map(|met| Met {
            count,
            share: Some(share),
            failures: Some(all),
            ..met
        })
    }

    fn of_key(&self, key: &str) -> impl Iterator<Item = usize> {
        self.by_key.get(key).into_iter().flatten().copied()
    }

    /// The facts of one key that fit.
    pub fn facts_that(&self, key: &str, fits: impl Fn(&Fact) -> bool) -> Option<Met> {
        let met = |(fact, cycle): (&Fact, &u32)| Met {
            at: match fact.origin {
                Origin::Line(line) => BTreeSet::from([line]),
                _ if self.campaign && *cycle > 0 => BTreeSet::from([*cycle]),
                _ => BTreeSet::new(),
            },
            count: 1,
            quote: fact.quote.clone(),
            ..Met::default()
        };
        let of_key = self.of_key(key).map(|place| (&self.facts[place], &self.fact_cycles[place]));
        of_key.filter(|(fact, _)| fits(fact)).map(met).reduce(Met::and)
    }

    pub fn host_messages_that(&self, fits: impl Fn(&FieldText) -> bool) -> Option<Met> {
        let met = |text: &FieldText| Met { count: 1, quote: Some(text.clone()), ..Met::default() };
        self.host_messages.iter().filter(|text| fits(text)).map(met).reduce(Met::and)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::synthetic::{cold_boot, failing};
    use crate::observation::event::Session;

    fn observed(kinds: impl IntoIterator<Item = EventKind>) -> Observed {
        let mut observed = Observed::default();
        for (kind, seq) in kinds.into_iter().zip(1..) {
            observed.absorb(&Event { seq, at: None, kind });
        }
        observed
    }

    #[test]
    fn the_longest_form_of_the_first_name_is_meant() {
        let named = |parts: &[&str]| {
            let fact = |part: &&str| Fact {
                key: "part".to_owned(),
                value: FactValue::Text((*part).into()),
                origin: Origin::Line(1),
                quote: None,
            };
            observed(parts.iter().map(fact).map(EventKind::FactNoted)).part().map(str::to_owned)
        };
        assert_eq!(named(&["STM32F4", "STM32F407ZG"]).as_deref(), Some("STM32F407ZG"));
        assert_eq!(named(&["STM32F446RE", "STM32F405"]).as_deref(), Some("STM32F446RE"));
        assert_eq!(named(&[]), None);
    }

    /// Ten cycles of the first boot stall, nine boots after it fail otherwise: the stall is one failure of ten, in whichever boot it is.
    #[test]
    fn a_boot_that_fails_on_counts_once_as_soon_as_there_are_others() {
        let mut events = Vec::new();
        for boot in 1..=10 {
            events.push(EventKind::BootStarted(cold_boot(boot)));
            let class = if boot == 1 { FailureClass::Stall } else { FailureClass::Timeout };
            let cycles = 10 * (boot - 1) + 1..=10 * boot;
            events.extend(cycles.map(|number| EventKind::CycleFinished(failing(number, boot, class, Phase::Read))));
        }
        let stalls = |events: &[EventKind]| {
            let met = observed(events.iter().cloned()).failures_that(|seen| seen.failure.class == FailureClass::Stall);
            met.map(|met| (met.count, met.failures))
        };
        assert_eq!(stalls(&events[..11]), Some((10, Some(10))));
        assert_eq!(stalls(&events), Some((1, Some(10))));
    }

    #[test]
    fn the_link_of_most_sessions_is_meant() {
        use Transport::{Dfu, Other, Swd};
        let over = |ways: &[Transport]| {
            let session =
                |&transport: &Transport| Session { tool: "tool".to_owned(), version: None, transport, line: 1 };
            observed(ways.iter().map(session).map(EventKind::SessionStarted)).transport()
        };
        assert_eq!(over(&[Other, Swd, Dfu, Dfu]), Some(Dfu));
        assert_eq!(over(&[Swd, Other, Other, Dfu]), Some(Swd));
        assert_eq!(over(&[Other]), Some(Other));
        assert_eq!(over(&[]), None);
    }
}
