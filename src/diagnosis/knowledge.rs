//! The knowledge base (`profiles/causes`, `profiles/experiments`): what can be wrong, what speaks for and against it, how to find out.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::grades::{Chance, Grade};
use super::likeness::Likeness;
use super::subject::Subject;
use crate::evidence::catalogue::Catalogue;
use crate::observation::event::Transport;
use crate::profile::device;
use crate::profile::loader::{self, ProfileError};
use crate::profile::shelf::{self, Sheet};
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

/// Something that can be done to tell causes apart; it has two outcomes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Experiment {
    pub id: String,
    /// What to do, as one says it to the person at the bench.
    pub text: String,
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

/// One family as the verdict names it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Family {
    pub id: String,
    pub text: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FamilySheet {
    #[serde(rename = "family")]
    families: Vec<Family>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ExperimentSheet {
    #[serde(rename = "experiment")]
    experiments: Vec<Experiment>,
}

/// Reads a sheet of families.
pub fn families_from(sheet: &Sheet) -> Result<Vec<Family>, ProfileError> {
    Ok(loader::parse::<FamilySheet>(&sheet.file, &sheet.text)?.families)
}

/// Everything that is known, checked for names that lead nowhere.
#[derive(Clone, Debug)]
pub struct Knowledge {
    pub catalogue: Catalogue,
    pub families: Vec<Family>,
    pub causes: Vec<Cause>,
    pub experiments: Vec<Experiment>,
    /// What became of reports that read alike.
    pub likeness: Likeness,
}

impl Knowledge {
    /// Reads the shelf, what the user has added included.
    pub fn load() -> Result<Self, ProfileError> {
        Self::from_shelf(shelf::sheets)
    }

    /// What is built in, whatever the user has added.
    pub fn built_in() -> Result<Self, ProfileError> {
        Self::from_shelf(|kind| Ok(shelf::built_in(kind)))
    }

    fn from_shelf(sheets: impl Fn(&str) -> Result<Vec<Sheet>, ProfileError>) -> Result<Self, ProfileError> {
        let mut knowledge = Self {
            catalogue: Catalogue::from_sheets(&sheets("findings")?)?,
            families: Vec::new(),
            causes: Vec::new(),
            experiments: Vec::new(),
            likeness: Likeness::from_sheets(&sheets("likeness")?)?,
        };
        for sheet in sheets("families")? {
            knowledge.families.extend(families_from(&sheet)?);
        }
        for sheet in sheets("experiments")? {
            let experiments = knowledge.experiments_from(&sheet)?;
            knowledge.experiments.extend(experiments);
        }
        for sheet in sheets("causes")? {
            let cause = knowledge.cause_from(&sheet)?;
            knowledge.causes.push(cause);
        }
        Ok(knowledge)
    }

    /// Reads a sheet of experiments against the findings.
    pub fn experiments_from(&self, sheet: &Sheet) -> Result<Vec<Experiment>, ProfileError> {
        let read: ExperimentSheet = loader::parse(&sheet.file, &sheet.text)?;
        read.experiments.iter().try_for_each(|experiment| self.check_findings(sheet, &experiment.answered_by))?;
        Ok(read.experiments)
    }

    /// Reads one cause against the rest of the knowledge base.
    pub fn cause_from(&self, sheet: &Sheet) -> Result<Cause, ProfileError> {
        let mut cause: Cause = loader::parse(&sheet.file, &sheet.text)?;
        let linked = cause.raises.iter().chain(&cause.lowers).map(|link| link.finding.clone());
        let findings: Vec<_> =
            linked.chain(cause.witnessed_by.iter().chain(&cause.in_every_failure_by).cloned()).collect();
        self.check_findings(sheet, &findings)?;
        let families: Vec<_> = self.families.iter().map(|family| family.id.as_str()).collect();
        known(sheet, "family", &cause.family, &families)?;
        let experiments: Vec<_> = self.experiments.iter().map(|experiment| experiment.id.as_str()).collect();
        for prediction in &cause.experiments {
            known(sheet, "experiment", &prediction.id, &experiments)?;
        }
        let shares = std::iter::once(cause.prior.share).chain(cause.prior.instead.iter().map(|instead| instead.share));
        for share in shares {
            if !(share > 0.0 && share < 1.0) {
                let message = format!("a prior of {share} leaves nothing to learn; it must lie between 0 and 1");
                return Err(loader::refuse(&sheet.file, &sheet.text, "share", message, None));
            }
        }
        cause.index(&self.catalogue);
        if cause.constant {
            self.set_against_what_varies(&mut cause);
            cause.index(&self.catalogue);
        }
        Ok(cause)
    }

    fn set_against_what_varies(&self, cause: &mut Cause) {
        for entry in self.catalogue.entries().filter(|entry| entry.varies) {
            if cause.stance(entry.number).is_none() {
                let because = "what it does is the same every time".to_owned();
                cause.lowers.push(Link { finding: entry.id.clone(), grade: Grade::Strong, because });
            }
        }
    }

    fn check_findings(&self, sheet: &Sheet, findings: &[String]) -> Result<(), ProfileError> {
        let names: Vec<_> = self.catalogue.entries().map(|entry| entry.id.as_str()).collect();
        findings.iter().try_for_each(|finding| known(sheet, "finding", finding, &names))
    }

    pub fn cause(&self, id: &str) -> Option<&Cause> {
        self.causes.iter().find(|cause| cause.id == id)
    }

    pub fn experiment(&self, id: &str) -> Option<&Experiment> {
        self.experiments.iter().find(|experiment| experiment.id == id)
    }

    /// Every quantity that answers an experiment by itself, with that experiment.
    pub fn measured_answers(&self) -> Vec<(String, String)> {
        let alone = self.experiments.iter().filter_map(|experiment| match &experiment.told_by {
            ToldBy::Measurement(quantities) if quantities.len() == 1 => {
                Some((quantities[0].clone(), experiment.id.clone()))
            }
            _ => None,
        });
        alone.collect()
    }
}

fn known(sheet: &Sheet, what: &str, name: &str, names: &[&str]) -> Result<(), ProfileError> {
    if names.contains(&name) {
        return Ok(());
    }
    let hint = loader::nearest(name, names.iter().copied()).map(|near| format!("did you mean `{near}`?"));
    let needle = format!("\"{name}\"");
    Err(loader::refuse(&sheet.file, &sheet.text, &needle, format!("no {what} is called `{name}`"), hint))
}

impl Cause {
    pub fn met_over(&self, transport: Transport) -> bool {
        transport == Transport::Other || self.transports.contains(&transport)
    }

    /// Whether it applies to the part; true where the part is not known.
    pub fn applies_to(&self, part: Option<&str>) -> bool {
        fits_one(&self.parts, part).unwrap_or(true)
    }

    pub fn prior_for(&self, subject: &Subject) -> f64 {
        let holds = |instead: &&PriorInstead| {
            (instead.parts.is_empty() || fits_one(&instead.parts, subject.part()) == Some(true))
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
    fn index(&mut self, catalogue: &Catalogue) {
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

impl Experiment {
    /// Whether it can be done to this subject, and is not being done already.
    pub fn is_open_to(&self, subject: &Subject) -> bool {
        let under_way = subject.is_being_booted && self.told_by == ToldBy::MoreBoots;
        !under_way
            && (subject.transport == Transport::Other || self.transports.contains(&subject.transport))
            && fits_one(&self.parts, subject.part()).unwrap_or(true)
    }
}

/// `None` where there is nothing to compare, or where the name is too short to tell.
fn fits_one(patterns: &[String], part: Option<&str>) -> Option<bool> {
    let part = part.filter(|_| !patterns.is_empty())?;
    let fits = patterns.iter().any(|pattern| device::part_fits(pattern, part));
    let may_fit = || patterns.iter().any(|pattern| device::part_may_fit(pattern, part));
    if fits || !may_fit() { Some(fits) } else { None }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;

    use super::*;

    /// The rows of the table of root causes, for where the table itself is not at hand.
    const ROOT_CAUSES: &str = include_str!("../../tests/fixtures/root_causes.txt");

    #[test]
    fn the_shipped_knowledge_leads_nowhere_wrong() {
        let knowledge = Knowledge::built_in().unwrap();
        assert!(knowledge.causes.len() > 70);
        let ids: BTreeSet<_> = knowledge.causes.iter().map(|cause| &cause.id).collect();
        assert_eq!(ids.len(), knowledge.causes.len());
        for cause in &knowledge.causes {
            let mut linked = BTreeSet::new();
            for link in cause.raises.iter().chain(&cause.lowers) {
                assert!(linked.insert(&link.finding), "{}: {} is linked twice", cause.id, link.finding);
            }
            assert!(!cause.raises.is_empty() && !cause.sources.is_empty(), "{}", cause.id);
        }
    }

    #[test]
    fn every_family_has_a_cause() {
        let knowledge = Knowledge::built_in().unwrap();
        for family in &knowledge.families {
            assert!(knowledge.causes.iter().any(|cause| cause.family == family.id), "{}", family.id);
        }
    }

    #[test]
    fn every_root_cause_of_the_table_is_covered() {
        let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/facts/root_causes.csv");
        let text = std::fs::read_to_string(table).unwrap_or_else(|_| ROOT_CAUSES.to_owned());
        let knowledge = Knowledge::built_in().unwrap();
        let covered: BTreeSet<_> =
            knowledge.causes.iter().flat_map(|cause| &cause.covers).map(String::as_str).collect();
        let named: BTreeSet<_> = text.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
        assert_eq!(named.difference(&covered).collect::<Vec<_>>(), Vec::<&&str>::new());
        assert_eq!(covered.difference(&named).collect::<Vec<_>>(), Vec::<&&str>::new());
    }

    #[test]
    fn priors_leave_room_for_the_unknown_in_every_context() {
        let knowledge = Knowledge::built_in().unwrap();
        for transport in [Transport::Dfu, Transport::Swd] {
            let mut most = BTreeMap::new();
            for part in
                ["STM32F205", "STM32F407", "STM32F746", "STM32H753", "STM32WB55", "STM32F103", "STM32F072", "STM32L476"]
            {
                let subject = Subject::of_part(part, transport);
                let met = knowledge.causes.iter().filter(|cause| cause.met_over(transport));
                most.insert(part, met.map(|cause| cause.prior_for(&subject)).sum::<f64>());
            }
            assert!(most.values().all(|sum| *sum < 1.0), "{most:?}");
        }
    }

    #[test]
    fn what_comes_and_goes_speaks_against_what_is_constant() {
        let knowledge = Knowledge::built_in().unwrap();
        let number = knowledge.catalogue.entry("failures-within-boots").unwrap().number;
        let stance = |cause: &str| knowledge.cause(cause).unwrap().stance(number).map(|it| it.shift);
        assert!(stance("write-protection").unwrap() < -2.0);
        assert!(stance("usb-cable").unwrap() > 0.0);
    }

    #[test]
    fn a_wrong_finding_names_line_and_nearest() {
        let knowledge = Knowledge::built_in().unwrap();
        let mut sheet = shelf::built_in("causes").into_iter().find(|sheet| sheet.name == "usb-cable").unwrap();
        sheet.text = sheet.text.replacen("\"late-transfers\"", "\"late-transfer\"", 1);
        let said = knowledge.cause_from(&sheet).unwrap_err().to_string();
        assert!(said.ends_with("no finding is called `late-transfer`; did you mean `late-transfers`?"), "{said}");
    }
}
