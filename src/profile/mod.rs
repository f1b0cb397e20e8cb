//! Devices and boards as data, and the one TOML loader.

pub mod loader;
pub mod shelf;
