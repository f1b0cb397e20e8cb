//! The debug side of one part: what a transaction on SWDIO and SWCLK brings about.

use std::collections::BTreeMap;

use super::bus::BoardBus;
use super::clock_registers::ClockSetup;
use super::core::{CoreDebug, CoreNow, Effect};
use super::debug_port::{DebugPort, Readiness};
use super::flash_control::FlashControl;
use super::mechanism::{Refusal, Scene, Spoilt, Stance, SwdMechanism, SwdMechanisms};
use super::mem_ap::{MemoryPort, Reach};
use super::reset_flags::ResetFlags;
use super::silicon::{Mirror, Silicon};
use crate::bench::rom::memory::Memory;
use crate::bench::rom::serial::Uid;
use crate::bench::surroundings::{Dice, Runs};
use crate::observation::units::{Address, Hertz, Micros, Millivolts};
use crate::swd::coprocessor_table::CoprocessorTable;
use crate::swd::reset_cause::ResetCause;
use crate::swd::transaction::{Ack, Port, Request, Response};
use crate::swd::whitelist::TargetWrite;

/// The rest of the board as it is at this moment.
#[derive(Clone, Copy, Debug)]
pub struct Condition {
    pub at: Micros,
    pub powered: bool,
    pub supply: Millivolts,
    /// When the core left reset; absent while it is in reset.
    pub started: Option<Micros>,
    pub runs: Runs,
    pub clocks: ClockSetup,
    pub core_clock: Hertz,
    /// What the other core of a WB keeps in shared RAM, once the ROM has started it.
    pub coprocessor: Option<CoprocessorTable>,
}

/// What was decided about a transaction when its request came.
#[derive(Clone, Copy, Debug)]
pub struct Acknowledged {
    pub ack: Ack,
    /// How many bits of the word will arrive inverted.
    flipped_bits: u32,
    stance: Stance,
}

#[derive(Debug)]
pub struct DebugTarget {
    silicon: Silicon,
    uid: Uid,
    read_protected: bool,
    port: DebugPort,
    memory_port: MemoryPort,
    core: CoreDebug,
    flags: ResetFlags,
    written: BTreeMap<u32, u32>,
    flash_control: Option<FlashControl>,
    hooks: Vec<Box<dyn SwdMechanism>>,
    kilohertz: u32,
    log: Option<Vec<(Micros, TargetWrite)>>,
}

/// DBG_SLEEP, DBG_STOP and DBG_STANDBY.
const KEEPS_CLOCKS: u32 = 7;
/// Where the program is does not stand still.
const PROGRAM_BYTES: u64 = 0x800;

impl DebugTarget {
    pub fn new(silicon: Silicon, uid: Uid, read_protected: bool, mechanisms: SwdMechanisms) -> Self {
        let family = silicon.family;
        Self {
            uid,
            read_protected,
            port: DebugPort::new(family.debug_port, 0),
            memory_port: MemoryPort::new(&family),
            core: CoreDebug::new(family.core, family.cycle_counter),
            flags: ResetFlags::default(),
            written: BTreeMap::new(),
            flash_control: silicon.flash_control.map(FlashControl::new),
            hooks: mechanisms.into_hooks(),
            kilohertz: 1_000,
            log: None,
            silicon,
        }
    }

    pub const fn silicon(&self) -> &Silicon {
        &self.silicon
    }

    pub const fn is_halted(&self) -> bool {
        self.core.is_halted()
    }

    pub const fn set_clock(&mut self, kilohertz: u32) {
        self.kilohertz = kilohertz;
    }

    /// From now on every write that reaches the target is kept.
    pub fn keep_log(&mut self) {
        self.log.get_or_insert_default();
    }

    pub fn log(&self) -> &[(Micros, TargetWrite)] {
        self.log.as_deref().unwrap_or_default()
    }

    pub fn note(&mut self, at: Micros, write: TargetWrite) {
        if let Some(log) = &mut self.log {
            log.push((at, write));
        }
    }

    pub fn power_on(&mut self) {
        self.port.power_on_reset();
        self.core.power_on_reset();
        self.flags.power_on();
        self.forget_written();
    }

    /// The part is reset; the debug domain only if its supply gave way.
    pub fn reset(&mut self, cause: ResetCause) {
        if matches!(cause, ResetCause::PowerOn | ResetCause::BrownOut) {
            self.port.power_on_reset();
            self.core.power_on_reset();
        }
        self.flags.note(cause);
        self.forget_written();
    }

    pub fn jam_flash_control(&mut self) {
        if let Some(control) = &mut self.flash_control {
            control.jam();
        }
    }

    fn forget_written(&mut self) {
        self.written.clear();
        if let Some(control) = &mut self.flash_control {
            control.reset();
        }
    }

    /// Fields that were stored through the flash controller since this was last asked, with their values.
    pub fn take_stored_options(&mut self) -> Vec<(String, u32)> {
        let stored = self.flash_control.as_mut().map(FlashControl::take_stored).unwrap_or_default();
        let value = |mirror: &Mirror| {
            let word = stored.get(&mirror.register.0)?;
            let ones = u32::MAX >> (32 - u32::from(mirror.bits).clamp(1, 32));
            Some((mirror.name.clone(), word >> mirror.register_bit & ones))
        };
        self.silicon.option_fields.iter().filter_map(value).collect()
    }

    /// The core leaves reset and runs, or stops at its first instruction, which is told.
    pub fn start(&mut self, condition: &Condition, memory: &Memory, dice: &mut Dice) -> bool {
        let vectors =
            if condition.runs == Runs::SomethingElse { self.silicon.flash_start } else { self.silicon.system_memory };
        let word = |at: u32| {
            let bytes = memory.read(Address(at), 4);
            bytes.and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
        };
        self.core.settle(&self.now(condition, false));
        let caught = self.core.start(word(vectors.0), word(vectors.0 + 4));
        let scene = self.scene(condition);
        self.hooks.iter_mut().for_each(|hook| hook.start(&scene, dice));
        caught
    }

    /// Brings the counters of the core to this moment, before what it runs at changes.
    pub fn settle(&mut self, condition: &Condition) {
        self.core.settle(&self.now(condition, false));
    }

    pub const fn line_reset(&mut self) {
        self.port.line_reset();
    }

    /// What the target answers to the eight bits of a request, before any word moves.
    pub fn acknowledge(&mut self, request: Request, condition: &Condition, dice: &mut Dice) -> Acknowledged {
        let scene = self.scene(condition);
        let mut stance = Stance::default();
        self.hooks.iter_mut().for_each(|hook| hook.stance(&scene, &mut stance, dice));
        let silent = Acknowledged { ack: Ack::None, flipped_bits: 0, stance };
        if !condition.powered || !stance.pins {
            return silent;
        }
        let flipped_bits = match self.hooks.iter_mut().find_map(|hook| hook.wire(&scene, &request, dice)) {
            Some(Spoilt::NoAcknowledge) => return silent,
            Some(Spoilt::Bits(bits)) => bits,
            None => 0,
        };
        let memory = self.port.memory_access(&request);
        let reached = memory.then(|| self.memory_port.reaches(self.port.register(request.address)));
        let refusal = self.hooks.iter_mut().find_map(|hook| hook.refuse(&scene, reached, dice));
        let ready = Readiness { debug_power: stance.debug_power, bus: stance.bus };
        // A flag that is up already comes before what the bus would say.
        let ack = match (self.port.acknowledge(&request, ready), refusal) {
            (Ack::Ok, Some(Refusal::Wait)) => self.port.wait(),
            (Ack::Ok, Some(Refusal::Fault)) => self.port.fault(),
            (ack, _) => ack,
        };
        Acknowledged { ack, flipped_bits, stance }
    }

    /// The word of a request that was acknowledged, and what it does to the rest of the board.
    pub fn carry_out(
        &mut self,
        request: Request,
        acknowledged: Acknowledged,
        condition: &Condition,
        memory: &Memory,
        dice: &mut Dice,
    ) -> (Response, Effect) {
        let Acknowledged { ack, flipped_bits, stance } = acknowledged;
        if ack != Ack::Ok {
            return (Response::refused(ack), Effect::Nothing);
        }
        if flipped_bits == 0 {
            return self.perform(request, condition, stance, memory);
        }
        let detected = flipped_bits % 2 == 1;
        match request.write {
            Some(_) if detected => {
                self.port.write_was_garbled();
                (Response::acknowledged(), Effect::Nothing)
            }
            Some(word) => {
                let garbled = Request { write: Some(flip(word, flipped_bits, dice)), ..request };
                self.perform(garbled, condition, stance, memory)
            }
            None => {
                let (response, effect) = self.perform(request, condition, stance, memory);
                let data = response.data.map(|word| flip(word, flipped_bits, dice));
                (Response { data, parity_fits: !detected, ..response }, effect)
            }
        }
    }

    pub const fn write_was_garbled(&mut self) {
        self.port.write_was_garbled();
    }

    fn perform(
        &mut self,
        request: Request,
        condition: &Condition,
        stance: Stance,
        memory: &Memory,
    ) -> (Response, Effect) {
        self.log_port_write(condition.at, &request);
        let now = self.now(condition, stance.asleep);
        let mut bus = BoardBus {
            silicon: &self.silicon,
            uid: self.uid,
            memory,
            written: &mut self.written,
            flash_control: self.flash_control.as_mut(),
            core: &mut self.core,
            now,
            clocks: condition.clocks,
            runs: condition.runs,
            coprocessor: condition.coprocessor,
            flags: &mut self.flags,
            read_protected: self.read_protected,
            effect: Effect::Nothing,
            log: self.log.as_mut(),
        };
        let mut reach = Reach { port: &mut self.memory_port, bus: &mut bus };
        let response = self.port.carry_out(request, stance.debug_power, &mut reach);
        let effect = bus.effect;
        (response, effect)
    }

    /// Writes of memory are logged where they happen; these are the ones of the ports themselves.
    fn log_port_write(&mut self, at: Micros, request: &Request) {
        let Some(word) = request.write else { return };
        let write = match request.port {
            Port::Debug => TargetWrite::DebugPort { address: request.address, word },
            Port::Access if self.port.memory_access(request) => return,
            Port::Access => {
                TargetWrite::AccessPort { port: self.port.port(), address: self.port.register(request.address), word }
            }
        };
        self.note(at, write);
    }

    fn scene(&self, condition: &Condition) -> Scene {
        let low_power = self.written.get(&(self.silicon.idcode.0 + 4)).copied().unwrap_or(0);
        Scene {
            at: condition.at,
            supply: condition.supply,
            started: condition.started,
            runs: condition.runs,
            halted: self.core.is_halted(),
            kept_awake: low_power & KEEPS_CLOCKS != 0,
            kilohertz: self.kilohertz,
        }
    }

    fn now(&self, condition: &Condition, asleep: bool) -> CoreNow {
        let base = if condition.runs == Runs::SomethingElse {
            self.silicon.flash_start.0 + 0x0300
        } else {
            self.silicon.system_memory.0 + 0x0400
        };
        CoreNow {
            at: condition.at,
            clock: condition.core_clock,
            in_reset: condition.started.is_none(),
            asleep,
            program_counter: base + (condition.at.0 * 14 % PROGRAM_BYTES) as u32,
        }
    }
}

/// A word with so many different bits inverted.
fn flip(word: u32, bits: u32, dice: &mut Dice) -> u32 {
    let first = (dice.share() * 32.0) as u32 % 32;
    (0..bits).fold(word, |word, n| word ^ 1 << ((first + n) % 32))
}
