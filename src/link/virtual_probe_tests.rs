use super::*;
use crate::bench::board::VirtualBoard;
use crate::bench::rom::sheet;
use crate::link::Link;
use crate::link::swd_link::SwdLink;
use crate::observation::fact::FactValue;
use crate::observation::failure::FailureClass;
use crate::observation::step::{Phase, ResetKind, Step, StepRecord, Touch};
use crate::swd::core_debug::{DEMCR, DWT_CTRL};
use crate::swd::transaction::{dp, mem_ap};
use crate::swd::whitelist::TargetWrite;

const DEADLINE: Micros = Micros::from_secs(10);

fn link(name: &str, seed: u64, touch: Touch) -> SwdLink<VirtualProbe> {
    SwdLink::new(VirtualProbe::new(BenchShare::new(VirtualBoard::by_name(name, seed).unwrap())), touch)
}

fn recipe(mode: ConnectMode) -> Vec<Step> {
    vec![
        Step::OpenProbe,
        Step::TargetVoltage,
        Step::Speed { kilohertz: 4_000 },
        Step::Connect { mode },
        Step::Identify,
        Step::Read { address: Address(0x0800_0000), length_bytes: 4_096, transfer_bytes: None },
        Step::OptionBytes,
        Step::Otp,
        Step::RegisterFacts,
        Step::CoreClock { span: Micros::from_millis(500) },
        Step::Disconnect,
        Step::Close,
    ]
}

/// Cycles with a power cycle before each; each ends with its first failure.
fn campaign(name: &str, boots: usize, mode: ConnectMode) -> Vec<Vec<StepRecord>> {
    let mut link = link(name, 5, mode.touch());
    let cycle = |_| {
        link.power_cycle(Micros::from_secs(1)).unwrap();
        let mut records = vec![link.perform(&Step::Wait { span: Micros::from_millis(200) }, DEADLINE)];
        for step in recipe(mode) {
            records.push(link.perform(&step, DEADLINE));
            if records.last().and_then(StepRecord::failure).is_some() {
                break;
            }
        }
        link.perform(&Step::Close, DEADLINE);
        records
    };
    (0..boots).map(cycle).collect()
}

fn failures(cycles: &[Vec<StepRecord>]) -> Vec<(FailureClass, Phase)> {
    let last = cycles.iter().filter_map(|records| records.last()?.failure());
    last.map(|failure| (failure.class, failure.phase)).collect()
}

/// What USB does not reach is still there for a debug probe, so only a fault of the board may fail here.
#[test]
fn a_sound_board_of_every_rom_answers_over_swd() {
    for rom in sheet::names() {
        // One of the order codes that its pattern stands for.
        let part = sheet::by_name(&rom, false).unwrap().unwrap().parts[0].replace('?', "V").replace('*', "");
        let text = format!("text = \"Straps only.\"\npart = \"{part}\"\nrom = \"{rom}\"\ncrystal-mhz = 8.0\n");
        let board = VirtualBoard::from_toml("sound.toml", &text, 1).unwrap_or_else(|error| panic!("{rom}: {error}"));
        let mut link = SwdLink::new(VirtualProbe::new(BenchShare::new(board)), Touch::Observe);
        link.perform(&Step::Wait { span: Micros::from_millis(200) }, DEADLINE);
        for step in recipe(ConnectMode::Hotplug) {
            let record = link.perform(&step, DEADLINE);
            assert_eq!(record.failure(), None, "{rom}: {step:?}");
        }
    }
}

#[test]
fn every_step_of_a_healthy_board_is_done_in_every_mode() {
    for mode in ConnectMode::ALL {
        let cycles = campaign("swd-healthy-f407", 2, mode);
        assert_eq!(failures(&cycles), [], "{mode:?}");
        assert_eq!(cycles[0].len(), 13);
    }
}

#[test]
fn parts_of_every_family_are_known_by_their_registers() {
    for (name, dev_id, kb) in [
        ("healthy-f407", 0x413, 1024),
        ("healthy-f072", 0x448, 128),
        ("healthy-f767", 0x451, 2048),
        ("healthy-h743", 0x450, 2048),
        ("healthy-l476", 0x415, 1024),
        ("healthy-wb55", 0x495, 1024),
    ] {
        let mut link = link(name, 1, Touch::Observe);
        let records: Vec<_> = recipe(ConnectMode::Hotplug).iter().map(|step| link.perform(step, DEADLINE)).collect();
        let failed: Vec<_> = records.iter().filter_map(StepRecord::failure).collect();
        assert!(failed.is_empty(), "{name}: {failed:?}");
        assert_eq!(link.identity().dev_id, Some(dev_id), "{name}");
        let facts: Vec<_> = records.iter().flat_map(|record| &record.facts).collect();
        let size = facts.iter().find(|fact| fact.key == "flash-kb").map(|fact| fact.value.clone());
        assert_eq!(size, Some(FactValue::Number(f64::from(kb))), "{name}");
    }
}

/// What a tool sees of each board: a failure that must occur, and how many of 30 boots at least and at most fail.
#[test]
fn each_mechanism_shows_as_the_failure_that_physics_leads_to() {
    use FailureClass::{
        Busy, Hang, HeldInReset, LowVoltage, NoAcknowledge, NoTarget, ProbeFault, ProbeLost, Protected, ResetLoop,
        SwdWait,
    };
    for (name, class, phase, least, most) in [
        ("swd-long-wires-f407", NoAcknowledge, None, 5, 30),
        ("swd-slow-edge-f407", NoAcknowledge, None, 1, 30),
        ("swd-loose-wire-f411", NoTarget, Some(Phase::Connect), 1, 30),
        ("swd-open-wire-f429", NoTarget, Some(Phase::Connect), 30, 30),
        ("swd-sleeping-l476", SwdWait, Some(Phase::Connect), 15, 30),
        ("swd-pins-taken-f411", NoTarget, Some(Phase::Connect), 30, 30),
        ("swd-held-in-reset-f407", HeldInReset, Some(Phase::Connect), 8, 26),
        ("swd-reset-loop-f746", ResetLoop, Some(Phase::Connect), 20, 30),
        ("swd-watchdog-f407", ResetLoop, Some(Phase::Connect), 20, 30),
        ("swd-unpowered-f407", LowVoltage, Some(Phase::TargetVoltage), 30, 30),
        ("swd-busy-bus-f429", SwdWait, None, 1, 29),
        ("swd-rdp1-f407", Protected, Some(Phase::Read), 30, 30),
        ("swd-probe-drops-f407", ProbeLost, None, 3, 29),
        ("swd-probe-hangs-f407", Hang, None, 1, 29),
        ("swd-probe-hangs-f407", ProbeFault, None, 1, 29),
        ("swd-probe-held-f407", Busy, Some(Phase::ProbeOpen), 30, 30),
    ] {
        let seen = failures(&campaign(name, 30, ConnectMode::Hotplug));
        assert!((least..=most).contains(&seen.len()), "{name}: {} of 30: {seen:?}", seen.len());
        let fits = |failure: &(FailureClass, Phase)| failure.0 == class && phase.is_none_or(|phase| failure.1 == phase);
        assert!(seen.iter().any(fits), "{name}: {seen:?}");
    }
}

#[test]
fn connecting_under_reset_cures_what_the_application_does_and_not_the_wires() {
    for (name, at_most) in
        [("swd-pins-taken-f411", 0), ("swd-sleeping-l476", 0), ("swd-reset-loop-f746", 0), ("swd-watchdog-f407", 30)]
    {
        let seen = failures(&campaign(name, 10, ConnectMode::UnderReset));
        assert!(seen.len() <= at_most, "{name}: {seen:?}");
    }
    assert_eq!(failures(&campaign("swd-open-wire-f429", 5, ConnectMode::UnderReset)).len(), 5);
}

#[test]
fn wait_is_repeated_as_the_library_does_and_counted() {
    let cycles = campaign("swd-sleeping-l476", 20, ConnectMode::Hotplug);
    let failed = cycles.iter().flatten().find(|record| record.failure().is_some()).unwrap();
    assert!(failed.summary.waits >= 13, "{:?}", failed.summary);
    // 0.82 s of pauses between them.
    assert!(failed.elapsed.unwrap() > Micros::from_millis(819));
}

#[test]
fn what_the_library_does_not_repeat_is_repeated_and_counted_by_the_wire() {
    let cycles = campaign("swd-long-wires-f407", 30, ConnectMode::Hotplug);
    let repeats: u32 = cycles.iter().flatten().map(|record| record.summary.repeats).sum();
    assert!(repeats > 0);
    let waits: u32 = cycles.iter().flatten().map(|record| record.summary.waits).sum();
    assert_eq!(waits, 0);
}

#[test]
fn the_core_clock_is_measured_within_its_uncertainty() {
    let mut link = link("healthy-f407", 1, Touch::Observe);
    let records: Vec<_> = recipe(ConnectMode::Hotplug).iter().map(|step| link.perform(step, DEADLINE)).collect();
    let number = |key: &str| {
        let fact = records.iter().flat_map(|record| &record.facts).find(|fact| fact.key == key).unwrap();
        match fact.value {
            FactValue::FrequencyMhz(value) | FactValue::Number(value) => value,
            _ => panic!("{key}"),
        }
    };
    let truth = link.probe().bench.lock().board.core_clock().as_mhz();
    let off = (number("core-clock") / truth - 1.0).abs() * 1e6;
    assert!(off <= number("core-clock-uncertainty-ppm"), "{off} ppm");
    assert!((truth - 60.0).abs() < 0.1);
}

/// 32 bits of cycles last 25 s at 168 MHz and half of that in each half of a minute.
#[test]
fn a_core_clock_is_right_however_often_its_counter_comes_round() {
    for seconds in [24, 27, 60] {
        let mut link = link("swd-healthy-f407", 1, Touch::Observe);
        let measure = Step::CoreClock { span: Micros::from_secs(seconds) };
        for step in [Step::OpenProbe, Step::Connect { mode: ConnectMode::Hotplug }, Step::Identify] {
            link.perform(&step, DEADLINE);
        }
        let record = link.perform(&measure, Micros::from_secs(seconds + 10));
        let clock = record.facts.iter().find(|fact| fact.key == "core-clock").map(|fact| &fact.value);
        let Some(FactValue::FrequencyMhz(mhz)) = clock else { panic!("{record:?}") };
        assert!((mhz / 168.0 - 1.0).abs() < 1e-3, "{mhz} MHz in {seconds} s");
    }
}

/// Written out here rather than asked of the whitelist that the transport enforces, so that a mistake there is seen.
fn changes_nothing_lasting(write: &TargetWrite) -> bool {
    match *write {
        TargetWrite::DebugPort { address, .. } => matches!(address, dp::ABORT | dp::CTRL_STAT | dp::SELECT),
        TargetWrite::AccessPort { address, .. } => matches!(address, mem_ap::CSW | mem_ap::TAR),
        TargetWrite::Memory { address, before, word } => {
            let changed = before.map_or(u32::MAX, |before| before ^ word);
            (address == DEMCR && changed == 1 << 24) || (address == DWT_CTRL && changed == 1)
        }
        TargetWrite::ResetLine { .. } => false,
    }
}

#[test]
fn observing_changes_two_bits_and_puts_them_back() {
    let mut link = link("swd-healthy-f407", 1, Touch::Observe);
    link.probe().bench.lock().board.keep_write_log();
    for step in recipe(ConnectMode::Hotplug) {
        let record = link.perform(&step, DEADLINE);
        assert!(record.failure().is_none(), "{:?}", record.failure());
    }
    let bench = link.probe().bench.lock();
    let log = bench.board.write_log();
    for (_, write) in log {
        assert!(changes_nothing_lasting(write), "{write:?}");
    }
    let memory: Vec<_> = log.iter().filter(|(_, write)| matches!(write, TargetWrite::Memory { .. })).collect();
    assert_eq!(memory.len(), 4, "two switches on, and off again: {memory:?}");
    for register in [DEMCR, DWT_CTRL] {
        let touched = |(_, write): &&(Micros, TargetWrite)| {
            if let TargetWrite::Memory { address, before, word } = write {
                (*address == register).then_some((*before, *word))
            } else {
                None
            }
        };
        let seen: Vec<_> = log.iter().filter_map(|entry| touched(&entry)).collect();
        assert_eq!(seen.first().and_then(|(before, _)| *before), seen.last().map(|(_, word)| *word), "{register}");
    }
}

#[test]
fn what_disturbs_is_not_sent_while_observing() {
    let mut link = link("swd-healthy-f407", 1, Touch::Observe);
    link.probe().bench.lock().board.keep_write_log();
    link.perform(&Step::OpenProbe, DEADLINE);
    for step in [
        Step::Connect { mode: ConnectMode::Normal },
        Step::Connect { mode: ConnectMode::UnderReset },
        Step::Reset { kind: ResetKind::Nrst },
        Step::Reset { kind: ResetKind::Software },
    ] {
        assert_eq!(link.perform(&step, DEADLINE).failure().unwrap().class, FailureClass::BadArguments, "{step:?}");
    }
    let bench = link.probe().bench.lock();
    assert!(bench.board.write_log().iter().all(|(_, write)| changes_nothing_lasting(write)));
    assert!(!bench.board.is_halted());
}

#[test]
fn disturbing_lets_the_core_go_on_afterwards() {
    for mode in [ConnectMode::Normal, ConnectMode::UnderReset] {
        let mut link = link("swd-healthy-f407", 1, Touch::Disturb);
        for step in recipe(mode) {
            link.perform(&step, DEADLINE);
        }
        assert!(!link.probe().bench.lock().board.is_halted(), "{mode:?}");
    }
}

#[test]
fn every_fault_of_the_wires_has_the_class_of_its_status() {
    use DapFault::{Fault, NoAcknowledge, NoIdentity, NoPower, Parity, Wait};
    let of_ports = [true, false].map(|access_port| {
        [Wait { access_port }, Fault { access_port }, NoAcknowledge { access_port }, Parity { access_port }]
    });
    for fault in of_ports.into_iter().flatten().chain([NoIdentity, NoPower]) {
        let error = error_of(fault);
        let code = u8::from_str_radix(&error.code[2..4], 16).unwrap();
        assert_eq!(stlink_status::of_code(code).unwrap().class, Some(error.kind.class()), "{error}");
    }
}
