//! A session with a target on SWD: how each step of a recipe is done over the wires, and what is learned on the way.

use std::collections::BTreeMap;

use crate::observation::alteration::Payload;
use crate::observation::board::BoardIdentity;
use crate::observation::fact::{Fact, FactValue};
use crate::observation::failure::FailureClass;
use crate::observation::field_text::FieldText;
use crate::observation::step::{ConnectMode, ResetKind, Step};
use crate::observation::units::{Address, Micros};
use crate::profile::device::{Device, SerialKind};
use crate::profile::read_protection::ReadProtection;
use crate::swd::core_debug::{AIRCR, SYSRESETREQ};

use super::core_clock;
use super::core_watch;
use super::mismatch::Mismatch;
use super::reference::References;
use super::rom_entry;
use super::session::alter::SAVED;
use super::session::checksum;
use super::swd_coprocessor;
use super::swd_probe::{ProbeError, ProbeIdentity, SwdProbe};
use super::swd_registers;
use super::swd_target::{self, KnownTarget};
use super::swd_wire::SwdWire;

/// What is known of the target and of the session with it.
#[derive(Debug, Default)]
pub struct SwdSession {
    identity: BoardIdentity,
    target: Option<KnownTarget>,
    connected: bool,
    /// We stopped the core, and let it go on at disconnect.
    halted: bool,
    /// NRST is low because we pull it.
    reset_held: bool,
    learned: Vec<Fact>,
    /// What registers held before they were altered.
    saved: BTreeMap<Address, Vec<u8>>,
    references: References,
}

/// Why a step failed, before it is known when.
#[derive(Debug)]
pub struct SwdFault {
    pub class: FailureClass,
    pub code: String,
    pub address: Option<Address>,
    /// The probe has to be opened again.
    pub reopen: bool,
}

impl From<ProbeError> for SwdFault {
    fn from(error: ProbeError) -> Self {
        Self { class: error.kind.class(), code: error.code, address: None, reopen: error.kind.needs_reopening() }
    }
}

impl SwdFault {
    pub fn new(class: FailureClass, code: impl Into<String>) -> Self {
        Self { class, code: code.into(), address: None, reopen: false }
    }

    fn at(self, address: Address) -> Self {
        Self { address: Some(address), ..self }
    }
}

/// Below this no STM32 runs (OpenOCD warns there too).
const LEAST_VOLTS: f64 = 1.65;
/// How long NRST is pulled low.
const RESET_PULSE: Micros = Micros::from_millis(20);
/// What is read at once where the recipe does not say.
const USUAL_BLOCK_BYTES: u32 = 1024;

impl SwdSession {
    pub fn identity(&self) -> &BoardIdentity {
        &self.identity
    }

    /// What was learned since this was last asked.
    pub fn take_learned(&mut self) -> Vec<Fact> {
        std::mem::take(&mut self.learned)
    }

    /// What a new boot may change.
    pub fn forget_boot(&mut self) {
        self.connected = false;
        self.halted = false;
        self.reset_held = false;
    }

    pub fn perform<P: SwdProbe>(&mut self, step: &Step, wire: &mut SwdWire<'_, P>) -> Result<(), SwdFault> {
        match step {
            Step::OpenProbe => self.open(wire),
            Step::TargetVoltage => self.voltage(wire),
            Step::Speed { kilohertz } => {
                let set = wire.probe().set_speed(*kilohertz)?;
                self.learn("swd-speed-khz", FactValue::Number(set.into()));
                Ok(())
            }
            Step::Connect { mode } => self.connect(wire, *mode),
            Step::Identify => self.identify(wire),
            Step::Read { address, length_bytes, transfer_bytes } => {
                let block = transfer_bytes.map_or(USUAL_BLOCK_BYTES, u32::from);
                self.read(wire, *address, *length_bytes, block)
            }
            Step::OptionBytes => self.option_registers(wire),
            Step::Otp => self.otp(wire),
            Step::Save { address, length_bytes } => self.save(wire, *address, *length_bytes),
            Step::Verify { address, data } => self.verify(wire, *address, data),
            Step::FusState => {
                let target = self.known(wire)?;
                swd_coprocessor::read(wire, &target, &mut self.learned)
            }
            Step::RegisterFacts => {
                let target = self.known(wire)?;
                swd_registers::read(wire, &target, &mut self.learned)
            }
            Step::ClearResetFlags => {
                let target = self.known(wire)?;
                swd_registers::clear_reset_flags(wire, &target)
            }
            Step::EnterRom => {
                let target = self.known(wire)?;
                rom_entry::enter(wire, &target)
            }
            Step::CoreClock { span } => core_clock::measure(wire, *span, &mut self.learned),
            Step::Disconnect => self.disconnect(wire),
            Step::Reset { kind } => reset(wire, *kind),
            Step::Close => {
                wire.probe().close();
                self.forget_boot();
                Ok(())
            }
            Step::Wait { span } => {
                let span = (*span).min(wire.remaining());
                wire.probe().wait(span);
                Ok(())
            }
            Step::Enumerate
            | Step::Open
            | Step::Claim
            | Step::Descriptors
            | Step::Layout
            | Step::Status
            | Step::Alter(_) => {
                let code = format!("`{}` is a step of DFU, not of a debug probe", step.phase());
                Err(SwdFault::new(FailureClass::BadArguments, code))
            }
        }
    }

    fn learn(&mut self, key: &str, value: FactValue) {
        self.learned.push(Fact::measured(key, value));
    }

    fn open<P: SwdProbe>(&mut self, wire: &mut SwdWire<'_, P>) -> Result<(), SwdFault> {
        wire.probe().close();
        self.forget_boot();
        let remaining = wire.remaining();
        wire.probe().arrive(remaining)?;
        let ProbeIdentity { name, serial, firmware, .. } = wire.probe().open()?;
        self.learn("probe", FactValue::Text(name));
        for (key, value) in [("probe-serial", serial), ("probe-firmware", firmware)] {
            if let Some(value) = value {
                self.learn(key, FactValue::Text(value));
            }
        }
        Ok(())
    }

    fn voltage<P: SwdProbe>(&mut self, wire: &mut SwdWire<'_, P>) -> Result<(), SwdFault> {
        let Some(measured) = wire.probe().target_voltage()? else { return Ok(()) };
        let volts = measured.0 / 1e3;
        self.learn("target-voltage", FactValue::Volts(volts));
        if volts < LEAST_VOLTS {
            return Err(SwdFault::new(FailureClass::LowVoltage, measured.to_string()));
        }
        Ok(())
    }

    fn connect<P: SwdProbe>(&mut self, wire: &mut SwdWire<'_, P>, mode: ConnectMode) -> Result<(), SwdFault> {
        self.reset_held = mode == ConnectMode::UnderReset;
        let taken = wire.connect(mode).map_err(SwdFault::from).and_then(|identity| {
            self.connected = true;
            self.learn("dp-identity", hex(identity));
            self.take_hold(wire, mode)
        });
        if taken.is_err() {
            self.withdraw(wire);
        }
        self.reset_held = false;
        taken
    }

    fn take_hold<P: SwdProbe>(&mut self, wire: &mut SwdWire<'_, P>, mode: ConnectMode) -> Result<(), SwdFault> {
        match mode {
            ConnectMode::Hotplug => core_watch::look(wire),
            ConnectMode::Normal => {
                core_watch::look(wire)?;
                self.halted = true;
                core_watch::halt(wire)
            }
            ConnectMode::UnderReset => {
                self.halted = true;
                core_watch::catch_reset(wire)
            }
        }
    }

    /// Leaves the target alone after a connection that did not come about. The error that matters is the one before.
    fn withdraw<P: SwdProbe>(&mut self, wire: &mut SwdWire<'_, P>) {
        if self.reset_held {
            let _ = wire.reset_line(false);
        }
        if std::mem::take(&mut self.halted) {
            let _ = core_watch::let_go(wire);
        }
        if std::mem::take(&mut self.connected) {
            let _ = wire.disconnect();
        }
    }

    fn disconnect<P: SwdProbe>(&mut self, wire: &mut SwdWire<'_, P>) -> Result<(), SwdFault> {
        if std::mem::take(&mut self.halted) {
            core_watch::let_go(wire)?;
        }
        self.connected = false;
        Ok(wire.disconnect()?)
    }

    fn identify<P: SwdProbe>(&mut self, wire: &mut SwdWire<'_, P>) -> Result<(), SwdFault> {
        let found = swd_target::find(wire)?;
        for (key, word) in [("ap-identity", found.access_port), ("cpuid", found.core)] {
            self.learn(key, hex(word));
        }
        self.learn("dev-id", FactValue::Number(found.target.dev_id.into()));
        self.learn("rev-id", text(format!("0x{:04X}", found.revision)));
        if let Some(kb) = found.flash_kb {
            self.learn("flash-kb", FactValue::Number(kb.into()));
        }
        if let Some(uid) = found.unique_id {
            self.learn("uid", text(uid.map(|word| format!("{word:08X}")).join(" ")));
            self.note_serial(serial_of(found.target.device.as_deref(), uid));
        }
        let before = self.identity.dev_id.replace(found.target.dev_id);
        let now = found.target.dev_id;
        self.target = Some(found.target);
        match before.filter(|before| *before != now) {
            Some(before) => {
                let code = format!("DEV_ID 0x{now:03X} instead of 0x{before:03X}");
                Err(SwdFault::new(FailureClass::IdMismatch, code))
            }
            None => Ok(()),
        }
    }

    /// The target as it was identified, or identified now.
    fn known<P: SwdProbe>(&mut self, wire: &mut SwdWire<'_, P>) -> Result<KnownTarget, SwdFault> {
        if self.target.is_none() {
            self.identify(wire)?;
        }
        Ok(self.target.clone().expect("identifying fills it in"))
    }

    /// Another serial number is another board, so that earlier data is no reference for it.
    fn note_serial(&mut self, serial: String) {
        let serial = FieldText::from(serial);
        if self.identity.serial.as_ref() != Some(&serial) {
            self.references.forget();
            self.learn("serial", FactValue::Text(serial.clone()));
            self.identity.serial = Some(serial);
        }
    }

    fn read<P: SwdProbe>(
        &mut self,
        wire: &mut SwdWire<'_, P>,
        address: Address,
        length_bytes: u32,
        block_bytes: u32,
    ) -> Result<(), SwdFault> {
        let block_bytes = (block_bytes / 4 * 4).max(4);
        let mut bytes = Vec::with_capacity(length_bytes as usize);
        for offset in (0..length_bytes).step_by(block_bytes as usize) {
            let at = Address(address.0 + offset);
            let length = block_bytes.min(length_bytes - offset);
            let block = read_block(wire, at, length).map_err(|fault| {
                let fault = located(wire, at, length, fault);
                self.explained(wire, fault)
            })?;
            bytes.extend(block);
        }
        self.learn("flash-digest", text(format!("{address}+{length_bytes}: crc32 {:08x}", checksum(&bytes))));
        self.compare(address, &bytes)
    }

    /// A fault of a part that is protected against reading is the protection at work.
    fn explained<P: SwdProbe>(&mut self, wire: &mut SwdWire<'_, P>, fault: SwdFault) -> SwdFault {
        if fault.class != FailureClass::SwdFault {
            return fault;
        }
        let Some(target) = self.target.clone() else { return fault };
        match target.read_protection(wire) {
            Some(level) if level > ReadProtection::Level0 => {
                let code = format!("{}; read-out protection level {level}", fault.code);
                SwdFault { class: FailureClass::Protected, code, ..fault }
            }
            _ => fault,
        }
    }

    fn option_registers<P: SwdProbe>(&mut self, wire: &mut SwdWire<'_, P>) -> Result<(), SwdFault> {
        let target = self.known(wire)?;
        let mut bytes = Vec::new();
        for register in target.option_registers() {
            let word = twice(wire, register, |wire| Ok(wire.read_word(register)?))?;
            self.learn(swd_registers::OPTION_REGISTER, text(format!("{register} 0x{word:08X}")));
            self.compare(register, &word.to_le_bytes())?;
            bytes.extend(word.to_le_bytes());
        }
        if !bytes.is_empty() {
            self.learn("option-registers", FactValue::Bytes(bytes));
        }
        Ok(())
    }

    fn save<P: SwdProbe>(
        &mut self,
        wire: &mut SwdWire<'_, P>,
        address: Address,
        length_bytes: u32,
    ) -> Result<(), SwdFault> {
        let bytes = twice(wire, address, |wire| read_block(wire, address, length_bytes))?;
        self.saved.insert(address, bytes.clone());
        self.learn(SAVED, FactValue::Bytes(bytes));
        Ok(())
    }

    /// A controller may take a word and keep the old one.
    fn verify<P: SwdProbe>(
        &mut self,
        wire: &mut SwdWire<'_, P>,
        address: Address,
        wanted: &Payload,
    ) -> Result<(), SwdFault> {
        let read = twice(wire, address, |wire| read_block(wire, address, wanted.len_bytes()))?;
        match differs(address, wanted.bytes(), &read) {
            Ok(()) => Ok(()),
            Err(fault) if self.saved.get(&address) == Some(&read) => {
                let code = "nothing was refused, and it holds what it held before".to_owned();
                Err(SwdFault { class: FailureClass::WriteProtected, code, ..fault })
            }
            Err(fault) => Err(SwdFault { class: FailureClass::VerifyFailed, ..fault }),
        }
    }

    /// The target that an alteration is about; what was read of it before is no reference any more.
    pub fn altered<P: SwdProbe>(&mut self, wire: &mut SwdWire<'_, P>) -> Result<KnownTarget, SwdFault> {
        self.references.forget();
        self.known(wire)
    }

    /// A part without OTP has nothing to read, which is no failure.
    fn otp<P: SwdProbe>(&mut self, wire: &mut SwdWire<'_, P>) -> Result<(), SwdFault> {
        let target = self.known(wire)?;
        let mut whole = Vec::new();
        for (address, length_bytes) in target.otp_areas() {
            let bytes = twice(wire, address, |wire| read_block(wire, address, length_bytes))?;
            self.compare(address, &bytes)?;
            whole.extend(bytes);
        }
        if !whole.is_empty() {
            self.learn("otp", FactValue::Bytes(whole));
        }
        Ok(())
    }

    fn compare(&mut self, address: Address, bytes: &[u8]) -> Result<(), SwdFault> {
        let compared = self.references.compare(address, bytes);
        compared.map_err(|(place, mismatch)| SwdFault::new(FailureClass::DataMismatch, mismatch.to_string()).at(place))
    }
}

fn reset<P: SwdProbe>(wire: &mut SwdWire<'_, P>, kind: ResetKind) -> Result<(), SwdFault> {
    match kind {
        ResetKind::Nrst => {
            wire.reset_line(true)?;
            wire.probe().wait(RESET_PULSE);
            Ok(wire.reset_line(false)?)
        }
        ResetKind::Software => Ok(wire.write_word(AIRCR, SYSRESETREQ)?),
    }
}

/// Whole words where the address allows it, bytes for the rest; never half-words, which one driver reads wrongly in blocks.
fn read_block<P: SwdProbe>(
    wire: &mut SwdWire<'_, P>,
    address: Address,
    length_bytes: u32,
) -> Result<Vec<u8>, SwdFault> {
    let words = if address.0.is_multiple_of(4) { length_bytes / 4 } else { 0 };
    let mut bytes = Vec::with_capacity(length_bytes as usize);
    if words > 0 {
        bytes.extend(wire.read_words(address, words as usize)?.into_iter().flat_map(u32::to_le_bytes));
    }
    let rest = length_bytes - 4 * words;
    if rest > 0 {
        bytes.extend(wire.read_bytes(Address(address.0 + 4 * words), rest as usize)?);
    }
    Ok(bytes)
}

/// A block tells only that something in it faults, so it is halved until one word is left. Where that does not fault again, it is the block.
fn located<P: SwdProbe>(wire: &mut SwdWire<'_, P>, at: Address, length_bytes: u32, fault: SwdFault) -> SwdFault {
    if fault.class != FailureClass::SwdFault || fault.reopen {
        return fault.at(at);
    }
    let (mut word, mut words) = (at, length_bytes / 4);
    while words > 1 {
        let half = words / 2;
        if wire.read_words(word, half as usize).is_err() {
            words = half;
        } else {
            word = Address(word.0 + 4 * half);
            words -= half;
        }
    }
    if wire.read_word(word).is_err() { fault.at(word) } else { fault.at(at) }
}

/// Parity sees one wrong bit and not two, so that what matters is read again.
pub fn twice<P: SwdProbe, T: AsBytes + PartialEq>(
    wire: &mut SwdWire<'_, P>,
    address: Address,
    read: impl Fn(&mut SwdWire<'_, P>) -> Result<T, SwdFault>,
) -> Result<T, SwdFault> {
    let first = read(wire).map_err(|fault| fault.at(address))?;
    let second = read(wire).map_err(|fault| fault.at(address))?;
    differs(address, &first.as_bytes(), &second.as_bytes())?;
    Ok(second)
}

/// What can be compared byte by byte.
pub trait AsBytes {
    fn as_bytes(&self) -> Vec<u8>;
}

impl AsBytes for u32 {
    fn as_bytes(&self) -> Vec<u8> {
        self.to_le_bytes().to_vec()
    }
}

impl AsBytes for Vec<u8> {
    fn as_bytes(&self) -> Vec<u8> {
        self.clone()
    }
}

fn differs(address: Address, first: &[u8], again: &[u8]) -> Result<(), SwdFault> {
    let Some(mismatch) = Mismatch::between(first, again) else { return Ok(()) };
    let place = Address(address.0.wrapping_add(mismatch.at as u32));
    Err(SwdFault::new(FailureClass::DataMismatch, mismatch.to_string()).at(place))
}

/// The serial number that the ROM bootloader of this part shows, so that both links name the board alike.
fn serial_of(device: Option<&Device>, uid: [u32; 3]) -> String {
    match device.and_then(|device| device.serial.as_ref()).map(|rule| rule.kind) {
        Some(SerialKind::UidSum) => format!("{:08X}{:04X}", uid[0].wrapping_add(uid[2]), uid[1] >> 16),
        _ => uid.map(|word| format!("{word:08X}")).concat(),
    }
}

fn hex(word: u32) -> FactValue {
    text(format!("0x{word:08X}"))
}

fn text(text: impl Into<FieldText>) -> FactValue {
    FactValue::Text(text.into())
}
