//! A live campaign: the runner on one thread, the engine on another, and the handles that a screen holds.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use super::advice::Respondent;
use super::commands::{Command, SnapshotSource};
use super::engine::{Billboard, Engine, EngineSink};
use super::guided::{Course, Guided};
use super::hands::{BenchHands, Hands, OperatorHands};
use super::helm::{Commands, Flags, Helm};
use super::ledger::Ledger;
use super::snapshot::{RunState, Snapshot};
use super::standby::{Hold, StandBy};
use crate::campaign::attend::Sensor;
use crate::campaign::plan::Plan;
use crate::campaign::question::{Answer, Question};
use crate::campaign::reentry::{AsFound, ByCommand, ByProbe, HubPower, LinkPower, Manual, Operator, Reenter};
use crate::campaign::runner::{CampaignError, Runner};
use crate::campaign::{Sink, SinkClosed};
use crate::case::file::{Case, CaseError};
use crate::diagnosis::conclusion::Library;
use crate::link::Link;
use crate::observation::event::{CampaignStart, EventKind, Reentry};
use crate::observation::fact::Fact;
use crate::profile::measurement::Quantities;
use crate::timebase::HostTime;

/// Everything that a campaign needs to begin.
pub struct Order {
    pub library: Arc<Library>,
    pub plan: Plan,
    pub start: CampaignStart,
    pub link: Box<dyn Link>,
    /// What is known of the board before it is touched: its profile, the operator's note.
    pub facts: Vec<Fact>,
    pub case: Option<Case>,
    pub flags: Flags,
    /// Simulated seconds per second of the host; infinite for no pacing.
    pub pace: f64,
    pub until_decided: bool,
    pub conduct: Conduct,
}

/// How the campaign is led, and who stands by.
#[derive(Debug, Default)]
pub struct Conduct {
    /// Experiments are chosen and done as the evidence asks for them.
    pub guided: bool,
    /// A guided campaign has no more boots than these, where somebody said so.
    pub most_boots: Option<u32>,
    /// Who does what the campaign cannot do by itself.
    pub bench: Bench,
    pub sensors: Vec<Sensor>,
    pub on_failure: Option<String>,
    pub hold_on_failure: bool,
    /// A person goes on after a board was held, also where its bench does the measuring.
    pub waits_for_person: bool,
    pub quantities: Quantities,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bench {
    /// A person is asked.
    #[default]
    Operator,
    /// The bench of a virtual board does it by itself, and nobody is asked.
    Virtual,
}

#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    #[error(transparent)]
    Case(#[from] CaseError),
    #[error(transparent)]
    Campaign(#[from] CampaignError),
    #[error("a thread of the campaign ended by a defect of flakescope")]
    Panicked,
}

/// A running campaign.
pub struct LiveRun {
    billboard: Arc<Billboard>,
    commands: Sender<Command>,
    campaign: JoinHandle<Result<(), CampaignError>>,
    engine: JoinHandle<Result<(), CaseError>>,
}

impl LiveRun {
    /// Folds what the case holds already, and starts.
    pub fn start(order: Order) -> Result<Self, LiveError> {
        let library = Arc::clone(&order.library);
        let ledger = match &order.case {
            Some(case) => Ledger::of_case(case, order.library)?,
            None => Ledger::new(order.library),
        };
        let (numbering, journal) = (ledger.numbering(), ledger.journal().clone());
        let (engine, sink) = Engine::new(order.case, ledger, order.flags.clone(), order.until_decided);
        let billboard = engine.billboard();
        let (commands, receiver) = channel();
        let campaign = thread::spawn(move || {
            let commands = Commands::new(receiver, order.pace, order.flags);
            let mut link = order.link;
            let mut sink = sink;
            announce(&mut sink, order.start, order.facts, link.as_ref())?;
            let asking = Asking { commands: commands.clone(), sink: sink.clone(), turns: Rc::default() };
            let mut reenter = reentry(&order.plan, &order.conduct.sensors, &asking);
            let mut attend = standby(&order.conduct, &library, &asking);
            let mut steer = Helm::new(commands, order.until_decided);
            let (plan, link, reenter) = (&order.plan, link.as_mut(), reenter.as_mut());
            let (steer, attend) = (&mut steer, &mut attend);
            let result = if order.conduct.guided {
                let mut hands = hands(order.conduct.bench, &asking);
                Guided {
                    plan,
                    link,
                    reenter,
                    desk: &mut sink,
                    steer,
                    attend,
                    hands: hands.as_mut(),
                    knowledge: &library.knowledge,
                    quantities: &order.conduct.quantities,
                    numbering,
                    most_boots: order.conduct.most_boots,
                    course: Course::default(),
                }
                .run()
            } else {
                Runner { plan, link, reenter, sink: &mut sink, steer, attend, numbering, journal, last_look: None }
                    .run()
            };
            if let Err(error) = &result {
                sink.set_state(RunState::Failed(error.to_string()));
            }
            result
        });
        let engine = thread::spawn(move || engine.run());
        Ok(Self { billboard, commands, campaign, engine })
    }

    pub fn snapshots(&self) -> Arc<Billboard> {
        Arc::clone(&self.billboard)
    }

    pub fn commands(&self) -> Sender<Command> {
        self.commands.clone()
    }

    pub fn is_finished(&self) -> bool {
        self.engine.is_finished()
    }

    /// Waits for the end; the last snapshot has the verdict at full depth.
    pub fn wait(self) -> Result<Arc<Snapshot>, LiveError> {
        // A campaign whose sink closed ended because the engine failed, so the engine's error comes first.
        let campaign = self.campaign.join().map_err(|_| LiveError::Panicked)?;
        self.engine.join().map_err(|_| LiveError::Panicked)??;
        campaign?;
        Ok(self.billboard.latest())
    }
}

/// A board that was looked at before, as one that will be altered is, shows the runner nothing new of itself.
fn announce(sink: &mut EngineSink, start: CampaignStart, facts: Vec<Fact>, link: &dyn Link) -> Result<(), SinkClosed> {
    sink.accept(None, EventKind::CampaignStarted(start))?;
    facts.into_iter().try_for_each(|fact| sink.accept(None, EventKind::FactNoted(fact)))?;
    let board = link.identity();
    if board.serial.is_some() || board.dev_id.is_some() {
        sink.accept(None, EventKind::BoardSeen(board))?;
    }
    Ok(())
}

fn reentry(plan: &Plan, sensors: &[Sensor], asking: &Asking) -> Box<dyn Reenter> {
    match &plan.reentry {
        Reentry::None => Box::new(AsFound),
        Reentry::Virtual => Box::new(LinkPower { off_time: plan.off_time }),
        Reentry::Command(command) => Box::new(ByCommand { command: command.clone(), sensors: sensors.to_vec() }),
        Reentry::Hub => Box::new(HubPower { off_time: plan.off_time, sensors: sensors.to_vec() }),
        Reentry::Swd => Box::new(ByProbe),
        Reentry::Manual => Box::new(Manual { operator: asking.clone() }),
    }
}

fn standby(conduct: &Conduct, library: &Library, asking: &Asking) -> StandBy<Asking> {
    let hold = conduct.hold_on_failure.then(|| Hold {
        respondent: conduct.waits_for_person.then(|| asking.clone()),
        bench_measures: conduct.bench == Bench::Virtual,
        quantities: conduct.quantities.clone(),
        answers: library.knowledge.measured_answers(),
    });
    StandBy { sensors: conduct.sensors.clone(), on_failure: conduct.on_failure.clone(), hold }
}

fn hands(bench: Bench, asking: &Asking) -> Box<dyn Hands> {
    match bench {
        Bench::Operator => Box::new(OperatorHands { respondent: asking.clone() }),
        Bench::Virtual => Box::new(BenchHands),
    }
}

/// Puts the question on the screen and waits for the answer; one that cannot be read is asked for again, with the reason.
#[derive(Clone)]
struct Asking {
    commands: Commands,
    sink: EngineSink,
    turns: Rc<Cell<u32>>,
}

impl Respondent for Asking {
    fn answer(&mut self, question: &Question) -> Option<Answer> {
        let mut question = question.clone();
        let answer = loop {
            self.turns.set(self.turns.get() + 1);
            question.turn = self.turns.get();
            self.sink.set_state(RunState::Waiting(question.clone()));
            let Some(typed) = self.commands.await_answer(&mut HostTime::new()) else { break None };
            match question.wanted.read(&typed) {
                Ok(answer) => break Some(answer),
                Err(problem) => question.problem = Some(problem),
            }
        };
        self.sink.set_state(RunState::Running);
        answer
    }
}

impl Operator for Asking {
    fn ask(&mut self, question: &Question) -> Option<Answer> {
        self.answer(question)
    }
}
