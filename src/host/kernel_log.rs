//! The kernel's messages about USB, from `/dev/kmsg` or from the output of `dmesg`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};

use crate::observation::board::PortPath;
use crate::observation::field_text::FieldText;
use crate::observation::units::Micros;

use super::sys_root::SysRoot;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelMessage {
    /// Since the computer started; absent where the text does not tell.
    pub at: Option<Micros>,
    /// The port it is about.
    pub port: Option<PortPath>,
    pub text: FieldText,
}

/// The messages that come while we watch.
#[derive(Debug)]
pub struct KernelLog {
    device: File,
}

impl KernelLog {
    /// Opens the log at its end. Refused to ordinary users on many systems.
    pub fn follow(root: &SysRoot) -> io::Result<Self> {
        let mut log = Self { device: open(root)? };
        log.drain();
        Ok(log)
    }

    /// What has come since the last call, USB messages only.
    pub fn drain(&mut self) -> Vec<KernelMessage> {
        let mut found = Vec::new();
        let mut buffer = [0; 8_192];
        loop {
            match self.device.read(&mut buffer) {
                Ok(0) => return found,
                // The device gives one record per read; a file in its place gives many.
                Ok(length) => found.extend(String::from_utf8_lossy(&buffer[..length]).lines().filter_map(record)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return found,
                // Records were overwritten before they were read; the next read continues with the oldest.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                Err(_) => return found,
            }
        }
    }
}

/// Every USB message that the kernel still remembers.
pub fn remembered(root: &SysRoot) -> io::Result<Vec<KernelMessage>> {
    Ok(KernelLog { device: open(root)? }.drain())
}

fn open(root: &SysRoot) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // O_NONBLOCK: a read at the end of the log returns instead of waiting for the next message.
        options.custom_flags(0o4000);
    }
    options.open(root.path("dev/kmsg"))
}

/// `6,339,5140900,-;usb 1-4: ...`
fn record(line: &str) -> Option<KernelMessage> {
    let (prefix, text) = line.split_once(';')?;
    let at = prefix.split(',').nth(2)?.parse().ok().map(Micros);
    usb_message(at, text)
}

/// Lines such as `[  123.456789] usb 1-4: device descriptor read/64, error -71`, as `dmesg` prints them.
pub fn in_dmesg(text: &str) -> Vec<KernelMessage> {
    text.lines().filter_map(dmesg_line).collect()
}

fn dmesg_line(line: &str) -> Option<KernelMessage> {
    match line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((time, text)) => usb_message(time.trim().parse().ok().map(Micros::from_secs_f64), text.trim_start()),
        None => usb_message(None, line.trim_start()),
    }
}

fn usb_message(at: Option<Micros>, text: &str) -> Option<KernelMessage> {
    let subject = text.strip_prefix("usb ").or_else(|| text.strip_prefix("hub "))?.split(": ").next()?;
    Some(KernelMessage { at, port: port_of(subject), text: FieldText::from(text) })
}

/// `1-4`, `1-4:1.0`, `usb1-port4` or `1-4-port2`.
fn port_of(subject: &str) -> Option<PortPath> {
    let subject = subject.split(':').next()?;
    let Some((hub, number)) = subject.split_once("-port") else { return subject.parse().ok() };
    match hub.strip_prefix("usb") {
        Some(bus) => format!("{bus}-{number}").parse().ok(),
        None => format!("{hub}.{number}").parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn usb_messages_are_found_in_dmesg_with_their_port() {
        let text = "[    1.0] e1000: link up\n\
            [  123.456789] usb 1-4: device descriptor read/64, error -71\n\
            [  124.5] usb usb1-port4: unable to enumerate USB device\n\
            usb 1-4-port2: Cannot enable. Maybe the USB cable is bad?\n";
        let found: Vec<_> =
            in_dmesg(text).into_iter().map(|message| (message.at, message.port.unwrap().to_string())).collect();
        let expected = [(Some(123_456_789), "1-4"), (Some(124_500_000), "1-4"), (None, "1-4.2")];
        assert_eq!(found, expected.map(|(at, port)| (at.map(Micros), port.to_owned())));
    }

    #[test]
    fn records_of_the_device_are_read_as_well() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("dev")).unwrap();
        let records = "6,339,5140900,-;usb 1-4: new full-speed USB device number 5 using xhci_hcd\n SUBSYSTEM=usb\n6,340,5140901,-;e1000: up\n";
        std::fs::write(folder.path().join("dev/kmsg"), records).unwrap();
        let messages = remembered(&SysRoot::at(folder.path())).unwrap();
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0].at, Some(Micros(5_140_900)));
        assert!(messages[0].text.raw().contains("new full-speed"));
    }

    #[test]
    fn a_log_that_may_not_be_read_is_an_error() {
        assert!(KernelLog::follow(&SysRoot::at("/nonexistent")).is_err());
    }

    proptest! {
        #[test]
        fn no_line_panics(line in "(\\[[ 0-9.]{0,12}\\])? ?(usb|hub) [-0-9.:a-z]{0,16}: \\PC{0,20}") {
            in_dmesg(&line);
            record(&line);
        }
    }
}
