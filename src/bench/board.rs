//! A virtual board: the ROM, its clocks and power, and the mechanisms around it. It is told the time and does no I/O.

mod coprocessor;
mod named;
mod requests;
mod starts;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

pub use named::NoSuchBoard;
pub use requests::{Answer, Reply};

use super::attachment::{Attachment, BitClock, Try};
use super::blueprint::{Blueprint, ProtectedArea};
use super::intervention::Intervention;
use super::mechanism::{Mechanism, SelfReset};
use super::rom::bootloader::{Bootloader, Departure};
use super::rom::memory::{KeptMemory, Memory};
use super::rom::protection::{Protection, ReadOut};
use super::rom::sheet::RomModel;
use super::rom::upgrade_service::{Kept, UpgradeService};
use super::surroundings::{BootCourse, Dice, Runs, Surroundings};
use super::swd::clock_registers::ClockSetup;
use super::swd::target::DebugTarget;
use super::trace::{Happening, Moment, Trace};
use super::wire::Pace;
use crate::observation::units::{Micros, Millivolts, Ppm};
use crate::swd::reset_cause::ResetCause;

#[derive(Debug)]
pub struct VirtualBoard {
    pub name: String,
    /// As the board was found.
    found: Blueprint,
    /// As it stands on the bench now.
    pub(super) blueprint: Blueprint,
    /// The ROM as its sheet says, whatever this board makes of it.
    sheet: RomModel,
    pub(super) bootloader: Bootloader,
    pub(super) hooks: Vec<Box<dyn Mechanism>>,
    pub(super) around: Surroundings,
    dice: Dice,
    pub(super) state: State,
    pub(super) program: Program,
    pub(super) debug: DebugTarget,
    /// Of the debug link alone, so that looking on does not change what USB meets.
    pub(super) debug_dice: Dice,
    /// The device leaves the bus then.
    departure: Option<(Micros, Departure)>,
    /// How else the ROM will try to attach if it is not found before.
    tries: VecDeque<Try>,
    off_since: Micros,
    /// Power came on after such a pause, and no hook has heard of it yet.
    cold: Option<Micros>,
    /// The next start is the first since power came on.
    fresh: bool,
    /// What the kernel of the host has logged about the port, not yet taken.
    kernel_log: Vec<String>,
    trace: Trace,
    power_ons: u32,
    /// Starts of the ROM, retries included; no link can see them.
    rom_starts: u32,
    lowest_supply: Millivolts,
}

/// The non-volatile state of a board; flash as far as it differs from the board's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptBoard {
    pub memory: KeptMemory,
    pub service: Option<Kept>,
}

/// What the part is doing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum State {
    Off,
    /// Reset ends then.
    Starting(Micros),
    /// A probe holds NRST low.
    HeldByProbe,
    /// The ROM gets no crystal and resets itself then.
    Searching(Micros),
    /// A debugger stopped the core at its first instruction.
    Stopped(BootCourse),
    /// The pull-up on D+ comes on then.
    Connecting(Micros, Attachment),
    OnBus(Attachment),
    /// The pair is open until then.
    Away(Micros, Attachment),
    /// Powered and not on USB.
    Dark,
}

/// The program that runs since the core last left reset.
#[derive(Clone, Copy, Debug)]
pub(super) struct Program {
    pub runs: Runs,
    /// Absent while the core is in reset.
    pub started: Option<Micros>,
    pub clocks: ClockSetup,
    pub hsi_error: Ppm,
}

/// From a reset that the part commands until it starts again; chosen.
pub(super) const RESET_TIME: Micros = Micros::from_millis(1);
/// A Linux host waits about this long after it has reset the bus, and sends frames meanwhile.
const FRAMES_BEFORE_REQUESTS: Micros = Micros::from_millis(40);
/// How long the pull-up is off between two crystal values that a ROM tries; chosen.
const BETWEEN_TRIES: Micros = Micros::from_millis(20);

/// A boot pin that is held to VDD.
const FIRM_HIGH_MV: f64 = 3_300.0;

impl VirtualBoard {
    fn new(name: String, blueprint: Blueprint, rom: RomModel, seed: u64) -> Self {
        let sheet = rom;
        let rom = blueprint.in_place_of(sheet.clone());
        let serial = rom.serial.serial(blueprint.uid, 1);
        let image_seed = u64::from(blueprint.uid[0]) << 32 | u64::from(blueprint.uid[1]);
        let mut memory = Memory::new(&rom, blueprint.application_bytes, image_seed);
        blueprint.set_option_bytes(&rom, &mut memory);
        let areas = |areas: &[ProtectedArea]| areas.iter().map(|area| (area.address, area.length_bytes)).collect();
        let protection = Protection {
            read_out: rom.option_layout.read_out(&memory).unwrap_or_default(),
            write_protected: areas(&blueprint.write_protected),
            execute_only: areas(&blueprint.execute_only),
        };
        let debug = DebugTarget::new(
            (*rom.silicon).clone(),
            blueprint.uid,
            protection.read_out != ReadOut::Level0,
            blueprint.swd.mechanism.clone(),
        );
        let has_service = rom.sheet.quirks.upgrade_service;
        let mut bootloader = Bootloader::new(rom, &serial, memory, protection);
        if has_service {
            bootloader = bootloader.with_coprocessor(blueprint.coprocessor.unwrap_or_default());
        }
        let attached = blueprint.swd.attached;
        let mut board = Self {
            name,
            hooks: blueprint.mechanism.clone().into_hooks(),
            found: blueprint.clone(),
            bootloader,
            blueprint,
            sheet,
            around: Surroundings::default(),
            dice: Dice::new(seed),
            state: State::Off,
            program: Program {
                runs: Runs::SomethingElse,
                started: None,
                clocks: ClockSetup::Reset,
                hsi_error: Ppm(0.0),
            },
            debug,
            debug_dice: Dice::new(seed.wrapping_add(0x5AD5)),
            departure: None,
            tries: VecDeque::new(),
            off_since: Micros::ZERO,
            cold: None,
            fresh: false,
            kernel_log: Vec::new(),
            trace: Trace::default(),
            power_ons: 0,
            rom_starts: 0,
            lowest_supply: Millivolts(f64::INFINITY),
        };
        if attached {
            board.attach_probe();
        }
        board
    }

    /// A debug probe is on the debug pins from now on.
    pub fn attach_probe(&mut self) {
        let nrst = self.blueprint.swd.nrst_wired;
        self.hooks.iter_mut().for_each(|hook| hook.probe_attached(nrst));
    }

    pub const fn blueprint(&self) -> &Blueprint {
        &self.blueprint
    }

    pub const fn rom(&self) -> &RomModel {
        self.bootloader.rom()
    }

    pub const fn memory(&self) -> &Memory {
        self.bootloader.memory()
    }

    pub const fn pace(&self) -> Pace {
        self.blueprint.host.pace()
    }

    pub const fn rom_starts(&self) -> u32 {
        self.rom_starts
    }

    /// Switches the board off and changes what stands on the bench; `None` puts everything back as it was found.
    pub fn rearrange(&mut self, at: Micros, change: Option<Intervention>) {
        self.power_off(at);
        let rom = self.sheet.clone();
        let blueprint = change.map_or_else(|| self.found.clone(), |change| change.applied(&self.found, &rom));
        let fresh = Self::new(self.name.clone(), blueprint, rom, 0);
        // Chance and time go on; what the old parts were in the middle of is gone with them.
        let around = Surroundings { at: self.around.at, ..fresh.around };
        *self = Self {
            found: self.found.clone(),
            around,
            dice: self.dice.clone(),
            debug_dice: self.debug_dice.clone(),
            off_since: self.off_since,
            power_ons: self.power_ons,
            rom_starts: self.rom_starts,
            trace: self.trace.clone(),
            ..fresh
        };
    }

    /// What a meter at the board shows, in volts; `None` for what is not modelled.
    pub fn meter(&self, quantity: &str) -> Option<f64> {
        let straps = self.blueprint.mechanism.straps;
        let millivolts = match quantity {
            "vdd-minimum" => Some(self.lowest_supply.0).filter(|lowest| lowest.is_finite()),
            "boot0-at-reset" => Some(straps.map_or(FIRM_HIGH_MV, |straps| straps.boot0_mv - straps.lag_mv)),
            "boot1-at-reset" => Some(straps.map_or(0.0, |straps| straps.boot1_mv)),
            _ => None,
        };
        millivolts.map(|millivolts| millivolts / 1e3)
    }

    pub fn power_on(&mut self, at: Micros) {
        if self.state != State::Off {
            return;
        }
        self.tick(at);
        self.around.powered_since = Some(at);
        self.power_ons += 1;
        self.cold = Some(at - self.off_since);
        self.state = State::Starting(at);
    }

    pub fn power_off(&mut self, at: Micros) {
        self.advance(at);
        self.bootloader.cut_off_service();
        self.around.powered_since = None;
        self.off_since = at;
        self.stop_program();
        self.state = State::Off;
    }

    /// Whether the pull-up of the device is seen on the port.
    pub fn is_attached(&mut self, at: Micros) -> bool {
        self.advance(at);
        matches!(self.state, State::OnBus(_))
    }

    /// When the board will next do something of itself.
    pub fn next_change(&self) -> Option<Micros> {
        let service = self.bootloader.service().and_then(UpgradeService::ends);
        self.own_change().into_iter().chain(service).min()
    }

    fn own_change(&self) -> Option<Micros> {
        let own = match self.state {
            State::Starting(at) | State::Searching(at) | State::Connecting(at, _) | State::Away(at, _) => Some(at),
            State::Off | State::HeldByProbe | State::Stopped(_) | State::OnBus(_) | State::Dark => None,
        };
        let leaves = self.departure.map(|(at, _)| at);
        let reset = self.next_reset().map(|reset| reset.at);
        let tries = self.tries.front().map(|next| next.at);
        own.into_iter().chain(leaves).chain(reset).chain(tries).filter(|at| *at < Micros(u64::MAX)).min()
    }

    /// From now on it is kept what the board goes through.
    pub fn trace(&mut self) {
        self.trace.begin();
    }

    pub fn traced(&self) -> &[Moment] {
        self.trace.moments()
    }

    /// What the kernel of the host has logged about the port since this was last asked.
    pub fn take_kernel_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.kernel_log)
    }

    /// Whether another program has the interface.
    pub fn is_interface_held(&mut self, at: Micros) -> bool {
        self.advance(at);
        self.blueprint.host.interface_held || self.around.interface_held
    }

    /// What the board keeps without power.
    pub fn kept(&self) -> KeptBoard {
        KeptBoard {
            memory: self.bootloader.memory().kept(),
            service: self.bootloader.service().map(UpgradeService::kept),
        }
    }

    /// The board as it was left by an earlier run.
    pub fn restore(&mut self, kept: &KeptBoard) {
        self.bootloader.restore(&kept.memory, kept.service);
    }

    /// The host resets the bus.
    pub fn bus_reset(&mut self) {
        self.bootloader.bus_reset();
        let frames_begun = self.around.at.saturating_sub(FRAMES_BEFORE_REQUESTS);
        if let State::OnBus(Attachment { clock: BitClock::Recovered { frames_since, .. }, .. }) = &mut self.state {
            *frames_since = frames_begun;
        }
    }

    /// Brings the board to this moment.
    pub(super) fn advance(&mut self, at: Micros) {
        loop {
            self.serve(at);
            if let Some(reset) = self.next_reset().filter(|reset| reset.at <= at) {
                self.reset(reset.at, reset.low_for, reset.cause);
            }
            if let Some((when, departure)) = self.departure.filter(|(when, _)| *when <= at) {
                self.departure = None;
                self.tries.clear();
                self.trace.note(when, Happening::Leaves);
                match departure {
                    Departure::Jump(_) => {
                        self.state = State::Dark;
                        self.program.runs = Runs::SomethingElse;
                    }
                    Departure::Reset => self.reset(when, RESET_TIME, ResetCause::Software),
                }
            }
            if let Some(next) = self.tries.front().copied().filter(|next| next.at <= at) {
                self.tries.pop_front();
                self.trace.note(next.at, Happening::Leaves);
                self.program.clocks = next.setup;
                let attachment = Attachment { clock: next.clock, deaf: false };
                self.state = State::Connecting(next.at + BETWEEN_TRIES, attachment);
            }
            match self.state {
                State::Starting(when) if when <= at => self.boot(when),
                State::Searching(when) if when <= at => self.reset(when, RESET_TIME, ResetCause::Software),
                State::Connecting(when, attachment) | State::Away(when, attachment) if when <= at => {
                    self.trace.note(when, Happening::Attaches);
                    self.state = State::OnBus(attachment);
                }
                _ => break,
            }
        }
        self.tick(at);
    }

    fn tick(&mut self, at: Micros) {
        let span = at - self.around.at;
        self.around.at = self.around.at.max(at);
        self.hooks.iter_mut().for_each(|hook| hook.time(&mut self.around, span, &mut self.dice));
        self.around.hsi48_recovers &= !self.rom().sheet.quirks.clock_not_recovered;
        if let State::OnBus(Attachment { clock, .. }) = self.state
            && let Some(recovery) = clock.recovery(&self.around)
        {
            self.program.clocks = ClockSetup::FromHsi48(recovery);
        }
        if self.around.powered_since.is_some() {
            self.note_supply();
        }
    }

    fn note_supply(&mut self) {
        self.lowest_supply = Millivolts(self.lowest_supply.0.min(self.around.supply.0));
    }

    /// A reset that the part or its board brings about while the core runs.
    fn next_reset(&self) -> Option<SelfReset> {
        self.program.started?;
        // Nothing has run yet that could reset or start a watchdog.
        if matches!(self.state, State::Stopped(_)) {
            return None;
        }
        self.hooks.iter().filter_map(|hook| hook.next_reset()).min_by_key(|reset| reset.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dfu::command;
    use crate::dfu::request::{ControlRequest, DataStage};

    #[test]
    fn every_built_in_board_reads_and_names_no_cause() {
        let names = VirtualBoard::names().unwrap();
        assert!(names.contains(&"healthy-f407".to_owned()));
        for name in names {
            let board = VirtualBoard::by_name(&name, 1).unwrap_or_else(|error| panic!("{error}"));
            assert!(board.blueprint.text.ends_with('.'), "{name}");
        }
    }

    #[test]
    fn an_unknown_board_gets_the_nearest_and_all_names() {
        let error = VirtualBoard::by_name("healty-f407", 1).unwrap_err().to_string();
        assert!(error.contains("did you mean `healthy-f407`?; there are: "), "{error}");
    }

    #[test]
    fn a_healthy_board_comes_up_at_the_time_of_its_rom_and_serves() {
        let mut board = VirtualBoard::by_name("healthy-f407", 1).unwrap();
        board.power_on(Micros::ZERO);
        assert!(!board.is_attached(Micros::from_millis(300)));
        assert!(board.is_attached(Micros::from_millis(330)));
        let answer = board.submit(Micros::from_millis(400), &command::get_status(0));
        assert_eq!(answer.reply, Reply::Data(vec![0, 0, 0, 0, 2, 0]));
        assert!(answer.ready_at > Micros::from_millis(400) && answer.ready_at < Micros::from_millis(402));
        board.power_off(Micros::from_secs(1));
        assert_eq!(board.submit(Micros::from_secs(1), &command::get_status(0)).reply, Reply::Gone);
    }

    #[test]
    fn the_same_seed_gives_the_same_board() {
        let run = |seed| {
            let mut board = VirtualBoard::by_name("f407-noisy-pair", seed).unwrap();
            board.power_on(Micros::ZERO);
            let at = |n: u64| Micros::from_millis(400 + 10 * n);
            (0..200).map(|n| board.submit(at(n), &command::get_string(4)).ready_at).collect::<Vec<_>>()
        };
        assert_eq!(run(5), run(5));
        assert_ne!(run(5), run(6));
    }

    #[test]
    fn a_board_that_leaves_is_gone_after_its_manifest() {
        let mut board = VirtualBoard::by_name("healthy-f407", 1).unwrap();
        board.power_on(Micros::ZERO);
        let leave = ControlRequest { data: DataStage::Out(Vec::new()), ..command::abort(0) };
        let leave = ControlRequest { request: command::DNLOAD, ..leave };
        board.submit(Micros::from_secs(1), &leave);
        board.submit(Micros::from_millis(1_010), &command::get_status(0));
        assert!(!board.is_attached(Micros::from_millis(1_100)));
        assert_eq!(board.next_change(), None, "the application has no USB");
    }
}
