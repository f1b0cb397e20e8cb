//! `flakescope triage`: field reports to verdicts.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::console::Console;
use super::exit::ExitCode;
use crate::diagnosis::verdict::{Verdict, VerdictKind};
use crate::investigation::score::{self, Figures, Scored, Share};
use crate::investigation::triage::{Triage, Triaged};
use crate::readers::archive::{self, InputError};
use crate::report::html::collection::collection;
use crate::report::{json, markdown, triage_reply, triage_text};

/// Read field reports and name the cause
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  flakescope triage report.txt\n  flakescope triage reports/ --format json\n  \
                        journalctl -k | flakescope triage -")]
pub struct TriageArgs {
    /// Files, folders, archives (gz, zip, tar), or - for standard input
    #[arg(value_name = "PATH", required_unless_present = "score")]
    paths: Vec<PathBuf>,
    /// The form of the verdicts on standard output
    #[arg(long, value_enum, default_value_t = TriageFormat::Text, value_name = "F")]
    format: TriageFormat,
    /// Print a text to paste into the ticket instead of the verdict
    #[arg(long)]
    reply: bool,
    /// Score against the labels (label.json beside report.txt) in the folders of DIR
    #[arg(long, value_name = "DIR", conflicts_with_all = ["paths", "reply"])]
    score: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TriageFormat {
    Text,
    Json,
    Md,
    Html,
}

pub fn run(args: &TriageArgs, console: &mut Console) -> ExitCode {
    let triage = match Triage::load() {
        Ok(triage) => triage,
        Err(error) => {
            console.error(&error.to_string());
            return ExitCode::Usage;
        }
    };
    if let Some(folder) = &args.score {
        return match score::score(&triage, folder).and_then(|scored| write_score(&scored, console)) {
            Ok(()) => ExitCode::Clean,
            Err(error) => {
                console.error(&format!("{}: {error}", folder.display()));
                ExitCode::UnreadableInput
            }
        };
    }
    let mut tally = Tally::default();
    let mut errors = Vec::new();
    for path in &args.paths {
        errors.extend(read(&triage, args, path, console, &mut tally));
    }
    if args.format == TriageFormat::Html && !args.reply && !tally.pages.is_empty() {
        // A closed standard output is handled where it is written.
        let _ = console.out.write_all(collection(&tally.pages).as_bytes());
    }
    if args.format == TriageFormat::Text && !args.reply && tally.reports > 1 {
        // A closed standard output is handled where it is written.
        let _ = write_clusters(&tally, console);
    }
    for error in &errors {
        console.error(&format!("{error}; the other reports were read"));
    }
    match (errors.is_empty(), tally.faults) {
        (false, _) => ExitCode::UnreadableInput,
        (true, 0) => ExitCode::Clean,
        (true, _) => ExitCode::Fault,
    }
}

fn read(triage: &Triage, args: &TriageArgs, path: &Path, console: &mut Console, tally: &mut Tally) -> Vec<InputError> {
    let mut visit = |name: &str, source: &mut dyn Read| {
        let triaged = triage.report(name, source)?;
        tally.count(&triaged);
        if args.format == TriageFormat::Html && !args.reply {
            // One page for all, so that it has one head.
            tally.pages.push(triaged.verdict);
            return Ok(());
        }
        write_one(triage, args, &triaged, tally.reports, console)
    };
    if path.as_os_str() == "-" {
        archive::each_in_stream("standard input", &mut io::stdin().lock(), &mut visit)
    } else {
        archive::each_report(path, &mut visit)
    }
}

fn write_one(
    triage: &Triage,
    args: &TriageArgs,
    triaged: &Triaged,
    number: usize,
    console: &mut Console,
) -> io::Result<()> {
    let out = &mut console.out;
    if args.reply {
        return write!(out, "{}", triage_reply::reply(triaged, &triage.library));
    }
    if number > 1 && args.format != TriageFormat::Json {
        writeln!(out)?;
    }
    match args.format {
        TriageFormat::Text => triage_text::write(out, triaged, &triage.library),
        TriageFormat::Json => json::write(out, &triaged.verdict),
        TriageFormat::Md => markdown::write(out, &triaged.verdict, None),
        TriageFormat::Html => Ok(()),
    }
}

/// What many reports have in common.
#[derive(Default)]
struct Tally {
    reports: usize,
    faults: usize,
    /// Kept for the one page that shows them all.
    pages: Vec<Verdict>,
    /// Leading family, with how many reports, and the parts they name.
    clusters: BTreeMap<String, (usize, BTreeMap<String, usize>)>,
}

impl Tally {
    fn count(&mut self, triaged: &Triaged) {
        self.reports += 1;
        self.faults += usize::from(triaged.verdict.verdict == VerdictKind::Fault);
        let family = match (triaged.verdict.verdict, triaged.leading()) {
            (VerdictKind::Clean, _) => "clean".to_owned(),
            (_, Some(cause)) => cause.family.clone(),
            (_, None) => "unknown".to_owned(),
        };
        let (count, parts) = self.clusters.entry(family).or_default();
        *count += 1;
        if let Some(part) = &triaged.verdict.device {
            *parts.entry(part.clone()).or_default() += 1;
        }
    }
}

fn write_clusters(tally: &Tally, console: &mut Console) -> io::Result<()> {
    let out = &mut console.out;
    writeln!(out, "\n{} REPORTS BY LEADING CAUSE", tally.reports)?;
    let mut clusters: Vec<_> = tally.clusters.iter().collect();
    clusters.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    for (family, (count, parts)) in clusters {
        let mut parts: Vec<_> = parts.iter().collect();
        parts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let named: Vec<_> = parts.iter().take(4).map(|(part, _)| part.as_str()).collect();
        writeln!(out, "{count:6}  {family:30} {}", named.join(", "))?;
    }
    Ok(())
}

fn write_score(scored: &[Scored], console: &mut Console) -> io::Result<()> {
    let figures = Figures::of(scored);
    let out = &mut console.out;
    for one in scored {
        let mark = match () {
            () if one.confidently_wrong => "WRONG",
            () if one.first => "ok",
            () if one.negative => "MISS",
            () if one.among_three => "top3",
            () => "-",
        };
        let counted = if one.counts { '*' } else { ' ' };
        let told: Vec<_> = one.families.iter().take(3).map(|(family, p)| format!("{family} {p:.2}")).collect();
        writeln!(out, "{mark:5}{counted} {:44} {:30} {}", one.name, one.confirmed, told.join(", "))?;
    }
    writeln!(out, "\nfamily                          first        among three")?;
    for (family, (first, three)) in &figures.by_family {
        writeln!(out, "{family:30} {:>3}/{:<3}        {:>3}/{:<3}", first.hits, first.of, three.hits, three.of)?;
    }
    writeln!(out)?;
    for (what, share) in [
        ("first, confirmed with evidence (*)", figures.first),
        ("among three, confirmed with evidence (*)", figures.among_three),
        ("first, every known cause", figures.first_of_all),
        ("negatives clean", figures.negatives_clean),
        ("confident and wrong", figures.confidently_wrong),
    ] {
        writeln!(out, "{what:42} {}", told(share))?;
    }
    out.flush()
}

fn told(share: Share) -> String {
    let (low, high) = share.interval();
    format!("{:3}/{:<3} = {:.3}  (95 % {low:.2} to {high:.2})", share.hits, share.of, share.value())
}
