//! Evaluation: many virtual campaigns with known truth, drawn at random, and how good the verdicts on them are.
//!
//! A scenario holds the truth (`scenario.rs`); boards and knowledge base never do. The figures speak of modelled boards.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::evaluation_score::wilson;
use super::ledger::{Depth, Ledger};
use super::scenario::{CLEAN, Scenario};
use super::snapshot::RunState;
use crate::bench::board::VirtualBoard;
use crate::campaign::attend::Unattended;
use crate::campaign::journal::Journal;
use crate::campaign::plan::{LOOK_EVERY, Plan};
use crate::campaign::recipe::{Recipe, RecipeError};
use crate::campaign::reentry::LinkPower;
use crate::campaign::runner::{CampaignError, Numbering, Runner};
use crate::campaign::{Direction, Sink, SinkClosed, Steer};
use crate::diagnosis::conclusion::Library;
use crate::diagnosis::verdict::{UNKNOWN_CAUSE, Verdict, VerdictKind};
use crate::observation::event::{CampaignStart, Event, EventKind, Reentry};
use crate::observation::fact::{Fact, FactValue, Origin};
use crate::observation::step::Touch;
use crate::observation::units::Micros;
use crate::profile::loader::ProfileError;

#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    #[error(transparent)]
    Campaign(#[from] CampaignError),
    #[error("there is nothing to evaluate")]
    Nothing,
}

/// Fewer failed boots than this let nobody ask for a cause; the bound is judged instead.
pub const ENOUGH_FAILURES: u32 = 3;

/// From so many further boots of the same board its true failure rate is taken, where it failed seldom.
const REFERENCE_BOOTS: u32 = 200;

/// How one campaign ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trial {
    pub scenario: String,
    /// The file of the scenario.
    pub set: String,
    pub expect: Vec<String>,
    pub beside: Vec<String>,
    pub separated_by: Vec<String>,
    pub kind: VerdictKind,
    pub decided: bool,
    /// Families with the sum of the probabilities of their causes, the most probable first; `unknown` is among them.
    pub families: Vec<(String, f64)>,
    /// The most probable single cause of those that are named.
    pub leading_cause: Option<(String, f64)>,
    /// What was found, by its id, with its weight and how sure it is that it occurs.
    pub findings: Vec<(String, f64, f64)>,
    /// The experiments that were proposed.
    pub proposed: Vec<String>,
    pub failed_boots: u32,
    pub boots: u32,
    /// As the scenario plans them.
    pub planned_boots: u32,
    pub interval: (f64, f64),
    pub cycles: u32,
    pub simulated: Micros,
    /// Failed and all boots of a longer campaign on the same board; where it failed seldom.
    pub reference: Option<(u32, u32)>,
}

/// Runs every scenario `draws` times on all processors. The same seed gives the same trials in the same order.
pub fn evaluate(
    scenarios: &[Scenario],
    draws: u32,
    seed: u64,
    library: &Arc<Library>,
) -> Result<Vec<Trial>, EvaluationError> {
    let jobs: Vec<_> = scenarios.iter().flat_map(|scenario| (0..draws).map(move |draw| (scenario, draw))).collect();
    if jobs.is_empty() {
        return Err(EvaluationError::Nothing);
    }
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(jobs.len()));
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(&(scenario, draw)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let trial = run(scenario, scenario.seed(seed, draw), library);
                    let place = (scenario.name.as_str(), draw);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((place, trial));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, trial)| trial).collect()
}

/// One draw of a scenario, from the first boot to the verdict.
fn run(scenario: &Scenario, seed: u64, library: &Arc<Library>) -> Result<Trial, EvaluationError> {
    let text = scenario.drawn(seed);
    let sink = campaign(scenario, &text, scenario.boots, seed, library)?;
    let mut trial = judge(scenario, &sink);
    if trial.failed_boots < ENOUGH_FAILURES && !scenario.is_healthy() {
        let more = campaign(scenario, &text, REFERENCE_BOOTS, !seed, library)?;
        let boots = more.ledger.verdict(Depth::Live).campaign;
        trial.reference = boots.map(|figures| (figures.failed_boots, figures.boots));
    }
    Ok(trial)
}

/// The campaign on a board given as text, as long as the scenario says but for the number of boots.
pub(super) fn campaign(
    scenario: &Scenario,
    text: &str,
    boots: u32,
    seed: u64,
    library: &Arc<Library>,
) -> Result<Folding, EvaluationError> {
    let board = VirtualBoard::from_toml(&scenario.name, text, seed)?;
    let mut sink = Folding::new(Ledger::new(Arc::clone(library)));
    let (recipe, beside) = Recipe::for_links(scenario.link, None)?;
    let links = beside.is_some().then(Plan::links);
    let plan = Plan {
        recipe,
        beside,
        boots,
        cycles_per_boot: scenario.cycles,
        reentry: if boots > 1 { Reentry::Virtual } else { Reentry::None },
        off_time: Micros::from_secs(1),
        factors: scenario.vary.iter().map(|varied| varied.0.clone()).chain(links).collect(),
        standing: Plan::standing(scenario.link, None),
        seed,
        duration: None,
        keep_going: false,
        look_every: Some(LOOK_EVERY),
    };
    announce(scenario, &plan, &board, &mut sink)?;
    let touch = if scenario.clear_reset_flags { plan.touch().max(Touch::Disturb) } else { plan.touch() };
    let mut link = scenario.link.to_virtual(board, touch);
    if scenario.clear_reset_flags {
        link.clear_flags_each_boot();
    }
    let mut reenter = LinkPower { off_time: plan.off_time };
    Runner {
        plan: &plan,
        link: link.as_mut(),
        reenter: &mut reenter,
        sink: &mut sink,
        steer: &mut ToTheEnd,
        attend: &mut Unattended,
        numbering: Numbering::default(),
        journal: Journal::default(),
        last_look: None,
    }
    .run()?;
    Ok(sink)
}

/// What a person would know before the campaign: the part and what crystal is fitted.
pub(super) fn announce(
    scenario: &Scenario,
    plan: &Plan,
    board: &VirtualBoard,
    sink: &mut Folding,
) -> Result<(), EvaluationError> {
    let start = CampaignStart {
        transport: scenario.link.transport(),
        virtual_board: Some(scenario.name.clone()),
        recipe: plan.recipe.name.clone(),
        reentry: plan.reentry.clone(),
        seed: plan.seed,
        boots: plan.boots,
        cycles_per_boot: plan.cycles_per_boot,
        calendar_millis: 0,
    };
    let said = board.blueprint();
    let fact = |key: &str, value| Fact { key: key.to_owned(), value, origin: Origin::Profile, quote: None };
    let part = fact("part", FactValue::Text(said.part.as_str().into()));
    let crystal = said.crystal_mhz.map(|mhz| fact("fitted-crystal", FactValue::FrequencyMhz(mhz)));
    let facts = std::iter::once(part).chain(crystal).map(EventKind::FactNoted);
    for kind in std::iter::once(EventKind::CampaignStarted(start)).chain(facts) {
        sink.accept(None, kind).map_err(CampaignError::from)?;
    }
    Ok(())
}

fn judge(scenario: &Scenario, sink: &Folding) -> Trial {
    let snapshot = sink.ledger.snapshot(Depth::Verdict, RunState::Finished, None);
    let verdict = snapshot.verdict;
    let figures = verdict.campaign;
    let named = verdict.causes.iter().find(|cause| cause.id != UNKNOWN_CAUSE);
    Trial {
        scenario: scenario.name.clone(),
        set: scenario.set.clone(),
        expect: scenario.expect.clone(),
        beside: scenario.beside.clone(),
        separated_by: scenario.separated_by.clone(),
        kind: verdict.verdict,
        decided: verdict.decided,
        families: families(&verdict),
        leading_cause: named.map(|cause| (cause.id.clone(), cause.probability)),
        findings: snapshot
            .findings
            .iter()
            .map(|finding| (finding.id.clone(), finding.weight, finding.certainty))
            .collect(),
        proposed: verdict.next.iter().map(|next| next.experiment.clone()).collect(),
        failed_boots: figures.map_or(0, |figures| figures.failed_boots),
        boots: figures.map_or(0, |figures| figures.boots),
        planned_boots: scenario.boots,
        interval: figures.map_or((0.0, 1.0), |figures| figures.interval),
        cycles: figures.map_or(0, |figures| figures.cycles),
        simulated: sink.at,
        reference: None,
    }
}

pub(super) fn families(verdict: &Verdict) -> Vec<(String, f64)> {
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for cause in &verdict.causes {
        *sums.entry(&cause.family).or_default() += cause.probability;
    }
    let mut families: Vec<_> = sums.into_iter().map(|(family, sum)| (family.to_owned(), sum)).collect();
    families.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    families
}

impl Trial {
    /// Enough failures for a cause to be asked for.
    pub fn is_scored(&self) -> bool {
        !self.is_healthy() && self.failed_boots >= ENOUGH_FAILURES
    }

    pub fn is_healthy(&self) -> bool {
        self.expect.iter().any(|family| family == CLEAN)
    }

    /// No cause describes what is wrong.
    pub fn is_unknown(&self) -> bool {
        self.expect.iter().any(|family| family == UNKNOWN_CAUSE)
    }

    /// An expected family among the first `n`.
    pub fn is_among(&self, n: usize) -> bool {
        self.names_one_of(&self.expect, n) || self.names_one_of(&self.beside, n)
    }

    fn names_one_of(&self, families: &[String], n: usize) -> bool {
        self.families.iter().take(n).any(|(family, _)| families.contains(family))
    }

    /// The probability that stands for the leading answer. Families that cannot be told apart over this link are one answer,
    /// so where one of them leads, theirs add up.
    pub fn claim(&self) -> Option<f64> {
        let (leading, share) = self.families.first()?;
        let expected = |family: &String| self.expect.contains(family) || self.beside.contains(family);
        if !expected(leading) {
            return Some(*share);
        }
        let together: f64 = self.families.iter().filter(|(family, _)| expected(family)).map(|(_, share)| share).sum();
        Some(together.min(1.0))
    }

    /// A family of either mechanism among the first three.
    pub fn finds_both(&self) -> bool {
        self.names_one_of(&self.expect, 3) && self.names_one_of(&self.beside, 3)
    }

    /// Where no cause describes the mechanism, none may be above a half.
    pub fn is_rightly_open(&self) -> bool {
        self.leading_cause.as_ref().is_none_or(|(_, share)| *share <= 0.5)
    }

    /// One of the experiments that tell the expected families apart was proposed.
    pub fn names_what_separates(&self) -> bool {
        self.separated_by.iter().any(|experiment| self.proposed.contains(experiment))
    }

    /// Whether the interval holds the true rate and the number of boots is right; `None` where the truth was not
    /// looked for. The truth is known from a longer campaign, up to that campaign's own uncertainty.
    pub fn bound_holds(&self) -> Option<bool> {
        let (failed, boots) = self.reference?;
        let truth = wilson(failed.into(), boots.into()).interval;
        let covered = self.interval.0 <= truth.1 && truth.0 <= self.interval.1;
        Some(covered && self.boots == self.planned_boots)
    }
}

/// Folds events without a case.
pub struct Folding {
    ledger: Ledger,
    at: Micros,
}

impl Folding {
    pub fn new(ledger: Ledger) -> Self {
        Self { ledger, at: Micros::ZERO }
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

impl Sink for Folding {
    fn accept(&mut self, at: Option<Micros>, kind: EventKind) -> Result<(), SinkClosed> {
        self.at = at.unwrap_or(self.at);
        let event = Event { seq: self.ledger.next_seq(), at, kind };
        self.ledger.absorb(&event);
        Ok(())
    }
}

/// Performs the whole plan.
pub struct ToTheEnd;

impl Steer for ToTheEnd {
    fn next(&mut self, _now: Micros) -> Direction {
        Direction::Continue
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::investigation::scenario::Range;
    use crate::link::link_used::LinkUsed;

    #[test]
    fn the_same_seed_gives_the_same_trials() {
        let scenario = Scenario {
            name: "pair".into(),
            set: "pairs".into(),
            beside: Vec::new(),
            separated_by: Vec::new(),
            expect: vec!["usb-signal-integrity".into()],
            boots: 4,
            cycles: 2,
            clear_reset_flags: false,
            link: LinkUsed::Dfu,
            vary: Vec::new(),
            board: "text = \"A pair.\"\npart = \"STM32F407VGT6\"\nrom = \"f40x-v9\"\ncrystal-mhz = 8.0\n[mechanism.bit-errors]\nto-host-per-bit = {rate}\nto-device-per-bit = {rate}\nfactor-per-run-bit = 1.2\n".into(),
            range: BTreeMap::from([("rate".to_owned(), Range { low: 1e-4, high: 2e-4 })]),
        };
        let library = Arc::new(Library::load().unwrap());
        let scenarios = [scenario];
        let run = || evaluate(&scenarios, 2, 7, &library).unwrap();
        let trials = run();
        assert_eq!(trials, run());
        assert!(trials.iter().all(|trial| trial.kind == VerdictKind::Fault && trial.cycles == 8));
        assert_ne!(trials[0].simulated, trials[1].simulated);
    }
}
