//! The descriptors of a probe and its answers to the requests that every device has to understand.

use crate::bench::board::Reply;
use crate::bench::usbip::device::Speed;
use crate::dfu::command::{DESCRIPTOR_CONFIGURATION, DESCRIPTOR_DEVICE, DESCRIPTOR_STRING};
use crate::dfu::request::{ControlRequest, DataStage};

/// One interface of the vendor's own class with bulk endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeUsb {
    pub vendor: u16,
    pub product: u16,
    pub bcd_device: u16,
    pub speed: Speed,
    /// Class, subclass and protocol of the interface.
    pub class: [u8; 3],
    pub endpoints: Vec<Endpoint>,
    /// Manufacturer, product, serial number, interface.
    pub strings: [String; 4],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    Out(u8),
    In(u8),
}

const DESCRIPTOR_INTERFACE: u8 = 4;
const DESCRIPTOR_ENDPOINT: u8 = 5;
const BULK: u8 = 2;
const TO_HOST: u8 = 0x80;

impl ProbeUsb {
    pub const fn packet_bytes(&self) -> u16 {
        match self.speed {
            Speed::Full => 64,
            Speed::High => 512,
        }
    }

    pub fn answer(&self, request: &ControlRequest) -> Reply {
        const GET_STATUS: u8 = 0;
        const GET_DESCRIPTOR: u8 = 6;
        const GET_CONFIGURATION: u8 = 8;
        let most = match &request.data {
            // Set configuration, set interface, clear halt: nothing to remember.
            DataStage::Out(_) => return if request.request_type & 0x60 == 0 { done() } else { Reply::Stall },
            DataStage::In(most) => usize::from(*most),
        };
        let whole = match (request.request_type & 0x60, request.request) {
            (0, GET_STATUS) => Some(vec![0, 0]),
            (0, GET_CONFIGURATION) => Some(vec![1]),
            (0, GET_DESCRIPTOR) => self.descriptor(request.value),
            _ => None,
        };
        whole.map_or(Reply::Stall, |bytes| Reply::Data(bytes.into_iter().take(most).collect()))
    }

    fn descriptor(&self, value: u16) -> Option<Vec<u8>> {
        let [kind, number] = value.to_be_bytes();
        match (kind, number) {
            (DESCRIPTOR_DEVICE, 0) => Some(self.device()),
            (DESCRIPTOR_CONFIGURATION, 0) => Some(self.configuration()),
            (DESCRIPTOR_STRING, 0) => Some(vec![4, DESCRIPTOR_STRING, 0x09, 0x04]),
            (DESCRIPTOR_STRING, number) => self.strings.get(usize::from(number) - 1).map(|text| string(text)),
            _ => None,
        }
    }

    fn device(&self) -> Vec<u8> {
        let mut bytes = vec![18, DESCRIPTOR_DEVICE, 0x00, 0x02, 0, 0, 0, 64];
        for word in [self.vendor, self.product, self.bcd_device] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend([1, 2, 3, 1]);
        bytes
    }

    fn configuration(&self) -> Vec<u8> {
        const BUS_POWERED: u8 = 0x80;
        const MAX_POWER_2MA: u8 = 150;
        let [class, sub, protocol] = self.class;
        let count = self.endpoints.len() as u8;
        let mut bytes = vec![9, DESCRIPTOR_CONFIGURATION, 18 + 7 * count, 0, 1, 1, 0, BUS_POWERED, MAX_POWER_2MA];
        bytes.extend([9, DESCRIPTOR_INTERFACE, 0, 0, count, class, sub, protocol, 4]);
        let [low, high] = self.packet_bytes().to_le_bytes();
        for endpoint in &self.endpoints {
            let address = match endpoint {
                Endpoint::Out(number) => *number,
                Endpoint::In(number) => number | TO_HOST,
            };
            bytes.extend([7, DESCRIPTOR_ENDPOINT, address, BULK, low, high, 0]);
        }
        bytes
    }
}

const fn done() -> Reply {
    Reply::Data(Vec::new())
}

fn string(text: &str) -> Vec<u8> {
    let mut bytes = vec![0, DESCRIPTOR_STRING];
    bytes.extend(text.encode_utf16().take(126).flat_map(u16::to_le_bytes));
    bytes[0] = bytes.len() as u8;
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::probe::kind::ProbeKind;
    use crate::dfu::command::{get_descriptor, get_string};

    #[test]
    fn a_probe_tells_endpoints_and_serial_number() {
        let usb = ProbeKind::StLinkV2_1.on_usb("066DFF");
        let configuration = usb.answer(&get_descriptor(DESCRIPTOR_CONFIGURATION, 0, 0, 255));
        let Reply::Data(bytes) = configuration else { panic!("no configuration") };
        assert_eq!(bytes.len(), 18 + 21);
        assert_eq!(usize::from(bytes[2]), bytes.len());
        let addresses: Vec<_> = bytes[18..].chunks(7).map(|endpoint| endpoint[2]).collect();
        assert_eq!(addresses, [0x01, 0x81, 0x82]);
        let serial = usb.answer(&get_string(3));
        assert_eq!(serial, Reply::Data(b"\x0e\x030\x006\x006\x00D\x00F\x00F\x00".to_vec()));
        assert_eq!(usb.answer(&get_string(9)), Reply::Stall);
    }
}
