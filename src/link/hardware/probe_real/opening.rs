//! Opening a debug probe: alone, and again where what it first says is not to be believed; why it does not open.

use nusb::MaybeFuture;

use super::{RealProbe, Way};
use crate::link::hardware::probe_failure::{self, Doing};
use crate::link::hardware::probe_listing::FoundProbe;
use crate::link::hardware::probe_lock::{LockError, ProbeLock};
use crate::link::swd_probe::{ProbeError, ProbeErrorKind};
use crate::observation::units::Micros;
use crate::timebase::Timebase;

impl RealProbe {
    pub(super) fn lock(&mut self, found: &FoundProbe) -> Result<(), ProbeError> {
        if self.lock.is_none() {
            let name = found.identity.serial.as_ref().map_or_else(|| found.handle(), |serial| serial.raw().to_owned());
            let lock = ProbeLock::take(&self.lock_folder, &name).map_err(|error| {
                let kind =
                    if matches!(error, LockError::Held(_)) { ProbeErrorKind::Busy } else { ProbeErrorKind::Other };
                ProbeError::new(kind, error.to_string())
            })?;
            self.lock = Some(lock);
        }
        Ok(())
    }

    fn open_once(&mut self, found: &FoundProbe) -> Result<(), ProbeError> {
        let info = found.info().clone();
        self.call(Doing::Opening, |way| {
            *way = Way::Open(info.open()?);
            Ok(())
        })
    }

    /// A stale answer in the pipe reads as an outdated firmware. Only a probe that says so after a reset of its USB side is believed.
    pub(super) fn open_believably(&mut self, found: &FoundProbe) -> Result<(), ProbeError> {
        match self.open_once(found) {
            Err(error) if error.kind == ProbeErrorKind::OldFirmware => {
                self.repeats += 1;
                self.reset_usb(found);
                self.open_once(found)
            }
            // The library asks a CMSIS-DAP probe for its packet size with 50 ms of patience and asks again, so that on a slow host each later
            // question meets the answer to the one before. Opening takes what is left over out of the pipe.
            Err(error) if found.is_cmsis_dap() && probe_failure::is_answer_to_another_question(&error) => {
                self.repeats += 1;
                self.open_once(found)
            }
            outcome => outcome,
        }
    }

    /// Best effort: where the reset is refused, opening again shows whether it was needed.
    fn reset_usb(&mut self, found: &FoundProbe) {
        let Some(device) = &found.device else { return };
        let at = (device.bus_number, device.device_number);
        if let Ok(mut devices) = nusb::list_devices().wait()
            && let Some(info) = devices.find(|info| (info.busnum(), info.device_address()) == at)
            && let Ok(device) = info.open().wait()
            && device.reset().wait().is_ok()
        {
            self.time.wait(Micros::from_millis(300));
        }
    }

    /// probe-rs hides why a CMSIS-DAP probe does not open, and never says who holds one; the host knows.
    pub(super) fn explained(&self, found: &FoundProbe, error: ProbeError) -> ProbeError {
        if !matches!(error.kind, ProbeErrorKind::NoProbe | ProbeErrorKind::Busy | ProbeErrorKind::Permission) {
            return error;
        }
        let holders = found.device.as_ref().map(|device| self.root.holders(device)).unwrap_or_default();
        if let Some(holder) = holders.first() {
            let who = format!("{} (process {}) has it open; {}", holder.name.raw(), holder.pid, error.code);
            return ProbeError::new(ProbeErrorKind::Busy, who);
        }
        if !found.accessible {
            return ProbeError::new(ProbeErrorKind::Permission, format!("no permission to open it; {}", error.code));
        }
        error
    }
}
