//! `flakescope bench evaluate`: how good the verdicts on virtual boards with known truth are.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::console::Console;
use super::exit::ExitCode;
use crate::diagnosis::conclusion::Library;
use crate::investigation::evaluation::{self, EvaluationError};
use crate::investigation::evaluation_score::{Score, Share};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// Scenario files
    #[arg(required = true, value_name = "SCENARIOS")]
    files: Vec<PathBuf>,
    /// Campaigns per scenario, each with its own draw
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    draws: u32,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The form of the result on standard output
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "F")]
    format: Format,
}

pub fn run(args: &EvaluateArgs, console: &mut Console) -> ExitCode {
    let score = match score(args) {
        Ok(score) => score,
        Err(error) => {
            console.error(&error.to_string());
            return ExitCode::UnreadableInput;
        }
    };
    let written = match args.format {
        Format::Json => serde_json::to_writer(&mut console.out, &score).map_err(io::Error::from),
        Format::Text => text(&score, &mut console.out),
    };
    match written.and_then(|()| writeln!(console.out)) {
        Ok(()) => ExitCode::Clean,
        Err(error) => {
            console.error(&format!("standard output cannot be written: {error}"));
            ExitCode::UnreadableInput
        }
    }
}

fn score(args: &EvaluateArgs) -> Result<Score, EvaluationError> {
    let mut scenarios = Vec::new();
    for file in &args.files {
        scenarios.extend(evaluation::scenarios(file)?);
    }
    let library = Arc::new(Library::load()?);
    Ok(Score::of(&evaluation::evaluate(&scenarios, args.draws, args.seed, &library)?))
}

fn text(score: &Score, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "These figures speak of modelled boards.\n")?;
    for (scenario, said) in &score.confusion {
        let said: Vec<_> = said.iter().map(|(family, n)| format!("{family} {n}")).collect();
        writeln!(out, "{scenario:<36} {}", said.join(", "))?;
    }
    writeln!(out)?;
    for (name, value) in [
        ("right family first", score.top_1),
        ("right family in three", score.top_3),
        ("faults on healthy boards", score.false_faults),
        ("not decided", score.undecided),
        ("unknown left open", score.rightly_open),
    ] {
        writeln!(out, "{name:<26} {}", shown(value))?;
    }
    writeln!(out, "{:<26} {:.3}", "Brier score", score.brier)?;
    writeln!(out, "{:<26} {:.3}", "calibration error", score.calibration_error)?;
    for bin in &score.calibration {
        writeln!(out, "  claimed {:.2}, held {:.2} (n = {})", bin.claimed, bin.held, bin.n)?;
    }
    writeln!(
        out,
        "{} campaigns, {} of them with too few failures to ask for a cause; {} boots, {} cycles, {:.0} simulated minutes",
        score.trials, score.too_few_failures, score.boots, score.cycles, score.simulated_minutes
    )
}

fn shown(share: Share) -> String {
    if share.n == 0 {
        return "none".to_owned();
    }
    format!(
        "{:.3} (95 % {:.3} to {:.3}, {} of {})",
        share.share, share.interval.0, share.interval.1, share.hits, share.n
    )
}
