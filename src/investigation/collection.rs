//! What many reports have in common: clusters by shared cause and signature, and how they come over time.

use std::collections::BTreeMap;

use serde::Serialize;

use super::triage::Triaged;
use crate::diagnosis::verdict::{UNKNOWN_CAUSE, VerdictKind};
use crate::observation::fact::FactValue;
use crate::observation::field_text::FieldText;
use crate::readers::dates::{self, Day};

/// Reports named in a cluster.
const NAMED_REPORTS: usize = 20;

/// One report in a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    pub report: FieldText,
    pub verdict: VerdictKind,
    /// `clean` where nothing is wrong, `unknown` where nothing leads.
    pub family: String,
    pub cause: String,
    pub probability: f64,
    /// The failure that shows first: class, phase and what the tool printed.
    pub signature: String,
    pub part: Option<String>,
    /// Tools with their versions.
    pub tools: Vec<String>,
    pub host: Option<String>,
    pub day: Option<String>,
    pub lines: u32,
}

impl Summary {
    pub fn of(triaged: &Triaged) -> Self {
        let verdict = &triaged.verdict;
        let leading = triaged.leading().filter(|cause| !cause.speaks_for.is_empty());
        let (family, cause, probability) = match (verdict.verdict, leading) {
            (VerdictKind::Clean, _) => ("clean", "", 0.0),
            (_, Some(cause)) => (cause.family.as_str(), cause.id.as_str(), cause.probability),
            (_, None) => (UNKNOWN_CAUSE, "", 0.0),
        };
        Self {
            report: verdict.source.clone(),
            verdict: verdict.verdict,
            family: family.to_owned(),
            cause: cause.to_owned(),
            probability,
            signature: signature(triaged),
            part: verdict.device.clone(),
            tools: tools(triaged),
            host: text_of(triaged, "host-os"),
            day: day(triaged).map(|day| day.to_string()),
            lines: triaged.lines,
        }
    }
}

/// Numbers and addresses differ from report to report and are left out.
fn signature(triaged: &Triaged) -> String {
    let Some(failure) = triaged.verdict.failures.first() else { return String::new() };
    let code = failure.code.as_ref().map_or("", FieldText::raw);
    let mut words = String::new();
    for word in code.split_whitespace() {
        let shown = if word.starts_with("0x") || word.bytes().all(|byte| byte.is_ascii_digit()) { "N" } else { word };
        words.push(' ');
        words.push_str(shown);
    }
    format!("{}/{}{}", failure.class, failure.phase, if words.is_empty() { String::new() } else { format!(":{words}") })
}

fn text_of(triaged: &Triaged, key: &str) -> Option<String> {
    triaged.facts.iter().find(|fact| fact.key == key).and_then(|fact| match &fact.value {
        FactValue::Text(text) => Some(text.raw().to_lowercase()),
        _ => None,
    })
}

/// `dfu-util 0.11` where the version is known, the bare name otherwise.
fn tools(triaged: &Triaged) -> Vec<String> {
    let versions: Vec<String> = triaged
        .facts
        .iter()
        .filter(|fact| fact.key == "tool-version")
        .filter_map(|fact| if let FactValue::Text(text) = &fact.value { Some(text.raw().to_owned()) } else { None })
        .collect();
    let versioned = |tool: &String| versions.iter().find(|version| version.starts_with(tool.as_str())).cloned();
    triaged.verdict.tools.iter().map(|tool| versioned(tool).unwrap_or_else(|| tool.clone())).collect()
}

fn day(triaged: &Triaged) -> Option<Day> {
    text_of(triaged, "dated").as_deref().and_then(dates::day_in).or_else(|| dates::day_in(triaged.verdict.source.raw()))
}

/// Reports that share a leading family and a signature.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Cluster {
    pub family: String,
    pub signature: String,
    pub reports: usize,
    pub parts: BTreeMap<String, usize>,
    pub tools: BTreeMap<String, usize>,
    pub hosts: BTreeMap<String, usize>,
    pub first_day: Option<String>,
    pub last_day: Option<String>,
    /// Some of the reports.
    pub names: Vec<FieldText>,
}

impl Cluster {
    fn absorb(&mut self, summary: &Summary) {
        self.reports += 1;
        let count = |counts: &mut BTreeMap<String, usize>, key: &String| *counts.entry(key.clone()).or_default() += 1;
        summary.part.iter().for_each(|part| count(&mut self.parts, part));
        summary.tools.iter().for_each(|tool| count(&mut self.tools, tool));
        summary.host.iter().for_each(|host| count(&mut self.hosts, host));
        if let Some(day) = &summary.day {
            let first = self.first_day.get_or_insert_with(|| day.clone());
            *first = first.clone().min(day.clone());
            let last = self.last_day.get_or_insert_with(|| day.clone());
            *last = last.clone().max(day.clone());
        }
        if self.names.len() < NAMED_REPORTS {
            self.names.push(summary.report.clone());
        }
    }
}

/// How many reports of each family a month brought.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Month {
    /// `2024-05`; absent for reports that tell no day.
    pub month: Option<String>,
    pub reports: usize,
    pub families: BTreeMap<String, usize>,
}

/// All reports that were read.
#[derive(Clone, Debug, Default)]
pub struct Collection {
    summaries: Vec<Summary>,
}

impl Collection {
    pub fn add(&mut self, summary: Summary) {
        self.summaries.push(summary);
    }

    pub fn summaries(&self) -> &[Summary] {
        &self.summaries
    }

    pub fn faults(&self) -> usize {
        self.summaries.iter().filter(|summary| summary.verdict == VerdictKind::Fault).count()
    }

    /// The largest first.
    pub fn clusters(&self) -> Vec<Cluster> {
        let mut clusters: BTreeMap<(&str, &str), Cluster> = BTreeMap::new();
        for summary in &self.summaries {
            clusters
                .entry((&summary.family, &summary.signature))
                .or_insert_with(|| Cluster {
                    family: summary.family.clone(),
                    signature: summary.signature.clone(),
                    ..Cluster::default()
                })
                .absorb(summary);
        }
        let mut clusters: Vec<_> = clusters.into_values().collect();
        clusters.sort_by_key(|cluster| std::cmp::Reverse(cluster.reports));
        clusters
    }

    /// Oldest first, what tells no day last; empty where no report tells one.
    pub fn months(&self) -> Vec<Month> {
        if self.summaries.iter().all(|summary| summary.day.is_none()) {
            return Vec::new();
        }
        let mut months: BTreeMap<Option<&str>, Month> = BTreeMap::new();
        for summary in &self.summaries {
            let month = summary.day.as_deref().map(|day| &day[..7]);
            let entry = months.entry(month).or_insert_with(|| Month {
                month: month.map(str::to_owned),
                reports: 0,
                families: BTreeMap::new(),
            });
            entry.reports += 1;
            *entry.families.entry(summary.family.clone()).or_default() += 1;
        }
        let (undated, mut dated): (Vec<_>, Vec<_>) = months.into_values().partition(|month| month.month.is_none());
        dated.extend(undated);
        dated
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::investigation::triage::Triage;

    fn collection(reports: &[(&str, &str)]) -> Collection {
        let triage = Triage::load().unwrap();
        let mut collection = Collection::default();
        for (name, text) in reports {
            collection.add(Summary::of(&triage.report(name, &mut text.as_bytes()).unwrap()));
        }
        collection
    }

    const NO_RIGHTS: &str =
        "dfu-util 0.11\nCannot open DFU device 0483:df11 (LIBUSB_ERROR_ACCESS)\nSTM32F405 on Ubuntu\n";

    #[test]
    fn reports_with_one_cause_and_signature_are_one_cluster() {
        let collection = collection(&[
            ("2024-05-02-a.txt", NO_RIGHTS),
            ("2024-06-11-b.txt", NO_RIGHTS),
            ("c.txt", "Info : Target voltage: 3.2\nError: init mode failed (unable to connect to the target)\n"),
        ]);
        let clusters = collection.clusters();
        assert_eq!(clusters.len(), 2, "{clusters:?}");
        assert_eq!((clusters[0].family.as_str(), clusters[0].reports), ("host-permission", 2));
        assert_eq!(clusters[0].parts.get("STM32F405"), Some(&2));
        assert_eq!(clusters[0].tools.get("dfu-util 0.11"), Some(&2));
        assert_eq!(clusters[0].hosts.get("linux"), Some(&2));
        assert_eq!(clusters[0].last_day.as_deref(), Some("2024-06-11"));
    }

    #[test]
    fn months_are_in_order_and_the_undated_last() {
        let collection =
            collection(&[("x.txt", NO_RIGHTS), ("2024-06-11.txt", NO_RIGHTS), ("2023-01-01.txt", NO_RIGHTS)]);
        let months: Vec<_> = collection.months().into_iter().map(|month| month.month).collect();
        assert_eq!(months, [Some("2023-01".to_owned()), Some("2024-06".to_owned()), None]);
    }
}
