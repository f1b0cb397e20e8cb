//! Commands that posters copy with their prompt: whether a tool was started as root.

use crate::observation::event::Transport;

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
    message("STM32_Programmer_CLI ", Says::Look(command)),
];

/// Only what stands behind a prompt, or begins with `sudo`, is a command.
fn command(notebook: &mut Notebook, line: &Line<'_>) {
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
}
