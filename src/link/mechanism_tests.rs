//! What a host sees of each mechanism of the bench: class and phase of the failures, in how many boots, and what it cannot see.

#![cfg(test)]

use super::Link;
use super::dfu_link::DfuLink;
use super::virtual_board::VirtualUsbBoard;
use crate::bench::board::VirtualBoard;
use crate::observation::fact::FactValue;
use crate::observation::failure::FailureClass::{
    self, BusError, Busy, DescriptorFailed, Disconnected, NotEnumerated, Protected,
};
use crate::observation::step::{Phase, Step, StepRecord};
use crate::observation::units::{Address, Micros};

const DEADLINE: Micros = Micros::from_secs(5);

fn recipe() -> Vec<Step> {
    let flash = Step::Read { address: Address(0x0800_0000), length_bytes: 16 * 1024, transfer_bytes: None };
    let pause = Step::Wait { span: Micros::from_millis(40) };
    let opened = [Step::Enumerate, Step::Open, Step::Claim, Step::Descriptors, Step::Layout, Step::Status];
    opened.into_iter().chain([pause, flash, Step::OptionBytes, Step::Otp, Step::Close]).collect()
}

/// Cycles of one boot each; each ends with its first failure.
fn campaign(board: VirtualBoard, boots: usize, deadline: Micros) -> Vec<Vec<StepRecord>> {
    let mut link = DfuLink::new(VirtualUsbBoard::new(board));
    let cycle = |_| {
        let mut records = Vec::new();
        for step in recipe() {
            records.push(link.perform(&step, deadline));
            if records.last().and_then(StepRecord::failure).is_some() {
                break;
            }
        }
        link.power_cycle(Micros::from_secs(3)).expect("a virtual board can be switched");
        records
    };
    (0..boots).map(cycle).collect()
}

fn built_in(name: &str) -> VirtualBoard {
    VirtualBoard::by_name(name, 2).unwrap_or_else(|error| panic!("{error}"))
}

fn of(text: &str) -> VirtualBoard {
    VirtualBoard::from_toml("b.toml", text, 2).unwrap_or_else(|error| panic!("{error}"))
}

fn failures(cycles: &[Vec<StepRecord>]) -> Vec<(FailureClass, Phase)> {
    let last = cycles.iter().filter_map(|records| records.last()?.failure());
    last.map(|failure| (failure.class, failure.phase)).collect()
}

/// A failure that must occur, and how many of 30 boots at least and at most fail.
#[test]
fn each_mechanism_shows_as_the_failure_that_physics_leads_to() {
    let mut wrong = Vec::new();
    for (name, class, phase, least, most) in [
        ("f407-touched-crystal", Disconnected, None, 5, 29),
        ("f407-small-vcap", Disconnected, None, 5, 30),
        ("g474-low-usb-pin", BusError, None, 3, 30),
        ("f105-divided-vbus", NotEnumerated, Some(Phase::Enumerate), 3, 27),
        ("f105-8mhz", DescriptorFailed, Some(Phase::Enumerate), 30, 30),
        ("f407-jump-from-application", DescriptorFailed, Some(Phase::Enumerate), 3, 27),
        ("f407-noisy-hub", Disconnected, None, 4, 30),
        ("f407-sleepy-port", BusError, Some(Phase::Read), 5, 29),
        ("f407-picky-controller", DescriptorFailed, Some(Phase::Enumerate), 3, 27),
        ("f407-visited-interface", Busy, Some(Phase::Claim), 2, 28),
        ("l476-torn-options", Protected, Some(Phase::Read), 30, 30),
        ("f407-loader-in-flash", Disconnected, None, 3, 30),
        ("l552-closed", NotEnumerated, Some(Phase::Enumerate), 30, 30),
        ("f407-tripping-port", Disconnected, None, 2, 30),
        // At the very first plug-in nothing was off long enough to bleed.
        ("f407-large-inrush", NotEnumerated, Some(Phase::Enumerate), 29, 29),
        ("f407-brown-out-3", Disconnected, None, 3, 30),
        ("f407-level-2", NotEnumerated, Some(Phase::Enumerate), 30, 30),
        ("f746-level-2", Protected, Some(Phase::Read), 30, 30),
        ("h723-protected", NotEnumerated, Some(Phase::Enumerate), 30, 30),
        ("h743-first-rom", NotEnumerated, Some(Phase::Enumerate), 30, 30),
        ("l433-unlocked-clock", BusError, Some(Phase::Read), 2, 30),
    ] {
        let seen = failures(&campaign(built_in(name), 30, DEADLINE));
        let fits = |failure: &(FailureClass, Phase)| failure.0 == class && phase.is_none_or(|phase| failure.1 == phase);
        if !(least..=most).contains(&seen.len()) || !seen.iter().any(fits) {
            wrong.push(format!("{name}: {} of 30: {seen:?}", seen.len()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_wrong_without_a_failure_stays_without_one() {
    for name in ["f429-execute-only", "f407-blank-uid", "h7a3-told-wrong"] {
        assert_eq!(failures(&campaign(built_in(name), 3, DEADLINE)), [], "{name}");
    }
}

#[test]
fn a_rom_that_searches_its_crystal_is_there_in_the_end() {
    let cycles = campaign(built_in("f105-8mhz"), 2, Micros::from_secs(20));
    assert_eq!(failures(&cycles), []);
    assert!(cycles[0][0].elapsed.unwrap() > Micros::from_secs(13));
}

#[test]
fn an_unreadable_identity_shows_in_the_serial_number() {
    let cycles = campaign(built_in("f407-blank-uid"), 1, DEADLINE);
    let facts = cycles[0].iter().flat_map(|record| &record.facts);
    let serial = facts.filter(|fact| fact.key == "serial").map(|fact| fact.value.clone()).next();
    assert!(matches!(serial, Some(FactValue::Text(text)) if text.raw() == "FFFFFFFEFFFF"));
}

#[test]
fn a_brown_out_level_stands_in_the_option_bytes() {
    let level = |name: &str| built_in(name).memory().option_word(Address(0x1fff_c000)).unwrap() >> 2 & 3;
    assert_eq!((level("healthy-f407"), level("f407-brown-out-3")), (3, 0));
}

const L4: &str =
    "text = \"A board.\"\npart = \"STM32L476RG\"\nrom = \"l47x-v10\"\ncrystal-mhz = 8.0\nlse-fitted = true\n";

#[test]
fn a_programmed_part_without_boot0_never_starts_its_rom_and_a_blank_one_does() {
    let latch = "[mechanism.blank-flash-latch]\n";
    let programmed = failures(&campaign(of(&format!("{L4}{latch}")), 3, DEADLINE));
    assert_eq!(programmed, [(NotEnumerated, Phase::Enumerate); 3]);
    let blank = failures(&campaign(of(&format!("{L4}application-bytes = 0\n{latch}")), 3, DEADLINE));
    assert_eq!(blank, []);
}

/// The strings that were collected from the field and made up, as the ROM would send them.
#[test]
fn every_layout_string_reaches_the_host_as_it_is() {
    for (layout, is_usable) in [
        ("@Internal Flash  /0x08000000/04*016Kg,01*64Kg,03*128Kg", true),
        ("@Internal Flash   /0x08000000/256*08Kg", true),
        ("@Option Bytes   /0x5200201C/01*297 e", true),
        ("@Option Bytes   /0x1FFF7800/01*048 e/0x1FFFF800/01*048 e", true),
        ("@Option byte   /0x1FFFC000/01*4096 g", true),
        ("@Internal Flash  /0x08000000/512*002Kg", true),
        ("@Internal Flash/0x08000000/04*016Kg", true),
        ("@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg,", true),
        ("@Internal Flash  /08000000/04*016Kg", true),
        ("@Internal Flash  /0x08000000/04*016", true),
        ("@Internal Flash  /0x08000000/04*016Xg", true),
        ("@Internal Flash", false),
    ] {
        let board = of(&format!("{L4}alternates = [\"{layout}\"]\n"));
        let mut link = DfuLink::new(VirtualUsbBoard::new(board));
        let steps = [Step::Enumerate, Step::Open, Step::Claim, Step::Descriptors, Step::Layout];
        let last = steps.map(|step| link.perform(&step, DEADLINE)).into_iter().next_back().unwrap();
        let told = last.facts.iter().find(|fact| fact.key == "layout").unwrap();
        assert!(matches!(&told.value, FactValue::Text(text) if text.raw() == layout), "{layout}");
        let malformed = last.failure().map(|failure| failure.class) == Some(FailureClass::MalformedDescriptor);
        assert_eq!(malformed, !is_usable, "{layout}: {:?}", last.failure());
    }
}
