//! What IDEs and build systems say around the tools that they run: cortex-debug, PlatformIO, Arduino, west.
//!
//! They know only that a tool of theirs gave up, so their words stand for the report only where nothing else does.

use crate::observation::event::Transport;
use crate::observation::fact::FactValue;
use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;

use super::message::{Line, Message, Says, Tool, first_hex};
use super::notebook::Notebook;

pub static TOOL: Tool = Tool { name: "", transport: Transport::Other, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

const MESSAGES: &[Message] = &[
    message("GDB Server Quit Unexpectedly", Says::Look(no_session)),
    message("Failed to launch OpenOCD GDB Server", Says::Look(no_session)),
    message("Failed to launch PyOCD GDB Server", Says::Look(no_session)),
    message("Failed to launch ST-Util GDB Server", Says::Look(no_session)),
    message("Failed to launch ST-LINK GDB Server", Says::Look(no_session)),
    message("Failed to launch J-Link GDB Server", Says::Look(no_session)),
    message("Failed to launch Black Magic Probe GDB Server", Says::Look(no_session)),
    message("GDB server session terminated", Says::Nothing),
    message("Cannot access memory at address 0x", Says::Look(memory)),
    message("Failed to execute MI command", Says::Nothing),
    message("*** [upload] Error", Says::Look(no_upload)),
    message("An error occurred while uploading the sketch", Says::Look(no_upload)),
    message("Failed uploading: ", Says::Look(no_upload)),
    message("FATAL ERROR: command exited with status", Says::Look(no_upload)),
    message("Arduino15", Says::Look(from_ide)),
    message(".platformio", Says::Look(from_ide)),
    message("\\vmicro\\", Says::Look(from_ide)),
    message("Configuring upload protocol", Says::Look(from_ide)),
    message("maple_upload", Says::Look(uploader)),
];

/// What `recall` knows once an IDE has called the tools, whoever chose the board in it.
pub const CALLS_TOOLS: &str = "ide-calls-tools";

fn from_ide(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.remember(CALLS_TOOLS, "yes");
    notebook.fact("called-by-ide", FactValue::Flag(true), line);
}

/// The script that asks a Maple loader for an upload is handed the ids of what it shall look for.
fn uploader(notebook: &mut Notebook, line: &Line<'_>) {
    from_ide(notebook, line);
    if line.contains("0x0483 0xdf11") {
        notebook.fact("rom-ids-for-own-loader", FactValue::Flag(true), line);
    }
}

/// gdb says so of any address; in the flash it tells that the part keeps its memory to itself.
fn memory(notebook: &mut Notebook, line: &Line<'_>) {
    let address = line.text.split("at address").nth(1).and_then(first_hex);
    if address.is_some_and(|address| (0x0800_0000..0x0820_0000).contains(&address)) {
        notebook.fail_at(F::ReadFailed, P::Read, "Cannot access memory", address, line);
    }
}

fn no_session(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.complain(F::ConnectFailed, P::Connect, line.text.trim(), line);
}

fn no_upload(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.complain(F::WriteFailed, P::Write, line.text.trim(), line);
}
