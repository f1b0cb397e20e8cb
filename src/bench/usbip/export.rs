//! Virtual devices exported over TCP: `usbip list -r` shows them, `usbip attach` imports one.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

use super::device::Device;
use super::message::VERSION;
use super::place::{Hand, Loan, Place};
use super::session::{self, Ended};
use crate::observation::units::Micros;
use crate::timebase::{HostTime, Timebase, to_duration};

/// The port that the `usbip` tool connects to unless told otherwise.
pub const DEFAULT_PORT: u16 = 3240;

const OP_REQ_IMPORT: u16 = 0x8003;
const OP_REP_IMPORT: u16 = 0x0003;
const OP_REQ_DEVLIST: u16 = 0x8005;
const OP_REP_DEVLIST: u16 = 0x0005;
const BUS_ID_BYTES: usize = 32;
const PATH_BYTES: usize = 256;
/// A client that has not said what it wants by then is sent away, however slowly it speaks.
const PATIENCE: Micros = Micros::from_secs(10);
const MOST_CLIENTS: usize = 32;
/// A client whose computer has gone holds its device for a minute, not for ever.
const DEAD_AFTER: Duration = Duration::from_secs(30);
const PROBE_EVERY: Duration = Duration::from_secs(10);
const PROBES: u32 = 3;
/// The listener may fail for a moment, for example while the process has no descriptor left.
const MOST_FAILURES: u32 = 100;
const FAILURE_PAUSE: Micros = Micros::from_millis(100);

/// The devices on offer. One that is imported is not there until its client lets go of it.
#[derive(Debug)]
pub struct Export {
    time: HostTime,
    places: Vec<Place>,
    clients: AtomicUsize,
}

impl Export {
    /// All devices are switched on now.
    pub fn new(devices: Vec<Box<dyn Device>>) -> Self {
        let time = HostTime::new();
        let now = time.now();
        let place = |(number, device)| Place::new(format!("1-{}", number + 1), device, now);
        let places = devices.into_iter().enumerate().map(place).collect();
        Self { time, places, clients: AtomicUsize::new(0) }
    }

    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Does something to a device by hand; false where there is no such place.
    pub fn take_in_hand(&self, bus_id: &str, hand: Hand) -> bool {
        let place = self.places.iter().find(|place| place.bus_id == bus_id);
        place.map(|place| place.take_in_hand(self.time.now(), hand)).is_some()
    }

    /// Accepts clients for ever; returns only where the listener keeps failing. `log` hears what clients do.
    pub fn run(self: &Arc<Self>, listener: &TcpListener, log: &(impl Fn(&str) + Clone + Send + 'static)) -> io::Error {
        let mut failures = 0;
        loop {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if failures >= MOST_FAILURES => return error,
                Err(_) => {
                    failures += 1;
                    HostTime::new().wait(FAILURE_PAUSE);
                    continue;
                }
            };
            failures = 0;
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
        let until = self.time.now() + PATIENCE;
        stream.set_write_timeout(Some(to_duration(PATIENCE)))?;
        stream.set_nodelay(true)?;
        let keep_alive = TcpKeepalive::new().with_time(DEAD_AFTER).with_interval(PROBE_EVERY).with_retries(PROBES);
        SockRef::from(&stream).set_tcp_keepalive(&keep_alive)?;
        let mut head = [0; 8];
        self.read_until(&mut stream, &mut head, until)?;
        match u16::from_be_bytes([head[2], head[3]]) {
            OP_REQ_DEVLIST => stream.write_all(&self.device_list()),
            OP_REQ_IMPORT => {
                let mut wanted = [0; BUS_ID_BYTES];
                self.read_until(&mut stream, &mut wanted, until)?;
                let name = wanted.split(|&byte| byte == 0).next().unwrap_or_default();
                self.import(stream, name, log)
            }
            other => Err(io::Error::new(io::ErrorKind::InvalidData, format!("operation 0x{other:04x} is not known"))),
        }
    }

    fn read_until(&self, stream: &mut TcpStream, bytes: &mut [u8], until: Micros) -> io::Result<()> {
        let mut filled = 0;
        while filled < bytes.len() {
            let left = to_duration(until - self.time.now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            stream.set_read_timeout(Some(left))?;
            match stream.read(&mut bytes[filled..]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn device_list(&self) -> Vec<u8> {
        let now = self.time.now();
        let mut devices = Vec::new();
        let mut count = 0_u32;
        for (number, place) in self.places.iter().enumerate().filter(|(_, place)| place.is_on_offer(now)) {
            devices.extend(device_record(number, place));
            // Each with a byte of padding.
            devices.extend(
                place.identity.interfaces.iter().flat_map(|[class, sub, protocol]| [*class, *sub, *protocol, 0]),
            );
            count += 1;
        }
        let mut bytes = operation(OP_REP_DEVLIST, 0);
        bytes.extend(count.to_be_bytes());
        bytes.extend(devices);
        bytes
    }

    fn import(&self, mut stream: TcpStream, name: &[u8], log: &impl Fn(&str)) -> io::Result<()> {
        let wanted = self.places.iter().enumerate().find(|(_, place)| place.bus_id.as_bytes() == name);
        let lent = wanted.and_then(|(number, place)| Some((number, place, place.lend(self.time.now())?)));
        let Some((number, place, mut loan)) = lent else { return stream.write_all(&operation(OP_REP_IMPORT, 1)) };
        log(&format!("{} {} is attached", place.bus_id, place.name));
        let why = match self.hand_over(&mut stream, number, place, &mut loan) {
            Ok(Ended::ByHost) => "was detached".to_owned(),
            Ok(Ended::DeviceLeft) => "left the bus".to_owned(),
            Ok(Ended::Broken(error)) => format!("was dropped: {error}"),
            Err(error) => format!("was dropped: {error}"),
        };
        place.take_back(self.time.now(), loan);
        log(&format!("{} {} {why}", place.bus_id, place.name));
        // Ends the thread that reads the stream.
        let _ = stream.shutdown(Shutdown::Both);
        Ok(())
    }

    fn hand_over(&self, stream: &mut TcpStream, number: usize, place: &Place, loan: &mut Loan) -> io::Result<Ended> {
        let mut reply = operation(OP_REP_IMPORT, 0);
        reply.extend(device_record(number, place));
        stream.write_all(&reply)?;
        // An attached device may be silent for as long as it likes.
        stream.set_read_timeout(None)?;
        let incoming = stream.try_clone()?;
        Ok(session::serve(loan, &self.time, incoming, stream))
    }
}

fn operation(code: u16, status: u32) -> Vec<u8> {
    let mut bytes = VERSION.to_be_bytes().to_vec();
    bytes.extend(code.to_be_bytes());
    bytes.extend(status.to_be_bytes());
    bytes
}

fn device_record(number: usize, place: &Place) -> Vec<u8> {
    let (bus_id, identity) = (&place.bus_id, &place.identity);
    let mut bytes = padded(&format!("/sys/devices/platform/flakescope/usb1/{bus_id}"), PATH_BYTES);
    bytes.extend(padded(bus_id, BUS_ID_BYTES));
    for word in [1, number as u32 + 2, identity.speed.number()] {
        bytes.extend(word.to_be_bytes());
    }
    for word in [identity.vendor, identity.product, identity.bcd_device] {
        bytes.extend(word.to_be_bytes());
    }
    // Class, subclass, protocol, configuration in use, configurations, interfaces.
    bytes.extend([0, 0, 0, 1, 1, identity.interfaces.len() as u8]);
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
    use crate::bench::board::VirtualBoard;
    use crate::bench::usbip::message::{Command, Submitted, command_bytes};
    use crate::dfu::command;
    use std::net::SocketAddr;

    fn served(names: &[&str]) -> SocketAddr {
        serve(names).1
    }

    fn serve(names: &[&str]) -> (Arc<Export>, SocketAddr) {
        let device = |name: &&str| Box::new(VirtualBoard::by_name(name, 1).unwrap()) as Box<dyn Device>;
        let export = Arc::new(Export::new(names.iter().map(device).collect()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = Arc::clone(&export);
        thread::spawn(move || server.run(&listener, &|_: &str| {}));
        (export, address)
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
            time.wait(Micros::from_millis(20));
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

    #[test]
    fn an_unplug_by_hand_ends_the_import_and_a_replug_offers_the_board_again() {
        let (export, address) = serve(&["healthy-f407"]);
        wait_for(address, 1);
        let (mut stream, _) = import(address, "1-1");
        assert!(export.take_in_hand("1-1", Hand::Off));
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert_eq!(rest.len(), 312, "the record of the device, and then the end");
        assert_eq!(list(address)[11], 0);
        export.take_in_hand("1-1", Hand::On);
        wait_for(address, 1);
        assert_eq!(import(address, "1-1").1, 0);
        assert!(!export.take_in_hand("7-7", Hand::On));
    }

    #[test]
    fn a_client_that_lies_or_breaks_off_gives_its_board_back() {
        let address = served(&["healthy-f407"]);
        // A transfer of 4 GiB; half a header; a length and then silence.
        let lie = |length: u32| {
            let words = [1, 1, 0, 0, 0, 0, length, 0, 0, 0, 0, 0_u32];
            words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>()
        };
        for bytes in [lie(u32::MAX), lie(100)[..20].to_vec(), lie(100), vec![0xff; 4096]] {
            wait_for(address, 1);
            let (mut stream, status) = import(address, "1-1");
            assert_eq!(status, 0);
            stream.write_all(&bytes).unwrap();
            drop(stream);
        }
        wait_for(address, 1);
    }

    #[test]
    fn a_crowd_is_sent_away_and_the_next_client_is_served() {
        let address = served(&["healthy-f407"]);
        wait_for(address, 1);
        let crowd: Vec<_> = (0..MOST_CLIENTS).map(|_| TcpStream::connect(address).unwrap()).collect();
        // One more than there is room for reads the end, or a reset, and no answer.
        let mut late = ask(address, OP_REQ_DEVLIST, &[]);
        assert!(!matches!(late.read(&mut [0; 1]), Ok(1)));
        drop(crowd);
        let served_again = |_: u32| {
            HostTime::new().wait(Micros::from_millis(20));
            let mut stream = ask(address, OP_REQ_DEVLIST, &[]);
            matches!(stream.read(&mut [0; 1]), Ok(1))
        };
        assert!((0..500).any(served_again));
    }
}
