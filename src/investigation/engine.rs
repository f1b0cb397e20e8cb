//! The engine: the one owner of the event stream. It makes events durable, folds them and publishes what a person sees.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::advice::{Advice, Both, Desk};
use super::commands::SnapshotSource;
use super::helm::Flags;
use super::ledger::{Depth, Ledger};
use super::snapshot::{RunState, Snapshot};
use super::steadiness::Steadiness;
use crate::campaign::{Sink, SinkClosed};
use crate::case::file::{Case, CaseError};
use crate::evidence::experiment::Counts;
use crate::observation::event::{Event, EventKind};
use crate::observation::units::Micros;
use crate::timebase::{HostTime, Timebase, to_duration};

/// A screen cannot show more, and inference costs more than a simulated cycle.
const PUBLISH_EVERY: Micros = Micros::from_millis(80);
/// On a slow computer the pause grows with what a snapshot costs, so that inference leaves the time to the link.
const PAUSE_PER_COST: u64 = 4;

/// Where the latest snapshot hangs; the newest replaces the one before.
#[derive(Debug)]
pub struct Billboard {
    latest: Mutex<Arc<Snapshot>>,
}

impl Billboard {
    pub fn new(first: Snapshot) -> Self {
        Self { latest: Mutex::new(Arc::new(first)) }
    }

    fn publish(&self, snapshot: Snapshot) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
    }
}

impl SnapshotSource for Billboard {
    fn latest(&self) -> Arc<Snapshot> {
        Arc::clone(&self.latest.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

enum Message {
    Event { at: Option<Micros>, kind: Box<EventKind>, durable: SyncSender<()> },
    State(RunState),
    Advise(SyncSender<Advice>),
    Count(SyncSender<Both<Counts>>),
}

/// The campaign's end of the engine.
#[derive(Clone)]
pub struct EngineSink {
    sender: Sender<Message>,
}

impl EngineSink {
    pub fn set_state(&self, state: RunState) {
        // An engine that has stopped shows its own error instead.
        let _ = self.sender.send(Message::State(state));
    }
}

impl Sink for EngineSink {
    fn accept(&mut self, at: Option<Micros>, kind: EventKind) -> Result<(), SinkClosed> {
        let (durable, acknowledged) = sync_channel(1);
        self.sender.send(Message::Event { at, kind: Box::new(kind), durable }).map_err(|_| SinkClosed)?;
        acknowledged.recv().map_err(|_| SinkClosed)
    }
}

impl Desk for EngineSink {
    fn advice(&mut self) -> Result<Advice, SinkClosed> {
        self.ask(Message::Advise)
    }

    fn changed(&mut self) -> Result<Both<Counts>, SinkClosed> {
        self.ask(Message::Count)
    }
}

impl EngineSink {
    fn ask<T>(&self, message: impl FnOnce(SyncSender<T>) -> Message) -> Result<T, SinkClosed> {
        let (answer, answered) = sync_channel(1);
        self.sender.send(message(answer)).map_err(|_| SinkClosed)?;
        answered.recv().map_err(|_| SinkClosed)
    }
}

pub struct Engine {
    receiver: Receiver<Message>,
    /// Absent for evaluation, which writes no case.
    case: Option<Case>,
    ledger: Ledger,
    billboard: Arc<Billboard>,
    flags: Flags,
    until_decided: bool,
    steadiness: Steadiness,
    state: RunState,
    time: HostTime,
    /// Not before then is the next snapshot published.
    next_publication: Micros,
    /// Events came since the last snapshot.
    is_stale: bool,
}

impl Engine {
    /// An engine and the campaign's end of it.
    pub fn new(case: Option<Case>, ledger: Ledger, flags: Flags, until_decided: bool) -> (Self, EngineSink) {
        let (sender, receiver) = channel();
        let state = RunState::Running;
        let path = case.as_ref().map(|case| case.path().to_owned());
        let billboard = Arc::new(Billboard::new(ledger.snapshot(Depth::Live, state.clone(), path)));
        let time = HostTime::new();
        let engine = Self {
            receiver,
            case,
            ledger,
            billboard,
            flags,
            until_decided,
            steadiness: Steadiness::default(),
            state,
            time,
            next_publication: Micros::ZERO,
            is_stale: false,
        };
        (engine, EngineSink { sender })
    }

    pub fn billboard(&self) -> Arc<Billboard> {
        Arc::clone(&self.billboard)
    }

    /// Works until the campaign has dropped its end, and leaves the final snapshot on the billboard.
    pub fn run(mut self) -> Result<(), CaseError> {
        let result = self.work();
        match &result {
            Ok(()) => self.conclude(),
            Err(error) => self.state = RunState::Failed(error.to_string()),
        }
        self.publish(Depth::Verdict);
        result
    }

    fn work(&mut self) -> Result<(), CaseError> {
        while let Some(message) = self.next_message() {
            match message {
                Message::State(state) => {
                    self.state = state;
                    self.publish(Depth::Live);
                }
                // Whoever asked may be gone.
                Message::Advise(answer) => drop(answer.send(self.ledger.advice())),
                Message::Count(answer) => drop(answer.send(self.ledger.changed())),
                Message::Event { at, kind, durable } => {
                    let event = self.keep(at, *kind)?;
                    self.ledger.absorb(&event);
                    self.weigh_at_end_of_boot(&event);
                    // The campaign may have been killed meanwhile; what it sent is kept all the same.
                    let _ = durable.send(());
                    self.is_stale = true;
                    self.publish_if_due();
                }
            }
        }
        Ok(())
    }

    /// `None` once the campaign has dropped its end. What waits to be shown is shown although no event follows.
    fn next_message(&mut self) -> Option<Message> {
        while self.is_stale {
            let wait = self.next_publication.saturating_sub(self.time.now());
            match self.receiver.recv_timeout(to_duration(wait)) {
                Err(RecvTimeoutError::Timeout) => self.publish_if_due(),
                Err(RecvTimeoutError::Disconnected) => return None,
                Ok(message) => return Some(message),
            }
        }
        self.receiver.recv().ok()
    }

    fn keep(&mut self, at: Option<Micros>, kind: EventKind) -> Result<Event, CaseError> {
        match &mut self.case {
            Some(case) => case.append(at, kind),
            None => Ok(Event { seq: self.ledger.next_seq(), at, kind }),
        }
    }

    /// Decisions fall at the end of a boot, before the next begins, so that they depend on the data and not on the speed of this computer.
    fn weigh_at_end_of_boot(&mut self, event: &Event) {
        if !self.until_decided || !matches!(event.kind, EventKind::BootStarted(_)) {
            return;
        }
        let verdict = self.ledger.verdict(Depth::Live);
        let boots = verdict.campaign.map_or(0, |figures| figures.boots);
        if self.steadiness.look(boots, verdict.decided) {
            self.flags.decided.store(true, Ordering::Relaxed);
        }
    }

    fn conclude(&mut self) {
        if !matches!(self.state, RunState::Failed(_)) {
            self.state = if self.ledger.was_interrupted() { RunState::Interrupted } else { RunState::Finished };
        }
    }

    fn publish_if_due(&mut self) {
        if self.time.now() >= self.next_publication {
            self.publish(Depth::Live);
        }
    }

    fn publish(&mut self, depth: Depth) {
        self.is_stale = false;
        let began = self.time.now();
        let path = self.case.as_ref().map(|case| case.path().to_owned());
        self.billboard.publish(self.ledger.snapshot(depth, self.state.clone(), path));
        let ended = self.time.now();
        let pause = Micros((ended - began).0.saturating_mul(PAUSE_PER_COST));
        self.next_publication = ended + pause.max(PUBLISH_EVERY);
    }
}
