//! Findings: statements that the data support.

use serde::{Deserialize, Serialize};

use super::confidence_sequence::{self, ALPHA};

/// A finding names at most this many cycles.
const NAMED_CYCLES: usize = 40;

/// A statement with everything needed to check it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// An id of the catalogue in `profiles/findings`.
    pub id: String,
    /// The statement in words, figures included.
    pub text: String,
    /// Absent where the finding is only told of what holds of all that was seen: its share is 1 because of that, and estimates nothing.
    pub effect: Option<Effect>,
    /// How many units it rests on.
    pub n: u64,
    pub unit: Unit,
    /// The test or estimate, for example `beta-binomial mixture confidence sequence, alpha 0.05`.
    pub method: String,
    /// The numbers of the cycles, or of the lines of a report, behind it.
    pub at: Vec<u32>,
    /// From 0 (a hint) to 1 (established), by the rule in `evidence/weight.rs`: scales what the finding says about causes.
    pub weight: f64,
    /// How sure it is that this occurs at all, however small its share of the failures; never below the weight.
    #[serde(default)]
    pub certainty: f64,
}

impl Finding {
    pub fn new(id: &str, text: String, n: u64, unit: Unit) -> Self {
        Self {
            id: id.to_owned(),
            text,
            effect: None,
            n,
            unit,
            method: "count".to_owned(),
            at: Vec::new(),
            weight: 0.0,
            certainty: 0.0,
        }
    }

    #[must_use]
    pub fn by(mut self, method: impl Into<String>, weight: f64) -> Self {
        self.method = method.into();
        self.weight = weight.clamp(0.0, 1.0);
        self.certainty = self.weight;
        self
    }

    /// It describes a part of the failures only, but occurs with this certainty.
    #[must_use]
    pub fn occurs(mut self, certainty: f64) -> Self {
        self.certainty = certainty.clamp(self.weight, 1.0);
        self
    }

    #[must_use]
    pub fn of_size(mut self, value: f64, interval: Option<(f64, f64)>, unit: &str) -> Self {
        self.effect = Some(Effect { value, interval, unit: unit.to_owned() });
        self
    }

    /// The effect is so many of all, with the interval of `confidence_sequence`, which holds at every look.
    #[must_use]
    pub fn of_share(self, seen: u64, all: u64, of: &str) -> Self {
        let interval = confidence_sequence::interval(seen as f64, all as f64, ALPHA);
        self.of_size(seen as f64 / all.max(1) as f64, Some(interval), of)
    }

    /// Names the cycles behind it.
    #[must_use]
    pub fn seen_at(mut self, cycles: impl IntoIterator<Item = u32>) -> Self {
        self.at = cycles.into_iter().take(NAMED_CYCLES).collect();
        self
    }
}

/// The first cycles in which something was seen, which is where a person starts to read.
#[derive(Clone, Debug, Default)]
pub struct NamedCycles(Vec<u32>);

impl NamedCycles {
    /// In the order in which they came; a cycle that shows it twice is named once.
    pub fn add(&mut self, cycle: u32) {
        if self.0.len() < NAMED_CYCLES && self.0.last() != Some(&cycle) {
            self.0.push(cycle);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().copied()
    }
}

/// A size with its interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    pub value: f64,
    pub interval: Option<(f64, f64)>,
    /// `share`, `ms`, `odds ratio`, ...
    pub unit: String,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    Boot,
    Cycle,
    /// Of a cycle, such as a read of a range; it makes many transfers.
    Step,
    Transfer,
    /// Of a range of memory, from beginning to end.
    Reading,
    /// Of a debug probe at the clock of a board.
    Look,
    /// Of a step; of a boot those of its first failing cycle.
    Failure,
    /// A tool's session in a report.
    Session,
}

impl Unit {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Cycle => "cycle",
            Self::Step => "step",
            Self::Transfer => "transfer",
            Self::Reading => "reading",
            Self::Look => "look",
            Self::Failure => "failure",
            Self::Session => "session",
        }
    }

    /// What is independent in a campaign of so many boots.
    pub const fn independent(boots: u64) -> Self {
        if boots > 1 { Self::Boot } else { Self::Cycle }
    }

    /// `1 boot`, `40 boots`.
    pub fn count(self, n: u64) -> String {
        format!("{n} {}{}", self.name(), if n == 1 { "" } else { "s" })
    }
}
