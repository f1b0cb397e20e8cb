//! `flakescope otp`: what was read of one-time programmable memory, and whether an address is OTP at all.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::board_choice::{BoardChoice, Refusal, Way};
use super::console::Console;
use super::exit::ExitCode;
use super::look::Look;
use super::part;
use super::reading;
use crate::dfu::layout::Area;
use crate::link::link_used::LinkUsed;
use crate::observation::step::Touch;
use crate::observation::units::Address;
use crate::profile::device::{Device, Devices};
use crate::profile::dump;
use crate::profile::memory::OtpArea;
use crate::profile::otp::{self, Lock};

/// Check an OTP address, or show what OTP holds: blocks, locks, blanks; of a board or of a file. OTP is never written
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flakescope otp show --part STM32F429ZI\n  flakescope otp show --link swd --at 0x1FFF7800\n  flakescope otp show --link both --virtual healthy-f429\n  flakescope otp check 0x1FF0F000 --part STM32F429ZI\n  dfu-util -a 2 -s 0x1FFF7800 -U otp.bin && flakescope otp show otp.bin --part STM32F429ZI"
)]
pub struct OtpArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Whether an address is OTP on a part, and whose it is otherwise
    #[command(after_help = "Example:\n  flakescope otp check 0x1FF0F000 --part STM32F429ZI")]
    Check {
        #[arg(value_parser = reading::address)]
        address: Address,
        #[arg(long)]
        part: String,
    },
    /// Blocks, locks and programmed bytes
    #[command(
        after_help = "Examples:\n  flakescope otp show --part STM32F429ZI\n  flakescope otp show --link both --virtual healthy-f429\n  flakescope otp show otp.bin --part STM32F429ZI"
    )]
    Show(ShowArgs),
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// Raw bytes from the first byte of the OTP, lines of addresses and words, or a case; the board itself if not given
    file: Option<PathBuf>,
    /// The whole order code, for example STM32F429ZI; a virtual board knows its own, and over SWD the part says it
    #[arg(long)]
    part: Option<String>,
    /// The bytes of the block that holds this address, which has to be OTP of the part
    #[arg(long, value_name = "ADDRESS", value_parser = reading::address)]
    at: Option<Address>,
    /// The way to the board: dfu, swd, or both, which are then compared
    #[arg(long, value_name = "LINK", default_value = "dfu")]
    link: LinkUsed,
    #[command(flatten)]
    choice: BoardChoice,
}

pub fn run(args: &OtpArgs, console: &mut Console) -> ExitCode {
    let devices = match part::devices(console) {
        Ok(devices) => devices,
        Err(code) => return code,
    };
    let result = match &args.action {
        Action::Check { address, part } => check(*address, part, &devices, console),
        Action::Show(args) => show(args, &devices, console),
    };
    result.unwrap_or_else(|refusal| {
        if !refusal.text.is_empty() {
            console.error(&refusal.text);
        }
        refusal.code
    })
}

fn check(address: Address, part: &str, devices: &Devices, console: &mut Console) -> Result<ExitCode, Refusal> {
    let device = part::find(devices, part, console).map_err(Refusal::told)?;
    let place = otp::check(device, devices, address);
    let words = format!("{}\n", otp::sentence(device, address, &place));
    Ok(console.deliver(&words, if place.is_right() { ExitCode::Clean } else { ExitCode::Fault }))
}

fn show(args: &ShowArgs, devices: &Devices, console: &mut Console) -> Result<ExitCode, Refusal> {
    let (device, reads) = match &args.file {
        Some(file) => {
            let (device, bytes) = of_file(file, args, devices, console)?;
            (device, vec![bytes])
        }
        None => of_board(args, devices, console)?,
    };
    let area = demand_area(device)?;
    demand_place(device, args, devices)?;
    let [first, ..] = reads.as_slice() else { return Ok(ExitCode::Clean) };
    if otp::blocks(area, first).is_empty() {
        let whose = args.file.as_ref().map_or_else(|| "the board".to_owned(), |file| file.display().to_string());
        let text = format!("{whose} shows no whole block of OTP of {} from {}", device.name, area.address);
        return Err(Refusal { code: ExitCode::UnreadableInput, text });
    }
    let mut text = in_words(device, area, first);
    if let Some(at) = args.at {
        text.push_str(&block_at(area, first, at));
    }
    let difference = reads.get(1).map(|other| difference(area, first, other));
    if let Some((words, _)) = &difference {
        text.push_str(words);
    }
    let is_same = difference.is_none_or(|(_, same)| same);
    Ok(console.deliver(&text, if is_same { ExitCode::Clean } else { ExitCode::Fault }))
}

fn of_file<'a>(
    file: &Path,
    args: &ShowArgs,
    devices: &'a Devices,
    console: &mut Console,
) -> Result<(&'a Device, Vec<u8>), Refusal> {
    let Some(part) = args.part.as_ref().filter(|_| !args.choice.is_named()) else {
        let text = "a file is read here, or the board; a file needs --part, for example STM32F429ZI";
        return Err(Refusal { code: ExitCode::Usage, text: text.to_owned() });
    };
    let device = part::find(devices, part, console).map_err(Refusal::told)?;
    let area = demand_area(device)?;
    let of_case = reading::of_case(file, "otp", console).map_err(Refusal::told)?;
    let bytes = match of_case.and_then(|mut reads| reads.pop()) {
        Some(bytes) => bytes,
        None => {
            let dump = reading::whole(file, console).map_err(Refusal::told)?;
            let readings = dump::readings(&dump, area.address);
            let from_start = readings.into_iter().find(|reading| reading.address == area.address);
            from_start.map(|reading| reading.bytes).unwrap_or_default()
        }
    };
    Ok((device, bytes))
}

/// One read over each link that was asked for. An address that is not of a part that was named is refused before that.
fn of_board<'a>(
    args: &ShowArgs,
    devices: &'a Devices,
    console: &mut Console,
) -> Result<(&'a Device, Vec<Vec<u8>>), Refusal> {
    let way = Way { link: args.link, touch: Touch::Observe };
    let (mut link, facts) = args.choice.reach(&way, 1, false, &Arc::default())?;
    let named = args.part.clone().or_else(|| part::said(&facts));
    if let Some(device) = named.as_ref().and_then(|part| devices.by_part(part)) {
        demand_area(device)?;
        demand_place(device, args, devices)?;
    }
    let mut looks = Vec::new();
    if args.link != LinkUsed::Swd {
        looks.push(Look::over_dfu(link.as_mut(), Area::Otp)?);
    }
    if args.link != LinkUsed::Dfu {
        looks.push(Look::over_swd(link.as_mut(), Area::Otp)?);
    }
    let dev_id = looks.iter().find_map(|look| look.dev_id);
    let device = part::of_board(devices, named.as_deref(), &[], dev_id, console)?;
    Ok((device, looks.into_iter().map(|look| look.otp).collect()))
}

fn demand_area(device: &Device) -> Result<&OtpArea, Refusal> {
    let area = device.otp.as_ref().and_then(|otp| otp.area.as_ref());
    area.ok_or_else(|| Refusal {
        code: ExitCode::Usage,
        text: format!("{} has no OTP, or none that is known", device.name),
    })
}

fn demand_place(device: &Device, args: &ShowArgs, devices: &Devices) -> Result<(), Refusal> {
    let Some(at) = args.at else { return Ok(()) };
    let place = otp::check(device, devices, at);
    if place.is_right() {
        return Ok(());
    }
    Err(Refusal { code: ExitCode::Usage, text: otp::sentence(device, at, &place) })
}

fn in_words(device: &Device, area: &OtpArea, bytes: &[u8]) -> String {
    let blocks = otp::blocks(area, bytes);
    let mut text = format!("OTP of {} at {}\n", device.name, area.address);
    let blank = blocks.iter().filter(|block| block.programmed_bytes == 0 && block.lock != Lock::Locked).count();
    for block in blocks
        .iter()
        .filter(|block| block.programmed_bytes > 0 || matches!(block.lock, Lock::Locked | Lock::Illegal(_)))
    {
        text.push_str(&format!(
            "  block {:>3} at {}: {:>4} bytes programmed, {}\n",
            block.number, block.address, block.programmed_bytes, block.lock
        ));
    }
    text.push_str(&format!("  {blank} of {} blocks are blank and open\n", blocks.len()));
    text
}

/// The bytes of one block, or the one lock byte.
fn block_at(area: &OtpArea, bytes: &[u8], at: Address) -> String {
    let offset = at.0.wrapping_sub(area.address.0);
    let (start, length) = match area.block_bytes {
        _ if offset >= area.data_bytes => (offset, 1),
        Some(block) => (offset / block * block, block),
        None => (offset, 4),
    };
    let shown = bytes.get(start as usize..).unwrap_or_default();
    let shown = &shown[..shown.len().min(length as usize)];
    let hex: Vec<_> = shown.iter().map(|byte| format!("{byte:02X}")).collect();
    format!(
        "  {}: {}\n",
        Address(area.address.0 + start),
        if hex.is_empty() { "not read".to_owned() } else { hex.join(" ") }
    )
}

fn difference(area: &OtpArea, dfu: &[u8], swd: &[u8]) -> (String, bool) {
    let common = dfu.len().min(swd.len());
    match dfu.iter().zip(swd).position(|(over_dfu, over_swd)| over_dfu != over_swd) {
        None => (format!("Both links agree in the {common} bytes that both show.\n"), true),
        Some(place) => {
            let at = Address(area.address.0 + place as u32);
            let text = format!(
                "! The links DIFFER, first at {at}: 0x{:02X} over DFU, 0x{:02X} over SWD. OTP changes in one direction only, so a read went wrong.\n",
                dfu[place], swd[place]
            );
            (text, false)
        }
    }
}
