//! Scenarios: kinds of virtual boards with ranges to draw from, and the truth about them.

use std::collections::BTreeMap;
use std::path::Path;

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde::Deserialize;

use super::scenario_check;
use crate::campaign::plan::{Factor, FactorError};
use crate::diagnosis::knowledge::Knowledge;
use crate::link::link_used::LinkUsed;
use crate::profile::loader::{self, ProfileError};

/// The truth is that nothing is wrong.
pub const CLEAN: &str = "clean";

/// A kind of board with ranges to draw from, and the truth about it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    pub name: String,
    /// The file it stands in, without folder and ending; figures are given for each.
    #[serde(skip)]
    pub set: String,
    /// The families that may be named; several where the link cannot tell them apart. `clean` for a healthy board,
    /// `unknown` for a mechanism that no cause describes.
    pub expect: Vec<String>,
    /// The families of a second mechanism that is at work too.
    #[serde(default)]
    pub beside: Vec<String>,
    /// Experiments of which one must be proposed, because it tells those apart that this link cannot.
    #[serde(default)]
    pub separated_by: Vec<String>,
    pub boots: u32,
    pub cycles: u32,
    /// Over which link the cycles go.
    #[serde(default)]
    pub link: LinkUsed,
    /// The witness clears the reset flags at the beginning of each boot.
    #[serde(default)]
    pub clear_reset_flags: bool,
    /// What is varied, as after `--vary`.
    #[serde(default)]
    pub vary: Vec<Varied>,
    /// The text of a board file; `{name}` stands for a drawn value.
    pub board: String,
    #[serde(default)]
    pub range: BTreeMap<String, Range>,
}

/// A factor as it is written on the command line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Varied(pub Factor);

impl TryFrom<String> for Varied {
    type Error = FactorError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

/// Drawn evenly from low to high.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Range {
    pub low: f64,
    pub high: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ScenarioSheet {
    #[serde(rename = "scenario")]
    scenarios: Vec<Scenario>,
}

/// Reads the scenarios of a file, and refuses those that cannot be.
pub fn read(path: &Path) -> Result<Vec<Scenario>, ProfileError> {
    let file = path.display().to_string();
    let text =
        std::fs::read_to_string(path).map_err(|source| ProfileError::Unreadable { file: file.clone(), source })?;
    let mut scenarios = loader::parse::<ScenarioSheet>(&file, &text)?.scenarios;
    scenario_check::check(&file, &text, &scenarios, &Knowledge::load()?)?;
    let set = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    for scenario in &mut scenarios {
        scenario.set.clone_from(&set);
    }
    Ok(scenarios)
}

impl Scenario {
    pub fn is_healthy(&self) -> bool {
        self.expect.iter().any(|family| family == CLEAN)
    }

    /// The board file with every range drawn. The same seed draws the same board.
    pub fn drawn(&self, seed: u64) -> String {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        self.drawn_by(|| random.random())
    }

    /// The board file with every range drawn at a share of its width.
    pub(super) fn drawn_by(&self, mut share: impl FnMut() -> f64) -> String {
        let mut text = self.board.clone();
        for (name, range) in &self.range {
            let drawn = range.low + (range.high - range.low) * share();
            text = text.replace(&format!("{{{name}}}"), &format!("{drawn:.9}"));
        }
        text
    }

    /// Different for every draw, and independent of which other scenarios are run (FNV-1a).
    pub fn seed(&self, seed: u64, draw: u32) -> u64 {
        let bytes = seed.to_le_bytes().into_iter().chain(self.name.bytes()).chain(draw.to_le_bytes());
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::board::VirtualBoard;

    /// Reading one checks it.
    #[test]
    fn shipped_scenarios_are_sound() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/evaluation");
        let (mut names, mut parts) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
        for file in std::fs::read_dir(folder).unwrap() {
            for scenario in read(&file.unwrap().path()).unwrap() {
                let board = VirtualBoard::from_toml(&scenario.name, &scenario.drawn(1), 1).unwrap();
                parts.insert(board.rom().sheet.device.clone());
                assert!(names.insert(scenario.name.clone()), "{} occurs twice", scenario.name);
            }
        }
        assert!(names.len() >= 40 && parts.len() >= 6, "{} configurations of {} parts", names.len(), parts.len());
    }

    #[test]
    fn the_same_seed_draws_the_same_board() {
        let scenario = Scenario {
            name: "a".into(),
            set: String::new(),
            expect: vec![CLEAN.into()],
            beside: Vec::new(),
            separated_by: Vec::new(),
            boots: 1,
            cycles: 1,
            link: LinkUsed::Dfu,
            clear_reset_flags: false,
            vary: Vec::new(),
            board: "x = {x}".into(),
            range: BTreeMap::from([("x".to_owned(), Range { low: 1.0, high: 2.0 })]),
        };
        assert_eq!(scenario.drawn(4), scenario.drawn(4));
        assert_ne!(scenario.drawn(4), scenario.drawn(5));
        assert_ne!(scenario.seed(1, 0), scenario.seed(1, 1));
    }
}
