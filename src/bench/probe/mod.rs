//! Debug probes as devices on USB, with a virtual board on their wires: told the time, without I/O, for the USB/IP server to show.

pub mod beside;
pub mod cmsis_dap;
pub mod kind;
pub mod served;
pub mod stlink;
pub mod stlink_reply;
pub mod usb;
pub mod wires;
