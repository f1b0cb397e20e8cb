//! A live campaign: the runner on one thread, the engine on another, and the handles that a screen holds.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use super::commands::{Command, SnapshotSource};
use super::engine::{Billboard, Engine, EngineSink};
use super::helm::{Commands, Flags, Helm};
use super::ledger::Ledger;
use super::snapshot::{RunState, Snapshot};
use crate::campaign::plan::Plan;
use crate::campaign::reentry::{AsFound, ByCommand, LinkPower, Manual, Operator, Reenter};
use crate::campaign::runner::{CampaignError, Runner};
use crate::campaign::{Sink, SinkClosed};
use crate::case::file::{Case, CaseError};
use crate::diagnosis::conclusion::Library;
use crate::link::Link;
use crate::observation::event::{CampaignStart, EventKind, Reentry};
use crate::observation::fact::Fact;
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
        let ledger = match &order.case {
            Some(case) => Ledger::of_case(case, order.library)?,
            None => Ledger::new(order.library),
        };
        let numbering = ledger.numbering();
        let (engine, sink) = Engine::new(order.case, ledger, order.flags.clone(), order.until_decided);
        let billboard = engine.billboard();
        let (commands, receiver) = channel();
        let campaign = thread::spawn(move || {
            let commands = Commands::new(receiver, order.pace, order.flags);
            let mut link = order.link;
            let mut sink = sink;
            announce(&mut sink, order.start, order.facts)?;
            let mut reenter = reentry(&order.plan, &commands, &sink);
            let mut steer = Helm::new(commands, order.until_decided);
            let (link, reenter) = (link.as_mut(), reenter.as_mut());
            let result =
                Runner { plan: &order.plan, link, reenter, sink: &mut sink, steer: &mut steer, numbering }.run();
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

fn announce(sink: &mut EngineSink, start: CampaignStart, facts: Vec<Fact>) -> Result<(), SinkClosed> {
    sink.accept(None, EventKind::CampaignStarted(start))?;
    facts.into_iter().try_for_each(|fact| sink.accept(None, EventKind::FactNoted(fact)))
}

fn reentry(plan: &Plan, commands: &Commands, sink: &EngineSink) -> Box<dyn Reenter> {
    match &plan.reentry {
        Reentry::None => Box::new(AsFound),
        Reentry::Virtual => Box::new(LinkPower { off_time: plan.off_time }),
        Reentry::Command(command) => Box::new(ByCommand { command: command.clone() }),
        Reentry::Manual => Box::new(Manual { operator: Asking { commands: commands.clone(), sink: sink.clone() } }),
    }
}

/// Puts the question on the screen and waits for the answer.
struct Asking {
    commands: Commands,
    sink: EngineSink,
}

impl Operator for Asking {
    fn ask(&mut self, request: &str) -> bool {
        self.sink.set_state(RunState::Waiting(request.to_owned()));
        let answer = self.commands.await_answer(&mut HostTime::new());
        self.sink.set_state(RunState::Running);
        answer.is_some()
    }
}
