//! What an ST-Link says about itself, asked directly: probe-rs reads the version of the firmware and keeps it to itself.

use std::io;
use std::time::Duration;

use nusb::{Interface, MaybeFuture};
use probe_rs::probe::usb_util::InterfaceExt;

use crate::host::devices::HostDevice;
use crate::observation::units::Millivolts;
use crate::swd::stlink_firmware::{ProbeFirmware, target_volts};

use super::probe_failure::{self, Doing};
use crate::link::swd_probe::ProbeError;

/// Answers that need no target.
#[derive(Clone, Debug, PartialEq)]
pub struct Inquiry {
    pub firmware: ProbeFirmware,
    pub target_voltage: Option<Millivolts>,
}

const GET_VERSION: u8 = 0xF1;
const GET_VERSION_EXT: u8 = 0xFB;
const GET_TARGET_VOLTAGE: u8 = 0xF7;
const ANSWERS_IN: u8 = 0x81;
const TIMEOUT: Duration = Duration::from_millis(500);

/// Asks a probe that nobody holds. Nothing is sent to its target.
pub fn inquire(device: &HostDevice) -> Result<Inquiry, ProbeError> {
    ask(device).map_err(|error| probe_failure::meaning(&error, Doing::Opening))
}

fn ask(device: &HostDevice) -> io::Result<Inquiry> {
    let found = nusb::list_devices()
        .wait()?
        .find(|info| (info.busnum(), info.device_address()) == (device.bus_number, device.device_number))
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotConnected, "it is gone"))?;
    // Product 3748 answers on another endpoint pair than all later ones.
    let commands_out = if found.product_id() == 0x3748 { 0x02 } else { 0x01 };
    let interface = found.open().wait()?.claim_interface(0).wait()?;
    let command = |opcode: u8, answer: &mut [u8]| command(&interface, commands_out, opcode, answer);
    let mut version = [0; 6];
    command(GET_VERSION, &mut version)?;
    let firmware = if version[0] >> 4 < 3 {
        let product_id = u16::from_le_bytes([version[4], version[5]]);
        of_version_word(u16::from_be_bytes([version[0], version[1]]), product_id)
    } else {
        let mut extended = [0; 12];
        command(GET_VERSION_EXT, &mut extended)?;
        of_extended(&extended)
    };
    let mut counts = [0; 8];
    command(GET_TARGET_VOLTAGE, &mut counts)?;
    Ok(Inquiry { firmware, target_voltage: voltage_of(counts) })
}

fn command(interface: &Interface, commands_out: u8, opcode: u8, answer: &mut [u8]) -> io::Result<()> {
    let mut block = [0; 16];
    block[0] = opcode;
    interface.write_bulk(commands_out, &block, TIMEOUT)?;
    match interface.read_bulk(ANSWERS_IN, answer, TIMEOUT)? {
        came if came == answer.len() => Ok(()),
        came => {
            let text = format!("0x{opcode:02X} was answered with {came} bytes instead of {}", answer.len());
            Err(io::Error::new(io::ErrorKind::InvalidData, text))
        }
    }
}

/// `[15:12]` hardware, `[11:6]` JTAG and SWD, `[5:0]` SWIM on a V2, mass storage on a V2-1.
fn of_version_word(word: u16, product_id: u16) -> ProbeFirmware {
    let last = if product_id == 0x3748 { 'S' } else { 'M' };
    ProbeFirmware { hardware: (word >> 12) as u8, jtag: word >> 6 & 0x3F, others: vec![(last, word & 0x3F)] }
}

/// Bytes: hardware, SWIM, JTAG and SWD, mass storage, bridge, power. Parts that are not there are zero and left out.
fn of_extended(bytes: &[u8; 12]) -> ProbeFirmware {
    let others = [('M', bytes[3]), ('B', bytes[4]), ('S', bytes[1]), ('P', bytes[5])];
    let others = others.into_iter().filter(|(_, number)| *number > 0).map(|(letter, number)| (letter, number.into()));
    ProbeFirmware { hardware: bytes[0], jtag: bytes[2].into(), others: others.collect() }
}

fn voltage_of(counts: [u8; 8]) -> Option<Millivolts> {
    let [a, b, c, d, e, f, g, h] = counts;
    let volts = target_volts(u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))?;
    Some(Millivolts(volts * 1e3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_word_reads_as_tools_print_it() {
        assert_eq!(of_version_word(2 << 12 | 29 << 6 | 7, 0x3748).to_string(), "V2J29S7");
        assert_eq!(of_version_word(2 << 12 | 43 << 6 | 28, 0x374B).to_string(), "V2J43M28");
    }

    #[test]
    fn the_extended_version_of_a_v3_leaves_out_what_it_has_not() {
        let bytes = [3, 0, 15, 7, 4, 0, 0, 0, 0x83, 0x04, 0x4E, 0x37];
        assert_eq!(of_extended(&bytes).to_string(), "V3J15M7B4");
        let power = [4, 0, 5, 0, 4, 3, 0, 0, 0x83, 0x04, 0x57, 0x37];
        assert_eq!(of_extended(&power).to_string(), "V4J5B4P3");
    }

    #[test]
    fn the_voltage_comes_from_two_counts() {
        let counts = [1489_u32.to_le_bytes(), 2030_u32.to_le_bytes()].concat().try_into().unwrap();
        assert_eq!(voltage_of(counts).unwrap().to_string(), "3.27 V");
        assert_eq!(voltage_of([0; 8]), None);
    }
}
