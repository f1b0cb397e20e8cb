//! Recipes: the steps of one cycle, as TOML.

use serde::Deserialize;

use super::materials::{Lacking, Materials};
use crate::link::link_used::LinkUsed;
use crate::observation::alteration::Alteration;
use crate::observation::event::Transport;
use crate::observation::step::{ConnectMode, ResetKind, Step, Touch};
use crate::observation::units::{Address, Micros};
use crate::profile::loader::{self, ProfileError};
use crate::profile::shelf;

/// The steps that one cycle performs, each with the time it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    pub name: String,
    pub description: String,
    pub link: Transport,
    pub steps: Vec<RecipeStep>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipeStep {
    pub step: Step,
    pub deadline: Micros,
}

/// No recipe of that name.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    #[error("there is no recipe `{name}`{}; the recipes are: {known}", nearest.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    Unknown { name: String, nearest: Option<String>, known: String },
    #[error("recipe {name} alters the board; {lacking}")]
    Lacking { name: String, lacking: Lacking },
    #[error(
        "the recipe `{name}` goes over {over}, and the campaign over {wanted}; say --link {over}, or leave --recipe away"
    )]
    OtherLink { name: String, over: &'static str, wanted: &'static str },
    #[error(
        "recipe {name} alters the board, and between its steps nothing else may go to it; say --link witnessed to have a probe look on \
         instead of taking turns"
    )]
    TakesNoTurns { name: String },
    #[error(transparent)]
    Profile(#[from] ProfileError),
}

impl Recipe {
    /// A recipe of the shelf by its name, or a file by its path.
    pub fn find(name: &str) -> Result<Self, RecipeError> {
        Self::find_with(name, &Materials::default())
    }

    /// As [`Self::find`], with what altering recipes work with.
    pub fn find_with(name: &str, materials: &Materials) -> Result<Self, RecipeError> {
        let sheets = shelf::sheets("recipes")?;
        if let Some(sheet) = sheets.iter().find(|sheet| sheet.name == name) {
            return Self::parse_with(&sheet.name, &sheet.file, &sheet.text, materials);
        }
        let path = std::path::Path::new(name);
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = std::fs::read_to_string(path)
                .map_err(|source| ProfileError::Unreadable { file: name.to_owned(), source })?;
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or(name);
            return Self::parse_with(stem, name, &text, materials);
        }
        let names: Vec<_> = sheets.iter().map(|sheet| sheet.name.as_str()).collect();
        Err(RecipeError::Unknown {
            name: name.to_owned(),
            nearest: loader::nearest(name, names.iter().copied()).map(str::to_owned),
            known: names.join(", "),
        })
    }

    /// The recipe of a campaign, and the one that takes turns with it where both links are used. One may be named.
    pub fn for_links(used: LinkUsed, named: Option<Self>) -> Result<(Self, Option<Self>), RecipeError> {
        let usual = |name| Self::find(name);
        // A recipe over USB has its counterpart over the debug pins where there is one of that name.
        let counterpart = |recipe: &Self| Self::find(&format!("swd-{}", recipe.name)).or_else(|_| usual("swd-read"));
        match (used, named) {
            (LinkUsed::Both, Some(recipe)) if recipe.touch() == Touch::Alter => {
                Err(RecipeError::TakesNoTurns { name: recipe.name })
            }
            (LinkUsed::Both, Some(recipe)) if recipe.link == Transport::Swd => Ok((usual("dfu-read")?, Some(recipe))),
            (LinkUsed::Both, recipe) => {
                let recipe = recipe.map_or_else(|| usual("dfu-read"), Ok)?;
                let beside = counterpart(&recipe)?;
                Ok((recipe, Some(beside)))
            }
            (_, Some(recipe)) if recipe.link != used.transport() => Err(RecipeError::OtherLink {
                over: recipe.link.name(),
                wanted: used.transport().name(),
                name: recipe.name,
            }),
            (_, Some(recipe)) => Ok((recipe, None)),
            (LinkUsed::Dfu | LinkUsed::Witnessed, None) => Ok((usual("dfu-read")?, None)),
            (LinkUsed::Swd, None) => Ok((usual("swd-read")?, None)),
        }
    }

    pub fn parse_with(name: &str, file: &str, text: &str, materials: &Materials) -> Result<Self, RecipeError> {
        let sheet: RecipeSheet = loader::parse(file, text)?;
        if sheet.step.is_empty() {
            return Err(loader::refuse(file, text, "step", "a recipe needs at least one step".to_owned(), None).into());
        }
        let link = sheet.link.into();
        let steps: Result<Vec<_>, _> = sheet.step.into_iter().map(|line| line.into_step(materials)).collect();
        let steps = steps.map_err(|lacking| RecipeError::Lacking { name: name.to_owned(), lacking })?;
        if let Some(at) = steps.iter().position(|line| !line.step.fits(link)) {
            let why = format!("a recipe for {} cannot do this ({})", link.name(), steps[at].step.phase());
            return Err(loader::refuse(file, text, from_step(text, at), why, None).into());
        }
        Ok(Self { name: name.to_owned(), description: sheet.description, link, steps })
    }

    /// Whether the text is a recipe, whatever it may lack to be run.
    pub fn check(file: &str, text: &str) -> Result<(), ProfileError> {
        match Self::parse_with(file, file, text, &Materials::any()) {
            Err(RecipeError::Profile(error)) => Err(error),
            Ok(_)
            | Err(
                RecipeError::Unknown { .. }
                | RecipeError::Lacking { .. }
                | RecipeError::OtherLink { .. }
                | RecipeError::TakesNoTurns { .. },
            ) => Ok(()),
        }
    }

    /// What it changes for good, in its order.
    pub fn alterations(&self) -> impl Iterator<Item = &Alteration> {
        self.steps.iter().filter_map(|line| match &line.step {
            Step::Alter(alteration) => Some(alteration),
            _ => None,
        })
    }

    /// The highest level of touch among its steps.
    pub fn touch(&self) -> Touch {
        self.steps.iter().map(|line| line.step.touch()).max().unwrap_or(Touch::Observe)
    }
}

/// The text from the table of a step on; it occurs once, since it reaches to the end.
fn from_step(text: &str, number: usize) -> &str {
    text.match_indices("[[step]]").nth(number).map_or(text, |(offset, _)| &text[offset..])
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RecipeSheet {
    description: String,
    #[serde(default)]
    link: LinkWord,
    step: Vec<StepLine>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum LinkWord {
    #[default]
    Dfu,
    Swd,
}

impl From<LinkWord> for Transport {
    fn from(word: LinkWord) -> Self {
        match word {
            LinkWord::Dfu => Self::Dfu,
            LinkWord::Swd => Self::Swd,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct StepLine {
    #[serde(rename = "do")]
    action: Action,
    deadline_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", rename_all_fields = "kebab-case")]
enum Action {
    Enumerate,
    Open,
    Claim,
    Descriptors,
    Layout,
    Status,
    Read { address: u32, length_bytes: u32, transfer_bytes: Option<u16> },
    OptionBytes,
    Otp,
    FusState,
    OpenProbe,
    TargetVoltage,
    Speed { kilohertz: u32 },
    Connect { mode: ConnectMode },
    Identify,
    RegisterFacts,
    CoreClock { span_ms: u64 },
    Disconnect,
    Reset { kind: ResetKind },
    SaveScratch,
    EraseScratch,
    VerifyErased,
    WriteScratch,
    VerifyScratch,
    RestoreScratch,
    EraseImage,
    WriteImage,
    VerifyImage,
    FusDelete,
    FusInstall,
    FusStart,
    Close,
    Wait { span_ms: u64 },
}

impl StepLine {
    fn into_step(self, materials: &Materials) -> Result<RecipeStep, Lacking> {
        let step = match self.action {
            Action::Enumerate => Step::Enumerate,
            Action::Open => Step::Open,
            Action::Claim => Step::Claim,
            Action::Descriptors => Step::Descriptors,
            Action::Layout => Step::Layout,
            Action::Status => Step::Status,
            Action::Read { address, length_bytes, transfer_bytes } => {
                Step::Read { address: Address(address), length_bytes, transfer_bytes }
            }
            Action::OptionBytes => Step::OptionBytes,
            Action::Otp => Step::Otp,
            Action::FusState => Step::FusState,
            Action::OpenProbe => Step::OpenProbe,
            Action::TargetVoltage => Step::TargetVoltage,
            Action::Speed { kilohertz } => Step::Speed { kilohertz },
            Action::Connect { mode } => Step::Connect { mode },
            Action::Identify => Step::Identify,
            Action::RegisterFacts => Step::RegisterFacts,
            Action::CoreClock { span_ms } => Step::CoreClock { span: Micros::from_millis(span_ms) },
            Action::Disconnect => Step::Disconnect,
            Action::Reset { kind } => Step::Reset { kind },
            Action::SaveScratch => materials.scratch()?.save(),
            Action::EraseScratch => materials.scratch()?.erase(),
            Action::VerifyErased => materials.scratch()?.verify_erased(),
            Action::WriteScratch => materials.scratch()?.write(),
            Action::VerifyScratch => materials.scratch()?.verify(),
            Action::RestoreScratch => materials.scratch()?.restore(),
            Action::EraseImage => materials.image()?.erase(),
            Action::WriteImage => materials.image()?.write(),
            Action::VerifyImage => materials.image()?.verify(),
            Action::FusDelete => Step::Alter(Alteration::FusDelete),
            Action::FusInstall => Step::Alter(Alteration::FusInstall),
            Action::FusStart => Step::Alter(Alteration::FusStart),
            Action::Close => Step::Close,
            Action::Wait { span_ms } => Step::Wait { span: Micros::from_millis(span_ms) },
        };
        let deadline = self.deadline_ms.map_or_else(|| usual_deadline(&step, materials), Micros::from_millis);
        Ok(RecipeStep { step, deadline })
    }
}

/// Generous against what a healthy board needs, so that slowness is measured rather than cut off.
fn usual_deadline(step: &Step, materials: &Materials) -> Micros {
    match step {
        Step::Enumerate => Micros::from_secs(15),
        Step::Wait { span } => *span + Micros::from_secs(1),
        Step::CoreClock { span } => *span + Micros::from_secs(5),
        // A dead target takes a debug probe up to five seconds, a probe with a mute host side three.
        Step::OpenProbe | Step::Connect { .. } => Micros::from_secs(10),
        // Uploads: at least 16 KiB/s, a quarter of what one transaction per frame gives.
        Step::Read { length_bytes, .. } | Step::Save { length_bytes, .. } => uploading(*length_bytes),
        Step::Verify { data, .. } => uploading(data.len_bytes()),
        Step::Alter(alteration) => altering(alteration, materials),
        _ => Micros::from_secs(5),
    }
}

fn uploading(length_bytes: u32) -> Micros {
    Micros::from_secs(5 + u64::from(length_bytes) / 16_384)
}

/// The slowest flash in the tables takes 4 s for 128 KB to erase and programs 16 KB in a second; cutting an alteration
/// short does more harm than waiting.
fn altering(alteration: &Alteration, materials: &Materials) -> Micros {
    const LARGEST_SECTOR: u32 = 0x2_0000;
    let erasing = |length_bytes: u32| Micros::from_secs(15 + u64::from(length_bytes) / 8_192);
    let writing = |length_bytes: u32| Micros::from_secs(15 + u64::from(length_bytes) / 4_096);
    match alteration {
        Alteration::Erase { length_bytes, .. } => erasing(*length_bytes),
        Alteration::Write { data, .. } => writing(data.len_bytes()),
        // What is put back is filled in later: as much as the scratch range holds, or a sector that the case has saved.
        Alteration::Restore { .. } => {
            let length = materials.scratch.map_or(0, |scratch| scratch.length_bytes).max(LARGEST_SECTOR);
            erasing(length) + writing(length) + uploading(length)
        }
        Alteration::OptionBytes { .. } => Micros::from_secs(30),
        Alteration::FusDelete | Alteration::FusInstall | Alteration::FusStart => Micros::from_secs(120),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::campaign::materials::Scratch;

    /// With some of everything for what it works with.
    pub fn built_in(name: &str) -> Recipe {
        Recipe::find_with(name, &Materials::any()).unwrap()
    }

    /// Of nothing but these.
    pub fn recipe(name: &str, steps: &[&str]) -> Recipe {
        let steps: String = steps.iter().map(|step| format!("[[step]]\ndo = \"{step}\"\n")).collect();
        Recipe::parse_with(name, name, &format!("description = \"x\"\n{steps}"), &Materials::any()).unwrap()
    }

    #[test]
    fn the_standard_recipe_observes_only_and_ends_with_close() {
        let recipe = Recipe::find("dfu-read").unwrap();
        assert_eq!(recipe.touch(), Touch::Observe);
        assert_eq!(recipe.steps.last().unwrap().step, Step::Close);
    }

    #[test]
    fn a_recipe_that_alters_says_so_in_its_first_word() {
        for sheet in shelf::built_in("recipes") {
            let recipe = Recipe::parse_with(&sheet.name, &sheet.file, &sheet.text, &Materials::any()).unwrap();
            assert_eq!(recipe.touch() == Touch::Alter, recipe.description.starts_with("ALTERS"), "{}", sheet.name);
        }
    }

    #[test]
    fn putting_back_has_as_much_time_as_its_parts_whatever_the_length() {
        for length_bytes in [0x2_0000, 0x10_0000, 0x20_0000] {
            let scratch = Some(Scratch { address: Address(0x0800_0000), length_bytes, seed: 0 });
            let materials = Materials { scratch, ..Materials::default() };
            let recipe = Recipe::find_with("write-verify", &materials).unwrap();
            let time = |fits: fn(&Step) -> bool| recipe.steps.iter().find(|line| fits(&line.step)).unwrap().deadline;
            let parts = time(|step| matches!(step, Step::Alter(Alteration::Erase { .. })))
                + time(|step| matches!(step, Step::Alter(Alteration::Write { .. })))
                + time(|step| matches!(step, Step::Verify { .. }));
            assert_eq!(time(|step| matches!(step, Step::Alter(Alteration::Restore { .. }))), parts, "{length_bytes}");
        }
    }

    #[test]
    fn what_a_recipe_lacks_is_told() {
        let error = Recipe::find("write-verify").unwrap_err().to_string();
        assert!(error.contains("recipe write-verify alters the board; it needs a sector"), "{error}");
    }

    #[test]
    fn both_links_do_the_same_where_a_recipe_has_its_counterpart() {
        let pair = |name: &str| {
            let (first, second) = Recipe::for_links(LinkUsed::Both, Some(Recipe::find(name).unwrap())).unwrap();
            (first.name, second.unwrap().name)
        };
        assert_eq!(pair("option-bytes"), ("option-bytes".to_owned(), "swd-option-bytes".to_owned()));
        assert_eq!(pair("fus-state"), ("fus-state".to_owned(), "swd-fus-state".to_owned()));
        assert_eq!(pair("dfu-read"), ("dfu-read".to_owned(), "swd-read".to_owned()));
    }

    #[test]
    fn an_unknown_recipe_names_the_nearest() {
        let error = Recipe::find("dfu-raed").unwrap_err().to_string();
        assert!(error.contains("did you mean `dfu-read`?"), "{error}");
    }

    #[test]
    fn a_typo_in_a_recipe_names_its_line() {
        let text = "description = \"x\"\n[[step]]\ndo = \"opne\"\n";
        let error = Recipe::check("x.toml", text).unwrap_err().to_string();
        assert!(error.starts_with("x.toml:3: unknown variant `opne`"), "{error}");
    }

    #[test]
    fn a_step_of_the_other_link_is_refused_at_its_line() {
        let text = "description = \"x\"\nlink = \"swd\"\n[[step]]\ndo = \"open-probe\"\n[[step]]\ndo = \"claim\"\n";
        let error = Recipe::check("x.toml", text).unwrap_err().to_string();
        assert!(error.starts_with("x.toml:5: a recipe for swd cannot do this (claim)"), "{error}");
    }

    #[test]
    fn a_recipe_without_steps_is_refused() {
        assert!(Recipe::check("x.toml", "description = \"x\"\nstep = []\n").is_err());
    }
}
