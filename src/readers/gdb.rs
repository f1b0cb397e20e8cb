//! gdb, which says the same whichever server it speaks to: OpenOCD, the vendor's, a Black Magic Probe. What it says belongs to the session of that server
//! where one is known.

use crate::observation::event::Transport;
use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;

use super::message::{Line, Message, Says, Tool};
use super::notebook::Notebook;

pub static TOOL: Tool = Tool { name: "gdb", transport: Transport::Swd, messages: MESSAGES };

const fn message(needle: &'static str, look: fn(&mut Notebook, &Line<'_>)) -> Message {
    Message { needle, says: Says::Look(look) }
}

const ERASE: &str = "Error erasing flash with vFlashErase packet";
const FINISH: &str = "Error finishing flash operation";
const PACKET: &str = "Ignoring packet error, continuing";
const REPLY: &str = "Remote replied unexpectedly to 'vMustReplyEmpty'";
const GONE: &str = "Remote communication error";

const MESSAGES: &[Message] = &[
    message(ERASE, |notebook, line| fail(notebook, F::EraseFailed, P::Erase, ERASE, line)),
    message(FINISH, |notebook, line| fail(notebook, F::WriteFailed, P::Write, FINISH, line)),
    message(PACKET, |notebook, line| fail(notebook, F::ProbeFault, P::Unknown, PACKET, line)),
    message(REPLY, |notebook, line| fail(notebook, F::ProbeFault, P::Connect, REPLY, line)),
    message("Remote communication error.  Target disconnected", gone),
    message("Remote communication error. Target disconnected", gone),
    message("Transfer rate:", loaded),
];

fn fail(notebook: &mut Notebook, class: F, phase: P, code: &str, line: &Line<'_>) {
    notebook.at_work_if_alone(TOOL.name, TOOL.transport, line);
    notebook.fail(class, phase, code, line);
}

fn gone(notebook: &mut Notebook, line: &Line<'_>) {
    fail(notebook, F::Disconnected, P::Unknown, GONE, line);
}

fn loaded(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work_if_alone(TOOL.name, TOOL.transport, line);
    notebook.done(P::Write, line);
}

#[cfg(test)]
mod tests {
    use super::super::reading::Readers;
    use crate::observation::event::EventKind;

    fn tools(report: &str) -> Vec<String> {
        let reading = Readers::load().unwrap().read(&mut report.as_bytes()).unwrap();
        let tool = |event| if let EventKind::SessionStarted(session) = event { Some(session.tool) } else { None };
        reading.events.into_iter().filter_map(tool).collect()
    }

    #[test]
    fn what_gdb_says_belongs_to_the_session_of_its_server() {
        assert_eq!(tools("Open On-Chip Debugger 0.11.0\nError finishing flash operation\n"), ["openocd"]);
        assert_eq!(tools("Error finishing flash operation\n"), ["gdb"]);
    }
}
