//! The one TOML loader: every profile of every kind is read here, so that every mistake is reported the same way.

use std::path::Path;

use serde::de::DeserializeOwned;

/// A mistake in a profile, with where it is and the nearest thing that would be right.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    #[error("{file}:{line}: {message}{}", hint.as_deref().map(|hint| format!("; {hint}")).unwrap_or_default())]
    Malformed { file: String, line: usize, message: String, hint: Option<String> },
    #[error("{file}: cannot be read: {source}")]
    Unreadable { file: String, source: std::io::Error },
}

/// Reads a profile from a file. Unknown keys are errors where the type says `deny_unknown_fields`.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T, ProfileError> {
    let file = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&file, &text),
        Err(source) => Err(ProfileError::Unreadable { file, source }),
    }
}

/// Reads a profile from text that came from `file`.
pub fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, ProfileError> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        let message = error.message().trim().to_owned();
        ProfileError::Malformed { file: file.to_owned(), line, hint: hint_for(&message), message }
    })
}

/// A mistake that parsing cannot see, such as a name that is defined nowhere. `needle` is found in the text to tell the line.
pub fn refuse(file: &str, text: &str, needle: &str, message: String, hint: Option<String>) -> ProfileError {
    let line = text.find(needle).map_or(1, |offset| line_of(text, offset));
    ProfileError::Malformed { file: file.to_owned(), line, message, hint }
}

/// The same for a key inside a table: `keys` leads there from the outside, each looked for after the one before.
pub fn refuse_at(file: &str, text: &str, keys: &[&str], message: String, hint: Option<String>) -> ProfileError {
    refuse_after(file, text, 0, keys, message, hint)
}

/// The same where the outermost key is looked for behind an offset.
pub fn refuse_after(
    file: &str,
    text: &str,
    offset: usize,
    keys: &[&str],
    message: String,
    hint: Option<String>,
) -> ProfileError {
    let offset = keys.iter().fold(offset, |from, key| from + place_of(&text[from..], key).unwrap_or(0));
    ProfileError::Malformed { file: file.to_owned(), line: line_of(text, offset), message, hint }
}

/// Where a key stands by itself, not as a part of a longer one.
fn place_of(text: &str, key: &str) -> Option<usize> {
    let is_part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let alone = |at: &usize| !text[..*at].ends_with(is_part) && !text[at + key.len()..].starts_with(is_part);
    text.match_indices(key).map(|(at, _)| at).find(alone)
}

/// Counted from 1.
pub fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|&byte| byte == b'\n').count() + 1
}

/// Serde names the unknown key or variant and lists the valid ones in backquotes; the nearest of them is the likely intention.
fn hint_for(message: &str) -> Option<String> {
    if !message.starts_with("unknown field") && !message.starts_with("unknown variant") {
        return None;
    }
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = quoted.next()?;
    nearest(unknown, quoted).map(|name| format!("did you mean `{name}`?"))
}

/// The candidate most similar to what was written, if any is similar at all.
pub fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(written, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    struct Crystal {
        #[expect(dead_code, reason = "only the key matters here")]
        fitted_mhz: f64,
    }

    #[test]
    fn a_typo_names_file_line_and_nearest_key() {
        let error = parse::<Crystal>("board.toml", "# a board\nfited-mhz = 25.0\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "board.toml:2: unknown field `fited-mhz`, expected `fitted-mhz`; did you mean `fitted-mhz`?"
        );
    }

    #[test]
    fn a_wrong_type_names_its_line() {
        let error = parse::<Crystal>("board.toml", "\n\nfitted-mhz = \"fast\"\n").unwrap_err();
        assert!(error.to_string().starts_with("board.toml:3: invalid type"), "{error}");
    }

    #[test]
    fn a_key_is_found_inside_its_table_and_not_inside_a_longer_one() {
        let text = "[a]\nevery-s = 1\n[b]\nnot-every-s = 2\nevery-s = 3\n";
        let line = |keys: &[&str]| {
            let error = refuse_at("f", text, keys, "no".to_owned(), None).to_string();
            error.split(':').nth(1).unwrap().to_owned()
        };
        assert_eq!((line(&["a", "every-s"]), line(&["b", "every-s"])), ("2".to_owned(), "5".to_owned()));
    }

    #[test]
    fn nothing_similar_gives_no_hint() {
        assert_eq!(nearest("zzz", ["fitted-mhz"]), None);
    }
}
