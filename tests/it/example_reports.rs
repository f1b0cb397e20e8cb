//! The example reports in `reports/` are what the program writes today.
//!
//! `FLAKESCOPE_UPDATE=1 cargo test --test it example_reports` writes them anew; read the difference before you commit it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::program::flakescope;
use super::verdict_schema::assert_follows_schema;

/// A virtual board, how much of it, and the kinds of report.
const CAMPAIGNS: [(&str, &str, &[&str]); 3] = [
    ("f746-25mhz-warm-hsi", "1", &["html", "md", "json", "csv", "xml", "txt"]),
    ("f407-noisy-pair", "3", &["html", "md", "json"]),
    ("healthy-f407", "7", &["md", "json"]),
];

const REPORTS: [&str; 5] = [
    "h753-data-read-failed",
    "f746-option-bytes",
    "wb55-fus-write-error",
    "f411-stlink-communication",
    "f429-otp-address",
];

const TRIAGE_KINDS: [&str; 3] = ["html", "md", "json"];

#[test]
fn the_virtual_campaigns() {
    for (board, seed, kinds) in CAMPAIGNS {
        let folder = tempfile::tempdir().unwrap();
        let mut run = flakescope();
        run.env("SOURCE_DATE_EPOCH", "1790000000");
        run.current_dir(folder.path()).args(["run", "--headless", "--virtual", board, "--seed", seed]);
        run.args(["--case", &format!("{board}.case")]);
        for kind in kinds {
            run.args(["--report", &format!("{board}.{kind}")]);
        }
        finish(&mut run);
        for kind in kinds {
            let name = format!("{board}.{kind}");
            compare(&name, &fs::read_to_string(folder.path().join(&name)).unwrap());
        }
    }
}

#[test]
fn the_five_founding_reports() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/founding");
    for name in REPORTS {
        for kind in TRIAGE_KINDS {
            let mut triage = flakescope();
            triage.current_dir(&fixtures).args(["triage", &format!("{name}.txt"), "--format", kind]);
            compare(&format!("{name}.{kind}"), &finish(&mut triage));
        }
    }
}

#[test]
fn every_example_verdict_follows_the_schema() {
    for name in CAMPAIGNS.iter().map(|(board, ..)| board).chain(&REPORTS) {
        let text = fs::read_to_string(folder().join(format!("{name}.json"))).unwrap();
        assert_eq!(text.lines().count(), 1, "{name}");
        assert_follows_schema(&serde_json::from_str(&text).unwrap());
    }
}

/// Standard output of a command that ended with a verdict.
fn finish(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{command:?}: {:?}\n{errors}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn compare(name: &str, made: &str) {
    let file = folder().join(name);
    if std::env::var_os("FLAKESCOPE_UPDATE").is_some() {
        fs::create_dir_all(folder()).unwrap();
        fs::write(&file, made).unwrap();
        return;
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == made,
        "reports/{name} is not what the program writes today:\n  kept {}\n  made {}\n\
         FLAKESCOPE_UPDATE=1 cargo test --test it example_reports writes it anew",
        difference(&kept, made),
        difference(made, &kept)
    );
}

/// What `text` holds where it begins to differ from `other`.
fn difference<'a>(text: &'a str, other: &str) -> &'a str {
    let same = text.char_indices().zip(other.chars()).find(|((_, one), another)| one != another);
    let at = same.map_or(text.len().min(other.len()), |((at, _), _)| at);
    let rest = text.get(at..).unwrap_or_default();
    rest.char_indices().nth(120).map_or(rest, |(end, _)| &rest[..end])
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("reports")
}
