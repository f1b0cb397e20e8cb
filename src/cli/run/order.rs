//! From arguments to a campaign that can start: recipe, link, case, and what was said about the board.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::altering::{self, Occasion, Prepared};
use super::args::{Deed, ReentryChoice, RunArgs, YesNo};
use super::idle;
use crate::campaign::materials::Materials;
use crate::campaign::plan::{Factor, LOOK_EVERY, Plan};
use crate::campaign::recipe::{Recipe, RecipeError};
use crate::case::journal;
use crate::cli::board_choice::{Refusal, Way, said_of};
use crate::cli::console::Console;
use crate::cli::exit::ExitCode;
use crate::cli::{new_case, ownership, part};
use crate::diagnosis::conclusion::Library;
use crate::investigation::helm::Flags;
use crate::investigation::live::{Conduct, Order};
use crate::link::link_used::LinkUsed;
use crate::observation::event::{CampaignStart, Reentry};
use crate::observation::fact::{Fact, FactValue, Origin};
use crate::observation::factor::FactorName;
use crate::observation::field_text::FieldText;
use crate::observation::step::Touch;
use crate::observation::units::Micros;
use crate::profile::board::PassBand;
use crate::profile::{self, loader};
use crate::timebase;

/// A watched campaign starts at this pace, so that a person can follow; without a screen nothing holds it back.
const SCREEN_PACE: f64 = 20.0;

pub fn order(args: &RunArgs, on_screen: bool, stop: Arc<AtomicBool>, console: &mut Console) -> Result<Order, Refusal> {
    // Some of everything: whether a recipe alters does not depend on what it works with.
    let named = args.recipe.as_deref().unwrap_or(args.link.usual_recipe());
    let sketch = plan(args, find(named, &Materials::any())?, (0, 0))?;
    demand_effect(&sketch)?;
    demand_bench(&sketch, args)?;
    demand_leave(&sketch, &args.allow)?;
    let alters = sketch.touch() == Touch::Alter;
    idle::refuse(args, named, alters)?;
    if alters {
        args.alter.gate.demand_write()?;
        args.conduct.refuse_altering()?;
    }
    // A virtual board's own profile is known with it.
    let may_be_absent = args.reenter == Some(ReentryChoice::Manual);
    // A probe alters nothing, whatever the other link is allowed.
    if sketch.reentry == Reentry::Swd && args.link == LinkUsed::Dfu {
        let text = "--reenter swd needs a probe at the board: --link witnessed, both or swd";
        return Err(Refusal::of(ExitCode::Usage, &text));
    }
    let disturbs = args.clear_reset_flags || sketch.reentry == Reentry::Swd;
    let touch = if disturbs { sketch.touch().max(Touch::Disturb) } else { sketch.touch() };
    let way = Way { link: args.link, touch: touch.min(Touch::Disturb) };
    let (mut link, facts) = args.choice.reach(&way, args.seed, may_be_absent, &stop)?;
    if args.look_every.is_some() && !matches!(args.link, LinkUsed::Witnessed | LinkUsed::Both) {
        let text = "--look-every needs a probe beside the board: --link witnessed or --link both";
        return Err(Refusal::of(ExitCode::Usage, &text));
    }
    if args.clear_reset_flags && !link.clear_flags_each_boot() {
        let text = "--clear-reset-flags needs a probe beside the board: --link witnessed or --link both";
        return Err(Refusal::of(ExitCode::Usage, &text));
    }
    let (profiled, bands) = args.profile.as_deref().map_or(Ok(Default::default()), board_profile)?;
    let conduct = args.conduct.conduct(args.choice.virtual_board.is_some(), on_screen, &bands)?;
    if let Some(told) = args.conduct.held_for(&conduct) {
        console.note(told);
    }
    let library = Library::load().map_err(|error| Refusal::of(ExitCode::UnreadableInput, &error))?;
    let case = new_case::open(args.case.as_deref(), &args.choice)?;
    let journal = journal::of(&case).map_err(|error| Refusal::of(ExitCode::UnreadableInput, &error))?;
    let said: Vec<_> = facts.iter().chain(&profiled).cloned().collect();
    let part = args.alter.part.clone().or_else(|| part::said(&said));
    // Whoever alters is told below which board the case is of.
    if !alters {
        ownership::demand_own(&case, part.as_deref(), args.link.transport(), &library.devices)?;
    }
    altering::refuse_on_top(&journal, &sketch.recipe, &case.path().display().to_string(), console)?;
    let (boots, cycles) = (args.boots.unwrap_or(usual(alters, 40)), args.cycles.unwrap_or(usual(alters, 5)));
    let prepared = if alters {
        let times = if sketch.reentry == Reentry::None { cycles } else { boots.saturating_mul(cycles) };
        let is_virtual = args.choice.virtual_board.is_some();
        let occasion = Occasion {
            named,
            recipe: &sketch.recipe,
            seed: args.seed,
            times,
            case: &case,
            journal: &journal,
            facts: &said,
            is_virtual,
        };
        args.alter.prepare(&occasion, link.as_mut(), console)?
    } else {
        Prepared::default()
    };
    let plan = plan(args, find(named, &prepared.materials)?, (boots, cycles))?;
    let start = CampaignStart {
        transport: args.link.transport(),
        virtual_board: args.choice.virtual_board.clone(),
        recipe: plan.recipe.name.clone(),
        reentry: plan.reentry.clone(),
        seed: args.seed,
        boots,
        cycles_per_boot: cycles,
        calendar_millis: timebase::calendar_millis(),
    };
    let pace = if on_screen && args.choice.virtual_board.is_some() { SCREEN_PACE } else { f64::INFINITY };
    let flags = Flags { stop, decided: Arc::default() };
    let note = args.note.as_deref().map(note);
    let facts = facts.into_iter().chain(profiled).chain(prepared.facts).chain(note).collect();
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
        conduct: Conduct { most_boots: args.boots, ..conduct },
    })
}

/// The plan around a recipe; where both links are used, the usual one of the other link takes turns with it.
fn plan(args: &RunArgs, named: Recipe, (boots, cycles_per_boot): (u32, u32)) -> Result<Plan, Refusal> {
    let (recipe, beside) = Recipe::for_links(args.link, Some(named)).map_err(|error| refusal(&error))?;
    let links = beside.is_some().then(Plan::links);
    Ok(Plan {
        recipe,
        beside,
        boots,
        cycles_per_boot,
        reentry: reentry(args),
        off_time: args.off_time.0,
        factors: args.vary.iter().cloned().chain(links).collect(),
        standing: Plan::standing(args.link, args.probe_attached.map(|said| said == YesNo::Yes)),
        seed: args.seed,
        duration: args.duration.map(|span| span.0),
        keep_going: args.alter.keep_going,
        look_every: Some(args.look_every.map_or(LOOK_EVERY, |span| span.0)).filter(|every| *every > Micros::ZERO),
    })
}

/// A factor that no step of the recipes knows would be varied to no purpose.
fn demand_effect(plan: &Plan) -> Result<(), Refusal> {
    let recipes = || std::iter::once(&plan.recipe).chain(&plan.beside);
    let has_effect = |factor: &&Factor| {
        let changes = |recipe| factor.name.changes_a_step_of(recipe);
        factor.name == FactorName::Link || factor.name.is_of_the_bench() || recipes().any(changes)
    };
    match plan.factors.iter().find(|factor| !has_effect(factor)) {
        Some(factor) => {
            let names: Vec<_> = recipes().map(|recipe| recipe.name.as_str()).collect();
            let text = format!("{} changes no step of {}", factor.name.name(), names.join(" or "));
            Err(Refusal::of(ExitCode::Usage, &text))
        }
        None => Ok(()),
    }
}

/// What is changed at the bench needs somebody there, and a board that can do without it.
fn demand_bench(plan: &Plan, args: &RunArgs) -> Result<(), Refusal> {
    if !plan.factors.iter().any(|factor| factor.name.is_of_the_bench()) {
        return Ok(());
    }
    let wrong = if args.link != LinkUsed::Dfu {
        "this campaign needs its probe in every cycle; vary it with --link dfu"
    } else if args.conduct.guided {
        "--guided changes the bench by itself; vary the probe without it"
    } else if args.probe_attached.is_some() {
        "the probe is varied, so it cannot be said to be attached or not"
    } else if !matches!(plan.reentry, Reentry::Manual | Reentry::Virtual) {
        "a probe is attached and taken off by a person, between boots: --reenter manual"
    } else {
        return Ok(());
    };
    Err(Refusal::of(ExitCode::Usage, &wrong))
}

/// What disturbs the board is done only where it was allowed by name.
fn demand_leave(plan: &Plan, allowed: &[Deed]) -> Result<(), Refusal> {
    let done: Vec<_> = plan.arms().iter().flat_map(|arm| plan.steps_in(arm)).collect();
    let missing =
        Deed::ALL.into_iter().filter(|deed| done.iter().any(|step| deed.is_done_by(step)) && !allowed.contains(deed));
    let missing: Vec<_> = missing.map(Deed::name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let text = format!(
        "this campaign disturbs the board ({}); where that is all right, say --allow {}",
        missing.join(" and "),
        missing.join(",")
    );
    Err(Refusal::of(ExitCode::Usage, &text))
}

fn reentry(args: &RunArgs) -> Reentry {
    match (&args.reenter, &args.choice.virtual_board) {
        (None, Some(_)) => Reentry::Virtual,
        (None | Some(ReentryChoice::None), _) => Reentry::None,
        (Some(ReentryChoice::Manual), _) => Reentry::Manual,
        (Some(ReentryChoice::Hub), _) => Reentry::Hub,
        (Some(ReentryChoice::Swd), _) => Reentry::Swd,
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

fn find(name: &str, materials: &Materials) -> Result<Recipe, Refusal> {
    Recipe::find_with(name, materials).map_err(|error| refusal(&error))
}

fn refusal(error: &RecipeError) -> Refusal {
    match error {
        RecipeError::Profile(_) => Refusal::of(ExitCode::UnreadableInput, error),
        RecipeError::Unknown { .. }
        | RecipeError::Lacking { .. }
        | RecipeError::OtherLink { .. }
        | RecipeError::TakesNoTurns { .. } => Refusal::of(ExitCode::Usage, error),
    }
}

/// How often what observes is repeated when nobody says; what alters is done once.
const fn usual(alters: bool, otherwise: u32) -> u32 {
    if alters { 1 } else { otherwise }
}

fn note(text: &str) -> Fact {
    Fact {
        key: "note".to_owned(),
        value: FactValue::Text(FieldText::from(text)),
        origin: Origin::Operator,
        quote: None,
    }
}
