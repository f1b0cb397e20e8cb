//! The catalogue of findings (`profiles/findings`): what each one means, which ones count as one, and which are read off by rule.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::finding::{Finding, Unit};
use super::observed::Observed;
use super::rules::Condition;
use super::weight;
use crate::profile::loader::{self, ProfileError};
use crate::profile::shelf::{self, Sheet};

/// Every finding that anything may report, with the groups they belong to.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    entries: BTreeMap<String, Entry>,
    groups: BTreeMap<String, Group>,
}

/// What one finding means.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Entry {
    pub id: String,
    /// Findings of one group rest on the same thing and count once per cause.
    pub group: String,
    /// One sentence; `{code}`, `{phase}` and `{quote}` stand for what the rule met.
    pub text: String,
    /// How much a match of the rule counts, from 0 (a hint) to 1 (established).
    #[serde(default = "established")]
    pub weight: f64,
    /// Something seen at work, such as a reset while the probe looked: in a campaign it counts by how often it was met, not by
    /// the share of the failures that show it.
    #[serde(default)]
    pub direct: bool,
    /// It says that the trouble comes and goes, which what is constant cannot do.
    #[serde(default)]
    pub varies: bool,
    /// The rule that reads it off; absent for findings that the statistics compute.
    pub when: Option<Condition>,
    /// Its place among all findings in the order of their names.
    #[serde(skip)]
    pub number: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Group {
    pub id: String,
    pub text: String,
    /// Something that went wrong: a cause that does not account for it loses to causes that do.
    #[serde(default)]
    pub symptom: bool,
    /// A rule that chance does not make: a cause that does not account for it can hardly be the only one at work.
    #[serde(default)]
    pub telling: bool,
    /// Two causes at work at once show two of its findings side by side.
    #[serde(default)]
    pub side_by_side: bool,
    /// Its findings take no share of the failures: they tell of boots that come as well, or of single failures.
    #[serde(default)]
    pub apart: bool,
    /// In a campaign its findings say nothing without this one: where many steps are hit, which ones is chance.
    pub campaigns_need: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct CatalogueSheet {
    #[serde(default)]
    group: Vec<Group>,
    #[serde(default)]
    finding: Vec<Entry>,
}

fn established() -> f64 {
    1.0
}

impl Entry {
    /// The text without the places for what a rule met.
    pub fn meaning(&self) -> String {
        ["{quote}", "{code}", "{phase}"].iter().fold(self.text.clone(), |text, place| {
            text.replace(&format!(": {place}"), "").replace(&format!(" ({place})"), "").replace(place, "in question")
        })
    }
}

/// The method of what rules tell: a share of the failures with its interval, or a fact, which has no size.
const RULE_OVER_FAILURES: &str =
    "rule over failures, counted; beta-binomial mixture confidence sequence, 95 % at every look";
pub const RULE_OVER_FACTS: &str = "rule over facts";

impl Catalogue {
    /// Reads the shelf, the user's own findings included.
    pub fn load() -> Result<Self, ProfileError> {
        Self::from_sheets(&shelf::sheets("findings")?)
    }

    pub fn from_sheets(sheets: &[Sheet]) -> Result<Self, ProfileError> {
        let mut catalogue = Self::default();
        let mut read = Vec::new();
        for sheet in sheets {
            let parsed: CatalogueSheet = loader::parse(&sheet.file, &sheet.text)?;
            for group in parsed.group {
                catalogue.groups.insert(group.id.clone(), group);
            }
            read.push((sheet, parsed.finding));
        }
        for (sheet, entries) in read {
            for entry in entries {
                catalogue.check(sheet, &entry)?;
                catalogue.entries.insert(entry.id.clone(), entry);
            }
        }
        for sheet in sheets {
            catalogue.check_needs(sheet)?;
        }
        for (number, entry) in catalogue.entries.values_mut().enumerate() {
            entry.number = number;
        }
        Ok(catalogue)
    }

    fn check_needs(&self, sheet: &Sheet) -> Result<(), ProfileError> {
        let unmet = |group: &&Group| group.campaigns_need.as_ref().is_some_and(|id| !self.entries.contains_key(id));
        let Some(group) = self.groups.values().find(unmet) else { return Ok(()) };
        let needed = group.campaigns_need.as_deref().unwrap_or_default();
        let hint = loader::nearest(needed, self.entries.keys().map(String::as_str));
        Err(loader::refuse(
            &sheet.file,
            &sheet.text,
            &format!("\"{needed}\""),
            format!("the group `{}` needs the unknown finding `{needed}`", group.id),
            hint.map(|name| format!("did you mean `{name}`?")),
        ))
    }

    fn check(&self, sheet: &Sheet, entry: &Entry) -> Result<(), ProfileError> {
        let refuse = |message: String, hint: Option<String>| {
            Err(loader::refuse(&sheet.file, &sheet.text, &format!("\"{}\"", entry.id), message, hint))
        };
        if self.entries.contains_key(&entry.id) {
            return refuse(format!("the finding `{}` is defined twice", entry.id), None);
        }
        if !self.groups.contains_key(&entry.group) {
            let near = loader::nearest(&entry.group, self.groups.keys().map(String::as_str));
            let hint = near.map(|name| format!("did you mean `{name}`?"));
            return refuse(format!("`{}` belongs to the unknown group `{}`", entry.id, entry.group), hint);
        }
        if !(0.0..=1.0).contains(&entry.weight) {
            return refuse(format!("the weight of `{}` is not between 0 and 1", entry.id), None);
        }
        match &entry.when {
            Some(condition) if condition.is_empty() => {
                refuse(format!("the rule of `{}` asks for nothing", entry.id), None)
            }
            _ => Ok(()),
        }
    }

    pub fn entry(&self, id: &str) -> Option<&Entry> {
        self.entries.get(id)
    }

    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    pub fn group(&self, id: &str) -> Option<&Group> {
        self.groups.get(id)
    }

    /// Every finding whose rule holds for what was observed.
    pub fn read_off(&self, observed: &Observed) -> Vec<Finding> {
        let held = |entry: &Entry| {
            let met = entry.when.as_ref()?.met_by(observed)?;
            let unit = match met.failures {
                Some(_) => observed.unit_of_failures(),
                None if observed.is_campaign() => Unit::Cycle,
                None => Unit::Session,
            };
            // In a campaign what happens seldom must not count like what happens always, and beside what is counted over boots
            // one sighting is one sighting. An error that the device names itself is none the less named.
            let counted_beside = self.groups.get(&entry.group).is_some_and(|group| group.side_by_side);
            let sightings = weight::of_sightings(met.count);
            // Beside another picture a small share is no doubt that it occurs.
            let (share, occurs) = match met.share.filter(|_| observed.is_campaign()) {
                Some(_) if entry.direct => (sightings, sightings),
                Some(share) if counted_beside => (share * sightings, sightings),
                Some(share) => (share, share),
                None => (1.0, 1.0),
            };
            let finding = Finding::new(&entry.id, met.fill(&entry.text), met.count, unit);
            let (finding, rule) = match met.failures {
                Some(all) => (finding.of_share(met.count.min(all), all, "share of failures"), RULE_OVER_FAILURES),
                None => (finding, RULE_OVER_FACTS),
            };
            let finding = finding.by(rule, entry.weight * share).occurs(entry.weight * occurs);
            Some(finding.seen_at(met.at.iter().copied()))
        };
        self.entries.values().filter_map(held).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(text: &str) -> Sheet {
        Sheet { name: "f".into(), file: "f.toml".into(), text: text.into() }
    }

    fn refusal(text: &str) -> String {
        Catalogue::from_sheets(&[sheet(text)]).unwrap_err().to_string()
    }

    const GROUP: &str = "[[group]]\nid = \"answers\"\ntext = \"How it answers.\"\n";

    #[test]
    fn the_shipped_catalogue_is_sound() {
        let catalogue = Catalogue::from_sheets(&shelf::built_in("findings")).unwrap();
        assert!(catalogue.entries().count() > 40);
        for entry in catalogue.entries() {
            assert!(entry.text.ends_with('.'), "{}", entry.id);
        }
    }

    #[test]
    fn a_wrong_class_names_line_and_nearest() {
        let text = format!(
            "{GROUP}[[finding]]\nid = \"a\"\ngroup = \"answers\"\ntext = \"A.\"\n[finding.when]\nfailure = {{ class = [\"stal\"] }}\n"
        );
        let said = refusal(&text);
        assert!(said.starts_with("f.toml:9: unknown variant `stal`"), "{said}");
        assert!(said.ends_with("did you mean `stall`?"), "{said}");
    }

    #[test]
    fn a_wrong_group_names_line_and_nearest() {
        let text = format!("{GROUP}[[finding]]\nid = \"a\"\ngroup = \"answer\"\ntext = \"A.\"\n");
        assert_eq!(refusal(&text), "f.toml:5: `a` belongs to the unknown group `answer`; did you mean `answers`?");
    }

    #[test]
    fn a_group_that_needs_an_unknown_finding_is_refused() {
        let said = refusal(&GROUP.replace("text =", "campaigns-need = \"a\"\ntext ="));
        assert!(said.contains("the group `answers` needs the unknown finding `a`"), "{said}");
    }

    #[test]
    fn a_rule_that_asks_for_nothing_is_refused() {
        let text = format!(
            "{GROUP}[[finding]]\nid = \"a\"\ngroup = \"answers\"\ntext = \"A.\"\n[finding.when]\nall-of = []\n"
        );
        assert!(refusal(&text).contains("asks for nothing"));
    }
}
