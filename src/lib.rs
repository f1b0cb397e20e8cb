//! flakescope finds out why a board's USB-DFU or SWD link is flaky.
//!
//! Data flows one way, from top to bottom of this list; a room imports only rooms above it. ARCHITECTURE.md is the map.

pub mod observation;
pub mod timebase;

pub mod clock;
pub mod dfu;
pub mod swd;

pub mod profile;

pub mod host;

pub mod bench;
pub mod link;

pub mod campaign;
pub mod case;
pub mod readers;

pub mod evidence;

pub mod diagnosis;

pub mod investigation;

pub mod report;
#[cfg(feature = "program")]
pub mod tui;

#[cfg(feature = "program")]
pub mod cli;
