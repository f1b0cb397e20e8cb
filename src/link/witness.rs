//! A debug probe beside a DFU campaign: looks at the clocks while the ROM runs, touches nothing, and says what it saw.

use std::collections::BTreeMap;

use crate::observation::fact::{Fact, FactValue};
use crate::observation::failure::Failure;
use crate::observation::field_text::FieldText;
use crate::observation::step::{ConnectMode, Step};
use crate::observation::units::{Address, Hertz, Micros, Ppm};
use crate::profile::device::{self, Device};
use crate::swd::crystal_witness::{CoreClock, Says, Testimony, testify};

use super::Link;
use super::core_clock::{CORE_CLOCK, PROGRAM_COUNTER, REFUSED, UNCERTAINTY};
use super::swd_registers::REGISTER;

pub const BELIEVED: &str = "crystal-believed";
pub const MEASURED: &str = "crystal-measured";
pub const MISREAD: &str = "crystal-misread-witnessed";
pub const READ_RIGHT: &str = "crystal-right-witnessed";
/// Why the probe saw nothing.
pub const SILENT: &str = "witness-silent";

/// What is noted of a look; who the board is, the campaign knows by itself.
const NOTED: [&str; 3] = [REGISTER, REFUSED, "target-voltage"];
const DEADLINE: Micros = Micros::from_secs(5);
const SPEED_KILOHERTZ: u32 = 1_800;
const SPAN: Micros = Micros::from_secs(1);

/// One look through the probe of `link`, which nobody else uses at this moment. Every step of it only observes.
pub fn look(link: &mut dyn Link) -> Vec<Fact> {
    let mut seen = Vec::new();
    let mut stopped = None;
    for step in [
        Step::OpenProbe,
        Step::TargetVoltage,
        Step::Speed { kilohertz: SPEED_KILOHERTZ },
        Step::Connect { mode: ConnectMode::Hotplug },
        Step::Identify,
        Step::RegisterFacts,
        Step::CoreClock { span: SPAN },
        Step::Disconnect,
    ] {
        let record = link.perform(&step, DEADLINE);
        stopped = record.failure().cloned();
        seen.extend(record.facts);
        if stopped.is_some() {
            break;
        }
    }
    link.perform(&Step::Close, DEADLINE);
    let mut facts = match stopped {
        Some(failure) => vec![silent(&in_words(&failure))],
        None => testimony(&seen),
    };
    seen.retain(|fact| NOTED.contains(&fact.key.as_str()));
    facts.extend(seen);
    facts
}

fn in_words(failure: &Failure) -> String {
    let code = failure.code.as_ref().map(|code| format!(": {}", code.raw())).unwrap_or_default();
    format!("{} at {}{code}", failure.class.name(), failure.phase.name())
}

fn silent(why: &str) -> Fact {
    Fact::measured(SILENT, FactValue::Text(FieldText::from(why)))
}

/// What follows from the registers and the counted clock of one look.
fn testimony(seen: &[Fact]) -> Vec<Fact> {
    match witnessed(seen) {
        Ok(testimony) => in_facts(&testimony),
        Err(why) => vec![silent(&why)],
    }
}

fn in_facts(testimony: &Testimony) -> Vec<Fact> {
    let quoted = |key: &str, value| Fact { quote: Some(testimony.to_string().into()), ..Fact::measured(key, value) };
    let mut facts = vec![
        quoted(BELIEVED, FactValue::FrequencyMhz(testimony.believed.as_mhz())),
        quoted(MEASURED, FactValue::FrequencyMhz(to_kilohertz(testimony.measured))),
    ];
    match testimony.says() {
        Says::Misread => facts.push(quoted(MISREAD, FactValue::Flag(true))),
        Says::ReadRight => facts.push(quoted(READ_RIGHT, FactValue::Flag(true))),
        Says::Undecided => {}
    }
    facts
}

/// A crystal is measured to some hundred ppm; finer values would be a new fact with every look.
fn to_kilohertz(crystal: Hertz) -> f64 {
    (crystal.0 / 1e3).round() / 1e3
}

fn witnessed(seen: &[Fact]) -> Result<Testimony, String> {
    let number = |key: &str| {
        seen.iter().find(|fact| fact.key == key).and_then(|fact| match fact.value {
            FactValue::Number(number) | FactValue::FrequencyMhz(number) => Some(number),
            _ => None,
        })
    };
    let dev_id = number("dev-id").ok_or("the part was not identified")? as u16;
    let (Some(mhz), Some(ppm)) = (number(CORE_CLOCK), number(UNCERTAINTY)) else {
        let refused = seen.iter().find(|fact| fact.key == REFUSED).and_then(text);
        return Err(refused.unwrap_or("the core clock was not measured").to_owned());
    };
    demand_rom(seen, dev_id)?;
    let words = words(seen);
    let clock = CoreClock { frequency: Hertz::from_mhz(mhz), uncertainty: Ppm(ppm) };
    testify(dev_id, |address| words.get(&address).copied(), clock).map_err(|silence| silence.to_string())
}

/// What another program than the ROM believes says nothing of the ROM.
fn demand_rom(seen: &[Fact], dev_id: u16) -> Result<(), String> {
    let counters: Vec<_> = seen
        .iter()
        .filter(|fact| fact.key == PROGRAM_COUNTER)
        .filter_map(|fact| if let FactValue::Address(address) = fact.value { Some(address) } else { None })
        .collect();
    let devices = device::catalogue().map_err(|error| error.to_string())?;
    let is_rom = |address: Address| devices.by_dev_id(dev_id).into_iter().any(|device| holds(device, address));
    match counters.iter().find(|address| !is_rom(**address)) {
        Some(elsewhere) => Err(format!("the program counter is at {elsewhere}, not in the ROM")),
        None if counters.is_empty() => Err("where the program is could not be seen".to_owned()),
        None => Ok(()),
    }
}

fn holds(device: &Device, address: Address) -> bool {
    let Some(memory) = &device.system_memory else { return false };
    memory.start.zip(memory.end).is_some_and(|(start, end)| (start..=end).contains(&address))
}

/// `RCC_PLLCFGR 0x40023804 0x05403C08`.
fn words(seen: &[Fact]) -> BTreeMap<Address, u32> {
    let hex = |text: &str| u32::from_str_radix(text.strip_prefix("0x")?, 16).ok();
    let word = |fact: &Fact| {
        let mut parts = text(fact)?.split_whitespace().skip(1);
        Some((Address(hex(parts.next()?)?), hex(parts.next()?)?))
    };
    seen.iter().filter(|fact| fact.key == REGISTER).filter_map(word).collect()
}

fn text(fact: &Fact) -> Option<&str> {
    if let FactValue::Text(text) = &fact.value { Some(text.raw()) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::board::VirtualBoard;
    use crate::link::swd_link::SwdLink;
    use crate::link::virtual_bench::BenchShare;
    use crate::link::virtual_probe::VirtualProbe;
    use crate::observation::step::Touch;

    fn seen_of(board: &str, settle: Micros) -> (Vec<Fact>, BenchShare) {
        let bench = BenchShare::new(VirtualBoard::from_toml("board", board, 1).unwrap());
        bench.lock().board.keep_write_log();
        bench.lock().wait(settle);
        let mut link = SwdLink::new(VirtualProbe::new(bench.clone()), Touch::Observe);
        (look(&mut link), bench)
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
    fn looking_leaves_no_trace() {
        let (_, bench) = seen_of(&f746(0.0), Micros::from_secs(2));
        let bench = bench.lock();
        use crate::swd::whitelist::{TargetWrite, permits};
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
    }

    #[test]
    fn a_target_without_power_leaves_the_witness_silent() {
        let bench = BenchShare::new(VirtualBoard::by_name("swd-unpowered-f407", 1).unwrap());
        let mut link = SwdLink::new(VirtualProbe::new(bench), Touch::Observe);
        let facts = look(&mut link);
        let silent = facts.iter().find(|fact| fact.key == SILENT).unwrap();
        assert!(text(silent).unwrap().contains(" at "), "{silent:?}");
    }
}
