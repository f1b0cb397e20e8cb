//! How STM32 boot ROMs come by a 48 MHz USB clock, and what makes them miss it. Pure arithmetic.

pub mod detection;
pub mod hsi48;
pub mod pll;
pub mod start_up;
pub mod usb_clock;
