//! What the host says about the board's port while we work: kernel messages and the state of the port.

use crate::host::kernel_log::{KernelLog, KernelMessage};
use crate::host::ports::PortState;
use crate::host::sys_root::SysRoot;
use crate::observation::board::PortPath;
use crate::observation::field_text::FieldText;

#[derive(Debug)]
pub struct HostWatch {
    root: SysRoot,
    log: Option<KernelLog>,
    /// Not yet taken.
    messages: Vec<FieldText>,
    last_state: Option<PortState>,
}

impl HostWatch {
    /// A port that flaps fills the log; this many messages of one cycle tell as much as all.
    const MOST_MESSAGES: usize = 64;

    pub fn begin(root: SysRoot) -> Self {
        let mut messages = Vec::new();
        let log = match KernelLog::follow(&root) {
            Ok(log) => Some(log),
            Err(error) => {
                let text =
                    format!("not known: the kernel's messages cannot be read ({error}); see `flakescope doctor`");
                messages.push(FieldText::new(text));
                None
            }
        };
        Self { root, log, messages, last_state: None }
    }

    /// Notes what the kernel has said about the port since the last look; about every port where the board's is not known.
    pub fn look(&mut self, port: Option<&PortPath>) -> Vec<KernelMessage> {
        let Some(log) = &mut self.log else { return Vec::new() };
        let mut news = log.drain();
        news.retain(|message| port.is_none() || message.port.as_ref() == port);
        let room = Self::MOST_MESSAGES.saturating_sub(self.messages.len());
        self.messages.extend(news.iter().take(room).map(|message| message.text.clone()));
        news
    }

    /// Nothing came to the port: notes the port's state if it is another than before, and returns why the kernel gave up on what it
    /// saw there, if it saw anything.
    pub fn nothing_came(&mut self, port: Option<&PortPath>) -> Option<String> {
        let news = self.look(port);
        if let Some(port) = port {
            let state = self.root.port_state(port);
            if self.last_state.as_ref() != Some(&state) {
                self.messages.push(describe(&state));
                self.last_state = Some(state);
            }
        }
        news.iter().rev().find_map(refusal)
    }

    pub fn take_messages(&mut self) -> Vec<FieldText> {
        std::mem::take(&mut self.messages)
    }
}

/// The kernel's words where it saw something and could not bring it up.
fn refusal(message: &KernelMessage) -> Option<String> {
    let (_, words) = message.text.raw().split_once(": ")?;
    let refuses = [
        "device descriptor read/",
        "device not accepting address",
        "unable to read config index",
        "can't read configurations",
        "can't set config",
    ]
    .iter()
    .any(|it| words.starts_with(it));
    refuses.then(|| words.to_owned())
}

fn describe(state: &PortState) -> FieldText {
    let mut parts = Vec::new();
    parts.extend(state.state.clone());
    let over_currents = state.over_current_count.filter(|count| *count > 0);
    parts.extend(over_currents.map(|count| format!("over-current counted {count} times")));
    parts.extend(state.disabled.filter(|disabled| *disabled).map(|_| "disabled".to_owned()));
    parts.extend(state.not_known.iter().map(|what| format!("not known: {what}")));
    FieldText::new(format!("port {}: {}", state.port, parts.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// A root whose kernel log is a file that can grow.
    fn computer() -> (tempfile::TempDir, HostWatch) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("dev")).unwrap();
        std::fs::write(folder.path().join("dev/kmsg"), "6,1,1,-;usb 1-4: before we came, error -71\n").unwrap();
        let watch = HostWatch::begin(SysRoot::at(folder.path()));
        (folder, watch)
    }

    fn say(folder: &tempfile::TempDir, lines: &str) {
        let log = std::fs::OpenOptions::new().append(true).open(folder.path().join("dev/kmsg"));
        log.unwrap().write_all(lines.as_bytes()).unwrap();
    }

    fn raw(messages: &[FieldText]) -> Vec<&str> {
        messages.iter().map(FieldText::raw).collect()
    }

    #[test]
    fn the_kernels_last_words_about_the_port_are_the_reason() {
        let (folder, mut watch) = computer();
        say(
            &folder,
            "3,2,2,-;usb 1-4: device descriptor read/64, error -71\n3,3,3,-;usb 1-9: device descriptor read/64, error -110\n\
             3,4,4,-;usb 1-4: device not accepting address 9, error -71\n3,5,5,-;usb usb1-port4: unable to enumerate USB device\n",
        );
        let port = "1-4".parse().unwrap();
        assert_eq!(watch.nothing_came(Some(&port)).unwrap(), "device not accepting address 9, error -71");
        let messages = watch.take_messages();
        assert_eq!(messages.len(), 4, "three of the kernel and one of the port: {:?}", raw(&messages));
        assert!(messages[3].raw().starts_with("port 1-4: not known"));
        assert_eq!(watch.nothing_came(Some(&port)), None);
        assert_eq!(raw(&watch.take_messages()), [""; 0], "an unchanged state is told once");
    }

    #[test]
    fn a_log_that_cannot_be_read_is_said_once() {
        let mut watch = HostWatch::begin(SysRoot::at("/nonexistent"));
        assert!(raw(&watch.take_messages())[0].starts_with("not known: the kernel's messages cannot be read"));
        assert_eq!(watch.look(None), []);
    }
}
