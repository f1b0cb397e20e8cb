//! Which control requests a session may send at its level of touch. The one rule that keeps observing read-only.

use crate::observation::step::Touch;

use super::command::{
    ABORT, CLASS_IN, CLASS_OUT, CLRSTATUS, DETACH, DNLOAD, GET_CONFIGURATION, GET_DESCRIPTOR, GET_INTERFACE,
    GET_STATUS_STANDARD, GETSTATE, GETSTATUS, SET_ADDRESS, SET_INTERFACE, UPLOAD,
};
use super::request::{ControlRequest, DataStage};

/// Whether `request` may be sent by a session that was allowed `touch`.
pub fn permits(touch: Touch, request: &ControlRequest) -> bool {
    touch >= needed(request)
}

/// The least touch that covers the request; what is not known to be harmless counts as lasting.
pub fn needed(request: &ControlRequest) -> Touch {
    match &request.data {
        DataStage::In(_) => needed_in(request),
        DataStage::Out(data) => needed_out(request, data),
    }
}

fn needed_in(request: &ControlRequest) -> Touch {
    let standard = matches!(request.request_type, 0x80..=0x82);
    match request.request {
        GET_STATUS_STANDARD | GET_DESCRIPTOR | GET_CONFIGURATION | GET_INTERFACE if standard => Touch::Observe,
        UPLOAD | GETSTATUS | GETSTATE if request.request_type == CLASS_IN => Touch::Observe,
        _ => Touch::Alter,
    }
}

fn needed_out(request: &ControlRequest, data: &[u8]) -> Touch {
    match (request.request_type, request.request, data) {
        (0x01, SET_INTERFACE, []) | (CLASS_OUT, CLRSTATUS | ABORT, []) => Touch::Observe,
        (CLASS_OUT, DNLOAD, [SET_ADDRESS, _, _, _, _]) if request.value == 0 => Touch::Observe,
        // Leave runs the customer's application.
        (CLASS_OUT, DNLOAD | DETACH, []) => Touch::Disturb,
        _ => Touch::Alter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dfu::command;
    use crate::observation::units::Address;
    use proptest::prelude::*;

    fn download(value: u16, data: &[u8]) -> ControlRequest {
        ControlRequest { value, data: DataStage::Out(data.to_vec()), ..command::abort(0) }.with_request(DNLOAD)
    }

    impl ControlRequest {
        fn with_request(mut self, request: u8) -> Self {
            self.request = request;
            self
        }
    }

    #[test]
    fn reading_is_observing() {
        for request in [
            command::get_status(0),
            command::get_state(0),
            command::clear_status(0),
            command::abort(0),
            command::upload(0, 2, 2048),
            command::get_commands(0),
            command::set_address(0, Address(0x0800_0000)),
            command::get_string(1),
        ] {
            assert!(permits(Touch::Observe, &request), "{}", command::describe(&request));
        }
    }

    #[test]
    fn what_writes_or_leaves_is_not_observing() {
        for request in [
            download(0, &[]),
            download(0, &[command::ERASE]),
            download(0, &[command::ERASE, 0, 0, 0, 8]),
            download(0, &[command::READ_UNPROTECT]),
            download(0, &[SET_ADDRESS]),
            download(2, &[SET_ADDRESS, 0, 0, 0, 8]),
            download(2, &[0; 64]),
            command::abort(0).with_request(DETACH),
        ] {
            assert!(!permits(Touch::Observe, &request), "{}", command::describe(&request));
        }
    }

    #[test]
    fn leaving_needs_disturb_and_writing_needs_alter() {
        assert!(permits(Touch::Disturb, &download(0, &[])));
        assert!(!permits(Touch::Disturb, &download(2, &[0; 64])));
        assert!(permits(Touch::Alter, &download(2, &[0; 64])));
    }

    proptest! {
        #[test]
        fn only_set_address_downloads_while_observing(value: u16, data in prop::collection::vec(any::<u8>(), 0..8)) {
            let allowed = permits(Touch::Observe, &download(value, &data));
            prop_assert_eq!(allowed, value == 0 && data.len() == 5 && data[0] == SET_ADDRESS);
        }
    }
}
