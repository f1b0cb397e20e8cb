//! A board on the bus and a debug probe on its pins beside it: two devices, one board, seen from both sides at one time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::kind::ProbeKind;
use super::served::ServedProbe;
use crate::bench::board::{Answer, VirtualBoard};
use crate::bench::usbip::device::{Device, Identity};
use crate::dfu::request::ControlRequest;
use crate::observation::units::Micros;

/// A probe can reset the board, of which the board's own side hears only when it looks.
const LOOK_EVERY: Micros = Micros::from_millis(20);

/// The board as its own USB shows it. Its switch is the board's supply.
#[derive(Debug)]
pub struct OwnSide {
    name: String,
    pair: Arc<Mutex<Pair>>,
}

/// The probe. Its switch is its own supply only.
#[derive(Debug)]
pub struct ProbeSide {
    name: String,
    pair: Arc<Mutex<Pair>>,
}

#[derive(Debug)]
struct Pair {
    probe: ServedProbe,
    /// Two servers are told the time independently; for the board it never runs backwards.
    latest: Micros,
}

/// Both sides of a board.
pub fn both_sides(kind: ProbeKind, board: VirtualBoard) -> (OwnSide, ProbeSide) {
    let name = board.name.clone();
    let probe = ServedProbe::new(kind, board);
    let probe_name = probe.name().to_owned();
    let pair = Arc::new(Mutex::new(Pair { probe, latest: Micros::ZERO }));
    (OwnSide { name, pair: Arc::clone(&pair) }, ProbeSide { name: probe_name, pair })
}

/// A server that panicked left the board as it was.
fn lock(pair: &Mutex<Pair>) -> MutexGuard<'_, Pair> {
    pair.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pair {
    fn at<T>(&mut self, at: Micros, act: impl FnOnce(&mut ServedProbe, Micros) -> T) -> T {
        self.latest = self.latest.max(at);
        let result = act(&mut self.probe, self.latest);
        self.latest = self.latest.max(self.probe.busy_until());
        result
    }
}

impl Device for OwnSide {
    fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> Identity {
        lock(&self.pair).probe.board().identity()
    }

    fn power_on(&mut self, at: Micros) {
        lock(&self.pair).at(at, |probe, at| probe.board_mut().power_on(at));
    }

    fn power_off(&mut self, at: Micros) {
        lock(&self.pair).at(at, |probe, at| probe.board_mut().power_off(at));
    }

    fn is_attached(&mut self, at: Micros) -> bool {
        lock(&self.pair).at(at, |probe, at| probe.board_mut().is_attached(at))
    }

    fn next_change(&self) -> Option<Micros> {
        let pair = lock(&self.pair);
        let look = pair.latest + LOOK_EVERY;
        Some(pair.probe.board().next_change().map_or(look, |next| next.min(look)))
    }

    fn control(&mut self, at: Micros, request: &ControlRequest) -> Answer {
        lock(&self.pair).at(at, |probe, at| probe.board_mut().submit(at, request))
    }
}

impl Device for ProbeSide {
    fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> Identity {
        lock(&self.pair).probe.identity()
    }

    fn power_on(&mut self, at: Micros) {
        lock(&self.pair).at(at, |probe, _| probe.supply(true));
    }

    fn power_off(&mut self, at: Micros) {
        lock(&self.pair).at(at, |probe, _| probe.supply(false));
    }

    fn is_attached(&mut self, at: Micros) -> bool {
        lock(&self.pair).at(at, ServedProbe::is_attached)
    }

    fn next_change(&self) -> Option<Micros> {
        lock(&self.pair).probe.next_change()
    }

    fn control(&mut self, at: Micros, request: &ControlRequest) -> Answer {
        lock(&self.pair).at(at, |probe, at| probe.control(at, request))
    }

    fn send(&mut self, at: Micros, endpoint: u8, data: &[u8]) -> Answer {
        lock(&self.pair).at(at, |probe, at| probe.send(at, endpoint, data))
    }

    fn receive(&mut self, at: Micros, endpoint: u8, most_bytes: u32) -> Option<Answer> {
        lock(&self.pair).at(at, |probe, at| probe.receive(at, endpoint, most_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::board::Reply;
    use crate::dfu::command;

    fn sides() -> (OwnSide, ProbeSide) {
        both_sides(ProbeKind::StLinkV2_1, VirtualBoard::by_name("healthy-f407", 1).unwrap())
    }

    fn ask(probe: &mut ProbeSide, at: Micros, command: &[u8]) -> Vec<u8> {
        probe.send(at, 1, command);
        match probe.receive(at, 1, 4096).map(|answer| answer.reply) {
            Some(Reply::Data(bytes)) => bytes,
            other => panic!("{other:?}"),
        }
    }

    fn volts(probe: &mut ProbeSide, at: Micros) -> f64 {
        let answer = ask(probe, at, &[0xF7]);
        let word = |at: usize| u32::from_le_bytes(answer[at..at + 4].try_into().unwrap());
        2.4 * f64::from(word(4)) / f64::from(word(0))
    }

    #[test]
    fn a_board_without_power_has_a_probe_that_measures_next_to_nothing_and_the_probe_stays() {
        let (mut board, mut probe) = sides();
        probe.power_on(Micros::ZERO);
        let at = Micros::from_secs(1);
        assert!(probe.is_attached(at) && !board.is_attached(at));
        assert!(volts(&mut probe, at) < 0.5);
        board.power_on(at);
        let later = Micros::from_secs(3);
        assert!(board.is_attached(later));
        assert!(volts(&mut probe, later) > 3.2);
        board.power_off(later);
        assert!(probe.is_attached(later) && !board.is_attached(later));
    }

    #[test]
    fn a_reset_by_the_probe_takes_the_board_off_the_bus_which_its_own_side_looks_for() {
        let (mut board, mut probe) = sides();
        board.power_on(Micros::ZERO);
        probe.power_on(Micros::ZERO);
        let at = Micros::from_secs(2);
        assert!(board.is_attached(at));
        let status = board.control(at, &command::get_status(0));
        assert!(matches!(status.reply, Reply::Data(_)), "{status:?}");
        // NRST low.
        ask(&mut probe, at, &[0xF2, 0x3C, 0]);
        let look = board.next_change().unwrap();
        assert!(look <= at + LOOK_EVERY + Micros::from_millis(5), "{look:?}");
        assert!(!board.is_attached(look));
        ask(&mut probe, look, &[0xF2, 0x3C, 1]);
        assert!(board.is_attached(look + Micros::from_secs(2)), "the ROM runs again");
    }

    #[test]
    fn time_does_not_run_backwards_for_the_board() {
        let (mut board, mut probe) = sides();
        board.power_on(Micros::ZERO);
        probe.power_on(Micros::ZERO);
        let (earlier, later) = (Micros::from_secs(2), Micros::from_secs(3));
        ask(&mut probe, later, &[0xF2, 0x30, 0xA3]);
        let answer = board.control(earlier, &command::get_status(0));
        assert!(answer.ready_at > later, "{answer:?}");
    }
}
