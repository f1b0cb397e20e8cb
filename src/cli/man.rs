//! `flakescope man`: the manual, made from the command line itself.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::console::Console;
use super::exit::ExitCode;
use crate::profile::loader;

/// Print the manual
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  flakescope man | man -l -
  flakescope man run | man -l -
  flakescope man bench show | man -l -
  flakescope man --out ~/.local/share/man/man1")]
pub struct ManArgs {
    /// The command whose page is wanted, such as run or bench show; the main page where absent
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
    /// Write every page into this folder
    #[arg(long, value_name = "FOLDER", conflicts_with = "command")]
    out: Option<PathBuf>,
}

pub fn run(args: &ManArgs, console: &mut Console) -> ExitCode {
    let root = root();
    if let Some(folder) = &args.out {
        return write_all(&root, folder, console);
    }
    let page = if args.command.is_empty() {
        main_page(&root)
    } else {
        let asked = args.command.join("-").replace(' ', "-");
        let asked = format!("{}{asked}", if asked.starts_with(PREFIX) { "" } else { PREFIX });
        let pages = pages(&root);
        match pages.iter().find(|(name, _)| *name == asked) {
            Some((name, command)) => page_of(name, command),
            None => {
                let names = pages.iter().map(|(name, _)| name.trim_start_matches(PREFIX));
                let near = loader::nearest(asked.trim_start_matches(PREFIX), names);
                let hint =
                    near.map_or("`flakescope --help` lists them".to_owned(), |near| format!("did you mean `{near}`?"));
                console.error(&format!("there is no command `{}`; {hint}", args.command.join(" ")));
                return ExitCode::Usage;
            }
        }
    };
    let written = page.and_then(|page| console.out.write_all(&page));
    console.end(written, ExitCode::Clean)
}

/// What the pages of commands are called before their names.
const PREFIX: &str = "flakescope-";

/// The command line without the commands that only print help: they have no page.
fn root() -> Command {
    fn without_help(command: Command) -> Command {
        command.disable_help_subcommand(true).mut_subcommands(without_help)
    }
    let mut root = without_help(super::command());
    root.build();
    root
}

/// Every command that is shown, the inner ones too: `flakescope-bench-show`.
fn pages(root: &Command) -> Vec<(String, &Command)> {
    fn below<'a>(command: &'a Command, prefix: &str, found: &mut Vec<(String, &'a Command)>) {
        for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
            let name = format!("{prefix}{}", inner.get_name());
            below(inner, &format!("{name}-"), found);
            found.push((name, inner));
        }
    }
    let mut found = Vec::new();
    below(root, PREFIX, &mut found);
    found
}

fn write_all(root: &Command, folder: &Path, console: &mut Console) -> ExitCode {
    let written = std::fs::create_dir_all(folder).and_then(|()| {
        std::fs::write(folder.join("flakescope.1"), main_page(root)?)?;
        for (name, command) in pages(root) {
            std::fs::write(folder.join(format!("{name}.1")), page_of(&name, command)?)?;
        }
        Ok(())
    });
    match written {
        Ok(()) => ExitCode::Clean,
        Err(error) => {
            console.error(&format!("the manual cannot be written to {}: {error}", folder.display()));
            ExitCode::UnreadableInput
        }
    }
}

const TOUCH: [&str; 3] = [
    "flakescope only reads unless it is told otherwise. Over DFU it sends the requests that read and the five-byte Set \
     Address; the transport lets nothing else through.",
    "What disturbs the board, such as a reset or leaving the bootloader (which runs the customer's application), needs \
     the option that names it.",
    "What alters non-volatile memory is separate, and needs the board's serial number or path typed. OTP is never written.",
];

const ENVIRONMENT: [(&str, &str); 4] = [
    ("NO_COLOR", "If set and not empty, --color=auto means no colour."),
    (
        "FLAKESCOPE_PROFILES",
        "A folder with profiles of your own, which replace built-in ones of the same name; flakescope/profiles below \
         XDG_CONFIG_HOME or ~/.config where it is not set.",
    ),
    ("SOURCE_DATE_EPOCH", "Seconds since 1970 that stand for today in a new case, for output that can be reproduced."),
    ("XDG_DATA_HOME", "Cases without a name go to flakescope/cases below it; ~/.local/share where it is not set."),
];

const EXAMPLES: [(&str, &str); 4] = [
    ("flakescope run --virtual f746-25mhz-warm-hsi", "Watch a virtual board fail and the causes move."),
    (
        "flakescope run --port 1-4.2 --reenter manual --boots 10 --report board.html",
        "Cycle the board at USB port 1-4.2, asking for a power cycle between boots, and write a report.",
    ),
    ("flakescope diagnose board.case --format json", "Give the verdict on a case as one line of JSON."),
    ("flakescope report board.case --out steps.csv", "Every step of every cycle as a table."),
];

/// The page of the program itself, with what holds for every command.
fn main_page(root: &Command) -> io::Result<Vec<u8>> {
    let man = Man::new(root.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    man.render_subcommands_section(&mut page)?;
    let mut rest = Roff::new();
    rest.control("SH", ["TOUCHING THE BOARD"]);
    for sentence in TOUCH {
        rest.text([roman(sentence)]).control("PP", []);
    }
    rest.control("SH", ["EXIT STATUS"]);
    for code in ExitCode::ALL {
        entry(&mut rest, &code.number().to_string(), code.meaning());
    }
    rest.control("SH", ["ENVIRONMENT"]);
    for (name, meaning) in ENVIRONMENT {
        entry(&mut rest, name, meaning);
    }
    rest.control("SH", ["EXAMPLES"]);
    for (line, meaning) in EXAMPLES {
        entry(&mut rest, line, meaning);
    }
    rest.to_writer(&mut page)?;
    man.render_version_section(&mut page)?;
    Ok(page)
}

fn page_of(name: &str, command: &Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone().name(name.to_owned())).render(&mut page)?;
    Ok(page)
}

fn entry(page: &mut Roff, term: &str, meaning: &str) {
    page.control("TP", []).text([bold(term)]).text([roman(meaning)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_page_names_every_exit_code_and_every_command() {
        let root = super::super::command();
        let page = String::from_utf8(main_page(&root).unwrap()).unwrap();
        for code in ExitCode::ALL {
            assert!(page.contains(&format!("\\fB{}\\fR", code.number())), "{page}");
        }
        for command in root.get_subcommands().filter(|command| !command.is_hide_set()) {
            let name = command.get_name().replace('-', "\\-");
            assert!(page.contains(&format!("flakescope\\-{name}")), "{name}");
        }
    }

    #[test]
    fn every_page_that_a_page_names_is_there() {
        let root = root();
        let pages = pages(&root);
        let text = |page: Vec<u8>| String::from_utf8(page).unwrap().replace('\\', "");
        let all = pages.iter().map(|(name, command)| text(page_of(name, command).unwrap()));
        for page in all.chain([text(main_page(&root).unwrap())]) {
            for (before, _) in page.match_indices("(1)").map(|(at, _)| page.split_at(at)) {
                let name = before.rsplit(|c: char| !c.is_alphanumeric() && c != '-').next().unwrap();
                let is_there = name == "flakescope" || pages.iter().any(|(page, _)| page == name);
                assert!(is_there, "{name}");
            }
        }
        assert!(pages.iter().any(|(name, _)| name == "flakescope-option-bytes-set"));
    }
}
