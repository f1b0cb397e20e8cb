//! `flakescope option-bytes`, `otp` and `fus` as a user meets them.

use assert_cmd::Command;

fn flakescope(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::cargo_bin("flakescope").unwrap();
    let output = command.env("FLAKESCOPE_PROFILES", "/nonexistent").args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn with(&self, name: &str, content: &[u8]) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

const GOOD_F4: [u32; 4] = [0x5500_AAFF, 0x5500_AAFF, 0xF000_0FFF, 0xF000_0FFF];
const DAMAGED_F4: [u32; 4] = [0x5500_AAFB, 0x5500_AAFF, 0xF001_0FFE, 0xF001_0FFE];

#[test]
fn option_bytes_are_told_in_words() {
    let files = Files::new();
    let good = files.with("good.bin", &words(&GOOD_F4));
    let (code, out, _) = flakescope(&["option-bytes", "show", &good, "--part", "STM32F407VG"]);
    assert_eq!(code, Some(0));
    insta::assert_snapshot!(out, @r"
    Option bytes of STM32F405/407/415/417
    ! BOR_LEV          0x3        off: only the power-on reset watches the supply, so a dip to 2 V can break USB and set no flag
      WDG_SW           0x1        the independent watchdog is started by software
      RDP              0xAA       level 0: no read-out protection
      WRP0             0xFFF      no write protection
    ");
}

#[test]
fn damaged_option_bytes_are_a_fault_and_what_changed_is_told() {
    let files = Files::new();
    let good = files.with("good.bin", &words(&GOOD_F4));
    let damaged = files.with("damaged.bin", &words(&DAMAGED_F4));
    let (code, out, _) = flakescope(&["option-bytes", "show", &damaged, "--part", "STM32F407VG"]);
    assert_eq!(code, Some(1));
    assert!(
        out.contains(
            "! DAMAGED 0x1FFFC000: 0xAAFB with complement 0x5500 [that complements lie there: field report]\n"
        ),
        "{out}"
    );
    let (code, out, _) = flakescope(&["option-bytes", "diff", &good, &damaged, "--part", "STM32F407VG"]);
    assert_eq!(code, Some(0));
    assert!(out.starts_with("BOR_LEV: 0x3 -> 0x2\n    now level 1\nWRP0: 0xFFF -> 0xFFE\n"), "{out}");
}

#[test]
fn words_that_a_probe_tool_printed_are_read_too() {
    let files = Files::new();
    let dump = files.with("log.txt", b"0x40023C14 : 0FFF55ED\n");
    let (code, out, _) = flakescope(&["option-bytes", "show", &dump, "--part", "STM32F407VG"]);
    assert_eq!(code, Some(0));
    assert!(out.contains("! RDP              0x55       level 1"), "{out}");
    let over_dfu = files.with("good.bin", &words(&GOOD_F4));
    let (code, out, _) = flakescope(&["option-bytes", "diff", &over_dfu, &dump, "--part", "STM32F407VG"]);
    assert_eq!(code, Some(0));
    assert!(out.starts_with("RDP: 0xAA -> 0x55\n    now level 1"), "{out}");
    assert_eq!(out.lines().count(), 2, "the other fields are the same over both links: {out}");
}

#[test]
fn a_dump_without_option_bytes_is_refused() {
    let files = Files::new();
    let empty = files.with("empty.bin", b"");
    let (code, out, err) = flakescope(&["option-bytes", "show", &empty, "--part", "STM32F407VG"]);
    assert_eq!((code, out.as_str()), (Some(4), ""));
    assert!(err.contains("holds no option byte of STM32F405/407/415/417"), "{err}");
}

#[test]
fn the_otp_address_of_another_family_is_refused_with_the_right_one() {
    let (code, out, _) = flakescope(&["otp", "check", "0x1FF0F000", "--part", "STM32F429ZI"]);
    assert_eq!(code, Some(1));
    assert!(out.contains("the OTP of STM32F427/429/437/439 is at 0x1FFF7800"), "{out}");
    let (code, ..) = flakescope(&["otp", "check", "0x1FFF7800", "--part", "STM32F429ZI"]);
    assert_eq!(code, Some(0));
}

#[test]
fn locked_and_written_blocks_of_otp_are_listed() {
    let files = Files::new();
    let mut otp = vec![0xFF; 528];
    otp[40] = 0x42;
    otp[512 + 3] = 0x00;
    let dump = files.with("otp.bin", &otp);
    let (code, out, _) = flakescope(&["otp", "show", &dump, "--part", "STM32F429ZI"]);
    assert_eq!(code, Some(0));
    insta::assert_snapshot!(out, @r"
    OTP of STM32F427/429/437/439 at 0x1FFF7800
      block   1 at 0x1FFF7820:    1 bytes programmed, open
      block   3 at 0x1FFF7860:    0 bytes programmed, LOCKED for ever
      14 of 16 blocks are blank and open
    ");
}

#[test]
fn an_image_at_the_address_of_another_release_is_told_before_anyone_flashes_it() {
    let image = "stm32wb5x_BLE_Stack_full_fw.bin";
    let given = ["fus", "check", image, "--part", "STM32WB55CE", "--release", "1.20.0", "--address", "0x08053000"];
    let (code, out, _) = flakescope(&given);
    assert_eq!(code, Some(1));
    assert!(out.contains("WRONG  release 1.20.0 wants it at 0x0805A000, not at 0x08053000"), "{out}");
}

#[test]
fn the_addresses_of_a_release_are_a_table() {
    let (code, out, _) = flakescope(&["fus", "addresses", "--release", "1.24.0", "--part", "STM32WB55CE"]);
    assert_eq!(code, Some(0));
    assert!(out.contains("stm32wb5x_FUS_fw.bin                         512 KB    0x0807A000\n"), "{out}");
    let (code, _, err) = flakescope(&["fus", "addresses", "--release", "9.9.9"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("the newest is 1.24.0"), "{err}");
}

#[test]
fn option_bytes_are_read_from_a_board_over_either_link() {
    let (code, out, err) = flakescope(&["option-bytes", "show", "--virtual", "healthy-wb55"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(
        out.starts_with("Option bytes of STM32WB30/35/50/55 over DFU\n  BOOT0 high at reset enters the ROM\n"),
        "{out}"
    );
    assert!(out.contains("the coprocessor's secure flash begins at"), "{out}");
    let (code, out, err) = flakescope(&["option-bytes", "show", "--virtual", "swd-healthy-f407", "--link", "swd"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.starts_with("Option bytes of STM32F405/407/415/417 over SWD\n! BOR_LEV "), "{out}");
}

#[test]
fn both_links_of_a_board_are_compared() {
    let (code, out, err) = flakescope(&["option-bytes", "show", "--link", "both", "--virtual", "healthy-f407"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.ends_with("Both links agree in the 4 fields that both show.\n"), "{out}");
    let (code, out, _) = flakescope(&["otp", "show", "--link", "both", "--virtual", "healthy-f429"]);
    assert_eq!(code, Some(0));
    assert!(out.ends_with("Both links agree in the 528 bytes that both show.\n"), "{out}");
}

#[test]
fn a_board_is_compared_with_an_earlier_read_and_a_case_with_itself() {
    let files = Files::new();
    let changed = files.with("before.bin", &words(&[0x5500_AAF7, 0x5500_AAF7, 0xF000_0FFF, 0xF000_0FFF]));
    let (code, out, err) = flakescope(&["option-bytes", "diff", &changed, "--virtual", "healthy-f407"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(out.lines().next(), Some("BOR_LEV: 0x1 -> 0x3"), "{out}");
    for (board, link, recipe) in [("healthy-l476", "dfu", "option-bytes"), ("swd-healthy-f407", "swd", "swd-read")] {
        let case = files.folder.path().join(format!("{link}.case"));
        let case = case.to_str().unwrap();
        let run = [
            "run",
            "--headless",
            "--virtual",
            board,
            "--link",
            link,
            "--recipe",
            recipe,
            "--boots",
            "1",
            "--cycles",
            "2",
        ];
        assert_eq!(flakescope(&[&run[..], &["--case", case]].concat()).0, Some(0));
        let part = if link == "dfu" { "STM32L476RG" } else { "STM32F407VG" };
        let (code, out, err) = flakescope(&["option-bytes", "diff", case, "--cycles", "--part", part]);
        assert_eq!((code, out.as_str(), err.as_str()), (Some(0), "no field differs\n", ""));
        let (_, of_case, _) = flakescope(&["option-bytes", "show", case, "--part", part]);
        let (_, of_board, _) = flakescope(&["option-bytes", "show", "--virtual", board, "--link", link]);
        let fields = |text: &str| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(fields(&of_case), fields(&of_board), "{board}: both areas are there, each at its place");
    }
}

#[test]
fn a_part_that_the_board_contradicts_is_refused() {
    let wrong = ["option-bytes", "show", "--virtual", "swd-healthy-f407", "--link", "swd", "--part", "STM32F746ZG"];
    let (code, out, err) = flakescope(&wrong);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(
        err.contains("shows DEV_ID 0x413 (STM32F405/407/415/417)") && err.contains("not the part that was named"),
        "{err}"
    );
    let (code, out, err) = flakescope(&["option-bytes", "show", "--virtual", "healthy-f407", "--part", "STM32WB55CE"]);
    assert_eq!((code, out.as_str()), (Some(4), ""));
    assert!(err.contains("it holds memory at 0x1FFFC000") && err.contains("is it that part?"), "{err}");
}

#[test]
fn a_failed_read_of_option_bytes_is_placed() {
    let (code, out, err) = flakescope(&["option-bytes", "show", "--virtual", "l476-torn-options"]);
    assert_eq!((code, out.as_str()), (Some(3), ""));
    for words in [
        "protected in read, errVENDOR after LIBUSB_ERROR_PIPE, at 0x1FFF7800",
        "before it went well: enumerate, open, claim, descriptors, layout, status",
        "alternate setting 1 (Option Bytes), the 40 bytes of option bytes at 0x1FFF7800",
        "In the same boot, afterwards: status works.",
    ] {
        assert!(err.contains(words), "`{words}` is missing: {err}");
    }
}

#[test]
fn otp_of_a_board_is_shown_and_an_address_of_another_part_is_refused_before_anything_is_read() {
    let (code, out, err) = flakescope(&["otp", "show", "--virtual", "healthy-f429", "--at", "0x1FFF7820"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains("16 of 16 blocks are blank and open\n  0x1FFF7820: FF FF"), "{out}");
    let (code, out, err) = flakescope(&["otp", "show", "--virtual", "healthy-f429", "--at", "0x1FF0F000"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("the OTP of STM32F427/429/437/439 is at 0x1FFF7800"), "{err}");
    let (code, _, err) = flakescope(&["otp", "show", "--virtual", "healthy-h743"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("STM32H742/743/745/747/750/753/755/757 has no OTP"), "{err}");
}

#[test]
fn a_failed_read_of_option_registers_is_placed_too() {
    let files = Files::new();
    let board = files.with(
        "board.toml",
        b"text = \"A board.\"\npart = \"STM32F407VG\"\nrom = \"f40x-v9\"\ncrystal-mhz = 8.0\n\
          [swd.mechanism.bus-fault]\naddress = 0x40023C14\nlength-bytes = 4\n",
    );
    let (code, out, err) = flakescope(&["option-bytes", "show", "--link", "swd", "--virtual", &board]);
    assert_eq!((code, out.as_str()), (Some(3), ""));
    for words in ["swd-fault in option-bytes", "at 0x40023C14", "went well: probe-open", "read works"] {
        assert!(err.contains(words), "`{words}` is missing: {err}");
    }
}

#[test]
fn both_sides_of_the_upgrade_service_are_read_in_one_campaign() {
    let run =
        ["run", "--headless", "--virtual", "healthy-wb55", "--link", "both", "--recipe", "fus-state", "--boots", "1"];
    let files = Files::new();
    let case = files.folder.path().join("wb.case");
    let (code, _, err) = flakescope(&[&run[..], &["--cycles", "2", "--case", case.to_str().unwrap()]].concat());
    assert_eq!(code, Some(0), "{err}");
    let json = files.folder.path().join("wb.csv");
    let (code, ..) = flakescope(&["report", case.to_str().unwrap(), "--out", json.to_str().unwrap()]);
    assert_eq!(code, Some(0));
    let table = std::fs::read_to_string(json).unwrap();
    assert!(table.contains("fus-state"), "{table}");
}

/// Before anyone flashes: each mistake has its sentence.
#[test]
fn an_image_of_another_family_a_part_without_coprocessor_and_a_sleeping_service_are_told() {
    let image = "stm32wb5x_BLE_Stack_full_fw.bin";
    for (given, words) in [
        (
            vec!["stm32wb1x_BLE_Stack_full_fw.bin", "--part", "STM32WB55CE"],
            "is an image for WB1x, and STM32WB55CE is WB5x",
        ),
        (vec![image, "--part", "STM32F407VG"], "STM32F407VG has no coprocessor"),
        (vec![image, "--part", "STM32WB55CE", "--fus-version", "0.0.0"], "the FUS does not run"),
    ] {
        let arguments = [&["fus", "check"][..], &given, &["--release", "1.20.0"]].concat();
        let (code, out, _) = flakescope(&arguments);
        assert_eq!(code, Some(1), "{given:?}");
        assert!(
            out.lines().any(|line| line.trim_start().starts_with("WRONG") && line.contains(words)),
            "`{words}` is missing: {out}"
        );
    }
}

#[test]
fn protection_and_redirected_boot_have_their_words_over_swd() {
    let (code, out, _) = flakescope(&["option-bytes", "show", "--link", "swd", "--virtual", "swd-rdp1-f407"]);
    assert_eq!(code, Some(0));
    assert!(out.contains("level 1: reading, writing and erasing over DFU end in errVENDOR"), "{out}");
}
