//! `flakescope run`: a campaign, with the screen or without.

mod altering;
pub mod args;
mod conduct;
mod demand;
mod effect;
mod idle;
mod order;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use args::RunArgs;

use super::console::Console;
use super::exit::ExitCode;
use super::{interrupt, report, result};
use crate::case::file::Case;
use crate::investigation::ledger::cycles_of;
use crate::investigation::live::LiveRun;
use crate::investigation::snapshot::{RunState, Snapshot};
use crate::report::alterations;

pub fn run(args: &RunArgs, console: &mut Console) -> ExitCode {
    if let Err(refusal) = report::check(&args.report, args.case.as_deref()) {
        console.error(&refusal.to_string());
        return report::code_of(&refusal);
    }
    let on_screen = !args.headless && console.out.is_terminal();
    let stop = Arc::new(AtomicBool::new(false));
    let started = order::order(args, on_screen, Arc::clone(&stop), console);
    let order = match started {
        Ok(order) => order,
        Err(refusal) => {
            console.error(&refusal.text);
            return refusal.code;
        }
    };
    let pace = order.pace.is_finite().then_some(order.pace);
    interrupt::asks_to_stop(&stop, console);
    let run = match LiveRun::start(order) {
        Ok(run) => run,
        Err(error) => {
            console.error(&error.to_string());
            return ExitCode::UnreadableInput;
        }
    };
    if on_screen {
        watch::on_screen(&run, pace, console);
    } else {
        watch::headless(&run, console);
    }
    stop.store(!run.is_finished(), Ordering::Relaxed);
    match run.wait() {
        Ok(snapshot) => conclude(args, &snapshot, console),
        Err(error) => {
            console.error(&error.to_string());
            ExitCode::UnreadableInput
        }
    }
}

fn conclude(args: &RunArgs, snapshot: &Snapshot, console: &mut Console) -> ExitCode {
    let written = result::write(snapshot, args.format, console);
    if written.is_err() {
        return console.end(written, ExitCode::Clean);
    }
    if let Err(refusal) = write_reports(args, snapshot, console) {
        return refusal;
    }
    // However it ended: a board is never left halfway without a word on how to recover.
    let advice = alterations::advice(snapshot);
    if !advice.is_empty() {
        console.error(advice.trim_end());
    }
    if snapshot.state == RunState::Interrupted {
        return ExitCode::Interrupted;
    }
    let undecided = args.until_decided && !snapshot.verdict.decided;
    let missed = undecided.then(|| demand::undecided(&snapshot.verdict)).into_iter();
    let missed = missed.chain(args.strict.and_then(|rate| demand::strict(snapshot.verdict.campaign, rate)));
    let missed: Vec<String> = missed.inspect(|why| console.note(why)).collect();
    if missed.is_empty() { result::code(&snapshot.verdict) } else { ExitCode::NotDecided }
}

fn write_reports(args: &RunArgs, snapshot: &Snapshot, console: &mut Console) -> Result<(), ExitCode> {
    let (Some(case), false) = (&snapshot.case, args.report.is_empty()) else { return Ok(()) };
    let cycles = Case::open(case).and_then(|case| cycles_of(&case)).map_err(|error| {
        console.error(&error.to_string());
        ExitCode::UnreadableInput
    })?;
    match report::save_all(&args.report, snapshot, &cycles, console) {
        ExitCode::Clean => Ok(()),
        refusal => Err(refusal),
    }
}
