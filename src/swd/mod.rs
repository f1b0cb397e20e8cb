//! What an SWD session means: register tables keyed by DEV_ID, reset causes, clock trees, CRS, ST-Link status. Pure.

pub mod clk48;
pub mod clock_look;
pub mod clock_tree;
pub mod coprocessor_table;
pub mod core_debug;
pub mod core_ratio;
pub mod crs;
pub mod crystal_witness;
pub mod debug_port;
pub mod option_sequence;
pub mod reset_cause;
pub mod rom_interfaces;
pub mod stlink_firmware;
pub mod stlink_probe;
pub mod stlink_status;
pub mod transaction;
pub mod whitelist;
