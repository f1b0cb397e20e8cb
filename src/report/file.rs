//! Report files: the extension says the kind, and a file is either complete or not there.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::{csv, html, json, junit, markdown, text};
use crate::investigation::snapshot::Snapshot;
use crate::observation::cycle::Cycle;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportKind {
    Html,
    Markdown,
    Json,
    Csv,
    Junit,
    Text,
}

/// Every extension and what it means; the first of a kind is the usual one.
const EXTENSIONS: [(&str, ReportKind); 8] = [
    ("html", ReportKind::Html),
    ("htm", ReportKind::Html),
    ("md", ReportKind::Markdown),
    ("json", ReportKind::Json),
    ("jsonl", ReportKind::Json),
    ("csv", ReportKind::Csv),
    ("xml", ReportKind::Junit),
    ("txt", ReportKind::Text),
];

#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error("`{}` does not say what kind of report it is to be; end it in .html, .md, .json, .csv, .xml (JUnit) or .txt", file.display())]
    UnknownKind { file: PathBuf },
    #[error("cannot write the report `{}`: {source}", file.display())]
    Unwritable { file: PathBuf, source: io::Error },
}

impl ReportKind {
    /// By the extension, in either case.
    pub fn of(file: &Path) -> Result<Self, ReportError> {
        let extension = file.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
        EXTENSIONS
            .iter()
            .find(|(known, _)| Some(*known) == extension.as_deref())
            .map(|(_, kind)| *kind)
            .ok_or_else(|| ReportError::UnknownKind { file: file.to_owned() })
    }
}

/// Refuses, before any work is done, a file of no known kind and one that cannot be made where it is to go.
pub fn check(file: &Path) -> Result<(), ReportError> {
    ReportKind::of(file)?;
    let unwritable = |source| ReportError::Unwritable { file: file.to_owned(), source };
    if file.is_dir() {
        return Err(unwritable(io::ErrorKind::IsADirectory.into()));
    }
    let part = part_of(file).map_err(unwritable)?;
    File::create_new(&part).and_then(|_| std::fs::remove_file(&part)).map_err(unwritable)
}

/// Writes the report of a campaign in the kind that the name of the file asks for.
pub fn save(file: &Path, snapshot: &Snapshot, cycles: &[Cycle]) -> Result<(), ReportError> {
    let kind = ReportKind::of(file)?;
    replace(file, |out| write(out, kind, snapshot, cycles))
        .map_err(|source| ReportError::Unwritable { file: file.to_owned(), source })
}

pub fn write(out: &mut impl Write, kind: ReportKind, snapshot: &Snapshot, cycles: &[Cycle]) -> io::Result<()> {
    let verdict = &snapshot.verdict;
    match kind {
        ReportKind::Html => out.write_all(html::page(verdict, Some(snapshot)).as_bytes()),
        ReportKind::Markdown => markdown::write(out, verdict, Some(snapshot)),
        ReportKind::Json => json::write(out, verdict),
        ReportKind::Csv => csv::write(out, &snapshot.boots, cycles).map_err(io::Error::from),
        ReportKind::Junit => junit::write(out, snapshot, cycles),
        ReportKind::Text => text::write(out, snapshot, text::Style::PLAIN),
    }
}

/// Beside the file, and of this program alone.
fn part_of(file: &Path) -> io::Result<PathBuf> {
    let mut name = file.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{}.part", std::process::id()));
    Ok(file.with_file_name(name))
}

/// Writes beside the file and renames, so that a full disk or a crash never leaves half a report or harms the old one.
fn replace(file: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    let part = part_of(file)?;
    let written = File::create_new(&part).and_then(|opened| {
        let mut out = BufWriter::new(opened);
        fill(&mut out)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(&part, file)
    });
    if written.is_err() {
        // The first error is the one that matters.
        let _ = std::fs::remove_file(&part);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn every_extension_writes_its_kind_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for (extension, start) in [
            ("html", "<!DOCTYPE html>"),
            ("md", "# FAULT"),
            ("JSON", "{\"schema\":"),
            ("csv", "cycle,boot,"),
            ("xml", "<?xml"),
            ("txt", "FAULT"),
        ] {
            let file = folder.path().join(format!("out.{extension}"));
            save(&file, &sample::campaign(), &sample::cycles()).unwrap();
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(text.starts_with(start), "{extension}: {text:.60}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 6);
    }

    #[test]
    fn an_unknown_extension_is_refused_before_anything_is_written() {
        for name in ["out.pdf", "out", ".html"] {
            let refusal = save(Path::new(name), &sample::campaign(), &[]).unwrap_err();
            assert!(matches!(refusal, ReportError::UnknownKind { .. }), "{name}");
            assert!(refusal.to_string().contains(".html, .md, .json"), "{refusal}");
        }
    }

    #[test]
    fn a_failed_write_keeps_the_old_report() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out.md");
        std::fs::write(&file, "old").unwrap();
        replace(&file, |_| Err(io::ErrorKind::StorageFull.into())).unwrap_err();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let missing = folder.path().join("missing/out.md");
        let refusal = save(&missing, &sample::campaign(), &[]).unwrap_err();
        assert!(refusal.to_string().starts_with("cannot write the report"), "{refusal}");
    }
}
