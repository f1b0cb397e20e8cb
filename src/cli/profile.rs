//! `flakescope profile`: what is known of parts and boards, and whether profiles are sound.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use super::console::Console;
use super::exit::ExitCode;
use super::explain_message;
use crate::bench::blueprint::Blueprint;
use crate::campaign::recipe::Recipe;
use crate::diagnosis::knowledge::{self, Knowledge};
use crate::diagnosis::likeness::Likeness;
use crate::evidence::catalogue::Catalogue;
use crate::profile::board;
use crate::profile::device::{self, Device, Devices};
use crate::profile::fus;
use crate::profile::loader::{self, ProfileError};
use crate::profile::measurement;
use crate::profile::page;
use crate::profile::rom::RomDfu;
use crate::profile::shelf::{self, Sheet};
use crate::readers::phrases::Phrases;
use crate::tui::bindings::Bindings;
use crate::tui::theme;

/// Show and check what is known of parts, boards and everything else that profiles describe
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flakescope profile show STM32F746ZG\n  flakescope profile list boards\n  flakescope profile check my-board.toml --kind boards"
)]
pub struct ProfileArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// One line per profile
    #[command(after_help = "Example:\n  flakescope profile list boards")]
    List {
        #[arg(value_enum, default_value_t = Kind::Devices)]
        kind: Kind,
    },
    /// The data-sheet page of a part, or the text of any other profile
    #[command(after_help = "Examples:\n  flakescope profile show STM32F746ZG\n  flakescope profile show 0x449")]
    Show {
        /// An order code (STM32F746ZG), a DEV_ID (0x449), or the name of a profile
        name: String,
    },
    /// Check profiles: names file, line and the nearest valid key
    #[command(after_help = "Example:\n  flakescope profile check my-board.toml --kind boards")]
    Check {
        /// Your own files; everything on the shelf if none is named
        files: Vec<PathBuf>,
        /// What the files describe; guessed from their folder where not given
        #[arg(long, value_enum)]
        kind: Option<Kind>,
    },
}

/// The kinds of profile, named as their folders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Devices,
    Boards,
    Recipes,
    Causes,
    Findings,
    Experiments,
    Measurements,
    Messages,
    Families,
    Phrases,
    Likeness,
    Benches,
    Fus,
    Keys,
    Themes,
}

impl Kind {
    fn folder(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// By the folder that holds the file.
    fn of_path(path: &Path) -> Option<Self> {
        let folder = path.canonicalize().ok()?.parent()?.file_name()?.to_str()?.to_owned();
        Self::value_variants().iter().copied().find(|kind| kind.folder() == folder)
    }
}

pub fn run(args: &ProfileArgs, console: &mut Console) -> ExitCode {
    let result = match &args.action {
        Action::List { kind } => list(*kind, console),
        Action::Show { name } => show(name, console),
        Action::Check { files, kind } if files.is_empty() => check_shelf(*kind, console),
        Action::Check { files, kind } => check_files(files, *kind, console),
    };
    result.unwrap_or_else(|error| {
        console.error(&error.to_string());
        ExitCode::UnreadableInput
    })
}

fn list(kind: Kind, console: &mut Console) -> Result<ExitCode, ProfileError> {
    let text = match kind {
        Kind::Devices => devices_list(&device::catalogue()?),
        _ => {
            shelf::sheets(&kind.folder())?.iter().map(|sheet| format!("{:<28} {}\n", sheet.name, sheet.file)).collect()
        }
    };
    Ok(console.deliver(text, ExitCode::Clean))
}

/// One line per ROM generation: what a board shows, and what its USB runs from.
fn devices_list(devices: &Devices) -> String {
    let mut text =
        format!("{:<14} {:<38} {:<7} {:<22} {:<5} USB CLOCK\n", "PROFILE", "PARTS", "DEV_ID", "ROM ID", "DFU");
    for (sheet, device) in devices.all() {
        for rom in &device.roms {
            let ids: Vec<_> = rom.ids.iter().map(|id| format!("0x{id:02X}")).collect();
            let dfu = match &rom.dfu {
                RomDfu::Absent => "no",
                RomDfu::Present => "yes",
                RomDfu::Protocol(version) => version,
                RomDfu::Unknown => "?",
            };
            let line = format!(
                "{sheet:<14} {:<38} 0x{:<5X} {:<22} {dfu:<5} {}",
                device.name,
                device.dev_id,
                ids.join(" "),
                rom.usb_clock.meaning()
            );
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    text
}

fn show(name: &str, console: &mut Console) -> Result<ExitCode, ProfileError> {
    let devices = device::catalogue()?;
    if let Some(device) = devices.by_part(name).or_else(|| devices.by_sheet(name)) {
        return Ok(console.deliver(page::page(device), ExitCode::Clean));
    }
    let several = several(&devices, name);
    match several.as_slice() {
        [] => show_sheet(name, &devices, console),
        [device] => Ok(console.deliver(page::page(device), ExitCode::Clean)),
        several => {
            let names: Vec<_> = several.iter().map(|device| device.name.as_str()).collect();
            console.error(&format!("`{name}` may be any of: {}; name more of the part", names.join("; ")));
            Ok(ExitCode::Usage)
        }
    }
}

/// What a DEV_ID or too short a part may mean.
fn several<'a>(devices: &'a Devices, name: &str) -> Vec<&'a Device> {
    let hexadecimal = name.strip_prefix("0x").or_else(|| name.strip_prefix("0X"));
    match hexadecimal.and_then(|digits| u16::from_str_radix(digits, 16).ok()) {
        Some(dev_id) => devices.by_dev_id(dev_id),
        None => devices.candidates(name),
    }
}

fn show_sheet(name: &str, devices: &Devices, console: &mut Console) -> Result<ExitCode, ProfileError> {
    let mut names: Vec<String> = devices.all().map(|(sheet, _)| sheet.to_owned()).collect();
    for kind in Kind::value_variants() {
        for sheet in shelf::sheets(&kind.folder())? {
            if sheet.name == name {
                return Ok(console.deliver(sheet.text, ExitCode::Clean));
            }
            names.push(sheet.name);
        }
    }
    let near = loader::nearest(name, names.iter().map(String::as_str));
    let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    console.error(&format!("no profile knows `{name}`{hint}; flakescope profile list shows what there is"));
    Ok(ExitCode::Usage)
}

fn check_shelf(kind: Option<Kind>, console: &mut Console) -> Result<ExitCode, ProfileError> {
    let kinds = kind.map_or_else(|| Kind::value_variants().to_vec(), |kind| vec![kind]);
    let mut wrong = 0;
    let mut text = String::new();
    for kind in kinds {
        let sheets = shelf::sheets(&kind.folder())?;
        let refused: Vec<_> = sheets.iter().filter_map(|sheet| check(kind, sheet).err()).collect();
        refused.iter().for_each(|error| console.error(&error.to_string()));
        wrong += refused.len();
        text.push_str(&format!("{:<12} {:>3} checked, {} wrong\n", kind.folder(), sheets.len(), refused.len()));
    }
    Ok(console.deliver(text, if wrong == 0 { ExitCode::Clean } else { ExitCode::UnreadableInput }))
}

fn check_files(files: &[PathBuf], kind: Option<Kind>, console: &mut Console) -> Result<ExitCode, ProfileError> {
    let mut code = ExitCode::Clean;
    let mut text = String::new();
    for path in files {
        let Some(kind) = kind.or_else(|| Kind::of_path(path)) else {
            console.error(&format!(
                "{}: what it describes is not clear from its folder; say it with --kind, for example --kind boards",
                path.display()
            ));
            code = ExitCode::Usage;
            continue;
        };
        match read(path).and_then(|sheet| check(kind, &sheet)) {
            Ok(()) => text.push_str(&format!("{}: a sound profile ({})\n", path.display(), kind.folder())),
            Err(error) => {
                console.error(&error.to_string());
                code = ExitCode::UnreadableInput;
            }
        }
    }
    Ok(console.deliver(text, code))
}

fn read(path: &Path) -> Result<Sheet, ProfileError> {
    let file = path.display().to_string();
    let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Sheet { name, file, text }),
        Err(source) => Err(ProfileError::Unreadable { file, source }),
    }
}

/// Reads one sheet the way its user does.
fn check(kind: Kind, sheet: &Sheet) -> Result<(), ProfileError> {
    match kind {
        Kind::Devices => device::parse(sheet).map(drop),
        Kind::Boards => board::check_part(sheet, &board::parse(sheet)?, &device::catalogue()?),
        Kind::Recipes => Recipe::check(&sheet.file, &sheet.text),
        Kind::Fus => fus::parse(sheet).map(drop),
        Kind::Findings => Catalogue::from_sheets(&with_the_shelf(kind, sheet)?).map(drop),
        Kind::Phrases => Phrases::from_sheets(&with_the_shelf(kind, sheet)?).map(drop),
        Kind::Likeness => Likeness::from_sheets(std::slice::from_ref(sheet)).map(drop),
        Kind::Benches => Blueprint::parse(&sheet.file, &sheet.text).map(drop),
        Kind::Keys => Bindings::parse(&sheet.file, &sheet.text).map(drop),
        Kind::Themes => theme::styles(&sheet.file, &sheet.text, true).map(drop),
        Kind::Causes => Knowledge::load()?.cause_from(sheet).map(drop),
        Kind::Experiments => Knowledge::load()?.experiments_from(sheet).map(drop),
        Kind::Measurements => measurement::parse(sheet).map(drop),
        Kind::Messages => explain_message::check(sheet, &Knowledge::load()?),
        Kind::Families => knowledge::families_from(sheet).map(drop),
    }
}

/// Findings refer to each other, so a sheet is read together with the others.
fn with_the_shelf(kind: Kind, sheet: &Sheet) -> Result<Vec<Sheet>, ProfileError> {
    let mut sheets = shelf::sheets(&kind.folder())?;
    sheets.retain(|other| other.name != sheet.name);
    sheets.push(sheet.clone());
    Ok(sheets)
}
