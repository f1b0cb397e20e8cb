//! Events: the one stream that runner and readers emit and everything else folds.

use serde::{Deserialize, Serialize};

use super::alteration::{AlterationEnd, AlterationNote, Payload};
use super::board::BoardIdentity;
use super::boot::Boot;
use super::cycle::Cycle;
use super::fact::Fact;
use super::field_text::FieldText;
use super::units::{Address, Micros};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Counted from 1 without gaps within a case.
    pub seq: u64,
    /// Link time; absent where a report does not tell.
    pub at: Option<Micros>,
    pub kind: EventKind,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    CampaignStarted(CampaignStart),
    /// A tool's session begins in a report.
    SessionStarted(Session),
    BoardSeen(BoardIdentity),
    BootStarted(Boot),
    CycleFinished(Cycle),
    /// What memory held before it is altered; durable before the alteration begins.
    MemorySaved {
        address: Address,
        data: Payload,
    },
    /// The journal: an alteration is about to begin.
    AlterationBegan(AlterationNote),
    /// It ended; the one that began last.
    AlterationEnded(AlterationEnd),
    FactNoted(Fact),
    /// A message of the host's kernel.
    HostMessage(FieldText),
    /// A note of the operator.
    Note(FieldText),
    /// The campaign ended as planned, or was stopped.
    CampaignEnded {
        interrupted: bool,
    },
}

/// What a campaign set out to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignStart {
    pub transport: Transport,
    /// The name of the virtual board; absent for a real one.
    pub virtual_board: Option<String>,
    pub recipe: String,
    pub reentry: Reentry,
    pub seed: u64,
    pub boots: u32,
    pub cycles_per_boot: u32,
    /// Milliseconds since 1970 on the host's calendar.
    pub calendar_millis: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    Dfu,
    Swd,
    Other,
}

impl Transport {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dfu => "dfu",
            Self::Swd => "swd",
            Self::Other => "other",
        }
    }
}

/// How a new boot is brought about between boots.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reentry {
    /// The whole campaign is one boot.
    None,
    /// The operator cycles the power.
    Manual,
    /// A program does, for example one that switches a relay.
    Command(String),
    /// The virtual board is power-cycled.
    Virtual,
    /// The hub above the board switches the power of its port.
    Hub,
    /// A debug probe resets the board and sends it into its ROM.
    Swd,
}

/// One tool at work in a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// `cubeprogrammer`, `dfu-util`, `openocd`, ...
    pub tool: String,
    pub version: Option<FieldText>,
    pub transport: Transport,
    pub line: u32,
}
