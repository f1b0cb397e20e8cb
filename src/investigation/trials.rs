//! Cycles under changed conditions: kept apart from the board as it was found, and counted for the comparison with it.

use std::collections::BTreeMap;

use super::advice::Both;
use crate::evidence::experiment::{self, CONDITIONS, Counts, OUTCOME};
use crate::evidence::finding::{Finding, NAMED_CYCLES};
use crate::observation::cycle::Cycle;
use crate::observation::event::{Event, EventKind};
use crate::observation::fact::{Fact, FactValue};

#[derive(Clone, Debug, Default)]
pub struct Trials {
    /// The experiment whose conditions hold.
    under: Option<String>,
    boots: Vec<bool>,
    boot: Option<u32>,
    cycles: (u64, u64),
    /// Which cycles ran under which experiment.
    at: BTreeMap<String, Vec<u32>>,
    outcomes: BTreeMap<String, Fact>,
}

impl Trials {
    /// True where the event is none of the board as found.
    pub fn takes(&mut self, event: &Event) -> bool {
        match &event.kind {
            EventKind::FactNoted(fact) if fact.key.starts_with(OUTCOME) => {
                self.note(fact);
                true
            }
            // Whoever begins a campaign has the board as it is.
            EventKind::CampaignStarted(_) => {
                self.under = None;
                false
            }
            EventKind::CycleFinished(cycle) if self.under.is_some() => {
                self.count(cycle);
                true
            }
            EventKind::BootStarted(_) | EventKind::BoardSeen(_) | EventKind::HostMessage(_) => self.under.is_some(),
            _ => false,
        }
    }

    fn note(&mut self, fact: &Fact) {
        if fact.key == CONDITIONS {
            let FactValue::Text(name) = &fact.value else { return };
            self.under = Some(name.raw().to_owned()).filter(|name| !name.is_empty());
            self.boots.clear();
            self.boot = None;
            self.cycles = (0, 0);
        } else {
            self.outcomes.insert(fact.key.clone(), fact.clone());
        }
    }

    fn count(&mut self, cycle: &Cycle) {
        let Some(experiment) = self.under.clone().filter(|_| !cycle.is_interrupted()) else { return };
        let failed = cycle.failure().is_some();
        if self.boot != cycle.boot || self.boots.is_empty() {
            self.boots.push(false);
            self.boot = cycle.boot;
        }
        if let Some(last) = self.boots.last_mut() {
            *last |= failed;
        }
        self.cycles = (self.cycles.0 + u64::from(failed), self.cycles.1 + 1);
        let at = self.at.entry(experiment).or_default();
        if at.len() < NAMED_CYCLES {
            at.push(cycle.number);
        }
    }

    /// The experiment under whose conditions the campaign is.
    pub fn under(&self) -> Option<&str> {
        self.under.as_deref()
    }

    /// Outcomes since these conditions hold.
    pub fn counts(&self) -> Both {
        let bad = self.boots.iter().filter(|failed| **failed).count() as u64;
        Both { boots: Counts::of(bad, self.boots.len() as u64), cycles: Counts::of(self.cycles.0, self.cycles.1) }
    }

    pub fn findings(&self) -> Vec<Finding> {
        let cycles = |fact: &Fact| {
            let name = fact.key.strip_prefix(OUTCOME).unwrap_or_default();
            self.at.get(name).map_or(&[][..], Vec::as_slice)
        };
        self.outcomes.values().filter_map(|fact| experiment::finding(fact, cycles(fact))).collect()
    }
}
