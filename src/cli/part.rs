//! `--part`: the device profile that a name decides for, or a sentence that helps.

use super::console::Console;
use super::exit::ExitCode;
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
