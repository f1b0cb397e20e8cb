//! `flakescope merge`: one case of several.

use std::path::PathBuf;

use clap::Args;

use super::console::Console;
use super::exit::ExitCode;
use super::{ownership, part};
use crate::case::file::{Case, Durability};
use crate::case::merge::{MergeError, given_twice, merge};
use crate::investigation::subjects::Subjects;

/// Make one case of several
///
/// Boots and cycles are renumbered; the sources stay as they are. Boards of one design belong together; where the cases are of several
/// parts, serial numbers or links, that is said here and beside the verdict. A case whose board was left altered is refused.
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
    if let Some(twice) = given_twice(&args.cases) {
        console
            .error(&format!("{} is given twice; its boots would count twice, so name each case once", twice.display()));
        return ExitCode::Usage;
    }
    match merged(args) {
        Ok(subjects) => {
            // What they mix is told here already; the verdict on them says it again.
            if let Ok(devices) = part::devices(console) {
                subjects.limits(&devices).for_each(|limit| console.note(&limit));
            }
            ExitCode::Clean
        }
        Err(error) => {
            console.error(&error.to_string());
            match error {
                MergeError::Case(_) => ExitCode::UnreadableInput,
                MergeError::LeftAltered { .. } => ExitCode::Usage,
            }
        }
    }
}

fn merged(args: &MergeArgs) -> Result<Subjects, MergeError> {
    let sources = args.cases.iter().map(|path| Case::open(path)).collect::<Result<Vec<_>, _>>()?;
    let target = merge(&sources, &args.out, Durability::PowerLoss)?;
    Ok(ownership::of(&target)?)
}
