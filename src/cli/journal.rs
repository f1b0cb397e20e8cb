//! `flakescope journal`: what a case has altered, and how to bring a board back that was left halfway.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::console::Console;
use super::exit::ExitCode;
use crate::campaign::journal::{Journal, JournalLine};
use crate::campaign::recovery::{self, Left, Recovery};
use crate::case::file::Case;
use crate::case::journal;
use crate::observation::alteration::AlterationLine;

/// What was altered in a case, and what to do about a board that was left halfway
///
/// Exit code 1 if something was left undone.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  flakescope journal wb55.case")]
pub struct JournalArgs {
    case: PathBuf,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Page<'a> {
    schema: &'static str,
    lines: Vec<AlterationLine>,
    left: Vec<LeftOut<'a>>,
}

#[derive(Serialize)]
struct LeftOut<'a> {
    state: Left,
    text: &'a str,
    todo: &'a [String],
}

pub fn run(args: &JournalArgs, console: &mut Console) -> ExitCode {
    let folded = Case::open(&args.case).and_then(|case| journal::of(&case));
    let journal = match folded {
        Ok(journal) => journal,
        Err(error) => {
            console.error(&error.to_string());
            return ExitCode::UnreadableInput;
        }
    };
    let left = recovery::of(&journal, &args.case.display().to_string());
    let text = if args.json { in_json(&journal, &left) } else { in_words(&journal, &left) };
    console.deliver(&text, if left.is_empty() { ExitCode::Clean } else { ExitCode::Fault })
}

fn in_words(journal: &Journal, left: &[Recovery]) -> String {
    let mut text: String = journal.lines().iter().map(|line| format!("{}\n", line_in_words(line))).collect();
    if journal.lines().is_empty() {
        text.push_str("This case has altered nothing.\n");
    } else if left.is_empty() {
        text.push_str("Nothing was left undone.\n");
    }
    text + &recovery::in_words(left)
}

fn line_in_words(line: &JournalLine) -> String {
    match &line.end {
        Some(end) => format!("{}: {end}", line.note),
        None => format!("{}: NO END WAS WRITTEN", line.note),
    }
}

fn in_json(journal: &Journal, left: &[Recovery]) -> String {
    let undone = |it: &'_ Recovery| (it.state, it.text.clone(), it.todo.clone());
    let undone: Vec<_> = left.iter().map(undone).collect();
    let left = undone.iter().map(|(state, text, todo)| LeftOut { state: *state, text, todo }).collect();
    let page = Page {
        schema: "flakescope.journal/1",
        lines: journal.lines().iter().map(JournalLine::published).collect(),
        left,
    };
    serde_json::to_string(&page).expect("a page of text can be written as JSON") + "\n"
}
