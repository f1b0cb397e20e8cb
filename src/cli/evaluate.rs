//! `flakescope bench evaluate`: how good the verdicts on virtual boards with known truth are.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::console::Console;
use super::exit::ExitCode;
use super::strategies;
use crate::diagnosis::conclusion::Library;
use crate::investigation::calibration::Calibration;
use crate::investigation::evaluation::{self, EvaluationError};
use crate::investigation::evaluation_score::{Figures, Score, Share};
use crate::investigation::scenario::{self, Scenario};
use crate::profile::loader::ProfileError;
use crate::report::wording::count;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
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
    /// Compare what it costs to come to a decision: guided, until decided, and a fixed interleaved sweep
    #[arg(long)]
    strategies: bool,
    /// The form of the result on standard output
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "F")]
    format: Format,
}

pub fn run(args: &EvaluateArgs, console: &mut Console) -> ExitCode {
    let scenarios = match scenarios(args) {
        Ok(scenarios) => scenarios,
        Err(error) => {
            console.error(&error.to_string());
            return ExitCode::UnreadableInput;
        }
    };
    if args.strategies {
        return strategies::run(&scenarios, args.draws, args.seed, args.format, console);
    }
    let score = match score(args, &scenarios) {
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
    let written = written.and_then(|()| writeln!(console.out));
    console.end(written, ExitCode::Clean)
}

fn scenarios(args: &EvaluateArgs) -> Result<Vec<Scenario>, ProfileError> {
    let mut scenarios = Vec::new();
    for file in &args.files {
        scenarios.extend(scenario::read(file)?);
    }
    Ok(scenarios)
}

fn score(args: &EvaluateArgs, scenarios: &[Scenario]) -> Result<Score, EvaluationError> {
    let library = Arc::new(Library::load()?);
    Ok(Score::of(evaluation::evaluate(scenarios, args.draws, args.seed, &library)?))
}

fn text(score: &Score, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "These figures speak of modelled boards.\n\nScenario, and what led how often")?;
    for (scenario, said) in &score.confusion {
        let said: Vec<_> = said.iter().map(|(family, n)| format!("{family} {n}")).collect();
        writeln!(out, "  {scenario:<42} {}", said.join(", "))?;
    }
    if score.sets.len() > 1 {
        for (set, of_set) in &score.sets {
            writeln!(out, "\n{set}")?;
            figures(of_set, out)?;
        }
        writeln!(out, "\nAll together")?;
    } else {
        writeln!(out)?;
    }
    figures(&score.all, out)
}

fn figures(of: &Figures, out: &mut impl Write) -> io::Result<()> {
    for (name, value) in [
        ("right family first", of.top_1),
        ("right family in three", of.top_3),
        ("both of two in three", of.both_in_3),
        ("separating step proposed", of.separation_named),
        ("not decided", of.undecided),
        ("few failures: bound holds", of.bound_holds),
        ("faults on healthy boards", of.false_faults),
        ("undescribed: unknown first", of.unknown_first),
        ("undescribed: none above 0.5", of.rightly_open),
    ] {
        if value.n > 0 {
            writeln!(out, "  {name:<28} {}", shown(value))?;
        }
    }
    if of.top_1.n > 0 {
        writeln!(out, "  {:<28} {:.3}", "Brier score", of.brier)?;
        let Calibration { error, error_by_chance, bins } = &of.calibration;
        writeln!(
            out,
            "  {:<28} {error:.3} ({error_by_chance:.3} if claims held as often as they say)",
            "calibration error"
        )?;
        for bin in bins {
            writeln!(out, "    claimed {:.2}, held {:.2} (n = {})", bin.claimed, bin.held, bin.n)?;
        }
    }
    writeln!(
        out,
        "  {}, {}, {}, {}, {:.0} simulated minutes",
        count(of.configurations, "configuration"),
        count(of.trials, "campaign"),
        count(of.boots, "boot"),
        count(of.cycles, "cycle"),
        of.simulated_minutes
    )
}

fn shown(share: Share) -> String {
    format!(
        "{:.3} (95 % {:.3} to {:.3}, {} of {})",
        share.share, share.interval.0, share.interval.1, share.hits, share.n
    )
}
