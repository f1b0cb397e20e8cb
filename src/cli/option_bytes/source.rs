//! Where option bytes come from: a file, a case, or the board itself over one link or both.

use std::path::Path;
use std::sync::Arc;

use super::How;
use super::case_reads;
use crate::cli::board_choice::{Refusal, Way};
use crate::cli::console::Console;
use crate::cli::exit::ExitCode;
use crate::cli::look::Look;
use crate::cli::{part, reading};
use crate::dfu::layout::Area;
use crate::link::link_used::LinkUsed;
use crate::observation::step::Touch;
use crate::profile::device::{Device, Devices};
use crate::profile::dump;
use crate::profile::option_bytes::{self, Decoded, Reading, View};

/// One read, decoded.
pub struct Read {
    pub device: Device,
    pub view: View,
    pub decoded: Decoded,
}

/// What a file holds as option bytes of the part that was named.
pub fn of_file(file: &Path, how: &How, console: &mut Console) -> Result<Read, Refusal> {
    let device = named(how, console)?;
    of_file_of(device, file, how, console)
}

/// A file beside a board: it is of the same part.
pub fn of_file_of(device: Device, file: &Path, how: &How, console: &mut Console) -> Result<Read, Refusal> {
    let readings = match case_reads::of(file, &device, console)? {
        Some(mut reads) => reads.pop().unwrap_or_default(),
        None => of_dump(file, &device, how, console)?,
    };
    let view = if how.swd { Some(View::Swd) } else { option_bytes::view_of(&device, &readings) };
    decoded(device, view.unwrap_or(View::Dfu), &readings, &file.display().to_string())
}

/// The last two reads of a case, the older one first.
pub fn of_cycles(file: &Path, how: &How, console: &mut Console) -> Result<[Read; 2], Refusal> {
    let device = named(how, console)?;
    let reads = case_reads::of(file, &device, console)?;
    let [.., before, after] = reads.as_deref().unwrap_or_default() else {
        let text = format!("{} does not hold two reads of the option bytes", file.display());
        return Err(Refusal { code: ExitCode::UnreadableInput, text });
    };
    let read = |readings: &[Reading]| {
        let view = option_bytes::view_of(&device, readings).unwrap_or(View::Dfu);
        decoded(device.clone(), view, readings, &file.display().to_string())
    };
    Ok([read(before)?, read(after)?])
}

/// What the board shows now: one read, or over both links one of each.
pub fn of_board(how: &How, console: &mut Console) -> Result<Vec<Read>, Refusal> {
    let devices = devices(console)?;
    let way = Way { link: how.link, touch: Touch::Observe };
    let (mut link, facts) = how.choice.reach(&way, 1, false, &Arc::default())?;
    let mut looks = Vec::new();
    if how.link != LinkUsed::Swd {
        looks.push((View::Dfu, Look::over_dfu(link.as_mut(), Area::OptionBytes)?));
    }
    if how.link != LinkUsed::Dfu {
        looks.push((View::Swd, Look::over_swd(link.as_mut(), Area::OptionBytes)?));
    }
    let dev_id = looks.iter().find_map(|(_, look)| look.dev_id);
    let device = part::of_board(&devices, how.part.as_deref(), &facts, dev_id, console)?;
    looks.into_iter().map(|(view, look)| decoded(device.clone(), view, &look.option_bytes, "the board")).collect()
}

fn decoded(device: Device, view: View, readings: &[Reading], whose: &str) -> Result<Read, Refusal> {
    let decoded = option_bytes::decode(&device, view, readings);
    if !decoded.fields.is_empty() {
        return Ok(Read { device, view, decoded });
    }
    let shown: Vec<_> = readings.iter().map(|reading| reading.address.to_string()).collect();
    let shown = if shown.is_empty() { "nothing".to_owned() } else { format!("memory at {}", shown.join(", ")) };
    let text = match (&device.option_bytes, view) {
        (None, _) => format!("the profile of {} does not describe its option bytes", device.name),
        (Some(known), View::Swd) if known.swd_fields.is_empty() => {
            format!("the profile of {} does not describe its option registers; read them over DFU", device.name)
        }
        _ => format!(
            "{whose}: holds no option byte of {} that is known (it holds {shown}); is it that part?",
            device.name
        ),
    };
    Err(Refusal { code: ExitCode::UnreadableInput, text })
}

fn of_dump(file: &Path, device: &Device, how: &How, console: &mut Console) -> Result<Vec<Reading>, Refusal> {
    let known = device.option_bytes.as_ref();
    let first = known
        .and_then(|known| if how.swd { known.swd_address } else { known.dfu_areas.first().map(|area| area.address) });
    let Some(start) = how.address.or(first) else {
        let text = format!("where the option bytes of {} begin is not known; say it with --address", device.name);
        return Err(Refusal { code: ExitCode::Usage, text });
    };
    Ok(dump::readings(&reading::whole(file, console).map_err(Refusal::told)?, start))
}

fn devices(console: &mut Console) -> Result<Devices, Refusal> {
    part::devices(console).map_err(Refusal::told)
}

/// A file says nothing of its part.
fn named(how: &How, console: &mut Console) -> Result<Device, Refusal> {
    if how.choice.is_named() || how.link != LinkUsed::Dfu {
        let text = "a file is read here, or the board; not both. `option-bytes diff FILE --port PATH` compares them";
        return Err(Refusal { code: ExitCode::Usage, text: text.to_owned() });
    }
    let Some(part) = &how.part else {
        let text = "option bytes lie differently in every part: name it with --part, for example STM32F407VG";
        return Err(Refusal { code: ExitCode::Usage, text: text.to_owned() });
    };
    let devices = devices(console)?;
    part::find(&devices, part, console).cloned().map_err(Refusal::told)
}
