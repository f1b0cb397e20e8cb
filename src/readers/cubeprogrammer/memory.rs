//! What STM32CubeProgrammer says while it reads, erases and programs: memory, files and option bytes.

use super::NAME;
use crate::observation::event::Transport;
use crate::observation::fact::FactValue;
use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;
use crate::readers::message::{Line, first_hex, first_number};
use crate::readers::notebook::Notebook;

pub(super) fn option_bytes_failed(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("failed") {
        notebook.at_work(NAME, Transport::Other, line);
        identified(notebook, line);
        let loading = line.contains("uploading");
        let code = if loading { "Uploading Option Bytes failed" } else { "Initializing the Option Bytes failed" };
        notebook.fail(F::ReadFailed, P::OptionBytes, code, line);
    }
}

/// The tool reads option bytes and memory only after it has opened the board and read its identity.
fn identified(notebook: &mut Notebook, line: &Line<'_>) {
    if !notebook.has_done(P::Identify) && !notebook.has_failed(P::Identify) {
        notebook.done(P::Identify, line);
    }
}

pub(super) fn read_failed(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Other, line);
    identified(notebook, line);
    notebook.fail(F::ReadFailed, P::Read, "Data read failed", line);
}

/// Other tools have these words too.
pub(super) fn not_read(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work_if_alone(NAME, Transport::Other, line);
    notebook.fail(F::ReadFailed, P::Read, "Failed to read memory", line);
}

/// Reading memory begins; the option bytes before it have come.
pub(super) fn uploading(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Other, line);
    if notebook.under_way() == Some(P::OptionBytes) {
        notebook.done(P::OptionBytes, line);
    }
    notebook.begin(P::Read, line);
}

pub(super) fn read_done(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Other, line);
    notebook.done(P::Read, line);
}

/// The tool has these words for USB only.
pub(super) fn protected_over_usb(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Other, line);
    notebook.fact("names-dfu", FactValue::Flag(true), line);
    notebook.fail(F::Protected, P::Open, "Device is under Read Out Protection", line);
}

/// `Expected value for Option Byte "RDP": 0xAA, found: 0xFF`.
pub(super) fn option_refused(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Other, line);
    let name = line.text.split('"').nth(1).unwrap_or_default().to_ascii_uppercase();
    let is = |starts: &[&str]| starts.iter().any(|start| name.starts_with(start));
    let class = match () {
        () if is(&["RDP"]) => F::Protected,
        () if is(&["WRP", "NWRP", "UNLOCK"]) => F::WriteProtected,
        () => F::WriteFailed,
    };
    if is(&["SPRMOD", "PCROP", "DMEP", "SEC_SIZE", "SECURITY"]) {
        notebook.fact("secure-area-named", FactValue::Flag(true), line);
    }
    notebook.fail(class, P::OptionBytesWrite, &format!("option byte {name} keeps its value"), line);
}

pub(super) fn power_cycle_asked(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Other, line);
    notebook.fact("power-cycle-asked-after-unprotect", FactValue::Flag(true), line);
}

pub(super) fn image_file(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Other, line);
    let Some(name) = line.value_of("parsing file") else { return };
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    notebook.text_fact("image-file", name, line);
    notebook.remember("file-opened", "yes");
    notebook.forget(FLASH_ERASED);
    let linked =
        [".elf", ".axf", ".hex", ".out", ".srec", ".s19"].iter().any(|end| name.to_ascii_lowercase().ends_with(end));
    if linked {
        notebook.remember(LINKED_FILE, "yes");
    } else {
        notebook.forget(LINKED_FILE);
    }
    crate::readers::fus::image_named(notebook, name, line);
}

pub(super) fn erase_begins(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.remember(FLASH_ERASED, "yes");
    if notebook.under_way() != Some(P::Erase) {
        notebook.begin(P::Erase, line);
    }
}

pub(super) fn download_begins(notebook: &mut Notebook, line: &Line<'_>) {
    if notebook.under_way() == Some(P::Erase) {
        notebook.done(P::Erase, line);
    }
    notebook.begin(P::Write, line);
}

/// A file that carries its own addresses may have parts that lie elsewhere than in the flash.
const LINKED_FILE: &str = "linked-file";
const FLASH_ERASED: &str = "flash-erased";

/// The tool takes the flash for something else: its device data do not fit the part. Of a linked file whose first part was erased well,
/// it is another part that is not for the flash.
pub(super) fn tool_misreads_flash(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Other, line);
    if notebook.recall(LINKED_FILE).is_some() && notebook.recall(FLASH_ERASED).is_some() {
        notebook.fail(F::AddressRefused, P::Erase, "a part of the file is not for the flash", line);
        return;
    }
    notebook.fact("tool-contradiction", FactValue::Flag(true), line);
    notebook.fail(F::ToolFailure, P::Erase, "Not flash Memory : No erase done", line);
}

/// An alignment that is not a power of two comes from a broken entry of the tool's data base.
pub(super) fn alignment(notebook: &mut Notebook, line: &Line<'_>) {
    let before = line.text.split("-bytes aligned").next().unwrap_or_default();
    let bytes = before.rsplit(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse::<u32>().ok());
    if bytes.is_some_and(|bytes| !bytes.is_power_of_two()) {
        notebook.fact("tool-contradiction", FactValue::Flag(true), line);
    }
}

/// `Sector size: 0x00000002 Bytes is out of range`: the size is the one of the segment that the tool has cut itself.
pub(super) fn sector_size(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("out of range") {
        notebook.at_work(NAME, Transport::Other, line);
        notebook.fail(F::ToolFailure, P::Erase, "sector size is out of range", line);
    }
}

/// `sector 0000 does not exist` of a range that the tool has just chosen itself.
pub(super) fn sector_missing(notebook: &mut Notebook, line: &Line<'_>) {
    let before = line.text.split(" does not exist").next().unwrap_or_default();
    let mut words = before.split_whitespace().rev();
    let is_number = words.next().is_some_and(|word| word.chars().all(|c| c.is_ascii_digit()));
    if is_number && words.next().is_some_and(|word| word.eq_ignore_ascii_case("sector")) {
        notebook.at_work(NAME, Transport::Other, line);
        notebook.fact("tool-contradiction", FactValue::Flag(true), line);
        notebook.fail(F::ToolFailure, P::Erase, "sector does not exist", line);
    }
}

/// Told by the window, which makes up the command itself; on the command line it is typed.
const COMMAND_OF_WINDOW: &str = "option-command-of-window";

pub(super) fn option_command(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Other, line);
    notebook.remember(COMMAND_OF_WINDOW, "yes");
}

/// `Warning: Option Byte: nwrp0, does not exist`. A name that the tool has made up itself and does not know is its own mistake.
pub(super) fn option_unknown(notebook: &mut Notebook, line: &Line<'_>) {
    if !line.contains("does not exist") {
        return;
    }
    notebook.at_work(NAME, Transport::Other, line);
    if notebook.recall(COMMAND_OF_WINDOW).is_some() {
        notebook.fact("tool-contradiction", FactValue::Flag(true), line);
    }
    notebook.fail(F::BadArguments, P::OptionBytesWrite, "option byte does not exist", line);
}

pub(super) fn write_protected(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("error") && notebook.tool() == Some(NAME) {
        notebook.fail(F::WriteProtected, P::Write, "write protected", line);
    }
}

/// No part has thousands of sectors; such a number is the tool's own mistake.
pub(super) fn erasing_sector(notebook: &mut Notebook, line: &Line<'_>) {
    let Some(sector) = line.value_of("erasing sector").and_then(first_number) else { return };
    if sector >= 4096.0 {
        notebook.at_work(NAME, Transport::Other, line);
        notebook.fact("tool-contradiction", FactValue::Flag(true), line);
        notebook.fail(F::ToolFailure, P::Erase, "impossible sector number", line);
    }
}

/// `Time elapsed during download operation: 00:00:00.069`; verifying counts as a read of its own.
pub(super) fn time_elapsed(notebook: &mut Notebook, line: &Line<'_>) {
    let Some(word) = line.text.rsplit(' ').find(|word| word.contains(':') && word.len() >= 8) else { return };
    let Some(elapsed) = crate::readers::timestamps::time_of_day(word) else { return };
    notebook.took(if line.contains("download") { P::Write } else { P::Read }, elapsed);
}

pub(super) fn write_failed(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Other, line);
    notebook.fail_at(F::WriteFailed, P::Write, "Write failed at address", first_hex(line.text), line);
}

pub(super) fn data_mismatch(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Other, line);
    notebook.fail_at(F::VerifyFailed, P::Verify, "Data mismatch found at address", first_hex(line.text), line);
}
