//! Which part hangs on the wires: core, DEV_ID, flash size and unique ID, and the register table that goes with them.

use std::sync::{Arc, OnceLock};

use crate::observation::failure::FailureClass;
use crate::observation::units::Address;
use crate::profile::device::{self, Device, Devices, FlashControl};
use crate::profile::option_bytes::{self, Reading, View};
use crate::profile::read_protection::{self, ReadProtection};
use crate::swd::core_debug::CPUID;
use crate::swd::option_sequence::Controller;
use crate::swd::transaction::mem_ap;

use super::swd_probe::{ProbeErrorKind, SwdProbe};
use super::swd_session::{SwdFault, twice};
use super::swd_wire::SwdWire;

/// The part as its DEV_ID names it.
#[derive(Clone, Debug)]
pub struct KnownTarget {
    pub dev_id: u16,
    /// The address of DBGMCU_IDCODE.
    pub idcode: Address,
    /// Absent for a part that no profile describes.
    pub device: Option<Arc<Device>>,
}

/// What identifying found.
#[derive(Debug)]
pub struct Found {
    pub access_port: u32,
    pub core: u32,
    pub revision: u16,
    pub flash_kb: Option<u16>,
    pub unique_id: Option<[u32; 3]>,
    pub target: KnownTarget,
}

/// Reads who the target is, everything twice.
pub fn find<P: SwdProbe>(wire: &mut SwdWire<'_, P>) -> Result<Found, SwdFault> {
    let access_port = wire.read_ap(0, mem_ap::IDR)?;
    let core = twice(wire, CPUID, |wire| Ok(wire.read_word(CPUID)?))?;
    let (idcode, word) = device_identity(wire)?;
    let dev_id = (word & 0xFFF) as u16;
    let target = KnownTarget { dev_id, idcode, device: by_dev_id(dev_id, idcode) };
    Ok(Found {
        access_port,
        core,
        revision: (word >> 16) as u16,
        flash_kb: target.flash_kb(wire)?,
        unique_id: target.unique_id(wire)?,
        target,
    })
}

/// DBGMCU_IDCODE lies at one of few addresses; the right one shows a DEV_ID that belongs there.
fn device_identity<P: SwdProbe>(wire: &mut SwdWire<'_, P>) -> Result<(Address, u32), SwdFault> {
    let mut seen = None;
    for address in idcode_addresses() {
        let word = match wire.read_word(*address) {
            Ok(word) => word,
            // Nothing lies there in this part.
            Err(error) if error.kind == ProbeErrorKind::Fault => continue,
            Err(error) => return Err(error.into()),
        };
        if by_dev_id((word & 0xFFF) as u16, *address).is_some() {
            let again = twice(wire, *address, |wire| Ok(wire.read_word(*address)?))?;
            return Ok((*address, again));
        }
        if word & 0xFFF != 0 {
            seen = seen.or(Some((*address, word)));
        }
    }
    seen.ok_or_else(|| SwdFault::new(FailureClass::IdMismatch, "no DBGMCU_IDCODE was found; is it an STM32?"))
}

fn devices() -> &'static [Arc<Device>] {
    static DEVICES: OnceLock<Vec<Arc<Device>>> = OnceLock::new();
    DEVICES.get_or_init(|| {
        // A user's damaged profile is told by every command that reads profiles; here the part just stays unknown.
        let catalogue = device::catalogue().ok();
        catalogue.iter().flat_map(Devices::all).map(|(_, device)| Arc::new(device.clone())).collect()
    })
}

fn idcode_of(device: &Device) -> Option<Address> {
    device.registers.as_ref()?.dbgmcu_idcode
}

fn idcode_addresses() -> &'static [Address] {
    static ADDRESSES: OnceLock<Vec<Address>> = OnceLock::new();
    ADDRESSES.get_or_init(|| {
        let mut addresses: Vec<Address> = devices().iter().filter_map(|device| idcode_of(device)).collect();
        // The commonest first.
        addresses.sort_unstable_by(|a, b| b.cmp(a));
        addresses.dedup();
        addresses
    })
}

fn by_dev_id(dev_id: u16, idcode: Address) -> Option<Arc<Device>> {
    devices().iter().find(|device| device.dev_id == dev_id && idcode_of(device) == Some(idcode)).cloned()
}

impl KnownTarget {
    fn flash_kb<P: SwdProbe>(&self, wire: &mut SwdWire<'_, P>) -> Result<Option<u16>, SwdFault> {
        let register = self.device.as_ref().and_then(|device| device.flash.as_ref()?.size_register);
        let Some(Address(register)) = register else { return Ok(None) };
        let aligned = Address(register & !3);
        let word = twice(wire, aligned, |wire| Ok(wire.read_word(aligned)?))?;
        Ok(Some((word >> (8 * (register & 2))) as u16))
    }

    fn unique_id<P: SwdProbe>(&self, wire: &mut SwdWire<'_, P>) -> Result<Option<[u32; 3]>, SwdFault> {
        let register = self.device.as_ref().and_then(|device| device.registers.as_ref()?.unique_id);
        let Some(Address(first)) = register else { return Ok(None) };
        let mut uid = [0; 3];
        for (place, word) in uid.iter_mut().enumerate() {
            let address = Address(first + 4 * place as u32);
            *word = twice(wire, address, |wire| Ok(wire.read_word(address)?))?;
        }
        Ok(Some(uid))
    }

    /// The registers that hold the option bytes, in order.
    pub fn option_registers(&self) -> Vec<Address> {
        let options = self.device.as_ref().and_then(|device| device.option_bytes.as_ref());
        let mut registers: Vec<Address> =
            options.iter().flat_map(|options| &options.swd_fields).map(|field| Address(field.at.0 & !3)).collect();
        registers.sort_unstable();
        registers.dedup();
        registers
    }

    /// The controller that guards its option registers, where the profile knows it.
    pub fn controller(&self) -> Option<Controller> {
        self.device.as_ref()?.flash_control.as_ref().map(FlashControl::controller)
    }

    /// Data and lock bytes of OTP, with their lengths.
    pub fn otp_areas(&self) -> Vec<(Address, u32)> {
        let area = self.device.as_ref().and_then(|device| device.otp.as_ref()?.area.as_ref());
        let locks = area.and_then(|area| Some((area.lock_address?, area.lock_bytes?)));
        area.map(|area| (area.address, area.data_bytes)).into_iter().chain(locks).collect()
    }

    /// `None` where it cannot be told.
    pub fn read_protection<P: SwdProbe>(&self, wire: &mut SwdWire<'_, P>) -> Option<ReadProtection> {
        let device = self.device.as_ref()?;
        let fields = &device.option_bytes.as_ref()?.swd_fields;
        let register = Address(fields.iter().find(|field| read_protection::is_its_field(&field.name))?.at.0 & !3);
        let word = wire.read_word(register).ok()?;
        let reading = Reading { address: register, bytes: word.to_le_bytes().to_vec() };
        ReadProtection::read(device, &option_bytes::decode(device, View::Swd, &[reading]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idcode_belongs_to_its_address() {
        assert!(by_dev_id(0x413, Address(0xE004_2000)).is_some());
        assert!(by_dev_id(0x413, Address(0x4001_5800)).is_none());
        assert!(idcode_addresses().contains(&Address(0x4001_5800)));
    }

    #[test]
    fn options_and_otp_of_an_f407_are_where_its_profile_says() {
        let idcode = Address(0xE004_2000);
        let f407 = KnownTarget { dev_id: 0x413, idcode, device: by_dev_id(0x413, idcode) };
        assert_eq!(f407.option_registers(), [Address(0x4002_3C14)]);
        assert_eq!(f407.otp_areas(), [(Address(0x1FFF_7800), 512), (Address(0x1FFF_7A00), 16)]);
    }
}
