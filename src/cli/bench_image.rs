//! `flakescope bench image`: a coprocessor image for virtual boards, with nothing of a real one in it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::console::Console;
use super::exit::ExitCode;
use super::reading;
use crate::bench::rom::virtual_image::{ImageKind, VirtualImage};
use crate::observation::units::Address;
use crate::profile::fus_check::FusVersion;

#[derive(Debug, Args)]
pub struct ImageArgs {
    /// Where it has to be downloaded to
    #[arg(long, value_parser = reading::address)]
    address: Address,
    /// Its length in bytes
    #[arg(long, default_value_t = 183_536, value_parser = clap::value_parser!(u32).range(64..=1_048_576))]
    size: u32,
    #[arg(long, default_value = "1.13.0")]
    version: FusVersion,
    /// The oldest upgrade service that takes it
    #[arg(long, default_value = "1.2.0", value_name = "VERSION")]
    needs: FusVersion,
    /// The digit of the part family: 5 for WB5x
    #[arg(long, default_value_t = 5)]
    family: u8,
    #[arg(long, value_enum, default_value_t = Kind::Stack)]
    kind: Kind,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Name it like the real file, so that the check knows it: stm32wb5x_BLE_Stack_full_fw.bin
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Stack,
    Service,
}

pub fn run(args: &ImageArgs, console: &mut Console) -> ExitCode {
    let kind = match args.kind {
        Kind::Stack => ImageKind::Stack,
        Kind::Service => ImageKind::Service,
    };
    let image = VirtualImage {
        kind,
        family: args.family,
        version: args.version,
        needs: args.needs,
        address: args.address,
        length_bytes: args.size,
    };
    match std::fs::write(&args.out, image.bytes(args.seed)) {
        Ok(()) => ExitCode::Clean,
        Err(error) => {
            console.error(&format!("{} cannot be written: {error}", args.out.display()));
            ExitCode::UnreadableInput
        }
    }
}
