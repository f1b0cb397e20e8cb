//! From arguments to a campaign that can start: recipe, link, case, and what was said about the board.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::args::{ReentryChoice, RunArgs};
use crate::bench::board::{NoSuchBoard, VirtualBoard};
use crate::campaign::plan::Plan;
use crate::campaign::recipe::{Recipe, RecipeError};
use crate::case::file::{Case, Durability};
use crate::cli::exit::ExitCode;
use crate::diagnosis::conclusion::Library;
use crate::investigation::helm::Flags;
use crate::investigation::live::Order;
use crate::link::Link;
use crate::link::board_selector::BoardSelector;
use crate::link::dfu_link::DfuLink;
use crate::link::libusb_board;
use crate::link::virtual_board::VirtualUsbBoard;
use crate::link::worker_client::WorkerLink;
use crate::observation::event::{CampaignStart, Reentry, Transport};
use crate::observation::fact::{Fact, FactValue, Origin};
use crate::observation::field_text::FieldText;
use crate::profile::{self, loader};
use crate::timebase;

/// What stops a campaign before it begins.
#[derive(Debug)]
pub struct Refusal {
    pub code: ExitCode,
    pub text: String,
}

impl Refusal {
    fn of(code: ExitCode, error: &impl ToString) -> Self {
        Self { code, text: error.to_string() }
    }
}

/// A watched campaign starts at this pace, so that a person can follow; without a screen nothing holds it back.
const SCREEN_PACE: f64 = 20.0;

pub fn order(args: &RunArgs, on_screen: bool, stop: Arc<AtomicBool>) -> Result<Order, Refusal> {
    let recipe = Recipe::find(&args.recipe).map_err(|error| match &error {
        RecipeError::Unknown { .. } => Refusal::of(ExitCode::Usage, &error),
        RecipeError::Profile(_) => Refusal::of(ExitCode::UnreadableInput, &error),
    })?;
    let (link, facts) = match &args.virtual_board {
        Some(name) => virtual_link(name, args.seed)?,
        None => real_link(args, &stop)?,
    };
    let library = Library::load().map_err(|error| Refusal::of(ExitCode::UnreadableInput, &error))?;
    let reentry = reentry(args);
    let case = open_case(args)?;
    let start = CampaignStart {
        transport: Transport::Dfu,
        virtual_board: args.virtual_board.clone(),
        recipe: recipe.name.clone(),
        reentry: reentry.clone(),
        seed: args.seed,
        boots: args.boots,
        cycles_per_boot: args.cycles,
        calendar_millis: timebase::calendar_millis(),
    };
    let plan = Plan {
        recipe,
        boots: args.boots,
        cycles_per_boot: args.cycles,
        reentry,
        off_time: args.off_time.0,
        factors: args.vary.clone(),
        seed: args.seed,
        duration: args.duration.map(|span| span.0),
    };
    let pace = if on_screen && args.virtual_board.is_some() { SCREEN_PACE } else { f64::INFINITY };
    let flags = Flags { stop, decided: Arc::default() };
    let note = args.note.as_deref().map(note);
    let facts = facts.into_iter().chain(note).collect();
    Ok(Order {
        library: Arc::new(library),
        plan,
        start,
        link,
        facts,
        case: Some(case),
        flags,
        pace,
        until_decided: args.until_decided,
    })
}

fn reentry(args: &RunArgs) -> Reentry {
    match (&args.reenter, &args.virtual_board) {
        (None, Some(_)) => Reentry::Virtual,
        (None | Some(ReentryChoice::None), _) => Reentry::None,
        (Some(ReentryChoice::Manual), _) => Reentry::Manual,
        (Some(ReentryChoice::Command(command)), _) => Reentry::Command(command.clone()),
    }
}

/// A virtual board, or the TOML file of one.
fn virtual_link(name: &str, seed: u64) -> Result<(Box<dyn Link>, Vec<Fact>), Refusal> {
    let board = VirtualBoard::by_name(name, seed).map_err(|error| match &error {
        NoSuchBoard::Unknown { .. } => Refusal::of(ExitCode::NoSuchBoard, &error),
        NoSuchBoard::Profile(_) => Refusal::of(ExitCode::UnreadableInput, &error),
    })?;
    let said = &board.blueprint();
    let facts = said_of(&said.part, said.crystal_mhz);
    Ok((Box::new(DfuLink::new(VirtualUsbBoard::new(board))), facts))
}

/// What somebody said about the board: part and crystal. Not measurements.
fn said_of(part: &str, crystal_mhz: Option<f64>) -> Vec<Fact> {
    let fact = |key: &str, value, quote: String| Fact {
        key: key.to_owned(),
        value,
        origin: Origin::Profile,
        quote: Some(FieldText::new(quote)),
    };
    let crystal =
        crystal_mhz.map(|mhz| fact("fitted-crystal", FactValue::FrequencyMhz(mhz), format!("crystal {mhz} MHz")));
    let part = fact("part", FactValue::Text(FieldText::from(part)), part.to_owned());
    std::iter::once(part).chain(crystal).collect()
}

/// The board profile that was named, from the shelf.
fn board_profile(name: &str) -> Result<Vec<Fact>, Refusal> {
    let boards = profile::board::boards().map_err(|error| Refusal::of(ExitCode::UnreadableInput, &error))?;
    if let Some((_, board)) = boards.iter().find(|(known, _)| known == name) {
        return Ok(said_of(&board.part, board.clock.as_ref().and_then(|clock| clock.fitted_mhz)));
    }
    let names: Vec<_> = boards.iter().map(|(known, _)| known.as_str()).collect();
    let near = loader::nearest(name, names.iter().copied()).map(|near| format!("; did you mean `{near}`?"));
    let text =
        format!("there is no board profile `{name}`{}; there are: {}", near.unwrap_or_default(), names.join(", "));
    Err(Refusal::of(ExitCode::Usage, &text))
}

/// The case that was named, or a new one of today's date in the user's data folder.
fn open_case(args: &RunArgs) -> Result<Case, Refusal> {
    let path = args.case.clone().unwrap_or_else(|| default_case(args));
    let durability = if args.virtual_board.is_some() { Durability::Crash } else { Durability::PowerLoss };
    Case::open_or_create(&path, durability).map_err(|error| Refusal::of(ExitCode::UnreadableInput, &error))
}

fn default_case(args: &RunArgs) -> PathBuf {
    let folder = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/share")))
        .map_or_else(|| PathBuf::from("."), |base| base.join("flakescope/cases"));
    let subject = args
        .virtual_board
        .clone()
        .or_else(|| args.port.as_ref().map(ToString::to_string))
        .or_else(|| args.board.clone())
        .unwrap_or_else(|| "board".to_owned());
    let subject: String =
        subject.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    let stamp = timebase::calendar_stamp(timebase::calendar_millis());
    // Two runs within one second get different names, so that neither continues the other.
    (0..)
        .map(
            |copy| if copy == 0 { format!("{subject}-{stamp}.case") } else { format!("{subject}-{stamp}-{copy}.case") },
        )
        .map(|name| folder.join(name))
        .find(|path| !path.exists())
        .expect("an endless sequence of names holds a free one")
}

fn note(text: &str) -> Fact {
    Fact {
        key: "note".to_owned(),
        value: FactValue::Text(FieldText::from(text)),
        origin: Origin::Operator,
        quote: None,
    }
}

/// A real board. One that is meant by its port may be absent: a port on which nothing enumerates is watched, not refused.
fn real_link(args: &RunArgs, stop: &Arc<AtomicBool>) -> Result<(Box<dyn Link>, Vec<Fact>), Refusal> {
    let selector = match (&args.port, &args.board) {
        (Some(port), _) => BoardSelector::Port(port.clone()),
        (None, Some(board)) => board.parse().unwrap_or_else(|never| match never {}),
        (None, None) => BoardSelector::any_rom(),
    };
    let may_be_absent = args.port.is_some() || args.reenter == Some(ReentryChoice::Manual);
    if !may_be_absent {
        demand_one_board(&selector)?;
    }
    let link = WorkerLink::new(selector, Arc::clone(stop))
        .map_err(|error| Refusal::of(ExitCode::Bug, &format!("the worker process cannot be started: {error}")))?;
    let facts = args.profile.as_deref().map_or(Ok(Vec::new()), board_profile)?;
    Ok((Box::new(link), facts))
}

const TRY_VIRTUAL: &str = "Nothing attached? Try a virtual board: flakescope run --virtual f746-25mhz-warm-hsi";

fn demand_one_board(selector: &BoardSelector) -> Result<(), Refusal> {
    let boards = libusb_board::boards().map_err(|error| {
        let text = format!(
            "this computer shows no USB devices to programs ({error}), as in a container or a virtual machine without USB; `flakescope doctor` says more.\n{TRY_VIRTUAL}"
        );
        Refusal::of(ExitCode::NoSuchBoard, &text)
    })?;
    let fitting: Vec<_> = boards.iter().filter(|board| selector.matches(board)).collect();
    match fitting.as_slice() {
        [_] => Ok(()),
        [] => Err(Refusal::of(ExitCode::NoSuchBoard, &nothing_there(selector))),
        several => {
            let ports: Vec<_> =
                several.iter().filter_map(|board| board.port.as_ref()).map(ToString::to_string).collect();
            let text = format!("{} boards fit {selector}; choose one with --port: {}", several.len(), ports.join(", "));
            Err(Refusal::of(ExitCode::NoSuchBoard, &text))
        }
    }
}

fn nothing_there(selector: &BoardSelector) -> String {
    format!(
        "no board fits {selector}.\n\
         If it should be there: is it in bootloader mode (BOOT0 high at reset), and does the cable carry data? `flakescope list` shows what this computer sees, \
         and --port PATH watches a port on which nothing appears.\n\
         {TRY_VIRTUAL}"
    )
}
