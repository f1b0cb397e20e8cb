//! What keeps a ROM from serving USB, as a look through a debug probe shows it: another interface that won, a fault, what was mapped to address 0.

use std::collections::BTreeMap;

use crate::observation::fact::{Fact, FactValue};
use crate::observation::units::Address;
use crate::profile::device::Device;
use crate::swd::clock_tree::{self, NoBelief};
use crate::swd::core_debug::{ICSR, exception};
use crate::swd::rom_interfaces::{InterfaceClocks, Served};

/// The interface other than USB that the ROM serves.
pub const OTHER_INTERFACE: &str = "rom-serves-other-interface";
/// The ROM has USB on, and no other interface has won.
pub const USB_ON: &str = "rom-has-usb-on";
/// The internal oscillator that USB runs from.
pub const USB_CLOCK: &str = "usb-runs-from";
/// HSI48 is chosen for USB and is off.
pub const USB_CLOCK_OFF: &str = "usb-clock-is-off";
/// The core was met in the handler of a fault.
pub const FAULTED: &str = "core-in-fault-handler";
/// What address 0 shows, which reset takes from the boot pins.
pub const BOOT_MEMORY: &str = "memory-at-address-0";

/// What follows from the words of one look; `in_rom` says that the program was met there.
pub fn told(device: &Device, words: &BTreeMap<Address, u32>, in_rom: bool) -> Vec<Fact> {
    let read = |address| words.get(&address).copied();
    let interface = in_rom.then(|| interface(device, read)).flatten();
    let faulted = read(ICSR).and_then(exception).map(|name| text(FAULTED, name));
    let memory = boot_memory(&device.family, read).map(|name| text(BOOT_MEMORY, name));
    let clock = in_rom.then(|| usb_clock(device, read)).flatten();
    interface.into_iter().chain(clock).chain(faulted).chain(memory).collect()
}

fn interface(device: &Device, read: impl Fn(Address) -> Option<u32>) -> Option<Fact> {
    let clocks = InterfaceClocks::of(&device.family, device.dev_id)?;
    Some(match clocks.served(read)? {
        Served::Other(name) => text(OTHER_INTERFACE, name),
        Served::Usb => {
            let quote = "the clock of USB is on, and no other interface is the only one";
            Fact { quote: Some(quote.into()), ..Fact::measured(USB_ON, FactValue::Flag(true)) }
        }
        Served::Open => return None,
    })
}

/// A ROM that takes no crystal says so here.
fn usb_clock(device: &Device, read: impl Fn(Address) -> Option<u32>) -> Option<Fact> {
    match clock_tree::believed_crystal(device.dev_id, read) {
        Err(NoBelief::Hsi48) => Some(text(USB_CLOCK, "HSI48")),
        Err(NoBelief::Msi) => Some(text(USB_CLOCK, "MSI")),
        Err(why @ NoBelief::Hsi48Off) => {
            let quote = why.to_string();
            Some(Fact { quote: Some(quote.as_str().into()), ..Fact::measured(USB_CLOCK_OFF, FactValue::Flag(true)) })
        }
        _ => None,
    }
}

fn text(key: &str, value: &str) -> Fact {
    Fact { quote: Some(value.into()), ..Fact::measured(key, FactValue::Text(value.into())) }
}

/// SYSCFG with the bit of its clock enable, without which it reads as zero; RM0090, RM0091, RM0316, RM0351, RM0440. On F7 the register says which
/// boot address was taken, and not what lies there.
struct Remap {
    register: Address,
    enable: (Address, u8),
}

impl Remap {
    fn of(family: &str) -> Option<Self> {
        let (register, enable) = match family {
            "STM32F2" | "STM32F4" => (0x4001_3800, (0x4002_3844, 14)),
            "STM32F0" | "STM32F3" => (0x4001_0000, (0x4002_1018, 0)),
            "STM32L4" | "STM32L4+" | "STM32G4" => (0x4001_0000, (0x4002_1060, 0)),
            _ => return None,
        };
        Some(Self { register: Address(register), enable: (Address(enable.0), enable.1) })
    }
}

/// The register whose word [`told`] wants, beside those of [`InterfaceClocks`].
pub fn remap_register(family: &str) -> Option<Address> {
    Remap::of(family).map(|remap| remap.register)
}

fn boot_memory(family: &str, read: impl Fn(Address) -> Option<u32>) -> Option<&'static str> {
    let Remap { register, enable: (enable, bit) } = Remap::of(family)?;
    if read(enable)? >> bit & 1 == 0 {
        return None;
    }
    Some(match read(register)? & 3 {
        0 => "main flash",
        1 => "system memory",
        3 => "SRAM",
        _ => "an external memory",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::device;

    fn of_f407(words: &[(u32, u32)], in_rom: bool) -> Vec<(String, String)> {
        let devices = device::catalogue().unwrap();
        let device = devices.by_dev_id(0x413)[0];
        let words = words.iter().map(|(address, word)| (Address(*address), *word)).collect();
        let text = |fact: &Fact| fact.quote.as_ref().map(|quote| quote.raw().to_owned()).unwrap_or_default();
        told(device, &words, in_rom).iter().map(|fact| (fact.key.clone(), text(fact))).collect()
    }

    const WON_BY_USART1: [(u32, u32); 3] = [(0x4002_3834, 0), (0x4002_3840, 0), (0x4002_3844, 1 << 4)];

    #[test]
    fn an_interface_that_won_is_told_of_a_rom_and_of_nothing_else() {
        assert_eq!(of_f407(&WON_BY_USART1, true), [(OTHER_INTERFACE.to_owned(), "USART1".to_owned())]);
        assert_eq!(of_f407(&WON_BY_USART1, false), [], "an application may use one interface alone");
    }

    #[test]
    fn what_address_0_shows_is_told_where_its_register_has_a_clock() {
        let remapped = |enabled: u32, word| of_f407(&[(0x4002_3844, enabled << 14), (0x4001_3800, word)], false);
        assert_eq!(remapped(1, 1), [(BOOT_MEMORY.to_owned(), "system memory".to_owned())]);
        assert_eq!(remapped(1, 0), [(BOOT_MEMORY.to_owned(), "main flash".to_owned())]);
        assert_eq!(remapped(0, 0), [], "without its clock the register reads as zero");
    }

    #[test]
    fn a_fault_is_named() {
        assert_eq!(of_f407(&[(ICSR.0, 0x0000_0803)], true), [(FAULTED.to_owned(), "HardFault".to_owned())]);
        assert_eq!(of_f407(&[(ICSR.0, 0x0000_000F)], true), [], "SysTick is no fault");
    }
}
