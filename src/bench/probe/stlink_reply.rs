//! The answers of an ST-Link as bytes: status, words, versions.

use crate::bench::swd::dap_host::DapFault;
use crate::swd::stlink_firmware::ProbeFirmware;

pub const OK: u8 = 0x80;
pub const UNKNOWN_COMMAND: u8 = 0x42;

/// The status byte for what the wires showed (names in `swd/stlink_status.rs`).
pub const fn status(fault: DapFault) -> u8 {
    match fault {
        DapFault::Wait { access_port: true } => 0x10,
        DapFault::Fault { access_port: true } => 0x11,
        DapFault::NoAcknowledge { access_port: true } => 0x12,
        DapFault::Parity { access_port: true } => 0x13,
        DapFault::Wait { access_port: false } => 0x14,
        DapFault::Fault { access_port: false } => 0x15,
        DapFault::NoAcknowledge { access_port: false } => 0x16,
        DapFault::Parity { access_port: false } => 0x17,
        DapFault::NoIdentity => 0x09,
        DapFault::NoPower => 0x0B,
    }
}

pub fn of<T>(result: &Result<T, DapFault>) -> u8 {
    match result {
        Ok(_) => OK,
        Err(fault) => status(*fault),
    }
}

/// Status in four bytes, then words.
pub fn with_words(status: u8, words: &[u32]) -> Vec<u8> {
    let mut bytes = vec![status, 0, 0, 0];
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    bytes
}

/// Version numbers packed as a V2 does, and the identity of the device.
pub fn version(firmware: &ProbeFirmware, vendor: u16, product: u16) -> Vec<u8> {
    let last = firmware.others.first().map_or(0, |(_, number)| *number);
    let packed = match firmware.hardware {
        2 => 2 << 12 | (firmware.jtag & 63) << 6 | last & 63,
        hardware => u16::from(hardware) << 12,
    };
    let ids = [vendor, product].into_iter().flat_map(u16::to_le_bytes);
    packed.to_be_bytes().into_iter().chain(ids).collect()
}

/// The longer form that a V3 has.
pub fn version_extended(firmware: &ProbeFirmware, vendor: u16, product: u16) -> Vec<u8> {
    let of = |letter| {
        let found = firmware.others.iter().find(|(other, _)| *other == letter);
        found.and_then(|(_, number)| u8::try_from(*number).ok()).unwrap_or(0)
    };
    let jtag = u8::try_from(firmware.jtag).unwrap_or(u8::MAX);
    let mut bytes = vec![firmware.hardware, of('S'), jtag, of('M'), of('B'), 0, 0, 0];
    bytes.extend([vendor, product].into_iter().flat_map(u16::to_le_bytes));
    bytes
}
