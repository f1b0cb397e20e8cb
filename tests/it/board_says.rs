//! What campaigns read of option bytes, OTP and the upgrade service: it is told in words, and it weighs in the verdict.

use std::path::Path;

use tempfile::TempDir;

use crate::program::{Answer, answer, flakescope};

/// The case goes into a folder of the test.
fn run(board: &str, recipe: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let ran = run_into(&folder.path().join("run.case"), board, recipe);
    (ran.code, in_one_line(&ran.out))
}

fn run_into(case: &Path, board: &str, recipe: &str) -> Answer {
    let mut command = flakescope();
    command.args(["run", "--headless", "--virtual", board, "--recipe", recipe, "--boots", "6", "--cycles", "2"]);
    answer(command.arg("--case").arg(case))
}

fn folder_with(name: &str, content: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    (folder, path.to_str().unwrap().to_owned())
}

/// Sentences wrap at the width of the page.
fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn assert_says(out: &str, all: &[&str]) {
    for words in all {
        assert!(out.contains(words), "`{words}` is missing: {out}");
    }
}

/// Over DFU alone a level that was set and one that torn option bytes force look the same.
#[test]
fn torn_option_bytes_stand_beside_read_out_protection_and_what_tells_them_apart_is_named() {
    let (code, out) = run("l476-torn-options", "option-bytes");
    assert_eq!(code, Some(1));
    assert_says(
        &out,
        &[
            "FAULT Not decided;",
            "[rdp-level-1]",
            "[option-bytes-torn]",
            "protected at option-bytes, errVENDOR after LIBUSB_ERROR_PIPE, at 0x1FFF7800 in alternate setting 1 (Option Bytes), last state dfuERROR",
            "went well in the same boots: enumerate, descriptors, layout, status",
        ],
    );
    let next = out.split("NEXT 1. ").nth(1).unwrap();
    assert!(next.starts_with("Read the option-byte area itself over SWD"), "{next}");
}

/// Nothing of the kind is known of this part, so that its answer has one meaning.
#[test]
fn protection_of_a_part_that_does_not_close_itself_is_still_decided() {
    let (_, out) = run("f407-rdp1", "dfu-read");
    assert_says(&out, &["Decided: read-out protection level 1"]);
    assert!(!out.contains("option-bytes-torn"), "{out}");
}

#[test]
fn damage_that_can_be_read_is_told_with_its_place_and_its_fields_are_not_believed() {
    let (_folder, board) = folder_with(
        "board.toml",
        "text = \"A word lost two bits.\"\npart = \"STM32L476RGT6\"\nrom = \"l47x-v10\"\ncrystal-mhz = 8.0\n\
          [mechanism.option-mismatch]\naddress = 0x1FFF7800\nbits = 0x00300000\n",
    );
    let (_, out) = run(&board, "option-bytes");
    assert_says(&out, &["READ FROM THE BOARD", "Option bytes and their complements differ: 0x1FFF7800:"]);
    assert!(!out.contains("RDP ="), "{out}");
}

#[test]
fn the_state_of_the_upgrade_service_and_its_preconditions_come_out_as_sentences() {
    let (code, out) = run("healthy-wb55", "fus-state");
    assert_eq!(code, Some(0));
    assert_says(
        &out,
        &[
            "The upgrade service answered FUS_IDLE with NO_ERROR (0x00, 0x00)",
            "The option bytes allow work on the upgrade service: RDP is at level 0",
            "BOOT0 high at reset enters the ROM (nSWBOOT0 1)",
            "SFSA is 0xF4: an image has to end below 0x080F4000",
            "SBRV lets the coprocessor start at offset 0xF4000 of flash",
            "IPCCDBA puts the mailbox at 0x20030000",
        ],
    );
}

#[test]
fn option_bytes_and_otp_of_a_sound_board_are_told_in_every_report() {
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("f407.case");
    let out = run_into(&case, "healthy-f407", "dfu-read").out;
    let told = ["RDP = 0xAA: level 0.", "OTP at 0x1FFF7800: 0 of 16 blocks hold data, 0 are locked for ever."];
    assert_says(&in_one_line(&out), &told);
    for kind in ["md", "html"] {
        let report = folder.path().join(format!("f407.{kind}"));
        let written = answer(flakescope().arg("report").arg(&case).arg("--out").arg(&report));
        assert_eq!(written.code, Some(0), "{written:?}");
        let report = std::fs::read_to_string(report).unwrap();
        assert_says(&in_one_line(&report), &["Read from the board", "0 of 16 blocks hold data"]);
    }
}

/// The board is sound, and what runs on its coprocessor is told.
#[test]
fn a_wireless_stack_that_runs_in_place_of_the_service_is_told() {
    let (_folder, board) = folder_with(
        "board.toml",
        "text = \"A stack runs.\"\npart = \"STM32WB55RGV6\"\nrom = \"wb55\"\n[coprocessor]\nstack-page = 199\n\
         stack-runs = true\n",
    );
    let (code, out) = run(&board, "fus-state");
    assert_eq!(code, Some(0));
    let told =
        ["The upgrade service does not run: the last of 2 requests", "the FUS does not run: the wireless stack does"];
    assert_says(&out, &told);
}
