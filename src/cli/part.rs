//! `--part`: the device profile that a name decides for, or a sentence that helps.

use super::board_choice::Refusal;
use super::console::Console;
use super::exit::ExitCode;
use crate::observation::fact::{Fact, FactValue, Origin};
use crate::observation::field_text::FieldText;
use crate::profile::device::{self, Device, Devices};

/// All profiles, or the complaint about the one that is not sound.
pub fn devices(console: &mut Console) -> Result<Devices, ExitCode> {
    device::catalogue().map_err(|error| {
        console.error(&error.to_string());
        ExitCode::UnreadableInput
    })
}

/// The one profile that `name` means: an order code or the beginning of one, or the name of a profile.
pub fn find<'a>(devices: &'a Devices, name: &str, console: &mut Console) -> Result<&'a Device, ExitCode> {
    if let Some(device) = devices.by_part(name).or_else(|| devices.by_sheet(name)) {
        return Ok(device);
    }
    match devices.candidates(name).as_slice() {
        [] => console
            .error(&format!("no device profile knows the part `{name}`; flakescope profile list shows what there is")),
        [only] => return Ok(only),
        several => {
            let names: Vec<_> = several.iter().map(|device| device.name.as_str()).collect();
            console.error(&format!("`{name}` may be any of: {}; name more of the part", names.join("; ")));
        }
    }
    Err(ExitCode::Usage)
}

/// The part that somebody said a board is.
pub fn said(facts: &[Fact]) -> Option<String> {
    let said = facts.iter().find(|fact| fact.key == "part")?;
    if let FactValue::Text(part) = &said.value { Some(part.raw().to_owned()) } else { None }
}

/// What somebody names a board with --part, to be kept with its case.
pub fn named(part: &str) -> Fact {
    let value = FactValue::Text(FieldText::from(part));
    Fact { key: "part".to_owned(), value, origin: Origin::Operator, quote: None }
}

/// The profile of a board that was looked at: the part that was named, or the one whose DEV_ID it shows; never one that
/// contradicts its DEV_ID.
pub fn of_board<'a>(
    devices: &'a Devices,
    named: Option<&str>,
    facts: &[Fact],
    dev_id: Option<u16>,
    console: &mut Console,
) -> Result<&'a Device, Refusal> {
    let of_id = dev_id.map(|id| devices.by_dev_id(id)).unwrap_or_default();
    let names = || of_id.iter().map(|device| device.name.as_str()).collect::<Vec<_>>().join("; ");
    let usage = |text: String| Refusal { code: ExitCode::Usage, text };
    if let Some(part) = named.map(str::to_owned).or_else(|| said(facts)) {
        let device = find(devices, &part, console).map_err(Refusal::told)?;
        return match dev_id.filter(|id| *id != device.dev_id) {
            None => Ok(device),
            Some(id) => Err(usage(format!(
                "the part on the wires shows DEV_ID 0x{id:03X} ({}), and {} has 0x{:03X}: it is not the part that was named",
                if of_id.is_empty() { "no known part".to_owned() } else { names() },
                device.name,
                device.dev_id
            ))),
        };
    }
    match (of_id.as_slice(), dev_id) {
        ([only], _) => Ok(only),
        ([], None) => Err(usage(
            "over DFU a board does not say which part it is, and every part differs: name it with --part, for example STM32F407VG".to_owned(),
        )),
        ([], Some(id)) => Err(usage(format!("no device profile knows DEV_ID 0x{id:03X}"))),
        _ => Err(usage(format!("the DEV_ID may be any of: {}; name the part with --part", names()))),
    }
}
