//! A probe at the level of bits on SWDIO: it moves bits and knows nothing, so that probe-rs's own encoder, decoder, parity check and
//! WAIT handling run against the virtual target.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bitvec::vec::BitVec;
use probe_rs::architecture::arm::sequences::ArmDebugSequence;
use probe_rs::architecture::arm::{ArmCommunicationInterface, ArmDebugInterface, ArmError, DapProbe};
use probe_rs::config::ScanChainElement;
use probe_rs::probe::{
    DebugProbe, DebugProbeError, IoSequenceItem, JtagAccess, JtagSequence, RawSwdIo, SwdSettings, WireProtocol,
};

use super::driver::Held;
use super::transactions::debug_probe;
use super::wires::Grip;

#[derive(Debug)]
pub(super) struct BitProbe {
    grip: Grip,
    held: Held,
    kilohertz: u32,
    settings: SwdSettings,
}

impl BitProbe {
    pub(super) fn new(grip: Grip, held: Held) -> Self {
        Self { grip, held, kilohertz: 1_000, settings: SwdSettings::default() }
    }
}

impl RawSwdIo for BitProbe {
    fn swd_io<S>(&mut self, swdio: S) -> Result<Vec<bool>, DebugProbeError>
    where
        S: IntoIterator<Item = IoSequenceItem>,
    {
        self.grip.exchange()?;
        let driven = swdio.into_iter().map(|item| match item {
            IoSequenceItem::Output(bit) => Some(bit),
            IoSequenceItem::Input => None,
        });
        Ok(driven.map(|driven| self.grip.with(|wires, now| wires.clock(now, driven))).collect())
    }

    fn swj_pins(&mut self, out: u32, select: u32, _wait: u32) -> Result<u32, DebugProbeError> {
        self.grip.exchange()?;
        self.grip.drive_pins(out, select);
        Ok(out)
    }

    fn swd_settings(&self) -> &SwdSettings {
        &self.settings
    }
}

impl DapProbe for BitProbe {}

debug_probe!(BitProbe, true);

fn no_jtag<T>() -> Result<T, DebugProbeError> {
    Err(DebugProbeError::UnsupportedProtocol(WireProtocol::Jtag))
}

/// probe-rs's SWD encoder wants it of every probe; all of it refuses.
impl JtagAccess for BitProbe {
    fn set_expected_scan_chain(&mut self, _: &[ScanChainElement]) -> Result<(), DebugProbeError> {
        no_jtag()
    }

    fn set_scan_chain(&mut self, _: &[ScanChainElement]) -> Result<(), DebugProbeError> {
        no_jtag()
    }

    fn scan_chain(&mut self) -> Result<&[ScanChainElement], DebugProbeError> {
        no_jtag()
    }

    fn shift_raw_sequence(&mut self, _: JtagSequence) -> Result<BitVec, DebugProbeError> {
        no_jtag()
    }

    fn tap_reset(&mut self) -> Result<(), DebugProbeError> {
        no_jtag()
    }

    fn set_idle_cycles(&mut self, _: u8) -> Result<(), DebugProbeError> {
        no_jtag()
    }

    fn idle_cycles(&self) -> u8 {
        0
    }

    fn write_register(&mut self, _: u32, _: &[u8], _: u32) -> Result<BitVec, DebugProbeError> {
        no_jtag()
    }

    fn write_dr(&mut self, _: &[u8], _: u32) -> Result<BitVec, DebugProbeError> {
        no_jtag()
    }
}
