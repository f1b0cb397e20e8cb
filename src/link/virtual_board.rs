//! A virtual board behind the same door as a real one: in simulated time, and showing only what libusb and the kernel could.

use std::path::Path;

use crate::bench::board::{NoSuchBoard, Reply, VirtualBoard};
use crate::bench::host_port::{self, Enumerated, Sighting};
use crate::dfu::command::SET_INTERFACE;
use crate::dfu::request::{ControlRequest, DataStage, UsbError, UsbErrorKind};
use crate::observation::board::{BoardIdentity, PortPath, PortPower, UsbSpeed};
use crate::observation::boot::{BootKind, BootProof};
use crate::observation::field_text::FieldText;
use crate::observation::units::Micros;

use super::usb_board::UsbBoard;
use super::virtual_bench::BenchShare;
use super::virtual_memory::{Keeper, NotKept};

#[derive(Debug)]
pub struct VirtualUsbBoard {
    bench: BenchShare,
    /// The kernel has it; its node may be opened.
    enumerated: Option<Enumerated>,
    opened: bool,
    keeper: Option<Keeper>,
}

/// The program's own work between two calls; measured figures of libusb are of this size.
const CALL: Micros = Micros(30);

impl VirtualUsbBoard {
    /// The board is switched on at the beginning.
    pub fn new(board: VirtualBoard) -> Self {
        Self::on(BenchShare::new(board))
    }

    /// The USB plug of a board that other links reach too.
    pub fn on(bench: BenchShare) -> Self {
        Self { bench, enumerated: None, opened: false, keeper: None }
    }

    /// A board that finds its memory in a file, if there is one, and leaves it there.
    pub fn keeping(mut self, path: &Path) -> Result<Self, NotKept> {
        let keeper = Keeper::at(path, &mut self.bench.lock().board)?;
        self.keeper = Some(keeper);
        Ok(self)
    }

    fn keep(&mut self) {
        if let Some(keeper) = &mut self.keeper {
            keeper.keep(&self.bench.lock().board);
        }
    }

    pub fn by_name(name: &str, seed: u64) -> Result<Self, NoSuchBoard> {
        Ok(Self::new(VirtualBoard::by_name(name, seed)?))
    }

    pub const fn bench(&self) -> &BenchShare {
        &self.bench
    }

    fn go_to(&mut self, moment: Micros) {
        self.bench.lock().go_to(moment);
    }

    /// Whether the kernel still has the device that it enumerated.
    fn is_held(&mut self) -> bool {
        let now = self.now();
        let attached = self.bench.lock().board.is_attached(now);
        if !attached {
            self.enumerated = None;
            self.opened = false;
        }
        self.enumerated.is_some()
    }

    fn identity(&self, seen: &Enumerated) -> BoardIdentity {
        let word = |at: usize| seen.device.get(at..at + 2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
        BoardIdentity {
            port: Some(PortPath { bus: 1, ports: vec![1] }),
            serial: seen.serial.clone().map(FieldText::from),
            product: seen.product.clone().map(FieldText::from),
            vendor_id: word(8),
            product_id: word(10),
            bcd_device: word(12),
            speed: Some(UsbSpeed::Full),
            ..BoardIdentity::default()
        }
    }
}

fn error(kind: UsbErrorKind, code: &str) -> UsbError {
    UsbError { kind, code: code.to_owned() }
}

fn gone() -> UsbError {
    error(UsbErrorKind::Disconnected, "LIBUSB_ERROR_NO_DEVICE")
}

impl UsbBoard for VirtualUsbBoard {
    fn now(&self) -> Micros {
        self.bench.lock().now()
    }

    fn wait(&mut self, span: Micros) {
        self.bench.lock().wait(span);
        if self.keeper.is_some() {
            // Work that goes on by itself has come as far as this.
            let now = self.now();
            self.bench.lock().board.is_attached(now);
            self.keep();
        }
    }

    fn arrive(&mut self, deadline: Micros) -> Result<BoardIdentity, UsbError> {
        let from = self.now();
        if self.is_held()
            && let Some(seen) = self.enumerated.clone()
        {
            self.wait(CALL);
            return Ok(self.identity(&seen));
        }
        let sighting = host_port::watch(&mut self.bench.lock().board, from, from + deadline);
        let moment = if let Sighting::Enumerated(seen) = &sighting { seen.at } else { from + deadline };
        self.go_to(moment);
        match sighting {
            Sighting::Enumerated(seen) => {
                let identity = self.identity(&seen);
                self.enumerated = Some(seen);
                Ok(identity)
            }
            // A device that cannot be addressed is not in libusb's list; the kernel's messages say why.
            Sighting::Refused { words, .. } => Err(error(UsbErrorKind::NotAddressed, &words)),
            Sighting::Nothing => Err(error(UsbErrorKind::NotFound, "no device on the port")),
        }
    }

    fn is_present(&mut self) -> bool {
        self.is_held()
    }

    fn open(&mut self) -> Result<(), UsbError> {
        self.wait(CALL);
        if !self.is_held() {
            return Err(gone());
        }
        if self.bench.lock().board.blueprint().host.node_closed {
            return Err(error(UsbErrorKind::Access, "LIBUSB_ERROR_ACCESS"));
        }
        self.opened = true;
        Ok(())
    }

    fn claim(&mut self, interface: u8) -> Result<(), UsbError> {
        self.wait(CALL);
        if !self.is_held() || !self.opened {
            return Err(gone());
        }
        let now = self.now();
        if self.bench.lock().board.is_interface_held(now) {
            return Err(error(UsbErrorKind::Busy, "LIBUSB_ERROR_BUSY"));
        }
        if interface == 0 { Ok(()) } else { Err(error(UsbErrorKind::NotFound, "LIBUSB_ERROR_NOT_FOUND")) }
    }

    fn set_alternate(&mut self, interface: u8, alternate: u8) -> Result<(), UsbError> {
        let request = ControlRequest {
            request_type: 0x01,
            request: SET_INTERFACE,
            value: alternate.into(),
            index: interface.into(),
            data: DataStage::Out(Vec::new()),
        };
        self.control(&request, Micros::from_secs(1)).map(|_| ())
    }

    fn control(&mut self, request: &ControlRequest, timeout: Micros) -> Result<Vec<u8>, UsbError> {
        if !self.is_held() || !self.opened {
            return Err(gone());
        }
        let started = self.now();
        let answer = self.bench.lock().board.submit(started + CALL, request);
        self.keep();
        let too_late = started + timeout;
        if answer.reply == Reply::NoAnswer || answer.ready_at > too_late {
            self.go_to(too_late);
            return Err(error(UsbErrorKind::Timeout, "LIBUSB_ERROR_TIMEOUT"));
        }
        self.go_to(answer.ready_at);
        match answer.reply {
            Reply::Data(bytes) => Ok(bytes),
            Reply::Stall => Err(error(UsbErrorKind::Stall, "LIBUSB_ERROR_PIPE")),
            Reply::Spoilt => Err(error(UsbErrorKind::BusError, "LIBUSB_ERROR_IO")),
            Reply::Gone | Reply::NoAnswer => {
                self.is_held();
                Err(gone())
            }
        }
    }

    fn close(&mut self) {
        self.opened = false;
    }

    /// The messages of a port that a kernel logs without being asked.
    fn host_messages(&mut self) -> Vec<FieldText> {
        let said = self.bench.lock().board.take_kernel_log();
        said.iter().map(|words| FieldText::new(format!("usb usb1-port1: {words}"))).collect()
    }

    fn power_cycle(&mut self, off_time: Micros) -> Option<(BootKind, BootProof)> {
        self.enumerated = None;
        self.opened = false;
        Some(self.bench.lock().power_cycle(off_time))
    }

    fn rearrange(&mut self, change: Option<&str>, span: Micros) -> bool {
        self.enumerated = None;
        self.opened = false;
        self.bench.lock().rearrange(change, span)
    }

    fn port_power(&mut self, on: bool) -> Result<PortPower, String> {
        let now = self.now();
        if on {
            self.bench.lock().board.power_on(now);
        } else {
            self.bench.lock().board.power_off(now);
            self.enumerated = None;
            self.opened = false;
        }
        Ok(PortPower { powered: on, connected: on })
    }

    fn meter(&mut self, quantity: &str) -> Option<f64> {
        self.bench.lock().board.meter(quantity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Link;
    use crate::link::dfu_link::DfuLink;
    use crate::observation::fact::FactValue;
    use crate::observation::failure::FailureClass;
    use crate::observation::step::{Outcome, Phase, Step, StepRecord};
    use crate::observation::units::Address;

    const DEADLINE: Micros = Micros::from_secs(5);

    fn recipe() -> Vec<Step> {
        let flash = Step::Read { address: Address(0x0800_0000), length_bytes: 1024, transfer_bytes: None };
        vec![
            Step::Enumerate,
            Step::Open,
            Step::Claim,
            Step::Descriptors,
            Step::Layout,
            Step::Status,
            flash,
            Step::OptionBytes,
            Step::Otp,
            Step::Close,
        ]
    }

    /// Cycles with a power cycle before each; each ends with its first failure.
    fn campaign(name: &str, seed: u64, boots: usize) -> Vec<Vec<StepRecord>> {
        let mut link = DfuLink::new(VirtualUsbBoard::by_name(name, seed).unwrap());
        let cycle = |_| {
            let mut records = Vec::new();
            for step in recipe() {
                records.push(link.perform(&step, DEADLINE));
                if records.last().and_then(StepRecord::failure).is_some() {
                    break;
                }
            }
            link.power_cycle(Micros::from_millis(500)).unwrap();
            records
        };
        (0..boots).map(cycle).collect()
    }

    fn failures(cycles: &[Vec<StepRecord>]) -> Vec<(FailureClass, Phase)> {
        let last = cycles.iter().filter_map(|records| records.last()?.failure());
        last.map(|failure| (failure.class, failure.phase)).collect()
    }

    #[test]
    fn every_step_of_a_healthy_board_is_done() {
        for cycle in campaign("healthy-f407", 1, 3) {
            let outcomes: Vec<_> = cycle.iter().map(|record| (record.phase, record.outcome.clone())).collect();
            assert!(outcomes.iter().all(|(_, outcome)| *outcome == Outcome::Done), "{outcomes:?}");
            assert_eq!(outcomes.len(), 10);
        }
    }

    #[test]
    fn an_upload_is_byte_exact() {
        let mut board = VirtualUsbBoard::by_name("healthy-f407", 1).unwrap();
        board.arrive(DEADLINE).unwrap();
        board.open().unwrap();
        board.claim(0).unwrap();
        let mut read = Vec::new();
        for block in 2..34 {
            read.extend(board.control(&crate::dfu::command::upload(0, block, 2048), DEADLINE).unwrap());
        }
        assert_eq!(read, board.bench().lock().board.memory().read(Address(0x0800_0000), 64 * 1024).unwrap());
    }

    #[test]
    fn option_bytes_are_learned() {
        let cycle = campaign("healthy-f407", 1, 1).remove(0);
        let facts = cycle.iter().flat_map(|record| &record.facts);
        let option_bytes = facts.filter(|fact| fact.key == "option-bytes").map(|fact| &fact.value).next();
        assert!(
            matches!(option_bytes, Some(FactValue::Bytes(bytes)) if bytes[..4] == [0xff, 0xaa, 0x00, 0x55]),
            "{option_bytes:?}"
        );
    }

    #[test]
    fn sound_boards_of_every_part_go_through_the_whole_recipe() {
        for name in VirtualBoard::names().unwrap().iter().filter(|name| name.starts_with("healthy-")) {
            let cycles = campaign(name, 1, 2);
            // A part without OTP has nothing to read there; everything else must be done.
            let seen: Vec<_> = cycles.iter().flatten().filter_map(StepRecord::failure).collect();
            assert!(seen.is_empty(), "{name}: {seen:?}");
        }
    }

    /// What a host sees of each board: a failure that must occur, and how many of 40 boots at least and at most fail.
    #[test]
    fn each_mechanism_shows_as_the_failure_that_physics_leads_to() {
        use FailureClass::{Access, BusError, Busy, DescriptorFailed, Disconnected, NotEnumerated, Protected, Timeout};
        for (name, class, phase, least, most) in [
            ("f405-slow-8mhz", NotEnumerated, Some(Phase::Enumerate), 1, 39),
            ("f407-7m3728", DescriptorFailed, Some(Phase::Enumerate), 30, 40),
            ("g474-trimmed-low", BusError, Some(Phase::Read), 3, 40),
            ("f407-loose-plug", Disconnected, None, 2, 38),
            ("f407-weak-rail", BusError, None, 2, 38),
            ("f407-open-boot1", NotEnumerated, Some(Phase::Enumerate), 3, 37),
            ("f072-short-gap", BusError, Some(Phase::Layout), 20, 40),
            ("h753-bad-word", Timeout, Some(Phase::Read), 40, 40),
            ("f407-rdp1", Protected, Some(Phase::Read), 40, 40),
            ("f407-closed-node", Access, Some(Phase::Open), 40, 40),
            ("f407-held-interface", Busy, Some(Phase::Claim), 40, 40),
            ("deaf-f407", DescriptorFailed, Some(Phase::Enumerate), 40, 40),
        ] {
            let seen = failures(&campaign(name, 2, 40));
            assert!((least..=most).contains(&seen.len()), "{name}: {} of 40: {seen:?}", seen.len());
            let fits =
                |failure: &(FailureClass, Phase)| failure.0 == class && phase.is_none_or(|phase| failure.1 == phase);
            assert!(seen.iter().any(fits), "{name}: {seen:?}");
        }
    }

    #[test]
    fn bit_errors_surface_as_bus_errors_in_many_places() {
        let seen = failures(&campaign("f407-noisy-pair", 3, 60));
        assert!(seen.len() > 3, "{seen:?}");
        assert!(
            seen.iter().all(|(class, _)| matches!(class, FailureClass::BusError | FailureClass::DescriptorFailed)),
            "{seen:?}"
        );
        assert!(seen.iter().any(|(_, phase)| *phase != Phase::Enumerate), "{seen:?}");
    }

    #[test]
    fn a_misread_crystal_fails_whole_boots_at_enumeration() {
        let cycles = campaign("f746-25mhz-warm-hsi", 3, 60);
        let seen = failures(&cycles);
        assert!(seen.len() > 5 && seen.len() < 55, "{}", seen.len());
        let refused = (FailureClass::DescriptorFailed, Phase::Enumerate);
        let usual = seen.iter().filter(|failure| **failure == refused).count();
        assert!(usual * 10 >= seen.len() * 7, "{seen:?}");
    }

    /// Boots of 12 that fail as found, and with a change.
    fn with_change(name: &str, change: &str) -> (usize, usize) {
        let mut link = DfuLink::new(VirtualUsbBoard::by_name(name, 4).unwrap());
        let mut failing = |change: Option<&str>| {
            assert!(link.rearrange(change, Micros::from_secs(60)));
            let mut bad = 0;
            for _ in 0..12 {
                link.power_cycle(Micros::from_secs(1)).unwrap();
                bad += usize::from(recipe().iter().any(|step| link.perform(step, DEADLINE).failure().is_some()));
            }
            bad
        };
        (failing(None), failing(Some(change)))
    }

    #[test]
    fn what_is_exchanged_at_the_bench_takes_its_trouble_along() {
        for (name, mends, leaves) in [
            ("f407-7m3728", "golden-board", "swap-cable"),
            ("f407-7m3728", "substituted-clock", "external-supply"),
            ("f411-open-pa10", "quiet-pins", "other-port"),
            ("f407-held-interface", "holders", "permission"),
            ("f407-closed-node", "other-host", "second-client"),
        ] {
            let (found, mended) = with_change(name, mends);
            assert!(found > 3 && mended == 0, "{name} {mends}: {found} {mended}");
            let (_, left) = with_change(name, leaves);
            assert!(left > 0, "{name} {leaves}: {left}");
        }
    }

    #[test]
    fn what_the_bench_cannot_do_is_refused() {
        let mut link = DfuLink::new(VirtualUsbBoard::by_name("healthy-f407", 1).unwrap());
        assert!(!link.rearrange(Some("other-tool-version"), Micros::ZERO));
        assert_eq!(link.meter("vcap"), None);
        assert_eq!(link.meter("boot0-at-reset"), Some(3.3));
    }

    #[test]
    fn a_lost_race_is_silence() {
        let seen = failures(&campaign("f411-open-pa10", 3, 60));
        assert!(seen.len() > 5 && seen.len() < 55, "{}", seen.len());
        assert!(seen.iter().all(|(_, phase)| *phase == Phase::Enumerate), "{seen:?}");
    }
}
