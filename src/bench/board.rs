//! A virtual board: the ROM, its clocks and power, and the mechanisms around it. It is told the time and does no I/O.

mod coprocessor;

use std::collections::VecDeque;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::attachment::{self, Attachment, BitClock, Try};
use super::blueprint::{Blueprint, ProtectedArea};
use super::intervention::Intervention;
use super::mechanism::{Mechanism, SelfReset, bit_clock};
use super::rom::bootloader::{Bootloader, Departure, RomReply};
use super::rom::memory::{KeptMemory, Memory};
use super::rom::protection::{Protection, ReadOut};
use super::rom::sheet::RomModel;
use super::rom::upgrade_service::{Kept, UpgradeService};
use super::surroundings::{BootCourse, Dice, Direction, Disturbance, Draw, Packet, Runs, Surroundings};
use super::swd::clock_registers::ClockSetup;
use super::swd::target::DebugTarget;
use super::trace::{Happening, Moment, Trace};
use super::wire::{self, Pace};
use crate::dfu::request::{ControlRequest, DataStage};
use crate::observation::units::{Micros, Millivolts, Ppm};
use crate::profile::loader::{self, ProfileError};
use crate::profile::shelf;
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

/// How a control request ended on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// What came in; empty for requests to the device.
    Data(Vec<u8>),
    Stall,
    /// Three transaction errors in a row.
    Spoilt,
    /// NAK for as long as anyone asks.
    NoAnswer,
    /// The device is not on the bus any more.
    Gone,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub reply: Reply,
    pub ready_at: Micros,
}

/// The name fits no virtual board.
#[derive(Debug, thiserror::Error)]
pub enum NoSuchBoard {
    #[error("there is no virtual board `{name}`{}; there are: {all}", nearest.as_deref().map(|it| format!("; did you mean `{it}`?")).unwrap_or_default())]
    Unknown { name: String, nearest: Option<String>, all: String },
    #[error(transparent)]
    Profile(#[from] ProfileError),
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
    pub fn from_toml(file: &str, text: &str, seed: u64) -> Result<Self, ProfileError> {
        let (blueprint, rom) = Blueprint::parse(file, text)?;
        let name = Path::new(file).file_stem().map_or_else(|| file.to_owned(), |stem| stem.to_string_lossy().into());
        Ok(Self::new(name, blueprint, rom, seed))
    }

    /// A built-in board, one of the user's folder, or, where it looks like a path, a file.
    pub fn by_name(name: &str, seed: u64) -> Result<Self, NoSuchBoard> {
        let looks_like_a_path =
            name.contains(['/', '\\']) || Path::new(name).extension().is_some_and(|it| it == "toml");
        if looks_like_a_path {
            let text = std::fs::read_to_string(name)
                .map_err(|source| ProfileError::Unreadable { file: name.to_owned(), source })?;
            return Ok(Self::from_toml(name, &text, seed)?);
        }
        let sheets = shelf::sheets("benches")?;
        let Some(sheet) = sheets.iter().find(|sheet| sheet.name == name) else {
            let names: Vec<_> = sheets.iter().map(|sheet| sheet.name.as_str()).collect();
            let nearest = loader::nearest(name, names.iter().copied()).map(str::to_owned);
            return Err(NoSuchBoard::Unknown { name: name.to_owned(), nearest, all: names.join(", ") });
        };
        let mut board = Self::from_toml(&sheet.file, &sheet.text, seed)?;
        name.clone_into(&mut board.name);
        Ok(board)
    }

    /// The names of all boards on the shelf.
    pub fn names() -> Result<Vec<String>, ProfileError> {
        Ok(shelf::sheets("benches")?.into_iter().map(|sheet| sheet.name).collect())
    }

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
        Self {
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
        }
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

    pub(super) fn reset(&mut self, at: Micros, low_for: Micros, cause: ResetCause) {
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
    fn stop_program(&mut self) {
        self.trace.note(self.around.at, Happening::Leaves);
        self.program.started = None;
        self.departure = None;
        self.tries.clear();
    }

    /// The port is without power from now on, for a while.
    fn cut_power(&mut self, at: Micros, off_for: Micros, words: &str) -> State {
        self.kernel_log.push(words.to_owned());
        self.stop_program();
        self.power_ons += 1;
        self.cold = Some(off_for);
        State::Starting(at + off_for)
    }

    /// One start of the core.
    fn boot(&mut self, at: Micros) {
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
    pub(super) fn run(&mut self, at: Micros, course: BootCourse) {
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
            Runs::OtherInterface { pull_up: false } => State::Dark,
            Runs::OtherInterface { pull_up: true } => {
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

    /// One control request over the wire.
    pub fn submit(&mut self, at: Micros, request: &ControlRequest) -> Answer {
        self.advance(at);
        let State::OnBus(attachment) = self.state else { return Answer { reply: Reply::Gone, ready_at: at } };
        if attachment.deaf || self.debug.is_halted() {
            return Answer { reply: Reply::NoAnswer, ready_at: at };
        }
        let ask = |hook: &mut Box<dyn Mechanism>| hook.request(&self.around, request, &mut self.dice);
        if let Some(disturbance) = self.hooks.iter_mut().find_map(ask) {
            return self.disturb(at, disturbance, attachment);
        }
        let touches = self.bootloader.address_of(request);
        self.hooks.iter_mut().for_each(|hook| hook.load(&mut self.around, Draw::Traffic, wire::FRAME, &mut self.dice));
        self.note_supply();
        let disturb = |hook: &mut Box<dyn Mechanism>| hook.transfer(&self.around, touches, &mut self.dice);
        if let Some(disturbance) = self.hooks.iter_mut().find_map(disturb) {
            return self.disturb(at, disturbance, attachment);
        }
        let ready = |board: &mut Self, elapsed: Micros| at + elapsed + board.pace().wake_up(&mut board.dice);
        let outward = self.carry_outward(request, attachment);
        if outward.spoilt {
            return Answer { reply: Reply::Spoilt, ready_at: ready(self, outward.elapsed) };
        }
        let answer = self.bootloader.answer(at + outward.elapsed, request);
        if answer.flash_work > Micros::ZERO {
            let work = |hook: &mut Box<dyn Mechanism>| {
                hook.load(&mut self.around, Draw::FlashWork, answer.flash_work, &mut self.dice);
            };
            self.hooks.iter_mut().for_each(work);
        }
        let (reply, inward) = match answer.reply {
            RomReply::Hang => return self.disturb(at, Disturbance::Stuck, attachment),
            RomReply::Stall => (Reply::Stall, self.carry_inward(&[], attachment)),
            RomReply::Data(data) => {
                let inward = self.carry_inward(&data, attachment);
                (if inward.spoilt { Reply::Spoilt } else { Reply::Data(data) }, inward)
            }
        };
        let ready_at = ready(self, outward.elapsed + answer.busy + inward.elapsed);
        self.departure = answer.departure.map(|(after, departure)| (ready_at + after, departure)).or(self.departure);
        Answer { reply, ready_at }
    }

    fn disturb(&mut self, at: Micros, disturbance: Disturbance, attachment: Attachment) -> Answer {
        let (state, reply) = match disturbance {
            Disturbance::Reset => {
                let starved = self.hooks.iter().find_map(|hook| hook.starves(&self.around));
                self.reset(at, RESET_TIME, starved.unwrap_or(ResetCause::Pin));
                (self.state, Reply::Gone)
            }
            Disturbance::Stuck => (State::OnBus(Attachment { deaf: true, ..attachment }), Reply::NoAnswer),
            Disturbance::Unplugged { span } => (State::Away(at + span, attachment), Reply::Gone),
            Disturbance::PortDisabled { span, words } => {
                self.kernel_log.push(words.to_owned());
                (State::Away(at + span, attachment), Reply::Gone)
            }
            Disturbance::PowerCut { span, words } => (self.cut_power(at, span, words), Reply::Gone),
            Disturbance::Lost => (self.state, Reply::Spoilt),
        };
        if !matches!(state, State::OnBus(_)) {
            self.trace.note(at, Happening::Leaves);
        }
        self.state = state;
        Answer { reply, ready_at: at + wire::FRAME }
    }

    /// Set-up stage, and the data stage of requests to the device.
    fn carry_outward(&mut self, request: &ControlRequest, attachment: Attachment) -> wire::Carried {
        let set_up = set_up_packet(request);
        let first = Packet { direction: Direction::ToDevice, data: &set_up, place: 0 };
        let data: &[u8] = match &request.data {
            DataStage::Out(data) => data,
            DataStage::In(_) => &[],
        };
        let rest = (!data.is_empty()).then(|| wire::packets(Direction::ToDevice, data)).into_iter().flatten();
        self.carry(std::iter::once(first).chain(rest), attachment)
    }

    /// The data stage of requests to the host, and the status stage.
    fn carry_inward(&mut self, data: &[u8], attachment: Attachment) -> wire::Carried {
        let status = Packet { direction: Direction::ToHost, data: &[], place: 0 };
        let rest = (!data.is_empty()).then(|| wire::packets(Direction::ToHost, data)).into_iter().flatten();
        self.carry(rest.chain(std::iter::once(status)), attachment)
    }

    fn carry<'a>(&mut self, packets: impl Iterator<Item = Packet<'a>>, attachment: Attachment) -> wire::Carried {
        let (hooks, around) = (&self.hooks, &self.around);
        let chance = |packet: &Packet<'_>| {
            let by_clock = bit_clock::packet_error(attachment.clock.error(around), packet);
            let whole = hooks.iter().fold(1.0 - by_clock, |whole, hook| whole * (1.0 - hook.packet(around, packet)));
            1.0 - whole
        };
        self.blueprint.host.pace().carry(packets, chance, &mut self.dice)
    }
}

fn set_up_packet(request: &ControlRequest) -> [u8; 8] {
    let length = match &request.data {
        DataStage::In(length) => *length,
        DataStage::Out(data) => u16::try_from(data.len()).unwrap_or(u16::MAX),
    };
    let [value, index, length] = [request.value, request.index, length].map(u16::to_le_bytes);
    [request.request_type, request.request, value[0], value[1], index[0], index[1], length[0], length[1]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dfu::command;

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
