//! What bad input gets: a sentence that says what, where and what to do, the documented exit code, and no panic.

use std::fs;
use std::path::Path;

use super::program::{answer, flakescope};

const READ_A_CASE: [&[&str]; 3] = [&["diagnose"], &["report", "--out", "out.html"], &["report", "--out", "out.csv"]];

fn in_folder(folder: &Path, args: &[&str]) -> super::program::Answer {
    answer(flakescope().current_dir(folder).args(args))
}

#[test]
fn a_missing_case_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for command in READ_A_CASE {
        in_folder(folder.path(), &[command, &["gone.case"]].concat()).refused(4, &["error: ", "gone.case"]);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "a refusal left files behind");
}

#[test]
fn what_is_no_case_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let garbage: Vec<u8> = (0..9_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fs::write(folder.path().join("noise.case"), garbage).unwrap();
    fs::write(folder.path().join("empty.case"), "").unwrap();
    for name in ["noise.case", "empty.case"] {
        for command in READ_A_CASE {
            in_folder(folder.path(), &[command, &[name]].concat())
                .refused(4, &["error: ", name, "not a flakescope case"]);
        }
    }
}

#[test]
fn a_folder_is_no_case() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("a.case")).unwrap();
    in_folder(folder.path(), &["diagnose", "a.case"]).refused(4, &["error: ", "a.case"]);
}

#[test]
fn an_unknown_recipe_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["run", "--headless", "--virtual", "healthy-f407", "--recipe", "dfu-reed", "--case", "x.case"];
    in_folder(folder.path(), &args).refused(2, &["error: ", "dfu-reed", "dfu-read"]);
}
