//! A virtual ST-Link on the debug pins of a virtual board, in simulated time, behind the rules by which probe-rs repeats.
//! It shows what a real one shows: a status for each command, and nothing of the bits.

use crate::bench::board::VirtualBoard;
use crate::bench::swd::dap_host::{DapFault, DapHost};
use crate::bench::swd::mechanism::probe_outage::Trouble;
use crate::bench::swd::setup::ProbeSetup;
use crate::observation::board::PortPath;
use crate::observation::boot::{BootKind, BootProof};
use crate::observation::step::ConnectMode;
use crate::observation::units::{Address, Micros, Millivolts};
use crate::swd::stlink_firmware::ProbeFirmware;
use crate::swd::stlink_probe;
use crate::swd::stlink_status;

use super::swd_probe::{Hidden, ProbeError, ProbeErrorKind, ProbeIdentity, SwdProbe};
use super::virtual_bench::BenchShare;

#[derive(Debug)]
pub struct VirtualProbe {
    bench: BenchShare,
    host: DapHost,
    opened: bool,
    hidden: Hidden,
    /// The probe is on the bus again then.
    away_until: Micros,
    /// Nobody waits longer than until then.
    until: Micros,
}

/// probe-rs makes a command that met WAIT again up to 13 times, after 0.1 ms, 0.2 ms, 0.4 ms and so on: 0.82 s in the end.
const REPEATS_ON_WAIT: u32 = 13;
const FIRST_PAUSE: Micros = Micros(100);
/// Measured: opening, a STALL until its error, an unplug until its error; and the constant for a phase of a bulk transfer.
const OPENING: Micros = Micros::from_millis(100);
const STALL_SEEN: Micros = Micros::from_millis(360);
const UNPLUG_SEEN: Micros = Micros::from_millis(8);
const BULK_PHASE: Micros = Micros::from_secs(1);
/// The probe pulls NRST low this long before it connects.
const RESET_SETTLES: Micros = Micros::from_millis(10);
/// What one command of an ST-Link reads at most.
const WORD_BLOCK_BYTES: usize = 1024;
const BYTE_BLOCK_BYTES: usize = 64;
/// What the library accepts at least: V2J26, or V3J3.
const OLDEST: [(u8, u16); 2] = [(2, 26), (3, 3)];

type Command<'a, T> = dyn FnMut(&mut DapHost, &mut VirtualBoard) -> Result<T, DapFault> + 'a;

impl VirtualProbe {
    pub fn new(bench: BenchShare) -> Self {
        bench.lock().board.attach_probe();
        Self {
            bench,
            host: DapHost::new(950),
            opened: false,
            hidden: Hidden::default(),
            away_until: Micros::ZERO,
            until: Micros(u64::MAX),
        }
    }

    fn setup(&self) -> ProbeSetup {
        self.bench.lock().board.swd_setup().probe.clone()
    }

    fn is_on_bus(&self) -> bool {
        let bench = self.bench.lock();
        !bench.board.swd_setup().probe.unplugged && bench.now() >= self.away_until
    }

    /// One command to the probe with everything that can befall it on USB; WAIT is met as the library meets it.
    fn command<T>(&mut self, run: &mut Command<'_, T>) -> Result<T, ProbeError> {
        let mut pause = FIRST_PAUSE;
        let mut left = REPEATS_ON_WAIT;
        loop {
            match self.once(run)? {
                Ok(done) => return Ok(done),
                Err(DapFault::Wait { .. }) if left > 0 => {
                    left -= 1;
                    self.hidden.waits += 1;
                    self.wait(pause);
                    pause = Micros(2 * pause.0);
                }
                Err(fault) => return Err(error_of(fault)),
            }
        }
    }

    fn once<T>(&mut self, run: &mut Command<'_, T>) -> Result<Result<T, DapFault>, ProbeError> {
        if !self.opened || !self.is_on_bus() {
            self.opened = false;
            return Err(ProbeError::new(ProbeErrorKind::ProbeLost, "NotConnected"));
        }
        self.trouble()?;
        let mut bench = self.bench.lock();
        let half = Micros(bench.board.swd_setup().probe.command_us / 2);
        bench.wait(half);
        self.host.begin(bench.now());
        let outcome = run(&mut self.host, &mut bench.board);
        if outcome.is_err() {
            // What the firmware meets while it clears up after an error, it keeps to itself.
            let _ = self.host.recover(&mut bench.board);
        }
        let over = self.host.now() + half;
        bench.go_to(over);
        Ok(outcome)
    }

    /// What the probe's own link does to this command.
    fn trouble(&mut self) -> Result<(), ProbeError> {
        let trouble = self.bench.lock().board.probe_trouble();
        let Some(trouble) = trouble else { return Ok(()) };
        match trouble {
            Trouble::Stall => {
                self.wait(STALL_SEEN);
                Err(ProbeError::new(ProbeErrorKind::ProbeFault, "ConnectionReset (STALL)"))
            }
            Trouble::Mute => {
                self.wait(BULK_PHASE);
                Err(ProbeError::new(ProbeErrorKind::UsbTimeout, "TimedOut"))
            }
            Trouble::Hang => {
                let mut bench = self.bench.lock();
                let end = self.until;
                bench.go_to(end);
                drop(bench);
                self.opened = false;
                Err(ProbeError::new(ProbeErrorKind::UsbTimeout, "the call never came back"))
            }
            Trouble::Drop { away } => {
                self.wait(UNPLUG_SEEN);
                self.away_until = self.now() + away;
                self.opened = false;
                Err(ProbeError::new(ProbeErrorKind::ProbeLost, "ConnectionAborted"))
            }
        }
    }

    fn identity(&self, firmware: bool) -> ProbeIdentity {
        let setup = self.setup();
        ProbeIdentity {
            name: setup.name.into(),
            serial: Some(setup.serial.into()),
            firmware: firmware.then(|| setup.firmware.into()),
            port: Some(PortPath { bus: 1, ports: vec![2] }),
            vendor_id: Some(stlink_probe::VENDOR_ID),
            product_id: Some(setup.product_id),
        }
    }
}

/// The status byte with which an ST-Link tells this.
fn error_of(fault: DapFault) -> ProbeError {
    let (code, kind) = match fault {
        DapFault::Wait { access_port } => (if access_port { 0x10 } else { 0x14 }, ProbeErrorKind::Wait),
        DapFault::Fault { access_port } => (if access_port { 0x11 } else { 0x15 }, ProbeErrorKind::Fault),
        DapFault::NoAcknowledge { access_port } => {
            (if access_port { 0x12 } else { 0x16 }, ProbeErrorKind::NoAcknowledge)
        }
        DapFault::Parity { access_port } => (if access_port { 0x13 } else { 0x17 }, ProbeErrorKind::Parity),
        DapFault::NoIdentity => (0x09, ProbeErrorKind::NoTarget),
        DapFault::NoPower => (0x0B, ProbeErrorKind::PowerUp),
    };
    let name = stlink_status::of_code(code).map_or("", |status| status.name);
    ProbeError::new(kind, format!("0x{code:02X} {name}"))
}

/// Whether the library refuses this firmware.
fn is_too_old(firmware: &str) -> bool {
    let Ok(version) = firmware.parse::<ProbeFirmware>() else { return false };
    OLDEST.iter().any(|(hardware, jtag)| version.hardware == *hardware && version.jtag < *jtag)
}

impl SwdProbe for VirtualProbe {
    fn now(&self) -> Micros {
        self.bench.lock().now()
    }

    fn wait(&mut self, span: Micros) {
        self.bench.lock().wait(span);
    }

    fn give_until(&mut self, moment: Micros) {
        self.until = moment;
    }

    fn arrive(&mut self, deadline: Micros) -> Result<ProbeIdentity, ProbeError> {
        let patience = self.now() + deadline;
        if !self.setup().unplugged && self.away_until <= patience {
            self.bench.lock().go_to(self.away_until);
            return Ok(self.identity(false));
        }
        self.bench.lock().go_to(patience);
        Err(ProbeError::new(ProbeErrorKind::NoProbe, "no debug probe on USB"))
    }

    fn is_present(&mut self) -> bool {
        self.is_on_bus()
    }

    fn open(&mut self) -> Result<ProbeIdentity, ProbeError> {
        let setup = self.setup();
        if !self.is_on_bus() {
            return Err(ProbeError::new(ProbeErrorKind::ProbeLost, "NotConnected"));
        }
        if setup.node_closed {
            return Err(ProbeError::new(ProbeErrorKind::Permission, "PermissionDenied (errno 13)"));
        }
        if setup.held {
            return Err(ProbeError::new(ProbeErrorKind::Busy, "Busy (errno 16)"));
        }
        self.wait(OPENING);
        if is_too_old(&setup.firmware) {
            let code = format!("ProbeFirmwareOutdated ({})", setup.firmware);
            return Err(ProbeError::new(ProbeErrorKind::OldFirmware, code));
        }
        self.opened = true;
        Ok(self.identity(true))
    }

    fn target_voltage(&mut self) -> Result<Option<Millivolts>, ProbeError> {
        self.command(&mut |host, board| Ok(Some(board.target_voltage(host.now()))))
    }

    fn set_speed(&mut self, kilohertz: u32) -> Result<u32, ProbeError> {
        let set = self.setup().nearest_speed(kilohertz);
        self.command(&mut |host, _| {
            host.set_kilohertz(set);
            Ok(set)
        })
    }

    fn connect(&mut self, mode: ConnectMode) -> Result<u32, ProbeError> {
        if mode == ConnectMode::UnderReset {
            self.reset_line(true)?;
            self.wait(RESET_SETTLES);
        }
        self.command(&mut |host, board| host.connect(board))
    }

    fn disconnect(&mut self) -> Result<(), ProbeError> {
        self.command(&mut |host, board| host.disconnect(board))
    }

    fn read_dp(&mut self, address: u8, bank: u8) -> Result<u32, ProbeError> {
        self.command(&mut |host, board| host.read_dp(board, address, bank))
    }

    fn write_dp(&mut self, address: u8, word: u32) -> Result<(), ProbeError> {
        self.command(&mut |host, board| host.write_dp(board, address, word))
    }

    fn read_ap(&mut self, port: u8, address: u8) -> Result<u32, ProbeError> {
        self.command(&mut |host, board| host.read_ap(board, port, address))
    }

    fn write_ap(&mut self, port: u8, address: u8, word: u32) -> Result<(), ProbeError> {
        self.command(&mut |host, board| host.write_ap(board, port, address, word))
    }

    fn read_words(&mut self, address: Address, count: usize) -> Result<Vec<u32>, ProbeError> {
        let mut words = Vec::with_capacity(count);
        while words.len() < count {
            let at = Address(address.0 + 4 * words.len() as u32);
            let units = (count - words.len()).min(WORD_BLOCK_BYTES / 4);
            let bytes = self.command(&mut |host, board| host.read_memory(board, at, 4, units))?;
            words.extend(bytes.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])));
        }
        Ok(words)
    }

    fn read_bytes(&mut self, address: Address, count: usize) -> Result<Vec<u8>, ProbeError> {
        let mut bytes = Vec::with_capacity(count);
        while bytes.len() < count {
            let at = Address(address.0 + bytes.len() as u32);
            let units = (count - bytes.len()).min(BYTE_BLOCK_BYTES);
            bytes.extend(self.command(&mut |host, board| host.read_memory(board, at, 1, units))?);
        }
        Ok(bytes)
    }

    fn write_word(&mut self, address: Address, word: u32) -> Result<(), ProbeError> {
        self.command(&mut |host, board| host.write_memory(board, address, 4, &word.to_le_bytes()))
    }

    fn reset_line(&mut self, low: bool) -> Result<(), ProbeError> {
        self.command(&mut |host, board| {
            board.nrst(host.now(), low);
            Ok(())
        })
    }

    fn take_hidden(&mut self) -> Hidden {
        std::mem::take(&mut self.hidden)
    }

    fn close(&mut self) {
        self.opened = false;
    }

    fn power_cycle(&mut self, off_time: Micros) -> Option<(BootKind, BootProof)> {
        Some(self.bench.lock().power_cycle(off_time))
    }

    fn rearrange(&mut self, change: Option<&str>, span: Micros) -> bool {
        self.bench.lock().rearrange(change, span)
    }

    fn meter(&mut self, quantity: &str) -> Option<f64> {
        self.bench.lock().board.meter(quantity)
    }
}

#[cfg(test)]
#[path = "virtual_probe_tests.rs"]
mod tests;
