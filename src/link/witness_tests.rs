use super::*;
use crate::bench::board::VirtualBoard;
use crate::link::swd_link::SwdLink;
use crate::link::virtual_bench::BenchShare;
use crate::link::virtual_probe::VirtualProbe;
use crate::observation::step::Touch;
use crate::swd::whitelist::TargetWrite;

fn seen_of(board: &str, settle: Micros) -> (Vec<Fact>, BenchShare) {
    let bench = BenchShare::new(VirtualBoard::from_toml("board", board, 1).unwrap());
    bench.lock().board.keep_write_log();
    bench.lock().wait(settle);
    let mut link = SwdLink::new(VirtualProbe::new(bench.clone()), Touch::Observe);
    (look(&mut link, Flags::SinceUnknown), bench)
}

fn f746(hsi_percent: f64) -> String {
    format!(
        "text = \"x\"\npart = \"STM32F746ZGT6\"\nrom = \"f74x\"\ncrystal-mhz = 25.0\n\
         [mechanism.internal-oscillator]\nerror-percent = {hsi_percent}\ndrift-percent-per-kelvin = 0.0\nnoise-percent = 0.0\n"
    )
}

fn mhz(facts: &[Fact], key: &str) -> f64 {
    let fact = facts.iter().find(|fact| fact.key == key).unwrap_or_else(|| panic!("{key}: {facts:?}"));
    if let FactValue::FrequencyMhz(mhz) = fact.value { mhz } else { panic!("{fact:?}") }
}

#[test]
fn a_rom_that_took_24_for_25_is_seen_through() {
    let (facts, _) = seen_of(&f746(3.5), Micros::from_secs(2));
    assert!((mhz(&facts, "crystal-believed") - 24.0).abs() < 1e-9);
    assert!((mhz(&facts, "crystal-measured") - 25.0).abs() < 0.05);
    assert!(facts.iter().any(|fact| fact.key == MISREAD) && facts.iter().all(|fact| fact.key != READ_RIGHT));
}

#[test]
fn a_rom_that_is_right_is_said_to_be() {
    let (facts, _) = seen_of(&f746(0.0), Micros::from_secs(2));
    assert!((mhz(&facts, "crystal-believed") - 25.0).abs() < 1e-9);
    assert!(facts.iter().any(|fact| fact.key == READ_RIGHT) && facts.iter().all(|fact| fact.key != MISREAD));
}

#[test]
fn a_rom_that_takes_no_crystal_says_what_usb_runs_from() {
    for (part, rom) in [
        ("STM32G474RET6", "g47x"),
        ("STM32L433RCT6", "l43x-v9-1"),
        ("STM32WB55RGV6", "wb55"),
        ("STM32H723ZGT6", "h72x-v9-2"),
    ] {
        let (facts, _) = seen_of(&format!("text = \"x\"\npart = \"{part}\"\nrom = \"{rom}\"\n"), Micros::from_secs(2));
        let runs_from = facts.iter().find(|fact| fact.key == rom_witness::USB_CLOCK);
        assert_eq!(runs_from.map(|fact| &fact.value), Some(&FactValue::Text("HSI48".into())), "{part}: {facts:?}");
    }
}

#[test]
fn looking_leaves_no_trace() {
    let (_, bench) = seen_of(&f746(0.0), Micros::from_secs(2));
    let bench = bench.lock();
    use crate::swd::whitelist::permits;
    assert!(bench.board.write_log().iter().all(|(_, write)| permits(Touch::Observe, write)));
    let last = |register: Address| {
        let to = |write: &TargetWrite| match write {
            TargetWrite::Memory { address, word, .. } if *address == register => Some(*word),
            _ => None,
        };
        bench.board.write_log().iter().filter_map(|(_, write)| to(write)).next_back()
    };
    use crate::swd::core_debug::{CYCCNTENA, DEMCR, DWT_CTRL, TRCENA};
    assert_eq!(last(DEMCR).unwrap() & TRCENA, 0);
    assert_eq!(last(DWT_CTRL).unwrap() & CYCCNTENA, 0);
    assert!(!bench.board.is_halted());
}

#[test]
fn an_application_says_nothing_of_the_rom() {
    let straps = "[mechanism.straps]\nboot0-mv = 0.0\nnoise-mv = 0.0\nthreshold-mv = 1650.0\n";
    let board = format!("{}{straps}", f746(0.0));
    let (facts, _) = seen_of(&board, Micros::from_secs(2));
    assert!(facts.iter().any(|fact| fact.key == SILENT), "{facts:?}");
    assert!(facts.iter().all(|fact| fact.key != READ_RIGHT && fact.key != MISREAD));
    assert!(facts.iter().any(|fact| fact.key == APPLICATION), "{facts:?}");
}

#[test]
fn a_rom_that_runs_is_no_application_and_its_option_registers_are_read() {
    let (facts, _) = seen_of(&f746(0.0), Micros::from_secs(2));
    assert!(facts.iter().all(|fact| fact.key != APPLICATION), "{facts:?}");
    assert!(facts.iter().any(|fact| fact.key == OPTION_REGISTER), "{facts:?}");
    assert!(facts.iter().all(|fact| fact.key != CRS), "an F746 has no clock recovery system");
}

#[test]
fn the_clock_recovery_system_is_told_in_a_sentence() {
    let board = "text = \"x\"\npart = \"STM32G474CEU6\"\nrom = \"g47x\"\n[mechanism.hsi48]\nerror-percent = 0.3\n\
                 drift-percent-per-kelvin = 0.0\nrecovery-works = false\n";
    let (facts, _) = seen_of(board, Micros::from_secs(2));
    let crs = facts.iter().find(|fact| fact.key == CRS).and_then(text).unwrap();
    assert!(crs.contains("clock recovery is off"), "{crs}");
}

#[test]
fn a_target_without_power_leaves_the_witness_silent() {
    let bench = BenchShare::new(VirtualBoard::by_name("swd-unpowered-f407", 1).unwrap());
    let mut link = SwdLink::new(VirtualProbe::new(bench), Touch::Observe);
    let facts = look(&mut link, Flags::SinceUnknown);
    let silent = facts.iter().find(|fact| fact.key == SILENT).unwrap();
    assert!(text(silent).unwrap().contains(" at "), "{silent:?}");
}

#[test]
fn reset_flags_are_cleared_only_by_a_probe_that_may_disturb() {
    const CSR: Address = Address(0x4002_3874);
    for (touch, expected) in [(Touch::Observe, Flags::SinceUnknown), (Touch::Disturb, Flags::ClearedThisBoot)] {
        let bench = BenchShare::new(VirtualBoard::by_name("healthy-f407", 1).unwrap());
        bench.lock().board.keep_write_log();
        let mut link = SwdLink::new(VirtualProbe::new(bench.clone()), touch);
        assert_eq!(clear_flags(&mut link), expected);
        let words: Vec<_> = bench
            .lock()
            .board
            .write_log()
            .iter()
            .filter_map(|(_, write)| match write {
                TargetWrite::Memory { address, word, .. } => Some((*address, word >> 24 & 1)),
                _ => None,
            })
            .collect();
        let wanted: &[(Address, u32)] = if touch == Touch::Disturb { &[(CSR, 1), (CSR, 0)] } else { &[] };
        assert_eq!(words, wanted, "RMVF is set and taken back, and nothing else is written");
        let flags =
            look(&mut link, expected).into_iter().find(|fact| fact.key.starts_with("reset-flags-since")).unwrap();
        let none = flags.value == FactValue::Text("none".into());
        assert_eq!(none, touch == Touch::Disturb, "{flags:?}");
    }
}
