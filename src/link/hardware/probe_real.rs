//! A real debug probe over probe-rs's raw ARM interface: no chip description, no `Session`, so that nothing is halted or written
//! unless the session above asks for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use probe_rs::architecture::arm::dp::{DpAddress, DpRegisterAddress};
use probe_rs::architecture::arm::sequences::DefaultArmSequence;
use probe_rs::architecture::arm::{ArmDebugInterface, ArmError, FullyQualifiedApAddress};
use probe_rs::probe::{DebugProbeError, Probe, WireProtocol};

use crate::host::sys_root::SysRoot;
use crate::observation::boot::{BootKind, BootProof};
use crate::observation::field_text::FieldText;
use crate::observation::step::ConnectMode;
use crate::observation::units::{Address, Micros, Millivolts};
use crate::swd::stlink_probe::{self, ProbeKind};
use crate::swd::transaction::dp;
use crate::timebase::{HostTime, Timebase};

mod opening;

use super::plug_in::driver::{Level, Seat};
use super::plug_in::wires::Wires;
use super::probe_failure::{self, Doing};
use super::probe_firmware;
use super::probe_listing::{self, FoundProbe};
use super::probe_lock::ProbeLock;
use super::probe_log::ProbeLog;
use crate::link::board_selector::BoardSelector;
use crate::link::swd_probe::{Hidden, ProbeError, ProbeErrorKind, ProbeIdentity, SwdProbe};

/// How long to leave a probe alone after one, two, three or more failures of its connection in a row.
const BACK_OFF: [Micros; 4] =
    [Micros::from_millis(200), Micros::from_millis(500), Micros::from_millis(1_000), Micros::from_millis(2_000)];

/// The access port through which memory is read: that of the first core.
const MEMORY: FullyQualifiedApAddress = FullyQualifiedApAddress::v1_with_default_dp(0);

/// The fastest step of an ST-Link V2 in kHz. ST and OpenOCD call it 4 MHz; probe-rs calls it 4.6 MHz, and takes the next slower
/// step for anything less.
const V2_FASTEST: u32 = 4_000;
const V2_FASTEST_IN_PROBE_RS: u32 = 4_600;

/// nRESET among the pins of a probe.
const NRESET: u32 = 1 << 7;

#[derive(Debug)]
pub struct RealProbe {
    /// The only probe there is, where absent.
    selector: Option<BoardSelector>,
    root: SysRoot,
    lock_folder: PathBuf,
    lock: Option<ProbeLock>,
    time: HostTime,
    log: ProbeLog,
    way: Way,
    identity: ProbeIdentity,
    /// Failures of the connection in a row.
    failures: usize,
    /// Openings that were made again behind the caller's back.
    repeats: u32,
    is_cmsis_dap: bool,
    /// A virtual probe that is this one, plugged in as long as it is used.
    plugged_in: Option<Seat>,
}

/// How far the way to the target is open.
enum Way {
    Closed,
    Open(Probe),
    Connected(Box<dyn ArmDebugInterface>),
}

impl RealProbe {
    pub fn new(selector: Option<BoardSelector>) -> Self {
        Self::on(selector, SysRoot::default(), ProbeLock::usual_folder())
    }

    /// A virtual target at the end of these wires, behind a probe of its own.
    pub fn before(wires: impl Wires + 'static, level: Level) -> Self {
        let serial = format!("bench-{}", std::process::id());
        Self::plugged_in(Seat::take(&serial, Arc::new(Mutex::new(wires)), level), ProbeLock::usual_folder())
    }

    /// With another computer below `root`, and locks in a folder of their own.
    pub fn on(selector: Option<BoardSelector>, root: SysRoot, lock_folder: PathBuf) -> Self {
        Self {
            selector,
            root,
            lock_folder,
            lock: None,
            time: HostTime::new(),
            log: ProbeLog::new(),
            way: Way::Closed,
            identity: ProbeIdentity::default(),
            failures: 0,
            repeats: 0,
            is_cmsis_dap: false,
            plugged_in: None,
        }
    }

    /// The virtual probe on this seat, opened by probe-rs as any other.
    pub fn plugged_in(seat: Seat, lock_folder: PathBuf) -> Self {
        let selector = BoardSelector::Serial(seat.serial().to_owned());
        Self { plugged_in: Some(seat), ..Self::on(Some(selector), SysRoot::default(), lock_folder) }
    }

    /// What is known of the probe so far.
    pub fn identity(&self) -> &ProbeIdentity {
        &self.identity
    }

    pub fn seat(&self) -> Option<&Seat> {
        self.plugged_in.as_ref()
    }

    fn find(&self) -> Result<FoundProbe, ProbeError> {
        let probes = self.log.during(|| probe_listing::probes(&self.root));
        probe_listing::choose(probes, self.selector.as_ref())
    }

    /// One call into probe-rs: what it logs is heard, a panic is caught, and what leaves the connection in doubt closes it.
    fn call<T>(
        &mut self,
        doing: Doing,
        call: impl FnOnce(&mut Way) -> Result<T, probe_rs::Error>,
    ) -> Result<T, ProbeError> {
        let way = &mut self.way;
        let outcome = self.log.during(|| catch_unwind(AssertUnwindSafe(|| call(way))));
        let error = match outcome {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) if self.is_cmsis_dap => probe_failure::by_cmsis_dap(probe_failure::meaning(&error, doing)),
            Ok(Err(error)) => probe_failure::meaning(&error, doing),
            Err(payload) => probe_failure::of_panic(payload.as_ref()),
        };
        if error.kind.needs_reopening() {
            self.failures += 1;
            self.let_go();
        }
        Err(error)
    }

    /// Letting go talks to the probe, which may be what does not work.
    fn let_go(&mut self) {
        let way = std::mem::replace(&mut self.way, Way::Closed);
        // A panic on the way out changes nothing: the way is empty either way.
        let _ = self.log.during(|| catch_unwind(AssertUnwindSafe(|| drop(way))));
    }

    fn interface<T>(
        &mut self,
        call: impl FnOnce(&mut dyn ArmDebugInterface) -> Result<T, ArmError>,
    ) -> Result<T, ProbeError> {
        let outcome = self.call(Doing::Transferring, |way| match way {
            Way::Connected(interface) => Ok(call(interface.as_mut())?),
            Way::Open(_) | Way::Closed => Err(DebugProbeError::NotAttached.into()),
        });
        if outcome.as_ref().is_err_and(|error| error.kind == ProbeErrorKind::Fault) {
            self.clear_sticky();
        }
        outcome
    }

    /// probe-rs clears the sticky flags after a FAULT only while bank 0 is selected; here they are cleared in any case.
    /// An ST-Link does it in its firmware.
    fn clear_sticky(&mut self) {
        if let Way::Connected(interface) = &mut self.way
            && interface.try_dap_probe().is_some()
        {
            let abort = DpRegisterAddress { address: dp::ABORT, bank: None };
            // If this fails too, the next access says so.
            let _ = self.log.during(|| {
                catch_unwind(AssertUnwindSafe(|| {
                    interface.write_raw_dp_register(DpAddress::Default, abort, dp::CLEAR_STICKY)
                }))
            });
        }
    }
}

impl SwdProbe for RealProbe {
    fn now(&self) -> Micros {
        self.time.now()
    }

    fn wait(&mut self, span: Micros) {
        self.time.wait(span);
    }

    fn arrive(&mut self, deadline: Micros) -> Result<ProbeIdentity, ProbeError> {
        const LOOK_EVERY: Micros = Micros::from_millis(100);
        let until = self.now() + deadline;
        loop {
            match self.find() {
                Ok(found) => {
                    self.identity = ProbeIdentity { firmware: self.identity.firmware.take(), ..found.identity };
                    return Ok(self.identity.clone());
                }
                Err(error) if self.now() + LOOK_EVERY >= until => return Err(error),
                Err(_) => self.time.wait(LOOK_EVERY),
            }
        }
    }

    fn is_present(&mut self) -> bool {
        self.find().is_ok()
    }

    fn open(&mut self) -> Result<ProbeIdentity, ProbeError> {
        self.let_go();
        if let Some(last) = self.failures.checked_sub(1) {
            self.time.wait(BACK_OFF[last.min(BACK_OFF.len() - 1)]);
        }
        let found = self.find()?;
        self.lock(&found)?;
        self.is_cmsis_dap = found.is_cmsis_dap();
        let mut firmware = self.identity.firmware.take();
        if firmware.is_none() && found.is_st_link() {
            // A probe that cannot be asked is opened all the same, and that says why.
            let asked = found.device.as_ref().and_then(|device| probe_firmware::inquire(device).ok());
            firmware = asked.map(|inquiry| FieldText::new(inquiry.firmware.to_string()));
        }
        self.identity = ProbeIdentity { firmware, ..found.identity.clone() };
        self.open_believably(&found).map_err(|error| self.explained(&found, error))?;
        Ok(self.identity.clone())
    }

    fn target_voltage(&mut self) -> Result<Option<Millivolts>, ProbeError> {
        let volts = self.call(Doing::Transferring, |way| match way {
            Way::Open(probe) => Ok(probe.get_target_voltage()?),
            Way::Connected(interface) => match interface.try_dap_probe_mut() {
                Some(probe) => Ok(probe.get_target_voltage()?),
                None => voltage_of_connected(way),
            },
            Way::Closed => Err(DebugProbeError::NotAttached.into()),
        })?;
        Ok(volts.map(|volts| Millivolts(f64::from(volts) * 1e3)))
    }

    fn set_speed(&mut self, kilohertz: u32) -> Result<u32, ProbeError> {
        let identity = &self.identity;
        let kind = identity.vendor_id.zip(identity.product_id).and_then(|(v, p)| stlink_probe::of_usb_ids(v, p));
        let is_fastest = kind.is_some_and(ProbeKind::is_v2) && kilohertz >= V2_FASTEST;
        let asked = if is_fastest { kilohertz.max(V2_FASTEST_IN_PROBE_RS) } else { kilohertz };
        let taken = self.call(Doing::Transferring, |way| match way {
            Way::Open(probe) => Ok(probe.set_speed(asked)?),
            Way::Connected(_) => Err(DebugProbeError::Attached.into()),
            Way::Closed => Err(DebugProbeError::NotAttached.into()),
        })?;
        Ok(if is_fastest && taken == V2_FASTEST_IN_PROBE_RS { V2_FASTEST } else { taken })
    }

    fn connect(&mut self, mode: ConnectMode) -> Result<u32, ProbeError> {
        let dpidr = self.call(Doing::Connecting, |way| {
            let mut probe = match std::mem::replace(way, Way::Closed) {
                Way::Open(probe) => probe,
                Way::Closed => return Err(DebugProbeError::NotAttached.into()),
                connected @ Way::Connected(_) => {
                    *way = connected;
                    return Err(DebugProbeError::Attached.into());
                }
            };
            let attached =
                probe.select_protocol(WireProtocol::Swd).map_err(probe_rs::Error::from).and_then(|()| match mode {
                    ConnectMode::UnderReset => probe.attach_to_unspecified_under_reset(),
                    ConnectMode::Normal | ConnectMode::Hotplug => probe.attach_to_unspecified(),
                });
            if let Err(error) = attached {
                *way = Way::Open(probe);
                return Err(error);
            }
            let mut interface =
                probe.try_into_arm_debug_interface(DefaultArmSequence::create()).map_err(|(probe, error)| {
                    *way = Way::Open(probe);
                    error
                })?;
            let dpidr = DpRegisterAddress { address: dp::DPIDR, bank: Some(0) };
            let read = interface
                .select_debug_port(DpAddress::Default)
                .and_then(|()| interface.read_raw_dp_register(DpAddress::Default, dpidr));
            match read {
                Ok(word) => {
                    *way = Way::Connected(interface);
                    Ok(word)
                }
                Err(error) => {
                    *way = Way::Open(detached(interface));
                    Err(error.into())
                }
            }
        })?;
        self.failures = 0;
        Ok(dpidr)
    }

    fn disconnect(&mut self) -> Result<(), ProbeError> {
        self.call(Doing::Transferring, |way| match std::mem::replace(way, Way::Closed) {
            Way::Connected(interface) => {
                let mut probe = interface.close();
                let outcome = probe.detach();
                *way = Way::Open(probe);
                outcome
            }
            other => {
                *way = other;
                Ok(())
            }
        })
    }

    fn read_dp(&mut self, address: u8, bank: u8) -> Result<u32, ProbeError> {
        let word = self.interface(|interface| {
            interface.read_raw_dp_register(DpAddress::Default, DpRegisterAddress { address, bank: Some(bank) })
        });
        if bank != 0 {
            // A bank that stays selected keeps probe-rs from seeing, and so from clearing, the next FAULT.
            let status = DpRegisterAddress { address: dp::CTRL_STAT, bank: Some(0) };
            self.interface(|interface| interface.read_raw_dp_register(DpAddress::Default, status))?;
        }
        word
    }

    fn write_dp(&mut self, address: u8, word: u32) -> Result<(), ProbeError> {
        if address == dp::SELECT {
            let code = "probe-rs keeps SELECT itself; banks and ports are chosen with each access";
            return Err(ProbeError::new(ProbeErrorKind::Unsupported, code));
        }
        self.interface(|interface| {
            interface.write_raw_dp_register(DpAddress::Default, DpRegisterAddress { address, bank: Some(0) }, word)?;
            interface.flush()
        })
    }

    fn read_ap(&mut self, port: u8, address: u8) -> Result<u32, ProbeError> {
        let port = FullyQualifiedApAddress::v1_with_default_dp(port);
        self.interface(|interface| interface.read_raw_ap_register(&port, address.into()))
    }

    fn write_ap(&mut self, port: u8, address: u8, word: u32) -> Result<(), ProbeError> {
        let port = FullyQualifiedApAddress::v1_with_default_dp(port);
        self.interface(|interface| {
            interface.write_raw_ap_register(&port, address.into(), word)?;
            interface.flush()
        })
    }

    fn read_words(&mut self, address: Address, count: usize) -> Result<Vec<u32>, ProbeError> {
        let mut words = vec![0; count];
        self.interface(|interface| interface.memory_interface(&MEMORY)?.read_32(address.0.into(), &mut words))?;
        Ok(words)
    }

    /// Bytes one by one or words, never halfwords: on an ST-Link probe-rs reads longer blocks of those from wrong addresses.
    fn read_bytes(&mut self, address: Address, count: usize) -> Result<Vec<u8>, ProbeError> {
        let mut bytes = vec![0; count];
        self.interface(|interface| interface.memory_interface(&MEMORY)?.read_8(address.0.into(), &mut bytes))?;
        Ok(bytes)
    }

    fn write_word(&mut self, address: Address, word: u32) -> Result<(), ProbeError> {
        self.interface(|interface| {
            let mut memory = interface.memory_interface(&MEMORY)?;
            memory.write_32(address.0.into(), &[word])?;
            memory.flush()
        })
    }

    fn reset_line(&mut self, low: bool) -> Result<(), ProbeError> {
        self.call(Doing::Transferring, |way| match way {
            Way::Connected(interface) => {
                interface.swj_pins(if low { 0 } else { NRESET }, NRESET, 0)?;
                Ok(())
            }
            Way::Open(probe) if low => Ok(probe.target_reset_assert()?),
            Way::Open(probe) => Ok(probe.target_reset_deassert()?),
            Way::Closed => Err(DebugProbeError::NotAttached.into()),
        })
    }

    fn take_hidden(&mut self) -> Hidden {
        let heard = self.log.take();
        Hidden { waits: heard.wait_retries, repeats: std::mem::take(&mut self.repeats), lines: heard.lines }
    }

    fn power_cycle(&mut self, off_time: Micros) -> Option<(BootKind, BootProof)> {
        self.plugged_in.as_ref()?.power(false);
        self.time.wait(off_time);
        self.plugged_in.as_ref()?.power(true);
        Some((BootKind::ColdPowerOn { off_time: Some(off_time) }, BootProof::Commanded))
    }

    fn close(&mut self) {
        if matches!(self.way, Way::Open(_)) {
            self.failures = 0;
        }
        self.let_go();
    }
}

/// An ST-Link measures only for the probe itself; the way to the target is taken up again afterwards.
fn voltage_of_connected(way: &mut Way) -> Result<Option<f32>, probe_rs::Error> {
    let Way::Connected(interface) = std::mem::replace(way, Way::Closed) else { return Ok(None) };
    let mut probe = interface.close();
    let volts = probe.get_target_voltage();
    match probe.try_into_arm_debug_interface(DefaultArmSequence::create()) {
        Ok(interface) => *way = Way::Connected(interface),
        Err((probe, error)) => {
            *way = Way::Open(probe);
            return Err(error.into());
        }
    }
    Ok(volts?)
}

/// The probe behind an interface that did not come to life, ready for another try.
fn detached(interface: Box<dyn ArmDebugInterface>) -> Probe {
    let mut probe = interface.close();
    // What keeps it from letting go kept it from connecting; that error is the one to tell.
    let _ = probe.detach();
    probe
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Closed => "Closed",
            Self::Open(_) => "Open",
            Self::Connected(_) => "Connected",
        })
    }
}
