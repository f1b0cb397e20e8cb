//! `flakescope fus`: whether a coprocessor image will go in, and where each release wants each image.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::console::Console;
use super::exit::ExitCode;
use super::reading;
use crate::observation::field_text::FieldText;
use crate::observation::units::Address;
use crate::profile::fus::{self, FusTable};
use crate::profile::fus_check::{self, FusVersion, Grade, Plan};
use crate::profile::fus_code;

/// Check a coprocessor image of an STM32WB before anyone flashes it
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flakescope fus check stm32wb5x_BLE_Stack_full_fw.bin --part STM32WB55CE --release 1.13.0 --address 0x08053000\n  flakescope fus addresses --release 1.24.0 --part STM32WB55CE\n  flakescope fus explain FUS_IMAGE_WRTERROR"
)]
pub struct FusArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Type, address, size and upgrade path: what will fail, and why
    #[command(
        after_help = "Example:\n  flakescope fus check stm32wb5x_BLE_Stack_full_fw.bin --part STM32WB55CE --release 1.13.0 --address 0x08053000"
    )]
    Check {
        /// The image; a name will do, a file tells its size too
        image: PathBuf,
        /// The whole order code, for example STM32WB55CE
        #[arg(long)]
        part: String,
        /// The release of STM32CubeWB the image is from
        #[arg(long)]
        release: String,
        /// Where it is to go, if not where the release wants it
        #[arg(long, value_parser = reading::address)]
        address: Option<Address>,
        /// The version that the FUS reports, for example 1.2.0
        #[arg(long, value_name = "VERSION")]
        fus_version: Option<FusVersion>,
        /// SFSA as read from the option bytes, for example 0xF4
        #[arg(long, value_parser = page_number)]
        sfsa: Option<u8>,
    },
    /// Where a release wants each image
    #[command(after_help = "Example:\n  flakescope fus addresses --release 1.24.0 --part STM32WB55CE")]
    Addresses {
        #[arg(long)]
        release: String,
        /// Only what fits this part
        #[arg(long)]
        part: Option<String>,
    },
    /// What a state or error of the FUS means
    #[command(after_help = "Examples:\n  flakescope fus explain FUS_IMAGE_WRTERROR\n  flakescope fus explain 0x07")]
    Explain {
        /// A name (FUS_IMAGE_WRTERROR) or the error byte (0x07)
        code: String,
    },
}

fn page_number(text: &str) -> Result<u8, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u8::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| "SFSA is a byte, for example 0xF4".to_owned())
}

pub fn run(args: &FusArgs, console: &mut Console) -> ExitCode {
    let table = match fus::table() {
        Ok(table) => table,
        Err(error) => {
            console.error(&error.to_string());
            return ExitCode::UnreadableInput;
        }
    };
    match &args.action {
        Action::Check { image, part, release, address, fus_version, sfsa } => {
            let plan = Plan {
                binary: image.file_name().and_then(|name| name.to_str()).unwrap_or_default(),
                size_bytes: std::fs::metadata(image).ok().filter(std::fs::Metadata::is_file).map(|file| file.len()),
                part,
                release,
                address: *address,
                fus_version: *fus_version,
                sfsa: *sfsa,
            };
            check(&table, image, &plan, console)
        }
        Action::Addresses { release, part } => addresses(&table, release, part.as_deref(), console),
        Action::Explain { code } => explain(code, console),
    }
}

fn check(table: &FusTable, image: &Path, plan: &Plan<'_>, console: &mut Console) -> ExitCode {
    let mut text = format!("{}\n", FieldText::new(image.display().to_string()).for_terminal());
    let judgements = fus_check::judge(table, plan);
    for judgement in &judgements {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {}", FieldText::new(judgement.to_string()).for_terminal());
    }
    let is_wrong = judgements.iter().any(|judgement| judgement.grade == Grade::Wrong);
    console.deliver(&text, if is_wrong { ExitCode::Fault } else { ExitCode::Clean })
}

fn addresses(table: &FusTable, release: &str, part: Option<&str>, console: &mut Console) -> ExitCode {
    let families: Vec<_> = match part {
        None => table.families.iter().collect(),
        Some(part) => table.family_of_part(part).into_iter().collect(),
    };
    let flash_kb = part.and_then(fus::flash_kb_of_part);
    let mut text = String::new();
    for (image, place) in families.iter().flat_map(|family| family.of_release(release)) {
        if flash_kb.is_none() || place.flash_kb.is_none() || place.flash_kb == flash_kb {
            let size = place.flash_kb.map_or_else(|| "any size".to_owned(), |kb| format!("{kb} KB"));
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{:<44} {size:<9} {}", image.binary, place.address);
        }
    }
    if text.is_empty() {
        let releases: Vec<_> =
            families.iter().filter_map(|family| family.releases.last()).map(String::as_str).collect();
        let known = releases
            .first()
            .map_or_else(|| "that part has no coprocessor".to_owned(), |last| format!("the newest is {last}"));
        console.error(&format!(
            "the tables have nothing for release {release}{}; {known}",
            part.map(|part| format!(" and {part}")).unwrap_or_default()
        ));
        return ExitCode::Usage;
    }
    console.deliver(&text, ExitCode::Clean)
}

fn explain(code: &str, console: &mut Console) -> ExitCode {
    let byte = code.strip_prefix("0x").and_then(|digits| u8::from_str_radix(digits, 16).ok());
    match byte.map_or_else(|| fus_code::error_named(code), fus_code::error) {
        Some(error) => {
            let reason = error.usual_reason.map(|reason| format!("; usually: {reason}")).unwrap_or_default();
            let words = format!("0x{:02X} {}: {}{reason}\n", error.code, error.name, error.meaning);
            console.deliver(&words, ExitCode::Clean)
        }
        None => {
            console.error(&format!("`{code}` is no error of the FUS; errors look like FUS_IMAGE_WRTERROR or 0x07"));
            ExitCode::Usage
        }
    }
}
