//! What a virtual board holds without power, in a file, so that it outlives the program as real memory does.

use std::path::{Path, PathBuf};

use crate::bench::board::{KeptBoard, VirtualBoard};

/// Writes the file anew whenever the memory has changed.
#[derive(Debug)]
pub struct Keeper {
    path: PathBuf,
    /// What was written last.
    revision: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    #[error("the virtual board's memory {} cannot be read: {source}", .path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{} does not hold the memory of a virtual board: {source}", .path.display())]
    NoMemory { path: PathBuf, source: serde_json::Error },
}

impl Keeper {
    /// Puts what the file holds into the board; a file that is not there yet is made at the first change.
    pub fn at(path: &Path, board: &mut VirtualBoard) -> Result<Self, NotKept> {
        match std::fs::read(path) {
            Ok(bytes) => {
                let kept: KeptBoard = serde_json::from_slice(&bytes)
                    .map_err(|source| NotKept::NoMemory { path: path.to_owned(), source })?;
                board.restore(&kept);
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(NotKept::Unreadable { path: path.to_owned(), source }),
        }
        Ok(Self { path: path.to_owned(), revision: board.memory().revision() })
    }

    /// Whole or not at all: a kill in the middle leaves the file as it was before.
    pub fn keep(&mut self, board: &VirtualBoard) {
        let revision = board.memory().revision();
        if revision == self.revision {
            return;
        }
        self.revision = revision;
        let bytes = serde_json::to_vec(&board.kept()).expect("a memory of bytes can be written as JSON");
        let beside = self.path.with_extension("new");
        // A bench that cannot keep its memory forgets, as it would without a file; the board itself goes on.
        let _ = std::fs::write(&beside, bytes).and_then(|()| std::fs::rename(&beside, &self.path));
    }
}
