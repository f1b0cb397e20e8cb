//! Cycles under changed conditions: kept apart from the board as it was found, and counted for the comparison with it.

use std::collections::BTreeMap;

use super::advice::Both;
use crate::evidence::experiment::{self, CONDITIONS, Counts, OUTCOME};
use crate::evidence::finding::{Finding, NamedCycles, Unit};
use crate::observation::cycle::Cycle;
use crate::observation::event::{Event, EventKind};
use crate::observation::fact::{Fact, FactValue};

#[derive(Clone, Debug, Default)]
pub struct Trials {
    /// The experiment whose conditions hold.
    under: Option<String>,
    tallies: BTreeMap<String, Tally>,
    outcomes: BTreeMap<String, Fact>,
}

/// Everything that ran under one experiment.
#[derive(Clone, Debug, Default)]
struct Tally {
    boots: u64,
    failed_boots: u64,
    /// The boot at hand, and whether it has failed.
    boot: Option<(u32, bool)>,
    cycles: u64,
    failed_cycles: u64,
    at: NamedCycles,
}

impl Tally {
    fn count(&mut self, cycle: &Cycle) {
        let failed = cycle.failure().is_some();
        let number = cycle.boot.unwrap_or(0);
        let before = self.boot.filter(|(boot, _)| *boot == number);
        self.boots += u64::from(before.is_none());
        let had_failed = before.is_some_and(|(_, failed)| failed);
        self.failed_boots += u64::from(failed && !had_failed);
        self.boot = Some((number, had_failed || failed));
        self.cycles += 1;
        self.failed_cycles += u64::from(failed);
        self.at.add(cycle.number);
    }
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
        } else {
            self.outcomes.insert(fact.key.clone(), fact.clone());
        }
    }

    fn count(&mut self, cycle: &Cycle) {
        if let Some(experiment) = self.under.clone().filter(|_| !cycle.is_cut_short()) {
            self.tallies.entry(experiment).or_default().count(cycle);
        }
    }

    /// The experiment under whose conditions the campaign is.
    pub fn under(&self) -> Option<&str> {
        self.under.as_deref()
    }

    /// All outcomes under these conditions.
    pub fn counts(&self) -> Both<Counts> {
        let tally = self.under.as_ref().and_then(|experiment| self.tallies.get(experiment));
        tally.map_or_else(Both::default, |tally| Both {
            boots: Counts::of(tally.failed_boots, tally.boots),
            cycles: Counts::of(tally.failed_cycles, tally.cycles),
        })
    }

    /// What a reader of the boots should know.
    pub fn limit(&self) -> Option<String> {
        let boots: u64 = self.tallies.values().map(|tally| tally.boots).sum();
        let each = self.tallies.iter().map(|(experiment, tally)| format!("{experiment} {}", tally.boots));
        let list = each.collect::<Vec<_>>().join(", ");
        (boots > 0).then(|| {
            format!("{} ran under changed conditions ({list}), shown and counted in no rate.", Unit::Boot.count(boots))
        })
    }

    pub fn findings(&self) -> Vec<Finding> {
        let outcome = |fact: &Fact| {
            let tally = self.tallies.get(fact.key.strip_prefix(OUTCOME)?);
            let found = experiment::finding(fact, tally.map_or(0, |tally| tally.cycles))?;
            Some(found.seen_at(tally.into_iter().flat_map(|tally| tally.at.iter())))
        };
        self.outcomes.values().filter_map(outcome).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::boot::{Boot, BootKind, BootProof};
    use crate::observation::fact::Origin;
    use crate::observation::failure::{Failure, FailureClass};
    use crate::observation::step::{Outcome, Phase, StepRecord};
    use crate::observation::units::Micros;

    fn event(kind: EventKind) -> Event {
        Event { seq: 1, at: None, kind }
    }

    fn conditions(name: &str) -> Event {
        let value = FactValue::Text(name.into());
        event(EventKind::FactNoted(Fact { key: CONDITIONS.into(), value, origin: Origin::Operator, quote: None }))
    }

    fn cycle(number: u32, boot: u32, fails: bool) -> Event {
        let outcome =
            if fails { Outcome::Failed(Failure::new(FailureClass::Stall, Phase::Read)) } else { Outcome::Done };
        let step = StepRecord {
            phase: Phase::Read,
            started: None,
            elapsed: None,
            outcome,
            summary: Default::default(),
            transfers: Vec::new(),
            facts: Vec::new(),
        };
        event(EventKind::CycleFinished(Cycle {
            number,
            boot: Some(boot),
            started: None,
            steps: vec![step],
            levels: [].into(),
        }))
    }

    #[test]
    fn cycles_under_a_change_are_taken_out_and_counted_over_all_visits() {
        let mut trials = Trials::default();
        assert!(!trials.takes(&cycle(1, 1, true)), "the board as found");
        assert!(trials.takes(&conditions("swap-cable")));
        let boot = Boot { number: 2, started: Micros::ZERO, kind: BootKind::Unknown, proof: BootProof::None };
        assert!(trials.takes(&event(EventKind::BootStarted(boot))));
        for (number, boot, fails) in [(2, 2, false), (3, 2, true), (4, 2, true), (5, 3, false)] {
            assert!(trials.takes(&cycle(number, boot, fails)));
        }
        assert_eq!(trials.counts(), Both { boots: Counts::of(1, 2), cycles: Counts::of(2, 4) });
        assert_eq!(
            trials.limit().as_deref(),
            Some("2 boots ran under changed conditions (swap-cable 2), shown and counted in no rate.")
        );
        trials.takes(&conditions(""));
        assert!(!trials.takes(&cycle(6, 4, true)) && trials.counts() == Both::default());
        trials.takes(&conditions("swap-cable"));
        trials.takes(&cycle(7, 5, false));
        assert_eq!(trials.counts().boots, Counts::of(1, 3));
    }
}
