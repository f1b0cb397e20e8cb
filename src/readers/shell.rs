//! Commands that posters copy with their prompt: whether a tool was started as root.

use crate::observation::event::Transport;
use crate::observation::fact::FactValue;
use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;

use super::ides;
use super::message::{Line, Message, Says, Tool};
use super::notebook::Notebook;

pub static TOOL: Tool = Tool { name: "", transport: Transport::Other, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

const MESSAGES: &[Message] = &[
    message("dfu-util ", Says::Look(command)),
    message("st-info ", Says::Look(command)),
    message("st-flash ", Says::Look(command)),
    message("openocd ", Says::Look(command)),
    message("probe-rs ", Says::Look(command)),
    message("pyocd ", Says::Look(command)),
    message("pyocd-flashtool ", Says::Look(command)),
    message("pyocd-gdbserver ", Says::Look(command)),
    message("stm32flash ", Says::Look(command)),
    message("STM32_Programmer_CLI ", Says::Look(command)),
    message("command not found", Says::Look(no_such_command)),
    message(": not found", Says::Look(no_such_file)),
    message(": No such file or directory", Says::Look(no_such_file)),
    message("Cannot run program", Says::Look(not_run)),
    message("exec: ", Says::Look(not_run)),
    message("is not recognized as an internal or external command", Says::Look(no_such_command)),
    message("como un comando interno", Says::Look(no_such_command)),
    message("como um comando interno", Says::Look(no_such_command)),
    message("come comando interno", Says::Look(no_such_command)),
    message("en tant que commande interne", Says::Look(no_such_command)),
    message("entweder falsch geschrieben oder", Says::Look(no_such_command)),
    message("STM32CubeProgrammer not found", Says::Fails(F::BadArguments, P::Open)),
    message("error while loading shared libraries", Says::Fails(F::ToolFailure, P::Open)),
    message("Library not loaded:", Says::Fails(F::ToolFailure, P::Open)),
    message("dll was not found", Says::Fails(F::ToolFailure, P::Open)),
    message(".dll is missing from your computer", Says::Fails(F::ToolFailure, P::Open)),
];

/// dfu-util takes any file but its own format for the image itself, and so do st-flash unless it is told of Intel HEX, and stm32flash
/// for all but Intel HEX.
fn unfit_file(notebook: &mut Notebook, line: &Line<'_>) {
    let file_behind = |flags: &[&str]| {
        let mut words = line.text.split_whitespace().skip_while(|word| !flags.contains(word));
        let file = words.nth(1)?.trim_matches(['"', '\'', '`', '.', ',']);
        file.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase())
    };
    let ending = match () {
        () if line.contains("dfu-util ") => file_behind(&["-D", "--download"]),
        () if line.contains("st-flash ") && !line.contains("ihex") => file_behind(&["write"]),
        () if line.contains("stm32flash ") => file_behind(&["-w"]).filter(|ending| ending != "hex"),
        () => None,
    };
    if ending.is_some_and(|ending| {
        ["hex", "elf", "axf", "uf2", "out", "srec", "s19", "ld", "map", "c", "s"].contains(&ending.as_str())
    }) {
        notebook.fact("file-format-unfit", FactValue::Flag(true), line);
        notebook.fail(F::Other, P::ImageFile, "no plain image", line);
    }
}

const TOOLS: &[&str] = &[
    "dfu-util",
    "dfu-suffix",
    "dfu-programmer",
    "st-info",
    "st-flash",
    "openocd",
    "pyocd",
    "stm32flash",
    "STM32_Programmer",
    "maple_upload",
    "hid-flash",
];

/// What shells and make print behind the name of the tool; behind other names it is about a file.
fn no_such_file(notebook: &mut Notebook, line: &Line<'_>) {
    let told = line.text.find(": not found").or_else(|| line.text.find(": No such file"));
    if told.is_some_and(|at| TOOLS.iter().any(|tool| line.text[..at].trim_end_matches(['"', '\'']).ends_with(tool))) {
        no_such_command(notebook, line);
    }
}

/// Java and Go, in which IDEs are written, about a program that they were to start.
fn not_run(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("Cannot run program") || line.contains("file does not exist") || line.contains("not found in") {
        notebook.fail(F::ToolFailure, P::Open, "the IDE calls a tool that is not there", line);
    }
}

/// The shell knows no such tool: it is not installed, or not where the shell looks.
fn no_such_command(notebook: &mut Notebook, line: &Line<'_>) {
    if !TOOLS.iter().any(|tool| line.contains(tool)) {
        return;
    }
    // Who presses a button has not to know where the tool behind it lies.
    if notebook.recall(ides::CALLS_TOOLS).is_some() {
        notebook.fail(F::ToolFailure, P::Open, "the IDE calls a tool that is not there", line);
    } else {
        notebook.fail(F::BadArguments, P::Open, "the tool is not installed", line);
    }
}

/// Only what stands behind a prompt, or begins with `sudo`, is a command.
fn command(notebook: &mut Notebook, line: &Line<'_>) {
    unfit_file(notebook, line);
    let text = line.text.trim_start();
    let Some(command) = behind_prompt(text) else { return };
    let as_root = command.starts_with("sudo ") || text.contains('#') && text.starts_with("root@");
    notebook.command_given(as_root);
}

fn behind_prompt(text: &str) -> Option<&str> {
    if text.starts_with("sudo ") {
        return Some(text);
    }
    let at = text.get(..80.min(text.len())).unwrap_or(text).find(['$', '#', '%', '>'])?;
    let command = text[at + 1..].trim_start();
    let word = command.trim_start_matches("sudo ").split_whitespace().next().unwrap_or_default();
    MESSAGES.iter().any(|message| word.ends_with(message.needle.trim_end())).then_some(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_stands_behind_a_prompt() {
        assert_eq!(behind_prompt("$ sudo st-info --probe"), Some("sudo st-info --probe"));
        assert_eq!(behind_prompt("me@pc:~/fw$ dfu-util -l"), Some("dfu-util -l"));
        assert_eq!(behind_prompt("sudo dfu-util -l"), Some("sudo dfu-util -l"));
        assert_eq!(behind_prompt("I ran dfu-util -l and nothing came"), None);
        assert_eq!(behind_prompt("Error # 5 of dfu-util 0.9"), None);
    }

    #[test]
    fn only_what_the_tool_writes_as_it_is_has_to_be_an_image() {
        let told = |text: &str| {
            let mut notebook = Notebook::default();
            unfit_file(&mut notebook, &Line { number: 1, text });
            !notebook.into_events().is_empty()
        };
        for unfit in [
            "dfu-util -a 0 -D out/App.HEX",
            "I use `dfu-util -a 0 -D app.elf`.",
            "st-flash write a.hex 0x08000000",
            "> stm32flash -w .\\a.elf -v COM9",
        ] {
            assert!(told(unfit), "{unfit}");
        }
        for fit in [
            "dfu-util -U back.hex",
            "stm32flash -w a.hex -g 0x0 COM9",
            "dfu-util -D app.bin",
            "st-flash --format ihex write a.hex",
            "dfu-util -l, not the .hex",
        ] {
            assert!(!told(fit), "{fit}");
        }
    }
}
