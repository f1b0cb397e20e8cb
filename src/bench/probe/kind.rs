//! The probes that can be served, and what they look like on the bus.

use std::fmt;
use std::str::FromStr;

use super::usb::{Endpoint, ProbeUsb};
use crate::bench::usbip::device::Speed;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    StLinkV2_1,
    StLinkV3,
    CmsisDap,
}

pub const ST: u16 = 0x0483;
/// Of the VID/PID range that ARM's own examples use.
const CMSIS_DAP_VENDOR: u16 = 0xC251;
const CMSIS_DAP_PRODUCT: u16 = 0xF00A;
/// Classes of the vendor's own, which no driver of the kernel takes. The CMSIS-DAP specification fixes the zeros, by which hosts
/// tell a v2 interface.
const STLINK_CLASS: [u8; 3] = [0xFF, 0xFF, 0xFF];
const CMSIS_DAP_CLASS: [u8; 3] = [0xFF, 0, 0];

impl ProbeKind {
    pub const ALL: [Self; 3] = [Self::StLinkV2_1, Self::StLinkV3, Self::CmsisDap];

    pub const fn name(self) -> &'static str {
        match self {
            Self::StLinkV2_1 => "stlink-v2-1",
            Self::StLinkV3 => "stlink-v3",
            Self::CmsisDap => "cmsis-dap",
        }
    }

    /// What it tells of itself; the debug interface only, without mass storage and serial port.
    pub fn on_usb(self, serial: &str) -> ProbeUsb {
        let usb = |vendor, product, bcd_device, speed, endpoints: &[Endpoint], names: [&str; 3]| ProbeUsb {
            vendor,
            product,
            bcd_device,
            speed,
            class: if self == Self::CmsisDap { CMSIS_DAP_CLASS } else { STLINK_CLASS },
            endpoints: endpoints.to_vec(),
            strings: [names[0], names[1], serial, names[2]].map(str::to_owned),
        };
        let stlink = [Endpoint::Out(1), Endpoint::In(1), Endpoint::In(2)];
        match self {
            Self::StLinkV2_1 => {
                usb(ST, 0x374B, 0x0100, Speed::Full, &stlink, ["STMicroelectronics", "STM32 STLink", "ST-Link Debug"])
            }
            Self::StLinkV3 => {
                usb(ST, 0x374E, 0x0100, Speed::High, &stlink, ["STMicroelectronics", "STLINK-V3", "ST-Link Debug"])
            }
            Self::CmsisDap => usb(
                CMSIS_DAP_VENDOR,
                CMSIS_DAP_PRODUCT,
                0x0200,
                Speed::High,
                &[Endpoint::Out(2), Endpoint::In(2)],
                ["flakescope", "Virtual CMSIS-DAP", "CMSIS-DAP v2 Interface"],
            ),
        }
    }
}

impl fmt::Display for ProbeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for ProbeKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.map(Self::name).join(", ");
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| format!("expected one of {known}"))
    }
}
