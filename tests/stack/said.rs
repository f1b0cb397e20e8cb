//! What a case printed in the guest, and how it is judged.

use std::path::PathBuf;

/// The output of one case.
pub struct Said {
    pub code: i32,
    pub text: String,
}

pub type Judged = Result<(), String>;

impl Said {
    pub fn code(&self, code: i32) -> Judged {
        if self.code == code { Ok(()) } else { Err(format!("exit code {} instead of {code}", self.code)) }
    }

    pub fn has(&self, words: &str) -> Judged {
        if self.text.contains(words) { Ok(()) } else { Err(format!("`{words}` is not there")) }
    }

    pub fn all(&self, several: &[&str]) -> Judged {
        several.iter().try_for_each(|words| self.has(words))
    }

    /// At least so often.
    pub fn times(&self, count: usize, words: &str) -> Judged {
        let found = self.text.matches(words).count();
        if found >= count { Ok(()) } else { Err(format!("`{words}` is there {found} times instead of {count}")) }
    }

    /// What follows `KEY ` on the first line that begins with it.
    pub fn value(&self, key: &str) -> Result<&str, String> {
        let of_line = |line: &'_ str| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(' '));
        let line = self.text.lines().find(|line| of_line(line)).ok_or_else(|| format!("no line `{key} ...`"))?;
        Ok(line[key.len()..].trim())
    }
}

/// Compares with a file of `tests/stack/golden`, or writes it where `FLAKESCOPE_UPDATE` is set.
pub fn golden(name: &str, text: &str) -> Judged {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/stack/golden").join(name);
    same_as_file(&path, text)
}

pub fn same_as_file(path: &std::path::Path, text: &str) -> Judged {
    if std::env::var_os("FLAKESCOPE_UPDATE").is_some() {
        return std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()));
    }
    let known = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    if known == text {
        return Ok(());
    }
    Err(format!(
        "{} says otherwise (FLAKESCOPE_UPDATE=1 writes it anew):\n{known}--- instead of\n{text}",
        path.display()
    ))
}
