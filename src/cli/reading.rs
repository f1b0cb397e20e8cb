//! What commands read from files and arguments: addresses, dumps, and the bytes that a case has kept.

use std::path::Path;

use super::console::Console;
use super::exit::ExitCode;
use crate::case::file::Case;
use crate::observation::event::EventKind;
use crate::observation::fact::{Fact, FactValue};
use crate::observation::units::Address;

const LONGEST_DUMP_BYTES: u64 = 16 * 1024 * 1024;

/// `0x1FFF7800`, for clap.
pub fn address(text: &str) -> Result<Address, String> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let parsed = u32::from_str_radix(&digits.replace('_', ""), 16);
    parsed.map(Address).map_err(|_| "an address looks like 0x1FFF7800".to_owned())
}

/// A whole file, if it is not absurdly long.
pub fn whole(path: &Path, console: &mut Console) -> Result<Vec<u8>, ExitCode> {
    let too_long = std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > LONGEST_DUMP_BYTES);
    if too_long {
        console.error(&format!("{}: too long for a dump of this memory (16 MB at most)", path.display()));
        return Err(ExitCode::UnreadableInput);
    }
    std::fs::read(path).map_err(|error| {
        console.error(&format!("{}: cannot be read: {error}", path.display()));
        ExitCode::UnreadableInput
    })
}

/// The bytes of the last cycle of a case that learned `key`, area by area; `None` where the file is no case.
pub fn of_case(path: &Path, key: &str, console: &mut Console) -> Result<Option<Vec<Vec<u8>>>, ExitCode> {
    if !is_case(path) {
        return Ok(None);
    }
    let mut latest = Vec::new();
    let folded = Case::open(path).and_then(|case| {
        case.for_each(|event| {
            let reads = match &event.kind {
                EventKind::CycleFinished(cycle) => bytes_of(cycle.steps.iter().flat_map(|step| &step.facts), key),
                EventKind::FactNoted(fact) => bytes_of([fact], key),
                _ => Vec::new(),
            };
            if !reads.is_empty() {
                latest = reads;
            }
        })
    });
    match folded {
        Err(error) => {
            console.error(&error.to_string());
            Err(ExitCode::UnreadableInput)
        }
        Ok(()) if latest.is_empty() => {
            console.error(&format!("{}: no cycle of this case has read {key}", path.display()));
            Err(ExitCode::UnreadableInput)
        }
        Ok(()) => Ok(Some(latest)),
    }
}

fn bytes_of<'a>(facts: impl IntoIterator<Item = &'a Fact>, key: &str) -> Vec<Vec<u8>> {
    let of_key = facts.into_iter().filter(|fact| fact.key == key);
    of_key
        .filter_map(|fact| if let FactValue::Bytes(bytes) = &fact.value { Some(bytes.clone()) } else { None })
        .collect()
}

/// A case is an SQLite file.
pub fn is_case(path: &Path) -> bool {
    use std::io::Read;
    let mut start = [0; 15];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && &start == b"SQLite format 3"
}
