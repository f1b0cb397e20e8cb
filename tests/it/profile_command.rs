//! `flakescope profile` as a user meets it.

use assert_cmd::Command;

fn flakescope(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::cargo_bin("flakescope").unwrap();
    let output = command.env("FLAKESCOPE_PROFILES", "/nonexistent").args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn file(name: &str, text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn everything_on_the_shelf_is_sound() {
    let (code, out, err) = flakescope(&["profile", "check"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains("devices       90 checked, 0 wrong"), "{out}");
}

#[test]
fn a_typo_in_a_users_board_names_line_and_nearest_key() {
    let (_folder, path) = file("mine.toml", "name = \"mine\"\npart = \"STM32F407\"\n[clock]\nkind = \"cristal\"\n");
    let (code, out, err) = flakescope(&["profile", "check", &path, "--kind", "boards"]);
    assert_eq!((code, out.as_str()), (Some(4), ""));
    assert!(err.contains("mine.toml:4: unknown variant `cristal`"), "{err}");
    assert!(err.trim_end().ends_with("did you mean `crystal`?"), "{err}");
}

#[test]
fn a_file_of_unknown_kind_is_answered_with_the_option() {
    let (_folder, path) = file("mine.toml", "");
    let (code, _, err) = flakescope(&["profile", "check", &path]);
    assert_eq!(code, Some(2));
    assert!(err.contains("--kind boards"), "{err}");
}

#[test]
fn binary_garbage_is_told_without_a_panic() {
    let (_folder, path) = file("mine.toml", "\u{1}\u{2}");
    std::fs::write(&path, [0xFF, 0xFE, 0x00, 0x80]).unwrap();
    let (code, _, err) = flakescope(&["profile", "check", &path, "--kind", "devices"]);
    assert_eq!(code, Some(4));
    assert!(err.contains("cannot be read"), "{err}");
}

#[test]
fn a_part_that_does_not_decide_is_answered_with_the_choice() {
    let (code, _, err) = flakescope(&["profile", "show", "STM32F070"]);
    assert_eq!(code, Some(2));
    assert_eq!(err, "error: `STM32F070` may be any of: STM32F070x6; STM32F070xB; name more of the part\n");
}

#[test]
fn an_unknown_part_is_answered_with_the_nearest_profile() {
    let (code, out, err) = flakescope(&["profile", "show", "stm32f74y"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("did you mean `stm32f74x`?"), "{err}");
}

#[test]
fn a_users_phrases_may_use_the_classes_of_words_of_the_shelf() {
    let phrase = |class: &str| {
        format!(
            "[[phrase]]\nfact = \"works-when-warm\"\nnear = [\"warm\"]\nany = ['\\b{{{class}}}']\nexamples = [\"it is warm\"]\ncounterexamples = [\"it is blue\"]\n"
        )
    };
    let checked = |class: &str| {
        let (_folder, path) = file("mine.toml", &phrase(class));
        flakescope(&["profile", "check", &path, "--kind", "phrases"])
    };
    let (code, _, err) = checked("warm");
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let (code, _, err) = checked("worm");
    assert!(code == Some(4) && err.contains("`{worm}` is no class of words"), "{err}");
}
