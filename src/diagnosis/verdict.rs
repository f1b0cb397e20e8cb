//! The verdict: what is said about a campaign or a report. Its JSON is a published contract (`schemas/verdict.schema.json`).

use std::collections::BTreeSet;

use serde::{Serialize, Serializer};

use crate::evidence::finding::Unit;
use crate::observation::alteration::AlterationLine;
use crate::observation::failure::{Failure, FailureClass};
use crate::observation::field_text::FieldText;
use crate::observation::step::Phase;
use crate::observation::units::{Address, Micros};

pub const VERDICT_SCHEMA: &str = "flakescope.verdict/1";

/// The id of the open remainder.
pub const UNKNOWN_CAUSE: &str = "unknown";

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    pub schema: &'static str,
    /// The path of the report, or the id of the case.
    pub source: FieldText,
    pub verdict: VerdictKind,
    /// The leading cause passed the threshold.
    pub decided: bool,
    pub device: Option<String>,
    pub transport: Option<&'static str>,
    pub tools: Vec<String>,
    /// Sorted by probability; the open remainder is among them under `unknown`.
    pub causes: Vec<RankedCause>,
    /// Two causes that explain more at once than either alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub together: Option<Together>,
    pub failures: Vec<FailureLine>,
    pub next: Vec<NextExperiment>,
    /// What was altered, in the order of the journal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alterations: Vec<AlterationLine>,
    /// Only for campaigns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign: Option<CampaignFigures>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerdictKind {
    /// At least one failure that is not expected.
    Fault,
    /// None among at least one completed cycle or recognised session.
    Clean,
    /// Too little to read.
    Inconclusive,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RankedCause {
    pub id: String,
    /// One of the families that all causes are mapped to.
    pub family: String,
    /// What a person calls it.
    #[serde(skip)]
    pub name: String,
    #[serde(serialize_with = "to_a_millionth")]
    pub probability: f64,
    #[serde(rename = "for")]
    pub speaks_for: Vec<Argument>,
    #[serde(rename = "against")]
    pub speaks_against: Vec<Argument>,
}

/// Two causes at work at once.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Together {
    /// The ids of both; each holds half of the probability in the list of causes.
    pub causes: [String; 2],
    #[serde(skip)]
    pub names: [String; 2],
    #[serde(serialize_with = "to_a_millionth")]
    pub probability: f64,
}

/// A finding as an argument for or against a cause.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Argument {
    pub finding: String,
    pub text: String,
    /// Cycles or lines.
    pub at: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FailureLine {
    pub class: FailureClass,
    pub phase: Phase,
    pub code: Option<FieldText>,
    /// The line of the report, or the cycle of the campaign.
    pub line: Option<u32>,
    pub elapsed_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// The number of the alternate setting and the memory behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alternate: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<FieldText>,
    /// What the device told last before the step was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dfu_state: Option<String>,
    /// Steps of the same boot that went well, in the order of the program.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub worked: BTreeSet<Phase>,
}

impl FailureLine {
    pub fn of(failure: &Failure, line: Option<u32>) -> Self {
        Self {
            class: failure.class,
            phase: failure.phase,
            code: failure.code.clone(),
            line: failure.line.or(line),
            elapsed_ms: failure.elapsed.map(Micros::as_millis_f64),
            address: failure.address,
            alternate: failure.dfu.alternate.as_ref().map(|(number, _)| *number),
            memory: failure.dfu.alternate.as_ref().map(|(_, name)| name.clone()),
            dfu_state: failure.dfu.state.clone(),
            worked: BTreeSet::new(),
        }
    }
}

/// Something to do next, with what it costs and what it would tell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NextExperiment {
    pub experiment: String,
    pub minutes: f64,
    /// Expected information about the cause.
    #[serde(serialize_with = "to_a_millionth")]
    pub bits: f64,
    /// The factors that it changes; more than one means that the outcome cannot tell them apart.
    pub changes: Vec<String>,
    pub text: String,
    /// The commands of this program that do it or help with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// More digits would only be those of the arithmetic.
fn to_a_millionth<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((value * 1e6).round() / 1e6)
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CampaignFigures {
    pub boots: u32,
    pub cycles: u32,
    pub failed_boots: u32,
    pub failed_cycles: u32,
    pub unit: Unit,
    pub rate: f64,
    pub interval: (f64, f64),
}
