//! `flakescope diagnose`: the verdict from a case.

use std::path::{Path, PathBuf};

use clap::Args;

use super::console::Console;
use super::exit::ExitCode;
use super::result::{self, Format};
use crate::diagnosis::why::Question;
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
    /// Say why this cause is as probable as it is, with the cycles behind it
    #[arg(long, value_name = "CAUSE")]
    why: Option<String>,
    /// Say why this cause is not more probable
    #[arg(long, value_name = "CAUSE", conflicts_with = "why")]
    why_not: Option<String>,
}

pub fn run(args: &DiagnoseArgs, console: &mut Console) -> ExitCode {
    let question = args.why.as_ref().map(|cause| (cause, Question::Why));
    if let Some((cause, question)) = question.or(args.why_not.as_ref().map(|cause| (cause, Question::WhyNot))) {
        if args.format != Format::Text {
            console.error(
                "--why and --why-not answer in words only; the arguments for and against each cause stand in the JSON of \
                 `flakescope diagnose` without them",
            );
            return ExitCode::Usage;
        }
        return why(&args.case, cause, question, console);
    }
    let (snapshot, _) = match whole_case::read(&args.case) {
        Ok(read) => read,
        Err(error) => {
            console.error(&error.to_string());
            return ExitCode::UnreadableInput;
        }
    };
    let written = result::write(&snapshot, args.format, console);
    console.end(written, result::code(&snapshot.verdict))
}

fn why(case: &Path, cause: &str, question: Question, console: &mut Console) -> ExitCode {
    let answer = match whole_case::why(case, cause, question) {
        Ok(Ok(answer)) => answer,
        Ok(Err(refusal)) => {
            console.error(&refusal);
            return ExitCode::Usage;
        }
        Err(error) => {
            console.error(&error.to_string());
            return ExitCode::UnreadableInput;
        }
    };
    console.deliver(&answer, ExitCode::Clean)
}
