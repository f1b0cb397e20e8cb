//! A probe on the bus: its endpoints, and what troubles its own USB link.

use std::collections::VecDeque;

use super::cmsis_dap::CmsisDap;
use super::kind::ProbeKind;
use super::stlink::StLink;
use super::usb::{Endpoint, ProbeUsb};
use super::wires::{Firmware, Wires};
use crate::bench::board::{Answer, Reply, VirtualBoard};
use crate::bench::swd::mechanism::probe_outage::Trouble;
use crate::bench::usbip::device::{Device, Identity};
use crate::dfu::request::ControlRequest;
use crate::observation::units::Micros;

const EMPTY_PACKET_EVERY: Micros = Micros::from_millis(5);

/// A board behind a probe, to be served instead of the board's own USB.
#[derive(Debug)]
pub struct ServedProbe {
    name: String,
    usb: ProbeUsb,
    wires: Wires,
    firmware: Box<dyn Firmware>,
    /// Not yet fetched, with the moment at which it is ready.
    answers: VecDeque<(Micros, Vec<u8>)>,
    stalled: bool,
    /// Sends nothing but empty packets until its supply has been off.
    hung: bool,
    powered: bool,
    /// Off the bus until then.
    away_until: Option<Micros>,
}

impl ServedProbe {
    pub fn new(kind: ProbeKind, board: VirtualBoard) -> Self {
        let serial = board.swd_setup().probe.serial.clone();
        let firmware: Box<dyn Firmware> = match kind {
            ProbeKind::StLinkV2_1 | ProbeKind::StLinkV3 => Box::new(StLink::new(kind, &board.swd_setup().probe)),
            ProbeKind::CmsisDap => Box::new(CmsisDap::new(&serial)),
        };
        Self {
            name: format!("{} behind {kind}", board.name),
            usb: kind.on_usb(&serial),
            wires: Wires::new(board),
            firmware,
            answers: VecDeque::new(),
            stalled: false,
            hung: false,
            powered: false,
            away_until: None,
        }
    }

    pub const fn board(&self) -> &VirtualBoard {
        &self.wires.board
    }

    pub const fn board_mut(&mut self) -> &mut VirtualBoard {
        &mut self.wires.board
    }

    /// The wires are in use until then.
    pub const fn busy_until(&self) -> Micros {
        self.wires.host.now()
    }

    /// Switches the probe itself; the board keeps its own supply.
    pub fn supply(&mut self, on: bool) {
        self.powered = on;
        self.away_until = None;
        if !on {
            self.answers.clear();
            self.stalled = false;
            self.hung = false;
            self.firmware.restart();
        }
    }

    fn has(&self, endpoint: Endpoint) -> bool {
        self.usb.endpoints.contains(&endpoint)
    }

    /// The first of each direction carries commands and answers.
    fn is_for_answers(&self, number: u8) -> bool {
        let first = self.usb.endpoints.iter().find(|endpoint| matches!(endpoint, Endpoint::In(_)));
        first == Some(&Endpoint::In(number))
    }
}

impl Device for ServedProbe {
    fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> Identity {
        Identity {
            vendor: self.usb.vendor,
            product: self.usb.product,
            bcd_device: self.usb.bcd_device,
            speed: self.usb.speed,
            interfaces: vec![self.usb.class],
        }
    }

    /// The board hangs on the same switch.
    fn power_on(&mut self, at: Micros) {
        self.supply(true);
        self.wires.board.power_on(at);
    }

    fn power_off(&mut self, at: Micros) {
        self.supply(false);
        self.wires.board.power_off(at);
    }

    fn is_attached(&mut self, at: Micros) -> bool {
        if self.away_until.is_some_and(|until| until <= at) {
            self.away_until = None;
        }
        self.powered && self.away_until.is_none()
    }

    fn next_change(&self) -> Option<Micros> {
        self.away_until.filter(|_| self.powered)
    }

    fn control(&mut self, at: Micros, request: &ControlRequest) -> Answer {
        // Clear halt.
        if (request.request_type, request.request) == (0x02, 1) {
            self.stalled = false;
        }
        Answer { reply: self.usb.answer(request), ready_at: at + Micros(50) }
    }

    fn send(&mut self, at: Micros, endpoint: u8, data: &[u8]) -> Answer {
        let answer = |reply| Answer { reply, ready_at: at + Micros(20) };
        if !self.has(Endpoint::Out(endpoint)) {
            return answer(Reply::Stall);
        }
        if self.hung {
            return answer(Reply::Data(Vec::new()));
        }
        match self.wires.board.probe_trouble() {
            Some(Trouble::Stall) => self.stalled = true,
            Some(Trouble::Mute) => return answer(Reply::Data(Vec::new())),
            Some(Trouble::Hang) => self.hung = true,
            Some(Trouble::Drop { away }) => {
                self.away_until = Some(at + away);
                self.answers.clear();
                return answer(Reply::Gone);
            }
            None => {
                self.wires.host.begin(at);
                if let Some(bytes) = self.firmware.packet(data, &mut self.wires) {
                    let ready = self.wires.host.now() + Micros(self.wires.board.swd_setup().probe.command_us);
                    self.answers.push_back((ready, bytes));
                }
            }
        }
        answer(Reply::Data(Vec::new()))
    }

    fn receive(&mut self, at: Micros, endpoint: u8, most_bytes: u32) -> Option<Answer> {
        if !self.has(Endpoint::In(endpoint)) || self.stalled {
            return Some(Answer { reply: Reply::Stall, ready_at: at });
        }
        // Another endpoint carries trace, of which there is none.
        if !self.is_for_answers(endpoint) {
            return None;
        }
        if self.hung {
            return Some(Answer { reply: Reply::Data(Vec::new()), ready_at: at + EMPTY_PACKET_EVERY });
        }
        let (ready, mut bytes) = self.answers.pop_front()?;
        let rest = bytes.split_off(bytes.len().min(most_bytes as usize));
        if !rest.is_empty() {
            self.answers.push_front((ready, rest));
        }
        Some(Answer { reply: Reply::Data(bytes), ready_at: at.max(ready) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(kind: ProbeKind) -> ServedProbe {
        let mut probe = ServedProbe::new(kind, VirtualBoard::by_name("healthy-f407", 1).unwrap());
        probe.power_on(Micros::ZERO);
        assert!(probe.is_attached(Micros::from_secs(1)));
        probe
    }

    fn ask(probe: &mut ServedProbe, at: Micros, command: &[u8]) -> Vec<u8> {
        probe.send(at, 1, command);
        let answer = probe.receive(at, 1, 4096).unwrap();
        assert!(answer.ready_at > at);
        let Reply::Data(bytes) = answer.reply else { panic!("{:?}", answer.reply) };
        bytes
    }

    #[test]
    fn an_st_link_tells_version_voltage_and_identity() {
        let mut probe = probe(ProbeKind::StLinkV2_1);
        let at = Micros::from_secs(1);
        let version = ask(&mut probe, at, &[0xF1, 0x80]);
        assert_eq!(version, [0x2A, 0x1B, 0x83, 0x04, 0x4B, 0x37], "V2J40M27");
        let voltage = ask(&mut probe, at, &[0xF7]);
        let word = |at: usize| u32::from_le_bytes(voltage[at..at + 4].try_into().unwrap());
        let volts = 2.4 * f64::from(word(4)) / f64::from(word(0));
        assert!((3.25..3.35).contains(&volts), "{volts}");
        assert_eq!(ask(&mut probe, at, &[0xF2, 0x30, 0xA3]), [0x80, 0]);
        assert_eq!(ask(&mut probe, at, &[0xF2, 0x31])[4..8], [0x77, 0x14, 0xA0, 0x2B]);
    }

    #[test]
    fn an_st_link_reads_what_the_board_holds_and_says_what_went_wrong() {
        let mut probe = probe(ProbeKind::StLinkV3);
        let at = Micros::from_secs(1);
        ask(&mut probe, at, &[0xF2, 0x30, 0xA3]);
        let read = ask(&mut probe, at, &[0xF2, 0x07, 0x00, 0x01, 0x00, 0x08, 0x00, 0x01]);
        let holds = probe.wires.board.memory().read(crate::observation::units::Address(0x0800_0100), 256);
        assert_eq!(Some(read), holds);
        assert_eq!(ask(&mut probe, at, &[0xF2, 0x3E])[0], 0x80);
        ask(&mut probe, at, &[0xF2, 0x07, 0x00, 0x00, 0x00, 0x90, 0x04, 0x00]);
        assert_eq!(ask(&mut probe, at, &[0xF2, 0x3E])[0], 0x11, "nothing answers there");
        assert_eq!(ask(&mut probe, at, &[0xF2, 0x36, 0x00, 0x20, 0x04, 0xE0])[4..6], [0x13, 0x04], "DEV_ID");
        assert_eq!(ask(&mut probe, at, &[0xF2, 0x99])[0], 0x42);
    }

    #[test]
    fn a_cmsis_dap_probe_transfers_words_and_blocks() {
        let mut probe = probe(ProbeKind::CmsisDap);
        let at = Micros::from_secs(1);
        let mut ask = |command: &[u8]| {
            probe.send(at, 2, command);
            let Some(Answer { reply: Reply::Data(bytes), .. }) = probe.receive(at, 2, 512) else { panic!("no answer") };
            bytes
        };
        assert_eq!(ask(&[0x00, 0xFF]), [0x00, 2, 0x00, 0x02]);
        assert_eq!(ask(&[0x02, 1]), [0x02, 1]);
        ask(&[0x12, 56, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert_eq!(ask(&[0x05, 0, 1, 0x02]), [0x05, 1, 1, 0x77, 0x14, 0xA0, 0x2B]);
        // Power, then CSW and TAR, then a block of four words.
        ask(&[0x05, 0, 1, 0x04, 0, 0, 0, 0x50]);
        ask(&[0x05, 0, 3, 0x08, 0, 0, 0, 0, 0x01, 0x52, 0, 0, 0x23, 0x05, 0, 0, 0, 0x08]);
        let block = ask(&[0x06, 0, 4, 0, 0x0F]);
        assert_eq!(block[..4], [0x06, 4, 0, 1]);
        let holds = probe.wires.board.memory().read(crate::observation::units::Address(0x0800_0000), 16);
        assert_eq!(Some(block[4..].to_vec()), holds);
    }

    #[test]
    fn a_probe_that_hangs_sends_empty_packets_until_its_supply_has_been_off() {
        let hangs = "[swd.mechanism.probe-outage]\nhangs = 1.0\n";
        let text =
            format!("text = \"A board.\"\npart = \"STM32F407VGT6\"\nrom = \"f40x-v9\"\ncrystal-mhz = 8.0\n{hangs}");
        let board = VirtualBoard::from_toml("b.toml", &text, 1).unwrap();
        let mut probe = ServedProbe::new(ProbeKind::StLinkV2_1, board);
        probe.power_on(Micros::ZERO);
        for seconds in 1..4 {
            assert!(ask(&mut probe, Micros::from_secs(seconds), &[0xF1, 0x80]).is_empty());
        }
        let at = Micros::from_secs(4);
        probe.power_off(at);
        assert_eq!(probe.receive(at, 1, 64), None);
    }

    #[test]
    fn a_read_of_trace_waits_and_a_strange_endpoint_stalls() {
        let mut probe = probe(ProbeKind::StLinkV2_1);
        assert_eq!(probe.receive(Micros::ZERO, 2, 64), None);
        assert_eq!(probe.receive(Micros::ZERO, 7, 64).unwrap().reply, Reply::Stall);
        assert_eq!(probe.send(Micros::ZERO, 3, &[0xF1]).reply, Reply::Stall);
    }
}
