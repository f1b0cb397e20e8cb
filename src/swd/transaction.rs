//! One transaction on the two wires: what the host asks of the debug port and what comes back (ADIv5, chapter B4).

use std::fmt;

/// Which registers a request means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Port {
    Debug,
    Access,
}

/// The eight bits of a request and, for a write, the word that follows the acknowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    pub port: Port,
    /// Bits 3:2 of the register's address: 0, 4, 8 or 12. Banks are chosen by SELECT.
    pub address: u8,
    /// The word to write; absent for a read.
    pub write: Option<u32>,
}

impl Request {
    pub const fn read(port: Port, address: u8) -> Self {
        Self { port, address, write: None }
    }

    pub const fn write(port: Port, address: u8, word: u32) -> Self {
        Self { port, address, write: Some(word) }
    }
}

/// The three bits of the acknowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ack {
    Ok,
    Wait,
    Fault,
    /// Nobody drives the line, or the bits make no sense.
    None,
}

/// What the host sees of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    pub ack: Ack,
    /// The 32 bits of a read that was acknowledged, as they arrived.
    pub data: Option<u32>,
    /// Whether the parity bit fits these bits. True where there are none.
    pub parity_fits: bool,
}

impl Response {
    pub const fn acknowledged() -> Self {
        Self { ack: Ack::Ok, data: None, parity_fits: true }
    }

    pub const fn word(data: u32) -> Self {
        Self { ack: Ack::Ok, data: Some(data), parity_fits: true }
    }

    pub const fn refused(ack: Ack) -> Self {
        Self { ack, data: None, parity_fits: true }
    }
}

impl fmt::Display for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "OK",
            Self::Wait => "WAIT",
            Self::Fault => "FAULT",
            Self::None => "no acknowledge",
        })
    }
}

/// Registers of the debug port by `(address, bank)`; ABORT and SELECT have no banks.
pub mod dp {
    /// DPIDR when read, ABORT when written.
    pub const DPIDR: u8 = 0x0;
    pub const ABORT: u8 = 0x0;
    pub const CTRL_STAT: u8 = 0x4;
    pub const SELECT: u8 = 0x8;
    pub const RDBUFF: u8 = 0xC;

    /// In CTRL/STAT.
    pub const STICKY_OVERRUN: u32 = 1 << 1;
    pub const STICKY_COMPARE: u32 = 1 << 4;
    pub const STICKY_ERROR: u32 = 1 << 5;
    pub const WRITE_DATA_ERROR: u32 = 1 << 7;
    pub const POWER_REQUESTS: u32 = 1 << 28 | 1 << 30;
    pub const POWER_ACKNOWLEDGES: u32 = 1 << 29 | 1 << 31;

    /// In ABORT: give up the access under way; clear all sticky flags.
    pub const ABORT_ACCESS: u32 = 1;
    pub const CLEAR_STICKY: u32 = 0x1E;
}

/// Registers of a memory access port.
pub mod mem_ap {
    pub const CSW: u8 = 0x00;
    pub const TAR: u8 = 0x04;
    pub const DRW: u8 = 0x0C;
    /// The first of four words around TAR.
    pub const BD0: u8 = 0x10;
    pub const BD3: u8 = 0x1C;
    pub const CFG: u8 = 0xF4;
    pub const BASE: u8 = 0xF8;
    pub const IDR: u8 = 0xFC;

    pub const SIZE_WORD: u32 = 2;
    pub const SIZE_BYTE: u32 = 0;
    pub const INCREMENT_SINGLE: u32 = 1 << 4;
    /// TAR counts up within blocks of this size; across their border the result is not defined.
    pub const INCREMENT_BLOCK_BYTES: u32 = 0x400;
}
