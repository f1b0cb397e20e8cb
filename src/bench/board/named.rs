//! Boards by name: from the shelf, from the user's folder, or from a file.

use std::path::Path;

use super::VirtualBoard;
use crate::bench::blueprint::Blueprint;
use crate::profile::loader::{self, ProfileError};
use crate::profile::shelf;

/// The name fits no virtual board.
#[derive(Debug, thiserror::Error)]
pub enum NoSuchBoard {
    #[error("there is no virtual board `{name}`{}; there are: {all}", nearest.as_deref().map(|it| format!("; did you mean `{it}`?")).unwrap_or_default())]
    Unknown { name: String, nearest: Option<String>, all: String },
    #[error(transparent)]
    Profile(#[from] ProfileError),
}

impl VirtualBoard {
    pub fn from_toml(file: &str, text: &str, seed: u64) -> Result<Self, ProfileError> {
        let (blueprint, rom) = Blueprint::parse(file, text)?;
        let name = Path::new(file).file_stem().map_or_else(|| file.to_owned(), |stem| stem.to_string_lossy().into());
        Ok(Self::new(name, blueprint, rom, seed))
    }

    /// A built-in board, one of the user's folder, or, where it looks like a path, a file.
    pub fn by_name(name: &str, seed: u64) -> Result<Self, NoSuchBoard> {
        let looks_like_a_path =
            name.contains(['/', '\\']) || Path::new(name).extension().is_some_and(|it| it == "toml");
        if looks_like_a_path {
            let text = std::fs::read_to_string(name)
                .map_err(|source| ProfileError::Unreadable { file: name.to_owned(), source })?;
            return Ok(Self::from_toml(name, &text, seed)?);
        }
        let sheets = shelf::sheets("benches")?;
        let Some(sheet) = sheets.iter().find(|sheet| sheet.name == name) else {
            let names: Vec<_> = sheets.iter().map(|sheet| sheet.name.as_str()).collect();
            let nearest = loader::nearest(name, names.iter().copied()).map(str::to_owned);
            return Err(NoSuchBoard::Unknown { name: name.to_owned(), nearest, all: names.join(", ") });
        };
        let mut board = Self::from_toml(&sheet.file, &sheet.text, seed)?;
        name.clone_into(&mut board.name);
        Ok(board)
    }

    /// The names of all boards on the shelf.
    pub fn names() -> Result<Vec<String>, ProfileError> {
        Ok(shelf::sheets("benches")?.into_iter().map(|sheet| sheet.name).collect())
    }
}
