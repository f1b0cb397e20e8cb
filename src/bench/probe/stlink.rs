//! The firmware of an ST-Link V2-1 or V3: the commands that probe-rs, OpenOCD and st-info send, in front of the board's debug pins.
//!
//! Source: lab notes on probe-rs 0.32 (commands, lengths of answers), OpenOCD's and stlink's names of the commands. What the
//! real firmware does by itself, its retries and its timing, is not documented and not modelled.

use super::kind::{ProbeKind, ST};
use super::stlink_reply::{self as reply, OK, UNKNOWN_COMMAND};
use super::wires::{Firmware, Wires};
use crate::bench::swd::dap_host::DapFault;
use crate::bench::swd::setup::ProbeSetup;
use crate::observation::units::Address;
use crate::swd::stlink_firmware::ProbeFirmware;

#[derive(Debug)]
pub struct StLink {
    kind: ProbeKind,
    product: u16,
    firmware: ProbeFirmware,
    speeds: Vec<u32>,
    mode: Mode,
    /// A write whose data is still to come.
    writing: Option<Writing>,
    /// Of the last block access.
    last: u8,
}

/// As GET_CURRENT_MODE counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Mass = 1,
    Debug = 2,
}

#[derive(Debug)]
struct Writing {
    unit_bytes: u32,
    address: Address,
    length: usize,
    data: Vec<u8>,
}

const SYSTEM_RESET: (Address, u32) = (Address(0xE000_ED0C), 0x05FA_0004);
const HALTING: Address = Address(0xE000_EDF0);
const SELECT_REGISTER: Address = Address(0xE000_EDF4);
const REGISTER_DATA: Address = Address(0xE000_EDF8);
const REGISTERS: u32 = 21;
/// Divisor of SWD_SET_FREQ and the speed that it stands for.
const DIVISORS: [(u16, u32); 12] = [
    (0, 4_000),
    (1, 1_800),
    (2, 1_200),
    (3, 950),
    (7, 480),
    (15, 240),
    (31, 125),
    (40, 100),
    (79, 50),
    (158, 25),
    (265, 15),
    (798, 5),
];
const V3_KILOHERTZ: [u32; 7] = [24_000, 8_000, 3_300, 1_000, 200, 50, 5];
const V3_FIRMWARE: &str = "V3J15M7";

impl StLink {
    pub fn new(kind: ProbeKind, setup: &ProbeSetup) -> Self {
        let hardware = if kind == ProbeKind::StLinkV3 { 3 } else { 2 };
        // A board file that says nothing of its probe names a V2-1.
        let said = setup.firmware.parse().ok().filter(|firmware: &ProbeFirmware| firmware.hardware == hardware);
        let usual = if hardware == 3 { V3_FIRMWARE } else { "V2J40M27" };
        Self {
            kind,
            product: kind.on_usb("").product,
            firmware: said.unwrap_or_else(|| usual.parse().expect("it is a version")),
            speeds: if hardware == 3 { V3_KILOHERTZ.to_vec() } else { setup.kilohertz.clone() },
            mode: Mode::Mass,
            writing: None,
            last: OK,
        }
    }

    fn command(&mut self, command: &Command, wires: &mut Wires) -> Option<Vec<u8>> {
        match command.bytes[0] {
            0xF1 => Some(reply::version(&self.firmware, ST, self.product)),
            0xFB if self.kind == ProbeKind::StLinkV3 => Some(reply::version_extended(&self.firmware, ST, self.product)),
            0xF5 => Some(vec![self.mode as u8, 0]),
            0xF7 => Some(voltage(wires)),
            // Out of the modes for updates and for SWIM; neither has an answer.
            0xF3 | 0xF4 => None,
            0xF2 => self.debug(command, wires),
            _ => Some(vec![UNKNOWN_COMMAND, 0]),
        }
    }

    fn debug(&mut self, command: &Command, wires: &mut Wires) -> Option<Vec<u8>> {
        let short = |result: Result<(), DapFault>| Some(vec![reply::of(&result), 0]);
        let word = |result: Result<u32, DapFault>| Some(reply::with_words(reply::of(&result), &[result.unwrap_or(0)]));
        match command.bytes[1] {
            0x21 => {
                self.mode = Mode::Mass;
                // Whether the target still listens changes nothing for the host.
                let _ = wires.host.disconnect(&mut wires.board);
                None
            }
            0x30 => short(self.enter(wires)),
            0x31 => {
                let identity = wires.host.read_dp(&mut wires.board, 0, 0);
                Some(reply::with_words(reply::of(&identity), &[identity.unwrap_or(0), 0]))
            }
            0x22 => wires.host.read_dp(&mut wires.board, 0, 0).ok().map(|identity| identity.to_le_bytes().to_vec()),
            0x32 => short(wires.write(SYSTEM_RESET.0, SYSTEM_RESET.1)),
            0x33 => word(wires.core_register(command.bytes[2].into())),
            0x34 => short(wires.set_core_register(command.bytes[2].into(), command.word(3))),
            0x35 => short(wires.write(Address(command.word(2)), command.word(6))),
            0x36 => word(wires.read(Address(command.word(2)))),
            0x3A => Some(all_registers(wires)),
            0x3B => Some(vec![self.last, 0]),
            0x3E => Some(reply::with_words(self.last, &[0, 0])),
            0x3C => {
                drive_reset(command.bytes[2], wires);
                short(Ok(()))
            }
            // Trace is started and stopped, and there is none; access ports need no preparation.
            0x40 | 0x41 | 0x4B | 0x4C => Some(vec![OK, 0]),
            0x43 => Some(self.set_divisor(command.half(2), wires)),
            0x45 => word(access(command, None, wires)),
            0x46 => short(access(command, Some(command.word(6)), wires).map(|_| ())),
            0x61 if self.kind == ProbeKind::StLinkV3 => Some(self.set_speed(command.word(4), wires)),
            0x62 if self.kind == ProbeKind::StLinkV3 => Some(self.speeds(wires)),
            0x07 => Some(self.read_block(command, 4, wires)),
            0x0C => Some(self.read_block(command, 1, wires)),
            0x47 => Some(self.read_block(command, 2, wires)),
            0x08 => self.begin_write(command, 4),
            0x0D => self.begin_write(command, 1),
            0x48 => self.begin_write(command, 2),
            _ => Some(vec![UNKNOWN_COMMAND, 0]),
        }
    }

    fn enter(&mut self, wires: &mut Wires) -> Result<(), DapFault> {
        wires.host.connect(&mut wires.board)?;
        self.mode = Mode::Debug;
        Ok(())
    }

    fn set_divisor(&self, divisor: u16, wires: &mut Wires) -> Vec<u8> {
        const UNSUPPORTED: u8 = 0x41;
        let known = DIVISORS.iter().find(|(number, _)| *number == divisor);
        let Some((_, kilohertz)) = known.filter(|(_, it)| self.speeds.contains(it)) else {
            return vec![UNSUPPORTED, 0];
        };
        wires.set_kilohertz(*kilohertz);
        vec![OK, 0]
    }

    fn set_speed(&self, kilohertz: u32, wires: &mut Wires) -> Vec<u8> {
        let fitting = self.speeds.iter().copied().filter(|speed| *speed <= kilohertz).max();
        wires.set_kilohertz(fitting.or_else(|| self.speeds.iter().copied().min()).unwrap_or(kilohertz));
        reply::with_words(OK, &[wires.host.kilohertz()])
    }

    fn speeds(&self, wires: &Wires) -> Vec<u8> {
        const LENGTH: usize = 52;
        let count = self.speeds.len() as u32;
        let words: Vec<u32> = [wires.host.kilohertz(), count].into_iter().chain(self.speeds.iter().copied()).collect();
        let mut bytes = reply::with_words(OK, &words);
        bytes.resize(LENGTH, 0);
        bytes
    }

    /// What cannot be read arrives as zeros; the status, which is asked for separately, tells.
    fn read_block(&mut self, command: &Command, unit_bytes: u32, wires: &mut Wires) -> Vec<u8> {
        let length = usize::from(command.half(6));
        let count = length / unit_bytes as usize;
        let read = wires.host.read_memory(&mut wires.board, Address(command.word(2)), unit_bytes, count);
        self.settle(reply::of(&read), wires);
        let mut bytes = read.unwrap_or_default();
        // A single byte travels as two.
        bytes.resize(length.max(2), 0);
        bytes
    }

    fn begin_write(&mut self, command: &Command, unit_bytes: u32) -> Option<Vec<u8>> {
        let (address, length) = (Address(command.word(2)), usize::from(command.half(6)));
        self.writing = Some(Writing { unit_bytes, address, length, data: Vec::new() });
        None
    }

    fn go_on_writing(&mut self, mut writing: Writing, data: &[u8], wires: &mut Wires) {
        writing.data.extend(data);
        if writing.data.len() < writing.length {
            self.writing = Some(writing);
            return;
        }
        writing.data.truncate(writing.length);
        let Writing { unit_bytes, address, data, .. } = writing;
        let written = wires.host.write_memory(&mut wires.board, address, unit_bytes, &data);
        self.settle(reply::of(&written), wires);
    }

    fn settle(&mut self, status: u8, wires: &mut Wires) {
        self.last = status;
        if status != OK {
            wires.recover();
        }
    }
}

impl Firmware for StLink {
    fn packet(&mut self, data: &[u8], wires: &mut Wires) -> Option<Vec<u8>> {
        if let Some(writing) = self.writing.take() {
            self.go_on_writing(writing, data, wires);
            return None;
        }
        let answer = self.command(&Command::of(data), wires);
        if answer.as_ref().and_then(|bytes| bytes.first()).is_some_and(|status| (0x10..0x20).contains(status)) {
            wires.recover();
        }
        answer
    }

    fn restart(&mut self) {
        self.mode = Mode::Mass;
        self.writing = None;
        self.last = OK;
    }
}

/// Sixteen bytes; what a host leaves out is zero.
struct Command {
    bytes: [u8; 16],
}

impl Command {
    fn of(data: &[u8]) -> Self {
        let mut bytes = [0; 16];
        let length = data.len().min(16);
        bytes[..length].copy_from_slice(&data[..length]);
        Self { bytes }
    }

    fn word(&self, at: usize) -> u32 {
        u32::from_le_bytes([self.bytes[at], self.bytes[at + 1], self.bytes[at + 2], self.bytes[at + 3]])
    }

    fn half(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]])
    }
}

/// The two conversions of the probe: its reference of 1.2 V, and half of the target's voltage.
fn voltage(wires: &mut Wires) -> Vec<u8> {
    const REFERENCE: u32 = 1_489;
    let at = wires.host.now();
    let volts = wires.board.target_voltage(at).0 / 1e3;
    let target = (volts / 2.4 * f64::from(REFERENCE)).round() as u32;
    [REFERENCE, target].into_iter().flat_map(u32::to_le_bytes).collect()
}

fn drive_reset(level: u8, wires: &mut Wires) {
    let at = wires.host.now();
    match level {
        0 => wires.board.nrst(at, true),
        1 => wires.board.nrst(at, false),
        _ => {
            wires.board.nrst(at, true);
            wires.board.nrst(at, false);
        }
    }
}

/// A register of the debug port (0xFFFF) or of an access port.
fn access(command: &Command, write: Option<u32>, wires: &mut Wires) -> Result<u32, DapFault> {
    const DEBUG_PORT: u16 = 0xFFFF;
    let (port, address) = (command.half(2), command.bytes[4]);
    let Wires { board, host } = wires;
    match (port, write) {
        (DEBUG_PORT, None) => host.read_dp(board, address & 0xC, address >> 4),
        (DEBUG_PORT, Some(word)) => host.write_dp(board, address & 0xC, word).map(|()| 0),
        (port, None) => host.read_ap(board, port as u8, address),
        (port, Some(word)) => host.write_ap(board, port as u8, address, word).map(|()| 0),
    }
}

fn all_registers(wires: &mut Wires) -> Vec<u8> {
    let words: Result<Vec<u32>, DapFault> = (0..REGISTERS).map(|number| wires.core_register(number)).collect();
    reply::with_words(reply::of(&words), &words.unwrap_or_else(|_| vec![0; REGISTERS as usize]))
}

impl Wires {
    fn read(&mut self, address: Address) -> Result<u32, DapFault> {
        let bytes = self.host.read_memory(&mut self.board, address, 4, 1)?;
        Ok(bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte)))
    }

    fn write(&mut self, address: Address, word: u32) -> Result<(), DapFault> {
        self.host.write_memory(&mut self.board, address, 4, &word.to_le_bytes())
    }

    fn core_register(&mut self, number: u32) -> Result<u32, DapFault> {
        self.write(SELECT_REGISTER, number)?;
        // The core has done it by the time the next access arrives.
        self.read(HALTING)?;
        self.read(REGISTER_DATA)
    }

    fn set_core_register(&mut self, number: u32, word: u32) -> Result<(), DapFault> {
        const WRITES: u32 = 1 << 16;
        self.write(REGISTER_DATA, word)?;
        self.write(SELECT_REGISTER, number | WRITES)
    }

    /// What the firmware does after an error, whether or not the target still listens.
    fn recover(&mut self) {
        let _ = self.host.recover(&mut self.board);
    }
}
