//! The conclusion: what findings about a subject come to, in the words of the verdict.

use super::inference::{Posterior, Weighed};
use super::knowledge::Knowledge;
use super::next_experiment;
use super::subject::Subject;
use super::verdict::{Argument, NextExperiment, RankedCause, Together, UNKNOWN_CAUSE, VerdictKind};
use crate::evidence::finding::Finding;
use crate::evidence::observed::Observed;
use crate::profile::device::{self, Devices};
use crate::profile::loader::ProfileError;

/// Causes below this are not worth a line.
const LEAST_SHOWN: f64 = 0.005;
const SHOWN: usize = 12;

/// Everything that a diagnosis draws on, read once.
#[derive(Clone, Debug)]
pub struct Library {
    pub knowledge: Knowledge,
    pub devices: Devices,
}

/// The part of a verdict that the diagnosis answers for.
#[derive(Clone, Debug, PartialEq)]
pub struct Conclusion {
    pub decided: bool,
    pub causes: Vec<RankedCause>,
    pub together: Option<Together>,
    pub next: Vec<NextExperiment>,
}

impl Library {
    /// Reads the shelf, what the user has added included.
    pub fn load() -> Result<Self, ProfileError> {
        Ok(Self { knowledge: Knowledge::load()?, devices: device::catalogue()? })
    }

    /// What the rules read off, and what follows from the device profile.
    pub fn findings(&self, subject: &Subject, observed: &Observed) -> Vec<Finding> {
        let mut found = self.knowledge.catalogue.read_off(observed);
        found.extend(subject.findings(&self.knowledge.catalogue));
        found
    }

    pub fn subject(&self, observed: &Observed) -> Subject {
        Subject::of(observed, &self.devices)
    }

    /// Every experiment that is worth a walk to the bench, the most information per minute first.
    pub fn proposals(&self, subject: &Subject, findings: &[Finding]) -> Vec<NextExperiment> {
        let posterior = Posterior::of(&self.knowledge, subject, findings);
        next_experiment::all(&self.knowledge, subject, &posterior, findings)
    }

    /// Ranks the causes. `findings` are all of them: of the statistics, of the rules and of the device profile.
    pub fn conclude(&self, subject: &Subject, kind: VerdictKind, findings: &[Finding]) -> Conclusion {
        let posterior = Posterior::of(&self.knowledge, subject, findings);
        match kind {
            VerdictKind::Clean => {
                Conclusion { decided: false, causes: harmless(&posterior), together: None, next: Vec::new() }
            }
            VerdictKind::Fault | VerdictKind::Inconclusive => Conclusion {
                decided: posterior.is_decided(),
                causes: ranked(&posterior),
                together: posterior.together().map(|pair| Together {
                    causes: pair.causes.map(|cause| cause.id.clone()),
                    names: pair.causes.map(|cause| cause.name.clone()),
                    probability: pair.probability,
                }),
                next: next_experiment::propose(&self.knowledge, subject, &posterior, findings),
            },
        }
    }
}

/// Nothing failed, so only causes that mean no harm and have something for them are named.
fn harmless(posterior: &Posterior<'_>) -> Vec<RankedCause> {
    let named = posterior.causes.iter().filter(|weighed| weighed.cause.harmless);
    named.filter(|weighed| weighed.reasons.iter().any(|reason| reason.shift > 0.7)).map(describe).collect()
}

fn ranked(posterior: &Posterior<'_>) -> Vec<RankedCause> {
    let shown = posterior.causes.iter().filter(|weighed| weighed.probability >= LEAST_SHOWN).take(SHOWN);
    let mut causes: Vec<_> = shown.map(describe).collect();
    let place = causes.partition_point(|cause| cause.probability >= posterior.unknown);
    causes.insert(
        place,
        RankedCause {
            id: UNKNOWN_CAUSE.to_owned(),
            family: UNKNOWN_CAUSE.to_owned(),
            name: "Something that is not in the knowledge base".to_owned(),
            probability: posterior.unknown,
            speaks_for: Vec::new(),
            speaks_against: Vec::new(),
        },
    );
    causes
}

fn describe(weighed: &Weighed<'_>) -> RankedCause {
    let arguments = |speaks_for: bool| {
        let reasons = weighed.reasons.iter().filter(move |reason| reason.speaks_for() == speaks_for);
        reasons.map(|reason| Argument::clone(&reason.argument))
    };
    RankedCause {
        id: weighed.cause.id.clone(),
        family: weighed.cause.family.clone(),
        name: weighed.cause.name.clone(),
        probability: weighed.probability,
        speaks_for: arguments(true).collect(),
        speaks_against: arguments(false).collect(),
    }
}
