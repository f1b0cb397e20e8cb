//! One lent device: commands in, results out when they are due, and the end when the device leaves.

use std::io::{self, Read, Write};
use std::sync::mpsc::{RecvTimeoutError, SyncSender};
use std::thread;

use super::message::{self, Command, MessageError, Returned, Submitted};
use super::place::{Hand, Incoming, Loan, Socket};
use crate::bench::board::{Answer, Reply};
use crate::dfu::request::{ControlRequest, DataStage};
use crate::observation::units::Micros;
use crate::timebase::{HostTime, Timebase, to_duration};

const EPIPE: i32 = -32;
const EPROTO: i32 = -71;
const ECONNRESET: i32 = -104;
/// Requests that may be under way; more is hostile.
const MOST_UNDER_WAY: usize = 256;

/// Why a session ended.
#[derive(Debug)]
pub enum Ended {
    /// The host detached the device.
    ByHost,
    /// The device left the bus.
    DeviceLeft,
    Broken(MessageError),
}

/// Serves a device to a client in real time until either leaves. The streams are the two halves of one connection.
pub fn serve(
    loan: &mut Loan,
    time: &HostTime,
    mut incoming: impl Read + Send + 'static,
    outgoing: &mut impl Write,
) -> Ended {
    let sender = loan.sender.clone();
    // The reader ends with its stream, which the caller closes.
    thread::spawn(move || read_all(&mut incoming, &sender));
    let mut session = Session::new(&mut loan.socket, outgoing);
    loop {
        let now = time.now();
        match session.deliver(now) {
            Ok(false) => {}
            Ok(true) => return Ended::DeviceLeft,
            Err(error) => return Ended::Broken(error.into()),
        }
        let received = match session.next_moment() {
            Some(moment) => loan.inbox.recv_timeout(to_duration(moment - now)),
            None => loan.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let taken = match received {
            Ok(Incoming::Client(Ok(command))) => session.take(time.now(), command),
            Ok(Incoming::Client(Err(error))) => return Ended::Broken(error),
            Ok(Incoming::Hand(hand)) => {
                session.socket.take_in_hand(time.now(), hand);
                if hand != Hand::On {
                    // However late this comes, even after the device is back: the host has to see that it was gone.
                    return Ended::DeviceLeft;
                }
                Ok(())
            }
            Ok(Incoming::ClientLeft) | Err(RecvTimeoutError::Disconnected) => return Ended::ByHost,
            Err(RecvTimeoutError::Timeout) => Ok(()),
        };
        if let Err(error) = taken {
            return Ended::Broken(error.into());
        }
    }
}

fn read_all(incoming: &mut impl Read, sender: &SyncSender<Incoming>) {
    loop {
        let (message, ends) = match message::read_command(incoming) {
            Ok(Some(command)) => (Incoming::Client(Ok(command)), false),
            Ok(None) => (Incoming::ClientLeft, true),
            Err(error) => (Incoming::Client(Err(error)), true),
        };
        if sender.send(message).is_err() || ends {
            return;
        }
    }
}

/// The state of a session, without threads or waiting: it is told the time.
#[derive(Debug)]
pub struct Session<'a, W> {
    socket: &'a mut Socket,
    outgoing: W,
    under_way: Vec<Pending>,
    /// Reads of endpoints that have nothing yet, oldest first.
    refused: Vec<Receiving>,
    /// Endpoint 0 carries one request at a time.
    free_at: Micros,
}

/// A request that the device has taken.
#[derive(Debug)]
struct Pending {
    /// `None` where the device says NAK for ever.
    due: Option<Micros>,
    result: Returned,
    /// The device is gone when this is due.
    last: bool,
}

#[derive(Debug)]
struct Receiving {
    sequence: u32,
    endpoint: u8,
    most_bytes: u32,
}

impl<'a, W: Write> Session<'a, W> {
    pub fn new(socket: &'a mut Socket, outgoing: W) -> Self {
        Self { socket, outgoing, under_way: Vec::new(), refused: Vec::new(), free_at: Micros::ZERO }
    }

    /// When `deliver` has something to do even if no command comes.
    pub fn next_moment(&self) -> Option<Micros> {
        self.under_way.iter().filter_map(|pending| pending.due).chain(self.socket.next_change()).min()
    }

    /// Sends what is due, oldest first; true once the device is gone.
    pub fn deliver(&mut self, now: Micros) -> io::Result<bool> {
        self.ask_again(now);
        let is_due = |pending: &Pending| pending.due.is_some_and(|due| due <= now);
        while let Some(place) = self.under_way.iter().position(is_due) {
            let pending = self.under_way.remove(place);
            if pending.last {
                return Ok(true);
            }
            message::write_returned(&mut self.outgoing, &pending.result)?;
        }
        Ok(!self.socket.is_attached(now))
    }

    pub fn take(&mut self, now: Micros, command: Command) -> io::Result<()> {
        match command {
            Command::Submit { sequence, request } => {
                self.submit(now, sequence, request);
                if self.under_way.len() + self.refused.len() > MOST_UNDER_WAY {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "too many requests at once"));
                }
                Ok(())
            }
            Command::Unlink { sequence, victim } => {
                let status = if self.take_out(victim) { ECONNRESET } else { 0 };
                message::write_unlinked(&mut self.outgoing, sequence, status)
            }
        }
    }

    fn take_out(&mut self, victim: u32) -> bool {
        let before = self.under_way.len() + self.refused.len();
        self.under_way.retain(|pending| pending.result.sequence != victim);
        self.refused.retain(|receiving| receiving.sequence != victim);
        self.under_way.len() + self.refused.len() < before
    }

    fn submit(&mut self, now: Micros, sequence: u32, request: Submitted) {
        match request {
            Submitted::Control(request) => self.control(now, sequence, &request),
            Submitted::Send { endpoint, data } => {
                let answer = self.socket.device.send(now, endpoint, &data);
                self.note(sequence, data.len() as u32, 0, answer);
            }
            Submitted::Receive { endpoint, most_bytes } => {
                self.refused.push(Receiving { sequence, endpoint, most_bytes });
                self.ask_again(now);
            }
        }
    }

    fn control(&mut self, now: Micros, sequence: u32, request: &ControlRequest) {
        let at = now.max(self.free_at);
        let answer = self.socket.device.control(at, request);
        self.free_at = if answer.reply == Reply::NoAnswer { at } else { answer.ready_at };
        let (sent, most) = match &request.data {
            DataStage::In(most) => (0, u32::from(*most)),
            DataStage::Out(sent) => (sent.len() as u32, 0),
        };
        self.note(sequence, sent, most, answer);
    }

    /// Reads that were refused so far; of one endpoint the oldest comes first.
    fn ask_again(&mut self, now: Micros) {
        let mut empty = 0_u16;
        for receiving in std::mem::take(&mut self.refused) {
            let bit = 1 << (receiving.endpoint & 15);
            let answer = match empty & bit {
                0 => self.socket.device.receive(now, receiving.endpoint, receiving.most_bytes),
                _ => None,
            };
            match answer {
                Some(answer) => self.note(receiving.sequence, 0, receiving.most_bytes, answer),
                None => {
                    empty |= bit;
                    self.refused.push(receiving);
                }
            }
        }
    }

    /// What will be returned, and when. A device that says more than was asked for is cut short, as the wire would.
    fn note(&mut self, sequence: u32, sent: u32, most_bytes: u32, answer: Answer) {
        let mut result = Returned { sequence, status: 0, moved: sent, data: Vec::new() };
        let failed = |status| Returned { sequence, status, moved: 0, data: Vec::new() };
        let (due, last) = (Some(answer.ready_at), answer.reply == Reply::Gone);
        let (due, result) = match answer.reply {
            Reply::Data(mut data) => {
                data.truncate(most_bytes as usize);
                result.moved = sent.max(data.len() as u32);
                result.data = data;
                (due, result)
            }
            Reply::Stall => (due, failed(EPIPE)),
            Reply::Spoilt => (due, failed(EPROTO)),
            Reply::NoAnswer => (None, result),
            Reply::Gone => (due, result),
        };
        self.under_way.push(Pending { due, result, last });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::board::VirtualBoard;
    use crate::bench::usbip::device::{Device, Identity};
    use crate::bench::usbip::message::{HEADER_BYTES, command_bytes, read_command};
    use crate::bench::usbip::place::Place;
    use crate::dfu::command;
    use proptest::prelude::*;
    use std::net::{TcpListener, TcpStream};
    use std::thread::JoinHandle;

    /// A board on one end of a connection, its session running; the other end for the test.
    fn plugged(name: &str) -> (TcpStream, JoinHandle<Ended>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let time = HostTime::new();
        let board = VirtualBoard::by_name(name, 1).unwrap();
        let place = Place::new("1-1".to_owned(), Box::new(board), time.now());
        let session = thread::spawn(move || {
            assert!(place.wait_until_attached(&time, false));
            let mut loan = place.lend(time.now()).unwrap();
            let incoming = server.try_clone().unwrap();
            let ended = serve(&mut loan, &time, incoming, &mut server);
            server.shutdown(std::net::Shutdown::Both).ok();
            ended
        });
        (client, session)
    }

    fn send(client: &mut TcpStream, command: &Command) {
        client.write_all(&command_bytes(command)).unwrap();
    }

    fn control(sequence: u32, request: ControlRequest) -> Command {
        Command::Submit { sequence, request: Submitted::Control(request) }
    }

    /// Kind, sequence, status and data of the next message.
    fn receive(client: &mut TcpStream, to_host: bool) -> (u32, u32, i32, Vec<u8>) {
        let mut header = [0; HEADER_BYTES];
        client.read_exact(&mut header).unwrap();
        let word = |at: usize| u32::from_be_bytes(header[at * 4..at * 4 + 4].try_into().unwrap());
        let mut data = vec![0; if to_host && word(0) == 3 { word(6) as usize } else { 0 }];
        client.read_exact(&mut data).unwrap();
        (word(0), word(1), word(5) as i32, data)
    }

    #[test]
    fn requests_are_answered_and_refusals_are_stalls() {
        let (mut client, session) = plugged("healthy-f407");
        send(&mut client, &control(1, command::get_status(0)));
        assert_eq!(receive(&mut client, true), (3, 1, 0, vec![0, 0, 0, 0, 2, 0]));
        send(&mut client, &control(2, command::get_descriptor(6, 0, 0, 10)));
        assert_eq!(receive(&mut client, true), (3, 2, -32, vec![]));
        drop(client);
        assert!(matches!(session.join().unwrap(), Ended::ByHost));
    }

    #[test]
    fn a_request_that_is_never_answered_can_be_taken_back_once() {
        let (mut client, session) = plugged("deaf-f407");
        send(&mut client, &control(1, command::get_status(0)));
        send(&mut client, &Command::Unlink { sequence: 2, victim: 1 });
        assert_eq!(receive(&mut client, true), (4, 2, -104, vec![]));
        send(&mut client, &Command::Unlink { sequence: 3, victim: 1 });
        assert_eq!(receive(&mut client, true), (4, 3, 0, vec![]));
        drop(client);
        session.join().unwrap();
    }

    #[test]
    fn a_board_that_leaves_ends_the_connection() {
        let (mut client, session) = plugged("healthy-f407");
        let leave = ControlRequest { data: DataStage::Out(Vec::new()), ..command::abort(0) };
        send(&mut client, &control(1, ControlRequest { request: command::DNLOAD, ..leave }));
        receive(&mut client, false);
        send(&mut client, &control(2, command::get_status(0)));
        assert_eq!(receive(&mut client, true).3[4], 7, "dfuMANIFEST is seen");
        assert!(matches!(session.join().unwrap(), Ended::DeviceLeft));
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
    }

    #[test]
    fn what_is_not_usbip_ends_the_session() {
        let (mut client, session) = plugged("healthy-f407");
        client.write_all(&[0xff; HEADER_BYTES]).unwrap();
        assert!(matches!(session.join().unwrap(), Ended::Broken(MessageError::UnknownCommand(u32::MAX))));
    }

    /// Echoes what comes to endpoint 1 on endpoint 2, after a millisecond.
    #[derive(Debug, Default)]
    struct Echo {
        held: Vec<Vec<u8>>,
    }

    impl Device for Echo {
        fn name(&self) -> &str {
            "echo"
        }

        fn identity(&self) -> Identity {
            unreachable!("nobody lists it")
        }

        fn power_on(&mut self, _at: Micros) {}

        fn power_off(&mut self, _at: Micros) {}

        fn is_attached(&mut self, _at: Micros) -> bool {
            true
        }

        fn next_change(&self) -> Option<Micros> {
            None
        }

        fn control(&mut self, at: Micros, _request: &ControlRequest) -> Answer {
            Answer { reply: Reply::Stall, ready_at: at }
        }

        fn send(&mut self, at: Micros, _endpoint: u8, data: &[u8]) -> Answer {
            self.held.push(data.to_vec());
            Answer { reply: Reply::Data(Vec::new()), ready_at: at }
        }

        fn receive(&mut self, at: Micros, _endpoint: u8, _most_bytes: u32) -> Option<Answer> {
            let data = (!self.held.is_empty()).then(|| self.held.remove(0))?;
            Some(Answer { reply: Reply::Data(data), ready_at: at + Micros::from_millis(1) })
        }
    }

    fn kinds(bytes: &[u8]) -> Vec<(u32, u32, u32)> {
        let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        let mut at = 0;
        let mut found = Vec::new();
        while at < bytes.len() {
            found.push((word(at), word(at + 4), word(at + 24)));
            // In these tests only endpoint 2 sends data.
            at += HEADER_BYTES + if word(at + 4) >= 20 && word(at) == 3 { word(at + 24) as usize } else { 0 };
        }
        found
    }

    #[test]
    fn a_read_waits_for_data_in_order_and_can_be_taken_back() {
        let mut socket = Socket::new(Box::new(Echo::default()));
        let mut out = Vec::new();
        let mut session = Session::new(&mut socket, &mut out);
        let at = Micros::from_millis;
        for sequence in 20..23 {
            let request = Submitted::Receive { endpoint: 2, most_bytes: 2 };
            session.take(at(0), Command::Submit { sequence, request }).unwrap();
        }
        session.deliver(at(50)).unwrap();
        session.take(at(60), Command::Unlink { sequence: 4, victim: 22 }).unwrap();
        for sequence in 1..4 {
            let request = Submitted::Send { endpoint: 1, data: vec![7; sequence as usize] };
            session.take(at(70), Command::Submit { sequence, request }).unwrap();
        }
        session.deliver(at(70)).unwrap();
        session.deliver(at(72)).unwrap();
        drop(session);
        // The second echo is longer than the read: it is cut.
        assert_eq!(kinds(&out), [(4, 4, 0), (3, 1, 1), (3, 2, 2), (3, 3, 3), (3, 20, 1), (3, 21, 2)]);
    }

    #[test]
    fn a_hand_on_the_plug_ends_the_session_at_once() {
        let mut socket = Socket::new(Box::new(VirtualBoard::by_name("healthy-f407", 1).unwrap()));
        socket.take_in_hand(Micros::ZERO, Hand::On);
        let mut session = Session::new(&mut socket, io::sink());
        assert!(!session.deliver(Micros::from_secs(1)).unwrap());
        session.take(Micros::from_secs(1), control(1, command::get_string(4))).unwrap();
        session.socket.take_in_hand(Micros::from_secs(1), Hand::Off);
        assert!(session.deliver(Micros::from_secs(1)).unwrap());
    }

    #[test]
    fn a_flood_ends_the_session() {
        let mut socket = Socket::new(Box::new(Echo::default()));
        let mut session = Session::new(&mut socket, io::sink());
        let mut flood = (0..1000).map(|sequence| {
            let request = Submitted::Receive { endpoint: 2, most_bytes: 64 };
            session.take(Micros::ZERO, Command::Submit { sequence, request })
        });
        assert_eq!(flood.position(|taken| taken.is_err()), Some(MOST_UNDER_WAY));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever a client says: no panic, and never more data than it asked for.
        #[test]
        fn any_talk_is_survived(talk in prop::collection::vec((any::<[u8; 8]>(), 0..3_u32, 0..80_u32), 1..60)) {
            let mut socket = Socket::new(Box::new(VirtualBoard::by_name("healthy-f407", 1).unwrap()));
            socket.take_in_hand(Micros::ZERO, Hand::On);
            let mut out = Vec::new();
            let mut now = Micros::from_secs(1);
            for (sequence, (set_up, endpoint, length)) in (1_u32..).zip(talk) {
                let to_host = u32::from(set_up[0] >> 7);
                let words = [1, sequence, 0, to_host, endpoint, 0, length, 0, 0, 0];
                let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
                bytes.extend(set_up);
                bytes.extend(vec![0; 80]);
                let command = read_command(&mut bytes.as_slice()).unwrap().unwrap();
                out.clear();
                let mut session = Session::new(&mut socket, &mut out);
                session.take(now, command).unwrap();
                now += Micros::from_secs(1);
                session.deliver(now).unwrap();
                drop(session);
                let most = HEADER_BYTES + if to_host == 1 { length as usize } else { 0 };
                prop_assert!(out.len() <= most, "{} B for {length}", out.len());
            }
        }
    }
}
