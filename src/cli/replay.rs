//! `flakescope replay`: plays a case on the screen.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::console::Console;
use super::exit::ExitCode;
use super::report::save_beside;
use crate::case::file::Case;
use crate::diagnosis::conclusion::Library;
use crate::investigation::replay;
use crate::investigation::snapshot::Snapshot;
use crate::tui;
use crate::tui::run::ScreenOptions;

/// Play a case on the screen, as it was
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  flakescope replay board.case --pace 20")]
pub struct ReplayArgs {
    /// The case file
    #[arg(value_name = "CASE")]
    case: PathBuf,
    /// Seconds of the campaign per second of yours
    #[arg(long, default_value_t = 8.0, value_name = "N")]
    pace: f64,
}

pub fn run(args: &ReplayArgs, console: &mut Console) -> ExitCode {
    if args.pace.is_nan() || args.pace <= 0.0 {
        console.error("--pace must be above zero");
        return ExitCode::Usage;
    }
    if !console.out.is_terminal() {
        console.error("replay needs a terminal; `flakescope report` writes a case to a file");
        return ExitCode::Usage;
    }
    let opened = Case::open(&args.case).map_err(|error| error.to_string());
    let opened = opened.and_then(|case| Ok((case, Library::load().map_err(|error| error.to_string())?)));
    let (case, library) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            console.error(&error);
            return ExitCode::UnreadableInput;
        }
    };
    let replay = replay::start(case, Arc::new(library), args.pace);
    let report = |snapshot: &Snapshot| save_beside(&args.case, snapshot);
    let options = ScreenOptions { report: Some(&report), ..ScreenOptions::for_replay(console.colors_out(), args.pace) };
    match tui::run::run(replay.billboard.as_ref(), &replay.commands, &options) {
        Ok(_) => ExitCode::Clean,
        Err(error) => {
            console.error(&error.to_string());
            ExitCode::UnreadableInput
        }
    }
}
