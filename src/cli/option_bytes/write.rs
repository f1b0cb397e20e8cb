//! `flakescope option-bytes set` and `restore`: looks, shows before and after, opens the gate, writes with the journal, reads back.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{Args, ValueEnum};

use crate::campaign::option_plan;
use crate::campaign::recovery;
use crate::case::file::{Case, CaseError};
use crate::case::journal;
use crate::cli::board_choice::{self, BoardChoice, Refusal};
use crate::cli::console::Console;
use crate::cli::exit::ExitCode;
use crate::cli::gate::GateArgs;
use crate::cli::look::Look;
use crate::cli::{interrupt, new_case, ownership, part};
use crate::dfu::layout::Area;
use crate::diagnosis::conclusion::Library;
use crate::investigation::helm::Flags;
use crate::investigation::kinship::Present;
use crate::investigation::live::{Conduct, LiveRun, Order};
use crate::investigation::snapshot::{RunState, Snapshot};
use crate::link::link_used::LinkUsed;
use crate::observation::alteration::Payload;
use crate::observation::event::{CampaignStart, EventKind, Reentry};
use crate::observation::step::Touch;
use crate::profile::device::Device;
use crate::profile::option_bytes::{self, Reading, View};
use crate::profile::option_change::{self, AreaChange, Wish};
use crate::profile::option_guard::ChangeRefusal;
use crate::timebase;

#[derive(Debug, Args)]
pub struct WriteArgs {
    #[command(flatten)]
    choice: BoardChoice,
    #[command(flatten)]
    gate: GateArgs,
    /// The whole order code, for example STM32WB55CE; a virtual board knows its own
    #[arg(long, value_name = "PART")]
    part: Option<String>,
    /// The way to the board
    #[arg(long, value_enum, default_value_t = Way::Dfu, value_name = "LINK")]
    link: Way,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Way {
    Dfu,
    Swd,
}

impl Way {
    const fn used(self) -> LinkUsed {
        match self {
            Self::Dfu => LinkUsed::Dfu,
            Self::Swd => LinkUsed::Swd,
        }
    }

    const fn view(self) -> View {
        match self {
            Self::Dfu => View::Dfu,
            Self::Swd => View::Swd,
        }
    }
}

#[derive(Debug, Args)]
pub struct SetArgs {
    /// Fields as `option-bytes show` names them, for example BOR_LEV=0 or nBOOT1=1
    #[arg(required = true, value_name = "FIELD=VALUE")]
    fields: Vec<FieldValue>,
    #[command(flatten)]
    write: WriteArgs,
    /// The case that keeps the values from before and the journal; an existing one is continued
    #[arg(long, value_name = "FILE")]
    case: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The case that holds the backup
    case: PathBuf,
    #[command(flatten)]
    write: WriteArgs,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldValue(Wish);

impl FromStr for FieldValue {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (field, value) = text.split_once('=').ok_or("expected FIELD=VALUE, such as BOR_LEV=0")?;
        let value = value.trim();
        let parsed = match value.strip_prefix("0x").or_else(|| value.strip_prefix("0X")) {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => value.parse(),
        };
        let value = parsed.map_err(|_| format!("`{value}` is no value; it looks like 3 or 0x1F"))?;
        Ok(Self(Wish { field: field.trim().to_owned(), value }))
    }
}

pub fn set(args: &SetArgs, console: &mut Console) -> ExitCode {
    let wishes: Vec<_> = args.fields.iter().map(|field| field.0.clone()).collect();
    let plan = |device: &Device, view: View, now: &[Reading], _: &Case| option_change::plan(device, view, now, &wishes);
    ended(change(&args.write, "option-bytes-set", args.case.as_deref(), &plan, console), console)
}

pub fn restore(args: &RestoreArgs, console: &mut Console) -> ExitCode {
    let plan = |device: &Device, view: View, now: &[Reading], case: &Case| {
        let journal = journal::of(case).map_err(|error| ChangeRefusal::Unreadable { why: error.to_string() })?;
        let saved = now.iter().filter_map(|reading| {
            let bytes = journal.saved(reading.address)?.bytes().to_vec();
            Some(Reading { address: reading.address, bytes })
        });
        let saved: Vec<_> = saved.collect();
        if saved.is_empty() {
            return Err(ChangeRefusal::NoneKept { at: now.iter().map(|reading| reading.address).collect() });
        }
        option_change::plan_back(device, view, now, &saved)
    };
    if !args.case.exists() {
        console.error(&format!("there is no case file {}", args.case.display()));
        return ExitCode::UnreadableInput;
    }
    ended(change(&args.write, "option-bytes-restore", Some(&args.case), &plan, console), console)
}

fn ended(result: Result<ExitCode, Refusal>, console: &mut Console) -> ExitCode {
    result.unwrap_or_else(|refusal| {
        console.error(&refusal.text);
        refusal.code
    })
}

type Planning<'a> = dyn Fn(&Device, View, &[Reading], &Case) -> Result<Vec<AreaChange>, ChangeRefusal> + 'a;

fn change(
    args: &WriteArgs,
    name: &str,
    case: Option<&Path>,
    planning: &Planning<'_>,
    console: &mut Console,
) -> Result<ExitCode, Refusal> {
    args.gate.demand_write()?;
    let quiet = |code| Refusal { code, text: "nothing was changed".to_owned() };
    let devices = part::devices(console).map_err(quiet)?;
    let way = board_choice::Way { link: args.link.used(), touch: Touch::Observe };
    let stop = Arc::new(AtomicBool::new(false));
    let (mut link, facts) = args.choice.reach(&way, 1, false, &stop)?;
    let (device, look) = match args.link {
        Way::Dfu => {
            // Over DFU the board does not say what it is; nothing is asked of it before somebody has.
            let device = part::of_board(&devices, args.part.as_deref(), &facts, None, console)?;
            (device, Look::at(link.as_mut())?)
        }
        Way::Swd => {
            let look =
                Look::over_swd(link.as_mut(), Area::OptionBytes).map_err(|refusal| Look::before_altering(&refusal))?;
            (part::of_board(&devices, args.part.as_deref(), &facts, look.dev_id, console)?, look)
        }
    };
    let view = args.link.view();
    let mut case = new_case::open(case, &args.choice)?;
    let path = case.path().to_owned();
    let part = args.part.clone().or_else(|| part::said(&facts)).unwrap_or_else(|| device.name.clone());
    let here = Present { part: Some(part), device: Some(device), identity: link.identity() };
    let untold = ownership::demand(&case, &here, &devices)?;
    let changes = match planning(device, view, &look.option_bytes, &case) {
        Ok(changes) => changes,
        Err(ChangeRefusal::Nothing) => {
            note_as_found(&mut case, &look)?;
            console.note(&ChangeRefusal::Nothing.to_string());
            return Ok(ExitCode::Clean);
        }
        Err(refusal) => return Err(Refusal::of(ExitCode::Usage, &refusal)),
    };
    let plan = format!(
        "About to ALTER the option bytes of {}\n{}{}",
        device.name,
        before_and_after(device, view, &look, &changes),
        untold.unwrap_or_default()
    );
    args.gate.open(link.as_mut(), &plan, args.choice.virtual_board.is_some(), console)?;
    let facts = facts.into_iter().chain(args.part.as_deref().map(part::named)).collect();
    let library = Library::load().map_err(|error| Refusal::of(ExitCode::UnreadableInput, &error))?;
    let order = Order {
        library: Arc::new(library),
        plan: option_plan::of(name, args.link.used().transport(), &changes),
        start: start(name, args.link, &args.choice),
        link,
        facts,
        case: Some(case),
        flags: Flags { stop: Arc::clone(&stop), decided: Arc::default() },
        pace: f64::INFINITY,
        until_decided: false,
        conduct: Conduct::default(),
    };
    interrupt::asks_to_stop(&stop, console);
    let snapshot = LiveRun::start(order)
        .and_then(LiveRun::wait)
        .map_err(|error| Refusal::of(ExitCode::UnreadableInput, &error))?;
    Ok(conclude(&snapshot, &path, console))
}

/// The words of what happened, and the way out if it went wrong.
fn conclude(snapshot: &Snapshot, case: &Path, console: &mut Console) -> ExitCode {
    let left = recovery::of(&snapshot.journal, &case.display().to_string());
    let failure = snapshot.verdict.failures.first();
    let words = match failure {
        None if snapshot.state == RunState::Interrupted => "stopped; what had begun was finished\n".to_owned(),
        None => format!(
            "written, and after the reset it reads back as it should; the values from before are in {}\n",
            case.display()
        ),
        Some(failure) => {
            let code = failure.code.as_ref().map(|code| format!(" ({})", code.for_terminal())).unwrap_or_default();
            format!("FAILED: {} in {}{code}\n", failure.class, failure.phase)
        }
    };
    let code = match failure {
        Some(_) => ExitCode::Fault,
        None if snapshot.state == RunState::Interrupted => ExitCode::Interrupted,
        None => ExitCode::Clean,
    };
    let code = console.deliver(&words, code);
    if !left.is_empty() {
        console.error(recovery::in_words(&left).trim_end());
    }
    code
}

/// Option bytes of which the case was not certain are now read, and it may know them again.
fn note_as_found(case: &mut Case, look: &Look) -> Result<(), Refusal> {
    let unreadable = |error: CaseError| Refusal::of(ExitCode::UnreadableInput, &error);
    let journal = journal::of(case).map_err(unreadable)?;
    let uncertain = |reading: &&Reading| journal.options().any(|(address, _)| address == reading.address);
    for reading in look.option_bytes.iter().filter(uncertain) {
        let data = Payload::new(reading.bytes.clone());
        case.append(None, EventKind::MemorySaved { address: reading.address, data }).map_err(unreadable)?;
    }
    Ok(())
}

fn before_and_after(device: &Device, view: View, look: &Look, changes: &[AreaChange]) -> String {
    let with = |bytes: fn(&AreaChange) -> &Vec<u8>| {
        let changed = |reading: &Reading| changes.iter().find(|change| change.address == reading.address).map(bytes);
        let reading = |reading: &Reading| Reading {
            address: reading.address,
            bytes: changed(reading).unwrap_or(&reading.bytes).clone(),
        };
        let readings: Vec<_> = look.option_bytes.iter().map(reading).collect();
        option_bytes::decode(device, view, &readings)
    };
    let (before, after) = (with(|change| &change.before), with(|change| &change.after));
    let mut text = String::new();
    for difference in option_bytes::differences(&before, &after) {
        let shown = |value: Option<u32>| value.map_or_else(|| "not read".to_owned(), |value| format!("0x{value:X}"));
        let said =
            after.fields.iter().find(|field| field.name == difference.name).and_then(|field| field.said.as_ref());
        let said = said.map(|said| format!("  ({})", said.text)).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "  {:<12} {} -> {}{said}",
            difference.name,
            shown(difference.before),
            shown(difference.after)
        );
    }
    for change in changes {
        let what = if view == View::Swd { "register" } else { "area" };
        let _ = writeln!(
            text,
            "  {what} {}, {} bytes, written as a whole; the part then resets",
            change.address,
            change.after.len()
        );
    }
    text
}

fn start(name: &str, way: Way, choice: &BoardChoice) -> CampaignStart {
    CampaignStart {
        transport: way.used().transport(),
        virtual_board: choice.virtual_board.clone(),
        recipe: name.to_owned(),
        reentry: Reentry::None,
        seed: 1,
        boots: 1,
        cycles_per_boot: 1,
        calendar_millis: timebase::calendar_millis(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_has_a_name_and_a_value() {
        let wish = |text: &str| text.parse::<FieldValue>();
        assert_eq!(wish("BOR_LEV=0x3"), Ok(FieldValue(Wish { field: "BOR_LEV".to_owned(), value: 3 })));
        assert_eq!(wish("nBOOT1 = 1"), Ok(FieldValue(Wish { field: "nBOOT1".to_owned(), value: 1 })));
        for text in ["BOR_LEV", "BOR_LEV=", "BOR_LEV=x", "BOR_LEV=-1"] {
            assert!(wish(text).is_err(), "{text}");
        }
    }
}
