//! One program at a time per probe: a lock file that the kernel frees when its holder ends, however it ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Held as long as it lives.
#[derive(Debug)]
pub struct ProbeLock {
    _file: File,
}

/// Why the probe is not ours.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("another flakescope holds this probe (process {0})")]
    Held(String),
    #[error("the lock file {} cannot be used: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
}

impl ProbeLock {
    /// The probe is named by its serial number, or by its place where it has none.
    pub fn take(folder: &Path, probe: &str) -> Result<Self, LockError> {
        let name: String = probe.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let path = folder.join(format!("flakescope-probe-{name}.lock"));
        let refuse = |error| LockError::File { path: path.clone(), error };
        let mut file = open(&path).map_err(refuse)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The number is a courtesy; the lock itself is what counts.
                let _ = (&mut file).take(16).read_to_string(&mut holder);
                return Err(LockError::Held(holder.trim().to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(refuse(error)),
        }
        // The file of another user can be locked and not written; it then names an earlier holder, or nobody.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }

    /// The user's own folder for things that end with the session, or the one for temporary files.
    pub fn usual_folder() -> PathBuf {
        std::env::var_os("XDG_RUNTIME_DIR")
            .map(PathBuf::from)
            .filter(|folder| fs::metadata(folder).is_ok_and(|folder| folder.is_dir()))
            .unwrap_or_else(std::env::temp_dir)
    }
}

/// The file that another user left can only be read, which is enough for a lock.
fn open(path: &Path) -> io::Result<File> {
    match OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => File::open(path),
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_who_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let first = ProbeLock::take(folder.path(), "066DFF/../x").unwrap();
        let refusal = ProbeLock::take(folder.path(), "066DFF/../x").unwrap_err().to_string();
        assert!(refusal.contains(&std::process::id().to_string()), "{refusal}");
        assert!(ProbeLock::take(folder.path(), "another").is_ok());
        drop(first);
        assert!(ProbeLock::take(folder.path(), "066DFF/../x").is_ok());
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let refusal = ProbeLock::take(Path::new("/nonexistent"), "A").unwrap_err().to_string();
        assert!(refusal.contains("/nonexistent/flakescope-probe-A.lock"), "{refusal}");
    }
}
