//! Real boards and debug probes: libusb and probe-rs, each in a worker process, and the client that a campaign talks to it through.

pub mod hub_power;
pub mod libusb_board;
pub mod plug_in;
pub mod probe_failure;
pub mod probe_firmware;
pub mod probe_inspection;
pub mod probe_listing;
pub mod probe_lock;
pub mod probe_log;
pub mod probe_real;
pub mod worker;
pub mod worker_client;
