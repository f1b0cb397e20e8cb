//! Devices and boards as data, and the one TOML loader.

pub mod board;
pub mod boot_entry;
pub mod device;
pub mod dump;
pub mod flash_layout;
pub mod fus;
pub mod fus_check;
pub mod fus_code;
pub mod fus_preconditions;
pub mod loader;
pub mod measurement;
pub mod memory;
pub mod message;
pub mod option_bytes;
pub mod option_change;
pub mod option_guard;
pub mod option_meanings;
pub mod option_words;
pub mod otp;
pub mod page;
pub mod read_protection;
pub mod rom;
pub mod shelf;
pub mod sources;
