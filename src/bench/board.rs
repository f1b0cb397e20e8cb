//! A virtual board: the ROM, its clocks and power, and the mechanisms around it. It is told the time and does no I/O.

use std::path::Path;

use super::blueprint::Blueprint;
use super::intervention::Intervention;
use super::mechanism::{Mechanism, SelfReset, bit_clock};
use super::rom::bootloader::{Bootloader, Departure, RomReply};
use super::rom::memory::Memory;
use super::rom::protection::Protection;
use super::rom::sheet::{RomModel, UsbClock};
use super::surroundings::{BootCourse, Dice, Direction, Disturbance, Draw, Packet, Runs, Surroundings};
use super::swd::clock_registers::ClockSetup;
use super::swd::target::DebugTarget;
use super::wire::{self, Pace};
use crate::clock::detection::{DetectionClock, HseDetection, Standing};
use crate::clock::hsi48::{Recovery, Trim};
use crate::clock::start_up::in_time;
use crate::clock::usb_clock::usb_error;
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
    off_since: Micros,
    power_ons: u32,
    /// Starts of the ROM, retries included; no link can see them.
    rom_starts: u32,
    lowest_supply: Millivolts,
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

/// The clock that the ROM has found for USB.
struct FoundClock {
    settled: Micros,
    /// Deviation of the bit clock.
    error: Ppm,
    setup: ClockSetup,
}

/// How the part is connected while its pull-up is on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Attachment {
    /// Deviation of its bit clock.
    clock: Ppm,
    /// Nobody serves the requests that the USB block acknowledges.
    deaf: bool,
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
        let serial = rom.serial.serial(blueprint.uid, 1);
        let image_seed = u64::from(blueprint.uid[0]) << 32 | u64::from(blueprint.uid[1]);
        let memory = Memory::new(&rom, blueprint.application_bytes, image_seed);
        let write_protected = blueprint.write_protected.iter().map(|area| (area.address, area.length_bytes)).collect();
        let protection = Protection { read_out: blueprint.read_out_protected, write_protected };
        let debug = DebugTarget::new(
            (*rom.silicon).clone(),
            blueprint.uid,
            blueprint.read_out_protected,
            blueprint.swd.mechanism.clone(),
        );
        Self {
            name,
            hooks: blueprint.mechanism.clone().into_hooks(),
            bootloader: Bootloader::new(rom, &serial, memory, protection),
            found: blueprint.clone(),
            blueprint,
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
            off_since: Micros::ZERO,
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
        let rom = self.rom().clone();
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
        let off = at - self.off_since;
        self.hooks.iter_mut().for_each(|hook| hook.power_on(&self.around, off, &mut self.dice));
        self.debug.power_on();
        self.state = State::Starting(at);
    }

    pub fn power_off(&mut self, at: Micros) {
        self.advance(at);
        self.around.powered_since = None;
        self.off_since = at;
        self.departure = None;
        self.program.started = None;
        self.state = State::Off;
    }

    /// Whether the pull-up of the device is seen on the port.
    pub fn is_attached(&mut self, at: Micros) -> bool {
        self.advance(at);
        matches!(self.state, State::OnBus(_))
    }

    /// When the board will next do something of itself.
    pub fn next_change(&self) -> Option<Micros> {
        let own = match self.state {
            State::Starting(at) | State::Searching(at) | State::Connecting(at, _) | State::Away(at, _) => Some(at),
            State::Off | State::HeldByProbe | State::Stopped(_) | State::OnBus(_) | State::Dark => None,
        };
        let leaves = self.departure.map(|(at, _)| at);
        let reset = self.next_reset().map(|reset| reset.at);
        own.into_iter().chain(leaves).chain(reset).filter(|at| *at < Micros(u64::MAX)).min()
    }

    /// The host resets the bus.
    pub fn bus_reset(&mut self) {
        self.bootloader.bus_reset();
    }

    /// Brings the board to this moment.
    pub(super) fn advance(&mut self, at: Micros) {
        loop {
            if let Some(reset) = self.next_reset().filter(|reset| reset.at <= at) {
                self.reset(reset.at, reset.low_for, reset.cause);
            }
            if let Some((when, departure)) = self.departure.filter(|(when, _)| *when <= at) {
                self.departure = None;
                match departure {
                    Departure::Jump(_) => {
                        self.state = State::Dark;
                        self.program.runs = Runs::SomethingElse;
                    }
                    Departure::Reset => self.reset(when, RESET_TIME, ResetCause::Software),
                }
            }
            match self.state {
                State::Starting(when) if when <= at => self.boot(when),
                State::Searching(when) if when <= at => self.reset(when, RESET_TIME, ResetCause::Software),
                State::Connecting(when, attachment) | State::Away(when, attachment) if when <= at => {
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
        self.hooks.iter().filter_map(|hook| hook.next_reset()).min_by_key(|reset| reset.at)
    }

    pub(super) fn reset(&mut self, at: Micros, low_for: Micros, cause: ResetCause) {
        self.settle_debug(at);
        self.debug.reset(cause);
        self.program.started = None;
        self.departure = None;
        self.state = State::Starting(at + low_for);
    }

    /// One start of the core: what runs, and on which clock.
    fn boot(&mut self, at: Micros) {
        self.tick(at);
        let held = self.hooks.iter().filter_map(|hook| hook.holds_reset()).max();
        if let Some(until) = held.filter(|until| *until > at) {
            self.state = State::Starting(until);
            return;
        }
        self.rom_starts += 1;
        let mut course = BootCourse::default();
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
        let rom = self.bootloader.rom().clone();
        self.bootloader.restart(&rom.serial.serial(self.blueprint.uid, self.power_ons));
        let connected = at + rom.start_up + rom.usb_connect;
        self.state = match course.runs {
            Runs::SomethingElse => {
                self.program.clocks = self.application_clocks();
                State::Dark
            }
            Runs::OtherInterface { pull_up: false } => State::Dark,
            Runs::OtherInterface { pull_up: true } => {
                State::Connecting(connected, Attachment { clock: Ppm(0.0), deaf: true })
            }
            Runs::UsbBootloader => match self.usb_clock(&rom, &course) {
                Some(found) => {
                    self.program.clocks = found.setup;
                    State::Connecting(connected + found.settled, Attachment { clock: found.error, deaf: false })
                }
                // No crystal in time: the ROM resets itself and tries again.
                None => {
                    self.program.clocks = ClockSetup::WaitsForCrystal;
                    State::Searching(at + rom.start_up + rom.crystal_time_out.unwrap_or(RESET_TIME))
                }
            },
        };
    }

    fn application_clocks(&self) -> ClockSetup {
        match (self.blueprint.application_core_mhz, self.blueprint.crystal_mhz) {
            (Some(core_mhz), Some(fitted)) => {
                ClockSetup::Application { crystal_mhz: fitted.round().max(1.0) as u32, core_mhz }
            }
            _ => ClockSetup::Reset,
        }
    }

    /// How long the clock takes, how far off it then is, and what the ROM believes.
    fn usb_clock(&mut self, rom: &RomModel, course: &BootCourse) -> Option<FoundClock> {
        let fitted = self.blueprint.crystal_mhz.unwrap_or(0.0);
        let crystal = || {
            let time_out = rom.crystal_time_out.unwrap_or(Micros(u64::MAX));
            in_time(course.crystal_start, time_out).then_some(course.crystal_start?)
        };
        match &rom.clock {
            UsbClock::HseMeasured { detection_mhz } => {
                let settled = crystal()?;
                let clock = if *detection_mhz == 24 { DetectionClock::Mhz24 } else { DetectionClock::Mhz60 };
                let detection = HseDetection { clock, standing: Standing::Observed };
                let outcomes = detection.outcomes(fitted, course.hsi_error);
                let longer = self.dice.chance(outcomes.more_ticks_share);
                let believed = if longer { outcomes.more_ticks } else { outcomes.fewer_ticks };
                let setup = ClockSetup::FromCrystal { believed_mhz: believed.max(1) };
                Some(FoundClock { settled, error: usb_error(fitted, believed.max(1)), setup })
            }
            UsbClock::HseListed { accepted_mhz } => {
                let settled = crystal()?;
                let nearest = |a: &&f64, b: &&f64| (**a - fitted).abs().total_cmp(&(**b - fitted).abs());
                let believed = accepted_mhz.iter().min_by(nearest).copied().unwrap_or(fitted);
                let setup = ClockSetup::FromCrystal { believed_mhz: believed.round() as u32 };
                Some(FoundClock { settled, error: Ppm((fitted / believed - 1.0) * 1e6), setup })
            }
            UsbClock::Hse => {
                let setup = ClockSetup::FromCrystal { believed_mhz: fitted.round() as u32 };
                Some(FoundClock { settled: crystal()?, error: Ppm(0.0), setup })
            }
            UsbClock::LseLocked => {
                Some(FoundClock { settled: Micros::ZERO, error: Ppm(0.0), setup: ClockSetup::Reset })
            }
            UsbClock::Hsi48Recovered(trim) => {
                let trim = Trim { step: Ppm::from_percent(trim.step_percent), steps: trim.steps };
                let recovery = Recovery::of(course.hsi48_error, trim, course.hsi48_recovers);
                let setup = ClockSetup::FromHsi48(recovery);
                Some(FoundClock { settled: Micros::ZERO, error: recovery.error(), setup })
            }
        }
    }

    /// One control request over the wire.
    pub fn submit(&mut self, at: Micros, request: &ControlRequest) -> Answer {
        self.advance(at);
        let State::OnBus(attachment) = self.state else { return Answer { reply: Reply::Gone, ready_at: at } };
        if attachment.deaf || self.debug.is_halted() {
            return Answer { reply: Reply::NoAnswer, ready_at: at };
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
        };
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
            let by_clock = bit_clock::packet_error(attachment.clock, packet);
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
