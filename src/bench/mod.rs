//! Virtual boards: device models without I/O that misbehave by physical mechanism, and the USB/IP server that shows them to anyone.

pub mod attachment;
pub mod blueprint;
pub mod board;
pub mod board_debug;
pub mod host_port;
pub mod intervention;
pub mod mechanism;
pub mod place;
pub mod probe;
pub mod rom;
pub mod surroundings;
pub mod swd;
pub mod timeline;
pub mod trace;
pub mod usbip;
pub mod wire;
