//! What the screen and the reports show: a picture of the investigation at one moment.

use std::path::PathBuf;

use crate::campaign::journal::Journal;
use crate::campaign::question::Question;
use crate::diagnosis::verdict::Verdict;
use crate::evidence::finding::Finding;
use crate::evidence::rate::{Rate, StepLatency};
use crate::observation::board::BoardIdentity;
use crate::observation::boot::Boot;
use crate::observation::event::CampaignStart;
use crate::observation::failure::FailureClass;
use crate::observation::field_text::FieldText;
use crate::observation::units::Micros;

#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Link time.
    pub at: Micros,
    pub state: RunState,
    pub start: CampaignStart,
    pub board: BoardIdentity,
    /// All boots with their cycles, oldest first.
    pub boots: Vec<BootStrip>,
    /// Failure rates, the one whose unit is the boot first.
    pub rates: Vec<Rate>,
    /// In the order of the recipe.
    pub latencies: Vec<StepLatency>,
    pub findings: Vec<Finding>,
    pub verdict: Verdict,
    /// What the board says of itself, one sentence each: option bytes, OTP, upgrade service.
    pub says: Vec<String>,
    /// What the operator should know about the limits of this campaign, one sentence each.
    pub limits: Vec<String>,
    /// The latest events in words, oldest first.
    pub tail: Vec<TailLine>,
    /// The experiment under whose conditions the campaign runs now; absent for the board as found.
    pub conditions: Option<String>,
    pub case: Option<PathBuf>,
    /// What was altered, and what that leaves to do.
    pub journal: Journal,
}

#[derive(Clone, Debug, PartialEq)]
pub enum RunState {
    Running,
    /// The operator is asked for something; the campaign waits.
    Waiting(Question),
    Finished,
    Interrupted,
    Failed(String),
}

#[derive(Clone, Debug)]
pub struct BootStrip {
    pub boot: Boot,
    pub cycles: Vec<CycleMark>,
}

/// One cycle in the strip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CycleMark {
    pub number: u32,
    /// The class of its first failure.
    pub failure: Option<FailureClass>,
    pub interrupted: bool,
}

#[derive(Clone, Debug)]
pub struct TailLine {
    pub at: Option<Micros>,
    pub text: FieldText,
    pub bad: bool,
}
