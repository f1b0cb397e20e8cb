//! The shelf of profiles: what is built into the program, and what the user adds or overrides.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};

use super::loader::ProfileError;

static BUILT_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/profiles");

/// The text of one profile and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// The file name without its extension.
    pub name: String,
    /// For messages: a path of the user's, or `profiles/...` for what is built in.
    pub file: String,
    pub text: String,
}

/// All sheets of one kind (`devices`, `boards`, `recipes`, `causes`, `findings`, `experiments`, `measurements`, `messages`, `phrases`, `benches`, `likeness`), by name.
/// A file of the user's replaces the built-in one of the same name.
pub fn sheets(kind: &str) -> Result<Vec<Sheet>, ProfileError> {
    let mut by_name = BTreeMap::new();
    for sheet in built_in(kind) {
        by_name.insert(sheet.name.clone(), sheet);
    }
    if let Some(folder) = user_folder() {
        for sheet in in_folder(&folder.join(kind), extension_of(kind))? {
            by_name.insert(sheet.name.clone(), sheet);
        }
    }
    Ok(by_name.into_values().collect())
}

/// Sheets are TOML; a table of numbers is CSV.
fn extension_of(kind: &str) -> &'static str {
    if kind == "likeness" { "csv" } else { "toml" }
}

/// What is built into the program, whatever the user has added.
pub fn built_in(kind: &str) -> Vec<Sheet> {
    let Some(folder) = BUILT_IN.get_dir(kind) else { return Vec::new() };
    let mut sheets: Vec<_> = folder
        .files()
        .filter(|file| file.path().extension().is_some_and(|extension| extension == extension_of(kind)))
        .filter_map(|file| {
            Some(Sheet {
                name: file.path().file_stem()?.to_str()?.to_owned(),
                file: format!("profiles/{}", file.path().display()),
                text: file.contents_utf8()?.to_owned(),
            })
        })
        .collect();
    sheets.sort_by(|a, b| a.name.cmp(&b.name));
    sheets
}

/// `$FLAKESCOPE_PROFILES`, or `flakescope/profiles` under the user's configuration folder.
pub fn user_folder() -> Option<PathBuf> {
    let named = std::env::var_os("FLAKESCOPE_PROFILES").map(PathBuf::from);
    let configured = || {
        let base = std::env::var_os("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".config")))?;
        Some(base.join("flakescope/profiles"))
    };
    named.or_else(configured)
}

fn in_folder(folder: &Path, wanted: &str) -> Result<Vec<Sheet>, ProfileError> {
    let unreadable = |path: &Path, source| ProfileError::Unreadable { file: path.display().to_string(), source };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(folder, error)),
    };
    let mut sheets = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| unreadable(folder, error))?.path();
        if path.extension().is_none_or(|extension| extension != wanted) {
            continue;
        }
        let Some(name) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
        sheets.push(Sheet { name: name.to_owned(), file: path.display().to_string(), text });
    }
    Ok(sheets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_holds_nothing() {
        assert_eq!(in_folder(Path::new("/nonexistent/devices"), "toml").unwrap(), []);
    }

    #[test]
    fn only_toml_files_are_sheets() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.toml"), "x = 1").unwrap();
        std::fs::write(folder.path().join("notes.txt"), "").unwrap();
        let names: Vec<_> = in_folder(folder.path(), "toml").unwrap().into_iter().map(|sheet| sheet.name).collect();
        assert_eq!(names, ["a"]);
    }
}
