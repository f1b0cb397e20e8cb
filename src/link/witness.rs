//! A debug probe beside a DFU campaign: looks at the clocks while the ROM runs, touches nothing, and says what it saw.

use std::collections::BTreeMap;

use crate::observation::fact::{Fact, FactValue};
use crate::observation::failure::Failure;
use crate::observation::field_text::FieldText;
use crate::observation::step::{ConnectMode, Outcome, Step};
use crate::observation::units::{Address, Hertz, Micros, Ppm};
use crate::profile::device::{self, Device};
use crate::swd::clock_look::{CLOCK_LOOK, ClockLook, Occasion};
use crate::swd::clock_tree;
use crate::swd::core_debug::{CFSR, HFSR};
use crate::swd::crs::{CrsControl, CrsStatus};
use crate::swd::crystal_witness::{CoreClock, Says, Testimony, testify};

use super::Link;
use super::core_clock::{CORE_CLOCK, PROGRAM_COUNTER, REFUSED, UNCERTAINTY, VOLTAGE_HIGHEST, VOLTAGE_LOWEST};
use super::reset_witness::{self, Flags};
use super::rom_witness;
use super::swd_registers::{self, OPTION_REGISTER, REGISTER};

pub const BELIEVED: &str = "crystal-believed";
pub const MEASURED: &str = "crystal-measured";
pub const MISREAD: &str = "crystal-misread-witnessed";
pub const READ_RIGHT: &str = "crystal-right-witnessed";
/// What the probe measured on the target once, at the look.
pub const VOLTAGE: &str = "target-voltage-at-look";
/// The voltage at the pins moved within one look.
pub const SUPPLY_DIPS: &str = "supply-dip-witnessed";
/// The program was met in flash.
pub const APPLICATION: &str = "program-in-flash";
/// The clock recovery system in one sentence, under the key that register dumps of reports have.
pub const CRS: &str = "crs";
/// Why the probe saw nothing.
pub const SILENT: &str = "witness-silent";

/// What is noted of a look; who the board is, the campaign knows by itself.
const NOTED: [&str; 4] = [REGISTER, OPTION_REGISTER, REFUSED, VOLTAGE];
const DEADLINE: Micros = Micros::from_secs(5);
const SPEED_KILOHERTZ: u32 = 1_800;
const SPAN: Micros = Micros::from_secs(1);

/// One look through the probe of `link`, which nobody else uses at this moment. Every step of it only observes.
pub fn look(link: &mut dyn Link, flags: Flags) -> Vec<Fact> {
    let Sight { mut seen, stopped } = Sight::take(link, SPAN, Some(&Step::OptionBytes));
    let mut facts = match stopped {
        Some(failure) => vec![silent(&failure.in_words())],
        None => testimony(&seen),
    };
    facts.extend(Sight::clock_look(&seen, Occasion::Failure));
    facts.extend(supply_dip(&seen));
    facts.extend(application(&seen));
    facts.extend(clock_recovery(&seen));
    facts.extend(rom(&seen));
    facts.extend(reset_witness::told(number(&seen, "dev-id").map(|id| id as u16), &words(&seen), flags));
    // One reading misses every dip, so that under its usual key it would speak for a supply that it does not know.
    seen.iter_mut().filter(|fact| fact.key == "target-voltage").for_each(|fact| VOLTAGE.clone_into(&mut fact.key));
    seen.retain(|fact| NOTED.contains(&fact.key.as_str()));
    facts.extend(seen);
    facts
}

/// A look after a cycle that went well, with which the looks at failures are compared. What the ROM believes while nothing fails is
/// no testimony on the failures, so that only the clock is kept, and a supply that moves.
pub fn look_at_good_cycle(link: &mut dyn Link) -> Vec<Fact> {
    let Sight { seen, stopped } = Sight::take(link, SPAN, None);
    let clock = Sight::clock_look(&seen, Occasion::GoodCycle).filter(|_| stopped.is_none());
    clock.into_iter().chain(supply_dip(&seen)).collect()
}

/// Clears the reset flags, which disturbs; the first tries may meet a part that has not left reset.
pub fn clear_flags(link: &mut dyn Link) -> Flags {
    const TRIES: u32 = 3;
    const BETWEEN: Micros = Micros::from_millis(100);
    for _ in 0..TRIES {
        let steps = [
            Step::OpenProbe,
            Step::Speed { kilohertz: SPEED_KILOHERTZ },
            Step::Connect { mode: ConnectMode::Hotplug },
            Step::ClearResetFlags,
            Step::Disconnect,
        ];
        let done = steps.iter().all(|step| link.perform(step, DEADLINE).outcome == Outcome::Done);
        link.perform(&Step::Close, DEADLINE);
        if done {
            return Flags::ClearedThisBoot;
        }
        link.perform(&Step::Wait { span: BETWEEN }, DEADLINE);
    }
    Flags::SinceUnknown
}

/// What one look showed, and what ended it early.
#[derive(Debug)]
pub struct Sight {
    seen: Vec<Fact>,
    stopped: Option<Failure>,
}

impl Sight {
    /// Counts cycles over `span`. What is looked at `also` spoils nothing if it fails.
    pub fn take(link: &mut dyn Link, span: Micros, also: Option<&Step>) -> Self {
        let mut sight = Self { seen: Vec::new(), stopped: None };
        let steps = [
            Step::OpenProbe,
            Step::TargetVoltage,
            Step::Speed { kilohertz: SPEED_KILOHERTZ },
            Step::Connect { mode: ConnectMode::Hotplug },
            Step::Identify,
            Step::RegisterFacts,
            Step::CoreClock { span },
        ];
        for step in &steps {
            sight.stopped = sight.perform(link, step, span);
            if sight.stopped.is_some() {
                break;
            }
        }
        if sight.stopped.is_none() {
            also.into_iter().chain(&[Step::Disconnect]).for_each(|step| drop(sight.perform(link, step, span)));
        }
        link.perform(&Step::Close, DEADLINE);
        sight
    }

    fn perform(&mut self, link: &mut dyn Link, step: &Step, span: Micros) -> Option<Failure> {
        let record = link.perform(step, DEADLINE + span);
        let failed = record.failure().cloned();
        self.seen.extend(record.facts);
        failed
    }

    /// The counted clock, with both crystals where the clock tree is valid.
    fn clock_look(seen: &[Fact], occasion: Occasion) -> Option<Fact> {
        let core = core_clock(seen).ok()?;
        let look = ClockLook::new(occasion, core, witnessed(seen).ok().as_ref());
        Some(Fact::measured(CLOCK_LOOK, FactValue::Text(FieldText::new(look.to_string()))))
    }

    pub fn dev_id(&self) -> Option<u16> {
        number(&self.seen, "dev-id").map(|number| number as u16)
    }

    /// The counted clock, or why there is none.
    pub fn core_clock(&self) -> Result<CoreClock, String> {
        match &self.stopped {
            Some(failure) => Err(failure.in_words()),
            None => core_clock(&self.seen),
        }
    }

    /// Both crystals, or why nothing can be said of them.
    pub fn testimony(&self) -> Result<Testimony, String> {
        match &self.stopped {
            Some(failure) => Err(failure.in_words()),
            None => witnessed(&self.seen),
        }
    }
}

fn silent(why: &str) -> Fact {
    let why = FieldText::from(why);
    Fact { quote: Some(why.clone()), ..Fact::measured(SILENT, FactValue::Text(why)) }
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

fn number(seen: &[Fact], key: &str) -> Option<f64> {
    match seen.iter().find(|fact| fact.key == key)?.value {
        FactValue::Number(number) | FactValue::FrequencyMhz(number) => Some(number),
        _ => None,
    }
}

fn core_clock(seen: &[Fact]) -> Result<CoreClock, String> {
    match (number(seen, CORE_CLOCK), number(seen, UNCERTAINTY)) {
        (Some(mhz), Some(ppm)) => Ok(CoreClock { frequency: Hertz::from_mhz(mhz), uncertainty: Ppm(ppm) }),
        _ => {
            let refused = seen.iter().find(|fact| fact.key == REFUSED).and_then(text);
            Err(refused.unwrap_or("the core clock was not measured").to_owned())
        }
    }
}

fn witnessed(seen: &[Fact]) -> Result<Testimony, String> {
    let dev_id = number(seen, "dev-id").ok_or("the part was not identified")? as u16;
    let clock = core_clock(seen)?;
    demand_rom(seen, dev_id)?;
    let words = words(seen);
    testify(dev_id, |address| words.get(&address).copied(), clock).map_err(|silence| silence.to_string())
}

/// A rail whose voltage moves by more than this within a second is not regulated: regulators hold 2 to 3 % over line, load and
/// temperature, and the readings of a probe scatter by about 1 % (judgement). Dips that fall between two readings are missed.
const DIPS_FROM: f64 = 0.05;

fn supply_dip(seen: &[Fact]) -> Option<Fact> {
    let volts = |key: &str| {
        let fact = seen.iter().find(|fact| fact.key == key)?;
        if let FactValue::Volts(volts) = fact.value { Some((volts, fact.quote.clone())) } else { None }
    };
    let ((low, quote), (high, _)) = volts(VOLTAGE_LOWEST).zip(volts(VOLTAGE_HIGHEST))?;
    let dips = high - low > DIPS_FROM * high;
    dips.then(|| Fact { quote, ..Fact::measured(SUPPLY_DIPS, FactValue::Flag(true)) })
}

fn counters(seen: &[Fact]) -> Vec<Address> {
    let of = |fact: &Fact| if let FactValue::Address(address) = fact.value { Some(address) } else { None };
    seen.iter().filter(|fact| fact.key == PROGRAM_COUNTER).filter_map(of).collect()
}

/// The core runs from flash: an application, or a loader of the board's maker, and not the ROM.
fn application(seen: &[Fact]) -> Option<Fact> {
    /// Main flash of every STM32 that has one.
    const FLASH: std::ops::Range<u32> = 0x0800_0000..0x0880_0000;
    let counters = counters(seen);
    let at = counters.first().filter(|_| counters.iter().all(|address| FLASH.contains(&address.0)))?;
    let words = words(seen);
    let fault = [(CFSR, "CFSR"), (HFSR, "HFSR")].into_iter().find_map(|(address, name)| {
        let word = words.get(&address).filter(|word| **word != 0)?;
        Some(format!("; it has faulted, {name} 0x{word:08X}"))
    });
    let quote = format!("program counter {at}{}", fault.unwrap_or_default());
    Some(Fact { quote: Some(quote.into()), ..Fact::measured(APPLICATION, FactValue::Flag(true)) })
}

/// Whether HSI48 follows the host's frames, on parts that have a clock recovery system and may need it for USB.
fn clock_recovery(seen: &[Fact]) -> Option<Fact> {
    let dev_id = number(seen, "dev-id")? as u16;
    let devices = device::catalogue().ok()?;
    let block = devices.by_dev_id(dev_id).into_iter().find_map(|device| device.registers.as_ref()?.crs)?;
    let words = words(seen);
    if clock_tree::usb_from_hsi48(dev_id, |address| words.get(&address).copied()) == Some(false) {
        return None;
    }
    let (control, status) = (*words.get(&block)?, *words.get(&Address(block.0 + 8))?);
    let sentence = CrsStatus::of_isr(status).sentence(CrsControl::of_cr(control));
    Some(Fact { quote: Some(sentence.as_str().into()), ..Fact::measured(CRS, FactValue::Text(sentence.into())) })
}

/// What keeps the ROM from serving USB.
fn rom(seen: &[Fact]) -> Vec<Fact> {
    let Some(dev_id) = number(seen, "dev-id").map(|id| id as u16) else { return Vec::new() };
    let Ok(devices) = device::catalogue() else { return Vec::new() };
    let device = devices.by_dev_id(dev_id).into_iter().next();
    let in_rom = demand_rom(seen, dev_id).is_ok();
    device.map(|device| rom_witness::told(device, &words(seen), in_rom)).unwrap_or_default()
}

/// What another program than the ROM believes says nothing of the ROM.
fn demand_rom(seen: &[Fact], dev_id: u16) -> Result<(), String> {
    let counters = counters(seen);
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

fn words(seen: &[Fact]) -> BTreeMap<Address, u32> {
    seen.iter().filter(|fact| fact.key == REGISTER).filter_map(swd_registers::reading).collect()
}

fn text(fact: &Fact) -> Option<&str> {
    if let FactValue::Text(text) = &fact.value { Some(text.raw()) } else { None }
}

#[cfg(test)]
#[path = "witness_tests.rs"]
mod tests;
