//! `flakescope report`: report files from a case.

use std::path::{Path, PathBuf};

use clap::Args;

use super::console::Console;
use super::exit::ExitCode;
use crate::investigation::snapshot::Snapshot;
use crate::investigation::whole_case;
use crate::observation::cycle::Cycle;
use crate::report::file::{self, ReportError, ReportKind, save};

/// Write reports of a case
///
/// The extension of the file says which kind: html, md, json, csv (one row per step), xml (JUnit) or txt.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  flakescope report board.case --out board.html
  flakescope report board.case --out steps.csv --out junit.xml")]
pub struct ReportArgs {
    /// The case file
    #[arg(value_name = "CASE")]
    case: PathBuf,
    /// The report to write; may be given several times
    #[arg(long, value_name = "FILE", required = true)]
    out: Vec<PathBuf>,
}

pub fn run(args: &ReportArgs, console: &mut Console) -> ExitCode {
    if let Err(refusal) = check(&args.out, None) {
        console.error(&refusal.to_string());
        return code_of(&refusal);
    }
    let (snapshot, cycles) = match whole_case::read(&args.case) {
        Ok(read) => read,
        Err(error) => {
            console.error(&error.to_string());
            return ExitCode::UnreadableInput;
        }
    };
    save_all(&args.out, &snapshot, &cycles, console)
}

/// Refuses files whose kind is not known and files that cannot be made, before any work is done. A folder that is made for the case is
/// there in the end.
pub fn check(files: &[PathBuf], case_to_be: Option<&Path>) -> Result<(), ReportError> {
    let to_be = case_to_be.and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty() && !folder.exists());
    files.iter().try_for_each(|file| match to_be {
        Some(folder) if file.parent() == Some(folder) => ReportKind::of(file).map(drop),
        _ => file::check(file),
    })
}

/// A name that means nothing is misuse; a place that cannot be written is not.
pub const fn code_of(refusal: &ReportError) -> ExitCode {
    match refusal {
        ReportError::UnknownKind { .. } => ExitCode::Usage,
        ReportError::Unwritable { .. } => ExitCode::UnreadableInput,
    }
}

/// The HTML report of what a screen shows, beside its case. It needs no single cycle, so the case may be in use.
pub fn save_beside(case: &Path, snapshot: &Snapshot) -> Result<PathBuf, String> {
    let file = case.with_extension("html");
    save(&file, snapshot, &[]).map_err(|error| error.to_string())?;
    Ok(file)
}

/// Every report is tried, even when one cannot be written.
pub fn save_all(files: &[PathBuf], snapshot: &Snapshot, cycles: &[Cycle], console: &mut Console) -> ExitCode {
    let mut code = ExitCode::Clean;
    for file in files {
        match save(file, snapshot, cycles) {
            Ok(()) => console.note(&format!("wrote {}", file.display())),
            Err(error) => {
                console.error(&error.to_string());
                code = ExitCode::UnreadableInput;
            }
        }
    }
    code
}
