//! `flakescope option-bytes`: what the option bytes say, in words, what changed between two reads, and changing them.

mod case_reads;
mod show;
mod source;
mod write;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::board_choice::BoardChoice;
use super::console::Console;
use super::exit::ExitCode;
use super::reading;
use crate::link::link_used::LinkUsed;
use crate::observation::units::Address;

/// Show option bytes in words, what changed between two reads, or change them
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flakescope option-bytes show --part STM32F407VG\n  flakescope option-bytes show --link swd\n  flakescope option-bytes diff --link both --virtual healthy-wb55\n  flakescope option-bytes show board.case --part STM32F746ZG\n  flakescope option-bytes diff board.case --port 1-4 --part STM32F746ZG\n  dfu-util -a 1 -s 0x1FFFC000:16 -U ob.bin && flakescope option-bytes show ob.bin --part STM32F407VG\n  flakescope option-bytes set BOR_LEV=0 --part STM32F407VG --case board.case --write\n  flakescope option-bytes restore board.case --part STM32F407VG --write"
)]
pub struct OptionBytesArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Every field that matters for DFU, and complements that do not fit; of a board, or of a file
    #[command(
        after_help = "Examples:\n  flakescope option-bytes show --part STM32F746ZG\n  flakescope option-bytes show board.case --part STM32F746ZG"
    )]
    Show {
        /// Raw bytes, lines of addresses and words, or a case; the board itself if not given
        file: Option<PathBuf>,
        #[command(flatten)]
        how: How,
    },
    /// The fields that differ between two reads: two files, a file and the board, both links of the board, or two reads of a case
    #[command(
        after_help = "Examples:\n  flakescope option-bytes diff before.bin after.bin --part STM32F746ZG\n  flakescope option-bytes diff board.case --cycles --part STM32F746ZG"
    )]
    Diff {
        /// The earlier read: raw bytes, lines of addresses and words, or a case
        before: Option<PathBuf>,
        /// The later read; the board itself if not given
        after: Option<PathBuf>,
        /// The last two reads of one case
        #[arg(long, requires = "before", conflicts_with = "after")]
        cycles: bool,
        #[command(flatten)]
        how: How,
    },
    /// ALTERS the board: changes fields that can be changed back; the values from before are kept in the case
    #[command(
        after_help = "Example:\n  flakescope option-bytes set BOR_LEV=0 --part STM32F407VG --case board.case --write"
    )]
    Set(write::SetArgs),
    /// ALTERS the board: writes the option bytes that a case has kept
    #[command(after_help = "Example:\n  flakescope option-bytes restore board.case --part STM32F407VG --write")]
    Restore(write::RestoreArgs),
}

#[derive(Debug, Args)]
struct How {
    /// The whole order code, for example STM32WB55CE; a virtual board knows its own, and over SWD the part says it
    #[arg(long)]
    part: Option<String>,
    /// The way to the board: dfu, swd, or both, which are then compared
    #[arg(long, value_name = "LINK", default_value = "dfu")]
    link: LinkUsed,
    #[command(flatten)]
    choice: BoardChoice,
    /// Raw bytes of a file are option registers that were read over SWD; lines of addresses and words tell that themselves
    #[arg(long)]
    swd: bool,
    /// Where raw bytes of a file begin, if not at the first option byte
    #[arg(long, value_parser = reading::address)]
    address: Option<Address>,
}

pub fn run(args: &OptionBytesArgs, console: &mut Console) -> ExitCode {
    let result = match &args.action {
        Action::Show { file, how } => show::show(file.as_deref(), how, console),
        Action::Diff { before, after, cycles, how } => {
            show::diff(before.as_deref(), after.as_deref(), *cycles, how, console)
        }
        Action::Set(args) => Ok(write::set(args, console)),
        Action::Restore(args) => Ok(write::restore(args, console)),
    };
    result.unwrap_or_else(|refusal| {
        if !refusal.text.is_empty() {
            console.error(&refusal.text);
        }
        refusal.code
    })
}
