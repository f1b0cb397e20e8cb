//! One attached virtual board in real time: commands in, results out when they are due, and the end when the board leaves.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;

use super::message::{self, Command, MessageError, Returned, Submitted};
use crate::bench::board::{Reply, VirtualBoard};
use crate::dfu::request::{ControlRequest, DataStage};
use crate::observation::units::Micros;
use crate::timebase::{HostTime, Timebase, to_duration};

const EPIPE: i32 = -32;
const EPROTO: i32 = -71;
const ECONNRESET: i32 = -104;
/// Commands that may wait to be read, and requests that may be under way; more is hostile.
const MOST_WAITING: usize = 64;
const MOST_UNDER_WAY: usize = 256;

/// Why a session ended.
#[derive(Debug)]
pub enum Ended {
    /// The host detached the device.
    ByHost,
    /// The board left the bus.
    BoardLeft,
    Broken(MessageError),
}

/// A request under way.
struct Pending {
    sequence: u32,
    /// `None` where the device says NAK for ever.
    due: Option<Micros>,
    result: Returned,
    /// The device is gone when this is due.
    last: bool,
}

/// Serves `board` to a client until either leaves. The streams are the two halves of one connection.
pub fn serve(
    board: &mut VirtualBoard,
    time: &HostTime,
    mut incoming: impl Read + Send + 'static,
    outgoing: &mut impl Write,
) -> Ended {
    let (sender, commands) = sync_channel(MOST_WAITING);
    // The reader ends with its stream, which the caller closes.
    thread::spawn(move || read_all(&mut incoming, &sender));
    let mut session = Session { board, time, outgoing, under_way: Vec::new(), free_at: Micros::ZERO };
    session.run(&commands).unwrap_or_else(|error| Ended::Broken(error.into()))
}

fn read_all(incoming: &mut impl Read, sender: &SyncSender<Result<Command, MessageError>>) {
    loop {
        let (message, ends) = match message::read_command(incoming) {
            Ok(Some(command)) => (Ok(command), false),
            Ok(None) => return,
            Err(error) => (Err(error), true),
        };
        if sender.send(message).is_err() || ends {
            return;
        }
    }
}

struct Session<'a, W> {
    board: &'a mut VirtualBoard,
    time: &'a HostTime,
    outgoing: &'a mut W,
    under_way: Vec<Pending>,
    /// Endpoint 0 carries one request at a time.
    free_at: Micros,
}

impl<W: Write> Session<'_, W> {
    fn run(&mut self, commands: &Receiver<Result<Command, MessageError>>) -> io::Result<Ended> {
        loop {
            let now = self.time.now();
            if self.deliver(now)? || !self.board.is_attached(now) {
                return Ok(Ended::BoardLeft);
            }
            let received = match self.next_moment() {
                Some(moment) => commands.recv_timeout(to_duration(moment - now)),
                None => commands.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match received {
                Ok(Ok(command)) => self.take(command)?,
                Ok(Err(error)) => return Ok(Ended::Broken(error)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(Ended::ByHost),
            }
            if self.under_way.len() > MOST_UNDER_WAY {
                let flood = io::Error::new(io::ErrorKind::InvalidData, "too many requests at once");
                return Ok(Ended::Broken(flood.into()));
            }
        }
    }

    fn next_moment(&self) -> Option<Micros> {
        self.under_way.iter().filter_map(|pending| pending.due).chain(self.board.next_change()).min()
    }

    /// Sends what is due, oldest first; true once the device is gone.
    fn deliver(&mut self, now: Micros) -> io::Result<bool> {
        let is_due = |pending: &Pending| pending.due.is_some_and(|due| due <= now);
        while let Some(place) = self.under_way.iter().position(is_due) {
            let pending = self.under_way.remove(place);
            if pending.last {
                return Ok(true);
            }
            message::write_returned(self.outgoing, &pending.result)?;
        }
        Ok(false)
    }

    fn take(&mut self, command: Command) -> io::Result<()> {
        match command {
            Command::Submit { sequence, request: Submitted::Control(request) } => {
                self.submit(sequence, &request);
                Ok(())
            }
            Command::Submit { sequence, request: Submitted::Other } => {
                let refused = Returned { sequence, status: EPIPE, moved: 0, data: Vec::new() };
                message::write_returned(self.outgoing, &refused)
            }
            Command::Unlink { sequence, victim } => {
                let place = self.under_way.iter().position(|pending| pending.sequence == victim);
                let taken_back = place.map(|place| self.under_way.remove(place)).is_some();
                message::write_unlinked(self.outgoing, sequence, if taken_back { ECONNRESET } else { 0 })
            }
        }
    }

    fn submit(&mut self, sequence: u32, request: &ControlRequest) {
        let at = self.time.now().max(self.free_at);
        let answer = self.board.submit(at, request);
        let result = |status, moved, data| Returned { sequence, status, moved, data };
        let (result, due, last) = match answer.reply {
            Reply::Data(data) => {
                let moved = match &request.data {
                    DataStage::In(_) => data.len(),
                    DataStage::Out(sent) => sent.len(),
                };
                (result(0, moved as u32, data), Some(answer.ready_at), false)
            }
            Reply::Stall => (result(EPIPE, 0, Vec::new()), Some(answer.ready_at), false),
            Reply::Spoilt => (result(EPROTO, 0, Vec::new()), Some(answer.ready_at), false),
            Reply::NoAnswer => (result(0, 0, Vec::new()), None, false),
            Reply::Gone => (result(0, 0, Vec::new()), Some(answer.ready_at), true),
        };
        self.free_at = due.unwrap_or(at);
        self.under_way.push(Pending { sequence, due, result, last });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::usbip::message::{HEADER_BYTES, command_bytes};
    use crate::dfu::command;
    use std::net::{TcpListener, TcpStream};
    use std::thread::JoinHandle;

    /// A board on one end of a connection, its session running; the other end for the test.
    fn plugged(name: &str) -> (TcpStream, JoinHandle<Ended>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let mut board = VirtualBoard::by_name(name, 1).unwrap();
        let session = thread::spawn(move || {
            let mut time = HostTime::new();
            board.power_on(time.now());
            while !board.is_attached(time.now()) {
                let span = board.next_change().map_or(Micros::from_millis(1), |next| next - time.now());
                time.wait(span);
            }
            let incoming = server.try_clone().unwrap();
            let ended = serve(&mut board, &time, incoming, &mut server);
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
        assert!(matches!(session.join().unwrap(), Ended::BoardLeft));
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
    }

    #[test]
    fn what_is_not_usbip_ends_the_session() {
        let (mut client, session) = plugged("healthy-f407");
        client.write_all(&[0xff; HEADER_BYTES]).unwrap();
        assert!(matches!(session.join().unwrap(), Ended::Broken(MessageError::UnknownCommand(u32::MAX))));
    }
}
