//! The two wires bit by bit (ADIv5, chapter B4): requests are read, acknowledges and words are driven.

use std::collections::VecDeque;

use super::super::board::VirtualBoard;
use super::target::Acknowledged;
use crate::observation::units::Micros;
use crate::swd::transaction::{Ack, Port, Request, Response};

/// The target's end of SWDIO. One call of [`Self::clock`] is one clock.
#[derive(Clone, Debug, Default)]
pub struct Swdio {
    phase: Phase,
    /// Clocks in a row with SWDIO driven high.
    ones: u32,
}

#[derive(Clone, Debug, Default)]
enum Phase {
    /// Only a line reset helps.
    #[default]
    Deaf,
    Idle,
    Request {
        bits: u8,
        count: u8,
    },
    /// The target drives; then, for a write, the host's word comes.
    Answer {
        bits: VecDeque<bool>,
        then: Option<Write>,
    },
    Word {
        write: Write,
        bits: u64,
        count: u8,
    },
}

/// A write whose word is still to come.
#[derive(Clone, Copy, Debug)]
struct Write {
    port: Port,
    address: u8,
    acknowledged: Acknowledged,
}

const LINE_RESET_CLOCKS: u32 = 50;

impl Swdio {
    /// `driven` is what the host puts on the line; `None` while it listens. Returns the level of the line.
    pub fn clock(&mut self, board: &mut VirtualBoard, at: Micros, driven: Option<bool>) -> bool {
        self.ones = if driven == Some(true) { self.ones + 1 } else { 0 };
        if self.ones >= LINE_RESET_CLOCKS {
            if self.ones == LINE_RESET_CLOCKS {
                board.swd_line_reset(at);
            }
            self.phase = Phase::Idle;
            return true;
        }
        // Nobody drives: the pull-up does.
        let mut level = driven.unwrap_or(true);
        self.phase = match (std::mem::take(&mut self.phase), driven) {
            (Phase::Idle, Some(true)) => Phase::Request { bits: 1, count: 1 },
            (Phase::Idle, _) => Phase::Idle,
            (Phase::Request { bits, count }, Some(bit)) => {
                let bits = bits | u8::from(bit) << count;
                if count == 7 { answer(board, at, bits) } else { Phase::Request { bits, count: count + 1 } }
            }
            (Phase::Answer { mut bits, then }, None) => {
                level = bits.pop_front().unwrap_or(true);
                match (bits.is_empty(), then) {
                    (false, then) => Phase::Answer { bits, then },
                    (true, Some(write)) => Phase::Word { write, bits: 0, count: 0 },
                    (true, None) => Phase::Idle,
                }
            }
            (Phase::Word { write, bits, count }, Some(bit)) => {
                let bits = bits | u64::from(bit) << count;
                if count == 32 { take(board, at, write, bits) } else { Phase::Word { write, bits, count: count + 1 } }
            }
            _ => Phase::Deaf,
        };
        level
    }
}

/// Start, port, read, two address bits, parity, stop, park. Hosts clock through all bits whatever the acknowledge says.
fn answer(board: &mut VirtualBoard, at: Micros, bits: u8) -> Phase {
    const TURNAROUND: [bool; 2] = [false; 2];
    const WORD_PARITY_TURNAROUND: usize = 35;
    let bit = |number: u8| bits >> number & 1 == 1;
    let (access, read, a2, a3) = (bit(1), bit(2), bit(3), bit(4));
    if bit(6) || !bit(7) || bit(5) != access ^ read ^ a2 ^ a3 {
        return Phase::Deaf;
    }
    let port = if access { Port::Access } else { Port::Debug };
    let address = u8::from(a2) << 2 | u8::from(a3) << 3;
    let request = if read { Request::read(port, address) } else { Request::write(port, address, 0) };
    let acknowledged = board.swd_acknowledge(at, request);
    let mut driven: VecDeque<bool> = levels(acknowledged.ack).into();
    if !read {
        driven.extend(TURNAROUND);
        return Phase::Answer { bits: driven, then: Some(Write { port, address, acknowledged }) };
    }
    match board.swd_carry_out(at, request, acknowledged) {
        Response { data: Some(word), parity_fits, .. } => {
            driven.extend((0..32).map(|n| word >> n & 1 == 1));
            driven.push_back((word.count_ones() % 2 == 1) == parity_fits);
            driven.extend(TURNAROUND);
        }
        Response { ack, .. } => driven.extend(std::iter::repeat_n(ack == Ack::None, WORD_PARITY_TURNAROUND)),
    }
    Phase::Answer { bits: driven, then: None }
}

fn take(board: &mut VirtualBoard, at: Micros, write: Write, bits: u64) -> Phase {
    let word = bits as u32;
    if (word.count_ones() % 2 == 1) == (bits >> 32 == 1) {
        board.swd_carry_out(at, Request::write(write.port, write.address, word), write.acknowledged);
    } else if write.acknowledged.ack == Ack::Ok {
        board.swd_write_was_garbled();
    }
    Phase::Idle
}

/// As they come on the line, first bit first.
const fn levels(ack: Ack) -> [bool; 3] {
    match ack {
        Ack::Ok => [true, false, false],
        Ack::Wait => [false, true, false],
        Ack::Fault => [false, false, true],
        Ack::None => [true; 3],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swd::transaction::dp;

    struct Host {
        board: VirtualBoard,
        line: Swdio,
        at: Micros,
    }

    impl Host {
        fn new() -> Self {
            let mut board = VirtualBoard::by_name("healthy-f407", 1).unwrap();
            board.power_on(Micros::ZERO);
            let mut host = Self { board, line: Swdio::default(), at: Micros::from_secs(1) };
            host.reset();
            host
        }

        fn reset(&mut self) {
            (0..56).for_each(|_| self.drive(true));
            (0..2).for_each(|_| self.drive(false));
        }

        fn drive(&mut self, bit: bool) {
            self.at += Micros(1);
            self.line.clock(&mut self.board, self.at, Some(bit));
        }

        fn listen(&mut self, count: usize) -> Vec<bool> {
            (0..count).map(|_| self.line.clock(&mut self.board, self.at, None)).collect()
        }

        fn request(&mut self, port: Port, address: u8, read: bool) -> Vec<bool> {
            let (access, a2, a3) = (port == Port::Access, address & 4 != 0, address & 8 != 0);
            let parity = access ^ read ^ a2 ^ a3;
            for bit in [true, access, read, a2, a3, parity, false, true] {
                self.drive(bit);
            }
            self.listen(3)
        }

        fn read(&mut self, port: Port, address: u8) -> (Vec<bool>, u32, bool) {
            let ack = self.request(port, address, true);
            let bits = self.listen(35);
            let word = (0..32).fold(0, |word, n| word | u32::from(bits[n]) << n);
            (ack, word, (word.count_ones() % 2 == 1) == bits[32])
        }

        fn write(&mut self, port: Port, address: u8, word: u32, parity: bool) -> Vec<bool> {
            let ack = self.request(port, address, false);
            self.listen(2);
            (0..32).for_each(|n| self.drive(word >> n & 1 == 1));
            self.drive(parity);
            ack
        }
    }

    const OK: [bool; 3] = [true, false, false];
    const FAULT: [bool; 3] = [false, false, true];

    #[test]
    fn the_identity_comes_out_bit_by_bit() {
        assert_eq!(Host::new().read(Port::Debug, dp::DPIDR), (OK.to_vec(), 0x2BA0_1477, true));
    }

    #[test]
    fn nothing_is_heard_before_a_line_reset_nor_after_a_wrong_parity() {
        let mut host = Host::new();
        host.line = Swdio::default();
        assert_eq!(host.request(Port::Debug, 0, true), [true; 3]);
        host.reset();
        for bit in [true, false, true, false, false, false, false, true] {
            host.drive(bit);
        }
        assert_eq!(host.listen(3), [true; 3], "the parity of the request was wrong");
        host.reset();
        assert_eq!(host.read(Port::Debug, dp::DPIDR).0, OK);
    }

    #[test]
    fn a_word_with_wrong_parity_is_not_taken_and_leaves_its_flag() {
        let mut host = Host::new();
        assert_eq!(host.write(Port::Debug, dp::CTRL_STAT, dp::POWER_REQUESTS, false), OK);
        let (_, status, _) = host.read(Port::Debug, dp::CTRL_STAT);
        assert_eq!(status & dp::POWER_ACKNOWLEDGES, dp::POWER_ACKNOWLEDGES);
        host.write(Port::Debug, dp::CTRL_STAT, 0, true);
        assert_eq!(host.read(Port::Debug, dp::CTRL_STAT).1 & dp::WRITE_DATA_ERROR, dp::WRITE_DATA_ERROR);
        assert_eq!(host.read(Port::Debug, dp::RDBUFF).0, FAULT);
    }
}
