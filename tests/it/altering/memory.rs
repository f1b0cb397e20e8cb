//! Scratch sectors and option bytes: written, verified, and back as they were.

use super::bench::{Bench, lines, states, verdict};

const SECTOR: u32 = 0x0800_C000;
const LENGTH: u32 = 0x4000;
const OPTIONS: u32 = 0x1FFF_8000;

#[test]
fn a_scratch_sector_is_written_verified_and_put_back() {
    let bench = Bench::new("healthy-f407");
    let first = bench.alter("write-verify", &["--scratch", "0x0800C010"]);
    assert_eq!(first.code, Some(0), "{first:?}");
    assert!(first.err.contains("Scratch: 0x0800C000, 16384 bytes; saved in the case first"), "{first:?}");
    let before = bench.flash(SECTOR, LENGTH);
    assert_eq!(before.len(), 8, "every page of the sector was written");
    assert!(before.iter().any(|(_, page)| page.bytes().any(|digit| digit != b'f')), "it held an application");
    let second = bench.alter("write-verify", &["--scratch", "0x0800C000", "--cycles", "3", "--seed", "9"]);
    assert_eq!((second.code, bench.flash(SECTOR, LENGTH)), (Some(0), before), "{second:?}");
    assert_eq!(states(&bench.journal()), [] as [&str; 0]);
    assert_eq!(verdict(&second)["verdict"], "clean");
}

/// Each has a ROM of another kind; that of the H743 stays busy after an erase until it is led out.
#[test]
fn every_healthy_board_takes_and_gives_back_a_sector() {
    let boards = [("f072", "0x08010000"), ("f407", "0x0800C000"), ("f429", "0x0800C000"), ("f767", "0x08010000")];
    let newer = [("h743", "0x08020000"), ("l476", "0x08010000"), ("wb55", "0x08010000")];
    for (board, scratch) in boards.into_iter().chain(newer) {
        let answer = Bench::new(&format!("healthy-{board}")).alter("write-verify", &["--scratch", scratch]);
        assert_eq!((answer.code, &verdict(&answer)["verdict"]), (Some(0), &"clean".into()), "{board}: {answer:?}");
    }
}

#[test]
fn a_write_protected_sector_fails_at_reading_back_and_keeps_what_it_holds() {
    let bench = Bench::described(
        "text = \"An STM32F407 with a protected sector.\"\npart = \"STM32F407VGT6\"\nrom = \"f40x-v9\"\ncrystal-mhz = 8.0\n\
         [[write-protected]]\naddress = 0x0800C000\nlength-bytes = 0x4000\n",
    );
    let answer = bench.alter("write-verify", &["--scratch", "0x0800C000"]);
    assert_eq!(answer.code, Some(1), "{answer:?}");
    let verdict = verdict(&answer);
    let failure = &verdict["failures"][0];
    assert_eq!((failure["class"].as_str(), failure["phase"].as_str()), (Some("write-protected"), Some("verify")));
    assert!(super::bench::causes(&verdict).iter().take(3).any(|cause| cause == "write-protection"), "{verdict}");
    let journal = bench.journal();
    let phases: Vec<_> = lines(&journal).into_iter().map(|(phase, _)| phase).collect();
    assert_eq!(phases, ["erase", "write"], "after the first surprise nothing but the way back is tried");
    assert_eq!(states(&journal), [] as [&str; 0], "what was put back reads as it was before");
}

#[test]
fn option_bytes_are_set_verified_after_the_reset_and_restored() {
    let bench = Bench::new("wb55-with-stack");
    let case = bench.text_path("board.case");
    let set = bench.answer(&["option-bytes", "set", "BOR_LEV=4", "--case", &case, "--write", "--confirm", "1-1"]);
    assert_eq!(set.code, Some(0), "{set:?}");
    assert!(set.err.contains("BOR_LEV      0x0 -> 0x4"), "{set:?}");
    assert!(set.out.contains("it reads back as it should"), "{set:?}");
    let changed = bench.option_bytes(OPTIONS).unwrap();
    assert!(changed.starts_with("aaf9ff3d5506"), "{changed}");
    assert_eq!(states(&bench.journal()), [] as [&str; 0]);
    let again = bench.answer(&["option-bytes", "set", "BOR_LEV=4", "--case", &case, "--write", "--confirm", "1-1"]);
    assert!(again.code == Some(0) && again.err.contains("every field has that value already"), "{again:?}");
    let restore = bench.answer(&["option-bytes", "restore", &case, "--write", "--confirm", "1-1"]);
    assert_eq!(restore.code, Some(0), "{restore:?}");
    assert!(bench.option_bytes(OPTIONS).unwrap().starts_with("aaf1ff3d550e"));
}

#[test]
fn option_bytes_go_back_to_what_they_were_before_the_first_change_and_stay_there() {
    let bench = Bench::new("healthy-f407");
    let case = bench.text_path("board.case");
    let confirmed = ["--write", "--confirm", "1-1"];
    for level in ["BOR_LEV=0", "BOR_LEV=1"] {
        let set = bench.answer(&[&["option-bytes", "set", level, "--case", &case][..], &confirmed].concat());
        assert_eq!(set.code, Some(0), "{set:?}");
    }
    let restore = || bench.answer(&[&["option-bytes", "restore", &case][..], &confirmed].concat());
    let first = restore();
    assert!(first.code == Some(0) && first.err.contains("BOR_LEV      0x1 -> 0x3"), "{first:?}");
    let second = restore();
    assert!(second.code == Some(0) && second.err.contains("every field has that value already"), "{second:?}");
}

#[test]
fn what_one_board_held_is_not_written_to_another() {
    let own = Bench::new("healthy-f407");
    let case = own.text_path("board.case");
    let set = own.answer(&["option-bytes", "set", "BOR_LEV=0", "--case", &case, "--write", "--confirm", "1-1"]);
    assert_eq!(set.code, Some(0), "{set:?}");
    let other = Bench::new("healthy-f429");
    let words = ["STM32F407VGT6, serial 325E35633334", "this board is STM32F429ZIT6, serial 347E36633336"];
    other.answer(&["option-bytes", "restore", &case, "--write", "--confirm", "1-1"]).refused(2, &words);
    for recipe in ["scratch-restore", "write-verify"] {
        let run = ["run", "--headless", "--recipe", recipe, "--scratch", "0x0800C000", "--case", &case];
        other.answer(&[&run[..], &["--write", "--confirm", "1-1"]].concat()).refused(2, &words[..1]);
    }
    assert_eq!(other.memory(), None, "nothing of it was altered");
    let swd =
        ["option-bytes", "restore", &case, "--link", "swd", "--virtual", "healthy-f407", "--write", "--confirm", "x"];
    crate::program::answer(crate::program::flakescope().args(swd)).refused(2, &["keeps no option bytes of 0x40023C14"]);
}
