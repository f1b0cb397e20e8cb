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
