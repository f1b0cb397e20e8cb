//! Which control requests a session may send at its level of touch. The one rule that keeps observing read-only.

use crate::observation::permit::AlterPermit;
use crate::observation::step::Touch;
use crate::observation::units::Address;

use super::alter_scope::AlterScope;
use super::command::{
    ABORT, CLASS_IN, CLASS_OUT, CLRSTATUS, DETACH, DNLOAD, ERASE, FIRST_DATA_BLOCK, GET_CONFIGURATION, GET_DESCRIPTOR,
    GET_INTERFACE, GET_STATUS_STANDARD, GETSTATE, GETSTATUS, SET_ADDRESS, SET_INTERFACE, UPLOAD,
};
use super::request::{ControlRequest, DataStage};

/// What a session was allowed.
#[derive(Clone, Copy, Debug)]
pub enum Allowance<'a> {
    Observe,
    Disturb,
    /// One alteration of a confirmed board, and nothing beyond what it named.
    Alter(&'a AlterPermit, &'a AlterScope),
}

/// Whether `request` may be sent. `pointer` is the address that the session has set, if it has.
pub fn permits(allowance: Allowance<'_>, request: &ControlRequest, pointer: Option<Address>) -> bool {
    match (needed(request), allowance) {
        (Touch::Observe, _) | (Touch::Disturb, Allowance::Disturb) => true,
        (Touch::Alter, Allowance::Alter(_, scope)) => is_within(scope, request, pointer),
        (Touch::Disturb | Touch::Alter, _) => false,
    }
}

/// Page erase and blocks inside the scope, and its command to the upgrade service. A mass erase, Read Unprotect, and
/// everything that is not known here never pass.
fn is_within(scope: &AlterScope, request: &ControlRequest, pointer: Option<Address>) -> bool {
    let DataStage::Out(data) = &request.data else { return false };
    if (request.request_type, request.request) != (CLASS_OUT, DNLOAD) {
        return false;
    }
    match (request.value, data.as_slice()) {
        (0, [ERASE, a, b, c, d]) => scope.allows_erasing(Address(u32::from_le_bytes([*a, *b, *c, *d]))),
        (0, [command]) => scope.allows_command(*command),
        (block, data) if block >= FIRST_DATA_BLOCK && !data.is_empty() => {
            let offset = u64::from(block - FIRST_DATA_BLOCK) * data.len() as u64;
            pointer.is_some_and(|pointer| scope.allows_writing(u64::from(pointer.0) + offset, data.len() as u64))
        }
        _ => false,
    }
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
    use crate::observation::alteration::{Alteration, Payload, Place};
    use crate::observation::board::BoardIdentity;
    use crate::observation::permit::AlterClaim;
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

    fn observing(request: &ControlRequest) -> bool {
        permits(Allowance::Observe, request, Some(Address(0x0800_0000)))
    }

    fn permit() -> AlterPermit {
        let board = BoardIdentity { port: "1-1".parse().ok(), ..BoardIdentity::default() };
        AlterPermit::grant(&AlterClaim::new(true, "1-1").unwrap(), &board, &[]).unwrap()
    }

    fn scope(alteration: &Alteration) -> AlterScope {
        let layouts = ["@Internal Flash  /0x08000000/04*016Kg", "@OTP Memory /0x1FFF7800/01*512 e,01*016 e"];
        AlterScope::of(alteration, &layouts.map(|text| super::super::layout::Layout::parse(&text.into()))).unwrap()
    }

    fn second_sector() -> AlterScope {
        scope(&Alteration::Restore { address: Address(0x0800_4000), data: Payload::new(vec![0; 0x4000]) })
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
            assert!(observing(&request), "{}", command::describe(&request));
        }
    }

    #[test]
    fn what_writes_or_leaves_is_not_observing() {
        for request in [
            download(0, &[]),
            download(0, &[ERASE]),
            download(0, &[ERASE, 0, 0, 0, 8]),
            download(0, &[command::READ_UNPROTECT]),
            download(0, &[command::FUS_DELETE]),
            download(0, &[SET_ADDRESS]),
            download(2, &[SET_ADDRESS, 0, 0, 0, 8]),
            download(2, &[0; 64]),
            command::abort(0).with_request(DETACH),
        ] {
            assert!(!observing(&request), "{}", command::describe(&request));
        }
    }

    #[test]
    fn leaving_needs_disturb_and_gives_no_right_to_write() {
        assert!(permits(Allowance::Disturb, &download(0, &[]), None));
        assert!(!permits(Allowance::Disturb, &download(2, &[0; 64]), Some(Address(0x0800_0000))));
    }

    #[test]
    fn an_alteration_reaches_what_it_named_and_nothing_else() {
        let (permit, scope) = (permit(), second_sector());
        let allowed = |request: &ControlRequest, pointer| permits(Allowance::Alter(&permit, &scope), request, pointer);
        let inside = Some(Address(0x0800_4000));
        assert!(allowed(&command::erase(0, Address(0x0800_4000)), None));
        assert!(allowed(&download(2, &[0; 1024]), inside));
        assert!(allowed(&download(9, &[0; 2048]), inside), "the last block of the sector");
        for (request, pointer) in [
            (command::erase(0, Address(0x0800_0000)), None),
            (command::erase(0, Address(0x0800_8000)), None),
            (download(10, &[0; 2048]), inside),
            (download(2, &[0; 1024]), None),
            (download(2, &[0; 1024]), Some(Address(0x1fff_7800))),
            (download(0, &[ERASE]), inside),
            (download(0, &[command::READ_UNPROTECT]), inside),
            (download(0, &[command::FUS_DELETE]), inside),
            (download(0, &[]), inside),
            (command::abort(0).with_request(DETACH), inside),
        ] {
            assert!(!allowed(&request, pointer), "{}", command::describe(&request));
        }
    }

    #[test]
    fn a_command_to_the_upgrade_service_is_the_only_thing_its_alteration_may_send() {
        let (permit, scope) = (permit(), scope(&Alteration::FusInstall));
        let allowed = |data: &[u8]| permits(Allowance::Alter(&permit, &scope), &download(0, data), None);
        assert!(allowed(&[command::FUS_INSTALL]));
        assert!(!allowed(&[command::FUS_DELETE]) && !allowed(&[ERASE, 0, 0, 0, 8]));
    }

    proptest! {
        #[test]
        fn only_set_address_downloads_while_observing(value: u16, data in prop::collection::vec(any::<u8>(), 0..8)) {
            let allowed = observing(&download(value, &data));
            prop_assert_eq!(allowed, value == 0 && data.len() == 5 && data[0] == SET_ADDRESS);
        }

        #[test]
        fn no_block_leaves_its_scope(block in 2u16..12, length in 1usize..2048, pointer in 0x0800_3000u32..0x0800_9000) {
            let (permit, scope) = (permit(), second_sector());
            let request = download(block, &vec![0; length]);
            let start = u64::from(pointer) + u64::from(block - 2) * length as u64;
            let inside = start >= 0x0800_4000 && start + length as u64 <= 0x0800_8000;
            prop_assert_eq!(permits(Allowance::Alter(&permit, &scope), &request, Some(Address(pointer))), inside);
        }
    }

    #[test]
    fn a_payload_has_the_scope_of_its_length() {
        let data = Payload::new(vec![0; 16]);
        let scope = scope(&Alteration::Write { place: Place::Image, address: Address(0x0800_4000), data });
        assert!(scope.allows_writing(0x0800_4000, 16) && !scope.allows_writing(0x0800_4000, 17));
    }
}
