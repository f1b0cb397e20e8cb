//! The transport of an SWD session: the one place through which every access passes, is checked, timed and recorded.

use crate::observation::permit::AlterPermit;
use crate::observation::request_text::RequestText;
use crate::observation::step::{ConnectMode, Touch, TransferRecord};
use crate::observation::units::{Address, Micros};
use crate::swd::option_sequence::OptionSequence;
use crate::swd::transaction::dp;
use crate::swd::whitelist::{self, TargetWrite};

use super::swd_probe::{Hidden, ProbeError, ProbeErrorKind, SwdProbe};

/// The two wires for the time of one step.
#[derive(Debug)]
pub struct SwdWire<'a, P> {
    probe: &'a mut P,
    touch: Touch,
    /// What an alteration may write beyond that, word by word.
    scope: Option<&'a OptionSequence>,
    /// The moment at which the step has to be over.
    until: Micros,
    accesses: Vec<TransferRecord>,
    written: Vec<TargetWrite>,
    repeats: u32,
}

/// What a step did on the wire.
#[derive(Debug, Default)]
pub struct Traffic {
    pub accesses: Vec<TransferRecord>,
    pub written: Vec<TargetWrite>,
    pub hidden: Hidden,
}

impl Traffic {
    /// What came after.
    pub fn append(&mut self, after: Self) {
        self.accesses.extend(after.accesses);
        self.written.extend(after.written);
        self.hidden.waits += after.hidden.waits;
        self.hidden.repeats += after.hidden.repeats;
        self.hidden.lines.extend(after.hidden.lines);
    }
}

impl<'a, P: SwdProbe> SwdWire<'a, P> {
    /// How often an access that failed on the wire is made again. Libraries repeat nothing but WAIT.
    const REPEATS: u32 = 2;

    pub fn new(probe: &'a mut P, touch: Touch, deadline: Micros) -> Self {
        probe.take_hidden();
        let until = probe.now() + deadline;
        Self { probe, touch, scope: None, until, accesses: Vec::new(), written: Vec::new(), repeats: 0 }
    }

    /// Under a permit, for one alteration: observing, and the words of its sequence.
    pub fn altering(probe: &'a mut P, _permit: &AlterPermit, scope: &'a OptionSequence, deadline: Micros) -> Self {
        Self { scope: Some(scope), ..Self::new(probe, Touch::Observe, deadline) }
    }

    /// For what reaches the probe only.
    pub fn probe(&mut self) -> &mut P {
        self.probe
    }

    pub fn into_traffic(self) -> Traffic {
        let mut hidden = self.probe.take_hidden();
        hidden.repeats += self.repeats;
        Traffic { accesses: self.accesses, written: self.written, hidden }
    }

    /// What is left of the step's deadline.
    pub fn remaining(&self) -> Micros {
        self.until - self.probe.now()
    }

    pub fn connect(&mut self, mode: ConnectMode) -> Result<u32, ProbeError> {
        if mode == ConnectMode::UnderReset {
            self.admit(TargetWrite::ResetLine { low: true })?;
        }
        self.timed(|| format!("connect {}", mode.name()), 4, |probe| probe.connect(mode))
    }

    pub fn disconnect(&mut self) -> Result<(), ProbeError> {
        self.timed(|| "disconnect".to_owned(), 0, P::disconnect)
    }

    pub fn read_dp(&mut self, address: u8, bank: u8) -> Result<u32, ProbeError> {
        self.repeated(|| format!("read DP 0x{address:X} bank {bank}"), 4, |probe| probe.read_dp(address, bank))
    }

    pub fn read_ap(&mut self, port: u8, address: u8) -> Result<u32, ProbeError> {
        self.repeated(|| format!("read AP {port} 0x{address:02X}"), 4, |probe| probe.read_ap(port, address))
    }

    pub fn read_word(&mut self, address: Address) -> Result<u32, ProbeError> {
        Ok(self.read_words(address, 1)?[0])
    }

    /// As many words as asked for, or an error.
    pub fn read_words(&mut self, address: Address, count: usize) -> Result<Vec<u32>, ProbeError> {
        let words = self.repeated(
            || format!("read {address}, {count} words"),
            count * 4,
            |probe| probe.read_words(address, count),
        )?;
        demand(words, count)
    }

    pub fn read_bytes(&mut self, address: Address, count: usize) -> Result<Vec<u8>, ProbeError> {
        let bytes = self.repeated(
            || format!("read {address}, {count} bytes"),
            count,
            |probe| probe.read_bytes(address, count),
        )?;
        demand(bytes, count)
    }

    /// Never made again of itself: a write may have arrived although its acknowledge did not.
    pub fn write_word(&mut self, address: Address, word: u32) -> Result<(), ProbeError> {
        let judged = whitelist::judged_by_bits(address);
        let before = if judged { Some(self.read_word(address)?) } else { None };
        self.admit(TargetWrite::Memory { address, before, word })?;
        self.timed(|| format!("write {address} = 0x{word:08X}"), 4, |probe| probe.write_word(address, word))
    }

    pub fn write_dp(&mut self, address: u8, word: u32) -> Result<(), ProbeError> {
        self.admit(TargetWrite::DebugPort { address, word })?;
        self.timed(|| format!("write DP 0x{address:X} = 0x{word:08X}"), 4, |probe| probe.write_dp(address, word))
    }

    pub fn write_ap(&mut self, port: u8, address: u8, word: u32) -> Result<(), ProbeError> {
        self.admit(TargetWrite::AccessPort { port, address, word })?;
        self.timed(
            || format!("write AP {port} 0x{address:02X} = 0x{word:08X}"),
            4,
            |probe| probe.write_ap(port, address, word),
        )
    }

    pub fn reset_line(&mut self, low: bool) -> Result<(), ProbeError> {
        self.admit(TargetWrite::ResetLine { low })?;
        self.timed(|| format!("NRST {}", if low { "low" } else { "released" }), 0, |probe| probe.reset_line(low))
    }

    fn admit(&mut self, write: TargetWrite) -> Result<(), ProbeError> {
        let in_scope = match (self.scope, write) {
            (Some(scope), TargetWrite::Memory { address, word, .. }) => scope.covers(address, word),
            _ => false,
        };
        if !in_scope && !whitelist::permits(self.touch, &write) {
            let needed = whitelist::needed(&write);
            let code = format!("{write:?} needs leave to {needed:?}; it was not sent");
            return Err(ProbeError::new(ProbeErrorKind::Unsupported, code));
        }
        self.written.push(write);
        Ok(())
    }

    /// A read that fails on the wire is made again, after the sticky flags are cleared, and that is counted.
    fn repeated<T>(
        &mut self,
        name: impl Fn() -> String,
        length_bytes: usize,
        access: impl Fn(&mut P) -> Result<T, ProbeError>,
    ) -> Result<T, ProbeError> {
        let mut left = Self::REPEATS;
        loop {
            match self.timed(&name, length_bytes, &access) {
                Err(error) if error.kind.may_pass() && left > 0 && self.remaining() > Micros::ZERO => {
                    left -= 1;
                    self.repeats += 1;
                    if self.write_dp(dp::ABORT, dp::CLEAR_STICKY).is_err() {
                        return Err(error);
                    }
                }
                outcome => return outcome,
            }
        }
    }

    fn timed<T>(
        &mut self,
        name: impl Fn() -> String,
        length_bytes: usize,
        access: impl FnOnce(&mut P) -> Result<T, ProbeError>,
    ) -> Result<T, ProbeError> {
        if self.remaining() == Micros::ZERO {
            return Err(ProbeError::new(ProbeErrorKind::UsbTimeout, "deadline of the step"));
        }
        let began = self.probe.now();
        let outcome = access(self.probe);
        self.accesses.push(TransferRecord {
            request: RequestText::new(name()),
            elapsed: self.probe.now() - began,
            length_bytes: if outcome.is_ok() { u32::try_from(length_bytes).unwrap_or(u32::MAX) } else { 0 },
            code: outcome.as_ref().err().map(|error| error.code.clone()),
        });
        outcome
    }
}

/// A library that returns less than it was asked for is not to be believed.
fn demand<T>(got: Vec<T>, count: usize) -> Result<Vec<T>, ProbeError> {
    if got.len() == count {
        return Ok(got);
    }
    let code = format!("{} of {count} came", got.len());
    Err(ProbeError::new(ProbeErrorKind::ProbeFault, code))
}
