//! What a register dump in a report says, decoded with the tables of the part it came from: direct evidence instead of guesses.

use std::collections::BTreeMap;

use super::option_facts;
use crate::evidence::observed::Observed;
use crate::observation::fact::{Fact, FactValue, Origin};
use crate::observation::field_text::FieldText;
use crate::observation::units::Address;
use crate::profile::device::Device;
use crate::profile::option_bytes::{self, Reading, View};
use crate::readers::registers;
use crate::swd::clock_tree::{self, Belief, ClockTree};
use crate::swd::crs::{CrsControl, CrsStatus};
use crate::swd::reset_cause::{self, ResetCause};

/// Beyond this a believed crystal is another than the fitted one; dividers and rounding stay far below.
const SAME_CRYSTAL: f64 = 0.02;

/// The words of all dumps, the last one where an address was read twice.
pub struct Dump<'a> {
    words: BTreeMap<u32, (u32, &'a Fact)>,
}

impl<'a> Dump<'a> {
    pub fn of(observed: &'a Observed) -> Self {
        let word = |fact| registers::of_fact(fact).map(|(address, word)| (address.0, (word, fact)));
        Self { words: observed.facts().iter().filter_map(word).collect() }
    }

    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    fn word(&self, address: Address) -> Option<u32> {
        self.words.get(&address.0).map(|(word, _)| *word)
    }

    fn origin(&self, address: Address) -> Origin {
        self.words.get(&address.0).map_or(Origin::Line(1), |(_, fact)| fact.origin)
    }

    /// Words that follow each other as one read each.
    fn readings(&self) -> Vec<Reading> {
        let mut readings: Vec<Reading> = Vec::new();
        for (&address, (word, _)) in &self.words {
            match readings.last_mut() {
                Some(last) if last.address.0 as usize + last.bytes.len() == address as usize => {
                    last.bytes.extend(word.to_le_bytes());
                }
                _ => readings.push(Reading { address: Address(address), bytes: word.to_le_bytes().to_vec() }),
            }
        }
        readings
    }
}

/// A stretch of registers to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    pub address: Address,
    pub bytes: u32,
}

/// Addresses closer than this are read in one stretch.
const GAP_BYTES: u32 = 0x80;

/// What has to be read of this part so that everything here can be decoded, in as few stretches as it takes.
pub fn wanted(device: &Device) -> Vec<Block> {
    let mut words = Vec::new();
    if let Some(tree) = ClockTree::of_dev_id(device.dev_id) {
        words.extend(tree.registers().iter().map(|register| register.address.0));
    }
    if let Some(registers) = &device.registers {
        words.extend(registers.reset_cause.as_ref().map(|register| register.address.0));
        words.extend(registers.crs.into_iter().flat_map(|block| [block.0, block.0 + 8]));
    }
    if let Some(options) = &device.option_bytes {
        words.extend(options.fields(View::Swd).iter().map(|field| field.at.0 & !3));
    }
    words.extend(device.system_memory.as_ref().and_then(|memory| memory.id_address).map(|at| at.0 & !3));
    words.sort_unstable();
    words.dedup();
    let mut blocks: Vec<Block> = Vec::new();
    for word in words {
        match blocks.last_mut() {
            Some(last) if word < last.address.0 + last.bytes + GAP_BYTES => last.bytes = word + 4 - last.address.0,
            _ => blocks.push(Block { address: Address(word), bytes: 4 }),
        }
    }
    blocks
}

/// The facts that a dump gives for this part.
pub fn derive(observed: &Observed, device: &Device) -> Vec<Fact> {
    let dump = Dump::of(observed);
    if dump.is_empty() {
        return Vec::new();
    }
    let mut facts = crystal(&dump, observed, device);
    facts.extend(reset_flags(&dump, device));
    facts.extend(recovery(&dump, device));
    facts.extend(rom_version(&dump, device));
    facts.extend(options(&dump, device));
    facts
}

pub(super) fn told(key: &str, value: FactValue, origin: Origin, words: String) -> Fact {
    Fact { key: key.to_owned(), value, origin, quote: Some(FieldText::new(words)) }
}

/// The crystal that the running code believes in, against the one that is said to be fitted.
fn crystal(dump: &Dump<'_>, observed: &Observed, device: &Device) -> Vec<Fact> {
    let Ok(belief) = clock_tree::believed_crystal(device.dev_id, |address| dump.word(address)) else {
        return Vec::new();
    };
    let tree = ClockTree::of_dev_id(device.dev_id).expect("a belief has a clock tree");
    let origin = dump.origin(tree.registers()[0].address);
    let believed = belief.crystal.0 / 1e6;
    let mut facts =
        vec![told("believed-crystal", FactValue::FrequencyMhz(believed), origin, sentence(&belief, believed))];
    if belief.doubts.is_empty()
        && is_of_the_rom(dump, tree, believed)
        && let Some(fitted) = fitted_mhz(observed)
    {
        let same = (believed / fitted - 1.0).abs() < SAME_CRYSTAL;
        let key = if same { "crystal-read-right" } else { "crystal-misread" };
        let words = format!("the code believes {believed:.1} MHz, {fitted} MHz is said to be fitted");
        facts.push(told(key, FactValue::Flag(true), origin, words));
    }
    facts
}

/// A program may run the PLL for other things than USB. The ROMs of F2, F4 and F7 divide the crystal down to 1 MHz, so that PLLM is what they
/// take it for.
fn is_of_the_rom(dump: &Dump<'_>, tree: ClockTree, believed_mhz: f64) -> bool {
    let divides = matches!(tree, ClockTree::F4 | ClockTree::F446 | ClockTree::F469 | ClockTree::F7 | ClockTree::F412);
    let pll_m = dump.word(clock_tree::F4_PLLCFGR.address).map(|word| f64::from(word & 0x3F));
    !divides || pll_m.is_none_or(|m| (m - believed_mhz).abs() < 0.01)
}

fn sentence(belief: &Belief, believed: f64) -> String {
    let doubts: String = belief.doubts.iter().map(|doubt| format!("; {doubt}")).collect();
    format!("the clock registers belong to a crystal of {believed:.1} MHz{doubts}")
}

fn fitted_mhz(observed: &Observed) -> Option<f64> {
    let fact =
        observed.facts().iter().find(|fact| ["fitted-crystal", "fitted-oscillator"].contains(&fact.key.as_str()))?;
    if let FactValue::FrequencyMhz(mhz) = fact.value { Some(mhz) } else { None }
}

fn reset_flags(dump: &Dump<'_>, device: &Device) -> Vec<Fact> {
    let Some(register) = device.registers.as_ref().and_then(|registers| registers.reset_cause.as_ref()) else {
        return Vec::new();
    };
    let Some(word) = dump.word(register.address) else { return Vec::new() };
    let names = register.names(word);
    let origin = dump.origin(register.address);
    let words = format!("reset flags: {names}; {}", reset_cause::STICKY);
    let mut facts = vec![told("reset-flags", FactValue::Text(FieldText::new(&names)), origin, words.clone())];
    let causes = reset_cause::decode(word, register.flags.iter().map(|flag| (flag.name.as_str(), flag.bit)));
    if causes.iter().any(|cause| matches!(cause, ResetCause::IndependentWatchdog | ResetCause::WindowWatchdog)) {
        facts.push(told("watchdog-reset-flag", FactValue::Flag(true), origin, words));
    }
    facts
}

/// CRS_CR and CRS_ISR lie at the beginning of the block and eight bytes on. What feeds USB from elsewhere needs no recovery.
fn recovery(dump: &Dump<'_>, device: &Device) -> Option<Fact> {
    if clock_tree::usb_from_hsi48(device.dev_id, |address| dump.word(address)) == Some(false) {
        return None;
    }
    let block = device.registers.as_ref()?.crs?;
    let (control, status) = (dump.word(block)?, dump.word(Address(block.0 + 8))?);
    let words = CrsStatus::of_isr(status).sentence(CrsControl::of_cr(control));
    Some(told("crs", FactValue::Text(FieldText::new(&words)), dump.origin(block), words))
}

/// The identity byte of the ROM, within whichever word was read around it.
fn rom_version(dump: &Dump<'_>, device: &Device) -> Option<Fact> {
    let at = device.system_memory.as_ref()?.id_address?;
    let word = Address(at.0 & !3);
    let byte = dump.word(word)?.to_le_bytes()[(at.0 & 3) as usize];
    let words = format!("bootloader version 0x{byte:02X}");
    Some(told("rom-version", FactValue::Number(f64::from(byte)), dump.origin(word), words))
}

/// The option registers, and the area with the complements beside them if that was dumped too.
fn options(dump: &Dump<'_>, device: &Device) -> Vec<Fact> {
    let readings = dump.readings();
    let [registers, area] = [View::Swd, View::Dfu].map(|view| option_bytes::decode(device, view, &readings));
    let origin_of = |at: Address| dump.origin(Address(at.0 & !3));
    let shown = if registers.fields.is_empty() { &area } else { &registers };
    let mut facts = option_facts::of_fields(device, shown, origin_of);
    facts.extend(option_facts::of_complements(device, &area, origin_of));
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::event::{Event, EventKind};
    use crate::profile::device;

    fn decoded(part: &str, words: &[(u32, u32)], crystal: Option<f64>) -> Vec<(String, FactValue)> {
        let mut observed = Observed::default();
        let registers = words.iter().map(|&(address, word)| {
            told(&format!("register-{address:08x}"), FactValue::Number(f64::from(word)), Origin::Line(1), String::new())
        });
        let crystal =
            crystal.map(|mhz| told("fitted-crystal", FactValue::FrequencyMhz(mhz), Origin::Line(1), String::new()));
        for fact in registers.chain(crystal) {
            observed.absorb(&Event { seq: 1, at: None, kind: EventKind::FactNoted(fact) });
        }
        let devices = device::catalogue().unwrap();
        let device = devices.by_part(part).unwrap();
        derive(&observed, device).into_iter().map(|fact| (fact.key, fact.value)).collect()
    }

    fn has(facts: &[(String, FactValue)], key: &str) -> bool {
        facts.iter().any(|(known, _)| known == key)
    }

    #[test]
    fn a_misread_crystal_is_found_in_the_clock_registers() {
        // PLLM 25, PLLN 192, PLLQ 4, source HSE, HSE and PLL ready, core from the PLL; USB from the main PLL.
        let words = [
            (0x4002_3800, 0x0303_0083),
            (0x4002_3804, 0x2440_3019),
            (0x4002_3808, 0x0000_000a),
            (0x4002_3888, 0),
            (0x4002_3890, 0),
        ];
        let facts = decoded("STM32F746ZG", &words, Some(24.0));
        assert!(facts.contains(&("believed-crystal".to_owned(), FactValue::FrequencyMhz(25.0))), "{facts:?}");
        assert!(has(&facts, "crystal-misread"));
        assert!(has(&decoded("STM32F746ZG", &words, Some(25.0)), "crystal-read-right"));
    }

    #[test]
    fn a_crystal_that_does_not_run_proves_nothing() {
        let words = [(0x4002_3800, 0x0100_0083), (0x4002_3804, 0x2440_3019), (0x4002_3808, 0)];
        let facts = decoded("STM32F407VG", &words, Some(8.0));
        assert!(has(&facts, "believed-crystal") && !has(&facts, "crystal-misread"), "{facts:?}");
    }

    #[test]
    fn reset_flags_and_protection_are_told_by_the_parts_own_table() {
        let facts = decoded("STM32F429ZI", &[(0x4002_3874, 0x2400_0003), (0x4002_3c14, 0xcfff_fffd)], None);
        assert!(has(&facts, "watchdog-reset-flag"), "{facts:?}");
        assert!(facts.contains(&("read-out-protection-level".to_owned(), FactValue::Number(1.0))), "{facts:?}");
        let facts = decoded("STM32L476RG", &[(0x4002_1094, 0x2400_0000), (0x4002_2020, 0xffef_f8aa)], None);
        assert!(has(&facts, "watchdog-reset-flag"), "{facts:?}");
        assert!(facts.contains(&("read-out-protection-level".to_owned(), FactValue::Number(0.0))), "{facts:?}");
    }

    #[test]
    fn what_is_asked_for_holds_all_that_is_decoded() {
        let mut checked = 0;
        for (sheet, device) in device::catalogue().unwrap().all() {
            let blocks = wanted(device);
            let held = |address: u32| {
                blocks.iter().any(|block| (block.address.0..block.address.0 + block.bytes).contains(&address))
            };
            let tree = ClockTree::of_dev_id(device.dev_id);
            let clocks = tree.iter().flat_map(|tree| tree.registers()).map(|register| register.address.0);
            let options = device.option_bytes.iter().flat_map(|bytes| bytes.fields(View::Swd)).map(|field| field.at.0);
            for address in clocks.chain(options) {
                assert!(held(address), "{sheet}: 0x{address:08X} in {blocks:?}");
                checked += 1;
            }
            assert!(blocks.iter().map(|block| block.bytes).sum::<u32>() < 2048, "{sheet}: {blocks:?}");
        }
        assert!(checked > 200, "{checked}");
    }

    #[test]
    fn recovery_without_frames_is_told() {
        let facts = decoded("STM32H743ZI", &[(0x4000_8400, 0x2060), (0x4000_8408, 0x0000_0200)], None);
        let Some((_, FactValue::Text(text))) = facts.iter().find(|(key, _)| key == "crs") else { panic!("{facts:?}") };
        assert!(text.raw().contains("missing"), "{}", text.raw());
    }

    /// CLK48SEL of RCC_CCIPR: 0 is HSI48, 3 is MSI.
    #[test]
    fn recovery_is_nothing_to_usb_that_runs_from_elsewhere() {
        let with = |ccipr: u32| {
            let clocks = [
                (0x4002_1000, 0x0000_0003),
                (0x4002_1008, 0),
                (0x4002_100C, 0),
                (0x4002_1088, ccipr),
                (0x4002_1098, 3),
            ];
            let words: Vec<_> = clocks.into_iter().chain([(0x4000_6000, 0x2000), (0x4000_6008, 0)]).collect();
            has(&decoded("STM32L496ZG", &words, None), "crs")
        };
        assert!(with(0) && !with(3 << 26));
    }
}
