//! Reports whose cause is known: `label.json` beside `report.txt`. Labels name families, not causes.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::diagnosis::knowledge::Knowledge;
use crate::diagnosis::verdict::UNKNOWN_CAUSE;

/// The cause of a report that tells of no fault.
pub const NOTHING_WRONG: &str = "none";

/// What is known of a report.
#[derive(Clone, Debug, Deserialize)]
pub struct Label {
    pub confirmed_cause: String,
    pub confirmation: String,
    #[serde(default)]
    pub acceptable_causes: Vec<String>,
    #[serde(default)]
    pub evidence_in_report: bool,
    /// How sure the cause is.
    #[serde(default)]
    pub probability: Option<f64>,
}

impl Label {
    /// By the poster or a maintainer.
    pub fn is_confirmed(&self) -> bool {
        ["poster-confirmed", "maintainer-confirmed", "written-for-this-test"].contains(&self.confirmation.as_str())
    }
}

/// A report with its label.
#[derive(Clone, Debug)]
pub struct Labelled {
    pub name: String,
    report: PathBuf,
    pub label: Label,
}

impl Labelled {
    pub fn open(&self) -> io::Result<File> {
        File::open(&self.report)
    }
}

/// Every folder below a path that holds a report and a label, by name. Each error names its file.
pub fn labelled(folder: &Path, knowledge: &Knowledge) -> io::Result<Vec<Labelled>> {
    let entries = std::fs::read_dir(folder).map_err(|error| refuse(folder, &error))?;
    let mut folders: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.sort();
    let mut found = Vec::new();
    for folder in folders {
        let (report, file) = (folder.join("report.txt"), folder.join("label.json"));
        if report.is_file() && file.is_file() {
            let text = std::fs::read_to_string(&file).map_err(|error| refuse(&file, &error))?;
            let label: Label = serde_json::from_str(&text).map_err(|error| refuse(&file, &error))?;
            check(&label, knowledge).map_err(|what| refuse(&file, &what))?;
            let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            found.push(Labelled { name, report, label });
        }
    }
    Ok(found)
}

fn refuse(path: &Path, what: &impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {what}", path.display()))
}

/// A name that no answer can give would count as missed whatever the answer.
fn check(label: &Label, knowledge: &Knowledge) -> Result<(), String> {
    let families = || knowledge.families.iter().map(|family| family.id.as_str()).chain([NOTHING_WRONG, UNKNOWN_CAUSE]);
    let confirmed = ("confirmed_cause", &label.confirmed_cause);
    let acceptable = label.acceptable_causes.iter().map(|cause| ("acceptable_causes", cause));
    for (key, name) in std::iter::once(confirmed).chain(acceptable) {
        if !families().any(|family| family == name) {
            let hint = knowledge.family_hint(name).map(|hint| format!("; {hint}")).unwrap_or_default();
            let known = families().collect::<Vec<_>>().join(", ");
            return Err(format!(
                "{key} names the family of the cause, and none is called `{name}`{hint}; known are {known}"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(label: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let report = folder.path().join("a");
        std::fs::create_dir(&report).unwrap();
        std::fs::write(report.join("report.txt"), "it fails").unwrap();
        std::fs::write(report.join("label.json"), label).unwrap();
        let read = labelled(folder.path(), &Knowledge::built_in().unwrap());
        let told = read.map_or_else(|error| error.to_string(), |found| format!("{} sound", found.len()));
        told.replace(&folder.path().display().to_string(), "DIR").replace('\\', "/")
    }

    #[test]
    fn a_label_that_is_wrong_is_told_with_its_file() {
        let with = |cause: &str| {
            said(&format!("{{\"confirmed_cause\": \"{cause}\", \"confirmation\": \"poster-confirmed\"}}"))
        };
        for sound in ["usb-power", "none", "unknown"] {
            assert_eq!(with(sound), "1 sound");
        }
        let of_a_cause = with("hse-misdetected");
        assert!(of_a_cause.starts_with("DIR/a/label.json: confirmed_cause names the family"), "{of_a_cause}");
        assert!(of_a_cause.contains("; the cause `hse-misdetected` is of the family `hse-"), "{of_a_cause}");
        let misspelt = with("usb-powr");
        assert!(misspelt.contains("did you mean `usb-power`?; known are "), "{misspelt}");
        assert!(said("{confirmed_cause: 1}").starts_with("DIR/a/label.json: key must be a string at line 1"));
    }
}
