//! The debug pins of a virtual board: SWDIO and SWCLK by transactions, NRST, and the voltage that a probe measures.

use super::board::{RESET_TIME, State, VirtualBoard};
use super::mechanism::rail_level::POWER_DOWN;
use super::rom::upgrade_service::UpgradeService;
use super::surroundings::{BootCourse, Runs};
use super::swd::clock_registers;
use super::swd::core::Effect;
use super::swd::mechanism::probe_outage::Trouble;
use super::swd::setup::SwdSetup;
use super::swd::silicon::Silicon;
use super::swd::target::{Acknowledged, Condition};
use crate::observation::units::{Hertz, Micros, Millivolts};
use crate::swd::coprocessor_table::CoprocessorTable;
use crate::swd::reset_cause::ResetCause;
use crate::swd::transaction::{Request, Response};
use crate::swd::whitelist::TargetWrite;

/// What leaks back into a board without supply through the pins of the probe; some tenths of a volt, chosen.
const BACK_FEED: Millivolts = Millivolts(400.0);

impl VirtualBoard {
    /// One transaction on SWDIO and SWCLK.
    pub fn swd(&mut self, at: Micros, request: Request) -> Response {
        let acknowledged = self.swd_acknowledge(at, request);
        self.swd_carry_out(at, request, acknowledged)
    }

    /// The first half of a transaction: the request, and what the target says to it. A write needs no word yet.
    pub fn swd_acknowledge(&mut self, at: Micros, request: Request) -> Acknowledged {
        self.advance(at);
        self.starve(at);
        let condition = self.condition(at);
        self.debug.acknowledge(request, &condition, &mut self.debug_dice)
    }

    /// The second half: the word.
    pub fn swd_carry_out(&mut self, at: Micros, request: Request, acknowledged: Acknowledged) -> Response {
        let condition = self.condition(at);
        let memory = self.bootloader.memory();
        let (response, effect) = self.debug.carry_out(request, acknowledged, &condition, memory, &mut self.debug_dice);
        self.follow(at, effect);
        response
    }

    /// The parity of a written word did not fit.
    pub const fn swd_write_was_garbled(&mut self) {
        self.debug.write_was_garbled();
    }

    /// Fifty clocks with SWDIO high, and the switch from JTAG.
    pub fn swd_line_reset(&mut self, at: Micros) {
        self.advance(at);
        self.debug.line_reset();
    }

    /// The speed of SWCLK from now on.
    pub const fn set_swd_clock(&mut self, kilohertz: u32) {
        self.debug.set_clock(kilohertz);
    }

    /// The probe pulls NRST low or lets it go.
    pub fn nrst(&mut self, at: Micros, low: bool) {
        self.advance(at);
        if !self.blueprint().swd.nrst_wired || self.around.powered_since.is_none() {
            return;
        }
        self.debug.note(at, TargetWrite::ResetLine { low });
        if low {
            self.reset(at, Micros::ZERO, ResetCause::Pin);
            self.state = State::HeldByProbe;
        } else if self.state == State::HeldByProbe {
            self.state = State::Starting(at);
        }
    }

    /// What the probe's voltage input sees.
    pub fn target_voltage(&mut self, at: Micros) -> Millivolts {
        self.advance(at);
        if !self.blueprint().swd.vtref_wired {
            return Millivolts(0.0);
        }
        if self.around.powered_since.is_some() { self.around.supply } else { BACK_FEED }
    }

    pub const fn swd_setup(&self) -> &SwdSetup {
        &self.blueprint().swd
    }

    pub const fn silicon(&self) -> &Silicon {
        self.debug.silicon()
    }

    /// What happens to the probe's own link with the next command.
    pub fn probe_trouble(&mut self) -> Option<Trouble> {
        let usb = self.blueprint.swd.mechanism.probe_outage?;
        usb.command(&mut self.debug_dice)
    }

    /// From now on every write that reaches the target is kept.
    pub fn keep_write_log(&mut self) {
        self.debug.keep_log();
    }

    /// As after a wrong key: what guards the option registers opens only after a reset.
    pub fn jam_flash_control(&mut self) {
        self.debug.jam_flash_control();
    }

    pub fn write_log(&self) -> &[(Micros, TargetWrite)] {
        self.debug.log()
    }

    /// Whether a debugger has stopped the core.
    pub const fn is_halted(&self) -> bool {
        self.debug.is_halted()
    }

    /// What the core really runs at; what a measurement has to find.
    pub fn core_clock(&self) -> Hertz {
        clock_registers::core_clock(self.program.clocks, self.blueprint.crystal_mhz, self.program.hsi_error)
    }

    fn condition(&self, at: Micros) -> Condition {
        Condition {
            at,
            powered: self.around.powered_since.is_some() && self.around.supply.0 >= POWER_DOWN.0,
            supply: self.around.supply,
            started: self.program.started,
            runs: self.program.runs,
            clocks: self.program.clocks,
            core_clock: self.core_clock(),
            coprocessor: self.coprocessor_table(),
        }
    }

    /// The ROM starts the other core; a program of the bench does not.
    fn coprocessor_table(&self) -> Option<CoprocessorTable> {
        let rom_runs = self.program.started.is_some() && self.program.runs != Runs::SomethingElse;
        self.bootloader.service().filter(|_| rom_runs).map(UpgradeService::told)
    }

    pub(super) fn settle_debug(&mut self, at: Micros) {
        let condition = self.condition(at);
        self.debug.settle(&condition);
    }

    /// The core leaves reset; true if a debugger stopped it at its first instruction.
    pub(super) fn start_core(&mut self, at: Micros) -> bool {
        self.program.started = Some(at);
        let condition = self.condition(at);
        self.debug.start(&condition, self.bootloader.memory(), &mut self.debug_dice)
    }

    /// A supply that has fallen too low resets the part at the moment somebody looks.
    fn starve(&mut self, at: Micros) {
        if self.program.started.is_none() {
            return;
        }
        if let Some(cause) = self.hooks.iter().find_map(|hook| hook.starves(&self.around)) {
            self.reset(at, RESET_TIME, cause);
        }
    }

    fn follow(&mut self, at: Micros, effect: Effect) {
        match effect {
            Effect::Nothing => {}
            Effect::Halted => self.hooks.iter_mut().for_each(|hook| hook.halted(at, true)),
            Effect::Resumed => {
                self.hooks.iter_mut().for_each(|hook| hook.halted(at, false));
                if let State::Stopped(course) = self.state {
                    self.program.started = Some(at);
                    self.run(at, course);
                }
            }
            Effect::ResumedFrom(program_counter) => {
                let rom = program_counter & 0xFFFF_0000 == self.silicon().system_memory.0 & 0xFFFF_0000;
                let runs = if rom { Runs::UsbBootloader } else { Runs::SomethingElse };
                self.program.started = Some(at);
                self.run(at, BootCourse { runs, hsi_error: self.program.hsi_error, ..BootCourse::default() });
            }
            Effect::OptionsStored => {
                let stored = self.debug.take_stored_options();
                self.bootloader.store_options(&stored);
            }
            Effect::OptionsLoaded => self.reset(at, RESET_TIME, ResetCause::OptionByteLoad),
            Effect::SystemReset => self.reset(at, RESET_TIME, ResetCause::Software),
        }
    }
}
