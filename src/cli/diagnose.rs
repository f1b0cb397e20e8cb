//! `flakescope diagnose`: the verdict from a case.

use std::path::PathBuf;

use clap::Args;

use super::console::Console;
use super::exit::ExitCode;
use super::result::{self, Format};
use crate::investigation::whole_case;

/// Give the verdict on a case
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  flakescope diagnose board.case --format json")]
pub struct DiagnoseArgs {
    /// The case file
    #[arg(value_name = "CASE")]
    case: PathBuf,
    /// The form of the result on standard output
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "F")]
    format: Format,
}

pub fn run(args: &DiagnoseArgs, console: &mut Console) -> ExitCode {
    let (snapshot, _) = match whole_case::read(&args.case) {
        Ok(read) => read,
        Err(error) => {
            console.error(&error.to_string());
            return ExitCode::UnreadableInput;
        }
    };
    match result::write(&snapshot, args.format, console) {
        Ok(()) => result::code(&snapshot.verdict),
        Err(error) => {
            console.error(&format!("standard output cannot be written: {error}"));
            ExitCode::UnreadableInput
        }
    }
}
