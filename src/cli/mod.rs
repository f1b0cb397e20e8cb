//! The command line: one file per subcommand; parse, call, render, exit code.

pub mod bench;
pub mod bench_image;
mod bench_show;
pub mod board_choice;
pub mod clock;
mod clock_measure;
pub mod compare;
mod compare_side;
pub mod completions;
pub mod console;
pub mod diagnose;
pub mod doctor;
pub mod evaluate;
pub mod exit;
pub mod explain;
pub mod explain_message;
pub mod fus;
pub mod gate;
mod interrupt;
pub mod journal;
pub mod list;
pub mod look;
pub mod man;
pub mod merge;
pub mod new_case;
pub mod option_bytes;
pub mod otp;
pub mod ownership;
mod part;
pub mod profile;
pub mod reading;
pub mod replay;
pub mod report;
pub mod result;
pub mod run;
mod strategies;
pub mod triage;
pub mod triage_case;
pub mod triage_score;
pub mod worker;

use std::ffi::OsString;
use std::panic::{self, AssertUnwindSafe};

use clap::{Args, CommandFactory, Parser, Subcommand};

use console::{ColorChoice, Console};
use exit::ExitCode;

/// Finds out why a board's USB-DFU or SWD link is flaky
#[derive(Debug, Parser)]
#[command(name = "flakescope", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "Nothing attached? Try: flakescope run --virtual f746-25mhz-warm-hsi")]
pub struct Cli {
    #[command(flatten)]
    pub global: GlobalArgs,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Clone, Copy, Debug, Args)]
pub struct GlobalArgs {
    /// When to use colour; NO_COLOR turns `auto` off
    #[arg(long, global = true, value_enum, default_value_t = ColorChoice::Auto, value_name = "WHEN")]
    pub color: ColorChoice,
    /// Say less on standard error
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more on standard error; twice for every step
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one, and it lives as long as the program")]
pub enum Command {
    List(list::ListArgs),
    Doctor(doctor::DoctorArgs),
    Run(run::args::RunArgs),
    Diagnose(diagnose::DiagnoseArgs),
    Triage(triage::TriageArgs),
    Replay(replay::ReplayArgs),
    Report(report::ReportArgs),
    Compare(compare::CompareArgs),
    Merge(merge::MergeArgs),
    Clock(clock::ClockArgs),
    Bench(bench::BenchArgs),
    Profile(profile::ProfileArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
    OptionBytes(option_bytes::OptionBytesArgs),
    Otp(otp::OtpArgs),
    Journal(journal::JournalArgs),
    Fus(fus::FusArgs),
    Explain(explain::ExplainArgs),
    #[command(hide = true)]
    Worker,
}

/// The whole command line as clap sees it; help, completions and the manual are made from it.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the program with the arguments of the process and says how it ended.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse_from(without_help_on_help(std::env::args_os().collect())) {
        Ok(cli) => cli,
        Err(refusal) => return refuse(&refusal),
    };
    let mut console = Console::of_process(cli.global);
    match panic::catch_unwind(AssertUnwindSafe(|| dispatch(&cli.command, &mut console))) {
        Ok(code) => code,
        Err(_) => {
            console.error("this is a defect of flakescope, and what stands above says where; please report it with the command line");
            ExitCode::Bug
        }
    }
}

/// `help` takes names of commands only; who asks it for help gets what it prints without being asked.
fn without_help_on_help(args: Vec<OsString>) -> Vec<OsString> {
    let root = command();
    let mut inner = &root;
    for (place, word) in args.iter().enumerate().skip(1) {
        if word == "help" {
            let (before, after) = args.split_at(place + 1);
            let names = after.iter().filter(|word| *word != "--help" && *word != "-h");
            return before.iter().chain(names).cloned().collect();
        }
        match inner.find_subcommand(word).filter(|command| command.has_subcommands()) {
            Some(command) => inner = command,
            None => break,
        }
    }
    args
}

fn dispatch(command: &Command, console: &mut Console) -> ExitCode {
    match command {
        Command::List(args) => list::run(args, console),
        Command::Doctor(args) => doctor::run(args, console),
        Command::Run(args) => run::run(args, console),
        Command::Diagnose(args) => diagnose::run(args, console),
        Command::Triage(args) => triage::run(args, console),
        Command::Replay(args) => replay::run(args, console),
        Command::Report(args) => report::run(args, console),
        Command::Compare(args) => compare::run(args, console),
        Command::Merge(args) => merge::run(args, console),
        Command::Clock(args) => clock::run(args, console),
        Command::Bench(args) => bench::run(args, console),
        Command::Profile(args) => profile::run(args, console),
        Command::Completions(args) => completions::run(args, console),
        Command::Man(args) => man::run(args, console),
        Command::OptionBytes(args) => option_bytes::run(args, console),
        Command::Otp(args) => otp::run(args, console),
        Command::Journal(args) => journal::run(args, console),
        Command::Fus(args) => fus::run(args, console),
        Command::Explain(args) => explain::run(args, console),
        Command::Worker => worker::run(console),
    }
}

/// Help and version are answers, not mistakes.
fn refuse(refusal: &clap::Error) -> ExitCode {
    // A closed standard output must not turn help into a failure.
    let _ = refusal.print();
    if refusal.use_stderr() { ExitCode::Usage } else { ExitCode::Clean }
}
