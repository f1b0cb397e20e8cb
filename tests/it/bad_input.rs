//! What bad input gets: a sentence that says what, where and what to do, the documented exit code, and no panic.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use super::program::{answer, flakescope};

const READ_A_CASE: [&[&str]; 3] = [&["diagnose"], &["report", "--out", "out.html"], &["report", "--out", "out.csv"]];

fn in_folder(folder: &Path, args: &[&str]) -> super::program::Answer {
    answer(flakescope().current_dir(folder).args(args))
}

/// A short campaign, kept in `name` below `folder`.
fn make_case(folder: &Path, name: &str) {
    let made = in_folder(folder, &["run", "--headless", "--virtual", "healthy-f407", "--boots", "2", "--case", name]);
    assert_eq!(made.code, Some(0), "{made:?}");
}

#[test]
fn a_missing_case_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for command in READ_A_CASE {
        in_folder(folder.path(), &[command, &["gone.case"]].concat()).refused(4, &["error: ", "gone.case"]);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "a refusal left files behind");
}

/// A disk that is full has kept nothing, whatever the answer was.
#[cfg(target_os = "linux")]
#[test]
fn an_answer_that_cannot_be_written_is_an_error() {
    for args in [
        &["fus", "explain", "0x07"][..],
        &["otp", "check", "0x1FFF7800", "--part", "STM32F407VG"],
        &["profile", "show", "STM32F407VG"],
        &["explain", "usb-cable"],
    ] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let out = flakescope().args(args).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!((out.status.code(), said.contains("standard output cannot be written")), (Some(4), true), "{said}");
    }
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
fn the_log_of_another_tool_is_sent_to_triage() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("log.txt"), "dfu-util 0.11\n".repeat(1_000)).unwrap();
    in_folder(folder.path(), &["diagnose", "log.txt"])
        .refused(4, &["log.txt is not a flakescope case", "flakescope triage"]);
}

#[test]
fn a_case_is_no_report_and_a_case_of_reports_is_sent_to_triage() {
    let folder = tempfile::tempdir().unwrap();
    make_case(folder.path(), "a.case");
    let made = in_folder(folder.path(), &["triage", "a.case"]);
    made.refused(4, &["a.case: this is a case of flakescope", "diagnose a.case", "triage --case a.case"]);
    assert_eq!(made.out, "");
    fs::write(folder.path().join("log.txt"), "dfu-util: No DFU capable USB device available\n").unwrap();
    in_folder(folder.path(), &["triage", "log.txt", "--case", "reports.case"]);
    for command in READ_A_CASE {
        in_folder(folder.path(), &[command, &["reports.case"]].concat())
            .refused(4, &["reports.case holds no campaign but 1 report", "triage --case reports.case"]);
    }
}

#[test]
fn what_is_said_in_words_only_is_not_taken_for_json() {
    let folder = tempfile::tempdir().unwrap();
    make_case(folder.path(), "a.case");
    for question in ["--why", "--why-not"] {
        in_folder(folder.path(), &["diagnose", "a.case", question, "usb-cable", "--format", "json"])
            .refused(2, &["in words only"]);
        in_folder(folder.path(), &["diagnose", "a.case", question, "usb-cabel"])
            .refused(2, &["no cause is called `usb-cabel`; did you mean `usb-cable`?"]);
    }
    fs::write(folder.path().join("log.txt"), "dfu-util: No DFU capable USB device available\n").unwrap();
    in_folder(folder.path(), &["triage", "log.txt", "--reply", "--format", "json"]).refused(2, &["--reply"]);
}

#[test]
fn other_reports_are_spoken_of_only_where_there_are_any() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("log.txt"), "dfu-util: No DFU capable USB device available\n").unwrap();
    let alone = in_folder(folder.path(), &["triage", "gone.txt"]);
    assert!(alone.err.contains("gone.txt") && !alone.err.contains("other reports"), "{alone:?}");
    let beside = in_folder(folder.path(), &["triage", "gone.txt", "log.txt"]);
    assert!(beside.err.contains("the other reports were read"), "{beside:?}");
}

#[test]
fn a_damaged_case_is_refused_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    make_case(folder.path(), "good.case");
    let mut bytes = fs::read(folder.path().join("good.case")).unwrap();
    let middle = bytes.len() / 2;
    bytes.truncate(middle);
    for byte in &mut bytes[512..] {
        *byte ^= 0x5a;
    }
    fs::write(folder.path().join("bad.case"), &bytes).unwrap();
    in_folder(folder.path(), &["diagnose", "bad.case"]).refused(4, &["error: ", "bad.case"]);
    assert_eq!(fs::read(folder.path().join("bad.case")).unwrap(), bytes);
}

#[test]
fn a_folder_is_no_case() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("a.case")).unwrap();
    in_folder(folder.path(), &["diagnose", "a.case"]).refused(4, &["error: ", "a.case"]);
}

#[test]
fn an_unknown_virtual_board_is_named_with_those_that_exist() {
    let folder = tempfile::tempdir().unwrap();
    let looks = ["run", "--headless", "--virtual", "healthy-f407", "--look-every", "5s", "--case", "x.case"];
    in_folder(folder.path(), &looks).refused(2, &["--look-every", "--link witnessed"]);
    let refused = in_folder(folder.path(), &["run", "--headless", "--virtual", "healthy-f408", "--case", "x.case"]);
    refused.refused(3, &["error: ", "healthy-f408", "healthy-f407"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "a refusal left files behind");
}

#[test]
fn a_typo_in_a_virtual_board_is_found_by_line_and_mended() {
    let folder = tempfile::tempdir().unwrap();
    let good = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/benches/healthy-f407.toml"));
    fs::write(folder.path().join("mine.toml"), format!("sed = 3\n{}", good.unwrap())).unwrap();
    let refused = in_folder(folder.path(), &["run", "--headless", "--virtual", "mine.toml", "--case", "x.case"]);
    refused.refused(4, &["error: ", "mine.toml:1", "sed"]);
}

#[test]
fn an_unknown_recipe_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["run", "--headless", "--virtual", "healthy-f407", "--recipe", "dfu-reed", "--case", "x.case"];
    in_folder(folder.path(), &args).refused(2, &["error: ", "dfu-reed", "dfu-read"]);
}

#[test]
fn a_report_of_unknown_kind_is_refused_before_the_campaign_runs() {
    let folder = tempfile::tempdir().unwrap();
    for report in ["gone/out.html", "folder.html"] {
        fs::create_dir_all(folder.path().join("folder.html")).unwrap();
        let args = ["run", "--headless", "--virtual", "healthy-f407", "--case", "x.case", "--report", report];
        in_folder(folder.path(), &args).refused(4, &["cannot write the report", report]);
        assert!(!folder.path().join("x.case").exists(), "nothing was run");
    }
    fs::remove_dir(folder.path().join("folder.html")).unwrap();
    let args = ["run", "--headless", "--virtual", "healthy-f407", "--case", "x.case", "--report", "out.pdf"];
    in_folder(folder.path(), &args).refused(2, &["error: ", "out.pdf", ".html", ".csv"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "a refusal left files behind");
}

#[test]
fn a_report_may_go_to_the_folder_that_is_made_for_its_case() {
    let folder = tempfile::tempdir().unwrap();
    let args = [
        "run",
        "--headless",
        "--virtual",
        "healthy-f407",
        "--boots",
        "1",
        "--case",
        "new/x.case",
        "--report",
        "new/x.md",
    ];
    assert_eq!(in_folder(folder.path(), &args).code, Some(0));
    assert!(folder.path().join("new/x.md").exists());
}

#[test]
fn a_report_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    make_case(folder.path(), "good.case");
    let refused = in_folder(folder.path(), &["report", "good.case", "--out", "missing/out.html"]);
    refused.refused(4, &["error: ", "missing/out.html"]);
}

#[test]
fn a_closed_standard_output_ends_quietly_with_the_code_of_the_result() {
    let folder = tempfile::tempdir().unwrap();
    make_case(folder.path(), "good.case");
    for args in [&["diagnose", "good.case"][..], &["man"], &["completions", "bash"], &["--help"]] {
        let mut child = flakescope();
        child.current_dir(folder.path()).args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), errors.as_ref()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn a_report_in_pieces_or_of_noise_gets_a_verdict_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let log = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/founding/wb55-fus-write-error.txt"));
    let log = log.unwrap();
    let noise: Vec<u8> = (0..60_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    let pieces = [&log[..log.len() / 2], &log[..log.len() - 7], &noise[..], b"", b"\xff\xfe", b"\0\0\0\0"];
    for (number, piece) in pieces.iter().enumerate() {
        let name = format!("piece-{number}.txt");
        fs::write(folder.path().join(&name), piece).unwrap();
        let read = in_folder(folder.path(), &["triage", &name, "--format", "json"]);
        assert!(matches!(read.code, Some(0 | 1 | 4)), "{number}: {read:?}");
        assert!(!read.err.contains("panicked"), "{read:?}");
        for line in read.out.lines() {
            super::verdict_schema::assert_follows_schema(&serde_json::from_str(line).unwrap());
        }
    }
}

#[test]
fn a_line_of_a_hundred_megabytes_is_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = fs::File::create(folder.path().join("long.txt")).unwrap();
    let chunk = vec![b'a'; 1 << 20];
    for _ in 0..100 {
        file.write_all(&chunk).unwrap();
    }
    drop(file);
    let read = in_folder(folder.path(), &["triage", "long.txt", "--format", "json"]);
    assert!(matches!(read.code, Some(0 | 1 | 4)), "{:?} {}", read.code, read.err);
    assert!(!read.err.contains("panicked"), "{}", read.err);
    assert!(read.out.len() < 100_000, "the line came back: {} bytes", read.out.len());
}

#[test]
fn a_report_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    in_folder(folder.path(), &["triage", "gone.txt"]).refused(4, &["error: ", "gone.txt"]);
}
