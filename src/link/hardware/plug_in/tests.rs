//! The real probe-rs before a virtual target, its defects, and the ways around them.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use super::bench_wires::BenchWires;
use super::driver::{Level, Seat};
use super::wires::{Opening, UsbSide, Wires};
use crate::bench::board::VirtualBoard;
use crate::host::sys_root::SysRoot;
use crate::link::hardware::probe_real::RealProbe;
use crate::link::swd_probe::{ProbeError, ProbeErrorKind, SwdProbe};
use crate::observation::step::ConnectMode;
use crate::observation::units::{Address, Micros, Millivolts};
use crate::swd::core_debug::CPUID;
use crate::swd::transaction::{Port, Request, Response, dp, mem_ap};

const LEVELS: [Level; 2] = [Level::Transactions, Level::Bits];
const FLASH: Address = Address(0x0800_0000);
const HOLE: Address = Address(0x6000_0000);

/// The wires of a bench with a probe whose troubles are prescribed.
struct Scripted {
    bench: BenchWires,
    usb: UsbSide,
    /// The next openings; then it opens.
    openings: Vec<Opening>,
    /// Sizes of memory accesses that were asked for.
    sizes: Vec<u32>,
    bank_of_access_port: u32,
}

impl Wires for Scripted {
    fn transact(&mut self, at: Micros, request: Request) -> Response {
        match request {
            Request { port: Port::Debug, address: dp::SELECT, write: Some(word) } => {
                self.bank_of_access_port = word & 0xF0;
            }
            Request { port: Port::Access, address: mem_ap::CSW, write: Some(word) }
                if self.bank_of_access_port == 0 =>
            {
                self.sizes.push(word & 7);
            }
            _ => {}
        }
        self.bench.transact(at, request)
    }

    fn line_reset(&mut self, at: Micros) {
        self.bench.line_reset(at);
    }

    fn clock(&mut self, at: Micros, driven: Option<bool>) -> bool {
        self.bench.clock(at, driven)
    }

    fn reset_line(&mut self, at: Micros, low: bool) {
        self.bench.reset_line(at, low);
    }

    fn set_speed(&mut self, kilohertz: u32) -> u32 {
        self.bench.set_speed(kilohertz)
    }

    fn target_voltage(&mut self, at: Micros) -> Option<Millivolts> {
        self.bench.target_voltage(at)
    }

    fn power(&mut self, at: Micros, on: bool) {
        self.bench.power(at, on);
    }

    fn is_present(&mut self, at: Micros) -> bool {
        self.bench.is_present(at)
    }

    fn usb(&mut self, at: Micros) -> UsbSide {
        if self.usb == UsbSide::Works { self.bench.usb(at) } else { self.usb }
    }

    fn opening(&mut self, at: Micros) -> Opening {
        self.openings.pop().unwrap_or_else(|| self.bench.opening(at))
    }
}

/// A probe, the wires behind it, and a folder for its lock.
struct Rig {
    probe: RealProbe,
    wires: Arc<Mutex<Scripted>>,
    folder: tempfile::TempDir,
}

impl Rig {
    fn new(serial: &str, level: Level) -> Self {
        Self::with_board(serial, level, VirtualBoard::by_name("healthy-f407", 1).unwrap())
    }

    fn with_board(serial: &str, level: Level, mut board: VirtualBoard) -> Self {
        board.keep_write_log();
        let wires = Arc::new(Mutex::new(Scripted {
            bench: BenchWires::new(board),
            usb: UsbSide::Works,
            openings: Vec::new(),
            sizes: Vec::new(),
            bank_of_access_port: 0,
        }));
        let folder = tempfile::tempdir().unwrap();
        let seat = Seat::take(&format!("{serial}-{level:?}"), wires.clone(), level);
        Self { probe: RealProbe::plugged_in(seat, folder.path().to_owned()), wires, folder }
    }

    fn connected(serial: &str, level: Level) -> Self {
        let mut rig = Self::new(serial, level);
        rig.probe.open().unwrap();
        rig.probe.connect(ConnectMode::Hotplug).unwrap();
        rig
    }

    fn script(&self, change: impl FnOnce(&mut Scripted)) {
        change(&mut self.wires.lock().unwrap());
    }

    fn flash(&self, count: usize) -> Vec<u32> {
        let wires = self.wires.lock().unwrap();
        let bytes = wires.bench.board.memory().read(FLASH, count as u32 * 4).unwrap();
        bytes.chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
    }
}

/// A healthy board with something more in its file.
fn board_with(more: &str) -> VirtualBoard {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/benches");
    let text = std::fs::read_to_string(folder.join("healthy-f407.toml")).unwrap();
    VirtualBoard::from_toml("more.toml", &format!("{text}\n{more}"), 1).unwrap()
}

fn kind<T: std::fmt::Debug>(outcome: Result<T, ProbeError>) -> ProbeErrorKind {
    outcome.unwrap_err().kind
}

#[test]
fn probe_rs_reads_the_identity_and_the_memory_of_a_virtual_target() {
    for level in LEVELS {
        let mut rig = Rig::new("IDENTITY", level);
        let identity = rig.probe.open().unwrap();
        assert_eq!(identity.serial.unwrap().raw(), format!("IDENTITY-{level:?}"));
        assert_eq!(rig.probe.set_speed(1_800), Ok(1_800));
        assert!(rig.probe.target_voltage().unwrap().unwrap().0 > 3_000.0);
        assert_eq!(rig.probe.connect(ConnectMode::Hotplug), Ok(0x2BA0_1477));
        assert!(rig.probe.target_voltage().unwrap().is_some(), "while connected too");
        assert_eq!(rig.probe.read_ap(0, mem_ap::IDR), Ok(0x2477_0011));
        assert_eq!(rig.probe.read_words(CPUID, 1), Ok(vec![0x410F_C241]));
        assert_eq!(rig.probe.read_words(FLASH, 256).unwrap(), rig.flash(256), "{level:?}");
        let bytes = rig.probe.read_bytes(Address(FLASH.0 + 1), 5).unwrap();
        let all: Vec<u8> = rig.flash(2).iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(bytes, all[1..6], "{level:?}");
        rig.probe.disconnect().unwrap();
        assert_eq!(rig.probe.connect(ConnectMode::Hotplug), Ok(0x2BA0_1477), "again on the same opening");
        rig.probe.close();
    }
}

#[test]
fn observing_writes_nothing_to_memory_and_never_halts() {
    use crate::swd::whitelist::TargetWrite;
    for level in LEVELS {
        let mut rig = Rig::connected("OBSERVES", level);
        rig.probe.read_words(FLASH, 256).unwrap();
        rig.probe.read_bytes(FLASH, 3).unwrap();
        rig.probe.read_words(HOLE, 1).unwrap_err();
        rig.probe.read_dp(dp::CTRL_STAT, 2).unwrap();
        rig.probe.disconnect().unwrap();
        rig.probe.close();
        rig.script(|wires| {
            let log = wires.bench.board.write_log();
            assert!(!log.is_empty(), "the log is kept");
            let beyond = log
                .iter()
                .find(|(_, write)| matches!(write, TargetWrite::Memory { .. } | TargetWrite::ResetLine { .. }));
            assert_eq!(beyond, None, "{level:?}");
            assert!(!wires.bench.board.is_halted());
        });
    }
}

#[test]
fn halfwords_are_never_asked_for() {
    const HALFWORD: u32 = 1;
    let mut rig = Rig::connected("HALFWORDS", Level::Transactions);
    rig.probe.read_words(Address(0x1FFF_7A20), 1).unwrap();
    rig.probe.read_bytes(Address(0x1FFF_7A22), 2).unwrap();
    rig.script(|wires| {
        assert!(wires.sizes.contains(&mem_ap::SIZE_BYTE) && wires.sizes.contains(&mem_ap::SIZE_WORD));
        assert!(!wires.sizes.contains(&HALFWORD), "{:?}", wires.sizes);
    });
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/link");
    for file in ["hardware/probe_real.rs", "swd_wire.rs"] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        assert!(!text.contains("read_16") && !text.contains("read_word_16") && !text.contains("write_16"), "{file}");
    }
}

#[test]
fn a_fault_after_a_banked_read_is_cleared() {
    for level in LEVELS {
        let mut rig = Rig::connected("BANKS", level);
        rig.probe.read_dp(dp::CTRL_STAT, 2).unwrap();
        assert_eq!(kind(rig.probe.read_words(HOLE, 1)), ProbeErrorKind::Fault, "{level:?}");
        assert_eq!(rig.probe.read_words(CPUID, 1), Ok(vec![0x410F_C241]), "{level:?}");
    }
}

#[test]
fn probe_rs_alone_does_not_recover_from_that() {
    use probe_rs::architecture::arm::FullyQualifiedApAddress;
    use probe_rs::architecture::arm::dp::{DpAddress, DpRegisterAddress};
    use probe_rs::architecture::arm::sequences::DefaultArmSequence;
    let rig = Rig::new("DEFECT", Level::Bits);
    let listed = probe_rs::probe::list::Lister::new().list_all();
    let info = listed.iter().find(|info| info.serial_number.as_deref() == Some("DEFECT-Bits")).unwrap();
    let mut probe = info.open().unwrap();
    probe.attach_to_unspecified().unwrap();
    let mut interface =
        probe.try_into_arm_debug_interface(DefaultArmSequence::create()).map_err(|(_, error)| error).unwrap();
    interface.select_debug_port(DpAddress::Default).unwrap();
    let bank = DpRegisterAddress { address: dp::CTRL_STAT, bank: Some(2) };
    interface.read_raw_dp_register(DpAddress::Default, bank).unwrap();
    let port = FullyQualifiedApAddress::v1_with_default_dp(0);
    let mut read = |address: Address| {
        interface.memory_interface(&port).and_then(|mut memory| memory.read_word_32(address.0.into()))
    };
    read(HOLE).unwrap_err();
    assert!(read(CPUID).is_err(), "probe-rs has mended this; the way around it can go");
    drop(rig);
}

#[test]
fn a_short_block_is_a_fault_of_the_probe_and_not_the_end_of_the_program() {
    let mut rig = Rig::connected("SHORT", Level::Transactions);
    rig.script(|wires| wires.usb = UsbSide::ShortBlock);
    let error = rig.probe.read_words(FLASH, 8).unwrap_err();
    assert_eq!(error.kind, ProbeErrorKind::ProbeFault);
    assert!(error.code.starts_with("probe-rs panicked"), "{}", error.code);
    rig.script(|wires| wires.usb = UsbSide::Works);
    rig.probe.open().unwrap();
    rig.probe.connect(ConnectMode::Hotplug).unwrap();
    assert_eq!(rig.probe.read_words(FLASH, 8).unwrap(), rig.flash(8));
}

#[test]
fn the_name_that_leaks_with_every_asking_is_never_asked_for() {
    let mut rig = Rig::new("NAME", Level::Transactions);
    for _ in 0..3 {
        rig.probe.open().unwrap();
        rig.probe.connect(ConnectMode::UnderReset).unwrap();
        rig.probe.reset_line(false).unwrap();
        rig.probe.read_words(CPUID, 1).unwrap();
        rig.probe.close();
    }
    let counts = rig.probe.seat().unwrap().counts();
    assert_eq!((counts.openings.load(Ordering::Relaxed), counts.names.load(Ordering::Relaxed)), (3, 0));
    assert_eq!(counts.open.load(Ordering::Relaxed), 0);
}

#[test]
fn a_stale_answer_is_not_believed_at_once() {
    let mut rig = Rig::new("STALE", Level::Transactions);
    rig.script(|wires| wires.openings = vec![Opening::OldFirmware]);
    rig.probe.open().unwrap();
    assert_eq!(rig.probe.take_hidden().repeats, 1);
    rig.script(|wires| wires.openings = vec![Opening::OldFirmware; 2]);
    assert_eq!(kind(rig.probe.open()), ProbeErrorKind::OldFirmware);
}

#[test]
fn waits_that_probe_rs_meets_at_bit_level_are_counted_with_its_words() {
    let mut rig =
        Rig::with_board("WAITS", Level::Bits, board_with("[swd.mechanism.busy-bus]\nevery-ms = 0.5\nfor-ms = 0.1\n"));
    rig.probe.open().unwrap();
    rig.probe.connect(ConnectMode::Hotplug).unwrap();
    rig.probe.take_hidden();
    let read = rig.probe.read_words(FLASH, 2_048).unwrap();
    assert!(read == rig.flash(2_048), "what was read after a WAIT is not what is there");
    let hidden = rig.probe.take_hidden();
    assert!(hidden.waits > 0, "{hidden:?}");
    assert!(hidden.lines[0].contains("WAIT"), "{hidden:?}");
    assert_eq!(rig.probe.take_hidden().waits, 0);
}

#[test]
fn what_the_usb_side_does_has_its_kind() {
    for (usb, expected) in [
        (UsbSide::TimesOut, ProbeErrorKind::UsbTimeout),
        (UsbSide::Gone, ProbeErrorKind::ProbeLost),
        (UsbSide::Stalls, ProbeErrorKind::ProbeFault),
    ] {
        for level in LEVELS {
            let mut rig = Rig::connected("USB", level);
            rig.script(|wires| wires.usb = usb);
            assert_eq!(kind(rig.probe.read_words(FLASH, 8)), expected, "{level:?}");
            // Nothing more is sent over a connection in doubt.
            assert_eq!(kind(rig.probe.read_words(FLASH, 8)), ProbeErrorKind::Tool, "{level:?}");
        }
    }
}

#[test]
fn how_a_probe_does_not_open_has_its_kind() {
    for (opening, expected) in [
        (Opening::Busy, ProbeErrorKind::Busy),
        (Opening::Denied, ProbeErrorKind::Permission),
        (Opening::Gone, ProbeErrorKind::NoProbe),
    ] {
        let mut rig = Rig::new("OPENING", Level::Transactions);
        rig.script(|wires| wires.openings = vec![opening]);
        assert_eq!(kind(rig.probe.open()), expected);
    }
}

#[test]
fn a_probe_that_is_open_is_busy_for_the_next() {
    let rig = Rig::connected("SHARED", Level::Transactions);
    let selector = || Some("SHARED-Transactions".parse().unwrap());
    let elsewhere = tempfile::tempdir().unwrap();
    let mut other_program = RealProbe::on(selector(), SysRoot::default(), elsewhere.path().to_owned());
    assert_eq!(kind(other_program.open()), ProbeErrorKind::Busy);
    let mut other_instance = RealProbe::on(selector(), SysRoot::default(), rig.folder.path().to_owned());
    let refusal = other_instance.open().unwrap_err();
    assert_eq!(refusal.kind, ProbeErrorKind::Busy);
    assert!(refusal.code.contains("another flakescope"), "{}", refusal.code);
}

#[test]
fn a_target_without_supply_is_no_target_until_it_has_one_again() {
    let mut rig = Rig::new("POWER", Level::Transactions);
    rig.probe.seat().unwrap().power(false);
    rig.probe.open().unwrap();
    assert_eq!(kind(rig.probe.connect(ConnectMode::Hotplug)), ProbeErrorKind::NoTarget);
    assert!(rig.probe.power_cycle(Micros::from_millis(1)).is_some());
    assert_eq!(rig.probe.connect(ConnectMode::Hotplug), Ok(0x2BA0_1477));
}
