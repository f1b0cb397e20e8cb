//! Options that would have no effect on this campaign: whoever gives one expects something that will not happen.

use super::altering::AlterArgs;
use super::args::RunArgs;
use crate::campaign::materials::Materials;
use crate::campaign::recipe::{Recipe, RecipeError};
use crate::cli::board_choice::Refusal;
use crate::cli::exit::ExitCode;
use crate::profile::device;

/// Refuses the first of them, with what would give it its effect.
pub fn refuse(args: &RunArgs, recipe: &str, alters: bool) -> Result<(), Refusal> {
    let usage = |text: String| Refusal { code: ExitCode::Usage, text };
    if args.conduct.ask && !args.conduct.guided && !args.conduct.hold_on_failure {
        return Err(usage(
            "--ask has an effect with --guided or --hold-on-failure only: nothing else asks about a virtual board"
                .to_owned(),
        ));
    }
    let names: Vec<_> = args.vary.iter().map(|factor| factor.name.name()).collect();
    if let Some((_, twice)) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
        return Err(usage(format!("{twice} is varied twice; give all its levels at once: --vary {twice}=A,B,C")));
    }
    let alter = &args.alter;
    if let Some(option) = given_for_altering(alter).filter(|_| !alters) {
        return Err(usage(format!("{option} has no effect here: recipe {recipe} reads only and alters nothing")));
    }
    if let Some(option) =
        given_for_image(alter).filter(|_| !needs(recipe, &Materials { image: None, ..Materials::any() }))
    {
        return Err(usage(format!("{option} has no effect here: recipe {recipe} downloads no image")));
    }
    if alter.scratch.is_some() && !needs(recipe, &Materials { scratch: None, ..Materials::any() }) {
        return Err(usage(format!("--scratch has no effect here: recipe {recipe} uses no scratch sector")));
    }
    let devices = device::catalogue().map_err(|error| Refusal::of(ExitCode::UnreadableInput, &error))?;
    match &alter.part {
        Some(part) if devices.by_part(part).is_none() && devices.candidates(part).is_empty() => Err(usage(format!(
            "no device profile knows the part `{part}`, so --part says nothing; flakescope profile list shows what there is"
        ))),
        _ => Ok(()),
    }
}

/// Whether the recipe cannot be made of these materials, in which something is missing.
fn needs(recipe: &str, materials: &Materials) -> bool {
    matches!(Recipe::find_with(recipe, materials), Err(RecipeError::Lacking { .. }))
}

fn given_for_altering(alter: &AlterArgs) -> Option<&'static str> {
    let given = [
        ("--write", alter.gate.write),
        ("--confirm", alter.gate.confirm.is_some()),
        ("--scratch", alter.scratch.is_some()),
        ("--part", alter.part.is_some()),
        ("--keep-going", alter.keep_going),
    ];
    let option = given.into_iter().find(|(_, given)| *given).map(|(option, _)| option);
    option.or_else(|| given_for_image(alter))
}

fn given_for_image(alter: &AlterArgs) -> Option<&'static str> {
    let given = [
        ("--image", alter.image.is_some()),
        ("--image-address", alter.image_address.is_some()),
        ("--release", alter.release.is_some()),
        ("--fus-version", alter.fus_version.is_some()),
        ("--despite-check", alter.despite_check),
    ];
    given.into_iter().find(|(_, given)| *given).map(|(option, _)| option)
}
