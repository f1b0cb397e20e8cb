//! The firmware of a CMSIS-DAP v2 probe: transactions as the host orders them, and nothing clever.
//!
//! Source: the CMSIS-DAP protocol of ARM (commands, acknowledge bits) and lab notes on what probe-rs sends.

use super::wires::{Firmware, Wires};
use crate::observation::units::Micros;
use crate::swd::transaction::{Ack, Port, Request, Response, dp};

#[derive(Debug)]
pub struct CmsisDap {
    serial: String,
    wait_retries: u16,
    match_retries: u16,
    match_mask: u32,
}

const UNKNOWN_COMMAND: u8 = 0xFF;
const PACKET_BYTES: u16 = 512;
const PACKETS: u8 = 1;
/// Of DAP_Info.
const ONLY_SWD: u8 = 1;
/// Bits of a transfer's acknowledge beyond the three of the wire.
const PROTOCOL_ERROR: u8 = 8;
const MISMATCH: u8 = 0x10;
/// So many ones in a row reset the debug port.
const LINE_RESET_BITS: usize = 50;

impl CmsisDap {
    pub fn new(serial: &str) -> Self {
        Self { serial: serial.to_owned(), wait_retries: 100, match_retries: 0, match_mask: u32::MAX }
    }

    fn answer(&mut self, data: &[u8], wires: &mut Wires) -> Option<Vec<u8>> {
        let mut arguments = Arguments { rest: data.get(1..).unwrap_or_default() };
        let status: &[u8] = match data.first()? {
            0x00 => return Some(self.info(arguments.byte())),
            0x02 => &[1],
            0x04 => {
                arguments.byte();
                (self.wait_retries, self.match_retries) = (arguments.half(), arguments.half());
                &[0]
            }
            0x05 => return Some(self.transfer(&mut arguments, wires)),
            0x06 => return Some(self.transfer_block(&mut arguments, wires)),
            // An abort ends a transfer under way, and has no answer.
            0x07 => return None,
            0x08 => {
                arguments.byte();
                let abort = Request::write(Port::Debug, dp::ABORT, arguments.word());
                let response = on_wires(wires, |wires, at| wires.transact(at, abort));
                if response.ack == Ack::Ok { &[0] } else { &[0xFF] }
            }
            0x0A => &[0, 0],
            0x10 => return Some(vec![0x10, pins(&mut arguments, wires)]),
            0x11 => {
                wires.set_kilohertz(arguments.word() / 1_000);
                &[0]
            }
            0x12 => {
                sequence(&mut arguments, wires);
                &[0]
            }
            // Lights, the end of a session, a delay, the turnaround: nothing to do.
            0x01 | 0x03 | 0x09 | 0x13 => &[0],
            _ => return Some(vec![UNKNOWN_COMMAND]),
        };
        Some([&data[..1], status].concat())
    }

    fn info(&self, which: u8) -> Vec<u8> {
        let content = match which {
            0x01 => text("flakescope"),
            0x02 => text("Virtual CMSIS-DAP"),
            0x03 => text(&self.serial),
            0x04 => text("2.1.0"),
            0xF0 => vec![ONLY_SWD],
            0xFE => vec![PACKETS],
            0xFF => PACKET_BYTES.to_le_bytes().to_vec(),
            _ => Vec::new(),
        };
        [&[0x00, content.len() as u8], content.as_slice()].concat()
    }

    fn transfer(&mut self, arguments: &mut Arguments<'_>, wires: &mut Wires) -> Vec<u8> {
        arguments.byte();
        let count = arguments.byte();
        let (mut done, mut acknowledge, mut words) = (0, 0, Vec::new());
        for _ in 0..count {
            let order = Order(arguments.byte());
            let word = order.takes_a_word().then(|| arguments.word());
            acknowledge = on_wires(wires, |wires, at| self.one(order, word, wires, at, &mut words));
            if acknowledge != 1 {
                break;
            }
            done += 1;
        }
        [&[0x05, done, acknowledge], words.as_slice()].concat()
    }

    fn transfer_block(&mut self, arguments: &mut Arguments<'_>, wires: &mut Wires) -> Vec<u8> {
        arguments.byte();
        let (count, order) = (arguments.half(), Order(arguments.byte()));
        let (mut done, mut acknowledge, mut words) = (0_u16, 0, Vec::new());
        for _ in 0..count {
            let word = order.takes_a_word().then(|| arguments.word());
            acknowledge = on_wires(wires, |wires, at| self.one(order, word, wires, at, &mut words));
            if acknowledge != 1 {
                break;
            }
            done += 1;
            // What does not fit into the answer is not done.
            if words.len() + 8 > usize::from(PACKET_BYTES) {
                break;
            }
        }
        let [low, high] = done.to_le_bytes();
        [&[0x06, low, high, acknowledge], words.as_slice()].concat()
    }

    /// One order of a transfer; a word that was read is appended. The acknowledge, as the protocol counts.
    fn one(&mut self, order: Order, word: Option<u32>, wires: &mut Wires, at: &mut Micros, words: &mut Vec<u8>) -> u8 {
        match (order.is_read(), word) {
            (false, Some(mask)) if order.sets_mask() => {
                self.match_mask = mask;
                1
            }
            (false, word) => {
                let request = Request { write: Some(word.unwrap_or(0)), ..order.request() };
                code(self.patiently(request, wires, at))
            }
            (true, Some(wanted)) => self.until_matches(order, wanted, wires, at),
            (true, None) => {
                let response = self.read(order, wires, at);
                if let (Ack::Ok, Some(data)) = (response.ack, response.data) {
                    words.extend(data.to_le_bytes());
                }
                code(response)
            }
        }
    }

    /// What an access port answers comes with the next transaction.
    fn read(&self, order: Order, wires: &mut Wires, at: &mut Micros) -> Response {
        let response = self.patiently(order.request(), wires, at);
        if order.request().port == Port::Debug || response.ack != Ack::Ok {
            return response;
        }
        self.patiently(Request::read(Port::Debug, dp::RDBUFF), wires, at)
    }

    fn until_matches(&self, order: Order, wanted: u32, wires: &mut Wires, at: &mut Micros) -> u8 {
        for _ in 0..=self.match_retries {
            let response = self.read(order, wires, at);
            match response.data {
                Some(data) if data & self.match_mask == wanted => return code(response),
                Some(_) => {}
                None => return code(response),
            }
        }
        1 | MISMATCH
    }

    fn patiently(&self, request: Request, wires: &mut Wires, at: &mut Micros) -> Response {
        let mut response = wires.transact(at, request);
        for _ in 0..self.wait_retries {
            if response.ack != Ack::Wait {
                break;
            }
            response = wires.transact(at, request);
        }
        response
    }
}

impl Firmware for CmsisDap {
    fn packet(&mut self, data: &[u8], wires: &mut Wires) -> Option<Vec<u8>> {
        self.answer(data, wires)
    }

    fn restart(&mut self) {
        *self = Self::new(&std::mem::take(&mut self.serial));
    }
}

/// The byte that describes a transfer.
#[derive(Clone, Copy)]
struct Order(u8);

impl Order {
    const fn is_read(self) -> bool {
        self.0 & 2 != 0
    }

    const fn sets_mask(self) -> bool {
        self.0 & 0x20 != 0
    }

    const fn takes_a_word(self) -> bool {
        !self.is_read() || self.0 & 0x10 != 0
    }

    const fn request(self) -> Request {
        let port = if self.0 & 1 != 0 { Port::Access } else { Port::Debug };
        Request::read(port, self.0 & 0xC)
    }
}

/// Parity that does not fit counts as a protocol error.
const fn code(response: Response) -> u8 {
    match response.ack {
        Ack::Ok if response.parity_fits => 1,
        Ack::Ok => PROTOCOL_ERROR,
        Ack::Wait => 2,
        Ack::Fault => 4,
        Ack::None => 7,
    }
}

/// Lends the wires with the moment at which they are free, and notes how long it took.
fn on_wires<T>(wires: &mut Wires, work: impl FnOnce(&mut Wires, &mut Micros) -> T) -> T {
    let mut at = wires.host.now();
    let result = work(wires, &mut at);
    wires.host.begin(at);
    result
}

/// Enough ones in a row are a line reset; everything else, such as the switch from JTAG, changes nothing here.
fn sequence(arguments: &mut Arguments<'_>, wires: &mut Wires) {
    let bits = match arguments.byte() {
        0 => 256,
        bits => usize::from(bits),
    };
    let bit = |number: usize| arguments.rest.get(number / 8).is_some_and(|byte| byte >> (number % 8) & 1 == 1);
    let ones = (0..bits).take_while(|number| bit(*number)).count();
    if ones >= LINE_RESET_BITS {
        on_wires(wires, |wires, at| wires.board.swd_line_reset(*at));
    }
}

fn pins(arguments: &mut Arguments<'_>, wires: &mut Wires) -> u8 {
    const NRST: u8 = 0x80;
    let (levels, which) = (arguments.byte(), arguments.byte());
    if which & NRST != 0 {
        let at = wires.host.now();
        wires.board.nrst(at, levels & NRST == 0);
    }
    levels
}

fn text(text: &str) -> Vec<u8> {
    text.bytes().chain([0]).collect()
}

/// What follows the command; what is missing reads as zero.
struct Arguments<'a> {
    rest: &'a [u8],
}

impl Arguments<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *first
    }

    fn half(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    fn word(&mut self) -> u32 {
        u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }
}
