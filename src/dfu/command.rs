//! The requests that a DfuSe host sends, by name, and what each is called in records.

use crate::observation::request_text::RequestText;
use crate::observation::units::Address;

use super::request::{ControlRequest, DataStage};

/// bmRequestType of DFU requests from the host: class, interface.
pub const CLASS_OUT: u8 = 0x21;
/// bmRequestType of DFU requests to the host: class, interface.
pub const CLASS_IN: u8 = 0xa1;

pub const DETACH: u8 = 0x00;
pub const DNLOAD: u8 = 0x01;
pub const UPLOAD: u8 = 0x02;
pub const GETSTATUS: u8 = 0x03;
pub const CLRSTATUS: u8 = 0x04;
pub const GETSTATE: u8 = 0x05;
pub const ABORT: u8 = 0x06;

/// First byte of a DNLOAD with wValue 0.
pub const SET_ADDRESS: u8 = 0x21;
pub const ERASE: u8 = 0x41;
pub const READ_UNPROTECT: u8 = 0x92;

/// What the ROM of a WB passes on to its upgrade service, as DNLOAD of one byte with wValue 0.
pub const FUS_DELETE: u8 = 0x52;
pub const FUS_INSTALL: u8 = 0x53;
pub const FUS_START: u8 = 0x5a;

/// Standard requests of USB 2.0 table 9-4.
pub const GET_STATUS_STANDARD: u8 = 0x00;
pub const GET_DESCRIPTOR: u8 = 0x06;
pub const GET_CONFIGURATION: u8 = 0x08;
pub const GET_INTERFACE: u8 = 0x0a;
pub const SET_INTERFACE: u8 = 0x0b;

pub const DESCRIPTOR_DEVICE: u8 = 1;
pub const DESCRIPTOR_CONFIGURATION: u8 = 2;
pub const DESCRIPTOR_STRING: u8 = 3;
pub const DESCRIPTOR_INTERFACE: u8 = 4;
pub const DESCRIPTOR_DFU_FUNCTIONAL: u8 = 0x21;

/// The first block number that addresses memory; 0 is for commands and 1 is reserved.
pub const FIRST_DATA_BLOCK: u16 = 2;

/// US English, the only language the ROM offers.
pub const LANGUAGE: u16 = 0x0409;

pub fn get_status(interface: u8) -> ControlRequest {
    class_in(GETSTATUS, 0, interface, 6)
}

pub fn get_state(interface: u8) -> ControlRequest {
    class_in(GETSTATE, 0, interface, 1)
}

pub fn clear_status(interface: u8) -> ControlRequest {
    class_out(CLRSTATUS, 0, interface, Vec::new())
}

pub fn abort(interface: u8) -> ControlRequest {
    class_out(ABORT, 0, interface, Vec::new())
}

pub fn upload(interface: u8, block: u16, length_bytes: u16) -> ControlRequest {
    class_in(UPLOAD, block, interface, length_bytes)
}

/// The list of command bytes that the ROM supports (Get).
pub fn get_commands(interface: u8) -> ControlRequest {
    class_in(UPLOAD, 0, interface, 64)
}

pub fn set_address(interface: u8, address: Address) -> ControlRequest {
    let mut data = vec![SET_ADDRESS];
    data.extend(address.0.to_le_bytes());
    class_out(DNLOAD, 0, interface, data)
}

/// Where a request sets the address pointer, if it does.
pub fn address_set_by(request: &ControlRequest) -> Option<Address> {
    match (request.request_type, request.request, request.value, &request.data) {
        (CLASS_OUT, DNLOAD, 0, DataStage::Out(data)) => match data.as_slice() {
            [SET_ADDRESS, a, b, c, d] => Some(Address(u32::from_le_bytes([*a, *b, *c, *d]))),
            _ => None,
        },
        _ => None,
    }
}

/// Erases the page or sector that holds the address.
pub fn erase(interface: u8, address: Address) -> ControlRequest {
    let mut data = vec![ERASE];
    data.extend(address.0.to_le_bytes());
    class_out(DNLOAD, 0, interface, data)
}

pub fn download(interface: u8, block: u16, data: Vec<u8>) -> ControlRequest {
    class_out(DNLOAD, block, interface, data)
}

/// One of the commands to the upgrade service.
pub fn upgrade_service(interface: u8, command: u8) -> ControlRequest {
    class_out(DNLOAD, 0, interface, vec![command])
}

pub fn get_descriptor(kind: u8, number: u8, language: u16, length_bytes: u16) -> ControlRequest {
    let value = u16::from_be_bytes([kind, number]);
    ControlRequest {
        request_type: 0x80,
        request: GET_DESCRIPTOR,
        value,
        index: language,
        data: DataStage::In(length_bytes),
    }
}

pub fn get_string(number: u8) -> ControlRequest {
    get_descriptor(DESCRIPTOR_STRING, number, LANGUAGE, 255)
}

fn class_in(request: u8, value: u16, interface: u8, length_bytes: u16) -> ControlRequest {
    ControlRequest {
        request_type: CLASS_IN,
        request,
        value,
        index: interface.into(),
        data: DataStage::In(length_bytes),
    }
}

fn class_out(request: u8, value: u16, interface: u8, data: Vec<u8>) -> ControlRequest {
    ControlRequest { request_type: CLASS_OUT, request, value, index: interface.into(), data: DataStage::Out(data) }
}

/// The request in words, for records and screens: `UPLOAD block 2, 1024 B`.
pub fn describe(request: &ControlRequest) -> RequestText {
    let length = match &request.data {
        DataStage::In(length_bytes) => usize::from(*length_bytes),
        DataStage::Out(data) => data.len(),
    };
    match (request.request_type, request.request) {
        (CLASS_OUT, DETACH) => "DETACH".into(),
        (CLASS_OUT, DNLOAD) => describe_download(request, length),
        (CLASS_IN, UPLOAD) if request.value == 0 => "UPLOAD commands".into(),
        (CLASS_IN, UPLOAD) => RequestText::asking(format_args!("UPLOAD block {}", request.value), length),
        (CLASS_IN, GETSTATUS) => "GETSTATUS".into(),
        (CLASS_OUT, CLRSTATUS) => "CLRSTATUS".into(),
        (CLASS_IN, GETSTATE) => "GETSTATE".into(),
        (CLASS_OUT, ABORT) => "ABORT".into(),
        (0x80, GET_DESCRIPTOR) => describe_descriptor(request.value),
        (0x01, SET_INTERFACE) => RequestText::new(format!("SET_INTERFACE {}", request.value)),
        (kind, number) => RequestText::asking(format_args!("request 0x{kind:02X} 0x{number:02X}"), length),
    }
}

fn describe_download(request: &ControlRequest, length: usize) -> RequestText {
    let DataStage::Out(data) = &request.data else { return "DNLOAD".into() };
    match (request.value, data.as_slice()) {
        (_, []) => "DNLOAD leave".into(),
        (0, [SET_ADDRESS, a, b, c, d]) => {
            RequestText::new(format!("DNLOAD Set Address {}", Address(u32::from_le_bytes([*a, *b, *c, *d]))))
        }
        (0, [ERASE]) => "DNLOAD mass erase".into(),
        (0, [ERASE, ..]) => "DNLOAD erase page".into(),
        (0, [READ_UNPROTECT]) => "DNLOAD Read Unprotect".into(),
        (0, [FUS_DELETE]) => "DNLOAD FUS delete".into(),
        (0, [FUS_INSTALL]) => "DNLOAD FUS install".into(),
        (0, [FUS_START]) => "DNLOAD FUS start stack".into(),
        (block, _) => RequestText::asking(format_args!("DNLOAD block {block}"), length),
    }
}

fn describe_descriptor(value: u16) -> RequestText {
    let [kind, number] = value.to_be_bytes();
    match kind {
        DESCRIPTOR_DEVICE => "GET_DESCRIPTOR device".into(),
        DESCRIPTOR_CONFIGURATION => "GET_DESCRIPTOR configuration".into(),
        DESCRIPTOR_STRING => RequestText::new(format!("GET_DESCRIPTOR string {number}")),
        _ => RequestText::new(format!("GET_DESCRIPTOR 0x{kind:02X}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_address_is_five_bytes_little_endian() {
        let request = set_address(0, Address(0x0800_1234));
        assert_eq!(request.data, DataStage::Out(vec![0x21, 0x34, 0x12, 0x00, 0x08]));
        assert_eq!((request.request_type, request.request, request.value), (0x21, 1, 0));
    }

    #[test]
    fn requests_are_named_in_words() {
        assert_eq!(describe(&upload(0, 2, 1024)), "UPLOAD block 2, 1024 B");
        assert_eq!(describe(&set_address(0, Address(0x0800_0000))), "DNLOAD Set Address 0x08000000");
        assert_eq!(describe(&get_string(4)), "GET_DESCRIPTOR string 4");
    }
}
