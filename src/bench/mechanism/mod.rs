//! Physical mechanisms that make a board flaky, one file each. They know nothing of causes, phases or tools.

pub mod application_loader;
pub mod bit_clock;
pub mod bit_errors;
pub mod blank_flash_latch;
pub mod bursts;
pub mod controller;
pub mod core_capacitor;
pub mod crystal_dropout;
pub mod crystal_start;
pub mod die_temperature;
pub mod flash_word;
pub mod hsi48;
pub mod hub_port;
pub mod idle_suspend;
pub mod interface_race;
pub mod internal_oscillator;
pub mod oddity;
pub mod option_mismatch;
pub mod other_program;
pub mod packet_gap;
pub mod product_state;
pub mod rail_level;
pub mod reset_pulses;
pub mod software_jump;
pub mod straps;
pub mod stuck_reset;
pub mod supply;
pub mod supply_dip;
pub mod supply_limit;
pub mod usb_pin_supply;
pub mod vbus_sense;
pub mod watchdog;

use std::fmt::Debug;

use schemars::JsonSchema;
use serde::Deserialize;

use super::surroundings::{BootCourse, Dice, Disturbance, Draw, Packet, Runs, Surroundings};
use crate::dfu::request::ControlRequest;
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

    /// A debug probe was attached to the board; `nrst` says that its wire to NRST is there, which holds the pin.
    fn probe_attached(&mut self, _nrst: bool) {}

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

    /// A request is on its way, before anything else happens to it.
    fn request(&mut self, _around: &Surroundings, _request: &ControlRequest, _dice: &mut Dice) -> Option<Disturbance> {
        None
    }

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

/// Lists the mechanisms once. Each kind of figures has `check`, `describe` and `hook`.
macro_rules! mechanisms {
    ($($name:ident: $figures:ty),+ $(,)?) => {
        /// The mechanisms of a board, as its file names them.
        #[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
        pub struct Mechanisms {
            $(pub $name: Option<$figures>,)+
        }

        impl Mechanisms {
            /// In the order of the list, so that what others follow comes first.
            pub fn into_hooks(self) -> Vec<Box<dyn Mechanism>> {
                let mut hooks: Vec<Box<dyn Mechanism>> = Vec::new();
                $(if let Some(figures) = self.$name {
                    hooks.push(Box::new(figures.hook()));
                })+
                hooks
            }

            pub fn check(&self) -> Result<(), Impossible> {
                $(if let Some(figures) = &self.$name {
                    figures.check().map_err(|impossible| impossible.of(stringify!($name)))?;
                })+
                Ok(())
            }

            /// One sentence per mechanism with its figures.
            pub fn describe(&self) -> Vec<String> {
                let mut sentences = Vec::new();
                $(if let Some(figures) = &self.$name {
                    sentences.push(figures.describe());
                })+
                sentences
            }
        }
    };
}

mechanisms! {
    die_temperature: die_temperature::DieTemperature,
    internal_oscillator: internal_oscillator::InternalOscillator,
    crystal_start: crystal_start::SlowCrystal,
    crystal_dropout: crystal_dropout::CrystalDropout,
    hsi48: hsi48::Hsi48,
    usb_pin_supply: usb_pin_supply::UsbPinSupply,
    bit_errors: bit_errors::BitErrors,
    bursts: bursts::Bursts,
    application_loader: application_loader::ApplicationLoader,
    software_jump: software_jump::SoftwareJump,
    interface_race: interface_race::InterfaceRace,
    vbus_sense: vbus_sense::VbusSense,
    straps: straps::Straps,
    blank_flash_latch: blank_flash_latch::BlankFlashLatch,
    product_state: product_state::ProductState,
    packet_gap: packet_gap::PacketGap,
    hub_port: hub_port::HubPort,
    idle_suspend: idle_suspend::IdleSuspend,
    controller: controller::Controller,
    other_program: other_program::OtherProgram,
    option_mismatch: option_mismatch::OptionMismatch,
    flash_word: flash_word::FlashWord,
    oddity: oddity::Oddity,
    watchdog: watchdog::Watchdog,
    reset_pulses: reset_pulses::ResetPulses,
    stuck_reset: stuck_reset::StuckReset,
    rail_level: rail_level::RailLevel,
    core_capacitor: core_capacitor::CoreCapacitor,
    supply: supply::Supply,
    supply_dip: supply_dip::SupplyDip,
}

/// A parameter that no board can have, or that contradicts another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` {why}")]
pub struct Impossible {
    /// The mechanism whose key it is, as its field is called; none for the board's own keys.
    pub mechanism: Option<&'static str>,
    /// As written in the file.
    pub key: &'static str,
    pub why: String,
}

impl Impossible {
    pub fn new(key: &'static str, why: impl Into<String>) -> Self {
        Self { mechanism: None, key, why: why.into() }
    }

    pub fn of(self, mechanism: &'static str) -> Self {
        Self { mechanism: Some(mechanism), ..self }
    }

    /// Refuses what lies outside a range.
    pub fn unless_within(key: &'static str, value: f64, low: f64, high: f64, unit: &str) -> Result<(), Self> {
        if (low..=high).contains(&value) {
            return Ok(());
        }
        Err(Self::new(key, format!("is {value}{unit}; possible is {low} to {high}{unit}")))
    }
}
