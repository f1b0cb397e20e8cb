//! `flakescope doctor`: checks this computer and prints the mend for what is missing.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use crate::host::checkup::{self, Check, CheckState};
use crate::host::inventory::{self, Kind};
use crate::host::sys_root::SysRoot;
use crate::link::hardware::libusb_board;
use crate::profile::device;
use crate::report::wording::count;

use super::console::Console;
use super::exit::ExitCode;
use super::list::{ListFormat, Shown};

/// Check this computer and print the mend for what is missing
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  flakescope doctor")]
pub struct DoctorArgs {
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    format: ListFormat,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    checks: &'a [Check],
}

pub fn run(args: &DoctorArgs, console: &mut Console) -> ExitCode {
    let root = SysRoot::default();
    let mut checks = checkup::of(&root);
    checks.extend([libusb(), profiles(&root)]);
    let written = match args.format {
        ListFormat::Text => write_text(&checks, &mut console.out),
        ListFormat::Json => write_json(&checks, &mut console.out),
    };
    if let Err(error) = written {
        console.error(&format!("the findings could not be written: {error}"));
        return ExitCode::UnreadableInput;
    }
    let missing = checks.iter().any(|check| check.state == CheckState::Missing);
    if missing { ExitCode::Fault } else { ExitCode::Clean }
}

fn libusb() -> Check {
    match libusb_board::boards() {
        Ok(boards) => Check::good("libusb", format!("works; it lists {}", count(boards.len() as u64, "device"))),
        Err(error) => Check::missing("libusb", format!("cannot list devices: {}", error.code))
            .mended_by("see the checks above; libusb needs the kernel's USB and its device nodes"),
    }
}

/// Profiles that can be read, and the boards and probes that are there; probes are asked for what they are.
fn profiles(root: &SysRoot) -> Check {
    let parts = match device::catalogue() {
        Ok(parts) => parts,
        Err(error) => return Check::missing("boards", error.to_string()).mended_by("correct or remove that profile"),
    };
    let boards: Vec<_> = inventory::take(root, &parts).into_iter().map(|listed| Shown::of(listed, false)).collect();
    match boards.iter().find_map(|board| board.problems().into_iter().next().map(|problem| (board, problem))) {
        Some((board, problem)) => {
            let text = format!("{}: {}", board.listed.device.port, problem.text.for_terminal());
            Check { mend: problem.mend, ..Check::missing("boards", text) }
        }
        None => {
            let probes = boards.iter().filter(|board| board.listed.kind == Kind::Probe).count();
            let text = format!(
                "{} and {}, none with a problem",
                count((boards.len() - probes) as u64, "board"),
                count(probes as u64, "probe")
            );
            Check::good("boards", text)
        }
    }
}

fn write_json(checks: &[Check], out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &Answer { schema: "flakescope.doctor/1", checks })?;
    writeln!(out)
}

fn write_text(checks: &[Check], out: &mut impl Write) -> io::Result<()> {
    for check in checks {
        let state = match check.state {
            CheckState::Good => "ok",
            CheckState::Note => "note",
            CheckState::Missing => "MISSING",
        };
        writeln!(out, "{state:<8} {:<16} {}", check.name, check.text)?;
        if let Some(mend) = &check.mend {
            writeln!(out, "{:<8} {:<16} mend: {mend}", "", "")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_says_what_was_found_and_how_to_mend_it() {
        let checks = [
            Check::good("libusb", "works; it lists 3 devices"),
            Check::missing("usb", "this computer's kernel has no USB").mended_by("run it elsewhere"),
        ];
        let mut out = Vec::new();
        write_text(&checks, &mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap());
    }
}
