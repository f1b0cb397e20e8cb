//! A virtual target behind the real probe-rs: a driver of ours, plugged into probe-rs through its public interface, takes the place
//! of the probe. At the level of transactions it stands where the firmware of a CMSIS-DAP probe is; at the level of bits
//! probe-rs itself builds every request, checks every acknowledge and parity, and meets every WAIT.

mod agreement_tests;
pub mod bench_wires;
pub mod bits;
pub mod driver;
#[cfg(test)]
mod tests;
pub mod transactions;
pub mod wires;
