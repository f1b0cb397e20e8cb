//! What a probe's firmware has in its hands: the board, and the time that commands take.

use crate::bench::board::VirtualBoard;
use crate::bench::swd::dap_host::DapHost;
use crate::observation::units::Micros;
use crate::swd::transaction::{Request, Response};

#[derive(Debug)]
pub struct Wires {
    pub board: VirtualBoard,
    /// The probe's own way through banks, blocks and posted reads; its clock counts the bits.
    pub host: DapHost,
}

/// The program inside a probe.
pub trait Firmware: std::fmt::Debug + Send {
    /// One packet from the host; the answer, if there is one. The wires tell when it was done.
    fn packet(&mut self, data: &[u8], wires: &mut Wires) -> Option<Vec<u8>>;
    /// The supply of the probe has been off.
    fn restart(&mut self);
}

impl Wires {
    pub fn new(board: VirtualBoard) -> Self {
        let fastest = board.swd_setup().probe.nearest_speed(u32::MAX);
        Self { board, host: DapHost::new(fastest) }
    }

    pub fn set_kilohertz(&mut self, asked: u32) {
        self.host.set_kilohertz(asked.max(1));
        self.board.set_swd_clock(asked.max(1));
    }

    /// One transaction as the host of the probe ordered it, without anything added.
    pub fn transact(&mut self, at: &mut Micros, request: Request) -> Response {
        *at += Micros(1 + 46 * 1_000 / u64::from(self.host.kilohertz().max(1)));
        self.board.swd(*at, request)
    }
}
