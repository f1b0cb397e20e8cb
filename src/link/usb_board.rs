//! A board on USB as the DFU session sees it. libusb and the virtual boards are the two back ends.

use crate::dfu::request::{ControlRequest, UsbError};
use crate::observation::board::{BoardIdentity, PortPower};
use crate::observation::boot::{BootKind, BootProof};
use crate::observation::field_text::FieldText;
use crate::observation::units::Micros;

pub trait UsbBoard: Send {
    fn now(&self) -> Micros;
    fn wait(&mut self, span: Micros);

    /// Waits until the board is on the bus and says what the host knows of it without opening it.
    fn arrive(&mut self, deadline: Micros) -> Result<BoardIdentity, UsbError>;
    fn is_present(&mut self) -> bool;

    /// Whether it goes from the bus within this time, though it may be back at once: a hub reports a loss late.
    fn leaves_within(&mut self, span: Micros) -> bool {
        const LOOK_EVERY: Micros = Micros::from_millis(10);
        let until = self.now() + span;
        while self.is_present() {
            if self.now() >= until {
                return false;
            }
            self.wait(LOOK_EVERY.min(until - self.now()));
        }
        true
    }

    /// Every board on this computer, this one included, for telling whether a serial number is unique.
    fn neighbours(&mut self) -> Result<Vec<BoardIdentity>, UsbError> {
        Ok(Vec::new())
    }

    fn open(&mut self) -> Result<(), UsbError>;
    fn claim(&mut self, interface: u8) -> Result<(), UsbError>;
    fn set_alternate(&mut self, interface: u8, alternate: u8) -> Result<(), UsbError>;
    /// One control transfer; what came in, or nothing for OUT.
    fn control(&mut self, request: &ControlRequest, timeout: Micros) -> Result<Vec<u8>, UsbError>;
    fn close(&mut self);

    /// What the host has said about the board's port since this was last asked, where this back end learns of it.
    fn host_messages(&mut self) -> Vec<FieldText> {
        Vec::new()
    }

    /// See [`super::Link::power_cycle`].
    fn power_cycle(&mut self, off_time: Micros) -> Option<(BootKind, BootProof)>;

    /// See [`super::Link::rearrange`].
    fn rearrange(&mut self, _change: Option<&str>, _span: Micros) -> bool {
        false
    }

    /// See [`super::Link::port_power`].
    fn port_power(&mut self, _on: bool) -> Result<PortPower, String> {
        Err("this board hangs on no hub".to_owned())
    }

    /// See [`super::Link::meter`].
    fn meter(&mut self, _quantity: &str) -> Option<f64> {
        None
    }
}
