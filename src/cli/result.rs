//! The result on standard output and its exit code, for every command that ends in a verdict on a case.

use std::io::{self, Write};

use clap::ValueEnum;

use super::console::Console;
use super::exit::ExitCode;
use crate::diagnosis::verdict::{Verdict, VerdictKind};
use crate::investigation::snapshot::Snapshot;
use crate::report::text::Style;
use crate::report::{json, markdown, text};

/// The form of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
    Md,
}

pub fn write(snapshot: &Snapshot, format: Format, console: &mut Console) -> io::Result<()> {
    let color = console.colors_out();
    match format {
        Format::Text => text::write(&mut console.out, snapshot, Style { color, ..Style::PLAIN })?,
        Format::Json => json::write(&mut console.out, &snapshot.verdict)?,
        Format::Md => markdown::write(&mut console.out, &snapshot.verdict, Some(snapshot))?,
    }
    console.out.flush()
}

pub fn code(verdict: &Verdict) -> ExitCode {
    match verdict.verdict {
        VerdictKind::Fault => ExitCode::Fault,
        VerdictKind::Clean | VerdictKind::Inconclusive => ExitCode::Clean,
    }
}
