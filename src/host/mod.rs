//! The host computer: USB topology, permissions, drivers, who holds a device, kernel messages. Reads under a replaceable root.

pub mod access;
pub mod checkup;
pub mod devices;
#[cfg(test)]
pub(crate) mod fake_host;
pub mod inventory;
pub mod kernel_log;
pub mod ports;
pub mod serials;
pub mod sys_root;
pub mod udev_rule;
