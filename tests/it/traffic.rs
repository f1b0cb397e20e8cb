//! What every shipped recipe sends to every virtual board, with every mechanism of the bench among them, recorded and judged.
//!
//! The judges are written out here rather than asked of the whitelists that the transports enforce, so that a mistake there is seen.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use flakescope::bench::board::VirtualBoard;
use flakescope::bench::mechanism::Mechanisms;
use flakescope::bench::swd::mechanism::SwdMechanisms;
use flakescope::campaign::materials::Materials;
use flakescope::campaign::recipe::Recipe;
use flakescope::dfu::request::{ControlRequest, DataStage, UsbError};
use flakescope::link::Link;
use flakescope::link::dfu_link::DfuLink;
use flakescope::link::swd_link::SwdLink;
use flakescope::link::usb_board::UsbBoard;
use flakescope::link::virtual_bench::BenchShare;
use flakescope::link::virtual_board::VirtualUsbBoard;
use flakescope::link::virtual_probe::VirtualProbe;
use flakescope::observation::board::BoardIdentity;
use flakescope::observation::boot::{BootKind, BootProof};
use flakescope::observation::event::Transport;
use flakescope::observation::step::Touch;
use flakescope::observation::units::{Address, Micros};
use flakescope::profile::shelf;
use flakescope::swd::whitelist::TargetWrite;

/// A board on USB that keeps what reaches it.
struct Recorded {
    board: VirtualUsbBoard,
    sent: Arc<Mutex<Vec<ControlRequest>>>,
}

impl UsbBoard for Recorded {
    fn now(&self) -> Micros {
        self.board.now()
    }
    fn wait(&mut self, span: Micros) {
        self.board.wait(span);
    }
    fn arrive(&mut self, deadline: Micros) -> Result<BoardIdentity, UsbError> {
        self.board.arrive(deadline)
    }
    fn is_present(&mut self) -> bool {
        self.board.is_present()
    }
    fn open(&mut self) -> Result<(), UsbError> {
        self.board.open()
    }
    fn claim(&mut self, interface: u8) -> Result<(), UsbError> {
        self.board.claim(interface)
    }
    fn set_alternate(&mut self, interface: u8, alternate: u8) -> Result<(), UsbError> {
        self.board.set_alternate(interface, alternate)
    }
    fn control(&mut self, request: &ControlRequest, timeout: Micros) -> Result<Vec<u8>, UsbError> {
        self.sent.lock().unwrap().push(request.clone());
        self.board.control(request, timeout)
    }
    fn close(&mut self) {
        self.board.close();
    }
    fn power_cycle(&mut self, off_time: Micros) -> Option<(BootKind, BootProof)> {
        self.board.power_cycle(off_time)
    }
}

fn changes_nothing(request: &ControlRequest) -> bool {
    const TO_AN_INTERFACE: u8 = 0x01;
    const TO_THE_DFU_INTERFACE: u8 = 0x21;
    const SET_INTERFACE: u8 = 0x0B;
    const DNLOAD: u8 = 0x01;
    const CLRSTATUS: u8 = 0x04;
    const ABORT: u8 = 0x06;
    match (&request.data, request.request_type & 0x7f, request.request) {
        (DataStage::In(_), ..) => true,
        (DataStage::Out(data), TO_THE_DFU_INTERFACE, CLRSTATUS | ABORT) => data.is_empty(),
        (DataStage::Out(data), TO_THE_DFU_INTERFACE, DNLOAD) => {
            request.value == 0 && data.len() == 5 && data[0] == 0x21
        }
        (DataStage::Out(_), TO_AN_INTERFACE, SET_INTERFACE) => true,
        _ => false,
    }
}

/// Registers of the ports, and two bits of the cycle counter.
fn leaves_the_target_as_it_is(write: &TargetWrite) -> bool {
    const DEMCR: u32 = 0xE000_EDFC;
    const DWT_CTRL: u32 = 0xE000_1000;
    match *write {
        // ABORT, CTRL/STAT, SELECT; CSW and TAR.
        TargetWrite::DebugPort { address, .. } => matches!(address, 0x0 | 0x4 | 0x8),
        TargetWrite::AccessPort { address, .. } => matches!(address, 0x00 | 0x04),
        TargetWrite::Memory { address: Address(DEMCR), before: Some(before), word } => before ^ word == 1 << 24,
        TargetWrite::Memory { address: Address(DWT_CTRL), before: Some(before), word } => before ^ word == 1,
        TargetWrite::Memory { .. } | TargetWrite::ResetLine { .. } => false,
    }
}

/// Halting and resetting go through the debug registers of the core and NRST, and reach no flash.
fn at_most_disturbs(write: &TargetWrite) -> bool {
    !matches!(write, TargetWrite::Memory { address: Address(..0xE000_0000), .. })
}

/// Mechanisms that no shipped board has, each on a board of its own.
const MORE: [(&str, &str); 3] = [
    (
        "blank-flash-latch",
        "text = \"A board.\"\npart = \"STM32L476RG\"\nrom = \"l47x-v10\"\nlse-fitted = true\napplication-bytes = 0\n\
         [mechanism.blank-flash-latch]\n",
    ),
    (
        "oddity",
        "text = \"A board.\"\npart = \"STM32F407VG\"\nrom = \"f40x-v9\"\ncrystal-mhz = 8.0\n\
         [mechanism.oddity]\ndoes = \"resets\"\nevery-transfer = 30\n",
    ),
    (
        "bus-fault",
        "text = \"A board.\"\npart = \"STM32F407VG\"\nrom = \"f40x-v9\"\ncrystal-mhz = 8.0\n\
         [swd.mechanism.bus-fault]\naddress = 0x40023C14\nlength-bytes = 4\n",
    ),
];

fn boards() -> Vec<(String, String)> {
    let shipped = shelf::built_in("benches").into_iter().map(|sheet| (sheet.name, sheet.text));
    shipped.chain(MORE.map(|(name, text)| (name.to_owned(), text.to_owned()))).collect()
}

fn board(name: &str, text: &str) -> VirtualBoard {
    VirtualBoard::from_toml(name, text, 1).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn recipes(over: Transport) -> Vec<Recipe> {
    let parsed =
        |sheet: shelf::Sheet| Recipe::parse_with(&sheet.name, &sheet.file, &sheet.text, &Materials::any()).unwrap();
    shelf::built_in("recipes").into_iter().map(parsed).filter(|recipe| recipe.link == over).collect()
}

#[test]
fn every_mechanism_of_the_bench_is_on_a_board() {
    let texts: String = boards().into_iter().map(|(_, text)| text).collect();
    let names = |schema: schemars::Schema| {
        let properties = schema.as_object().unwrap()["properties"].as_object().unwrap().clone();
        properties.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    let all = [names(schemars::schema_for!(Mechanisms)), names(schemars::schema_for!(SwdMechanisms))].concat();
    assert!(all.len() > 30, "{all:?}");
    for name in all {
        assert!(texts.contains(&format!("mechanism.{name}]")), "no board has {name}");
    }
}

/// Without a permit, even those that alter.
#[test]
fn no_recipe_over_usb_sends_a_write_an_erase_an_unprotect_or_a_leave() {
    let mut seen = 0;
    for (name, text) in boards() {
        for recipe in recipes(Transport::Dfu) {
            let bench = BenchShare::new(board(&name, &text));
            let before = bench.lock().board.kept().memory;
            let sent = Arc::default();
            let usb = Recorded { board: VirtualUsbBoard::on(bench.clone()), sent: Arc::clone(&sent) };
            let mut link = DfuLink::new(usb);
            for line in &recipe.steps {
                link.perform(&line.step, line.deadline);
            }
            for request in sent.lock().unwrap().iter() {
                assert!(changes_nothing(request), "{} on {name}: {request:?}", recipe.name);
                seen += 1;
            }
            assert_eq!(bench.lock().board.kept().memory, before, "{} on {name}", recipe.name);
        }
    }
    assert!(seen > 5_000, "{seen}");
}

#[test]
fn what_recipes_write_over_swd_is_what_their_level_says() {
    let mut seen = 0;
    for (name, text) in boards() {
        for recipe in recipes(Transport::Swd) {
            let bench = BenchShare::new(board(&name, &text));
            let before = bench.lock().board.kept().memory;
            bench.lock().board.keep_write_log();
            let mut link = SwdLink::new(VirtualProbe::new(bench.clone()), recipe.touch());
            let mut failed = false;
            for line in &recipe.steps {
                failed |= link.perform(&line.step, line.deadline).failure().is_some();
            }
            let bench = bench.lock();
            let mut registers = BTreeMap::new();
            for (_, write) in bench.board.write_log() {
                let allowed = match recipe.touch() {
                    Touch::Observe => leaves_the_target_as_it_is(write),
                    _ => at_most_disturbs(write),
                };
                assert!(allowed, "{} on {name}: {write:?}", recipe.name);
                if let TargetWrite::Memory { address, before: Some(before), word } = *write {
                    registers.entry(address).or_insert((before, word)).1 = word;
                }
                seen += 1;
            }
            if recipe.touch() == Touch::Observe && !failed {
                let put_back = registers.values().all(|(before, after)| before == after);
                assert!(put_back && !bench.board.is_halted(), "{} on {name}: {registers:?}", recipe.name);
            }
            assert_eq!(bench.board.kept().memory, before, "{} on {name}", recipe.name);
        }
    }
    assert!(seen > 1_000, "{seen}");
}

#[test]
fn the_judge_of_usb_traffic_knows_what_changes_a_board() {
    let dnload = |value, data: &[u8]| ControlRequest {
        request_type: 0x21,
        request: 0x01,
        value,
        index: 0,
        data: DataStage::Out(data.to_vec()),
    };
    assert!(changes_nothing(&dnload(0, &[0x21, 0, 0, 0, 8])));
    for request in
        [dnload(0, &[0x41]), dnload(0, &[0x41, 0, 0, 0, 8]), dnload(0, &[0x92]), dnload(2, &[1]), dnload(2, &[])]
    {
        assert!(!changes_nothing(&request), "{request:?}");
    }
}
