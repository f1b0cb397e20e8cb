//! Physical mechanisms that trouble a debug link, one file each. They know nothing of causes, phases or tools.

pub mod bus_fault;
pub mod busy_bus;
pub mod open_wire;
pub mod pins_reassigned;
pub mod probe_outage;
pub mod ringing_wire;
pub mod sleeping_core;
pub mod slow_edge;

use std::fmt::Debug;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::bench::mechanism::Impossible;
use crate::bench::surroundings::{Dice, Runs};
use crate::observation::units::{Address, Micros, Millivolts};
use crate::swd::transaction::Request;

/// What holds around one transaction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scene {
    pub at: Micros,
    pub supply: Millivolts,
    /// When the core last left reset; absent while it is in reset.
    pub started: Option<Micros>,
    pub runs: Runs,
    pub halted: bool,
    /// The debugger keeps the clocks on in low-power modes: C_DEBUGEN, or the bits of DBGMCU_CR.
    pub kept_awake: bool,
    pub kilohertz: u32,
}

impl Scene {
    /// How long the program has been running.
    pub fn running_for(&self) -> Option<Micros> {
        self.started.filter(|_| !self.halted).map(|started| self.at - started)
    }
}

/// How the part stands towards its debugger; mechanisms turn the healthy stance into another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stance {
    /// The debug port is connected to its pins.
    pub pins: bool,
    pub debug_power: bool,
    /// The bus is clocked.
    pub bus: bool,
    pub asleep: bool,
}

impl Default for Stance {
    fn default() -> Self {
        Self { pins: true, debug_power: true, bus: true, asleep: false }
    }
}

/// What happens to a transaction on the wires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoilt {
    /// The target does not understand the request, or its acknowledge does not arrive.
    NoAcknowledge,
    /// So many bits of the word arrive inverted.
    Bits(u32),
}

/// What the target answers instead of doing what it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Wait,
    Fault,
}

/// Hooks, called in this order: start once for each start of the core; stance, wire and refuse for each transaction.
pub trait SwdMechanism: Debug + Send {
    /// The core leaves reset.
    fn start(&mut self, _scene: &Scene, _dice: &mut Dice) {}

    fn stance(&mut self, _scene: &Scene, _stance: &mut Stance, _dice: &mut Dice) {}

    fn wire(&mut self, _scene: &Scene, _request: &Request, _dice: &mut Dice) -> Option<Spoilt> {
        None
    }

    /// `address` is the memory that an access port transaction reaches.
    fn refuse(&mut self, _scene: &Scene, _address: Option<Address>, _dice: &mut Dice) -> Option<Refusal> {
        None
    }
}

/// The mechanisms of a board, as its file names them below `[swd.mechanism]`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct SwdMechanisms {
    pub ringing_wire: Option<ringing_wire::RingingWire>,
    pub slow_edge: Option<slow_edge::SlowEdge>,
    pub open_wire: Option<open_wire::OpenWire>,
    pub pins_reassigned: Option<pins_reassigned::PinsReassigned>,
    pub sleeping_core: Option<sleeping_core::SleepingCore>,
    pub busy_bus: Option<busy_bus::BusyBus>,
    pub bus_fault: Option<bus_fault::FaultyArea>,
    /// Of the probe, not of the target.
    pub probe_outage: Option<probe_outage::ProbeOutage>,
}

impl SwdMechanisms {
    pub fn into_hooks(self) -> Vec<Box<dyn SwdMechanism>> {
        fn hook<M: SwdMechanism + 'static>(mechanism: Option<M>) -> Option<Box<dyn SwdMechanism>> {
            mechanism.map(|mechanism| Box::new(mechanism) as Box<dyn SwdMechanism>)
        }
        let all = [
            hook(self.open_wire.map(open_wire::OpenWire::hook)),
            hook(self.ringing_wire),
            hook(self.slow_edge),
            hook(self.pins_reassigned),
            hook(self.sleeping_core.map(sleeping_core::SleepingCore::hook)),
            hook(self.busy_bus.map(busy_bus::BusyBus::hook)),
            hook(self.bus_fault),
        ];
        all.into_iter().flatten().collect()
    }

    pub fn check(&self) -> Result<(), Impossible> {
        self.ringing_wire.as_ref().map_or(Ok(()), ringing_wire::RingingWire::check)?;
        self.slow_edge.as_ref().map_or(Ok(()), slow_edge::SlowEdge::check)?;
        self.open_wire.as_ref().map_or(Ok(()), open_wire::OpenWire::check)?;
        self.pins_reassigned.as_ref().map_or(Ok(()), pins_reassigned::PinsReassigned::check)?;
        self.sleeping_core.as_ref().map_or(Ok(()), sleeping_core::SleepingCore::check)?;
        self.busy_bus.as_ref().map_or(Ok(()), busy_bus::BusyBus::check)?;
        self.bus_fault.as_ref().map_or(Ok(()), bus_fault::FaultyArea::check)?;
        self.probe_outage.as_ref().map_or(Ok(()), probe_outage::ProbeOutage::check)
    }

    /// One sentence per mechanism with its figures.
    pub fn describe(&self) -> Vec<String> {
        let all = [
            self.ringing_wire.as_ref().map(ringing_wire::RingingWire::describe),
            self.slow_edge.as_ref().map(slow_edge::SlowEdge::describe),
            self.open_wire.as_ref().map(open_wire::OpenWire::describe),
            self.pins_reassigned.as_ref().map(pins_reassigned::PinsReassigned::describe),
            self.sleeping_core.as_ref().map(sleeping_core::SleepingCore::describe),
            self.busy_bus.as_ref().map(busy_bus::BusyBus::describe),
            self.bus_fault.as_ref().map(bus_fault::FaultyArea::describe),
            self.probe_outage.as_ref().map(probe_outage::ProbeOutage::describe),
        ];
        all.into_iter().flatten().collect()
    }
}

#[cfg(test)]
pub mod testing {
    use super::*;

    pub fn scene(kilohertz: u32) -> Scene {
        Scene {
            at: Micros::from_secs(1),
            supply: Millivolts(3_300.0),
            started: Some(Micros::ZERO),
            runs: Runs::SomethingElse,
            halted: false,
            kept_awake: false,
            kilohertz,
        }
    }
}
