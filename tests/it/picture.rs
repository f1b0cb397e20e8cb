//! The picture in the README is what the program shows: a campaign on a virtual board, drawn at its end.

use std::path::Path;

use assert_cmd::Command;

use flakescope::investigation::whole_case;
use flakescope::tui::picture;

#[test]
fn the_picture_of_the_screen_is_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("board.case");
    let campaign = ["run", "--virtual", "f746-25mhz-warm-hsi", "--headless", "--seed", "1", "--case"];
    Command::cargo_bin("flakescope")
        .unwrap()
        .env("FLAKESCOPE_PROFILES", folder.path())
        .args(campaign)
        .arg(&case)
        .assert()
        .code(1);

    let (snapshot, _) = whole_case::read(&case).unwrap();
    let drawn = picture::of_snapshot(&snapshot, Some(20.0), 120, 40).unwrap();

    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/screen.svg");
    if std::env::var_os("INSTA_UPDATE").is_some_and(|wish| wish == "always") {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &drawn).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == drawn,
        "docs/screen.svg is not what the screen shows; INSTA_UPDATE=always cargo test --test it picture writes it"
    );
}
