//! A virtual board at the end of the wires, in the host's time.

use crate::bench::board::VirtualBoard;
use crate::bench::swd::mechanism::probe_outage::Trouble;
use crate::bench::swd::swdio::Swdio;
use crate::observation::units::{Micros, Millivolts};
use crate::swd::stlink_firmware::{ProbeFirmware, needed_by_probe_rs};
use crate::swd::transaction::{Request, Response};

use super::wires::{Opening, UsbSide, Wires};

#[derive(Debug)]
pub struct BenchWires {
    pub board: VirtualBoard,
    swdio: Swdio,
    /// The probe answers nothing more until it is opened again.
    hung: bool,
    /// The probe is off the bus until then.
    away: Option<Micros>,
}

impl BenchWires {
    /// The board is powered from now on.
    pub fn new(mut board: VirtualBoard) -> Self {
        board.power_on(Micros::ZERO);
        Self { board, swdio: Swdio::default(), hung: false, away: None }
    }

    fn is_away(&self, at: Micros) -> bool {
        self.board.swd_setup().probe.unplugged || self.away.is_some_and(|until| at < until)
    }

    fn is_outdated(&self) -> bool {
        let firmware = self.board.swd_setup().probe.firmware.parse::<ProbeFirmware>();
        firmware
            .is_ok_and(|version| needed_by_probe_rs(version.hardware).is_some_and(|least| version.jtag < least.jtag))
    }
}

impl Wires for BenchWires {
    fn transact(&mut self, at: Micros, request: Request) -> Response {
        self.board.swd(at, request)
    }

    fn line_reset(&mut self, at: Micros) {
        self.board.swd_line_reset(at);
    }

    fn clock(&mut self, at: Micros, driven: Option<bool>) -> bool {
        self.swdio.clock(&mut self.board, at, driven)
    }

    fn reset_line(&mut self, at: Micros, low: bool) {
        self.board.nrst(at, low);
    }

    fn set_speed(&mut self, kilohertz: u32) -> u32 {
        let set = self.board.swd_setup().probe.nearest_speed(kilohertz);
        self.board.set_swd_clock(set);
        set
    }

    fn target_voltage(&mut self, at: Micros) -> Option<Millivolts> {
        Some(self.board.target_voltage(at))
    }

    fn power(&mut self, at: Micros, on: bool) {
        if on {
            self.board.power_on(at);
        } else {
            self.board.power_off(at);
        }
    }

    fn is_present(&mut self, at: Micros) -> bool {
        !self.is_away(at)
    }

    fn usb(&mut self, at: Micros) -> UsbSide {
        if self.is_away(at) {
            return UsbSide::Gone;
        }
        if self.hung {
            return UsbSide::Hangs;
        }
        match self.board.probe_trouble() {
            None => UsbSide::Works,
            Some(Trouble::Stall) => UsbSide::Stalls,
            Some(Trouble::Mute) => UsbSide::TimesOut,
            Some(Trouble::Hang) => {
                self.hung = true;
                UsbSide::Hangs
            }
            Some(Trouble::Drop { away }) => {
                self.away = Some(at + away);
                UsbSide::Gone
            }
        }
    }

    fn opening(&mut self, at: Micros) -> Opening {
        self.hung = false;
        let probe = &self.board.swd_setup().probe;
        if self.is_away(at) {
            Opening::Gone
        } else if probe.node_closed {
            Opening::Denied
        } else if probe.held {
            Opening::Busy
        } else if self.is_outdated() {
            Opening::OldFirmware
        } else {
            Opening::Opens
        }
    }
}
