//! USB descriptors as far as a DFU host needs them. Reading never fails outright: what is malformed becomes a defect.

use serde::{Deserialize, Serialize};

use crate::observation::field_text::FieldText;

use super::command::{
    DESCRIPTOR_CONFIGURATION, DESCRIPTOR_DEVICE, DESCRIPTOR_DFU_FUNCTIONAL, DESCRIPTOR_INTERFACE, DESCRIPTOR_STRING,
};

/// bcdDFUVersion of devices that speak DfuSe, ST's extension.
pub const DFUSE_VERSION: u16 = 0x011a;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceDescriptor {
    pub vendor_id: u16,
    pub product_id: u16,
    pub bcd_device: u16,
    pub manufacturer_index: u8,
    pub product_index: u8,
    pub serial_index: u8,
}

impl DeviceDescriptor {
    pub const LENGTH_BYTES: u16 = 18;

    pub fn parse(bytes: &[u8]) -> Result<Self, DescriptorDefect> {
        if bytes.len() < usize::from(Self::LENGTH_BYTES) {
            return Err(DescriptorDefect::TooShort);
        }
        if bytes[1] != DESCRIPTOR_DEVICE {
            return Err(DescriptorDefect::WrongKind(bytes[1]));
        }
        Ok(Self {
            vendor_id: word(bytes, 8),
            product_id: word(bytes, 10),
            bcd_device: word(bytes, 12),
            manufacturer_index: bytes[14],
            product_index: bytes[15],
            serial_index: bytes[16],
        })
    }
}

/// A configuration with its DFU interface settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    pub value: u8,
    pub attributes: u8,
    pub max_power_milliamps: u16,
    pub settings: Vec<InterfaceSetting>,
    pub functional: Option<DfuFunctional>,
    pub defects: Vec<DescriptorDefect>,
}

/// One alternate setting of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceSetting {
    pub interface: u8,
    pub alternate: u8,
    pub class: u8,
    pub subclass: u8,
    pub protocol: u8,
    pub string_index: u8,
}

impl InterfaceSetting {
    /// Application class, DFU subclass; protocol 2 is DFU mode, 1 is run-time.
    pub const fn is_dfu_mode(&self) -> bool {
        self.class == 0xfe && self.subclass == 1 && self.protocol == 2
    }
}

/// The DFU functional descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DfuFunctional {
    pub can_download: bool,
    pub can_upload: bool,
    pub manifestation_tolerant: bool,
    pub will_detach: bool,
    pub detach_timeout_millis: u16,
    /// wTransferSize
    pub transfer_bytes: u16,
    /// bcdDFUVersion; 0x011A is DfuSe. DFU 1.0 devices leave it out.
    pub version: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DescriptorDefect {
    TooShort,
    /// bDescriptorType is not what was asked for.
    WrongKind(u8),
    /// A bLength of 0 or 1 would never end.
    ImpossibleLength(u8),
    /// wTotalLength or bLength promises more bytes than came.
    Truncated,
    /// There is no DFU functional descriptor.
    NoFunctional,
}

impl DescriptorDefect {
    pub fn meaning(self) -> String {
        match self {
            Self::TooShort => "shorter than its specification allows".to_owned(),
            Self::WrongKind(kind) => format!("of type 0x{kind:02X} instead of the one asked for"),
            Self::ImpossibleLength(length) => format!("holds a part with the impossible length {length}"),
            Self::Truncated => "promises more bytes than came".to_owned(),
            Self::NoFunctional => "holds no DFU functional descriptor".to_owned(),
        }
    }
}

impl Configuration {
    /// Long enough for any configuration of a ROM; the device sends less.
    pub const ASKED_BYTES: u16 = 512;

    pub fn parse(bytes: &[u8]) -> Result<Self, DescriptorDefect> {
        if bytes.len() < 9 {
            return Err(DescriptorDefect::TooShort);
        }
        if bytes[1] != DESCRIPTOR_CONFIGURATION {
            return Err(DescriptorDefect::WrongKind(bytes[1]));
        }
        let mut configuration = Self {
            value: bytes[5],
            attributes: bytes[7],
            max_power_milliamps: u16::from(bytes[8]) * 2,
            ..Self::default()
        };
        let total = usize::from(word(bytes, 2));
        if total > bytes.len() {
            configuration.defects.push(DescriptorDefect::Truncated);
        }
        configuration.read_parts(&bytes[..total.clamp(9, bytes.len())]);
        if configuration.functional.is_none() {
            configuration.defects.push(DescriptorDefect::NoFunctional);
        }
        Ok(configuration)
    }

    fn read_parts(&mut self, mut rest: &[u8]) {
        while let [length, kind, ..] = *rest {
            if length < 2 {
                self.defects.push(DescriptorDefect::ImpossibleLength(length));
                return;
            }
            if usize::from(length) > rest.len() {
                self.defects.push(DescriptorDefect::Truncated);
                return;
            }
            let (part, after) = rest.split_at(usize::from(length));
            match kind {
                DESCRIPTOR_INTERFACE => self.settings.extend(interface_setting(part)),
                DESCRIPTOR_DFU_FUNCTIONAL => self.functional = self.functional.or(DfuFunctional::parse(part)),
                _ => {}
            }
            rest = after;
        }
    }

    pub fn dfu_settings(&self) -> impl Iterator<Item = &InterfaceSetting> {
        self.settings.iter().filter(|setting| setting.is_dfu_mode())
    }
}

fn interface_setting(part: &[u8]) -> Option<InterfaceSetting> {
    let &[_, _, interface, alternate, _, class, subclass, protocol, string_index] = part.get(..9)? else { return None };
    Some(InterfaceSetting { interface, alternate, class, subclass, protocol, string_index })
}

impl DfuFunctional {
    /// Absent if it is too short to hold the transfer size.
    pub fn parse(part: &[u8]) -> Option<Self> {
        if part.len() < 7 || part[1] != DESCRIPTOR_DFU_FUNCTIONAL {
            return None;
        }
        let attributes = part[2];
        Some(Self {
            can_download: attributes & 1 != 0,
            can_upload: attributes & 2 != 0,
            manifestation_tolerant: attributes & 4 != 0,
            will_detach: attributes & 8 != 0,
            detach_timeout_millis: word(part, 3),
            transfer_bytes: word(part, 5),
            version: (part.len() >= 9).then(|| word(part, 7)),
        })
    }

    pub fn is_dfuse(&self) -> bool {
        self.version == Some(DFUSE_VERSION)
    }
}

/// The text of a string descriptor. Unpaired surrogates become U+FFFD; an odd last byte is dropped.
pub fn string_text(bytes: &[u8]) -> Result<FieldText, DescriptorDefect> {
    let &[length, kind, ..] = bytes else { return Err(DescriptorDefect::TooShort) };
    if kind != DESCRIPTOR_STRING {
        return Err(DescriptorDefect::WrongKind(kind));
    }
    if length < 2 {
        return Err(DescriptorDefect::ImpossibleLength(length));
    }
    let body = &bytes[2..usize::from(length).clamp(2, bytes.len())];
    let (pairs, _) = body.as_chunks::<2>();
    let text = char::decode_utf16(pairs.iter().map(|pair| u16::from_le_bytes(*pair)));
    Ok(FieldText::new(text.map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>()))
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CONFIGURATION: [u8; 36] = [
        9, 2, 36, 0, 1, 1, 0, 0xc0, 50, // configuration
        9, 4, 0, 0, 0, 0xfe, 1, 2, 4, // alternate setting 0
        9, 4, 0, 1, 0, 0xfe, 1, 2, 5, // alternate setting 1
        9, 0x21, 0x0b, 0xff, 0, 0, 8, 0x1a, 1, // DFU functional
    ];

    #[test]
    fn the_configuration_of_a_rom_is_read() {
        let configuration = Configuration::parse(&CONFIGURATION).unwrap();
        assert_eq!(configuration.defects, []);
        assert_eq!(configuration.max_power_milliamps, 100);
        let settings: Vec<_> =
            configuration.dfu_settings().map(|setting| (setting.alternate, setting.string_index)).collect();
        assert_eq!(settings, [(0, 4), (1, 5)]);
        let functional = configuration.functional.unwrap();
        assert!(functional.is_dfuse() && functional.can_upload && !functional.manifestation_tolerant);
        assert_eq!(functional.transfer_bytes, 2048);
    }

    #[test]
    fn defects_are_named() {
        let mut looping = CONFIGURATION;
        looping[27] = 0;
        let defects = Configuration::parse(&looping).unwrap().defects;
        assert_eq!(defects, [DescriptorDefect::ImpossibleLength(0), DescriptorDefect::NoFunctional]);
        let defects = Configuration::parse(&CONFIGURATION[..30]).unwrap().defects;
        assert_eq!(defects, [DescriptorDefect::Truncated, DescriptorDefect::Truncated, DescriptorDefect::NoFunctional]);
        assert_eq!(DeviceDescriptor::parse(&[18, 1]), Err(DescriptorDefect::TooShort));
    }

    #[test]
    fn a_string_with_a_wrong_length_is_read_as_far_as_it_goes() {
        assert_eq!(string_text(&[6, 3, b'S', 0, b'T', 0]).unwrap().raw(), "ST");
        assert_eq!(string_text(&[200, 3, b'S', 0, b'T', 0, 7]).unwrap().raw(), "ST");
        assert_eq!(string_text(&[4, 3, b'S', 0, b'T', 0]).unwrap().raw(), "S");
        assert_eq!(string_text(&[4, 3, 0, 0xd8]).unwrap().raw(), "\u{fffd}");
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64), kind in prop::sample::select(vec![1u8, 2, 3])) {
            let mut bytes = bytes;
            if let Some(second) = bytes.get_mut(1) {
                *second = kind;
            }
            let _ = DeviceDescriptor::parse(&bytes);
            let _ = Configuration::parse(&bytes);
            let _ = string_text(&bytes);
        }

        #[test]
        fn damaged_configurations_never_panic(at in 0..36usize, value: u8, length in 0..37usize) {
            let mut bytes = CONFIGURATION;
            bytes[at] = value;
            let _ = Configuration::parse(&bytes[..length]);
        }
    }
}
