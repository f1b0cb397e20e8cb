//! Many reports as text, JSON or CSV: their clusters, how they come over time, and a row for each.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use crate::investigation::collection::{Cluster, Collection, Month, Summary};
use crate::observation::field_text::FieldText;

/// Names in a cell of the text table.
const NAMED: usize = 3;

/// Published as `schemas/clusters.schema.json`.
pub const CLUSTERS_SCHEMA: &str = "flakescope.clusters/1";

/// The table below the verdicts of a folder.
pub fn write_text(out: &mut impl Write, collection: &Collection) -> io::Result<()> {
    writeln!(out, "\n{} REPORTS BY LEADING CAUSE AND SIGNATURE", collection.summaries().len())?;
    for cluster in collection.clusters() {
        write_cluster(out, &cluster)?;
    }
    let months = collection.months();
    if !months.is_empty() {
        writeln!(out, "\nBY MONTH")?;
    }
    for month in &months {
        let name = month.month.as_deref().unwrap_or("undated");
        writeln!(out, "{name:8} {:5}  {}", month.reports, most(&month.families))?;
    }
    Ok(())
}

fn write_cluster(out: &mut impl Write, cluster: &Cluster) -> io::Result<()> {
    writeln!(out, "{:6}  {:30} {}", cluster.reports, cluster.family, safe(&cluster.signature))?;
    let rows = [("parts", &cluster.parts), ("tools", &cluster.tools), ("hosts", &cluster.hosts)];
    let told: Vec<_> = rows
        .into_iter()
        .filter(|(_, counts)| !counts.is_empty())
        .map(|(name, counts)| format!("{name}: {}", most(counts)))
        .collect();
    if !told.is_empty() {
        writeln!(out, "        {}", told.join("; "))?;
    }
    if let (Some(first), Some(last)) = (&cluster.first_day, &cluster.last_day) {
        writeln!(out, "        {}", if first == last { first.clone() } else { format!("{first} to {last}") })?;
    }
    Ok(())
}

/// The most frequent with their counts: `STM32F405 3, STM32F407 1`.
fn most(counts: &BTreeMap<String, usize>) -> String {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let more = counts.len().saturating_sub(NAMED);
    let named: Vec<_> = counts.iter().take(NAMED).map(|(name, count)| format!("{} {count}", safe(name))).collect();
    if more > 0 { format!("{}, {more} more", named.join(", ")) } else { named.join(", ") }
}

fn safe(text: &str) -> String {
    FieldText::new(text).for_terminal()
}

#[derive(Serialize)]
struct Clusters<'a> {
    schema: &'static str,
    reports: usize,
    clusters: Vec<Cluster>,
    months: Vec<Month>,
    summaries: &'a [Summary],
}

/// One object on one line: clusters, months and a summary of every report.
pub fn write_json(out: &mut impl Write, collection: &Collection) -> io::Result<()> {
    let clusters = Clusters {
        schema: CLUSTERS_SCHEMA,
        reports: collection.summaries().len(),
        clusters: collection.clusters(),
        months: collection.months(),
        summaries: collection.summaries(),
    };
    serde_json::to_writer(&mut *out, &clusters)?;
    writeln!(out)
}

const COLUMNS: [&str; 12] = [
    "report",
    "day",
    "verdict",
    "family",
    "cause",
    "probability",
    "signature",
    "part",
    "tools",
    "host",
    "lines",
    "reports_in_cluster",
];

/// One row per report, with the size of the cluster it belongs to.
pub fn write_csv(out: impl Write, collection: &Collection) -> csv::Result<()> {
    let clusters = collection.clusters();
    let size = |summary: &Summary| {
        clusters
            .iter()
            .find(|cluster| cluster.family == summary.family && cluster.signature == summary.signature)
            .map_or(0, |cluster| cluster.reports)
    };
    let cell = |text: &str| FieldText::new(text).for_csv();
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
    writer.write_record(COLUMNS)?;
    for summary in collection.summaries() {
        writer.write_record([
            summary.report.for_csv(),
            summary.day.clone().unwrap_or_default(),
            super::wording::verdict_word(summary.verdict).to_lowercase(),
            summary.family.clone(),
            summary.cause.clone(),
            format!("{:.3}", summary.probability),
            cell(&summary.signature),
            cell(summary.part.as_deref().unwrap_or_default()),
            cell(&summary.tools.join("; ")),
            cell(summary.host.as_deref().unwrap_or_default()),
            summary.lines.to_string(),
            size(summary).to_string(),
        ])?;
    }
    writer.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::investigation::triage::Triage;

    fn collection() -> Collection {
        let triage = Triage::load().unwrap();
        let mut collection = Collection::default();
        let refused = "dfu-util 0.11\nCannot open DFU device 0483:df11 (LIBUSB_ERROR_ACCESS)\nSTM32F405 on Ubuntu\n";
        for (name, text) in [
            ("2024-05-02-a.txt", refused),
            ("2024-06-11-b.txt", refused),
            ("=evil().txt", "Error: stm32x device protected\nError: failed erasing sectors 0 to 2\n"),
        ] {
            collection.add(Summary::of(&triage.report(name, &mut text.as_bytes()).unwrap()));
        }
        collection
    }

    #[test]
    fn the_text_names_clusters_and_months() {
        let mut out = Vec::new();
        write_text(&mut out, &collection()).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap());
    }

    #[test]
    fn a_spreadsheet_gets_no_formula() {
        let mut out = Vec::new();
        write_csv(&mut out, &collection()).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 4);
        assert!(!text.lines().any(|line| line.starts_with('=')), "{text}");
        assert!(text.contains("host-permission") && text.contains(",2\r\n"), "{text}");
    }

    #[test]
    fn the_json_reads_back() {
        let mut out = Vec::new();
        write_json(&mut out, &collection()).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["schema"], CLUSTERS_SCHEMA);
        assert_eq!(value["clusters"][0]["reports"], 2);
        assert_eq!(value["months"][0]["month"], "2024-05");
        assert_eq!(value["summaries"].as_array().unwrap().len(), 3);
    }
}
