//! The device side of the STM32 ROM bootloader over USB, as AN3156 describes it. No I/O and no clock.

pub mod bootloader;
pub mod coprocessor;
pub mod descriptors;
pub mod limitations;
pub mod memory;
pub mod option_layout;
pub mod protection;
pub mod serial;
pub mod sheet;
mod states;
pub mod upgrade_service;
pub mod virtual_image;
mod work;
