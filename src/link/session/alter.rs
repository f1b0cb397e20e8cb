//! What a session does to flash and option bytes. Every step here runs on a wire that was opened with a permit.

use crate::dfu::alter_scope::flash_sectors;
use crate::dfu::download::{DownloadRange, EraseSectors};
use crate::dfu::layout::{Area, Layout};
use crate::dfu::operation::LONGEST_BUSY;
use crate::dfu::operation::{DfuFault, FaultKind};
use crate::dfu::request::{UsbError, UsbErrorKind};
use crate::dfu::upload::UploadRange;
use crate::link::usb_board::UsbBoard;
use crate::link::wire::Wire;
use crate::observation::alteration::{Alteration, Payload};
use crate::observation::fact::FactValue;
use crate::observation::failure::FailureClass;
use crate::observation::units::{Address, Micros};

use super::{Session, StepFault, dfu, text, usb};

/// The key under which a saved range is learned; the runner keeps it in the case.
pub const SAVED: &str = "saved-memory";

/// A part that loads its option bytes by a reset has begun it by then.
const TO_LEAVE: Micros = Micros::from_secs(2);

/// Under these keys a time is learned that no flash can have, or that only a flash in trouble has.
const TOO_FAST: &str = "programming-too-fast";
const TOO_SLOW: &str = "programming-too-slow";

/// No flash of these parts is programmed or erased faster, whatever the width: the shortest documented times are 16 us for
/// a word of four bytes and 22 ms for a page; the limits leave a wide margin.
const FASTEST_WRITE_US_PER_BYTE: f64 = 1.0;
const FASTEST_ERASE: Micros = Micros::from_millis(1);

impl Session {
    /// The memory of the board as it describes it; asks where it is not known yet.
    pub fn known_layouts<B: UsbBoard>(&mut self, wire: &mut Wire<'_, B>) -> Result<Vec<Layout>, StepFault> {
        self.prepare(wire)?;
        Ok(self.layouts.values().cloned().collect())
    }

    pub fn alter<B: UsbBoard>(&mut self, alteration: &Alteration, wire: &mut Wire<'_, B>) -> Result<(), StepFault> {
        // What was read before is no reference any more.
        self.references.forget();
        match alteration {
            Alteration::Erase { address, length_bytes, .. } => self.erase(wire, *address, *length_bytes),
            Alteration::Write { address, data, .. } => self.write(wire, *address, data),
            Alteration::Restore { address, data } => self.restore(wire, *address, data),
            Alteration::OptionBytes { address, data } => self.write_option_bytes(wire, *address, data),
            Alteration::FusDelete | Alteration::FusInstall | Alteration::FusStart => self.service(wire, alteration),
        }
    }

    fn erase<B: UsbBoard>(&mut self, wire: &mut Wire<'_, B>, address: Address, length: u32) -> Result<(), StepFault> {
        let layouts = self.known_layouts(wire)?;
        let sectors: Vec<_> = flash_sectors(&layouts, address, length).into_iter().map(|(start, _)| start).collect();
        self.select_for(wire, address, length)?;
        let count = sectors.len().max(1) as u64;
        let before = wire.remaining();
        let led_out = wire.run(EraseSectors::new(self.interface(), sectors)).map_err(|fault| dfu(&fault))?;
        if led_out > 0 {
            // How long such a ROM took is not known.
            return Ok(());
        }
        let each = Micros((before - wire.remaining()).0 / count);
        self.learn("erase-time-per-sector-ms", FactValue::Number(each.as_secs_f64() * 1e3));
        let words = || text(format!("{:.1} ms for a sector", each.as_millis_f64()));
        if each < FASTEST_ERASE {
            self.learn(TOO_FAST, words());
        } else if each > LONGEST_BUSY {
            self.learn(TOO_SLOW, words());
        }
        Ok(())
    }

    fn write<B: UsbBoard>(
        &mut self,
        wire: &mut Wire<'_, B>,
        address: Address,
        data: &Payload,
    ) -> Result<(), StepFault> {
        let transfer_bytes = self.prepare(wire)?.transfer_bytes;
        self.select_for(wire, address, data.len_bytes())?;
        let before = wire.remaining();
        let download = DownloadRange::new(self.interface(), address, data.bytes().to_vec(), transfer_bytes);
        wire.run(download).map_err(|fault| dfu(&fault))?;
        let per_byte = (before - wire.remaining()).as_secs_f64() * 1e6 / f64::from(data.len_bytes().max(1));
        self.learn("write-time-per-byte-us", FactValue::Number(per_byte));
        if per_byte < FASTEST_WRITE_US_PER_BYTE {
            self.learn(TOO_FAST, text(format!("{per_byte:.2} us for a byte")));
        }
        Ok(())
    }

    fn restore<B: UsbBoard>(
        &mut self,
        wire: &mut Wire<'_, B>,
        address: Address,
        data: &Payload,
    ) -> Result<(), StepFault> {
        self.erase(wire, address, data.len_bytes())?;
        if data.bytes().iter().any(|byte| *byte != 0xff) {
            self.write(wire, address, data)?;
        }
        self.verify(wire, address, data)
    }

    /// The part loads the new option bytes by a reset, so that it leaves the bus in the middle of the answer.
    fn write_option_bytes<B: UsbBoard>(
        &mut self,
        wire: &mut Wire<'_, B>,
        address: Address,
        data: &Payload,
    ) -> Result<(), StepFault> {
        self.prepare(wire)?;
        let holds = |layout: &Layout| layout.area() == Area::OptionBytes && layout.covers(address, data.len_bytes());
        let alternate = self.layouts.iter().find(|(_, layout)| holds(layout)).map(|(alternate, _)| *alternate);
        let Some(alternate) = alternate else {
            let code = "the board shows no option bytes there".to_owned();
            return Err((FailureClass::AddressRefused, code, Some(address)));
        };
        self.select(wire, alternate)?;
        let has_left = match wire.run(DownloadRange::whole(self.interface(), address, data.bytes().to_vec())) {
            Ok(()) => {
                let span = TO_LEAVE.min(wire.remaining());
                wire.board().leaves_within(span)
            }
            Err(fault) if has_left(&fault, wire) => true,
            Err(fault) => return Err(dfu(&fault)),
        };
        if has_left {
            self.come_back(wire)
        } else {
            self.learn("option-bytes-without-reset", FactValue::Flag(true));
            Ok(())
        }
    }

    pub(super) fn save<B: UsbBoard>(
        &mut self,
        wire: &mut Wire<'_, B>,
        address: Address,
        length_bytes: u32,
    ) -> Result<(), StepFault> {
        let bytes = self.upload(wire, address, length_bytes)?;
        self.saved.insert(address, bytes.clone());
        self.learn(SAVED, FactValue::Bytes(bytes));
        Ok(())
    }

    /// A write-protected sector reports no error and keeps what it holds; only reading back shows it.
    pub(super) fn verify<B: UsbBoard>(
        &mut self,
        wire: &mut Wire<'_, B>,
        address: Address,
        wanted: &Payload,
    ) -> Result<(), StepFault> {
        let read = self.upload(wire, address, wanted.len_bytes())?;
        let wrong = read.iter().zip(wanted.bytes()).filter(|(read, wanted)| read != wanted).count();
        let first = read.iter().zip(wanted.bytes()).position(|(read, wanted)| read != wanted);
        let Some(at) = first else { return Ok(()) };
        let place = Address(address.0.wrapping_add(at as u32));
        if self.saved.get(&address) == Some(&read) {
            let code = "nothing was refused, and all of it holds what it held before".to_owned();
            return Err((FailureClass::WriteProtected, code, Some(place)));
        }
        let (read, wanted_there) = (read[at], wanted.bytes()[at]);
        let code = format!(
            "{wrong} of {} bytes differ, the first is 0x{read:02X} instead of 0x{wanted_there:02X}",
            wanted.len_bytes()
        );
        Err((FailureClass::VerifyFailed, code, Some(place)))
    }

    fn upload<B: UsbBoard>(
        &mut self,
        wire: &mut Wire<'_, B>,
        address: Address,
        length: u32,
    ) -> Result<Vec<u8>, StepFault> {
        let transfer_bytes = self.prepare(wire)?.transfer_bytes;
        self.select_for(wire, address, length)?;
        let upload = UploadRange::new(self.interface(), address, length, transfer_bytes);
        wire.run(upload).map_err(|fault| dfu(&fault))
    }

    /// The same board after a reset of its own: found, opened and claimed again. What leaves is listed for a moment longer, and
    /// what resets more than once goes again at any moment, so that a board that vanishes meanwhile is waited for anew.
    pub(super) fn come_back<B: UsbBoard>(&mut self, wire: &mut Wire<'_, B>) -> Result<(), StepFault> {
        const LOOK_EVERY: Micros = Micros::from_millis(20);
        self.alternate = None;
        loop {
            wire.board().close();
            self.same_board_arrives(wire)?;
            let interface = self.interface();
            let opened = wire.board().open().and_then(|()| wire.board().claim(interface));
            match opened {
                Ok(()) => return Ok(()),
                Err(error) if is_gone(&error) && wire.remaining() > LOOK_EVERY => wire.board().wait(LOOK_EVERY),
                Err(error) => return Err(usb(error)),
            }
        }
    }

    fn same_board_arrives<B: UsbBoard>(&self, wire: &mut Wire<'_, B>) -> Result<(), StepFault> {
        let remaining = wire.remaining();
        let seen = wire.board().arrive(remaining).map_err(|error| {
            let code = format!("left the bus and did not come back: {}", error.code);
            (FailureClass::NotEnumerated, code, None)
        })?;
        match (&self.identity.serial, &seen.serial) {
            (Some(before), Some(now)) if before != now => {
                let code = format!("serial {} instead of {}", now.for_terminal(), before.for_terminal());
                Err((FailureClass::IdMismatch, code, None))
            }
            _ => Ok(()),
        }
    }

    fn select_for<B: UsbBoard>(
        &mut self,
        wire: &mut Wire<'_, B>,
        address: Address,
        length: u32,
    ) -> Result<(), StepFault> {
        let covering = self.layouts.iter().find(|(_, layout)| layout.covers(address, length));
        let alternate = covering.map_or(0, |(alternate, _)| *alternate);
        self.select(wire, alternate)
    }
}

/// The handle is of no use any more, whether or not the port already has a device again.
fn is_gone(error: &UsbError) -> bool {
    matches!(error.kind, UsbErrorKind::Disconnected | UsbErrorKind::NotFound)
}

pub(super) fn has_left<B: UsbBoard>(fault: &DfuFault, wire: &mut Wire<'_, B>) -> bool {
    match &fault.kind {
        FaultKind::Usb(error) => has_left_with(error, wire),
        FaultKind::Status { .. } | FaultKind::UnexpectedState(_) | FaultKind::Short { .. } => false,
    }
}

/// A reset in the middle of a request can look like any error of the bus.
pub(super) fn has_left_with<B: UsbBoard>(error: &UsbError, wire: &mut Wire<'_, B>) -> bool {
    const HUB_REPORT: Micros = Micros::from_millis(300);
    match error.kind {
        _ if is_gone(error) => true,
        UsbErrorKind::BusError | UsbErrorKind::Timeout | UsbErrorKind::Stall | UsbErrorKind::Other => {
            let span = HUB_REPORT.min(wire.remaining());
            wire.board().leaves_within(span)
        }
        _ => false,
    }
}
