//! The virtual boards speak of physics: no board, ROM or mechanism carries the name of a cause, or diagnosis would be tested against itself.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_file()).collect()
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn boards_and_mechanisms_name_no_cause() {
    let causes: Vec<_> = files("profiles/causes").iter().map(|path| stem(path)).collect();
    assert!(causes.len() > 20);
    for folder in ["profiles/benches", "profiles/benches/roms", "src/bench/mechanism"] {
        for file in files(folder) {
            // In Rust a key `a-b` is the field or file `a_b`.
            let name = stem(&file).replace('_', "-");
            let text = fs::read_to_string(&file).unwrap().replace('_', "-");
            for cause in &causes {
                // A cause of one plain word is the thing itself, a watchdog, and may well occur.
                let named = name == *cause || text.contains(cause.as_str());
                assert!(!(cause.contains('-') && named), "{} names the cause {cause}", file.display());
            }
        }
    }
}

#[test]
fn every_mechanism_and_every_rom_tells_its_source() {
    for file in files("src/bench/mechanism").iter().filter(|file| stem(file) != "mod") {
        let text = fs::read_to_string(file).unwrap();
        let head: Vec<_> = text.lines().take_while(|line| line.starts_with("//!")).collect();
        let told = head.iter().any(|line| line.starts_with("//! Source"));
        assert!(told, "{} names no source at its head", file.display());
    }
}
