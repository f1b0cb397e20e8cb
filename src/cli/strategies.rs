//! `flakescope bench evaluate --strategies`: what it costs to come to a decision, led in different ways.

use std::io::{self, Write};
use std::sync::Arc;

use serde::Serialize;

use super::console::Console;
use super::evaluate::Format;
use super::exit::ExitCode;
use crate::diagnosis::conclusion::Library;
use crate::investigation::evaluation::EvaluationError;
use crate::investigation::evaluation_score::Share;
use crate::investigation::scenario::Scenario;
use crate::investigation::strategy::{self, Cost, Strategy};

#[derive(Serialize)]
struct Costs {
    strategies: Vec<Cost>,
    /// Minutes of guided runs over those of the sweep, where both came to a decision.
    guided_over_sweep: Option<f64>,
}

pub fn run(scenarios: &[Scenario], draws: u32, seed: u64, format: Format, console: &mut Console) -> ExitCode {
    let costs = match costs(scenarios, draws, seed) {
        Ok(costs) => costs,
        Err(error) => {
            console.error(&error.to_string());
            return ExitCode::UnreadableInput;
        }
    };
    let written = match format {
        Format::Json => serde_json::to_writer(&mut console.out, &costs).map_err(io::Error::from),
        Format::Text => text(&costs, &mut console.out),
    };
    let written = written.and_then(|()| writeln!(console.out));
    console.end(written, ExitCode::Clean)
}

fn costs(scenarios: &[Scenario], draws: u32, seed: u64) -> Result<Costs, EvaluationError> {
    let attempts = strategy::attempts(scenarios, draws, seed, &Arc::new(Library::load()?))?;
    let guided_over_sweep = strategy::ratio(&attempts, Strategy::Guided, Strategy::Sweep);
    Ok(Costs { strategies: Cost::of_all(&attempts), guided_over_sweep })
}

fn text(costs: &Costs, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "These figures speak of modelled boards. Minutes are set-up minutes and link time until the decision, or to the end.\n"
    )?;
    writeln!(
        out,
        "{:<14} {:>12} {:>14} {:>7} {:>8} {:>9} {:>9} {:>11}",
        "strategy", "decided", "right of these", "boots", "cycles", "min", "mean min", "min decided"
    )?;
    for cost in &costs.strategies {
        let minutes = cost.median_minutes_to_decision;
        let to_decision = if minutes.is_finite() { format!("{minutes:.1}") } else { "none".to_owned() };
        writeln!(
            out,
            "{:<14} {:>12} {:>14} {:>7.0} {:>8.0} {:>9.1} {:>9.1} {:>11}",
            cost.strategy.name(),
            of(cost.decided),
            of(cost.right),
            cost.median_boots,
            cost.median_cycles,
            cost.median_minutes,
            cost.mean_minutes,
            to_decision
        )?;
    }
    match costs.guided_over_sweep {
        Some(ratio) => write!(out, "\nWhere both decided, guided took {ratio:.2} of the minutes of the fixed sweep."),
        None => write!(out, "\nNo campaign was decided in both ways, so there is nothing to compare."),
    }
}

fn of(share: Share) -> String {
    format!("{} of {}", share.hits, share.n)
}
