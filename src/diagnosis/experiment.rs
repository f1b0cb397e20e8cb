//! An experiment: what one does to tell causes apart, what it takes, and how its outcome becomes known.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::cause::Side;
use super::grades::Chance;
use super::subject::Subject;
use crate::observation::event::Transport;
use crate::profile::device;

/// Something that can be done to tell causes apart; it has two outcomes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Experiment {
    pub id: String,
    /// What to do, as one says it to the person at the bench.
    pub text: String,
    /// What of this program does it or helps with it; nobody is asked to run it who may not have it.
    #[serde(default)]
    pub command: Option<String>,
    /// What the positive outcome is: `the other board works`.
    pub positive: String,
    pub minutes: f64,
    /// The factors that it changes.
    pub changes: Vec<String>,
    /// How its outcome becomes known.
    #[serde(default)]
    pub told_by: ToldBy,
    pub transports: Vec<Transport>,
    /// Only with a debug probe at the board.
    #[serde(default)]
    pub needs_probe: bool,
    /// Order codes it makes sense for; empty for all.
    #[serde(default)]
    pub parts: Vec<String>,
    /// Findings that answer it already.
    #[serde(default)]
    pub answered_by: Vec<String>,
    /// The chance of the positive outcome where neither cause nor side says.
    pub otherwise: Chance,
    #[serde(default)]
    pub by_side: BTreeMap<Side, Chance>,
    pub source: String,
}

/// How the outcome of an experiment becomes known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToldBy {
    /// Somebody does it and says what came of it.
    #[default]
    Question,
    /// The same cycles are run under the change; positive where the failures go away.
    Rerun,
    /// The same, positive where they become more or fewer.
    RerunEitherWay,
    /// These quantities are measured; positive where one is outside its band.
    Measurement(Vec<String>),
    /// The campaign varies this by itself, as `--vary` writes it.
    Levels(String),
    /// More boots of the board as it is.
    MoreBoots,
    /// The campaign has read it, or cannot.
    Reading,
}

impl ToldBy {
    /// Whether the campaign does it with nobody at the bench.
    pub const fn is_automatic(&self) -> bool {
        matches!(self, Self::Levels(_) | Self::MoreBoots)
    }
}

impl Experiment {
    /// Where the link is not known only what either of them allows.
    fn is_over(&self, transport: Transport) -> bool {
        match transport {
            Transport::Other => self.transports.contains(&Transport::Dfu) && self.transports.contains(&Transport::Swd),
            known => self.transports.contains(&known),
        }
    }

    /// Whether it can be done to this subject, and is not being done already.
    pub fn is_open_to(&self, subject: &Subject) -> bool {
        let under_way = subject.is_being_booted && self.told_by == ToldBy::MoreBoots;
        !under_way && self.is_over(subject.transport) && device::fits_one(&self.parts, subject.part()).unwrap_or(true)
    }
}
