//! What a plugged-in probe stands before: a target at the end of two wires, and a USB side that can fail.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use probe_rs::probe::DebugProbeError;

use crate::observation::units::{Micros, Millivolts};
use crate::swd::transaction::{Request, Response};
use crate::timebase::{HostTime, Timebase};

/// The far end of SWCLK, SWDIO, NRST and VTref. Moments are those of the host, from when the probe was plugged in.
pub trait Wires: Send {
    fn transact(&mut self, at: Micros, request: Request) -> Response;
    /// Fifty or more clocks with SWDIO high.
    fn line_reset(&mut self, at: Micros);
    /// One clock: what the host drives on SWDIO, or nothing while it listens; returns the level of the line.
    fn clock(&mut self, at: Micros, driven: Option<bool>) -> bool;
    fn reset_line(&mut self, at: Micros, low: bool);
    /// Returns the speed that was really set.
    fn set_speed(&mut self, kilohertz: u32) -> u32;
    fn target_voltage(&mut self, at: Micros) -> Option<Millivolts>;
    /// The supply of the target is switched.
    fn power(&mut self, at: Micros, on: bool);
    /// Whether the probe is on the bus.
    fn is_present(&mut self, at: Micros) -> bool;
    /// How the next exchange between host and probe goes.
    fn usb(&mut self, at: Micros) -> UsbSide;
    /// How the probe takes being opened.
    fn opening(&mut self, at: Micros) -> Opening;
}

/// One exchange over USB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsbSide {
    Works,
    /// No answer within the time that a driver of probe-rs waits.
    TimesOut,
    /// The probe is gone.
    Gone,
    Stalls,
    /// The call never comes back.
    Hangs,
    /// Success is reported with fewer words than were asked for; probe-rs panics over it.
    ShortBlock,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    Opens,
    /// Another program holds it.
    Busy,
    Denied,
    Gone,
    /// An answer that was meant for somebody else reads as an old firmware.
    OldFirmware,
}

/// The wires as probes share them: each opening is another probe before the same target.
pub type SharedWires = Arc<Mutex<dyn Wires>>;

/// A probe's hold on the wires, and its clock.
#[derive(Clone)]
pub(super) struct Grip {
    wires: SharedWires,
    /// One clock for all openings: the target's time never goes back.
    time: Arc<HostTime>,
}

impl Grip {
    pub(super) fn new(wires: SharedWires) -> Self {
        Self { wires, time: Arc::new(HostTime::new()) }
    }

    /// Runs a call on the wires at the present moment.
    pub(super) fn with<T>(&self, call: impl FnOnce(&mut dyn Wires, Micros) -> T) -> T {
        let now = self.time.now();
        call(&mut *self.wires.lock().unwrap_or_else(PoisonError::into_inner), now)
    }

    /// One exchange over USB; true where fewer words come back than were asked for.
    pub(super) fn exchange(&mut self) -> Result<bool, DebugProbeError> {
        let failed = |kind, text| Err(DebugProbeError::Usb(io::Error::new(kind, text)));
        match self.with(|wires, now| wires.usb(now)) {
            UsbSide::Works => Ok(false),
            UsbSide::ShortBlock => Ok(true),
            UsbSide::TimesOut => failed(io::ErrorKind::TimedOut, "bulk read timed out"),
            UsbSide::Gone => failed(io::ErrorKind::NotConnected, "device disconnected"),
            UsbSide::Stalls => failed(io::ErrorKind::ConnectionReset, "endpoint stalled"),
            UsbSide::Hangs => loop {
                HostTime::new().wait(Micros::from_secs(1));
            },
        }
    }
}

impl std::fmt::Debug for Grip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Grip")
    }
}
