//! Virtual boards exported over TCP: `usbip list -r` shows them, `usbip attach` imports one.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::message::{FULL_SPEED, VERSION};
use super::session::{self, Ended};
use crate::bench::board::VirtualBoard;
use crate::bench::rom::descriptors::{PRODUCT, VENDOR};
use crate::timebase::{HostTime, Timebase};

/// The port that the `usbip` tool connects to unless told otherwise.
pub const DEFAULT_PORT: u16 = 3240;

const OP_REQ_IMPORT: u16 = 0x8003;
const OP_REP_IMPORT: u16 = 0x0003;
const OP_REQ_DEVLIST: u16 = 0x8005;
const OP_REP_DEVLIST: u16 = 0x0005;
const BUS_ID_BYTES: usize = 32;
const PATH_BYTES: usize = 256;
/// A client that opens a connection and says nothing is sent away after this.
const PATIENCE: Duration = Duration::from_secs(10);
const MOST_CLIENTS: usize = 32;

/// The boards on offer. One that is imported is not there until its client lets go of it.
#[derive(Debug)]
pub struct Export {
    time: HostTime,
    places: Vec<Place>,
    clients: AtomicUsize,
}

#[derive(Debug)]
struct Place {
    name: String,
    board: Mutex<Option<VirtualBoard>>,
}

impl Export {
    /// All boards are switched on now.
    pub fn new(boards: Vec<VirtualBoard>) -> Self {
        let time = HostTime::new();
        let place = |mut board: VirtualBoard| {
            board.power_on(time.now());
            Place { name: board.name.clone(), board: Mutex::new(Some(board)) }
        };
        let places = boards.into_iter().map(place).collect();
        Self { time, places, clients: AtomicUsize::new(0) }
    }

    /// The bus id of the board at a place, as `usbip attach -b` takes it.
    pub fn bus_id(place: usize) -> String {
        format!("1-{}", place + 1)
    }

    /// Bus id and name of every board.
    pub fn listing(&self) -> Vec<(String, &str)> {
        self.places.iter().enumerate().map(|(place, it)| (Self::bus_id(place), it.name.as_str())).collect()
    }

    /// Accepts clients for ever; returns only where the listener fails. `log` hears what clients do.
    pub fn run(self: &Arc<Self>, listener: &TcpListener, log: &(impl Fn(&str) + Clone + Send + 'static)) -> io::Error {
        loop {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return error,
            };
            if self.clients.fetch_add(1, Ordering::SeqCst) >= MOST_CLIENTS {
                self.clients.fetch_sub(1, Ordering::SeqCst);
                log("a client was sent away: too many at once");
                continue;
            }
            let (export, log) = (Arc::clone(self), log.clone());
            thread::spawn(move || {
                match export.attend(stream, &log) {
                    Ok(()) => {}
                    Err(error) => log(&format!("a client was dropped: {error}")),
                }
                export.clients.fetch_sub(1, Ordering::SeqCst);
            });
        }
    }

    /// Serves one connection to its end.
    fn attend(&self, mut stream: TcpStream, log: &impl Fn(&str)) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut head = [0; 8];
        stream.read_exact(&mut head)?;
        match u16::from_be_bytes([head[2], head[3]]) {
            OP_REQ_DEVLIST => stream.write_all(&self.device_list()),
            OP_REQ_IMPORT => self.import(stream, log),
            other => Err(io::Error::new(io::ErrorKind::InvalidData, format!("operation 0x{other:04x} is not known"))),
        }
    }

    fn board_at(&self, place: usize) -> Option<MutexGuard<'_, Option<VirtualBoard>>> {
        Some(self.places.get(place)?.board.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn device_list(&self) -> Vec<u8> {
        let now = self.time.now();
        let mut devices = Vec::new();
        let mut count = 0_u32;
        for place in 0..self.places.len() {
            let Some(mut guard) = self.board_at(place) else { continue };
            let Some(board) = guard.as_mut() else { continue };
            if !board.is_attached(now) {
                continue;
            }
            devices.extend(device_record(place, board));
            // Application specific, DFU, DFU mode protocol, padding.
            devices.extend([0xfe, 1, 2, 0]);
            count += 1;
        }
        let mut bytes = operation(OP_REP_DEVLIST, 0);
        bytes.extend(count.to_be_bytes());
        bytes.extend(devices);
        bytes
    }

    fn import(&self, mut stream: TcpStream, log: &impl Fn(&str)) -> io::Result<()> {
        let mut wanted = [0; BUS_ID_BYTES];
        stream.read_exact(&mut wanted)?;
        let name = wanted.split(|&byte| byte == 0).next().unwrap_or_default();
        let place = (0..self.places.len()).find(|&place| Self::bus_id(place).as_bytes() == name);
        let now = self.time.now();
        let is_attached = |board: &mut Option<VirtualBoard>| board.as_mut().is_some_and(|board| board.is_attached(now));
        let taken = place.and_then(|place| {
            let mut guard = self.board_at(place)?;
            is_attached(&mut guard).then(|| guard.take().map(|board| (place, board)))?
        });
        let Some((place, mut board)) = taken else { return stream.write_all(&operation(OP_REP_IMPORT, 1)) };
        log(&format!("{} {} is attached", Self::bus_id(place), board.name));
        let ended = self.hand_over(&mut stream, place, &mut board);
        let why = match ended {
            Ok(Ended::ByHost) => "was detached".to_owned(),
            Ok(Ended::BoardLeft) => "left the bus".to_owned(),
            Ok(Ended::Broken(error)) => format!("was dropped: {error}"),
            Err(error) => format!("was dropped: {error}"),
        };
        log(&format!("{} {} {why}", Self::bus_id(place), board.name));
        if let Some(mut guard) = self.board_at(place) {
            *guard = Some(board);
        }
        // Ends the thread that reads the stream.
        let _ = stream.shutdown(Shutdown::Both);
        Ok(())
    }

    fn hand_over(&self, stream: &mut TcpStream, place: usize, board: &mut VirtualBoard) -> io::Result<Ended> {
        let mut reply = operation(OP_REP_IMPORT, 0);
        reply.extend(device_record(place, board));
        stream.write_all(&reply)?;
        // An attached device may be silent for as long as it likes.
        stream.set_read_timeout(None)?;
        let incoming = stream.try_clone()?;
        Ok(session::serve(board, &self.time, incoming, stream))
    }
}

fn operation(code: u16, status: u32) -> Vec<u8> {
    let mut bytes = VERSION.to_be_bytes().to_vec();
    bytes.extend(code.to_be_bytes());
    bytes.extend(status.to_be_bytes());
    bytes
}

fn device_record(place: usize, board: &VirtualBoard) -> Vec<u8> {
    let bus_id = Export::bus_id(place);
    let mut bytes = padded(&format!("/sys/devices/platform/flakescope/usb1/{bus_id}"), PATH_BYTES);
    bytes.extend(padded(&bus_id, BUS_ID_BYTES));
    for word in [1, place as u32 + 2, FULL_SPEED] {
        bytes.extend(word.to_be_bytes());
    }
    for word in [VENDOR, PRODUCT, board.rom().bcd_device] {
        bytes.extend(word.to_be_bytes());
    }
    // Class, subclass, protocol, configuration in use, configurations, interfaces.
    bytes.extend([0, 0, 0, 1, 1, 1]);
    bytes
}

fn padded(text: &str, length: usize) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(length, 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::usbip::message::{Command, Submitted, command_bytes};
    use crate::dfu::command;
    use std::net::SocketAddr;

    fn served(names: &[&str]) -> SocketAddr {
        let boards = names.iter().map(|name| VirtualBoard::by_name(name, 1).unwrap()).collect();
        let export = Arc::new(Export::new(boards));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || export.run(&listener, &|_: &str| {}));
        address
    }

    fn ask(address: SocketAddr, operation: u16, tail: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(address).unwrap();
        let mut bytes = super::operation(operation, 0);
        bytes.extend(tail);
        stream.write_all(&bytes).unwrap();
        stream
    }

    fn list(address: SocketAddr) -> Vec<u8> {
        let mut bytes = Vec::new();
        ask(address, OP_REQ_DEVLIST, &[]).read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// Boards need a moment to come up; asks until as many as expected are listed.
    fn wait_for(address: SocketAddr, count: u8) -> Vec<u8> {
        let mut time = HostTime::new();
        loop {
            let bytes = list(address);
            if bytes[11] == count || time.now().0 > 10_000_000 {
                return bytes;
            }
            time.wait(crate::observation::units::Micros::from_millis(20));
        }
    }

    fn import(address: SocketAddr, bus_id: &str) -> (TcpStream, u8) {
        let mut stream = ask(address, OP_REQ_IMPORT, &padded(bus_id, BUS_ID_BYTES));
        let mut head = [0; 8];
        stream.read_exact(&mut head).unwrap();
        (stream, head[7])
    }

    #[test]
    fn boards_are_listed_with_their_identity() {
        let address = served(&["healthy-f407", "healthy-f407"]);
        let bytes = wait_for(address, 2);
        assert_eq!(bytes[..12], [0x01, 0x11, 0x00, 0x05, 0, 0, 0, 0, 0, 0, 0, 2]);
        assert_eq!(bytes.len(), 12 + 2 * (312 + 4));
        assert_eq!(bytes[12 + 300..12 + 306], [0x04, 0x83, 0xdf, 0x11, 0x22, 0x00]);
    }

    #[test]
    fn an_imported_board_answers_and_is_busy_for_others() {
        let address = served(&["healthy-f407"]);
        wait_for(address, 1);
        let (mut stream, status) = import(address, "1-1");
        assert_eq!(status, 0);
        stream.read_exact(&mut [0; 312]).unwrap();
        let request = Submitted::Control(command::get_status(0));
        stream.write_all(&command_bytes(&Command::Submit { sequence: 1, request })).unwrap();
        let mut reply = [0; 54];
        stream.read_exact(&mut reply).unwrap();
        assert_eq!(reply[48..], [0, 0, 0, 0, 2, 0]);
        assert_eq!(import(address, "1-1").1, 1, "one client at a time");
        drop(stream);
        wait_for(address, 1);
        assert_eq!(import(address, "1-1").1, 0, "free again");
    }

    #[test]
    fn nonsense_is_refused_and_the_server_goes_on() {
        let address = served(&["healthy-f407"]);
        assert_eq!(import(address, "9-9").1, 1);
        ask(address, 0x1234, &[]);
        drop(TcpStream::connect(address).unwrap());
        wait_for(address, 1);
    }
}
