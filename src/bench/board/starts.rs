//! Resets and starts: what the part runs once power or a reset is over.

use super::{RESET_TIME, State, VirtualBoard};
use crate::bench::attachment::{self, Attachment, BitClock};
use crate::bench::surroundings::{BootCourse, Runs};
use crate::bench::swd::clock_registers::ClockSetup;
use crate::bench::trace::Happening;
use crate::observation::units::Micros;
use crate::swd::reset_cause::ResetCause;

impl VirtualBoard {
    pub(in crate::bench) fn reset(&mut self, at: Micros, low_for: Micros, cause: ResetCause) {
        self.settle_debug(at);
        // Resets by software are those that the coprocessor or the ROM command themselves.
        if cause != ResetCause::Software {
            self.bootloader.cut_off_service();
        }
        self.debug.reset(cause);
        self.stop_program();
        self.state = State::Starting(at + low_for);
    }

    /// Nothing of what was going on outlives this.
    pub(super) fn stop_program(&mut self) {
        self.trace.note(self.around.at, Happening::Leaves);
        self.program.started = None;
        self.departure = None;
        self.tries.clear();
    }

    /// The port is without power from now on, for a while.
    pub(super) fn cut_power(&mut self, at: Micros, off_for: Micros, words: &str) -> State {
        self.kernel_log.push(words.to_owned());
        self.stop_program();
        self.power_ons += 1;
        self.cold = Some(off_for);
        State::Starting(at + off_for)
    }

    /// One start of the core.
    pub(super) fn boot(&mut self, at: Micros) {
        self.tick(at);
        if let Some(off) = self.cold.take() {
            self.fresh = true;
            self.around.powered_since = Some(at);
            self.hooks.iter_mut().for_each(|hook| hook.power_on(&self.around, off, &mut self.dice));
            self.debug.power_on();
        }
        let held = self.hooks.iter().filter_map(|hook| hook.holds_reset()).max();
        if let Some(until) = held.filter(|until| *until > at) {
            self.state = State::Starting(until);
            return;
        }
        self.rom_starts += 1;
        self.trace.note(at, Happening::Starts);
        let from_power_on = std::mem::take(&mut self.fresh);
        self.bootloader.load_options(from_power_on);
        let mut course = BootCourse {
            from_power_on,
            flash_is_blank: self.memory().flash_is_blank(),
            runs: self.bootloader.runs(from_power_on),
            ..BootCourse::default()
        };
        self.hooks.iter_mut().for_each(|hook| hook.boot(&self.around, &mut course, &mut self.dice));
        self.program.runs = course.runs;
        self.program.hsi_error = course.hsi_error;
        self.program.clocks = ClockSetup::Reset;
        if self.start_core(at) {
            self.state = State::Stopped(course);
        } else {
            self.run(at, course);
        }
    }

    /// The program begins: the ROM with its clock and its interfaces, or something else.
    pub(in crate::bench) fn run(&mut self, at: Micros, course: BootCourse) {
        self.program.runs = course.runs;
        self.hooks.iter_mut().for_each(|hook| hook.start(at, course.runs, &mut self.dice));
        let serial = self.rom().serial.serial(self.blueprint.uid, self.power_ons);
        self.bootloader.restart(&serial);
        self.state = self.begin(at + course.delay, &course);
    }

    fn begin(&mut self, started: Micros, course: &BootCourse) -> State {
        let rom = self.rom().clone();
        match course.runs {
            Runs::SomethingElse => {
                self.program.clocks = self.application_clocks();
                State::Dark
            }
            Runs::OtherInterface { pull_up: false, .. } | Runs::ServesNobody { pull_up: false } => State::Dark,
            Runs::OtherInterface { pull_up: true, .. } | Runs::ServesNobody { pull_up: true } => {
                let attachment = Attachment { clock: BitClock::EXACT, deaf: true };
                State::Connecting(started + rom.start_up + rom.usb_connect, attachment)
            }
            Runs::Restarts => State::Searching(started + rom.start_up),
            Runs::LosesPower { after, off_for, words } => self.cut_power(started + after, off_for, words),
            Runs::UsbBootloader => {
                let fitted_mhz = self.blueprint.crystal_mhz.unwrap_or(0.0);
                let tries = attachment::tries(&rom, fitted_mhz, course, started, &mut self.dice);
                self.tries = tries.unwrap_or_default().into();
                match self.tries.pop_front() {
                    Some(first) => {
                        self.program.clocks = first.setup;
                        State::Connecting(first.at, Attachment { clock: first.clock, deaf: false })
                    }
                    // No crystal in time: the ROM resets itself and tries again.
                    None => {
                        self.program.clocks = ClockSetup::WaitsForCrystal;
                        State::Searching(started + rom.start_up + rom.crystal_time_out.unwrap_or(RESET_TIME))
                    }
                }
            }
        }
    }

    fn application_clocks(&self) -> ClockSetup {
        match (self.blueprint.application_core_mhz, self.blueprint.crystal_mhz) {
            (Some(core_mhz), Some(fitted)) => {
                ClockSetup::Application { crystal_mhz: fitted.round().max(1.0) as u32, core_mhz }
            }
            _ => ClockSetup::Reset,
        }
    }
}
