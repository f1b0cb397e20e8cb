//! A probe at the level of transactions: like the firmware of a CMSIS-DAP probe it meets WAIT, checks parity and collects posted
//! reads, and tells the host one result per register.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use probe_rs::CoreStatus;
use probe_rs::architecture::arm::sequences::ArmDebugSequence;
use probe_rs::architecture::arm::{
    ArmCommunicationInterface, ArmDebugInterface, ArmError, DapError, DapProbe, RawDapAccess, RegisterAddress,
};
use probe_rs::probe::{DebugProbe, DebugProbeError, WireProtocol};

use crate::swd::transaction::{Ack, Port, Request, dp};

use super::driver::Held;
use super::wires::Grip;

#[derive(Debug)]
pub(super) struct TransactionProbe {
    grip: Grip,
    held: Held,
    kilohertz: u32,
}

impl TransactionProbe {
    /// How often the firmware meets WAIT before it tells the host.
    const WAIT_RETRIES: u32 = 1_000;

    pub(super) fn new(grip: Grip, held: Held) -> Self {
        Self { grip, held, kilohertz: 1_000 }
    }

    /// One transaction, repeated while the target says WAIT.
    fn transact(&mut self, request: Request) -> Result<u32, DapError> {
        let mut left = Self::WAIT_RETRIES;
        loop {
            let response = self.grip.with(|wires, now| wires.transact(now, request));
            return match response.ack {
                Ack::Ok if response.parity_fits => Ok(response.data.unwrap_or(0)),
                Ack::Ok => Err(DapError::IncorrectParity),
                Ack::Wait if left > 0 => {
                    left -= 1;
                    continue;
                }
                Ack::Wait => {
                    self.write_abort(dp::ABORT_ACCESS);
                    Err(DapError::WaitResponse)
                }
                Ack::Fault => {
                    self.write_abort(dp::CLEAR_STICKY);
                    Err(DapError::FaultResponse)
                }
                Ack::None => Err(DapError::NoAcknowledge),
            };
        }
    }

    fn write_abort(&self, word: u32) {
        self.grip.with(|wires, now| wires.transact(now, Request::write(Port::Debug, dp::ABORT, word)));
    }

    /// A read of the access port answers with what the read before it found, so RDBUFF is asked for the last.
    fn read(&mut self, address: RegisterAddress, words: &mut [u32]) -> Result<(), DapError> {
        let (port, register) = split(address);
        if port == Port::Debug {
            for word in words {
                *word = self.transact(Request::read(port, register))?;
            }
            return Ok(());
        }
        self.transact(Request::read(port, register))?;
        let Some((last, before)) = words.split_last_mut() else { return Ok(()) };
        for word in before {
            *word = self.transact(Request::read(port, register))?;
        }
        *last = self.transact(Request::read(Port::Debug, dp::RDBUFF))?;
        Ok(())
    }
}

/// The two bits that go over the wire.
fn split(address: RegisterAddress) -> (Port, u8) {
    (if address.is_ap() { Port::Access } else { Port::Debug }, address.a2_and_3())
}

impl RawDapAccess for TransactionProbe {
    fn raw_read_register(&mut self, address: RegisterAddress) -> Result<u32, ArmError> {
        self.grip.exchange()?;
        let mut word = [0];
        self.read(address, &mut word)?;
        Ok(word[0])
    }

    fn raw_read_block(&mut self, address: RegisterAddress, values: &mut [u32]) -> Result<(), ArmError> {
        /// What fits into a packet of 512 bytes.
        const WORDS: usize = 126;
        for chunk in values.chunks_mut(WORDS) {
            let short = self.grip.exchange()?;
            let mut words = vec![0; chunk.len()];
            self.read(address, &mut words)?;
            if short {
                words.pop();
            }
            // As probe-rs's own driver does it, which trusts the length of the answer.
            chunk.clone_from_slice(&words);
        }
        Ok(())
    }

    fn raw_write_register(&mut self, address: RegisterAddress, value: u32) -> Result<(), ArmError> {
        self.grip.exchange()?;
        let (port, register) = split(address);
        self.transact(Request::write(port, register, value))?;
        if port == Port::Access {
            // A write is buffered; how it went shows in the next transaction.
            self.transact(Request::read(Port::Debug, dp::RDBUFF))?;
        }
        Ok(())
    }

    fn jtag_sequence(&mut self, _: u8, _: bool, _: u64) -> Result<(), DebugProbeError> {
        Err(DebugProbeError::UnsupportedProtocol(WireProtocol::Jtag))
    }

    fn swj_sequence(&mut self, bit_len: u8, bits: u64) -> Result<(), DebugProbeError> {
        self.grip.exchange()?;
        if bit_len >= 50 && bits.trailing_ones() >= 50 {
            self.grip.with(|wires, now| wires.line_reset(now));
        }
        Ok(())
    }

    fn swj_pins(&mut self, out: u32, select: u32, _wait: u32) -> Result<u32, DebugProbeError> {
        self.grip.exchange()?;
        self.grip.drive_pins(out, select);
        Ok(out)
    }

    fn into_probe(self: Box<Self>) -> Box<dyn DebugProbe> {
        self
    }

    fn core_status_notification(&mut self, _: CoreStatus) -> Result<(), DebugProbeError> {
        Ok(())
    }
}

impl DapProbe for TransactionProbe {}

impl Grip {
    /// Of the pins only nRESET leads anywhere.
    pub(super) fn drive_pins(&self, out: u32, select: u32) {
        const NRESET: u32 = 1 << 7;
        if select & NRESET != 0 {
            self.with(|wires, now| wires.reset_line(now, out & NRESET == 0));
        }
    }
}

/// What both plugged-in probes do alike.
macro_rules! debug_probe {
    ($probe:ident, $overrun_detection:literal) => {
        impl DebugProbe for $probe {
            fn get_name(&self) -> &str {
                self.held.0.names.fetch_add(1, Ordering::Relaxed);
                "virtual probe"
            }

            fn speed_khz(&self) -> u32 {
                self.kilohertz
            }

            fn set_speed(&mut self, speed_khz: u32) -> Result<u32, DebugProbeError> {
                self.grip.exchange()?;
                self.kilohertz = self.grip.with(|wires, _| wires.set_speed(speed_khz));
                Ok(self.kilohertz)
            }

            fn attach(&mut self) -> Result<(), DebugProbeError> {
                self.grip.exchange().map(|_| ())
            }

            fn detach(&mut self) -> Result<(), probe_rs::Error> {
                self.grip.exchange()?;
                Ok(())
            }

            fn target_reset(&mut self) -> Result<(), DebugProbeError> {
                self.target_reset_assert()?;
                self.target_reset_deassert()
            }

            fn target_reset_assert(&mut self) -> Result<(), DebugProbeError> {
                self.grip.exchange()?;
                self.grip.with(|wires, now| wires.reset_line(now, true));
                Ok(())
            }

            fn target_reset_deassert(&mut self) -> Result<(), DebugProbeError> {
                self.grip.exchange()?;
                self.grip.with(|wires, now| wires.reset_line(now, false));
                Ok(())
            }

            fn select_protocol(&mut self, protocol: WireProtocol) -> Result<(), DebugProbeError> {
                match protocol {
                    WireProtocol::Swd => Ok(()),
                    WireProtocol::Jtag => Err(DebugProbeError::UnsupportedProtocol(protocol)),
                }
            }

            fn active_protocol(&self) -> Option<WireProtocol> {
                Some(WireProtocol::Swd)
            }

            fn has_arm_interface(&self) -> bool {
                true
            }

            fn into_probe(self: Box<Self>) -> Box<dyn DebugProbe> {
                self
            }

            fn try_as_dap_probe(&mut self) -> Option<&mut dyn DapProbe> {
                Some(self)
            }

            fn try_get_arm_debug_interface<'probe>(
                self: Box<Self>,
                sequence: Arc<dyn ArmDebugSequence>,
            ) -> Result<Box<dyn ArmDebugInterface + 'probe>, (Box<dyn DebugProbe>, ArmError)> {
                Ok(ArmCommunicationInterface::create(self, sequence, $overrun_detection))
            }

            fn get_target_voltage(&mut self) -> Result<Option<f32>, DebugProbeError> {
                self.grip.exchange()?;
                Ok(self.grip.with(|wires, now| wires.target_voltage(now)).map(|voltage| (voltage.0 / 1e3) as f32))
            }
        }
    };
}

pub(super) use debug_probe;

debug_probe!(TransactionProbe, false);
