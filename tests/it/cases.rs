//! Cases that are continued, merged and compared: whose they are, and which of them is which.

use std::path::Path;

use crate::program::{Answer, answer, flakescope};

fn in_folder(folder: &Path, args: &[&str]) -> Answer {
    answer(flakescope().current_dir(folder).args(args))
}

fn run(folder: &Path, board: &str, case: &str, more: &[&str]) -> Answer {
    let run = ["run", "--headless", "--boots", "2", "--cycles", "1", "--virtual", board, "--case", case];
    in_folder(folder, &[&run[..], more].concat())
}

#[test]
fn a_case_is_continued_on_its_own_part_and_link_only() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(folder.path(), "healthy-f407", "a.case", &[]).code, Some(0));
    let other_part = ["it holds campaigns on STM32F407VGT6, and this board is STM32F429ZIT6", "a case of its own"];
    run(folder.path(), "healthy-f429", "a.case", &[]).refused(2, &other_part);
    run(folder.path(), "healthy-f407", "a.case", &["--link", "swd"])
        .refused(2, &["over DFU, and this one goes over SWD"]);
    assert_eq!(run(folder.path(), "healthy-f407", "a.case", &["--vary", "transfer-size=2048,64"]).code, Some(0));
    // Another board of the same design goes with it, and the verdict says so.
    let neighbour = run(folder.path(), "f407-brown-out-3", "a.case", &[]);
    assert!(neighbour.out.contains("2 serial numbers are in this case"), "{neighbour:?}");
}

#[test]
fn a_merged_case_says_what_it_mixes() {
    let folder = tempfile::tempdir().unwrap();
    for (board, case, link) in [("healthy-f407", "a.case", "dfu"), ("healthy-f429", "b.case", "swd")] {
        assert_eq!(run(folder.path(), board, case, &["--link", link]).code, Some(0));
    }
    let merged = in_folder(folder.path(), &["merge", "a.case", "b.case", "--out", "both.case"]);
    let diagnosed = in_folder(folder.path(), &["diagnose", "both.case"]);
    let told = diagnosed.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(merged.code, Some(0), "{merged:?}");
    for words in
        ["Several parts are in this case (STM32F407VGT6, STM32F429ZIT6)", "2 serial numbers", "over DFU and SWD"]
    {
        assert!(merged.err.contains(words) && told.contains(words), "`{words}`: {merged:?} {told}");
    }
}

#[test]
fn a_case_is_not_merged_or_compared_with_itself() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(folder.path(), "healthy-f407", "a.case", &[]).code, Some(0));
    in_folder(folder.path(), &["merge", "a.case", "./a.case", "--out", "both.case"])
        .refused(2, &["./a.case is given twice"]);
    assert!(!folder.path().join("both.case").exists());
    in_folder(folder.path(), &["compare", "a.case", "./a.case"]).refused(2, &["compared with itself shows nothing"]);
}
