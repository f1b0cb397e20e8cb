//! `flakescope triage`: field reports to verdicts.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::console::Console;
use super::exit::ExitCode;
use super::triage_case::Archive;
use super::triage_score;
use crate::diagnosis::verdict::Verdict;
use crate::investigation::collection::{Collection, Summary};
use crate::investigation::crew;
use crate::investigation::labels;
use crate::investigation::learning;
use crate::investigation::score;
use crate::investigation::triage::{Triage, Triaged};
use crate::readers::archive::{self, InputError};
use crate::report::{collection, html, json, markdown, triage_reply, triage_text};

/// Read field reports and name the cause
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  flakescope triage report.txt\n  flakescope triage reports/ --format json\n  \
                        journalctl -k | flakescope triage -\n  flakescope triage tickets/ --case tickets.case --summary")]
pub struct TriageArgs {
    /// Files, folders, archives (gz, zip, tar), or - for standard input
    #[arg(value_name = "PATH", required_unless_present_any = ["score", "case", "learn"])]
    paths: Vec<PathBuf>,
    /// The form on standard output; csv has one row per report
    #[arg(long, value_enum, default_value_t = TriageFormat::Text, value_name = "F")]
    format: TriageFormat,
    /// Keep the reports in this case; those that it holds are not read again, and clusters are over all of it
    #[arg(long, value_name = "FILE", conflicts_with = "score")]
    case: Option<PathBuf>,
    /// Print what the reports have in common instead of each of them
    #[arg(long, conflicts_with_all = ["reply", "score"])]
    summary: bool,
    /// Print a text to paste into the ticket instead of the verdict
    #[arg(long)]
    reply: bool,
    /// Score against the labels (label.json beside report.txt) in the folders of DIR
    #[arg(long, value_name = "DIR", conflicts_with_all = ["paths", "reply"])]
    score: Option<PathBuf>,
    /// With --score: judge each fifth of the reports by what the other four fifths teach, as reports that nobody has seen
    #[arg(long, requires = "score", conflicts_with = "paths")]
    cross_validate: bool,
    /// Learn from the labels in the folders of DIR how reports of each cause read, and print the table (profiles/likeness)
    #[arg(long, value_name = "DIR", conflicts_with_all = ["paths", "reply", "score", "case"])]
    learn: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TriageFormat {
    Text,
    Json,
    Md,
    Html,
    Csv,
}

pub fn run(args: &TriageArgs, console: &mut Console) -> ExitCode {
    if args.reply && args.format != TriageFormat::Text {
        let text = "--reply writes a text to paste, in no other form; the JSON of a verdict is printed without --reply";
        return refuse(console, text, ExitCode::Usage);
    }
    let triage = match Triage::load() {
        Ok(triage) => triage,
        Err(error) => return refuse(console, &error.to_string(), ExitCode::Usage),
    };
    if let Some(folder) = args.score.as_ref().or(args.learn.as_ref()) {
        return match from_labels(triage, folder, args, console) {
            Ok(()) => ExitCode::Clean,
            Err(error) => refuse(console, &error.to_string(), ExitCode::UnreadableInput),
        };
    }
    let mut archive = match args.case.as_deref().map(Archive::open).transpose() {
        Ok(archive) => archive,
        Err(error) => return refuse(console, &error.to_string(), ExitCode::UnreadableInput),
    };
    let mut desk = Desk { triage: &triage, args, pages: Vec::new(), collection: Collection::default() };
    let errors = read_all(&mut desk, archive.as_mut(), console);
    if let Some(archive) = &archive {
        console.note(&format!("{} new, {} known already", archive.added, archive.known));
        if let Err(error) = desk.take_in(archive, console) {
            return refuse(console, &error, ExitCode::UnreadableInput);
        }
    }
    // A closed standard output is handled where it is written.
    let _ = desk.close(console);
    for error in &errors {
        let others = if desk.collection.summaries().is_empty() { "" } else { "; the other reports were read" };
        console.error(&format!("{error}{others}"));
    }
    match (errors.is_empty(), desk.collection.faults()) {
        (false, _) => ExitCode::UnreadableInput,
        (true, 0) => ExitCode::Clean,
        (true, _) => ExitCode::Fault,
    }
}

/// What needs reports whose cause is known.
fn from_labels(triage: Triage, folder: &Path, args: &TriageArgs, console: &mut Console) -> io::Result<()> {
    let reports = labels::labelled(folder, &triage.library.knowledge)?;
    if reports.is_empty() {
        let text = format!("{}: no folder in it holds a report.txt and a label.json", folder.display());
        return Err(io::Error::other(text));
    }
    if args.learn.is_some() {
        let lessons = learning::lessons(&triage, &reports)?;
        console.note(&format!("learning from {} of {} reports", lessons.len(), reports.len()));
        return write!(console.out, "{}", learning::learn(&lessons).to_table());
    }
    let scored = if args.cross_validate {
        let mut progress = |fold| console.note(&format!("fold {} of {}", fold + 1, learning::FOLDS));
        learning::cross_validated(triage, &reports, &mut progress)?
    } else {
        score::score(&triage, folder)?
    };
    triage_score::write(&scored, console)
}

fn refuse(console: &mut Console, text: &str, code: ExitCode) -> ExitCode {
    console.error(text);
    code
}

/// Walks all paths, triages on all cores, and writes the answers in the order of the reports.
fn read_all(desk: &mut Desk<'_>, archive: Option<&mut Archive>, console: &mut Console) -> Vec<InputError> {
    let (triage, paths) = (desk.triage, &desk.args.paths);
    let archive = archive.map(std::cell::RefCell::new);
    crew::triage_all(
        triage,
        archive.is_some(),
        &mut |visit| {
            let mut if_new = |name: &str, source: &mut dyn Read| match &archive {
                Some(archive) => {
                    let new = archive.borrow_mut().new_bytes(source)?;
                    new.map_or(Ok(()), |mut source| visit(name, &mut source))
                }
                None => visit(name, source),
            };
            let walked = paths.iter().map(|path| {
                if path.as_os_str() == "-" {
                    archive::each_in_stream("standard input", &mut io::stdin().lock(), &mut if_new)
                } else {
                    archive::each_report(path, &mut if_new)
                }
            });
            walked.flatten().collect()
        },
        &mut |triaged, reading| {
            if let (Some(archive), Some(reading)) = (&archive, reading) {
                archive.borrow_mut().keep(&triaged, reading)?;
            }
            desk.receive(triaged, console)
        },
    )
}

/// Where answers arrive and are written.
struct Desk<'a> {
    triage: &'a Triage,
    args: &'a TriageArgs,
    /// Kept for the one page that shows them all.
    pages: Vec<Verdict>,
    collection: Collection,
}

impl Desk<'_> {
    fn receive(&mut self, triaged: Triaged, console: &mut Console) -> io::Result<()> {
        self.collection.add(Summary::of(&triaged));
        if !self.args.summary {
            self.write(triaged, console)?;
        }
        Ok(())
    }

    fn write(&mut self, triaged: Triaged, console: &mut Console) -> io::Result<()> {
        let out = &mut console.out;
        if self.args.reply {
            return write!(out, "{}", triage_reply::reply(&triaged));
        }
        let apart = matches!(self.args.format, TriageFormat::Text | TriageFormat::Md);
        if apart && self.collection.summaries().len() > 1 {
            writeln!(out)?;
        }
        match self.args.format {
            TriageFormat::Text => triage_text::write(out, &triaged, &self.triage.library),
            TriageFormat::Json => json::write(out, &triaged.verdict),
            TriageFormat::Md => markdown::write(out, &triaged.verdict, None),
            TriageFormat::Csv => Ok(()),
            TriageFormat::Html => {
                self.pages.push(triaged.verdict);
                Ok(())
            }
        }
    }

    /// With a case, what is common is over all of it; without a path to read, each of its reports is shown again.
    fn take_in(&mut self, archive: &Archive, console: &mut Console) -> Result<(), String> {
        let show = self.args.paths.is_empty() && !self.args.summary;
        let mut shown = Ok(());
        let all = archive.each(self.triage, |triaged| {
            if show && shown.is_ok() {
                shown = self.receive(triaged, console);
            }
        });
        self.collection = all.map_err(|error| error.to_string())?;
        shown.map_err(|error| error.to_string())
    }

    fn close(&mut self, console: &mut Console) -> io::Result<()> {
        let (args, out) = (self.args, &mut console.out);
        let several = self.collection.summaries().len() > 1;
        match args.format {
            _ if args.reply => Ok(()),
            TriageFormat::Csv => collection::write_csv(out, &self.collection).map_err(io::Error::other),
            TriageFormat::Json if args.summary => collection::write_json(out, &self.collection),
            TriageFormat::Html if !self.pages.is_empty() => {
                out.write_all(html::collection::collection(&self.pages).as_bytes())
            }
            TriageFormat::Text if several || args.summary => collection::write_text(out, &self.collection),
            TriageFormat::Md | TriageFormat::Html if args.summary => collection::write_text(out, &self.collection),
            _ => Ok(()),
        }
    }
}
