//! What a part shows to a debugger: identities and where its registers lie, from the device profile.
//!
//! Identities of debug port, access port and core: OpenOCD's target files and ARM's manuals of the cores.

use crate::observation::units::Address;
use crate::profile::device::{Device, FlashControl, ResetFlag};
use crate::swd::clock_tree::ClockTree;
use crate::swd::option_sequence::Controller;
use crate::swd::reset_cause::ResetCause;
use crate::swd::rom_interfaces::InterfaceClocks;
use crate::swd::transaction::mem_ap;

#[derive(Clone, Debug)]
pub struct Silicon {
    pub dev_id: u16,
    pub family: Family,
    pub tree: Option<ClockTree>,
    pub idcode: Address,
    pub unique_id: Option<Address>,
    pub flash_size: Option<Address>,
    pub flash_kb: u16,
    pub flash_start: Address,
    pub system_memory: Address,
    pub crs: Option<Address>,
    pub interfaces: Option<&'static InterfaceClocks>,
    pub reset_cause: Option<ResetRegister>,
    pub option_fields: Vec<Mirror>,
    pub flash_control: Option<Controller>,
    /// RAM that a coprocessor shares, and the option register with the bit at which its mailbox address stands.
    pub shared_ram: Option<Address>,
    pub mailbox_field: Option<(Address, u8)>,
}

/// RCC_CSR or its equivalent: bit by bit what it shows, and the bit that clears.
#[derive(Clone, Debug)]
pub struct ResetRegister {
    pub address: Address,
    pub flags: Vec<(ResetCause, u8)>,
    pub clears: u8,
}

/// A field of the option bytes and where the same field stands in the registers of the flash controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    pub name: String,
    pub from: Address,
    pub from_bit: u8,
    pub register: Address,
    pub register_bit: u8,
    pub bits: u8,
    /// It says how far reading is protected.
    pub is_read_protection: bool,
}

/// What parts of a family have in common for a debugger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    pub debug_port: u32,
    pub core: u32,
    pub access_port: u32,
    pub rom_table: u32,
    /// The address register of the access port counts within blocks of so many bytes and wraps there. ADIv5 guarantees 1 KiB
    /// and leaves more to the implementation; OpenOCD counts on 4 KiB of Cortex-M3 and M4, and of no other.
    pub increment_block_bytes: u32,
    pub cycle_counter: bool,
}

const CORTEX_M0: Family = Family {
    debug_port: 0x0BB1_1477,
    core: 0x410C_C200,
    access_port: 0x0477_0021,
    rom_table: 0xE00F_F003,
    increment_block_bytes: mem_ap::INCREMENT_BLOCK_BYTES,
    cycle_counter: false,
};
const CORTEX_M4: Family = Family {
    debug_port: 0x2BA0_1477,
    core: 0x410F_C241,
    access_port: 0x2477_0011,
    rom_table: 0xE00F_F003,
    increment_block_bytes: 0x1000,
    cycle_counter: true,
};
const CORTEX_M7: Family = Family {
    debug_port: 0x5BA0_2477,
    core: 0x410F_C271,
    access_port: 0x7477_0001,
    rom_table: 0xE00F_D003,
    increment_block_bytes: mem_ap::INCREMENT_BLOCK_BYTES,
    cycle_counter: true,
};

fn family(name: &str) -> Family {
    match name {
        "STM32F0" => CORTEX_M0,
        "STM32F7" => CORTEX_M7,
        "STM32H7" => Family { debug_port: 0x6BA0_2477, ..CORTEX_M7 },
        "STM32WB" => Family { debug_port: 0x6BA0_2477, ..CORTEX_M4 },
        _ => CORTEX_M4,
    }
}

/// The revision of every virtual part.
pub const REVISION: u32 = 0x1000;

impl Silicon {
    pub fn of(device: &Device, flash_start: u32, flash_bytes: u32) -> Self {
        let registers = device.registers.as_ref();
        Self {
            dev_id: device.dev_id,
            family: family(&device.family),
            tree: ClockTree::of_dev_id(device.dev_id),
            idcode: registers.and_then(|known| known.dbgmcu_idcode).unwrap_or(Address(0xE004_2000)),
            unique_id: registers.and_then(|known| known.unique_id),
            flash_size: device.flash.as_ref().and_then(|flash| flash.size_register),
            flash_kb: u16::try_from(flash_bytes / 1024).unwrap_or(u16::MAX),
            flash_start: Address(flash_start),
            system_memory: device.system_memory.as_ref().and_then(|rom| rom.start).unwrap_or(Address(0x1FFF_0000)),
            crs: registers.and_then(|known| known.crs),
            interfaces: InterfaceClocks::of(&device.family, device.dev_id),
            reset_cause: reset_register(device),
            option_fields: mirrors(device),
            flash_control: device.flash_control.as_ref().map(FlashControl::controller),
            shared_ram: device.coprocessor.as_ref().map(|tables| tables.shared_ram),
            mailbox_field: device.option_bytes.as_ref().and_then(|options| {
                let field = options.swd_fields.iter().find(|field| field.name == "IPCCDBA")?;
                Some((Address(field.at.0 & !3), field.bit))
            }),
        }
    }
}

fn reset_register(device: &Device) -> Option<ResetRegister> {
    let register = device.registers.as_ref()?.reset_cause.as_ref()?;
    let named = |flag: &ResetFlag| Some((ResetCause::of_flag(&flag.name)?, flag.bit));
    let mut flags: Vec<_> = register.flags.iter().filter_map(named).collect();
    // Parts without a flag for power-on (L4, G4, WB) show it as a brown-out reset.
    if !flags.iter().any(|(cause, _)| *cause == ResetCause::PowerOn) {
        let brown_out = flags.iter().find(|(cause, _)| *cause == ResetCause::BrownOut);
        flags.extend(brown_out.map(|(_, bit)| (ResetCause::PowerOn, *bit)).into_iter().collect::<Vec<_>>());
    }
    let clears = register.flags.iter().find(|flag| flag.name == "RMVF").map_or(23, |flag| flag.bit);
    Some(ResetRegister { address: register.address, flags, clears })
}

fn mirrors(device: &Device) -> Vec<Mirror> {
    let Some(options) = &device.option_bytes else { return Vec::new() };
    let pairs = options.swd_fields.iter().filter_map(|field| {
        let from = options.dfu_fields.iter().find(|other| other.name == field.name)?;
        Some(Mirror {
            name: field.name.clone(),
            from: from.at,
            from_bit: from.bit,
            register: field.at,
            register_bit: field.bit,
            bits: field.bits.min(from.bits),
            is_read_protection: field.name == "RDP",
        })
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::device;

    fn silicon(sheet: &str) -> Silicon {
        let devices = device::catalogue().unwrap();
        Silicon::of(devices.by_sheet(sheet).unwrap(), 0x0800_0000, 1024 * 1024)
    }

    #[test]
    fn an_f407_is_known_by_its_registers() {
        let f407 = silicon("stm32f40x");
        assert_eq!((f407.dev_id, f407.idcode, f407.flash_kb), (0x413, Address(0xE004_2000), 1024));
        let reset = f407.reset_cause.unwrap();
        assert_eq!((reset.address, reset.clears), (Address(0x4002_3874), 24));
        assert!(reset.flags.contains(&(ResetCause::IndependentWatchdog, 29)));
        let rdp = f407.option_fields.iter().find(|mirror| mirror.from_bit == 8).unwrap();
        assert_eq!((rdp.register, rdp.register_bit, rdp.bits), (Address(0x4002_3C14), 8, 8));
    }

    #[test]
    fn a_cortex_m0_has_no_cycle_counter() {
        assert!(!silicon("stm32f07x").family.cycle_counter);
        assert!(silicon("stm32f74x").family.cycle_counter);
    }
}
