//! The helm: obeys the operator, signals, the pace of a virtual board and the wish to stop once decided.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;

use super::commands::Command;
use crate::campaign::{Direction, Steer};
use crate::observation::units::Micros;
use crate::timebase::{HostTime, Timebase};

/// How often a paced wait looks at commands and signals.
const WATCH: Micros = Micros::from_millis(20);

/// Flags that other threads set.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// A signal or the operator says stop.
    pub stop: Arc<AtomicBool>,
    /// The leading cause has passed the threshold.
    pub decided: Arc<AtomicBool>,
}

/// The commands of the operator, shared by all that run on the campaign's thread.
#[derive(Clone)]
pub struct Commands {
    receiver: Rc<RefCell<Receiver<Command>>>,
    pace: Rc<Cell<f64>>,
    flags: Flags,
}

impl Commands {
    pub fn new(receiver: Receiver<Command>, pace: f64, flags: Flags) -> Self {
        Self { receiver: Rc::new(RefCell::new(receiver)), pace: Rc::new(Cell::new(pace)), flags }
    }

    /// Takes in everything that has arrived; an answer that nobody asked for is dropped.
    fn drain(&self) {
        while let Ok(command) = self.receiver.borrow().try_recv() {
            self.obey(&command);
        }
    }

    fn obey(&self, command: &Command) {
        match command {
            Command::SetPace(pace) if *pace > 0.0 => self.pace.set(*pace),
            Command::Stop => self.flags.stop.store(true, Ordering::Relaxed),
            Command::SetPace(_) | Command::Answer(_) => {}
        }
    }

    /// Waits for the operator's answer; `None` when they want to stop instead.
    pub fn await_answer(&self, time: &mut HostTime) -> Option<String> {
        loop {
            if self.stopped() {
                return None;
            }
            let next = self.receiver.borrow().try_recv();
            match next {
                Ok(Command::Answer(answer)) => return Some(answer),
                Ok(command) => self.obey(&command),
                Err(_) => time.wait(WATCH),
            }
        }
    }

    pub fn stopped(&self) -> bool {
        self.flags.stop.load(Ordering::Relaxed)
    }
}

pub struct Helm {
    commands: Commands,
    time: HostTime,
    until_decided: bool,
    /// Host and link time from which the present pace counts.
    anchor: Option<Anchor>,
}

struct Anchor {
    pace: f64,
    host: Micros,
    link: Micros,
}

impl Helm {
    pub fn new(commands: Commands, until_decided: bool) -> Self {
        Self { commands, time: HostTime::new(), until_decided, anchor: None }
    }

    /// Holds simulated time back to the pace that a person asked for.
    fn keep_pace(&mut self, link: Micros) {
        loop {
            self.commands.drain();
            let pace = self.commands.pace.get();
            let host = self.time.now();
            let anchor = match &self.anchor {
                Some(anchor) if anchor.pace == pace => anchor,
                _ => self.anchor.insert(Anchor { pace, host, link }),
            };
            let due = anchor.host + Micros::from_secs_f64((link - anchor.link).as_secs_f64() / pace);
            if pace.is_infinite() || host >= due || self.commands.stopped() {
                return;
            }
            self.time.wait(WATCH.min(due - host));
        }
    }
}

impl Steer for Helm {
    fn next(&mut self, now: Micros) -> Direction {
        self.keep_pace(now);
        if self.commands.stopped() {
            Direction::Interrupt
        } else if self.until_decided && self.commands.flags.decided.load(Ordering::Relaxed) {
            Direction::Finish
        } else {
            Direction::Continue
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn helm(until_decided: bool) -> (Helm, mpsc::Sender<Command>, Flags) {
        let (sender, receiver) = mpsc::channel();
        let flags = Flags::default();
        (Helm::new(Commands::new(receiver, f64::INFINITY, flags.clone()), until_decided), sender, flags)
    }

    #[test]
    fn a_stop_is_obeyed_before_the_next_cycle() {
        let (mut helm, sender, _) = helm(false);
        assert_eq!(helm.next(Micros::ZERO), Direction::Continue);
        sender.send(Command::Stop).unwrap();
        assert_eq!(helm.next(Micros::from_secs(1)), Direction::Interrupt);
    }

    #[test]
    fn a_decision_ends_the_campaign_only_where_it_was_asked_to() {
        for (until_decided, expected) in [(true, Direction::Finish), (false, Direction::Continue)] {
            let (mut helm, _sender, flags) = helm(until_decided);
            flags.decided.store(true, Ordering::Relaxed);
            assert_eq!(helm.next(Micros::ZERO), expected);
        }
    }

    #[test]
    fn a_stop_answers_the_question_too() {
        let (_, receiver) = mpsc::channel();
        let commands = Commands::new(receiver, 1.0, Flags::default());
        commands.flags.stop.store(true, Ordering::Relaxed);
        assert_eq!(commands.await_answer(&mut HostTime::new()), None);
    }

    #[test]
    fn a_pace_holds_simulated_time_back() {
        let (mut helm, sender, _) = helm(false);
        sender.send(Command::SetPace(10.0)).unwrap();
        assert_eq!(helm.next(Micros::ZERO), Direction::Continue);
        let before = helm.time.now();
        helm.next(Micros::from_secs(1));
        assert!(helm.time.now() - before >= Micros::from_millis(99));
    }
}
