//! Where a case goes that nobody named.

use std::path::{Path, PathBuf};

use super::board_choice::{BoardChoice, Refusal};
use super::exit::ExitCode;
use crate::case::file::{Case, Durability};
use crate::timebase;

/// The case that was named, or a new one of today's date in the user's data folder.
pub fn open(named: Option<&Path>, choice: &BoardChoice) -> Result<Case, Refusal> {
    let path = named.map_or_else(|| fresh(choice), Path::to_owned);
    let durability = if choice.virtual_board.is_some() { Durability::Crash } else { Durability::PowerLoss };
    Case::open_or_create(&path, durability).map_err(|error| Refusal::of(ExitCode::UnreadableInput, &error))
}

fn fresh(choice: &BoardChoice) -> PathBuf {
    let folder = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/share")))
        .map_or_else(|| PathBuf::from("."), |base| base.join("flakescope/cases"));
    let subject = choice
        .virtual_board
        .clone()
        .or_else(|| choice.port.as_ref().map(ToString::to_string))
        .or_else(|| choice.board.clone())
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
