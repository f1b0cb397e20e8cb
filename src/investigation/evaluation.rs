//! Evaluation: many virtual campaigns with known truth, drawn at random, and how good the verdicts on them are.
//!
//! A scenario holds the truth; boards and knowledge base never do. The figures speak of modelled boards.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde::Deserialize;

use super::ledger::{Depth, Ledger};
use crate::bench::board::VirtualBoard;
use crate::campaign::plan::Plan;
use crate::campaign::recipe::{Recipe, RecipeError};
use crate::campaign::reentry::LinkPower;
use crate::campaign::runner::{CampaignError, Numbering, Runner};
use crate::campaign::{Direction, Sink, SinkClosed, Steer};
use crate::diagnosis::conclusion::Library;
use crate::diagnosis::verdict::{UNKNOWN_CAUSE, Verdict, VerdictKind};
use crate::link::dfu_link::DfuLink;
use crate::link::virtual_board::VirtualUsbBoard;
use crate::observation::event::{CampaignStart, Event, EventKind, Reentry, Transport};
use crate::observation::fact::{Fact, FactValue, Origin};
use crate::observation::units::Micros;
use crate::profile::loader::{self, ProfileError};

/// A kind of board with ranges to draw from, and the truth about it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    pub name: String,
    /// The families that may be named; several where the link cannot tell them apart. `clean` for a healthy board,
    /// `unknown` for a mechanism that no cause describes.
    pub expect: Vec<String>,
    pub boots: u32,
    pub cycles: u32,
    /// The text of a board file; `{name}` stands for a drawn value.
    pub board: String,
    #[serde(default)]
    pub range: BTreeMap<String, Range>,
}

/// Drawn evenly from low to high.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Range {
    pub low: f64,
    pub high: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ScenarioSheet {
    #[serde(rename = "scenario")]
    scenarios: Vec<Scenario>,
}

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

/// The truth is that nothing is wrong.
pub const CLEAN: &str = "clean";

/// How one campaign ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    pub scenario: String,
    pub expect: Vec<String>,
    pub kind: VerdictKind,
    pub decided: bool,
    /// Families with the sum of the probabilities of their causes, the most probable first; `unknown` is among them.
    pub families: Vec<(String, f64)>,
    pub failed_boots: u32,
    pub boots: u32,
    pub cycles: u32,
    pub simulated: Micros,
}

/// Reads the scenarios of a file.
pub fn scenarios(path: &Path) -> Result<Vec<Scenario>, ProfileError> {
    Ok(loader::load::<ScenarioSheet>(path)?.scenarios)
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
                    let trial = run(scenario, seed_of(seed, &scenario.name, draw), library);
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

/// Different for every campaign, and independent of which others are run (FNV-1a).
fn seed_of(seed: u64, name: &str, draw: u32) -> u64 {
    let bytes = seed.to_le_bytes().into_iter().chain(name.bytes()).chain(draw.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn run(scenario: &Scenario, seed: u64, library: &Arc<Library>) -> Result<Trial, EvaluationError> {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let mut text = scenario.board.clone();
    for (name, range) in &scenario.range {
        let drawn = range.low + (range.high - range.low) * random.random::<f64>();
        text = text.replace(&format!("{{{name}}}"), &format!("{drawn:.9}"));
    }
    let board = VirtualBoard::from_toml(&scenario.name, &text, seed)?;
    let mut sink = Folding { ledger: Ledger::new(Arc::clone(library)), at: Micros::ZERO };
    announce(scenario, &board, seed, &mut sink)?;
    let plan = Plan {
        recipe: Recipe::find("dfu-read")?,
        boots: scenario.boots,
        cycles_per_boot: scenario.cycles,
        reentry: if scenario.boots > 1 { Reentry::Virtual } else { Reentry::None },
        off_time: Micros::from_secs(1),
        factors: Vec::new(),
        seed,
        duration: None,
    };
    let mut link = DfuLink::new(VirtualUsbBoard::new(board));
    let mut reenter = LinkPower { off_time: plan.off_time };
    Runner {
        plan: &plan,
        link: &mut link,
        reenter: &mut reenter,
        sink: &mut sink,
        steer: &mut ToTheEnd,
        numbering: Numbering::default(),
    }
    .run()?;
    Ok(judge(scenario, &sink))
}

/// What a person would know before the campaign: the part and what crystal is fitted.
fn announce(scenario: &Scenario, board: &VirtualBoard, seed: u64, sink: &mut Folding) -> Result<(), EvaluationError> {
    let start = CampaignStart {
        transport: Transport::Dfu,
        virtual_board: Some(scenario.name.clone()),
        recipe: "dfu-read".to_owned(),
        reentry: if scenario.boots > 1 { Reentry::Virtual } else { Reentry::None },
        seed,
        boots: scenario.boots,
        cycles_per_boot: scenario.cycles,
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
    let verdict = sink.ledger.verdict(Depth::Verdict);
    let figures = verdict.campaign;
    Trial {
        scenario: scenario.name.clone(),
        expect: scenario.expect.clone(),
        kind: verdict.verdict,
        decided: verdict.decided,
        families: families(&verdict),
        failed_boots: figures.map_or(0, |figures| figures.failed_boots),
        boots: figures.map_or(0, |figures| figures.boots),
        cycles: figures.map_or(0, |figures| figures.cycles),
        simulated: sink.at,
    }
}

fn families(verdict: &Verdict) -> Vec<(String, f64)> {
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for cause in &verdict.causes {
        *sums.entry(&cause.family).or_default() += cause.probability;
    }
    let mut families: Vec<_> = sums.into_iter().map(|(family, sum)| (family.to_owned(), sum)).collect();
    families.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    families
}

impl Trial {
    /// Too few failures for any cause to be asked for.
    pub fn is_scored(&self) -> bool {
        !self.is_healthy() && self.failed_boots >= 3
    }

    pub fn is_healthy(&self) -> bool {
        self.expect.iter().any(|family| family == CLEAN)
    }

    /// An expected family among the first `n`.
    pub fn is_among(&self, n: usize) -> bool {
        self.families.iter().take(n).any(|(family, _)| self.expect.contains(family))
    }

    /// Where no cause describes the mechanism, none may be above a half.
    pub fn is_rightly_open(&self) -> bool {
        self.families.iter().all(|(family, share)| family == UNKNOWN_CAUSE || *share <= 0.5)
    }
}

/// Folds events without a case.
struct Folding {
    ledger: Ledger,
    at: Micros,
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
struct ToTheEnd;

impl Steer for ToTheEnd {
    fn next(&mut self, _now: Micros) -> Direction {
        Direction::Continue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_trials() {
        let scenario = Scenario {
            name: "pair".into(),
            expect: vec!["usb-signal-integrity".into()],
            boots: 4,
            cycles: 2,
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
