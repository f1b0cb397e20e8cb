//! The USB descriptors of the ROM bootloader.

use super::sheet::RomModel;
use crate::dfu::command::{DESCRIPTOR_CONFIGURATION, DESCRIPTOR_DEVICE, DESCRIPTOR_DFU_FUNCTIONAL, DESCRIPTOR_STRING};

pub const VENDOR: u16 = 0x0483;
pub const PRODUCT: u16 = 0xdf11;
/// wTransferSize of every STM32 ROM with DFU.
pub const TRANSFER_BYTES: u16 = 2048;

const MANUFACTURER_STRING: u8 = 1;
const PRODUCT_STRING: u8 = 2;
const SERIAL_STRING: u8 = 3;
const FIRST_LAYOUT_STRING: u8 = 4;

/// All descriptors of one part, ready to be sent.
#[derive(Clone, Debug)]
pub struct Descriptors {
    device: Vec<u8>,
    configuration: Vec<u8>,
    strings: Vec<Vec<u8>>,
}

impl Descriptors {
    pub fn new(rom: &RomModel, serial: &str) -> Self {
        let names = ["STMicroelectronics", &rom.product, serial];
        let layouts = rom.sheet.alternates.iter().map(|layout| string_descriptor(layout, rom.sheet.garbage_units));
        Self {
            device: device(rom.bcd_device),
            configuration: configuration(rom.sheet.alternates.len()),
            strings: names.iter().map(|name| string_descriptor(name, 0)).chain(layouts).collect(),
        }
    }

    pub fn alternates(&self) -> usize {
        self.strings.len() - usize::from(SERIAL_STRING)
    }

    /// The answer to GET_DESCRIPTOR; `None` where the device stalls.
    pub fn get(&self, value: u16) -> Option<&[u8]> {
        const LANGUAGES: &[u8] = &[4, DESCRIPTOR_STRING, 0x09, 0x04];
        let [kind, number] = value.to_be_bytes();
        match (kind, number) {
            (DESCRIPTOR_DEVICE, 0) => Some(&self.device),
            (DESCRIPTOR_CONFIGURATION, 0) => Some(&self.configuration),
            (DESCRIPTOR_STRING, 0) => Some(LANGUAGES),
            (DESCRIPTOR_STRING, number) => self.strings.get(usize::from(number) - 1).map(Vec::as_slice),
            (DESCRIPTOR_DFU_FUNCTIONAL, _) => Some(&self.configuration[self.configuration.len() - 9..]),
            _ => None,
        }
    }
}

fn device(bcd_device: u16) -> Vec<u8> {
    let mut bytes = vec![18, DESCRIPTOR_DEVICE, 0x00, 0x01, 0, 0, 0, 64];
    for word in [VENDOR, PRODUCT, bcd_device] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend([MANUFACTURER_STRING, PRODUCT_STRING, SERIAL_STRING, 1]);
    bytes
}

/// One interface with its alternate settings, and the DFU functional descriptor at the end.
fn configuration(alternates: usize) -> Vec<u8> {
    const INTERFACE: u8 = 4;
    const SELF_POWERED: u8 = 0xc0;
    const MAX_POWER_2MA: u8 = 50;
    // Will detach, not manifestation tolerant, can upload and download.
    const ATTRIBUTES: u8 = 0x0b;
    let total = u16::try_from(9 + 9 * alternates + 9).expect("a ROM has a handful of alternate settings");
    let [low, high] = total.to_le_bytes();
    let mut bytes = vec![9, DESCRIPTOR_CONFIGURATION, low, high, 1, 1, 0, SELF_POWERED, MAX_POWER_2MA];
    for (alternate, string) in (0..alternates as u8).zip(FIRST_LAYOUT_STRING..) {
        bytes.extend([9, INTERFACE, 0, alternate, 0, 0xfe, 1, 2, string]);
    }
    let [size_low, size_high] = TRANSFER_BYTES.to_le_bytes();
    bytes.extend([9, DESCRIPTOR_DFU_FUNCTIONAL, ATTRIBUTES, 255, 0, size_low, size_high, 0x1a, 0x01]);
    bytes
}

/// UTF-16 with its length; what does not fit in 255 bytes is cut off.
fn string_descriptor(text: &str, garbage_units: u8) -> Vec<u8> {
    let garbage = (0..garbage_units).map(|n| 0x20ac_u16.wrapping_add(u16::from(n).wrapping_mul(0x1357)));
    let mut bytes = vec![0, DESCRIPTOR_STRING];
    bytes.extend(text.encode_utf16().chain(garbage).take(126).flat_map(u16::to_le_bytes));
    bytes[0] = bytes.len() as u8;
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::rom::sheet::by_name;

    fn descriptors() -> Descriptors {
        Descriptors::new(&by_name("f40x-v9", false).unwrap().unwrap(), "325E35633334")
    }

    #[test]
    fn the_device_descriptor_names_the_rom() {
        let descriptors = descriptors();
        let device = descriptors.get(0x0100).unwrap();
        assert_eq!(device.len(), 18);
        assert_eq!(device[8..14], [0x83, 0x04, 0x11, 0xdf, 0x00, 0x22]);
    }

    #[test]
    fn the_configuration_states_its_own_length_and_ends_in_the_functional_descriptor() {
        let descriptors = descriptors();
        let configuration = descriptors.get(0x0200).unwrap();
        assert_eq!(usize::from(u16::from_le_bytes([configuration[2], configuration[3]])), configuration.len());
        assert_eq!(configuration[configuration.len() - 4..], [0x00, 0x08, 0x1a, 0x01]);
        assert_eq!(descriptors.get(0x2100), Some(&configuration[configuration.len() - 9..]));
    }

    #[test]
    fn strings_carry_the_serial_and_the_layouts() {
        let descriptors = descriptors();
        let text = |number: u16| {
            let bytes = descriptors.get(0x0300 | number).unwrap();
            let units: Vec<_> = bytes[2..].chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
            String::from_utf16(&units).unwrap()
        };
        assert_eq!(text(3), "325E35633334");
        assert_eq!(text(4), "@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg");
        assert_eq!(descriptors.get(0x0300 | 99), None);
        assert_eq!(descriptors.get(0x0600), None);
    }

    #[test]
    fn too_long_a_text_never_overflows_the_length_byte() {
        assert_eq!(string_descriptor(&"x".repeat(400), 9).len(), 254);
    }
}
