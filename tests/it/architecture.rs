//! Keeps the table of rooms in ARCHITECTURE.md true: a room imports only rooms above it, and one room owns each library.

use std::fs;
use std::path::{Path, PathBuf};

/// From top to bottom.
const ROOMS: [&str; 18] = [
    "observation",
    "timebase",
    "clock",
    "dfu",
    "swd",
    "profile",
    "host",
    "bench",
    "link",
    "campaign",
    "case",
    "readers",
    "evidence",
    "diagnosis",
    "investigation",
    "report",
    "tui",
    "cli",
];

const ONLY_IMPORTERS: [(&str, &[&str]); 13] = [
    ("toml::", &["profile"]),
    ("rusb::", &["link"]),
    ("probe_rs::", &["link"]),
    ("nusb::", &["link"]),
    ("tracing::", &["link"]),
    ("bitvec::", &["link"]),
    ("rusqlite::", &["case"]),
    ("statrs::", &["evidence"]),
    ("csv::", &["report"]),
    ("maud::", &["report"]),
    ("ratatui::", &["tui"]),
    ("crossterm::", &["tui"]),
    ("clap::", &["cli"]),
];

#[test]
fn a_room_imports_only_rooms_above_it() {
    let mut wrong = Vec::new();
    for (file, room, text) in sources() {
        let Some(place) = ROOMS.iter().position(|name| *name == room) else { continue };
        for below in &ROOMS[place + 1..] {
            for (number, line) in text.lines().enumerate() {
                if line.contains(&format!("crate::{below}::")) || line.contains(&format!("use crate::{below};")) {
                    wrong.push(format!("{}:{}: {room} imports {below}", file.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_folder_of_the_source_is_a_room() {
    for (file, room, _) in sources() {
        assert!(ROOMS.contains(&room.as_str()), "{} lies in no room", file.display());
    }
}

#[test]
fn one_room_owns_each_library() {
    let mut wrong = Vec::new();
    for (file, room, text) in sources() {
        for (library, owners) in ONLY_IMPORTERS {
            let mentions = |line: &str| !line.trim_start().starts_with("//") && mentions_path(line, library);
            if !owners.contains(&room.as_str()) && text.lines().any(mentions) {
                wrong.push(format!("{} uses {library}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_timebase_reads_a_clock_or_sleeps() {
    let mut wrong = Vec::new();
    for (file, room, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            let reads_a_clock =
                ["Instant::now", "SystemTime::now", "thread::sleep"].iter().any(|call| line.contains(call));
            if room != "timebase" && reads_a_clock {
                wrong.push(format!("{}:{}", file.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn diagnosis_never_reads_the_virtual_boards() {
    let causes = fs::read_dir(root().join("profiles/causes")).unwrap().map(|entry| entry.unwrap().path());
    let diagnosis = sources().into_iter().filter(|(_, room, _)| room == "diagnosis").map(|(file, ..)| file);
    for file in causes.chain(diagnosis) {
        let text = fs::read_to_string(&file).unwrap();
        for word in ["crate::bench", "profiles/benches", "tests/evaluation"] {
            assert!(!text.contains(word), "{} mentions {word}", file.display());
        }
    }
}

#[test]
fn no_file_is_longer_than_800_lines() {
    for (file, _, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= 800, "{} has {lines} lines", file.display());
    }
}

/// A path of the library, not one that merely ends alike (`my_csv::`).
fn mentions_path(line: &str, library: &str) -> bool {
    line.match_indices(library).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `src` that lies in a room: path, room, text.
fn sources() -> Vec<(PathBuf, String, String)> {
    let src = root().join("src");
    let mut folders = vec![src.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if folder != src && path.extension().is_some_and(|extension| extension == "rs") {
                let room = path.strip_prefix(&src).unwrap().components().next().unwrap();
                let room = room.as_os_str().to_str().unwrap().to_owned();
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, room, text));
            }
        }
    }
    assert!(!found.is_empty());
    found
}
