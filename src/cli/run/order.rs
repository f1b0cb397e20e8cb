//! From arguments to a campaign that can start: recipe, link, case, and what was said about the board.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::args::{ReentryChoice, RunArgs};
use crate::campaign::plan::Plan;
use crate::campaign::recipe::{Recipe, RecipeError};
use crate::case::file::{Case, Durability};
use crate::cli::board_choice::{Refusal, said_of};
use crate::cli::exit::ExitCode;
use crate::diagnosis::conclusion::Library;
use crate::investigation::helm::Flags;
use crate::investigation::live::Order;
use crate::observation::event::{CampaignStart, Reentry, Transport};
use crate::observation::fact::{Fact, FactValue, Origin};
use crate::observation::field_text::FieldText;
use crate::profile::board::PassBand;
use crate::profile::{self, loader};
use crate::timebase;

/// A watched campaign starts at this pace, so that a person can follow; without a screen nothing holds it back.
const SCREEN_PACE: f64 = 20.0;

pub fn order(args: &RunArgs, on_screen: bool, stop: Arc<AtomicBool>) -> Result<Order, Refusal> {
    let recipe = Recipe::find(&args.recipe).map_err(|error| match &error {
        RecipeError::Unknown { .. } | RecipeError::Lacking { .. } => Refusal::of(ExitCode::Usage, &error),
        RecipeError::Profile(_) => Refusal::of(ExitCode::UnreadableInput, &error),
    })?;
    // A virtual board's own profile is known with it.
    let may_be_absent = args.reenter == Some(ReentryChoice::Manual);
    let (link, facts) = args.choice.reach(args.seed, may_be_absent, &stop)?;
    let (profiled, bands) = args.profile.as_deref().map_or(Ok(Default::default()), board_profile)?;
    let conduct = args.conduct.conduct(args.choice.virtual_board.is_some(), on_screen, &bands)?;
    let library = Library::load().map_err(|error| Refusal::of(ExitCode::UnreadableInput, &error))?;
    let reentry = reentry(args);
    let case = open_case(args)?;
    let start = CampaignStart {
        transport: Transport::Dfu,
        virtual_board: args.choice.virtual_board.clone(),
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
        keep_going: false,
    };
    let pace = if on_screen && args.choice.virtual_board.is_some() { SCREEN_PACE } else { f64::INFINITY };
    let flags = Flags { stop, decided: Arc::default() };
    let note = args.note.as_deref().map(note);
    let facts = facts.into_iter().chain(profiled).chain(note).collect();
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
        conduct,
    })
}

fn reentry(args: &RunArgs) -> Reentry {
    match (&args.reenter, &args.choice.virtual_board) {
        (None, Some(_)) => Reentry::Virtual,
        (None | Some(ReentryChoice::None), _) => Reentry::None,
        (Some(ReentryChoice::Manual), _) => Reentry::Manual,
        (Some(ReentryChoice::Hub), _) => Reentry::Hub,
        (Some(ReentryChoice::Command(command)), _) => Reentry::Command(command.clone()),
    }
}

/// The board profile that was named, from the shelf.
fn board_profile(name: &str) -> Result<(Vec<Fact>, Vec<PassBand>), Refusal> {
    let boards = profile::board::boards().map_err(|error| Refusal::of(ExitCode::UnreadableInput, &error))?;
    if let Some((_, board)) = boards.iter().find(|(known, _)| known == name) {
        let said = said_of(&board.part, board.clock.as_ref().and_then(|clock| clock.fitted_mhz));
        return Ok((said, board.measurements.clone()));
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
    let durability = if args.choice.virtual_board.is_some() { Durability::Crash } else { Durability::PowerLoss };
    Case::open_or_create(&path, durability).map_err(|error| Refusal::of(ExitCode::UnreadableInput, &error))
}

fn default_case(args: &RunArgs) -> PathBuf {
    let folder = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/share")))
        .map_or_else(|| PathBuf::from("."), |base| base.join("flakescope/cases"));
    let subject = args
        .choice
        .virtual_board
        .clone()
        .or_else(|| args.choice.port.as_ref().map(ToString::to_string))
        .or_else(|| args.choice.board.clone())
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
