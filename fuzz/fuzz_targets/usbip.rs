//! Any bytes may come from a client of the USB/IP server: no panic, bounded memory, and no answer longer than was asked for.
#![no_main]

use flakescope::bench::board::VirtualBoard;
use flakescope::bench::usbip::message::{self, Command, HEADER_BYTES};
use flakescope::bench::usbip::place::{Hand, Socket};
use flakescope::bench::usbip::session::Session;
use flakescope::observation::units::Micros;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut board = Socket::new(Box::new(VirtualBoard::by_name("healthy-f407", 1).expect("it is built in")));
    board.take_in_hand(Micros::ZERO, Hand::On);
    let mut stream = bytes;
    let mut now = Micros::from_secs(1);
    while let Ok(Some(command)) = message::read_command(&mut stream) {
        let most = match &command {
            Command::Submit { request, .. } => request.most_bytes() as usize,
            Command::Unlink { .. } => 0,
        };
        let mut answer = Vec::new();
        let mut session = Session::new(&mut board, &mut answer);
        session.take(now, command).expect("a vector takes everything");
        now = now + Micros::from_secs(1);
        let _ = session.deliver(now);
        assert!(answer.len() <= HEADER_BYTES + most);
    }
});
