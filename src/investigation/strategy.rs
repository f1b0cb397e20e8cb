//! Ways to lead the same campaign, and what they cost until they know: guided, until decided, and a fixed interleaved sweep.
//!
//! Minutes are the set-up minutes of experiments plus the link's simulated time; on a virtual bench both pass on one clock.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;
use serde::Serialize;

use super::advice::{Advice, Both, Desk};
use super::evaluation::{EvaluationError, Folding, ToTheEnd, announce, families};
use super::evaluation_score::{Share, wilson};
use super::guided::{Course, Effort, Guided};
use super::hands::BenchHands;
use super::ledger::{Depth, Ledger};
use super::scenario::Scenario;
use super::steadiness::Steadiness;
use crate::bench::board::VirtualBoard;
use crate::bench::intervention::Intervention;
use crate::campaign::attend::Unattended;
use crate::campaign::plan::{Arm, Plan};
use crate::campaign::recipe::Recipe;
use crate::campaign::reentry::LinkPower;
use crate::campaign::runner::{CampaignError, Numbering};
use crate::campaign::{Direction, SinkClosed};
use crate::diagnosis::conclusion::Library;
use crate::diagnosis::experiment::{Experiment, ToldBy};
use crate::diagnosis::verdict::UNKNOWN_CAUSE;
use crate::evidence::experiment::Counts;
use crate::link::Link;
use crate::link::dfu_link::DfuLink;
use crate::link::virtual_board::VirtualUsbBoard;
use crate::observation::event::{Reentry, Transport};
use crate::observation::units::Micros;
use crate::profile::measurement::Quantities;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Does next what tells most per minute.
    Guided,
    /// Boots of the board as found until a cause has passed the threshold, four times as many as planned at most.
    UntilDecided,
    /// Everything that can be changed at the bench, in random blocks that hold the board as found too, whatever was seen so far.
    Sweep,
}

impl Strategy {
    pub const ALL: [Self; 3] = [Self::Guided, Self::UntilDecided, Self::Sweep];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Guided => "guided",
            Self::UntilDecided => "until decided",
            Self::Sweep => "fixed sweep",
        }
    }
}

/// One campaign led in one way.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    pub scenario: String,
    pub strategy: Strategy,
    pub decided: bool,
    /// The leading family is an expected one.
    pub right: bool,
    pub boots: u32,
    pub cycles: u32,
    pub minutes: f64,
}

/// How often a sweep comes round; fewer blocks interleave nothing.
const BLOCKS: u32 = 2;
/// Boots of every visit of a sweep, at least.
const LEAST_PER_VISIT: u32 = 5;
const MOST_UNTIL_DECIDED: u32 = 4;

/// Leads every draw of every scenario in all ways, on all processors. Healthy boards and mechanisms that nobody has described are
/// left out: there is no decision to come to.
pub fn attempts(
    scenarios: &[Scenario],
    draws: u32,
    seed: u64,
    library: &Arc<Library>,
) -> Result<Vec<Attempt>, EvaluationError> {
    let is_open = |scenario: &Scenario| scenario.expect.iter().any(|family| family == UNKNOWN_CAUSE);
    let known = scenarios.iter().filter(|scenario| !scenario.is_healthy() && !is_open(scenario));
    let jobs: Vec<_> = known
        .flat_map(|scenario| (0..draws).flat_map(move |draw| Strategy::ALL.map(|strategy| (scenario, draw, strategy))))
        .collect();
    if jobs.is_empty() {
        return Err(EvaluationError::Nothing);
    }
    let quantities = Quantities::load()?;
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(jobs.len()));
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(&(scenario, draw, strategy)) = jobs.get(place) else { return };
                    let attempt = attempt(scenario, strategy, scenario.seed(seed, draw), library, &quantities);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((place, attempt));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, attempt)| attempt).collect()
}

fn attempt(
    scenario: &Scenario,
    strategy: Strategy,
    seed: u64,
    library: &Arc<Library>,
    quantities: &Quantities,
) -> Result<Attempt, EvaluationError> {
    let board = VirtualBoard::from_toml(&scenario.name, &scenario.drawn(seed), seed)?;
    let mut desk = Folding::new(Ledger::new(Arc::clone(library)));
    let plan = Plan {
        recipe: Recipe::find("dfu-read")?,
        beside: None,
        boots: scenario.boots,
        cycles_per_boot: scenario.cycles,
        reentry: if scenario.boots > 1 { Reentry::Virtual } else { Reentry::None },
        off_time: Micros::from_secs(1),
        factors: Vec::new(),
        standing: Arm::new(),
        seed,
        duration: None,
        keep_going: false,
        look_every: None,
    };
    announce(scenario, &plan, &board, &mut desk)?;
    let mut link = DfuLink::new(VirtualUsbBoard::new(board));
    let mut guided = Guided {
        plan: &plan,
        link: &mut link,
        reenter: &mut LinkPower { off_time: plan.off_time },
        desk: &mut desk,
        steer: &mut ToTheEnd,
        attend: &mut Unattended,
        hands: &mut BenchHands,
        knowledge: &library.knowledge,
        quantities,
        numbering: Numbering::default(),
        most_boots: None,
        course: Course::default(),
    };
    match strategy {
        Strategy::Guided => guided.run()?,
        Strategy::UntilDecided => until_decided(&mut guided)?,
        Strategy::Sweep => sweep(&mut guided)?,
    }
    let numbering = guided.numbering;
    let minutes = link.now().as_secs_f64() / 60.0;
    let verdict = desk.ledger().verdict(Depth::Verdict);
    let leading = families(&verdict).into_iter().next();
    Ok(Attempt {
        scenario: scenario.name.clone(),
        strategy,
        decided: verdict.decided,
        right: leading
            .is_some_and(|(family, _)| scenario.expect.contains(&family) || scenario.beside.contains(&family)),
        boots: numbering.boots,
        cycles: numbering.cycles,
        minutes,
    })
}

fn until_decided(guided: &mut Guided<'_, '_>) -> Result<(), CampaignError> {
    let mut steadiness = Steadiness::default();
    for boots in 1..=MOST_UNTIL_DECIDED * guided.plan.boots {
        guided.as_found(1)?;
        if steadiness.look(boots, guided.desk.advice()?.decided) {
            break;
        }
    }
    guided.end(Direction::Finish)
}

/// What can be visited: the board as found, or an experiment that the bench can do.
fn sweep(guided: &mut Guided<'_, '_>) -> Result<(), CampaignError> {
    let knowledge = guided.knowledge;
    let can = |experiment: &&Experiment| {
        experiment.transports.contains(&Transport::Dfu)
            && (Intervention::named(&experiment.id).is_some() || matches!(experiment.told_by, ToldBy::Measurement(_)))
    };
    let mut visits: Vec<Option<&Experiment>> = knowledge.experiments.iter().filter(can).map(Some).collect();
    visits.push(None);
    let boots = (guided.plan.boots / 2 / BLOCKS).max(LEAST_PER_VISIT);
    let mut random = Pcg64Mcg::seed_from_u64(guided.plan.seed);
    guided.as_found(boots)?;
    for _ in 0..BLOCKS {
        visits.shuffle(&mut random);
        for visit in &visits {
            match visit {
                None => drop(guided.as_found(boots)?),
                Some(experiment) => {
                    let advice = guided.desk.advice()?;
                    guided.carry_out(experiment, &advice, Effort::Fixed(boots))?;
                }
            }
            if guided.desk.advice()?.decided {
                return guided.end(Direction::Finish);
            }
        }
    }
    guided.end(Direction::Finish)
}

impl Desk for Folding {
    fn advice(&mut self) -> Result<Advice, SinkClosed> {
        Ok(self.ledger().advice())
    }

    fn changed(&mut self) -> Result<Both<Counts>, SinkClosed> {
        Ok(self.ledger().changed())
    }
}

/// What a strategy cost over all its attempts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cost {
    pub strategy: Strategy,
    pub decided: Share,
    /// Among those that decided.
    pub right: Share,
    /// Until the decision, or until it gave up.
    pub median_boots: f64,
    pub median_cycles: f64,
    pub median_minutes: f64,
    pub mean_minutes: f64,
    /// Of those that decided.
    pub median_minutes_to_decision: f64,
}

impl Cost {
    pub fn of_all(attempts: &[Attempt]) -> Vec<Self> {
        Strategy::ALL.iter().map(|strategy| Self::of(*strategy, attempts)).collect()
    }

    fn of(strategy: Strategy, attempts: &[Attempt]) -> Self {
        let own: Vec<&Attempt> = attempts.iter().filter(|attempt| attempt.strategy == strategy).collect();
        let decided: Vec<&Attempt> = own.iter().copied().filter(|attempt| attempt.decided).collect();
        let right = decided.iter().filter(|attempt| attempt.right).count();
        let minutes = |of: &[&Attempt]| of.iter().map(|attempt| attempt.minutes).collect::<Vec<_>>();
        let all_minutes = minutes(&own);
        Self {
            strategy,
            decided: wilson(decided.len() as u64, own.len() as u64),
            right: wilson(right as u64, decided.len() as u64),
            median_boots: median(own.iter().map(|attempt| f64::from(attempt.boots)).collect()),
            median_cycles: median(own.iter().map(|attempt| f64::from(attempt.cycles)).collect()),
            mean_minutes: all_minutes.iter().sum::<f64>() / all_minutes.len().max(1) as f64,
            median_minutes: median(all_minutes),
            median_minutes_to_decision: median(minutes(&decided)),
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Where both came to a decision: the minutes of the one over those of the other, summed.
pub fn ratio(attempts: &[Attempt], one: Strategy, other: Strategy) -> Option<f64> {
    let of = |strategy| attempts.iter().filter(move |attempt| attempt.strategy == strategy);
    let both = of(one).zip(of(other)).filter(|(a, b)| a.decided && b.decided);
    let (sum, sum_other) = both.fold((0.0, 0.0), |(a, b), (one, other)| (a + one.minutes, b + other.minutes));
    (sum_other > 0.0).then(|| sum / sum_other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(strategy: Strategy, decided: bool, minutes: f64) -> Attempt {
        Attempt { scenario: "s".into(), strategy, decided, right: decided, boots: 10, cycles: 30, minutes }
    }

    #[test]
    fn the_ratio_compares_only_what_both_decided() {
        let attempts = [
            attempt(Strategy::Guided, true, 10.0),
            attempt(Strategy::Sweep, true, 40.0),
            attempt(Strategy::Guided, false, 1_000.0),
            attempt(Strategy::Sweep, true, 50.0),
        ];
        assert_eq!(ratio(&attempts, Strategy::Guided, Strategy::Sweep), Some(0.25));
        let costs = Cost::of_all(&attempts);
        assert_eq!((costs[0].decided.hits, costs[0].decided.n, costs[0].median_minutes_to_decision), (1, 2, 10.0));
    }

    #[test]
    fn a_bench_finds_out_where_the_trouble_sits() {
        let library = Arc::new(Library::load().unwrap());
        let text = |place: &str| {
            format!(
                "[[scenario]]\nname = \"pair-{place}\"\nexpect = [\"usb-signal-integrity\"]\nboots = 20\ncycles = 3\nboard = '''\n\
                 text = \"Bits flip.\"\npart = \"STM32F407VGT6\"\nrom = \"f40x-v9\"\ncrystal-mhz = 8.0\n\
                 [mechanism.bit-errors]\nto-host-per-bit = 2e-4\nto-device-per-bit = 1e-4\nfactor-per-run-bit = 1.2\n\
                 [place]\nbit-errors = \"{place}\"\n'''\n"
            )
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("two.toml");
        std::fs::write(&path, text("board") + &text("cable")).unwrap();
        let scenarios = super::super::scenario::read(&path).unwrap();
        let attempts = attempts(&scenarios, 1, 3, &library).unwrap();
        assert_eq!(attempts.len(), 6);
        let guided: Vec<_> = attempts.iter().filter(|attempt| attempt.strategy == Strategy::Guided).collect();
        assert!(guided.iter().all(|attempt| attempt.decided && attempt.right), "{attempts:?}");
    }
}
