//! Every gate is tried, and holds: nothing reaches the board's memory.

use super::bench::Bench;
use crate::program::{answer, flakescope};

const IMAGE: [&str; 2] = ["--image-address", "0x08053000"];

fn untouched(bench: &Bench) {
    assert!(bench.memory().is_none(), "the board's memory was altered");
}

#[test]
fn without_write_nothing_is_even_looked_at() {
    let bench = Bench::new("healthy-f407");
    let case = bench.text_path("board.case");
    let run = ["run", "--headless", "--recipe", "write-verify", "--scratch", "0x0800C000", "--case", &case];
    bench.answer(&run).refused(2, &["--write was not given", "nothing was changed"]);
    assert!(!bench.path("board.case").exists());
    bench.answer(&["option-bytes", "set", "BOR_LEV=0", "--case", &case]).refused(2, &["--write was not given"]);
    untouched(&bench);
}

#[test]
fn without_a_confirmed_board_nothing_is_written() {
    let bench = Bench::new("healthy-f407");
    let case = bench.text_path("board.case");
    let run = ["run", "--headless", "--recipe", "write-verify", "--scratch", "0x0800C000", "--case", &case, "--write"];
    bench.answer(&run).refused(2, &["was not confirmed", "--confirm ID"]);
    for wrong in ["1-2", "357236543131", "1-1.1", "f407"] {
        let confirmed = [&run[..], &["--confirm", wrong]].concat();
        bench.answer(&confirmed).refused(2, &["is not this board", "port 1-1"]);
    }
    let set = ["option-bytes", "set", "BOR_LEV=0", "--case", &case, "--write", "--confirm", "1-9"];
    bench.answer(&set).refused(2, &["is not this board"]);
    untouched(&bench);
}

#[test]
fn what_cannot_be_taken_back_is_refused() {
    let wb55 = Bench::new("wb55-with-stack");
    for (field, words) in [
        ("RDP=0xCC", "level 2 is for ever"),
        ("RDP=0xBB", "leaving level 1 erases the flash"),
        ("SFSA=0x10", "belongs to the coprocessor"),
        ("ESE=0", "belongs to the coprocessor"),
        ("nBOOT1=0", "the ROM could not be entered"),
    ] {
        let case = wb55.text_path("board.case");
        let set = ["option-bytes", "set", field, "--case", &case, "--write", "--confirm", "1-1"];
        wb55.answer(&set).refused(2, &[words]);
    }
    untouched(&wb55);
}

#[test]
fn otp_and_what_is_no_flash_are_out_of_reach() {
    let bench = Bench::new("healthy-f407");
    for scratch in ["0x1FFF7800:512", "0x1FFFC000:16", "0x20000000:1024", "0x08100000:1024"] {
        bench.alter("write-verify", &["--scratch", scratch]).refused(2, &["is not inside the board's flash"]);
    }
    untouched(&bench);
}

#[test]
fn a_protected_board_is_not_written() {
    let bench = Bench::described(
        "text = \"An STM32F407 with its read-out protection on.\"\npart = \"STM32F407VGT6\"\nrom = \"f40x-v9\"\n\
         crystal-mhz = 8.0\nread-out-protected = true\n",
    );
    let refused = bench.alter("write-verify", &["--scratch", "0x0800C000"]);
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert!(refused.err.contains("could not be looked at before altering it"), "{refused:?}");
    untouched(&bench);
}

#[test]
fn an_image_that_cannot_go_in_is_refused_before_anything_is_deleted() {
    let bench = Bench::new("wb55-with-stack");
    let image = bench.image(&["--address", "0x08053000", "--size", "8192"]);
    let unchecked = [&["--image", image.as_str()][..], &IMAGE].concat();
    bench.alter("fus-upgrade", &unchecked).refused(2, &["cannot be checked without --part and --release"]);
    let wrong = [&unchecked[..], &["--release", "1.20.0"]].concat();
    bench.alter("fus-upgrade", &wrong).refused(2, &["release 1.20.0 wants it at 0x0805A000", "nothing was changed"]);
    bench.alter("fus-upgrade", &[]).refused(2, &["it needs an image"]);
    bench.alter("write-verify", &[]).refused(2, &["it needs a sector"]);
    untouched(&bench);
}

#[test]
fn a_campaign_that_leads_itself_never_alters() {
    let bench = Bench::new("healthy-f407");
    let refused = bench.alter("write-verify", &["--scratch", "0x0800C000", "--guided"]);
    refused.refused(2, &["is never among them"]);
    untouched(&bench);
}

#[test]
fn no_key_of_the_screen_alters() {
    let keys = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/profiles/keys/default.toml")).unwrap();
    for word in ["write", "erase", "alter", "fus", "option"] {
        assert!(!keys.contains(word), "{word}");
    }
}

/// Over SWD the silicon's own number confirms the board.
#[test]
fn option_bytes_are_set_over_swd_behind_the_same_gate() {
    let set = |more: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        let case = folder.path().join("board.case");
        let given = ["option-bytes", "set", "BOR_LEV=1", "--link", "swd", "--virtual", "healthy-f407", "--case"];
        answer(flakescope().args(given).arg(case).args(more))
    };
    set(&[]).refused(2, &["--write was not given"]);
    set(&["--write"]).refused(2, &["type its serial number"]);
    set(&["--write", "--confirm", "1-1"]).refused(2, &["`1-1` is not this board: serial"]);
    let shown = set(&["--write", "--confirm", "x"]).err;
    let serial = shown.split("serial ").nth(1).unwrap().split([';', ',']).next().unwrap().to_owned();
    let done = set(&["--write", "--confirm", &serial]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(
        done.err.contains("BOR_LEV      0x3 -> 0x1") && done.err.contains("register 0x40023C14, 4 bytes"),
        "{done:?}"
    );
    assert!(done.out.starts_with("written, and after the reset it reads back as it should"), "{done:?}");
    for (field, board, words) in
        [("RDP=0xCC", "healthy-f407", "RDP cannot be changed here"), ("BOR_LEV=1", "healthy-h743", "over SWD")]
    {
        let folder = tempfile::tempdir().unwrap();
        let case = folder.path().join("board.case");
        let given =
            ["option-bytes", "set", field, "--link", "swd", "--virtual", board, "--write", "--confirm", "x", "--case"];
        let refused = answer(flakescope().args(given).arg(case));
        assert!(refused.code != Some(0) && refused.err.contains(words), "{refused:?}");
    }
}

/// A board whose register holds something else than the case has saved gets the saved word back.
#[test]
fn option_bytes_are_restored_over_swd() {
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("board.case");
    let serial_of = |answer: &crate::program::Answer| {
        answer
            .err
            .split("is not this board: serial ")
            .nth(1)
            .map(|rest| rest.split([';', ',']).next().unwrap().to_owned())
    };
    let set = |confirm: &str| {
        let given =
            ["option-bytes", "set", "BOR_LEV=1", "--link", "swd", "--virtual", "healthy-f407", "--write", "--case"];
        answer(flakescope().args(given).arg(&case).args(["--confirm", confirm]))
    };
    let serial = serial_of(&set("x")).unwrap();
    assert_eq!(set(&serial).code, Some(0));
    // The same board with another brown-out level, and a neighbour with that level.
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/profiles/benches/f407-brown-out-3.toml"));
    let level_3 = text.lines().filter(|line| !line.starts_with("uid")).collect::<Vec<_>>().join("\n");
    let board = folder.path().join("level-3.toml");
    std::fs::write(&board, level_3).unwrap();
    let restore = |board: &str, confirm: &str| {
        let given = ["option-bytes", "restore", "--link", "swd", "--virtual", board, "--write"];
        answer(flakescope().args(given).arg(&case).args(["--confirm", confirm]))
    };
    restore("f407-brown-out-3", &serial)
        .refused(2, &["serial 325E35633334 held before", "this board is STM32F407VGT6"]);
    let done = restore(board.to_str().unwrap(), &serial);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.err.contains("BOR_LEV      0x0 -> 0x3"), "{done:?}");
}
