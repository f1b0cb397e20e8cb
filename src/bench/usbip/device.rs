//! What the server needs of a device: it is told the time and does no I/O.

use std::fmt::Debug;

use crate::bench::board::{Answer, Reply, VirtualBoard};
use crate::bench::rom::descriptors::{PRODUCT, VENDOR};
use crate::dfu::request::ControlRequest;
use crate::observation::units::Micros;

pub trait Device: Debug + Send {
    fn name(&self) -> &str;
    fn identity(&self) -> Identity;
    fn power_on(&mut self, at: Micros);
    fn power_off(&mut self, at: Micros);
    /// Whether its pull-up is seen on the port.
    fn is_attached(&mut self, at: Micros) -> bool;
    /// When it will next do something of itself.
    fn next_change(&self) -> Option<Micros>;
    fn control(&mut self, at: Micros, request: &ControlRequest) -> Answer;

    /// Data for an endpoint other than 0, which a device need not have.
    fn send(&mut self, at: Micros, _endpoint: u8, _data: &[u8]) -> Answer {
        Answer { reply: Reply::Stall, ready_at: at }
    }

    /// Data from an endpoint other than 0; `None` while it says NAK.
    fn receive(&mut self, at: Micros, _endpoint: u8, _most_bytes: u32) -> Option<Answer> {
        Some(Answer { reply: Reply::Stall, ready_at: at })
    }
}

/// What a list of devices tells before any of them is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub vendor: u16,
    pub product: u16,
    pub bcd_device: u16,
    pub speed: Speed,
    /// Class, subclass and protocol of each.
    pub interfaces: Vec<[u8; 3]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speed {
    Full,
    High,
}

impl Speed {
    /// As vhci and the device list count.
    pub const fn number(self) -> u32 {
        match self {
            Self::Full => 2,
            Self::High => 3,
        }
    }
}

impl Device for VirtualBoard {
    fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> Identity {
        // Application specific, DFU, DFU mode protocol.
        let interfaces = vec![[0xfe, 1, 2]];
        let bcd_device = self.rom().bcd_device;
        Identity { vendor: VENDOR, product: PRODUCT, bcd_device, speed: Speed::Full, interfaces }
    }

    fn power_on(&mut self, at: Micros) {
        Self::power_on(self, at);
    }

    fn power_off(&mut self, at: Micros) {
        Self::power_off(self, at);
    }

    fn is_attached(&mut self, at: Micros) -> bool {
        Self::is_attached(self, at)
    }

    fn next_change(&self) -> Option<Micros> {
        Self::next_change(self)
    }

    fn control(&mut self, at: Micros, request: &ControlRequest) -> Answer {
        self.submit(at, request)
    }
}
