//! A place of the bench: a device, the switch of its power, and whoever the device is lent to.

use std::str::FromStr;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::device::{Device, Identity};
use super::message::{Command, MessageError};
use crate::observation::units::Micros;
use crate::timebase::{HostTime, Timebase, to_duration};

/// Messages that may wait to be read; more and the sender waits.
const MOST_WAITING: usize = 64;
const INBOX_PAUSE: Duration = Duration::from_millis(5);

/// What somebody at the bench does to a device while it is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hand {
    /// Unplugs it, which also takes its power.
    Off,
    On,
    /// Off now, and on again after this.
    Cycle(Micros),
}

/// A device with its power switch.
#[derive(Debug)]
pub struct Socket {
    pub device: Box<dyn Device>,
    on_at: Option<Micros>,
}

impl Socket {
    /// Switched off.
    pub fn new(device: Box<dyn Device>) -> Self {
        Self { device, on_at: None }
    }

    pub fn take_in_hand(&mut self, now: Micros, hand: Hand) {
        match hand {
            Hand::On => self.on_at = Some(now),
            Hand::Off => {
                self.on_at = None;
                self.device.power_off(now);
            }
            Hand::Cycle(span) => {
                self.device.power_off(now);
                self.on_at = Some(now + span);
            }
        }
        self.switch(now);
    }

    fn switch(&mut self, now: Micros) {
        if let Some(at) = self.on_at.filter(|at| *at <= now) {
            self.on_at = None;
            self.device.power_on(at);
        }
    }

    pub fn is_attached(&mut self, now: Micros) -> bool {
        self.switch(now);
        self.device.is_attached(now)
    }

    pub fn next_change(&self) -> Option<Micros> {
        self.on_at.into_iter().chain(self.device.next_change()).min()
    }
}

/// What reaches a session.
#[derive(Debug)]
pub enum Incoming {
    Client(Result<Command, MessageError>),
    /// The client's stream has ended.
    ClientLeft,
    Hand(Hand),
}

#[derive(Debug)]
pub struct Place {
    /// As the `usbip` tool takes it.
    pub bus_id: String,
    pub name: String,
    pub identity: Identity,
    standing: Mutex<Standing>,
    changed: Condvar,
}

#[derive(Debug)]
enum Standing {
    Free(Socket),
    Lent(SyncSender<Incoming>),
}

/// A device for the time of one session.
#[derive(Debug)]
pub struct Loan {
    pub socket: Socket,
    pub sender: SyncSender<Incoming>,
    pub inbox: Receiver<Incoming>,
}

impl Place {
    /// The device is switched on now.
    pub fn new(bus_id: String, device: Box<dyn Device>, now: Micros) -> Self {
        let (name, identity) = (device.name().to_owned(), device.identity());
        let mut socket = Socket::new(device);
        socket.take_in_hand(now, Hand::On);
        Self { bus_id, name, identity, standing: Mutex::new(Standing::Free(socket)), changed: Condvar::new() }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a client could have it now.
    pub fn is_on_offer(&self, now: Micros) -> bool {
        match &mut *self.standing() {
            Standing::Free(socket) => socket.is_attached(now),
            Standing::Lent(_) => false,
        }
    }

    pub fn lend(&self, now: Micros) -> Option<Loan> {
        let mut standing = self.standing();
        let Standing::Free(socket) = &mut *standing else { return None };
        if !socket.is_attached(now) {
            return None;
        }
        let (sender, inbox) = sync_channel(MOST_WAITING);
        match std::mem::replace(&mut *standing, Standing::Lent(sender.clone())) {
            Standing::Free(socket) => Some(Loan { socket, sender, inbox }),
            Standing::Lent(_) => None,
        }
    }

    pub fn take_back(&self, now: Micros, loan: Loan) {
        let Loan { mut socket, inbox, .. } = loan;
        let mut standing = self.standing();
        // What the hand did too late for the session.
        for incoming in inbox.try_iter() {
            if let Incoming::Hand(hand) = incoming {
                socket.take_in_hand(now, hand);
            }
        }
        *standing = Standing::Free(socket);
    }

    pub fn take_in_hand(&self, now: Micros, hand: Hand) {
        let mut standing = self.standing();
        loop {
            let is_full = match &mut *standing {
                Standing::Free(socket) => {
                    socket.take_in_hand(now, hand);
                    false
                }
                Standing::Lent(session) => matches!(session.try_send(Incoming::Hand(hand)), Err(TrySendError::Full(_))),
            };
            if !is_full {
                break;
            }
            // Without the lock, which a session that ends needs.
            standing = self.changed.wait_timeout(standing, INBOX_PAUSE).unwrap_or_else(PoisonError::into_inner).0;
        }
        self.changed.notify_all();
    }

    /// Waits until the device is on the bus. `false` where it will not come by itself and nobody has a hand on its switch.
    pub fn wait_until_attached(&self, time: &HostTime, switched_by_hand: bool) -> bool {
        let mut standing = self.standing();
        loop {
            let now = time.now();
            let Standing::Free(socket) = &mut *standing else { return false };
            if socket.is_attached(now) {
                return true;
            }
            standing = match socket.next_change() {
                Some(next) => {
                    let span = to_duration(next.max(now) - now);
                    self.changed.wait_timeout(standing, span).unwrap_or_else(PoisonError::into_inner).0
                }
                None if switched_by_hand => self.changed.wait(standing).unwrap_or_else(PoisonError::into_inner),
                None => return false,
            };
        }
    }
}

/// A line of standard input of `bench serve --control`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandAt {
    pub hand: Hand,
    pub bus_id: String,
}

impl FromStr for HandAt {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let words: Vec<_> = line.split_whitespace().collect();
        let (hand, bus_id) = match words.as_slice() {
            ["off", bus_id] => (Hand::Off, bus_id),
            ["on", bus_id] => (Hand::On, bus_id),
            ["cycle", bus_id, millis] => {
                let millis: u32 = millis.parse().map_err(|_| format!("`{millis}` is not a number of milliseconds"))?;
                (Hand::Cycle(Micros::from_millis(millis.into())), bus_id)
            }
            _ => return Err(format!("`{line}` is none of: off BUSID, on BUSID, cycle BUSID MILLISECONDS")),
        };
        Ok(Self { hand, bus_id: (*bus_id).to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::board::VirtualBoard;

    fn socket() -> Socket {
        let mut socket = Socket::new(Box::new(VirtualBoard::by_name("healthy-f407", 1).unwrap()));
        socket.take_in_hand(Micros::ZERO, Hand::On);
        socket
    }

    #[test]
    fn a_cycle_takes_the_device_off_the_bus_and_brings_it_back() {
        let mut socket = socket();
        assert!(socket.is_attached(Micros::from_secs(1)));
        socket.take_in_hand(Micros::from_secs(2), Hand::Cycle(Micros::from_millis(500)));
        assert!(!socket.is_attached(Micros::from_millis(2_100)));
        assert_eq!(socket.next_change(), Some(Micros::from_millis(2_500)));
        assert!(socket.is_attached(Micros::from_secs(4)));
    }

    #[test]
    fn off_stays_off() {
        let mut socket = socket();
        socket.take_in_hand(Micros::from_secs(1), Hand::Cycle(Micros::from_millis(500)));
        socket.take_in_hand(Micros::from_millis(1_100), Hand::Off);
        assert!(!socket.is_attached(Micros::from_secs(60)));
        assert_eq!(socket.next_change(), None);
    }

    #[test]
    fn a_device_is_lent_once_and_feels_the_hand_meanwhile() {
        let device = Box::new(VirtualBoard::by_name("healthy-f407", 1).unwrap());
        let place = Place::new("1-1".to_owned(), device, Micros::ZERO);
        let now = Micros::from_secs(1);
        let loan = place.lend(now).unwrap();
        assert!(place.lend(now).is_none() && !place.is_on_offer(now));
        place.take_in_hand(now, Hand::Off);
        place.take_back(now, loan);
        assert!(!place.is_on_offer(Micros::from_secs(5)), "switched off while it was lent");
        assert!(!place.wait_until_attached(&HostTime::new(), false), "nobody will switch it on");
    }

    #[test]
    fn lines_of_the_operator_are_read_or_explained() {
        let cycle = HandAt { hand: Hand::Cycle(Micros::from_millis(250)), bus_id: "1-2".to_owned() };
        assert_eq!("cycle 1-2 250".parse(), Ok(cycle));
        assert_eq!("off 1-1".parse(), Ok(HandAt { hand: Hand::Off, bus_id: "1-1".to_owned() }));
        for (line, says) in [("of 1-1", "none of: off BUSID"), ("cycle 1-1 soon", "`soon` is not a number")] {
            assert!(line.parse::<HandAt>().unwrap_err().contains(says), "{line}");
        }
    }
}
