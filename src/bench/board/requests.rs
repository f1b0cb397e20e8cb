//! Control requests over the wire: what hooks and noise make of them, and what the ROM answers.

use super::{RESET_TIME, State, VirtualBoard};
use crate::bench::attachment::Attachment;
use crate::bench::mechanism::{Mechanism, bit_clock};
use crate::bench::rom::bootloader::RomReply;
use crate::bench::surroundings::{Direction, Disturbance, Draw, Packet};
use crate::bench::trace::Happening;
use crate::bench::wire;
use crate::dfu::request::{ControlRequest, DataStage};
use crate::observation::units::Micros;
use crate::swd::reset_cause::ResetCause;

/// How a control request ended on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// What came in; empty for requests to the device.
    Data(Vec<u8>),
    Stall,
    /// Three transaction errors in a row.
    Spoilt,
    /// NAK for as long as anyone asks.
    NoAnswer,
    /// The device is not on the bus any more.
    Gone,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub reply: Reply,
    pub ready_at: Micros,
}

impl VirtualBoard {
    /// One control request over the wire.
    pub fn submit(&mut self, at: Micros, request: &ControlRequest) -> Answer {
        self.advance(at);
        let State::OnBus(attachment) = self.state else { return Answer { reply: Reply::Gone, ready_at: at } };
        if attachment.deaf || self.debug.is_halted() {
            return Answer { reply: Reply::NoAnswer, ready_at: at };
        }
        let ask = |hook: &mut Box<dyn Mechanism>| hook.request(&self.around, request, &mut self.dice);
        if let Some(disturbance) = self.hooks.iter_mut().find_map(ask) {
            return self.disturb(at, disturbance, attachment);
        }
        let touches = self.bootloader.address_of(request);
        self.hooks.iter_mut().for_each(|hook| hook.load(&mut self.around, Draw::Traffic, wire::FRAME, &mut self.dice));
        self.note_supply();
        let disturb = |hook: &mut Box<dyn Mechanism>| hook.transfer(&self.around, touches, &mut self.dice);
        if let Some(disturbance) = self.hooks.iter_mut().find_map(disturb) {
            return self.disturb(at, disturbance, attachment);
        }
        let ready = |board: &mut Self, elapsed: Micros| at + elapsed + board.pace().wake_up(&mut board.dice);
        let outward = self.carry_outward(request, attachment);
        if outward.spoilt {
            return Answer { reply: Reply::Spoilt, ready_at: ready(self, outward.elapsed) };
        }
        let answer = self.bootloader.answer(at + outward.elapsed, request);
        if answer.flash_work > Micros::ZERO {
            let work = |hook: &mut Box<dyn Mechanism>| {
                hook.load(&mut self.around, Draw::FlashWork, answer.flash_work, &mut self.dice);
            };
            self.hooks.iter_mut().for_each(work);
        }
        let (reply, inward) = match answer.reply {
            RomReply::Hang => return self.disturb(at, Disturbance::Stuck, attachment),
            RomReply::Stall => (Reply::Stall, self.carry_inward(&[], attachment)),
            RomReply::Data(data) => {
                let inward = self.carry_inward(&data, attachment);
                (if inward.spoilt { Reply::Spoilt } else { Reply::Data(data) }, inward)
            }
        };
        let ready_at = ready(self, outward.elapsed + answer.busy + inward.elapsed);
        self.departure = answer.departure.map(|(after, departure)| (ready_at + after, departure)).or(self.departure);
        Answer { reply, ready_at }
    }

    fn disturb(&mut self, at: Micros, disturbance: Disturbance, attachment: Attachment) -> Answer {
        let (state, reply) = match disturbance {
            Disturbance::Reset => {
                let starved = self.hooks.iter().find_map(|hook| hook.starves(&self.around));
                self.reset(at, RESET_TIME, starved.unwrap_or(ResetCause::Pin));
                (self.state, Reply::Gone)
            }
            Disturbance::Stuck => (State::OnBus(Attachment { deaf: true, ..attachment }), Reply::NoAnswer),
            Disturbance::Unplugged { span } => (State::Away(at + span, attachment), Reply::Gone),
            Disturbance::PortDisabled { span, words } => {
                self.kernel_log.push(words.to_owned());
                (State::Away(at + span, attachment), Reply::Gone)
            }
            Disturbance::PowerCut { span, words } => (self.cut_power(at, span, words), Reply::Gone),
            Disturbance::Lost => (self.state, Reply::Spoilt),
        };
        if !matches!(state, State::OnBus(_)) {
            self.trace.note(at, Happening::Leaves);
        }
        self.state = state;
        Answer { reply, ready_at: at + wire::FRAME }
    }

    /// Set-up stage, and the data stage of requests to the device.
    fn carry_outward(&mut self, request: &ControlRequest, attachment: Attachment) -> wire::Carried {
        let set_up = set_up_packet(request);
        let first = Packet { direction: Direction::ToDevice, data: &set_up, place: 0 };
        let data: &[u8] = match &request.data {
            DataStage::Out(data) => data,
            DataStage::In(_) => &[],
        };
        let rest = (!data.is_empty()).then(|| wire::packets(Direction::ToDevice, data)).into_iter().flatten();
        self.carry(std::iter::once(first).chain(rest), attachment)
    }

    /// The data stage of requests to the host, and the status stage.
    fn carry_inward(&mut self, data: &[u8], attachment: Attachment) -> wire::Carried {
        let status = Packet { direction: Direction::ToHost, data: &[], place: 0 };
        let rest = (!data.is_empty()).then(|| wire::packets(Direction::ToHost, data)).into_iter().flatten();
        self.carry(rest.chain(std::iter::once(status)), attachment)
    }

    fn carry<'a>(&mut self, packets: impl Iterator<Item = Packet<'a>>, attachment: Attachment) -> wire::Carried {
        let (hooks, around) = (&self.hooks, &self.around);
        let chance = |packet: &Packet<'_>| {
            let by_clock = bit_clock::packet_error(attachment.clock.error(around), packet);
            let whole = hooks.iter().fold(1.0 - by_clock, |whole, hook| whole * (1.0 - hook.packet(around, packet)));
            1.0 - whole
        };
        self.blueprint.host.pace().carry(packets, chance, &mut self.dice)
    }
}

fn set_up_packet(request: &ControlRequest) -> [u8; 8] {
    let length = match &request.data {
        DataStage::In(length) => *length,
        DataStage::Out(data) => u16::try_from(data.len()).unwrap_or(u16::MAX),
    };
    let [value, index, length] = [request.value, request.index, length].map(u16::to_le_bytes);
    [request.request_type, request.request, value[0], value[1], index[0], index[1], length[0], length[1]]
}
