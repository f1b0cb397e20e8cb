//! `flakescope otp`: what was read of one-time programmable memory, and whether an address is OTP at all.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::console::Console;
use super::exit::ExitCode;
use super::part;
use super::reading;
use crate::observation::units::Address;
use crate::profile::dump;
use crate::profile::otp::{self, Lock};

/// Check an OTP address, or show what was read of OTP: blocks, locks, blanks
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flakescope otp check 0x1FF0F000 --part STM32F429ZI\n  dfu-util -a 2 -s 0x1FFF7800 -U otp.bin && flakescope otp show otp.bin --part STM32F429ZI"
)]
pub struct OtpArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Whether an address is OTP on a part, and whose it is otherwise
    Check {
        #[arg(value_parser = reading::address)]
        address: Address,
        #[arg(long)]
        part: String,
    },
    /// Blocks, locks and programmed bytes of a dump
    Show {
        /// Raw bytes from the first byte of the OTP, lines of addresses and words, or a case
        file: PathBuf,
        #[arg(long)]
        part: String,
    },
}

pub fn run(args: &OtpArgs, console: &mut Console) -> ExitCode {
    let result = match &args.action {
        Action::Check { address, part } => check(*address, part, console),
        Action::Show { file, part } => show(file, part, console),
    };
    result.unwrap_or_else(|code| code)
}

fn check(address: Address, part: &str, console: &mut Console) -> Result<ExitCode, ExitCode> {
    let devices = part::devices(console)?;
    let device = part::find(&devices, part, console)?;
    let place = otp::check(device, &devices, address);
    // A closed standard output ends quietly with the result's code.
    let _ = writeln!(console.out, "{}", otp::sentence(device, address, &place));
    Ok(if place.is_right() { ExitCode::Clean } else { ExitCode::Fault })
}

fn show(file: &std::path::Path, part: &str, console: &mut Console) -> Result<ExitCode, ExitCode> {
    let devices = part::devices(console)?;
    let device = part::find(&devices, part, console)?;
    let Some(area) = device.otp.as_ref().and_then(|otp| otp.area.as_ref()) else {
        console.error(&format!("{} has no OTP, or none that is known", device.name));
        return Err(ExitCode::Usage);
    };
    let bytes = match reading::of_case(file, "otp", console)? {
        Some(reads) => reads.concat(),
        None => {
            let dump = reading::whole(file, console)?;
            let readings = dump::readings(&dump, area.address);
            let from_start = readings.into_iter().find(|reading| reading.address == area.address);
            from_start.map(|reading| reading.bytes).unwrap_or_default()
        }
    };
    let blocks = otp::blocks(area, &bytes);
    if blocks.is_empty() {
        console.error(&format!("{} holds no whole block of OTP from {}", file.display(), area.address));
        return Err(ExitCode::UnreadableInput);
    }
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
    // As above.
    let _ = console.out.write_all(text.as_bytes());
    Ok(ExitCode::Clean)
}
