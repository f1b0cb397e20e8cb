//! Power of a hub's port by the requests of the hub class (USB 2.0, 11.24.2), as uhubctl does it. Blocking; lives in the worker.

use rusb::{Context, DeviceHandle, UsbContext};

use crate::observation::board::{PortPath, PortPower};
use crate::observation::units::Micros;
use crate::timebase::to_duration;

/// The requests that are needed of a hub; libusb and a scripted hub of the tests implement it.
trait Hub {
    /// wHubCharacteristics of the hub descriptor.
    fn characteristics(&mut self) -> Result<u16, String>;
    fn set_power(&mut self, port: u8, on: bool) -> Result<(), String>;
    /// wPortStatus.
    fn port_status(&mut self, port: u8) -> Result<u16, String>;
    fn is_super_speed(&self) -> bool;
}

const GET_STATUS: u8 = 0;
const CLEAR_FEATURE: u8 = 1;
const SET_FEATURE: u8 = 3;
const GET_DESCRIPTOR: u8 = 6;
const PORT_POWER: u16 = 8;
const PORT_CONNECTION: u16 = 1;
/// Bit 8 of a hub of USB 2.0, bit 9 of one of USB 3.
const POWERED: u16 = 1 << 8;
const POWERED_SUPER_SPEED: u16 = 1 << 9;

/// Bits 0 and 1 of wHubCharacteristics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Switching {
    Ganged,
    Individual,
    None,
}

impl Switching {
    const fn of(characteristics: u16) -> Self {
        match characteristics & 0b11 {
            0b00 => Self::Ganged,
            0b01 => Self::Individual,
            _ => Self::None,
        }
    }
}

/// Switches the power of the port that a board hangs on.
pub fn switch(board: &PortPath, on: bool) -> Result<PortPower, String> {
    let (port, above) = board.ports.split_last().ok_or_else(|| format!("{board} names no port of a hub"))?;
    let mut hub = LibusbHub::open(board.bus, above)?;
    switch_port(&mut hub, board, *port, on)
}

fn switch_port(hub: &mut impl Hub, board: &PortPath, port: u8, on: bool) -> Result<PortPower, String> {
    match Switching::of(hub.characteristics()?) {
        Switching::Individual => {}
        Switching::Ganged => {
            return Err(format!(
                "the hub above {board} switches all its ports together, which would take others down too"
            ));
        }
        Switching::None => return Err(format!("the hub above {board} cannot switch the power of its ports")),
    }
    hub.set_power(port, on)?;
    let status = hub.port_status(port)?;
    let powered = if hub.is_super_speed() { POWERED_SUPER_SPEED } else { POWERED };
    Ok(PortPower { powered: status & powered != 0, connected: status & PORT_CONNECTION != 0 })
}

struct LibusbHub {
    handle: DeviceHandle<Context>,
    super_speed: bool,
}

const PATIENCE: Micros = Micros::from_secs(1);

impl LibusbHub {
    /// `above` is the way to the hub; empty for a root hub.
    fn open(bus: u8, above: &[u8]) -> Result<Self, String> {
        let name = if above.is_empty() {
            format!("the root hub of bus {bus}")
        } else {
            format!("the hub at {}", PortPath { bus, ports: above.to_vec() })
        };
        let said = |error: rusb::Error| {
            format!("{name} cannot be reached: {error}; a hub needs the same permission as a board")
        };
        let context = Context::new().map_err(said)?;
        let devices = context.devices().map_err(said)?;
        let is_it = |device: &rusb::Device<Context>| {
            device.bus_number() == bus && device.port_numbers().unwrap_or_default() == above
        };
        let device = devices.iter().find(is_it).ok_or_else(|| format!("{name} is not there"))?;
        let version = device.device_descriptor().map_err(said)?.usb_version();
        Ok(Self { handle: device.open().map_err(said)?, super_speed: version.major() >= 3 })
    }

    fn read(&self, request_type: u8, request: u8, value: u16, index: u16, buffer: &mut [u8]) -> Result<usize, String> {
        let read = self.handle.read_control(request_type, request, value, index, buffer, to_duration(PATIENCE));
        read.map_err(|error| format!("the hub does not answer: {error}"))
    }
}

impl Hub for LibusbHub {
    fn characteristics(&mut self) -> Result<u16, String> {
        let kind: u16 = if self.super_speed { 0x2A } else { 0x29 };
        let mut bytes = [0; 16];
        let read = self.read(0xA0, GET_DESCRIPTOR, kind << 8, 0, &mut bytes)?;
        if read < 5 {
            Err("the hub's descriptor is too short".to_owned())
        } else {
            Ok(u16::from_le_bytes([bytes[3], bytes[4]]))
        }
    }

    fn set_power(&mut self, port: u8, on: bool) -> Result<(), String> {
        let request = if on { SET_FEATURE } else { CLEAR_FEATURE };
        let sent = self.handle.write_control(0x23, request, PORT_POWER, port.into(), &[], to_duration(PATIENCE));
        sent.map(drop).map_err(|error| format!("the hub refuses to switch port {port}: {error}"))
    }

    fn port_status(&mut self, port: u8) -> Result<u16, String> {
        let mut bytes = [0; 4];
        self.read(0xA3, GET_STATUS, 0, port.into(), &mut bytes)?;
        Ok(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    fn is_super_speed(&self) -> bool {
        self.super_speed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hub of USB 2.0 with a device on port 2.
    struct ScriptedHub {
        characteristics: u16,
        powered: bool,
        /// The board has a supply of its own and stays.
        stays: bool,
        sent: Vec<(u8, bool)>,
    }

    impl Hub for ScriptedHub {
        fn characteristics(&mut self) -> Result<u16, String> {
            Ok(self.characteristics)
        }

        fn set_power(&mut self, port: u8, on: bool) -> Result<(), String> {
            self.sent.push((port, on));
            self.powered = on;
            Ok(())
        }

        fn port_status(&mut self, _port: u8) -> Result<u16, String> {
            let connected = self.powered || self.stays;
            Ok(if self.powered { POWERED } else { 0 } | if connected { PORT_CONNECTION } else { 0 })
        }

        fn is_super_speed(&self) -> bool {
            false
        }
    }

    fn hub(characteristics: u16) -> ScriptedHub {
        ScriptedHub { characteristics, powered: true, stays: false, sent: Vec::new() }
    }

    fn off(hub: &mut ScriptedHub) -> Result<PortPower, String> {
        switch_port(hub, &"1-4.2".parse().unwrap(), 2, false)
    }

    #[test]
    fn a_hub_with_switches_of_its_own_takes_one_port_down() {
        let mut hub = hub(0x00A9);
        assert_eq!(off(&mut hub), Ok(PortPower { powered: false, connected: false }));
        assert_eq!(hub.sent, [(2, false)]);
    }

    #[test]
    fn a_hub_that_would_take_others_down_or_cannot_switch_is_not_touched() {
        for (characteristics, why) in [(0x00A8, "switches all its ports together"), (0x00AA, "cannot switch")] {
            let mut hub = hub(characteristics);
            assert!(off(&mut hub).unwrap_err().contains(why));
            assert!(hub.sent.is_empty());
        }
    }

    #[test]
    fn a_board_that_stays_is_told() {
        let mut hub = ScriptedHub { stays: true, ..hub(1) };
        assert_eq!(off(&mut hub), Ok(PortPower { powered: false, connected: true }));
    }
}
