//! The server side of USB/IP, by hand: what the kernel's vhci driver and the `usbip` tool speak.

pub mod device;
pub mod export;
pub mod message;
pub mod place;
pub mod session;
#[cfg(unix)]
pub mod vhci;
