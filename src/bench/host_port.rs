//! The host's side of a port: debounce, reset, and the attempts of a Linux hub driver to enumerate what it sees.
//!
//! Steps and messages follow `drivers/usb/core/hub.c`; the pauses are rounded.

use super::board::{Answer, Reply, VirtualBoard};
use crate::dfu::command::{DESCRIPTOR_CONFIGURATION, DESCRIPTOR_DEVICE, DESCRIPTOR_STRING, LANGUAGE, get_descriptor};
use crate::dfu::request::{ControlRequest, DataStage};
use crate::observation::units::Micros;

/// How the pull-up must hold before the host believes it.
const DEBOUNCE: Micros = Micros::from_millis(100);
const RESET_AND_RECOVERY: Micros = Micros::from_millis(60);
const AFTER_SET_ADDRESS: Micros = Micros::from_millis(10);
const BETWEEN_ATTEMPTS: Micros = Micros::from_millis(100);
/// For the first descriptor and for everything after it.
const REQUEST_TIMEOUT: Micros = Micros::from_secs(5);
const ATTEMPTS: u32 = 4;
const READS_PER_ATTEMPT: u32 = 3;

/// What came of watching a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting {
    Enumerated(Enumerated),
    /// Something is attached and could not be brought up; the kernel's last words.
    Refused {
        words: String,
        errno: i32,
    },
    /// Nothing was seen.
    Nothing,
}

/// What the kernel knows of a device without opening it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enumerated {
    pub at: Micros,
    pub device: Vec<u8>,
    pub product: Option<String>,
    pub serial: Option<String>,
}

/// Why an attempt failed.
struct Refusal {
    words: String,
    errno: i32,
}

/// Watches from `from` on; returns as soon as a device is up, or at `until`.
pub fn watch(board: &mut VirtualBoard, from: Micros, until: Micros) -> Sighting {
    let mut at = from;
    let mut last = None;
    while let Some(attached) = wait_for_pull_up(board, at, until) {
        let mut port = Port { board, at: attached + DEBOUNCE, until };
        match port.bring_up() {
            Ok(enumerated) if enumerated.at <= until => return Sighting::Enumerated(enumerated),
            Ok(_) => break,
            Err(refusal) => last = Some(refusal),
        }
        at = port.at;
        // The driver gives up on what is there and waits for it to leave and come back.
        match wait_for_release(board, at, until) {
            Some(released) => at = released,
            None => break,
        }
    }
    // What left before it was asked anything is logged by no kernel.
    match last.filter(|refusal| !refusal.words.is_empty()) {
        Some(Refusal { words, errno }) => Sighting::Refused { words, errno },
        None => Sighting::Nothing,
    }
}

fn wait_for_pull_up(board: &mut VirtualBoard, from: Micros, until: Micros) -> Option<Micros> {
    let mut at = from;
    while !board.is_attached(at) {
        at = board.next_change().filter(|next| *next <= until)?.max(at + Micros(1));
    }
    (at <= until).then_some(at)
}

fn wait_for_release(board: &mut VirtualBoard, from: Micros, until: Micros) -> Option<Micros> {
    let mut at = from;
    while board.is_attached(at) {
        at = board.next_change().filter(|next| *next <= until)?.max(at + Micros(1));
    }
    (at <= until).then_some(at)
}

struct Port<'a> {
    board: &'a mut VirtualBoard,
    at: Micros,
    until: Micros,
}

impl Port<'_> {
    fn bring_up(&mut self) -> Result<Enumerated, Refusal> {
        let mut refused = Refusal { words: String::new(), errno: -19 };
        for _ in 0..ATTEMPTS {
            if self.at > self.until || !self.board.is_attached(self.at) {
                break;
            }
            match self.attempt() {
                Ok(enumerated) => return Ok(enumerated),
                Err(refusal) => refused = refusal,
            }
            self.at += BETWEEN_ATTEMPTS;
        }
        Err(refused)
    }

    fn attempt(&mut self) -> Result<Enumerated, Refusal> {
        self.at += RESET_AND_RECOVERY;
        self.board.bus_reset();
        self.first_descriptor()?;
        self.at += RESET_AND_RECOVERY;
        let address = self.at.0 % 120 + 2;
        self.request(&set_address()).map_err(|errno| Refusal {
            words: format!("device not accepting address {address}, error {errno}"),
            errno,
        })?;
        self.at += AFTER_SET_ADDRESS;
        let device = self.read(DESCRIPTOR_DEVICE, 0, 18, "device descriptor read/all")?;
        let head = self.read(DESCRIPTOR_CONFIGURATION, 0, 9, "unable to read config index 0 descriptor/start:")?;
        let total = head.get(2..4).map_or(9, |bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
        self.read(DESCRIPTOR_CONFIGURATION, 0, total, "unable to read config index 0 descriptor/all:")?;
        // A string that cannot be read is left out.
        let product = device.get(15).and_then(|&number| self.string(number));
        let serial = device.get(16).and_then(|&number| self.string(number));
        Ok(Enumerated { at: self.at, device, product, serial })
    }

    fn first_descriptor(&mut self) -> Result<(), Refusal> {
        let mut errno = -71;
        for _ in 0..READS_PER_ATTEMPT {
            match self.request(&get_descriptor(DESCRIPTOR_DEVICE, 0, 0, 64)) {
                Ok(_) => return Ok(()),
                Err(error) => errno = error,
            }
            // Time-outs are not repeated within an attempt.
            if errno == -110 || self.at > self.until {
                break;
            }
        }
        Err(Refusal { words: format!("device descriptor read/64, error {errno}"), errno })
    }

    fn read(&mut self, kind: u8, number: u8, length: u16, words: &str) -> Result<Vec<u8>, Refusal> {
        self.request(&get_descriptor(kind, number, 0, length))
            .map_err(|errno| Refusal { words: format!("{words}, error {errno}").replace(":, error", ":"), errno })
    }

    fn string(&mut self, number: u8) -> Option<String> {
        let bytes = self.request(&get_descriptor(DESCRIPTOR_STRING, number, LANGUAGE, 255)).ok()?;
        let units: Vec<_> =
            bytes.get(2..)?.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        Some(String::from_utf16_lossy(&units))
    }

    /// One request with the kernel's patience; the errno where it fails.
    fn request(&mut self, request: &ControlRequest) -> Result<Vec<u8>, i32> {
        let Answer { reply, ready_at } = self.board.submit(self.at, request);
        let too_late = self.at + REQUEST_TIMEOUT;
        self.at = ready_at.min(too_late);
        match reply {
            _ if ready_at > too_late => Err(-110),
            Reply::Data(bytes) => Ok(bytes),
            Reply::Stall => Err(-32),
            Reply::Spoilt => Err(-71),
            Reply::Gone => Err(-19),
            Reply::NoAnswer => {
                self.at = too_late;
                Err(-110)
            }
        }
    }
}

fn set_address() -> ControlRequest {
    ControlRequest { request_type: 0, request: 5, value: 2, index: 0, data: DataStage::Out(Vec::new()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_sighting(name: &str, seed: u64) -> Sighting {
        let mut board = VirtualBoard::by_name(name, seed).unwrap();
        board.power_on(Micros::ZERO);
        watch(&mut board, Micros::ZERO, Micros::from_secs(10))
    }

    #[test]
    fn a_healthy_board_is_up_within_a_second() {
        let Sighting::Enumerated(seen) = first_sighting("healthy-f407", 1) else { panic!("not up") };
        assert!(seen.at > Micros::from_millis(400) && seen.at < Micros::from_secs(1), "{}", seen.at);
        assert_eq!(seen.serial.as_deref(), Some("325E35633334"));
        assert_eq!(seen.product.as_deref(), Some("STM32  BOOTLOADER"));
    }

    #[test]
    fn a_board_without_power_shows_nothing() {
        let mut board = VirtualBoard::by_name("healthy-f407", 1).unwrap();
        assert_eq!(watch(&mut board, Micros::ZERO, Micros::from_secs(5)), Sighting::Nothing);
    }

    #[test]
    fn an_interface_that_won_the_race_shows_nothing_or_does_not_answer() {
        let sightings: Vec<_> = (0..60).map(|seed| first_sighting("f411-open-pa10", seed)).collect();
        let deaf = |it: &Sighting| matches!(it, Sighting::Refused { words, .. } if words == "device descriptor read/64, error -110");
        assert!(sightings.iter().any(deaf));
        assert!(sightings.contains(&Sighting::Nothing));
        assert!(sightings.iter().any(|it| matches!(it, Sighting::Enumerated(_))));
    }

    #[test]
    fn a_misread_crystal_shows_as_protocol_errors_for_the_whole_boot() {
        let mut board = VirtualBoard::by_name("f746-25mhz-warm-hsi", 2).unwrap();
        let mut boot = |number: u64| {
            let on = Micros::from_secs(6 * number);
            board.power_on(on);
            let sighting = watch(&mut board, on, on + Micros::from_secs(3));
            board.power_off(on + Micros::from_secs(3));
            sighting
        };
        let sightings: Vec<_> = (0..60).map(&mut boot).collect();
        let refused = sightings.iter().filter(|it| matches!(it, Sighting::Refused { errno: -71, .. })).count();
        let up = sightings.iter().filter(|it| matches!(it, Sighting::Enumerated(_))).count();
        assert!(refused > 5 && up > 5, "{refused} refused, {up} up");
    }
}
