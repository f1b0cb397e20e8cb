//! A debug probe as an SWD session sees it. probe-rs and the virtual probe are the two back ends.

use crate::observation::board::PortPath;
use crate::observation::boot::{BootKind, BootProof};
use crate::observation::failure::FailureClass;
use crate::observation::field_text::FieldText;
use crate::observation::step::ConnectMode;
use crate::observation::units::{Address, Micros, Millivolts};

/// What an SWD session needs of a debug probe. Nothing here decides what may be written; [`super::swd_wire`] does.
pub trait SwdProbe: Send {
    fn now(&self) -> Micros;
    fn wait(&mut self, span: Micros);

    /// Nobody waits for a call beyond this moment. A call that hangs need not be imitated any longer.
    fn give_until(&mut self, _moment: Micros) {}

    /// Waits until the probe is on USB and says what the host knows of it without opening it.
    fn arrive(&mut self, deadline: Micros) -> Result<ProbeIdentity, ProbeError>;
    fn is_present(&mut self) -> bool;

    /// Opens the probe; it now also tells its firmware.
    fn open(&mut self) -> Result<ProbeIdentity, ProbeError>;
    /// `None` where the probe cannot measure it.
    fn target_voltage(&mut self) -> Result<Option<Millivolts>, ProbeError>;
    /// Before `connect`. Returns the speed that was really set.
    fn set_speed(&mut self, kilohertz: u32) -> Result<u32, ProbeError>;

    /// Line reset, DPIDR, power-up of the debug domain, the first access port; returns DPIDR.
    /// With [`ConnectMode::UnderReset`] NRST is low meanwhile and stays low. No mode halts the core or touches memory.
    fn connect(&mut self, mode: ConnectMode) -> Result<u32, ProbeError>;
    /// Powers the debug domain down and lets go of the target. The probe stays open.
    fn disconnect(&mut self) -> Result<(), ProbeError>;

    fn read_dp(&mut self, address: u8, bank: u8) -> Result<u32, ProbeError>;
    fn write_dp(&mut self, address: u8, word: u32) -> Result<(), ProbeError>;
    fn read_ap(&mut self, port: u8, address: u8) -> Result<u32, ProbeError>;
    fn write_ap(&mut self, port: u8, address: u8, word: u32) -> Result<(), ProbeError>;
    /// Words of 32 bits from an address divisible by four.
    fn read_words(&mut self, address: Address, count: usize) -> Result<Vec<u32>, ProbeError>;
    fn read_bytes(&mut self, address: Address, count: usize) -> Result<Vec<u8>, ProbeError>;
    fn write_word(&mut self, address: Address, word: u32) -> Result<(), ProbeError>;

    /// NRST pulled low, or let go.
    fn reset_line(&mut self, low: bool) -> Result<(), ProbeError>;

    /// What the layers below did without telling since this was last asked.
    fn take_hidden(&mut self) -> Hidden;
    fn close(&mut self);

    /// See [`super::Link::power_cycle`].
    fn power_cycle(&mut self, _off_time: Micros) -> Option<(BootKind, BootProof)> {
        None
    }

    /// See [`super::Link::rearrange`].
    fn rearrange(&mut self, _change: Option<&str>, _span: Micros) -> bool {
        false
    }

    /// See [`super::Link::meter`].
    fn meter(&mut self, _quantity: &str) -> Option<f64> {
        None
    }
}

/// Who the probe is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeIdentity {
    /// `ST-LINK/V2-1`, or what a CMSIS-DAP probe calls itself.
    pub name: FieldText,
    pub serial: Option<FieldText>,
    /// Decoded where the coding is known: `V2J29S7`.
    pub firmware: Option<FieldText>,
    pub port: Option<PortPath>,
    pub vendor_id: Option<u16>,
    pub product_id: Option<u16>,
}

/// Work of the library or the probe that no result shows. Zero where it cannot be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    /// WAIT answers after which the access was made again.
    pub waits: u32,
    /// Accesses that were made again for another reason.
    pub repeats: u32,
    /// The library's own words about that, the first few.
    pub lines: Vec<String>,
}

/// Why a call failed: what it means, and the raw words of the layer that said so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind:?}: {code}")]
pub struct ProbeError {
    pub kind: ProbeErrorKind,
    /// `SwdApWait`, `0x10 SWD AP WAIT`, `IncorrectParity`, `errno 16`.
    pub code: String,
}

impl ProbeError {
    pub fn new(kind: ProbeErrorKind, code: impl Into<String>) -> Self {
        Self { kind, code: code.into() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProbeErrorKind {
    NoProbe,
    /// Another program holds it.
    Busy,
    Permission,
    OldFirmware,
    /// The probe works and no debug port answers.
    NoTarget,
    HeldInReset,
    /// WAIT until patience ended.
    Wait,
    Fault,
    NoAcknowledge,
    Parity,
    /// CTRL/STAT never acknowledged the request for power.
    PowerUp,
    LowVoltage,
    /// The probe itself did not answer in time.
    UsbTimeout,
    /// The probe left the bus, or the connection to it broke.
    ProbeLost,
    /// The probe answered nonsense or failed inside.
    ProbeFault,
    NotHalted,
    Halted,
    ResetLoop,
    /// The probe cannot do this.
    Unsupported,
    /// Writing to the target failed inside the probe.
    Write,
    /// What was written did not read back the same inside the probe.
    Verify,
    /// The library between us and the probe failed, or was used wrongly.
    Tool,
    Other,
}

impl ProbeErrorKind {
    pub const ALL: [Self; 23] = [
        Self::NoProbe,
        Self::Busy,
        Self::Permission,
        Self::OldFirmware,
        Self::NoTarget,
        Self::HeldInReset,
        Self::Wait,
        Self::Fault,
        Self::NoAcknowledge,
        Self::Parity,
        Self::PowerUp,
        Self::LowVoltage,
        Self::UsbTimeout,
        Self::ProbeLost,
        Self::ProbeFault,
        Self::NotHalted,
        Self::Halted,
        Self::ResetLoop,
        Self::Unsupported,
        Self::Write,
        Self::Verify,
        Self::Tool,
        Self::Other,
    ];

    pub const fn class(self) -> FailureClass {
        match self {
            Self::NoProbe => FailureClass::NoProbe,
            Self::Busy => FailureClass::Busy,
            Self::Permission => FailureClass::Access,
            Self::OldFirmware => FailureClass::ProbeFirmware,
            Self::NoTarget => FailureClass::NoTarget,
            Self::HeldInReset => FailureClass::HeldInReset,
            Self::Wait => FailureClass::SwdWait,
            Self::Fault => FailureClass::SwdFault,
            Self::NoAcknowledge => FailureClass::NoAcknowledge,
            Self::Parity => FailureClass::Parity,
            Self::PowerUp => FailureClass::PowerUp,
            Self::LowVoltage => FailureClass::LowVoltage,
            Self::UsbTimeout => FailureClass::Timeout,
            Self::ProbeLost => FailureClass::ProbeLost,
            Self::ProbeFault => FailureClass::ProbeFault,
            Self::NotHalted => FailureClass::NotHalted,
            Self::Halted => FailureClass::Halted,
            Self::ResetLoop => FailureClass::ResetLoop,
            Self::Unsupported => FailureClass::BadArguments,
            Self::Write => FailureClass::WriteFailed,
            Self::Verify => FailureClass::VerifyFailed,
            Self::Tool => FailureClass::ToolFailure,
            Self::Other => FailureClass::Other,
        }
    }

    /// An error on the two wires that the same access, made again, may not meet. WAIT is repeated by the layers below,
    /// and a FAULT is the target's own answer.
    pub const fn may_pass(self) -> bool {
        matches!(self, Self::NoAcknowledge | Self::Parity)
    }

    /// After an error of the probe's own link, or a failure inside the library, the probe has to be opened again.
    pub const fn needs_reopening(self) -> bool {
        matches!(self, Self::UsbTimeout | Self::ProbeLost | Self::ProbeFault | Self::Tool)
    }
}
