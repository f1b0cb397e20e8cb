//! A session with a DFU board: how each step of a recipe is done over the wire, and what is learned on the way.

pub mod alter;
mod service;

use std::collections::BTreeMap;

use crate::dfu::command;
use crate::dfu::descriptors::{Configuration, DescriptorDefect, DeviceDescriptor, DfuFunctional, string_text};
use crate::dfu::layout::{Area, Layout, LayoutDefect};
use crate::dfu::operation::{DfuFault, ToIdle};
use crate::dfu::request::{UsbError, UsbErrorKind};
use crate::dfu::state::DfuState;
use crate::dfu::upload::{ReadAlternate, UploadRange};
use crate::observation::board::BoardIdentity;
use crate::observation::fact::{Fact, FactValue};
use crate::observation::failure::{DfuStand, FailureClass};
use crate::observation::field_text::FieldText;
use crate::observation::step::Step;
use crate::observation::units::Address;

use super::reference::References;
use super::usb_board::UsbBoard;
use super::wire::{Wire, not_dfuse};

/// Where the FUS of an STM32WB shows its state and its last error over DFU.
const FUS_STATE: Address = Address(0xffff_0054);

/// What is known of the board and of the session with it.
#[derive(Debug, Default)]
pub struct Session {
    identity: BoardIdentity,
    configuration: Option<Configuration>,
    /// By alternate setting.
    layouts: BTreeMap<u8, Layout>,
    /// The alternate setting that the device is known to be in.
    alternate: Option<u8>,
    /// The alternate setting that the current step works in.
    working_in: Option<u8>,
    strings_read: bool,
    /// What the current step has learned so far; kept even if it fails.
    learned: Vec<Fact>,
    /// What ranges held before they were altered.
    saved: BTreeMap<Address, Vec<u8>>,
    references: References,
}

/// Why a step failed, before it is known when.
pub type StepFault = (FailureClass, String, Option<Address>);

impl Session {
    pub fn identity(&self) -> &BoardIdentity {
        &self.identity
    }

    /// What was learned since this was last asked.
    pub fn take_learned(&mut self) -> Vec<Fact> {
        std::mem::take(&mut self.learned)
    }

    /// Where the current step stands.
    pub fn stand(&self, state: Option<DfuState>) -> DfuStand {
        let named = |alternate| Some((alternate, self.layouts.get(&alternate)?.name.clone()));
        DfuStand { alternate: self.working_in.and_then(named), state: state.map(|state| state.to_string()) }
    }

    /// What a new boot may change; what the memory held before stays, for comparison.
    pub fn forget_boot(&mut self) {
        self.configuration = None;
        self.layouts.clear();
        self.alternate = None;
        self.strings_read = false;
    }

    pub fn perform<B: UsbBoard>(&mut self, step: &Step, wire: &mut Wire<'_, B>) -> Result<(), StepFault> {
        self.working_in = None;
        match step {
            Step::Enumerate => self.enumerate(wire),
            Step::Open => {
                wire.board().close();
                wire.board().open().map_err(usb)
            }
            Step::Claim => {
                self.alternate = None;
                let interface = self.interface();
                wire.board().claim(interface).map_err(usb)
            }
            Step::Descriptors => self.descriptors(wire),
            Step::Layout => self.read_layouts(wire),
            Step::Status => self.status(wire),
            Step::Read { address, length_bytes, transfer_bytes } => {
                self.read(wire, *address, *length_bytes, *transfer_bytes)
            }
            Step::OptionBytes => self.read_area(wire, Area::OptionBytes, "option-bytes"),
            Step::Otp => self.read_area(wire, Area::Otp, "otp"),
            Step::FusState => {
                self.prepare(wire)?;
                let upload = UploadRange::new(self.interface(), FUS_STATE, 2, 2);
                let bytes = wire.run(upload).map_err(|fault| dfu(&fault))?;
                self.learn("fus-state", FactValue::Bytes(bytes));
                Ok(())
            }
            Step::Save { address, length_bytes } => self.save(wire, *address, *length_bytes),
            Step::Verify { address, data } => self.verify(wire, *address, data),
            Step::Alter(alteration) => self.alter(alteration, wire),
            Step::Close => {
                wire.board().close();
                self.alternate = None;
                Ok(())
            }
            Step::Wait { span } => {
                let span = (*span).min(wire.remaining());
                wire.board().wait(span);
                Ok(())
            }
            Step::OpenProbe
            | Step::TargetVoltage
            | Step::Speed { .. }
            | Step::Connect { .. }
            | Step::Identify
            | Step::RegisterFacts
            | Step::ClearResetFlags
            | Step::EnterRom
            | Step::CoreClock { .. }
            | Step::Disconnect
            | Step::Reset { .. } => {
                let code = format!("`{}` is a step of a debug probe, not of DFU", step.phase());
                Err((FailureClass::BadArguments, code, None))
            }
        }
    }

    fn enumerate<B: UsbBoard>(&mut self, wire: &mut Wire<'_, B>) -> Result<(), StepFault> {
        wire.board().close();
        self.alternate = None;
        let remaining = wire.remaining();
        let seen = wire.board().arrive(remaining).map_err(|error| match error.kind {
            UsbErrorKind::NotFound | UsbErrorKind::Timeout | UsbErrorKind::Disconnected => {
                (FailureClass::NotEnumerated, error.code, None)
            }
            _ => usb(error),
        })?;
        let known = &mut self.identity;
        known.port = seen.port.or(known.port.take());
        known.speed = seen.speed.or(known.speed);
        known.vendor_id = seen.vendor_id.or(known.vendor_id);
        known.product_id = seen.product_id.or(known.product_id);
        known.bcd_device = seen.bcd_device.or(known.bcd_device);
        known.product = seen.product.or(known.product.take());
        if let Some(serial) = seen.serial {
            self.note_serial(serial);
        }
        Ok(())
    }

    fn learn(&mut self, key: &str, value: FactValue) {
        self.learned.push(Fact::measured(key, value));
    }

    /// Another serial number is another board as far as anyone can tell, so that earlier data is no reference for it.
    fn note_serial(&mut self, serial: FieldText) {
        if self.identity.serial.as_ref() == Some(&serial) {
            return;
        }
        self.references.forget();
        self.learn("serial", FactValue::Text(serial.clone()));
        self.identity.serial = Some(serial);
    }

    fn interface(&self) -> u8 {
        let settings = self.configuration.iter().flat_map(Configuration::dfu_settings);
        settings.map(|setting| setting.interface).next().unwrap_or(0)
    }

    fn descriptors<B: UsbBoard>(&mut self, wire: &mut Wire<'_, B>) -> Result<(), StepFault> {
        let request = command::get_descriptor(command::DESCRIPTOR_DEVICE, 0, 0, DeviceDescriptor::LENGTH_BYTES);
        let bytes = wire.control(&request).map_err(usb)?;
        let device = DeviceDescriptor::parse(&bytes).map_err(|defect| malformed("device descriptor", defect))?;
        self.identity.vendor_id = Some(device.vendor_id);
        self.identity.product_id = Some(device.product_id);
        self.identity.bcd_device = Some(device.bcd_device);
        let request = command::get_descriptor(command::DESCRIPTOR_CONFIGURATION, 0, 0, Configuration::ASKED_BYTES);
        let bytes = wire.control(&request).map_err(usb)?;
        let configuration =
            Configuration::parse(&bytes).map_err(|defect| malformed("configuration descriptor", defect))?;
        self.learn("bcd-device", text(format!("0x{:04X}", device.bcd_device)));
        let defect = configuration.defects.first().copied();
        if let Some(functional) = configuration.functional {
            self.learn("transfer-size", FactValue::Number(functional.transfer_bytes.into()));
        }
        self.configuration = Some(configuration);
        if !self.strings_read {
            self.read_strings(wire, &device)?;
        }
        defect.map_or(Ok(()), |defect| Err(malformed("configuration descriptor", defect)))
    }

    fn read_strings<B: UsbBoard>(
        &mut self,
        wire: &mut Wire<'_, B>,
        device: &DeviceDescriptor,
    ) -> Result<(), StepFault> {
        if device.product_index != 0 {
            self.identity.product = Some(string(wire, device.product_index)?);
        }
        if device.serial_index != 0 {
            let serial = string(wire, device.serial_index)?;
            self.note_serial(serial);
        }
        self.strings_read = true;
        Ok(())
    }

    fn read_layouts<B: UsbBoard>(&mut self, wire: &mut Wire<'_, B>) -> Result<(), StepFault> {
        let settings: Vec<_> = self.known_configuration(wire)?.dfu_settings().copied().collect();
        self.layouts.clear();
        for setting in settings.iter().filter(|setting| setting.string_index != 0) {
            let layout = Layout::parse(&string(wire, setting.string_index)?);
            self.learn("layout", FactValue::Text(layout.raw.clone()));
            if let Some(defect) = layout.defects.first() {
                self.learn("layout-defect", text(format!("{} {}", layout.name.raw(), defect.meaning())));
            }
            self.layouts.insert(setting.alternate, layout);
        }
        self.identity.layouts = self.layouts.values().map(|layout| layout.raw.clone()).collect();
        let unusable = |defect: &&LayoutDefect| matches!(defect, LayoutDefect::NoAtSign | LayoutDefect::NoGroup);
        match self.layouts.values().flat_map(|layout| &layout.defects).find(unusable) {
            Some(defect) => {
                let code = format!("a layout string {}", defect.meaning());
                Err((FailureClass::MalformedDescriptor, code, None))
            }
            None => Ok(()),
        }
    }

    fn status<B: UsbBoard>(&mut self, wire: &mut Wire<'_, B>) -> Result<(), StepFault> {
        for met in wire.run(ToIdle::new(self.interface())).map_err(|fault| dfu(&fault))? {
            self.learn("dfu-status-met", text(format!("{} in {}", met.status, met.state)));
        }
        Ok(())
    }

    fn read<B: UsbBoard>(
        &mut self,
        wire: &mut Wire<'_, B>,
        address: Address,
        length_bytes: u32,
        transfer_bytes: Option<u16>,
    ) -> Result<(), StepFault> {
        let own = self.prepare(wire)?.transfer_bytes;
        let covering = self.layouts.iter().find(|(_, layout)| layout.covers(address, length_bytes));
        let alternate = covering.map_or(0, |(alternate, _)| *alternate);
        self.select(wire, alternate)?;
        let transfer_bytes = transfer_bytes.map_or(own, |wanted| wanted.min(own));
        let upload = UploadRange::new(self.interface(), address, length_bytes, transfer_bytes);
        let bytes = wire.run(upload).map_err(|fault| dfu(&fault))?;
        self.learn("flash-digest", text(format!("{address}+{length_bytes}: crc32 {:08x}", checksum(&bytes))));
        self.compare(address, &bytes)
    }

    /// Reads every alternate setting of a kind. A part without that memory has nothing to read, which is no failure.
    fn read_area<B: UsbBoard>(&mut self, wire: &mut Wire<'_, B>, area: Area, key: &str) -> Result<(), StepFault> {
        let transfer_bytes = self.prepare(wire)?.transfer_bytes;
        let interface = self.interface();
        let wanted: Vec<_> = self
            .layouts
            .iter()
            .filter(|(_, layout)| layout.area() == area)
            .map(|(alternate, layout)| (*alternate, ReadAlternate::new(interface, layout, transfer_bytes)))
            .collect();
        // All groups together, so that a part with two areas tells the same each time.
        let mut whole = Vec::new();
        for (alternate, reading) in wanted {
            self.select(wire, alternate)?;
            for block in wire.run(reading).map_err(|fault| dfu(&fault))? {
                self.compare(block.address, &block.bytes)?;
                whole.extend(block.bytes);
            }
        }
        if !whole.is_empty() {
            self.learn(key, FactValue::Bytes(whole));
        }
        Ok(())
    }

    /// Makes sure that the device speaks DfuSe and that its memory is known, whatever the recipe left out.
    fn prepare<B: UsbBoard>(&mut self, wire: &mut Wire<'_, B>) -> Result<DfuFunctional, StepFault> {
        let functional = self.known_configuration(wire)?.functional;
        if self.layouts.is_empty() {
            self.read_layouts(wire)?;
        }
        match functional {
            Some(functional) if functional.is_dfuse() => Ok(functional),
            other => {
                let (_, code, _) = dfu(&not_dfuse(other.and_then(|functional| functional.version)));
                Err((FailureClass::UnexpectedState, code, None))
            }
        }
    }

    fn known_configuration<B: UsbBoard>(&mut self, wire: &mut Wire<'_, B>) -> Result<&Configuration, StepFault> {
        if self.configuration.is_none() {
            self.descriptors(wire)?;
        }
        Ok(self.configuration.as_ref().expect("reading the descriptors fills it in"))
    }

    fn select<B: UsbBoard>(&mut self, wire: &mut Wire<'_, B>, alternate: u8) -> Result<(), StepFault> {
        self.select_alternate(wire, alternate).map_err(usb)
    }

    fn select_alternate<B: UsbBoard>(&mut self, wire: &mut Wire<'_, B>, alternate: u8) -> Result<(), UsbError> {
        self.working_in = Some(alternate);
        if self.alternate != Some(alternate) {
            wire.set_alternate(self.interface(), alternate)?;
            self.alternate = Some(alternate);
        }
        Ok(())
    }

    fn compare(&mut self, address: Address, bytes: &[u8]) -> Result<(), StepFault> {
        let compared = self.references.compare(address, bytes);
        compared.map_err(|(place, mismatch)| (FailureClass::DataMismatch, mismatch.to_string(), Some(place)))
    }
}

fn string<B: UsbBoard>(wire: &mut Wire<'_, B>, number: u8) -> Result<FieldText, StepFault> {
    let bytes = wire.control(&command::get_string(number)).map_err(usb)?;
    string_text(&bytes).map_err(|defect| malformed("string descriptor", defect))
}

fn usb(error: UsbError) -> StepFault {
    (error.kind.class(), error.code, None)
}

fn dfu(fault: &DfuFault) -> StepFault {
    (fault.class(), fault.code(), fault.address)
}

fn malformed(what: &str, defect: DescriptorDefect) -> StepFault {
    (FailureClass::MalformedDescriptor, format!("{what} is {}", defect.meaning()), None)
}

fn text(value: String) -> FactValue {
    FactValue::Text(FieldText::new(value))
}

/// Enough to tell whether two reads are the same.
pub fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
