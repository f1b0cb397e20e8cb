//! Both ways to a virtual target, the virtual probe in simulated time and the real probe-rs in the host's, name a trouble alike.

#![cfg(test)]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use super::bench_wires::BenchWires;
use super::driver::{Level, Seat};
use crate::bench::board::VirtualBoard;
use crate::link::Link;
use crate::link::hardware::probe_real::RealProbe;
use crate::link::swd_link::SwdLink;
use crate::link::virtual_bench::BenchShare;
use crate::link::virtual_probe::VirtualProbe;
use crate::observation::failure::FailureClass;
use crate::observation::step::{ConnectMode, Phase, Step, StepRecord, Touch};
use crate::observation::units::{Address, Micros};

const DEADLINE: Micros = Micros::from_secs(10);
/// Speeds of SWCLK in kilohertz; at the higher one long wires fail.
const SLOW: u32 = 1_800;
const FAST: u32 = 4_000;

/// What a healthy board does to the end.
fn cycle(link: &mut impl Link, kilohertz: u32) -> Option<(FailureClass, Phase)> {
    let steps = [
        Step::Wait { span: Micros::from_millis(200) },
        Step::OpenProbe,
        Step::TargetVoltage,
        Step::Speed { kilohertz },
        Step::Connect { mode: ConnectMode::Hotplug },
        Step::Identify,
        Step::Read { address: Address(0x0800_0000), length_bytes: 1_024, transfer_bytes: None },
        Step::OptionBytes,
        Step::RegisterFacts,
        Step::Disconnect,
        Step::Close,
    ];
    let failed = steps.iter().map(|step| link.perform(step, DEADLINE)).find(|record| record.failure().is_some());
    failed.as_ref().and_then(StepRecord::failure).map(|failure| (failure.class, failure.phase))
}

/// A shipped board with lines of its file replaced and others added.
fn board(name: &str, replaced: &[(&str, &str)], more: &str, seed: u64) -> VirtualBoard {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("profiles/benches/{name}.toml"));
    let mut text = std::fs::read_to_string(&file).unwrap();
    for (from, to) in replaced {
        assert!(text.contains(from), "{name} has no `{from}`");
        text = text.replace(from, to);
    }
    VirtualBoard::from_toml(name, &format!("{text}\n{more}"), seed).unwrap()
}

fn over_virtual_probe(board: VirtualBoard, kilohertz: u32) -> Option<(FailureClass, Phase)> {
    cycle(&mut SwdLink::new(VirtualProbe::new(BenchShare::new(board)), Touch::Observe), kilohertz)
}

fn over_probe_rs(board: VirtualBoard, kilohertz: u32, level: Level, serial: &str) -> Option<(FailureClass, Phase)> {
    let folder = tempfile::tempdir().unwrap();
    let seat = Seat::take(serial, Arc::new(Mutex::new(BenchWires::new(board))), level);
    cycle(&mut SwdLink::new(RealProbe::plugged_in(seat, folder.path().to_owned()), Touch::Observe), kilohertz)
}

struct Case {
    what: &'static str,
    board: &'static str,
    replaced: &'static [(&'static str, &'static str)],
    more: &'static str,
    class: Option<FailureClass>,
}

const fn case(what: &'static str, board: &'static str, more: &'static str, class: FailureClass) -> Case {
    Case { what, board, replaced: &[], more, class: Some(class) }
}

const CASES: [Case; 16] = [
    Case { what: "healthy", board: "swd-healthy-f407", replaced: &[], more: "", class: None },
    case("an open wire", "swd-open-wire-f429", "", FailureClass::NoTarget),
    case("pins that the program took", "swd-pins-taken-f411", "", FailureClass::NoTarget),
    case("a target without supply", "swd-unpowered-f407", "", FailureClass::LowVoltage),
    Case {
        what: "a target held in reset",
        board: "swd-healthy-f407",
        replaced: &[],
        more: "[mechanism.stuck-reset]\n",
        class: Some(FailureClass::HeldInReset),
    },
    case(
        "a bus that is never free",
        "swd-healthy-f407",
        "[swd.mechanism.busy-bus]\nevery-ms = 0.001\nfor-ms = 600000\n",
        FailureClass::SwdWait,
    ),
    case(
        "a faulting area",
        "swd-healthy-f407",
        "[swd.mechanism.bus-fault]\naddress = 0x08000000\nlength-bytes = 65536\n",
        FailureClass::SwdFault,
    ),
    case("read-out protection", "swd-rdp1-f407", "", FailureClass::Protected),
    case("a reset loop", "swd-reset-loop-f746", "", FailureClass::ResetLoop),
    case("a probe that another program holds", "swd-healthy-f407", "[swd.probe]\nheld = true\n", FailureClass::Busy),
    case("a closed node", "swd-healthy-f407", "[swd.probe]\nnode-closed = true\n", FailureClass::Access),
    case("no probe", "swd-healthy-f407", "[swd.probe]\nunplugged = true\n", FailureClass::NoProbe),
    case("an old firmware", "swd-healthy-f407", "[swd.probe]\nfirmware = \"V2J20S4\"\n", FailureClass::ProbeFirmware),
    case(
        "a probe that stalls",
        "swd-healthy-f407",
        "[swd.mechanism.probe-outage]\nstalls = 1.0\n",
        FailureClass::ProbeFault,
    ),
    case("a mute probe", "swd-healthy-f407", "[swd.mechanism.probe-outage]\nmute = 1.0\n", FailureClass::Timeout),
    case(
        "a probe that leaves the bus",
        "swd-healthy-f407",
        "[swd.mechanism.probe-outage]\ndrops = 1.0\naway-s = 60.0\n",
        FailureClass::ProbeLost,
    ),
];

#[test]
fn every_mechanism_has_the_same_class_and_phase_over_both_links() {
    let compare = |number: usize, case: &Case| {
        let board = || board(case.board, case.replaced, case.more, 5);
        let simulated = over_virtual_probe(board(), SLOW);
        let mut wrong = Vec::new();
        if simulated.map(|(class, _)| class) != case.class {
            wrong.push(format!("{}: {simulated:?} over the virtual probe", case.what));
        }
        for level in [Level::Transactions, Level::Bits] {
            let real = over_probe_rs(board(), SLOW, level, &format!("AGREE-{number}-{level:?}"));
            if real != simulated {
                wrong.push(format!("{}: {real:?} over probe-rs by {level:?}, {simulated:?} simulated", case.what));
            }
        }
        wrong
    };
    // A dead target takes probe-rs five seconds, so all wait at once.
    let wrong: Vec<String> = thread::scope(|scope| {
        let all: Vec<_> =
            CASES.iter().enumerate().map(|(number, case)| scope.spawn(move || compare(number, case))).collect();
        all.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What chance decides cannot be compared run by run.
#[test]
fn noise_on_the_wires_is_told_in_the_classes_of_noise() {
    use FailureClass::{DataMismatch, NoAcknowledge, NoTarget, Parity, SwdFault};
    for name in ["swd-long-wires-f407", "swd-slow-edge-f407"] {
        let classes = [NoAcknowledge, Parity, NoTarget, SwdFault, DataMismatch];
        let mut met = Vec::new();
        for seed in 0..12 {
            let level = if seed % 2 == 0 { Level::Transactions } else { Level::Bits };
            met.extend(over_probe_rs(board(name, &[], "", seed), FAST, level, &format!("NOISE-{name}-{seed}")));
        }
        assert!(!met.is_empty() && met.iter().all(|(class, _)| classes.contains(class)), "{name}: {met:?}");
        let simulated = (0..12).filter_map(|seed| over_virtual_probe(board(name, &[], "", seed), FAST));
        assert!(simulated.into_iter().all(|(class, _)| classes.contains(&class)), "{name}");
    }
}
