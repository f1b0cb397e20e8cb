//! Registers that tell about clocks, resets and where the core is, read as they stand. What they mean is decided elsewhere.

use crate::observation::fact::{Fact, FactValue};
use crate::observation::failure::FailureClass;
use crate::observation::field_text::FieldText;
use crate::observation::units::Address;
use crate::profile::option_bytes::Reading;
use crate::swd::clock_tree::ClockTree;
use crate::swd::core_debug::{CFSR, DHCSR, HFSR, ICSR, VTOR};
use crate::swd::rom_interfaces::InterfaceClocks;

use super::rom_witness;
use super::swd_probe::{ProbeErrorKind, SwdProbe};
use super::swd_session::SwdFault;
use super::swd_target::KnownTarget;
use super::swd_wire::SwdWire;

/// The key of the facts: `RCC_PLLCFGR 0x40023804 0x05403C08`.
pub const REGISTER: &str = "register";

/// The key of the facts of option registers: `0x40023C14 0x0FFFAAED`.
pub const OPTION_REGISTER: &str = "option-register";

/// A register as it was read, from a fact under either key.
pub fn reading(fact: &Fact) -> Option<(Address, u32)> {
    let FactValue::Text(text) = &fact.value else { return None };
    let hex = |word: &str| u32::from_str_radix(word.strip_prefix("0x")?, 16).ok();
    let mut words = text.raw().split_whitespace().rev();
    let word = hex(words.next()?)?;
    Some((Address(hex(words.next()?)?), word))
}

/// Option registers as a session has learned them, each by itself.
pub fn option_registers(facts: &[Fact]) -> Vec<Reading> {
    let read = facts.iter().filter(|fact| fact.key == OPTION_REGISTER).filter_map(reading);
    read.map(|(address, word)| Reading { address, bytes: word.to_le_bytes().to_vec() }).collect()
}

/// Reads each register of the table once; one that faults is not there in this part.
pub fn read<P: SwdProbe>(
    wire: &mut SwdWire<'_, P>,
    target: &KnownTarget,
    learned: &mut Vec<Fact>,
) -> Result<(), SwdFault> {
    for (name, address) in table(target) {
        match wire.read_word(address) {
            Ok(word) => {
                let text = FieldText::from(format!("{name} {address} 0x{word:08X}"));
                learned.push(Fact::measured(REGISTER, FactValue::Text(text)));
            }
            Err(error) if error.kind == ProbeErrorKind::Fault => {}
            Err(error) => return Err(SwdFault { address: Some(address), ..error.into() }),
        }
    }
    Ok(())
}

/// RMVF on and off again; the other bits of the register stay as they are. On some families the bit stays set until it is written 0, and flags
/// would be cleared for ever.
pub fn clear_reset_flags<P: SwdProbe>(wire: &mut SwdWire<'_, P>, target: &KnownTarget) -> Result<(), SwdFault> {
    let register = target.device.as_ref().and_then(|device| device.registers.as_ref()?.reset_cause.as_ref());
    let removes = register.and_then(|register| {
        register.flags.iter().find(|flag| flag.name == "RMVF").map(|flag| (register.address, 1_u32 << flag.bit))
    });
    let Some((address, bit)) = removes else {
        let code = format!("no profile says where the reset flags of DEV_ID 0x{:03X} lie", target.dev_id);
        return Err(SwdFault::new(FailureClass::BadArguments, code));
    };
    let before = wire.read_word(address)?;
    wire.write_word(address, before | bit)?;
    Ok(wire.write_word(address, before & !bit)?)
}

fn table(target: &KnownTarget) -> Vec<(&'static str, Address)> {
    let mut table = vec![("DHCSR", DHCSR), ("VTOR", VTOR), ("ICSR", ICSR), ("CFSR", CFSR), ("HFSR", HFSR)];
    table.push(("DBGMCU_CR", Address(target.idcode.0 + 4)));
    if let Some(tree) = ClockTree::of_dev_id(target.dev_id) {
        table.extend(tree.registers().iter().map(|register| (register.name, register.address)));
    }
    if let Some(known) = target.device.as_ref().and_then(|device| device.registers.as_ref()) {
        table.extend(known.reset_cause.as_ref().map(|register| ("RCC_CSR", register.address)));
        let crs = known.crs.map(|base| {
            [("CRS_CR", 0), ("CRS_CFGR", 4), ("CRS_ISR", 8)].map(|(name, offset)| (name, Address(base.0 + offset)))
        });
        table.extend(crs.into_iter().flatten());
    }
    let device = target.device.as_ref();
    let interfaces = device.and_then(|device| InterfaceClocks::of(&device.family, target.dev_id));
    table.extend(interfaces.into_iter().flat_map(|clocks| clocks.registers));
    let remap = device.and_then(|device| rom_witness::remap_register(&device.family));
    table.extend(remap.map(|register| ("SYSCFG_MEMRMP", register)));
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_without_a_profile_still_has_the_registers_of_its_core() {
        let unknown = KnownTarget { dev_id: 0x999, idcode: Address(0xE004_2000), device: None };
        let names: Vec<_> = table(&unknown).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["DHCSR", "VTOR", "ICSR", "CFSR", "HFSR", "DBGMCU_CR"]);
        let f407 = KnownTarget { dev_id: 0x413, ..unknown };
        assert!(table(&f407).contains(&("RCC_PLLCFGR", Address(0x4002_3804))));
    }
}
