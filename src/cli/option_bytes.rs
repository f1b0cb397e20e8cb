//! `flakescope option-bytes`: what was read of the option bytes, in words, and what changed between two reads.

mod write;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::console::Console;
use super::exit::ExitCode;
use super::part;
use super::reading;
use crate::observation::units::Address;
use crate::profile::device::Device;
use crate::profile::dump;
use crate::profile::option_bytes::{self, Decoded, DecodedField, Reading, View};

/// Show option bytes in words, what changed between two reads, or change them
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dfu-util -a 1 -s 0x1FFFC000:16 -U ob.bin && flakescope option-bytes show ob.bin --part STM32F407VG\n  flakescope option-bytes diff before.bin after.bin --part STM32WB55CE\n  flakescope option-bytes show board.case --part STM32F746ZG\n  flakescope option-bytes set BOR_LEV=0 --part STM32F407VG --case board.case --write\n  flakescope option-bytes restore board.case --part STM32F407VG --write"
)]
pub struct OptionBytesArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Every field that matters for DFU, and complements that do not fit
    Show {
        /// Raw bytes, lines of addresses and words, or a case
        file: PathBuf,
        #[command(flatten)]
        how: How,
    },
    /// The fields that differ between two reads
    Diff {
        before: PathBuf,
        after: PathBuf,
        #[command(flatten)]
        how: How,
    },
    /// ALTERS the board: changes fields that can be changed back; the values from before are kept in the case
    Set(write::SetArgs),
    /// ALTERS the board: writes the option bytes that a case has kept
    Restore(write::RestoreArgs),
}

#[derive(Debug, Args)]
struct How {
    #[arg(long)]
    part: String,
    /// Raw bytes are option registers that were read over SWD; lines of addresses and words tell that themselves
    #[arg(long)]
    swd: bool,
    /// Where raw bytes begin, if not at the first option byte
    #[arg(long, value_parser = reading::address)]
    address: Option<Address>,
}

pub fn run(args: &OptionBytesArgs, console: &mut Console) -> ExitCode {
    let result = match &args.action {
        Action::Show { file, how } => show(file, how, console),
        Action::Diff { before, after, how } => diff(before, after, how, console),
        Action::Set(args) => Ok(write::set(args, console)),
        Action::Restore(args) => Ok(write::restore(args, console)),
    };
    result.unwrap_or_else(|code| code)
}

fn show(file: &Path, how: &How, console: &mut Console) -> Result<ExitCode, ExitCode> {
    let devices = part::devices(console)?;
    let device = part::find(&devices, &how.part, console)?;
    let decoded = decode(file, device, how, console)?;
    // A closed standard output ends quietly with the result's code.
    let _ = console.out.write_all(in_words(device, &decoded).as_bytes());
    Ok(if decoded.damaged.is_empty() { ExitCode::Clean } else { ExitCode::Fault })
}

fn diff(before: &Path, after: &Path, how: &How, console: &mut Console) -> Result<ExitCode, ExitCode> {
    let devices = part::devices(console)?;
    let device = part::find(&devices, &how.part, console)?;
    let (before, after) = (decode(before, device, how, console)?, decode(after, device, how, console)?);
    let mut text = String::new();
    for change in option_bytes::differences(&before, &after) {
        let shown = |value: Option<u32>| value.map_or_else(|| "not read".to_owned(), |value| format!("0x{value:X}"));
        text.push_str(&format!("{}: {} -> {}\n", change.name, shown(change.before), shown(change.after)));
        if let Some(said) =
            after.fields.iter().find(|field| field.name == change.name).and_then(|field| field.said.as_ref())
        {
            text.push_str(&format!("    now {}\n", said.text));
        }
    }
    if text.is_empty() {
        text.push_str("no field differs\n");
    }
    // As above.
    let _ = console.out.write_all(text.as_bytes());
    Ok(ExitCode::Clean)
}

/// Reads a file as the part's option bytes.
fn decode(file: &Path, device: &Device, how: &How, console: &mut Console) -> Result<Decoded, ExitCode> {
    let Some(known) = &device.option_bytes else {
        console.error(&format!("the profile of {} does not describe its option bytes", device.name));
        return Err(ExitCode::Usage);
    };
    let readings: Vec<Reading> = match reading::of_case(file, "option-bytes", console)? {
        Some(reads) => option_bytes::readings_of_areas(device, reads),
        None => {
            let first = if how.swd { known.swd_address } else { known.dfu_areas.first().map(|area| area.address) };
            let Some(start) = how.address.or(first) else {
                console.error(&format!(
                    "where the option bytes of {} begin is not known; say it with --address",
                    device.name
                ));
                return Err(ExitCode::Usage);
            };
            dump::readings(&reading::whole(file, console)?, start)
        }
    };
    let view = if how.swd { Some(View::Swd) } else { option_bytes::view_of(device, &readings) };
    let decoded = option_bytes::decode(device, view.unwrap_or(View::Dfu), &readings);
    if decoded.fields.is_empty() {
        console.error(&format!("{}: holds no option byte of {} that is known", file.display(), device.name));
        return Err(ExitCode::UnreadableInput);
    }
    Ok(decoded)
}

/// A line per field; what matters for DFU is marked.
fn in_words(device: &Device, decoded: &Decoded) -> String {
    let mut text = format!("Option bytes of {}\n", device.name);
    if let Some(entry) = &decoded.entry {
        text.push_str(&format!("  {entry}\n"));
    }
    let confidence = device.option_bytes.as_ref().map(|known| known.encoding_confidence).unwrap_or_default();
    let doubt =
        if confidence.is_documented() { String::new() } else { format!(" [that complements lie there: {confidence}]") };
    for damage in &decoded.damaged {
        text.push_str(&format!("! DAMAGED {damage}{doubt}\n"));
    }
    decoded.fields.iter().for_each(|field| text.push_str(&line(field)));
    if !decoded.not_read.is_empty() {
        text.push_str(&format!("  not in this read: {}\n", decoded.not_read.join(", ")));
    }
    text
}

fn line(field: &DecodedField) -> String {
    let (mark, said) = match &field.said {
        Some(said) => (if said.matters { '!' } else { ' ' }, said.text.as_str()),
        None => (' ', ""),
    };
    let digits = usize::from(field.bits.div_ceil(4));
    let value = format!("0x{:0digits$X}", field.value);
    format!("{mark} {:<16} {value:<10} {said}", field.name).trim_end().to_owned() + "\n"
}
