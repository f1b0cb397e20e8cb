//! The root below which `/sys`, `/dev` and `/proc` are read, so that tests can build a computer of their own.

use std::fs;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SysRoot {
    root: PathBuf,
}

impl Default for SysRoot {
    fn default() -> Self {
        Self::at("/")
    }
}

impl SysRoot {
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// `place` is given without its leading slash.
    pub fn path(&self, place: impl AsRef<Path>) -> PathBuf {
        self.root.join(place)
    }

    pub fn usb_devices(&self) -> PathBuf {
        self.path("sys/bus/usb/devices")
    }
}

/// The text of a sysfs attribute without its newline; absent if it is not there or not readable.
pub fn attribute(folder: &Path, name: &str) -> Option<String> {
    let bytes = fs::read(folder.join(name)).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let trimmed = text.trim_end_matches(['\n', '\0']);
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}

/// The last part of where a sysfs link points to, for example the name of a driver.
pub fn link_name(folder: &Path, name: &str) -> Option<String> {
    let target = fs::read_link(folder.join(name)).ok()?;
    Some(target.file_name()?.to_string_lossy().into_owned())
}

/// The names of the entries of a folder, sorted; none if it cannot be read.
pub fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> =
        entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect();
    names.sort();
    names
}
