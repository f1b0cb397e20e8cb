//! Steps: one operation with a start, a duration and an outcome.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::alteration::{Alteration, Payload};
use super::event::Transport;
use super::fact::Fact;
use super::failure::Failure;
use super::request_text::RequestText;
use super::units::{Address, Micros};

/// How much an operation may touch the board; ordered from harmless to lasting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Touch {
    /// Reads only.
    Observe,
    /// Changes what the board does now: reset, leave, halt, RAM and register writes.
    Disturb,
    /// Changes non-volatile memory.
    Alter,
}

/// One line of a recipe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Wait until the board is on the bus.
    Enumerate,
    Open,
    Claim,
    /// Device, configuration and DFU functional descriptor.
    Descriptors,
    /// The DfuSe layout string of every alternate setting.
    Layout,
    /// DFU state, brought back to dfuIDLE with CLRSTATUS or ABORT where needed.
    Status,
    /// Memory: an upload over DFU, blocks over SWD.
    Read {
        address: Address,
        length_bytes: u32,
        /// At most this much in one transfer; over DFU the board's own wTransferSize where absent.
        transfer_bytes: Option<u16>,
    },
    OptionBytes,
    Otp,
    FusState,
    /// Open the debug probe and ask it who it is.
    OpenProbe,
    TargetVoltage,
    /// The speed of SWCLK; a probe takes the nearest it has.
    Speed {
        kilohertz: u32,
    },
    Connect {
        mode: ConnectMode,
    },
    /// Identity of the debug port, the access port and the core, DEV_ID, flash size and unique ID.
    Identify,
    /// Registers that tell about clocks, resets, protection and where the core is.
    RegisterFacts,
    /// The core clock from CYCCNT against the link's time.
    CoreClock {
        span: Micros,
    },
    /// Clear the sticky reset flags, so that those which are set later tell of this boot.
    ClearResetFlags,
    /// Reset the target and have it run its ROM bootloader, whatever its straps say.
    EnterRom,
    /// Leave the target as it was found and let go of it.
    Disconnect,
    Reset {
        kind: ResetKind,
    },
    /// Upload and keep what is there, so that it can be put back.
    Save {
        address: Address,
        length_bytes: u32,
    },
    /// Upload and compare with what should be there.
    Verify {
        address: Address,
        data: Payload,
    },
    /// The only steps that last; each needs a permit.
    Alter(Alteration),
    Close,
    Wait {
        span: Micros,
    },
}

/// How a debug probe takes hold of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectMode {
    /// Without reset; the core is halted, as most tools do it, and runs again at disconnect.
    Normal,
    /// NRST is low while the connection is made, and the core stops at its first instruction.
    UnderReset,
    /// Without reset and without halting.
    Hotplug,
}

impl ConnectMode {
    pub const ALL: [Self; 3] = [Self::Normal, Self::UnderReset, Self::Hotplug];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::UnderReset => "under-reset",
            Self::Hotplug => "hotplug",
        }
    }

    pub const fn touch(self) -> Touch {
        match self {
            Self::Hotplug => Touch::Observe,
            Self::Normal | Self::UnderReset => Touch::Disturb,
        }
    }
}

/// How a step resets the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResetKind {
    /// The probe pulls NRST low.
    Nrst,
    /// SYSRESETREQ.
    Software,
}

impl Step {
    pub const fn phase(&self) -> Phase {
        match self {
            Self::Enumerate => Phase::Enumerate,
            Self::Open => Phase::Open,
            Self::Claim => Phase::Claim,
            Self::Descriptors => Phase::Descriptors,
            Self::Layout => Phase::Layout,
            Self::Status => Phase::Status,
            Self::Read { .. } => Phase::Read,
            Self::OptionBytes => Phase::OptionBytes,
            Self::Otp => Phase::Otp,
            Self::FusState => Phase::FusState,
            Self::OpenProbe => Phase::ProbeOpen,
            Self::TargetVoltage => Phase::TargetVoltage,
            Self::Speed { .. } => Phase::Speed,
            Self::Connect { .. } => Phase::Connect,
            Self::Identify => Phase::Identify,
            Self::RegisterFacts | Self::ClearResetFlags => Phase::Registers,
            Self::CoreClock { .. } => Phase::CoreClock,
            Self::Disconnect => Phase::Disconnect,
            Self::Reset { .. } | Self::EnterRom => Phase::Reset,
            Self::Save { .. } => Phase::Read,
            Self::Verify { .. } => Phase::Verify,
            Self::Alter(alteration) => alteration.phase(),
            Self::Close => Phase::Close,
            Self::Wait { .. } => Phase::Wait,
        }
    }

    pub const fn touch(&self) -> Touch {
        match self {
            Self::Enumerate
            | Self::Open
            | Self::Claim
            | Self::Descriptors
            | Self::Layout
            | Self::Status
            | Self::Read { .. }
            | Self::OptionBytes
            | Self::Otp
            | Self::FusState
            | Self::OpenProbe
            | Self::TargetVoltage
            | Self::Speed { .. }
            | Self::Identify
            | Self::RegisterFacts
            | Self::CoreClock { .. }
            | Self::Disconnect
            | Self::Save { .. }
            | Self::Verify { .. }
            | Self::Close
            | Self::Wait { .. } => Touch::Observe,
            Self::Alter(_) => Touch::Alter,
            Self::Connect { mode } => mode.touch(),
            Self::Reset { .. } | Self::ClearResetFlags | Self::EnterRom => Touch::Disturb,
        }
    }

    /// Whether a link of this transport can do it; the same word may mean the same on both.
    pub const fn fits(&self, transport: Transport) -> bool {
        match self {
            Self::Enumerate | Self::Open | Self::Claim | Self::Descriptors | Self::Layout | Self::Status => {
                matches!(transport, Transport::Dfu)
            }
            Self::OpenProbe
            | Self::TargetVoltage
            | Self::Speed { .. }
            | Self::Connect { .. }
            | Self::Identify
            | Self::RegisterFacts
            | Self::CoreClock { .. }
            | Self::ClearResetFlags
            | Self::EnterRom
            | Self::Disconnect
            | Self::Reset { .. } => matches!(transport, Transport::Swd),
            // Over DFU the upgrade service answers; over SWD the table that it or the stack keeps in shared RAM is read.
            Self::Read { .. } | Self::OptionBytes | Self::Otp | Self::FusState | Self::Close | Self::Wait { .. } => {
                true
            }
            Self::Save { .. } | Self::Verify { .. } | Self::Alter(Alteration::OptionBytes { .. }) => true,
            Self::Alter(_) => matches!(transport, Transport::Dfu),
        }
    }
}

/// What was being done. The same words serve a recipe's steps and what other tools report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    Enumerate,
    Open,
    Claim,
    Descriptors,
    Layout,
    Status,
    Identify,
    Read,
    OptionBytes,
    Otp,
    FusState,
    Close,
    Wait,
    Reset,
    ProbeOpen,
    ProbeUpdate,
    TargetVoltage,
    Speed,
    Connect,
    Halt,
    Registers,
    CoreClock,
    Disconnect,
    ImageFile,
    Erase,
    Write,
    Verify,
    Leave,
    OptionBytesWrite,
    ReadUnprotect,
    FusDelete,
    FusUpgrade,
    FusStart,
    Unknown,
}

impl Phase {
    pub const ALL: [Self; 34] = [
        Self::Enumerate,
        Self::Open,
        Self::Claim,
        Self::Descriptors,
        Self::Layout,
        Self::Status,
        Self::Identify,
        Self::Read,
        Self::OptionBytes,
        Self::Otp,
        Self::FusState,
        Self::Close,
        Self::Wait,
        Self::Reset,
        Self::ProbeOpen,
        Self::ProbeUpdate,
        Self::TargetVoltage,
        Self::Speed,
        Self::Connect,
        Self::Halt,
        Self::Registers,
        Self::CoreClock,
        Self::Disconnect,
        Self::ImageFile,
        Self::Erase,
        Self::Write,
        Self::Verify,
        Self::Leave,
        Self::OptionBytesWrite,
        Self::ReadUnprotect,
        Self::FusDelete,
        Self::FusUpgrade,
        Self::FusStart,
        Self::Unknown,
    ];

    /// Whether the board has to answer for it to go well; the rest concerns this computer or the probe alone.
    pub const fn asks_the_board(self) -> bool {
        !matches!(
            self,
            Self::Open
                | Self::Claim
                | Self::Close
                | Self::Wait
                | Self::ProbeOpen
                | Self::ProbeUpdate
                | Self::Speed
                | Self::Disconnect
                | Self::ImageFile
                | Self::Unknown
        )
    }

    /// The name used in recipes, JSON and on screen.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enumerate => "enumerate",
            Self::Open => "open",
            Self::Claim => "claim",
            Self::Descriptors => "descriptors",
            Self::Layout => "layout",
            Self::Status => "status",
            Self::Identify => "identify",
            Self::Read => "read",
            Self::OptionBytes => "option-bytes",
            Self::Otp => "otp",
            Self::FusState => "fus-state",
            Self::Close => "close",
            Self::Wait => "wait",
            Self::Reset => "reset",
            Self::ProbeOpen => "probe-open",
            Self::ProbeUpdate => "probe-update",
            Self::TargetVoltage => "target-voltage",
            Self::Speed => "speed",
            Self::Connect => "connect",
            Self::Halt => "halt",
            Self::Registers => "registers",
            Self::CoreClock => "core-clock",
            Self::Disconnect => "disconnect",
            Self::ImageFile => "image-file",
            Self::Erase => "erase",
            Self::Write => "write",
            Self::Verify => "verify",
            Self::Leave => "leave",
            Self::OptionBytesWrite => "option-bytes-write",
            Self::ReadUnprotect => "read-unprotect",
            Self::FusDelete => "fus-delete",
            Self::FusUpgrade => "fus-upgrade",
            Self::FusStart => "fus-start",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Done,
    Failed(Failure),
    /// Not attempted because an earlier step of the cycle failed.
    Skipped,
    /// Cut short by the operator or a signal.
    Interrupted,
}

/// One control transfer as the host saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferRecord {
    pub request: RequestText,
    pub elapsed: Micros,
    /// Bytes that moved.
    pub length_bytes: u32,
    /// The host's raw error code, where the transfer failed.
    pub code: Option<String>,
}

/// What the transfers of a step add up to; kept for every step, while single transfers are kept for failed cycles only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferSummary {
    pub count: u32,
    pub bytes: u64,
    pub total: Micros,
    pub max: Micros,
    /// Transfers that took about a frame longer than their equals: a retry that the host controller hides. Inferred from latency.
    pub inferred_retries: u32,
    /// WAIT answers of the target that the layers below took for us; counted, where they can be seen.
    #[serde(default)]
    pub waits: u32,
    /// Accesses that were made again after an error on the wire, by us or by the layers below; counted.
    #[serde(default)]
    pub repeats: u32,
}

impl TransferSummary {
    pub fn add(&mut self, transfer: &TransferRecord) {
        self.count += 1;
        self.bytes += u64::from(transfer.length_bytes);
        self.total += transfer.elapsed;
        self.max = self.max.max(transfer.elapsed);
    }
}

/// A step that was performed, or read from a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    pub phase: Phase,
    /// When it began; absent where a log does not tell.
    pub started: Option<Micros>,
    /// How long it took; absent where a log does not tell.
    pub elapsed: Option<Micros>,
    pub outcome: Outcome,
    #[serde(default)]
    pub summary: TransferSummary,
    /// Every transfer; emptied for cycles that went well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transfers: Vec<TransferRecord>,
    /// What the step learned about the board.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<Fact>,
}

impl StepRecord {
    pub fn failure(&self) -> Option<&Failure> {
        match &self.outcome {
            Outcome::Failed(failure) => Some(failure),
            Outcome::Done | Outcome::Skipped | Outcome::Interrupted => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_on_screen_are_the_names_in_json() {
        for phase in Phase::ALL {
            assert_eq!(serde_json::to_value(phase).unwrap(), phase.name());
        }
    }
}
