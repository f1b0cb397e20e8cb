//! Physical mechanisms that make a board flaky, one file each. They know nothing of causes, phases or tools.

pub mod bit_clock;
pub mod bit_errors;
pub mod bursts;
pub mod crystal_start;
pub mod die_temperature;
pub mod flash_word;
pub mod hsi48;
pub mod interface_race;
pub mod internal_oscillator;
pub mod oddity;
pub mod packet_gap;
pub mod rail_level;
pub mod reset_pulses;
pub mod straps;
pub mod stuck_reset;
pub mod supply;
pub mod watchdog;

use std::fmt::Debug;

use serde::Deserialize;

use super::surroundings::{BootCourse, Dice, Disturbance, Draw, Packet, Runs, Surroundings};
use crate::observation::units::{Address, Micros};
use crate::swd::reset_cause::ResetCause;

/// Hooks, called in this order: time before everything, power and boot at the start, load and transfer for each
/// request, packet for each packet of it.
pub trait Mechanism: Debug + Send {
    /// Time has come to `around.at`; drifting quantities move on by `span`.
    fn time(&mut self, _around: &mut Surroundings, _span: Micros, _dice: &mut Dice) {}

    /// Power came on after having been off.
    fn power_on(&mut self, _around: &Surroundings, _off: Micros, _dice: &mut Dice) {}

    /// The core starts from reset.
    fn boot(&mut self, _around: &Surroundings, _course: &mut BootCourse, _dice: &mut Dice) {}

    /// What runs has been decided, and its first instruction is next.
    fn start(&mut self, _at: Micros, _runs: Runs, _dice: &mut Dice) {}

    /// A debugger stopped the core, or let it go on.
    fn halted(&mut self, _at: Micros, _halted: bool) {}

    /// The next reset that comes without anybody asking for it.
    fn next_reset(&self) -> Option<SelfReset> {
        None
    }

    /// Until when NRST is held low from outside the part.
    fn holds_reset(&self) -> Option<Micros> {
        None
    }

    /// Whether the supply is too low for the part to run at this moment.
    fn starves(&self, _around: &Surroundings) -> Option<ResetCause> {
        None
    }

    /// Current is drawn for `span`.
    fn load(&mut self, _around: &mut Surroundings, _draw: Draw, _span: Micros, _dice: &mut Dice) {}

    /// A request is on its way; `touches` is the memory it reaches.
    fn transfer(
        &mut self,
        _around: &Surroundings,
        _touches: Option<(Address, u32)>,
        _dice: &mut Dice,
    ) -> Option<Disturbance> {
        None
    }

    /// How likely it is that this packet is spoilt.
    fn packet(&self, _around: &Surroundings, _packet: &Packet<'_>) -> f64 {
        0.0
    }
}

/// A reset that a part or its board brings about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelfReset {
    pub at: Micros,
    pub low_for: Micros,
    pub cause: ResetCause,
}

/// The mechanisms of a board, as its file names them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Mechanisms {
    pub die_temperature: Option<die_temperature::DieTemperature>,
    pub internal_oscillator: Option<internal_oscillator::InternalOscillator>,
    pub crystal_start: Option<crystal_start::SlowCrystal>,
    pub hsi48: Option<hsi48::Hsi48>,
    pub bit_errors: Option<bit_errors::BitErrors>,
    pub bursts: Option<bursts::Bursts>,
    pub supply: Option<supply::Supply>,
    pub interface_race: Option<interface_race::InterfaceRace>,
    pub straps: Option<straps::Straps>,
    pub packet_gap: Option<packet_gap::PacketGap>,
    pub flash_word: Option<flash_word::FlashWord>,
    pub oddity: Option<oddity::Oddity>,
    pub watchdog: Option<watchdog::Watchdog>,
    pub reset_pulses: Option<reset_pulses::ResetPulses>,
    pub stuck_reset: Option<stuck_reset::StuckReset>,
    pub rail_level: Option<rail_level::RailLevel>,
}

/// A parameter that no board can have, or that contradicts another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` {why}")]
pub struct Impossible {
    /// As written in the file.
    pub key: &'static str,
    pub why: String,
}

impl Impossible {
    pub fn new(key: &'static str, why: impl Into<String>) -> Self {
        Self { key, why: why.into() }
    }

    /// Refuses what lies outside a range.
    pub fn unless_within(key: &'static str, value: f64, low: f64, high: f64, unit: &str) -> Result<(), Self> {
        if (low..=high).contains(&value) {
            return Ok(());
        }
        Err(Self::new(key, format!("is {value}{unit}; possible is {low} to {high}{unit}")))
    }
}

impl Mechanisms {
    /// Temperature first, because others follow it.
    pub fn into_hooks(self) -> Vec<Box<dyn Mechanism>> {
        fn hook<M: Mechanism + 'static>(mechanism: Option<M>) -> Option<Box<dyn Mechanism>> {
            mechanism.map(|mechanism| Box::new(mechanism) as Box<dyn Mechanism>)
        }
        let all = [
            hook(self.die_temperature.map(die_temperature::DieTemperature::hook)),
            hook(self.internal_oscillator),
            hook(self.crystal_start),
            hook(self.hsi48),
            hook(self.bit_errors),
            hook(self.bursts.map(bursts::Bursts::hook)),
            hook(self.supply.map(supply::Supply::hook)),
            hook(self.interface_race.map(interface_race::InterfaceRace::hook)),
            hook(self.straps),
            hook(self.packet_gap),
            hook(self.flash_word),
            hook(self.oddity.map(oddity::Oddity::hook)),
            hook(self.watchdog.map(watchdog::Watchdog::hook)),
            hook(self.reset_pulses.map(reset_pulses::ResetPulses::hook)),
            hook(self.stuck_reset.map(stuck_reset::StuckReset::hook)),
            hook(self.rail_level.map(rail_level::RailLevel::hook)),
        ];
        all.into_iter().flatten().collect()
    }

    pub fn check(&self) -> Result<(), Impossible> {
        self.die_temperature.as_ref().map_or(Ok(()), die_temperature::DieTemperature::check)?;
        self.internal_oscillator.as_ref().map_or(Ok(()), internal_oscillator::InternalOscillator::check)?;
        self.crystal_start.as_ref().map_or(Ok(()), crystal_start::SlowCrystal::check)?;
        self.hsi48.as_ref().map_or(Ok(()), hsi48::Hsi48::check)?;
        self.bit_errors.as_ref().map_or(Ok(()), bit_errors::BitErrors::check)?;
        self.bursts.as_ref().map_or(Ok(()), bursts::Bursts::check)?;
        self.supply.as_ref().map_or(Ok(()), supply::Supply::check)?;
        self.interface_race.as_ref().map_or(Ok(()), interface_race::InterfaceRace::check)?;
        self.straps.as_ref().map_or(Ok(()), straps::Straps::check)?;
        self.packet_gap.as_ref().map_or(Ok(()), packet_gap::PacketGap::check)?;
        self.oddity.as_ref().map_or(Ok(()), oddity::Oddity::check)?;
        self.watchdog.as_ref().map_or(Ok(()), watchdog::Watchdog::check)?;
        self.reset_pulses.as_ref().map_or(Ok(()), reset_pulses::ResetPulses::check)?;
        self.stuck_reset.as_ref().map_or(Ok(()), stuck_reset::StuckReset::check)?;
        self.rail_level.as_ref().map_or(Ok(()), rail_level::RailLevel::check)?;
        Ok(())
    }

    /// One sentence per mechanism with its figures.
    pub fn describe(&self) -> Vec<String> {
        let all = [
            self.die_temperature.as_ref().map(die_temperature::DieTemperature::describe),
            self.internal_oscillator.as_ref().map(internal_oscillator::InternalOscillator::describe),
            self.crystal_start.as_ref().map(crystal_start::SlowCrystal::describe),
            self.hsi48.as_ref().map(hsi48::Hsi48::describe),
            self.bit_errors.as_ref().map(bit_errors::BitErrors::describe),
            self.bursts.as_ref().map(bursts::Bursts::describe),
            self.supply.as_ref().map(supply::Supply::describe),
            self.interface_race.as_ref().map(interface_race::InterfaceRace::describe),
            self.straps.as_ref().map(straps::Straps::describe),
            self.packet_gap.as_ref().map(packet_gap::PacketGap::describe),
            self.flash_word.as_ref().map(flash_word::FlashWord::describe),
            self.oddity.as_ref().map(oddity::Oddity::describe),
            self.watchdog.as_ref().map(watchdog::Watchdog::describe),
            self.reset_pulses.as_ref().map(reset_pulses::ResetPulses::describe),
            self.stuck_reset.as_ref().map(stuck_reset::StuckReset::describe),
            self.rail_level.as_ref().map(rail_level::RailLevel::describe),
        ];
        all.into_iter().flatten().collect()
    }
}
