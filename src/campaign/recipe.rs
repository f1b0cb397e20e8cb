//! Recipes: the steps of one cycle, as TOML.

use serde::Deserialize;

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
        let link = sheet.link.into();
        let steps: Vec<_> = sheet.step.into_iter().map(StepLine::into_step).collect();
        if let Some(at) = steps.iter().position(|line| !line.step.fits(link)) {
            let why = format!("a recipe for {} cannot do this ({})", link.name(), steps[at].step.phase());
            return Err(loader::refuse(file, text, from_step(text, at), why, None));
        }
        Ok(Self { name: name.to_owned(), description: sheet.description, link, steps })
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
            Action::OpenProbe => Step::OpenProbe,
            Action::TargetVoltage => Step::TargetVoltage,
            Action::Speed { kilohertz } => Step::Speed { kilohertz },
            Action::Connect { mode } => Step::Connect { mode },
            Action::Identify => Step::Identify,
            Action::RegisterFacts => Step::RegisterFacts,
            Action::CoreClock { span_ms } => Step::CoreClock { span: Micros::from_millis(span_ms) },
            Action::Disconnect => Step::Disconnect,
            Action::Reset { kind } => Step::Reset { kind },
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
        Step::CoreClock { span } => *span + Micros::from_secs(5),
        // A dead target takes a debug probe up to five seconds, a probe with a mute host side three.
        Step::OpenProbe | Step::Connect { .. } => Micros::from_secs(10),
        // At least 16 KiB/s, a quarter of what one transaction per frame gives.
        Step::Read { length_bytes, .. } => Micros::from_secs(5 + u64::from(*length_bytes) / 16_384),
        _ => Micros::from_secs(5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dfu::request::{ControlRequest, DataStage};
    use crate::link::Link;
    use crate::link::dfu_link::DfuLink;
    use crate::link::scripted_board::ScriptedBoard;

    #[test]
    fn the_standard_recipe_observes_only_and_ends_with_close() {
        let recipe = Recipe::find("dfu-read").unwrap();
        assert_eq!(recipe.touch(), Touch::Observe);
        assert_eq!(recipe.steps.last().unwrap().step, Step::Close);
    }

    /// Written out here rather than asked of the whitelist that the transport enforces, so that a mistake there is seen.
    fn changes_nothing(request: &ControlRequest) -> bool {
        const TO_AN_INTERFACE: u8 = 0x01;
        const TO_THE_DFU_INTERFACE: u8 = 0x21;
        const SET_INTERFACE: u8 = 0x0B;
        const DNLOAD: u8 = 0x01;
        const CLRSTATUS: u8 = 0x04;
        const ABORT: u8 = 0x06;
        match (&request.data, request.request_type & 0x7f, request.request) {
            (DataStage::In(_), ..) => true,
            (DataStage::Out(data), TO_THE_DFU_INTERFACE, CLRSTATUS | ABORT) => data.is_empty(),
            (DataStage::Out(data), TO_THE_DFU_INTERFACE, DNLOAD) => {
                request.value == 0 && data.len() == 5 && data[0] == 0x21
            }
            (DataStage::Out(_), TO_AN_INTERFACE, SET_INTERFACE) => true,
            _ => false,
        }
    }

    #[test]
    fn no_shipped_recipe_sends_a_write_an_erase_an_unprotect_or_a_leave() {
        for sheet in shelf::built_in("recipes") {
            let recipe = Recipe::parse(&sheet.name, &sheet.file, &sheet.text).unwrap();
            let mut link = DfuLink::new(ScriptedBoard::default());
            for line in &recipe.steps {
                link.perform(&line.step, line.deadline);
            }
            let sent = &link.board().sent;
            assert!(!sent.is_empty(), "{} sent nothing", sheet.name);
            for request in sent {
                assert!(changes_nothing(request), "{}: {request:?}", sheet.name);
            }
        }
    }

    #[test]
    fn the_oracle_of_this_test_knows_what_changes_a_board() {
        let dnload = |value, data: &[u8]| ControlRequest {
            request_type: 0x21,
            request: 0x01,
            value,
            index: 0,
            data: DataStage::Out(data.to_vec()),
        };
        assert!(changes_nothing(&dnload(0, &[0x21, 0, 0, 0, 8])));
        for request in
            [dnload(0, &[0x41]), dnload(0, &[0x41, 0, 0, 0, 8]), dnload(0, &[0x92]), dnload(2, &[1]), dnload(2, &[])]
        {
            assert!(!changes_nothing(&request), "{request:?}");
        }
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
    fn a_step_of_the_other_link_is_refused_at_its_line() {
        let text = "description = \"x\"\nlink = \"swd\"\n[[step]]\ndo = \"open-probe\"\n[[step]]\ndo = \"claim\"\n";
        let error = Recipe::parse("x", "x.toml", text).unwrap_err().to_string();
        assert!(error.starts_with("x.toml:5: a recipe for swd cannot do this (claim)"), "{error}");
    }

    #[test]
    fn a_recipe_without_steps_is_refused() {
        assert!(Recipe::parse("x", "x.toml", "description = \"x\"\nstep = []\n").is_err());
    }
}
