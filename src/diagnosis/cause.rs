//! A cause: how common it is, what speaks for and against it, and what an experiment shows if it is at work.

use serde::Deserialize;

use super::experiment::Experiment;
use super::grades::{Chance, Grade};
use super::subject::Subject;
use crate::evidence::catalogue::Catalogue;
use crate::observation::event::Transport;
use crate::profile::device;
use crate::profile::sources::Confidence;

/// One thing that can be wrong.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Cause {
    pub id: String,
    /// What a person calls it.
    pub name: String,
    pub family: String,
    /// Where it sits; experiments predict by this.
    pub side: Side,
    /// What happens, in one or two sentences.
    pub meaning: String,
    pub remedy: String,
    pub prior: Prior,
    /// The links over which it can be met.
    pub transports: Vec<Transport>,
    /// Order codes it applies to, with `?` and `*`; empty for all.
    #[serde(default)]
    pub parts: Vec<String>,
    /// Ids of the table of root causes that it covers.
    #[serde(default)]
    pub covers: Vec<String>,
    /// Nothing is wrong with the board; the message only looks like it.
    #[serde(default)]
    pub harmless: bool,
    /// What it does is the same every time, so whatever comes and goes speaks against it.
    #[serde(default)]
    pub constant: bool,
    /// Without one of these direct measurements its probability is capped.
    #[serde(default)]
    pub witnessed_by: Vec<String>,
    /// Findings that show it at work in every failure that was looked at, which leaves little to a second cause.
    #[serde(default)]
    pub in_every_failure_by: Vec<String>,
    #[serde(default)]
    pub raises: Vec<Link>,
    #[serde(default)]
    pub lowers: Vec<Link>,
    /// What each finding of the catalogue says, by its number, because every verdict asks for thousands of them.
    #[serde(skip)]
    stances: Vec<Option<Stance>>,
    /// Experiments that this cause answers otherwise than its side does.
    #[serde(default, rename = "experiment")]
    pub experiments: Vec<Prediction>,
    pub sources: Vec<String>,
    #[serde(default)]
    pub confidence: Confidence,
}

/// What a finding says about a cause.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stance {
    /// The logarithm of the likelihood ratio; below zero it speaks against.
    pub shift: f64,
    /// Where the link is among those that raise or lower.
    place: usize,
}

/// How common a cause is before anything is known of the case.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Prior {
    pub share: f64,
    /// The first that holds replaces the share.
    #[serde(default, rename = "instead")]
    pub instead: Vec<PriorInstead>,
}

/// A share under conditions; everything given must hold.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PriorInstead {
    pub share: f64,
    #[serde(default)]
    pub parts: Vec<String>,
    #[serde(default)]
    pub rom_ids: Vec<u8>,
    #[serde(default)]
    pub transports: Vec<Transport>,
    pub because: String,
}

/// What a finding says about a cause.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Link {
    pub finding: String,
    pub grade: Grade,
    pub because: String,
}

/// How likely the positive outcome of an experiment is under a cause.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Prediction {
    pub id: String,
    pub positive: Chance,
    pub because: String,
}

/// Where a cause sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Crystal, oscillators and what the ROM makes of them.
    Clock,
    Supply,
    /// D+ and D- on the board, connector included.
    Pair,
    Cable,
    /// Ports, hubs, controllers, virtual machines.
    Host,
    /// Drivers, permissions, other programs on the host.
    Access,
    Tool,
    /// What the board's owner has programmed.
    Firmware,
    /// Boot pins and other wiring of the board.
    Straps,
    /// The silicon and its ROM.
    Part,
    /// Protection, option bytes, the state of the flash.
    Memory,
    Probe,
    /// Between probe and target.
    ProbeWiring,
    /// The file and where it goes.
    Image,
}

impl Cause {
    pub fn met_over(&self, transport: Transport) -> bool {
        transport == Transport::Other || self.transports.contains(&transport)
    }

    /// Whether it applies to the part; true where the part is not known.
    pub fn applies_to(&self, part: Option<&str>) -> bool {
        device::fits_one(&self.parts, part).unwrap_or(true)
    }

    pub fn prior_for(&self, subject: &Subject) -> f64 {
        let holds = |instead: &&PriorInstead| {
            (instead.parts.is_empty() || device::fits_one(&instead.parts, subject.part()) == Some(true))
                && (instead.rom_ids.is_empty() || subject.rom_id.is_some_and(|id| instead.rom_ids.contains(&id)))
                && (instead.transports.is_empty() || instead.transports.contains(&subject.transport))
        };
        self.prior.instead.iter().find(holds).map_or(self.prior.share, |instead| instead.share)
    }

    /// What the finding of this number says about this cause; `None` where it says nothing.
    pub fn stance(&self, number: usize) -> Option<Stance> {
        *self.stances.get(number)?
    }

    /// Why the finding says so.
    pub fn because(&self, stance: Stance) -> &str {
        let links = if stance.shift > 0.0 { &self.raises } else { &self.lowers };
        &links[stance.place].because
    }

    /// Of two links to one finding the first that raises counts.
    pub(super) fn index(&mut self, catalogue: &Catalogue) {
        self.stances = vec![None; catalogue.entries().count()];
        for (links, sign) in [(&self.lowers, -1.0), (&self.raises, 1.0)] {
            for (place, link) in links.iter().enumerate().rev() {
                if let Some(entry) = catalogue.entry(&link.finding) {
                    let shift = sign * link.grade.likelihood_ratio().ln();
                    self.stances[entry.number] = Some(Stance { shift, place });
                }
            }
        }
    }

    /// The chance of the positive outcome of an experiment if this is the cause.
    pub fn chance_in(&self, experiment: &Experiment) -> Chance {
        let own = self.experiments.iter().find(|prediction| prediction.id == experiment.id);
        let chance = own.map(|prediction| prediction.positive);
        chance.or_else(|| experiment.by_side.get(&self.side).copied()).unwrap_or(experiment.otherwise)
    }

    /// The same as a number.
    pub fn predicts(&self, experiment: &Experiment) -> f64 {
        self.chance_in(experiment).probability()
    }
}
