//! Recipes: the steps of one cycle, as TOML.

use serde::Deserialize;

use crate::observation::step::{Step, Touch};
use crate::observation::units::{Address, Micros};
use crate::profile::loader::{self, ProfileError};
use crate::profile::shelf;

/// The steps that one cycle performs, each with the time it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    pub name: String,
    pub description: String,
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
    #[error(transparent)]
    Profile(#[from] ProfileError),
}

impl Recipe {
    /// A recipe of the shelf by its name, or a file by its path.
    pub fn find(name: &str) -> Result<Self, RecipeError> {
        let sheets = shelf::sheets("recipes")?;
        if let Some(sheet) = sheets.iter().find(|sheet| sheet.name == name) {
            return Ok(Self::parse(&sheet.name, &sheet.file, &sheet.text)?);
        }
        let path = std::path::Path::new(name);
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = std::fs::read_to_string(path)
                .map_err(|source| ProfileError::Unreadable { file: name.to_owned(), source })?;
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or(name);
            return Ok(Self::parse(stem, name, &text)?);
        }
        let names: Vec<_> = sheets.iter().map(|sheet| sheet.name.as_str()).collect();
        Err(RecipeError::Unknown {
            name: name.to_owned(),
            nearest: loader::nearest(name, names.iter().copied()).map(str::to_owned),
            known: names.join(", "),
        })
    }

    pub fn parse(name: &str, file: &str, text: &str) -> Result<Self, ProfileError> {
        let sheet: RecipeSheet = loader::parse(file, text)?;
        if sheet.step.is_empty() {
            return Err(loader::refuse(file, text, "step", "a recipe needs at least one step".to_owned(), None));
        }
        let steps = sheet.step.into_iter().map(StepLine::into_step).collect();
        Ok(Self { name: name.to_owned(), description: sheet.description, steps })
    }

    /// The highest level of touch among its steps.
    pub fn touch(&self) -> Touch {
        self.steps.iter().map(|line| line.step.touch()).max().unwrap_or(Touch::Observe)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RecipeSheet {
    description: String,
    step: Vec<StepLine>,
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
    Close,
    Wait { span_ms: u64 },
}

impl StepLine {
    fn into_step(self) -> RecipeStep {
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
            Action::Close => Step::Close,
            Action::Wait { span_ms } => Step::Wait { span: Micros::from_millis(span_ms) },
        };
        let deadline = self.deadline_ms.map_or_else(|| usual_deadline(&step), Micros::from_millis);
        RecipeStep { step, deadline }
    }
}

/// Generous against what a healthy board needs, so that slowness is measured rather than cut off.
fn usual_deadline(step: &Step) -> Micros {
    match step {
        Step::Enumerate => Micros::from_secs(15),
        Step::Wait { span } => *span + Micros::from_secs(1),
        // At least 16 KiB/s, a quarter of what one transaction per frame gives.
        Step::Read { length_bytes, .. } => Micros::from_secs(5 + u64::from(*length_bytes) / 16_384),
        _ => Micros::from_secs(5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_recipe_observes_only_and_ends_with_close() {
        let recipe = Recipe::find("dfu-read").unwrap();
        assert_eq!(recipe.touch(), Touch::Observe);
        assert_eq!(recipe.steps.last().unwrap().step, Step::Close);
    }

    #[test]
    fn an_unknown_recipe_names_the_nearest() {
        let error = Recipe::find("dfu-raed").unwrap_err().to_string();
        assert!(error.contains("did you mean `dfu-read`?"), "{error}");
    }

    #[test]
    fn a_typo_in_a_recipe_names_its_line() {
        let text = "description = \"x\"\n[[step]]\ndo = \"opne\"\n";
        let error = Recipe::parse("x", "x.toml", text).unwrap_err().to_string();
        assert!(error.starts_with("x.toml:3: unknown variant `opne`"), "{error}");
    }

    #[test]
    fn a_recipe_without_steps_is_refused() {
        assert!(Recipe::parse("x", "x.toml", "description = \"x\"\nstep = []\n").is_err());
    }
}
