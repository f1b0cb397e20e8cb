//! `flakescope merge`: one case of several.

use std::path::PathBuf;

use clap::Args;

use super::console::Console;
use super::exit::ExitCode;
use crate::case::file::{Case, Durability};
use crate::case::merge::merge;

/// Make one case of several
///
/// Boots and cycles are renumbered; the sources stay as they are.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  flakescope merge laptop.case desktop.case --out both.case")]
pub struct MergeArgs {
    /// The cases to read
    #[arg(required = true, value_name = "CASE")]
    cases: Vec<PathBuf>,
    /// The case to write; it must not exist yet
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub fn run(args: &MergeArgs, console: &mut Console) -> ExitCode {
    if args.out.exists() {
        console.error(&format!("{} exists already; merge writes a new case only", args.out.display()));
        return ExitCode::Usage;
    }
    let merged = args
        .cases
        .iter()
        .map(|path| Case::open(path))
        .collect::<Result<Vec<_>, _>>()
        .and_then(|sources| merge(&sources, &mut Case::open_or_create(&args.out, Durability::PowerLoss)?));
    match merged {
        Ok(()) => ExitCode::Clean,
        Err(error) => {
            console.error(&error.to_string());
            ExitCode::UnreadableInput
        }
    }
}
