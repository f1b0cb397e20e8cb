//! Replay: a case is fed to an engine at the pace of its own clock, so that the screen shows it as it was.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use super::commands::Command;
use super::engine::{Billboard, Engine};
use super::helm::{Commands, Flags, Helm};
use super::ledger::Ledger;
use crate::campaign::{Direction, Sink, Steer};
use crate::case::file::Case;
use crate::diagnosis::conclusion::Library;
use crate::observation::units::Micros;

/// The handles that a screen holds; the replay ends with the case or with the operator's wish.
pub struct Replay {
    pub billboard: Arc<Billboard>,
    pub commands: Sender<Command>,
}

/// Starts to replay. A case that is damaged somewhere is shown up to there.
pub fn start(case: Case, library: Arc<Library>, pace: f64) -> Replay {
    let flags = Flags::default();
    let (engine, sink) = Engine::new(None, Ledger::new(library), flags.clone(), false);
    let billboard = engine.billboard();
    let (commands, receiver) = channel();
    thread::spawn(move || {
        let mut sink = sink;
        let mut helm = Helm::new(Commands::new(receiver, pace, flags), false);
        let mut now = Micros::ZERO;
        let mut stopped = false;
        // What could be read has been shown; the engine below tells the screen that it is over.
        let _ = case.for_each(|event| {
            now = event.at.unwrap_or(now);
            stopped = stopped || helm.next(now) == Direction::Interrupt || sink.accept(event.at, event.kind).is_err();
        });
    });
    thread::spawn(move || engine.run());
    Replay { billboard, commands }
}
