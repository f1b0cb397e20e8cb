//! The knowledge base: causes, experiments, families and findings, read from `profiles` and checked against each other.

use serde::Deserialize;

use super::cause::{Cause, Link};
use super::experiment::{Experiment, ToldBy};
use super::grades::Grade;
use super::likeness::Likeness;
use crate::evidence::catalogue::Catalogue;
use crate::profile::loader::{self, ProfileError};
use crate::profile::shelf::{self, Sheet};

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

    /// What may have been meant by a name that is no family: that of a cause, or one that is misspelt.
    pub fn family_hint(&self, wrong: &str) -> Option<String> {
        if let Some(cause) = self.causes.iter().find(|cause| cause.id == wrong) {
            return Some(format!("the cause `{wrong}` is of the family `{}`", cause.family));
        }
        let near = loader::nearest(wrong, self.families.iter().map(|family| family.id.as_str()));
        near.map(|near| format!("did you mean `{near}`?"))
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

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;

    use super::super::subject::Subject;
    use super::*;
    use crate::observation::event::Transport;

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
