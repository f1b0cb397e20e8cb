//! The board as a debugger meets it on two wires: debug port, core, registers, and what troubles them. Told the time, without I/O.

pub mod bus;
pub mod clock_registers;
pub mod core;
pub mod dap_host;
pub mod debug_port;
pub mod flash_control;
mod interface_clocks;
pub mod mechanism;
pub mod mem_ap;
pub mod reset_flags;
pub mod setup;
pub mod silicon;
pub mod swdio;
pub mod target;
