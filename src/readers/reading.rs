//! Reading a report: the one call that turns text of any origin into events.

use std::io::{self, Read};

use crate::observation::event::EventKind;
use crate::profile::loader::ProfileError;

use super::dates;
use super::encoding::Utf8Stream;
use super::message::{Line, Message, Says, Tool, occurrences};
use super::notebook::Notebook;
use super::opening::Opening;
use super::phrases::Phrases;
use super::sieve::Sieve;
use super::{
    betaflight, black_magic, complaints, cubeprogrammer, dfu_util, dfuse_demo, fus, gdb, ides, jlink, katapult, keil,
    libusb, linux_kernel, lsusb, openocd, option_lines, other_hosts, otp, parts, probe_drive, probers, pyocd, pystlink,
    qflipper, qmk_toolbox, registers, shell, stlink_gdb_server, stlink_org, stlink_utility, uart_loaders, webdfu,
    wiring_list,
};

/// All tools, in the order in which their messages are tried on a line.
const TOOLS: [&Tool; 33] = [
    &shell::TOOL,
    &cubeprogrammer::TOOL,
    &fus::TOOL,
    &stlink_gdb_server::TOOL,
    &stlink_utility::TOOL,
    &dfu_util::TOOL,
    &openocd::TOOL,
    &stlink_org::TOOL,
    &probers::TOOL,
    &pyocd::TOOL,
    &pystlink::TOOL,
    &black_magic::TOOL,
    &gdb::TOOL,
    &jlink::TOOL,
    &keil::TOOL,
    &probe_drive::TOOL,
    &ides::TOOL,
    &qflipper::TOOL,
    &webdfu::TOOL,
    &dfuse_demo::TOOL,
    &betaflight::TOOL,
    &qmk_toolbox::TOOL,
    &katapult::TOOL,
    &uart_loaders::TOOL,
    &libusb::TOOL,
    &linux_kernel::TOOL,
    &other_hosts::TOOL,
    &lsusb::TOOL,
    &registers::TOOL,
    &otp::TOOL,
    &option_lines::TOOL,
    &wiring_list::TOOL,
    &parts::TOOL,
];

/// What a report says.
#[derive(Clone, Debug)]
pub struct Reading {
    pub events: Vec<EventKind>,
    /// Lines in the file, read or not.
    pub lines: u32,
}

/// The readers with their literals and phrases, built once and used for any number of reports.
#[derive(Debug)]
pub struct Readers {
    sieve: Sieve,
    messages: Vec<(&'static Tool, &'static Message)>,
    phrases: Phrases,
}

impl Readers {
    pub fn load() -> Result<Self, ProfileError> {
        let phrases = Phrases::load()?;
        let messages: Vec<_> =
            TOOLS.iter().flat_map(|tool| tool.messages.iter().map(move |message| (*tool, message))).collect();
        let of_messages = messages.iter().enumerate().map(|(index, (_, message))| (message.needle, index));
        let sieve = Sieve::new(of_messages, phrases.literals());
        Ok(Self { sieve, messages, phrases })
    }

    /// Every literal that a line is looked at for.
    pub fn literals(&self) -> impl Iterator<Item = &str> {
        self.messages
            .iter()
            .map(|(_, message)| message.needle)
            .chain(self.phrases.literals().map(|(literal, _)| literal))
    }

    /// Reads a report to its end. Only reading itself can fail; any content is a report.
    pub fn read(&self, source: &mut dyn Read) -> io::Result<Reading> {
        let mut notebook = Notebook::default();
        let mut text = Opening::of(Utf8Stream::new(source)?);
        let lines = self.sieve.sift(&mut text, |number, text| match probers::lines_of_report(text) {
            Some(parts) => parts.for_each(|text| self.read_line(&mut notebook, &Line { number, text })),
            None => self.read_line(&mut notebook, &Line { number, text }),
        })?;
        let mut events = notebook.into_events();
        events.extend(text.fact().map(EventKind::FactNoted));
        Ok(Reading { events, lines })
    }

    fn read_line(&self, notebook: &mut Notebook, line: &Line<'_>) {
        if !notebook.is_dated()
            && let Some(day) = dates::day_in(line.text.get(..40).unwrap_or(line.text))
        {
            notebook.date(&day.to_string(), line);
        }
        let meanings = self.sieve.meanings_in(line.text);
        let failures_before = notebook.failures_noted();
        self.hear_messages(notebook, &meanings.messages, line);
        // What the tool has said on this line itself is not said again as a description, and the kernel describes nothing.
        let told = |&meaning: &usize| {
            let (tool, message) = self.messages[meaning];
            matches!(message.says, Says::Fails(..) | Says::Normal(..) | Says::Repeats)
                || tool.name == linux_kernel::NAME
        };
        let is_told = notebook.failures_noted() > failures_before || meanings.messages.iter().any(told);
        self.phrases.hear(notebook, &meanings.words, line, !is_told);
        if !meanings.words.is_empty() && !is_told && !notebook.has_complaint() {
            complaints::hear(notebook, line);
        }
    }

    /// Whether another message of some tool stands on the line; what merely names a part or a device explains nothing.
    fn is_understood(&self, meanings: &[usize], by_default: usize) -> bool {
        meanings.iter().any(|&other| {
            let (tool, message) = self.messages[other];
            other != by_default && !tool.name.is_empty() && !matches!(message.says, Says::Otherwise(_))
        })
    }

    /// A message whose needle is part of another message's needle on the same line is not meant, unless it stands there once more. A
    /// reader that only takes a closer look may find nothing, so it stands in the way of its own tool's messages only.
    fn hear_messages(&self, notebook: &mut Notebook, meanings: &[usize], line: &Line<'_>) {
        for &meaning in meanings {
            let (tool, message) = self.messages[meaning];
            if matches!(message.says, Says::Otherwise(_)) && self.is_understood(meanings, meaning) {
                continue;
            }
            let part_of_longer = meanings.iter().any(|&other| {
                let (other_tool, longer) = self.messages[other];
                let inside = occurrences(longer.needle, message.needle);
                (!matches!(longer.says, Says::Look(_)) || other_tool.name == tool.name)
                    && longer.needle.len() > message.needle.len()
                    && inside > 0
                    && occurrences(line.text, message.needle) <= inside * occurrences(line.text, longer.needle)
            });
            if !part_of_longer {
                hear(notebook, tool, message, line);
            }
        }
    }
}

fn hear(notebook: &mut Notebook, tool: &'static Tool, message: &'static Message, line: &Line<'_>) {
    if !tool.name.is_empty() && !matches!(message.says, Says::Started | Says::Look(_) | Says::Otherwise(_)) {
        notebook.at_work(tool.name, tool.transport, line);
    }
    match &message.says {
        Says::Started => {
            let version = line.value_of(message.needle).and_then(version_in);
            notebook.start_session(tool.name, tool.transport, version, line);
        }
        Says::Attempt => notebook.start_attempt(line),
        Says::Begins(phase) => notebook.begin(*phase, line),
        Says::Done(phase) => notebook.done(*phase, line),
        Says::Fails(class, phase) => notebook.fail(*class, *phase, message.needle.trim(), line),
        Says::Normal(class, phase, reason) => notebook.normal(*class, *phase, message.needle.trim(), reason, line),
        Says::Nothing | Says::Repeats => {}
        Says::Look(look) | Says::Otherwise(look) => look(notebook, line),
    }
}

/// The first word that looks like a version.
pub fn version_in(text: &str) -> Option<&str> {
    text.split(|c: char| c.is_whitespace() || c == '(' || c == ',')
        .take(4)
        .find(|word| word.contains(|c: char| c.is_ascii_digit()) && word.len() < 40)
        .map(|word| word.trim_matches(['.', ':', ')']))
}

#[cfg(test)]
mod tests {
    use super::super::cleaning;
    use super::*;
    use crate::observation::fact::FactValue;

    fn parts_in(report: &str) -> Vec<String> {
        let reading = Readers::load().unwrap().read(&mut report.as_bytes()).unwrap();
        let part = |event| match event {
            EventKind::FactNoted(fact) if fact.key == "part" => match fact.value {
                FactValue::Text(text) => Some(text.raw().to_owned()),
                _ => None,
            },
            _ => None,
        };
        reading.events.into_iter().filter_map(part).collect()
    }

    fn failures_in(report: &str) -> Vec<String> {
        let reading = Readers::load().unwrap().read(&mut report.as_bytes()).unwrap();
        let of_cycle = |event| match event {
            EventKind::CycleFinished(cycle) => cycle
                .failures()
                .filter(|failure| !failure.is_expected())
                .map(|failure| format!("{} at {}", failure.class.name(), failure.phase.name()))
                .collect(),
            _ => Vec::new(),
        };
        reading.events.into_iter().flat_map(of_cycle).collect()
    }

    #[test]
    fn a_part_is_heard_beside_a_message_that_holds_the_same_letters() {
        assert_eq!(parts_in("STM32F405RG: Error: No STM32 target found"), ["STM32F405RG"]);
        assert!(parts_in("Error: No STM32 target found").is_empty());
    }

    #[test]
    fn messages_of_debug_tools_mean_what_their_sources_say() {
        for (lines, heard) in [
            ("Error: unknown/unexpected STLINK status code 0x9", "no-target at connect"),
            (
                "Error: Debug regions are unpowered, an unexpected reset might have happened",
                "debug-power-up at connect",
            ),
            ("Error: Cortex-M CPUID: 0x0 is unrecognized", "no-target at identify"),
            ("2021-03-01T10:00:00 WARN common.c: unknown chip id! 0x5fa0004", "no-target at identify"),
            (
                "2021-03-01T10:00:00 WARN usb.c: Error -3 opening ST-Link/V2 device 001:004",
                "access-denied at probe-open",
            ),
            ("Error: Target power-up failed.", "debug-power-up at connect"),
            ("The execution of 'erase_sector' failed with code 1.", "erase-failed at erase"),
            ("0000992 C flash program page timed out [__main__]", "write-failed at write"),
            ("Reset seems to be stuck low!", "held-in-reset at connect"),
            ("** Programming Failed **", "write-failed at write"),
            ("Cannot claim interface 6: LIBUSB_ERROR_NOT_SUPPORTED", "driver-missing at claim"),
            ("Cannot claim interface 0: LIBUSB_ERROR_BUSY", "busy at claim"),
            ("*** Error unlocking FLASH ***", "write-protected at write"),
            ("Special DfuSe command 65 failed", "dfu-status at erase"),
            ("Active read protected STM32 device detected.", "protected at connect"),
            ("Error (0x16) after target cmd F2 30 A3 00", "no-acknowledge at connect"),
            (
                "Error: Expected value for Option Byte \"WRP0\": 0x0, found: 0x1",
                "write-protected at option-bytes-write",
            ),
        ] {
            assert_eq!(failures_in(lines), [heard], "{lines}");
        }
    }

    /// A line is cleaned before it is understood, and what is taken from it cannot be found on it.
    #[test]
    fn what_is_looked_for_survives_the_cleaning() {
        let readers = Readers::load().unwrap();
        let known: Vec<_> = readers.literals().map(str::to_ascii_lowercase).collect();
        // Where cleaning writes it otherwise, the other way has to be known as well.
        let survives = |literal: &&String| {
            let cleaned = cleaning::clean(format!("x {literal} x").as_bytes());
            let cleaned = cleaned.trim_matches('x').to_owned();
            cleaned.contains(literal.as_str()) || known.iter().any(|other| cleaned.trim() == other.trim())
        };
        let lost: Vec<_> = known.iter().filter(|literal| !survives(literal)).collect();
        assert!(lost.is_empty(), "{lost:#?}");
    }

    #[test]
    fn what_a_tool_brings_about_itself_is_no_failure() {
        let first_question = "FUS state is FUS_ERROR\nFUS status is FUS_NOT_RUNNING\n";
        let answered = format!("{first_question}FUS state is FUS_IDLE\nFUS status is FUS_NO_ERROR\n");
        assert_eq!(failures_in(&answered), [""; 0]);
        assert_ne!(failures_in(first_question), [""; 0]);

        let lost =
            "07:42:22 : Disconnected from device.\n07:42:22 : Connection to device is lost: check power supply\n";
        let connected = "07:42:01 : ST-LINK SN : 0667\n07:42:03 : Connected via SWD.\n";
        assert_eq!(failures_in(&format!("{connected}07:42:19 : Verification...OK\n{lost}")), [""; 0]);
        assert_eq!(failures_in(&format!("{connected}{lost}")), ["disconnected at unknown"]);

        let (looks, opens) = ("Cannot open device 0a12:0001", "Opening DFU capable USB device...");
        assert_eq!(failures_in(&format!("dfu-util 0.7\n{looks}\n{opens}\n")), [""; 0]);
        let refused = format!("dfu-util 0.7\n{opens} Cannot open device\n");
        assert_eq!(failures_in(&refused), ["access-denied at open"]);

        let erased = "attaching to target successful.\nerasing...\nerasing target successful.\n";
        assert_eq!(failures_in(erased), [""; 0]);
    }

    #[test]
    fn what_follows_from_an_error_is_no_error_of_its_own() {
        let image = "** Programming Started **\nWarn : no flash bank found for address 0x08010000\n\
            Error: checksum mismatch - attempting binary compare\n";
        assert_eq!(failures_in(image), ["address-refused at write"]);
        let reset = "st-flash 1.7.0\nERROR common.c: Soft reset failed: timeout\n\
            INFO common.c: Flash page at addr: 0x08000000 erased\n";
        assert_eq!(failures_in(reset), [""; 0]);
    }

    #[test]
    fn a_part_is_read_though_another_reader_looks_at_its_name_too() {
        assert_eq!(parts_in("FUS 1.2.0 on an STM32WB55CEU\n"), ["STM32WB55CE"]);
    }
}
