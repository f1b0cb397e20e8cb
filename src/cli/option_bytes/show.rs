//! Option bytes in words, and what differs between two reads.

use std::path::Path;

use super::How;
use super::source::{self, Read};
use crate::cli::board_choice::Refusal;
use crate::cli::console::Console;
use crate::cli::exit::ExitCode;
use crate::link::link_used::LinkUsed;
use crate::profile::device::Device;
use crate::profile::option_bytes::{self, Decoded, DecodedField, View};

pub fn show(file: Option<&Path>, how: &How, console: &mut Console) -> Result<ExitCode, Refusal> {
    let reads = match file {
        Some(file) => vec![source::of_file(file, how, console)?],
        None => source::of_board(how, console)?,
    };
    let mut text = String::new();
    for read in &reads {
        let over = if file.is_some() { String::new() } else { format!(" over {}", link_of(read.view)) };
        text.push_str(&in_words(&read.device, &over, &read.decoded));
    }
    let mut sound = reads.iter().all(|read| read.decoded.damaged.is_empty());
    if let [dfu, swd] = reads.as_slice() {
        let (words, same) = both_links(dfu, swd);
        text.push_str(&words);
        sound &= same;
    }
    Ok(console.deliver(&text, if sound { ExitCode::Clean } else { ExitCode::Fault }))
}

pub fn diff(
    before: Option<&Path>,
    after: Option<&Path>,
    cycles: bool,
    how: &How,
    console: &mut Console,
) -> Result<ExitCode, Refusal> {
    let text = match (before, after) {
        (Some(case), None) if cycles => {
            let [before, after] = source::of_cycles(case, how, console)?;
            changes(&before.decoded, &after.decoded)
        }
        (Some(before), Some(after)) => {
            let before = source::of_file(before, how, console)?;
            changes(&before.decoded, &source::of_file(after, how, console)?.decoded)
        }
        (Some(before), None) => {
            let mut text = String::new();
            for now in source::of_board(how, console)? {
                let before = source::of_file_of(now.device.clone(), before, how, console)?;
                text.push_str(&changes(&before.decoded, &now.decoded));
            }
            text
        }
        (None, _) if how.link == LinkUsed::Both => match source::of_board(how, console)?.as_slice() {
            [dfu, swd] => both_links(dfu, swd).0,
            _ => String::new(),
        },
        (None, _) => {
            let text =
                "what is to be compared? Name one or two files, or read the board over two links with --link both";
            return Err(Refusal { code: ExitCode::Usage, text: text.to_owned() });
        }
    };
    Ok(console.deliver(&text, ExitCode::Clean))
}

/// Flash holds what was programmed, the registers what was loaded at the last reset.
fn both_links(dfu: &Read, swd: &Read) -> (String, bool) {
    let read_by_both = |name: &str| dfu.decoded.value(name).is_some() && swd.decoded.value(name).is_some();
    let all = option_bytes::differences(&dfu.decoded, &swd.decoded);
    let differing: Vec<_> = all.iter().filter(|difference| read_by_both(&difference.name)).collect();
    let compared = dfu.decoded.fields.iter().filter(|field| read_by_both(&field.name)).count();
    if differing.is_empty() {
        return (format!("Both links agree in the {compared} fields that both show.\n"), true);
    }
    let mut text = format!("! The links DIFFER in {} of {compared} fields (DFU -> SWD):\n", differing.len());
    for difference in differing {
        text.push_str(&format!("  {}: {} -> {}\n", difference.name, hex(difference.before), hex(difference.after)));
    }
    text.push_str(
        "  DFU shows what is programmed, SWD what was loaded at the last reset: a value not loaded yet, a complement that \
         does not fit (the part then loads a default), or a read that went wrong.\n",
    );
    (text, false)
}

fn changes(before: &Decoded, after: &Decoded) -> String {
    let mut text = String::new();
    for change in option_bytes::differences(before, after) {
        text.push_str(&format!("{}: {} -> {}\n", change.name, hex(change.before), hex(change.after)));
        let now = after.fields.iter().find(|field| field.name == change.name);
        if let Some(said) = now.and_then(|field| field.said.as_ref()) {
            text.push_str(&format!("    now {}\n", said.text));
        }
    }
    if text.is_empty() { "no field differs\n".to_owned() } else { text }
}

fn hex(value: Option<u32>) -> String {
    value.map_or_else(|| "not read".to_owned(), |value| format!("0x{value:X}"))
}

fn link_of(view: View) -> &'static str {
    if view == View::Swd { "SWD" } else { "DFU" }
}

/// A line per field; what matters for DFU is marked.
fn in_words(device: &Device, over: &str, decoded: &Decoded) -> String {
    let mut text = format!("Option bytes of {}{over}\n", device.name);
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
