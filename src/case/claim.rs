//! One writer at a time: who appends to a case holds the lock file beside it, while others may read.
//!
//! The lock is the operating system's, so it ends with the program that holds it, however that ends; a lock file left behind means nothing.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The right to append to a case.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    /// Locked until it is closed.
    _file: File,
}

impl Claim {
    /// `None` if another program has it.
    pub fn take(case: &Path) -> io::Result<Option<Self>> {
        let mut path = case.as_os_str().to_owned();
        path.push("-lock");
        let path = PathBuf::from(path);
        loop {
            let file = File::options().create(true).append(true).open(&path)?;
            match file.try_lock() {
                // Its last holder may have taken the file away between opening and locking.
                Ok(()) if is_at(&file, &path) => return Ok(Some(Self { path, _file: file })),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Left behind it does no harm.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |found: fs::Metadata| (found.dev(), found.ino());
    matches!((file.metadata().map(place), fs::metadata(path).map(place)), (Ok(held), Ok(there)) if held == there)
}

/// Elsewhere a file that is open cannot be taken away.
#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_it_and_the_next_gets_it_after() {
        let folder = tempfile::tempdir().unwrap();
        let case = folder.path().join("a.case");
        let first = Claim::take(&case).unwrap().unwrap();
        assert!(Claim::take(&case).unwrap().is_none());
        drop(first);
        assert!(Claim::take(&case).unwrap().is_some());
        assert!(!folder.path().join("a.case-lock").exists());
    }

    #[test]
    fn a_lock_file_left_behind_means_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.case-lock"), "").unwrap();
        assert!(Claim::take(&folder.path().join("a.case")).unwrap().is_some());
    }

    #[test]
    fn of_many_at_once_one_gets_it() {
        let folder = tempfile::tempdir().unwrap();
        let case = folder.path().join("a.case");
        for _ in 0..20 {
            let takers: Vec<_> = (0..8)
                .map(|_| {
                    std::thread::spawn({
                        let case = case.clone();
                        move || Claim::take(&case).unwrap()
                    })
                })
                .collect();
            let taken: Vec<_> = takers.into_iter().map(|taker| taker.join().unwrap()).collect();
            assert_eq!(taken.iter().flatten().count(), 1);
        }
    }
}
