//! Triage of whole reports: the figures on reports written for this test, and on the field reports where they lie beside the project.

use std::path::Path;

use assert_cmd::Command;
use flakescope::diagnosis::verdict::VerdictKind;
use flakescope::investigation::score::{self, Figures, Scored};
use flakescope::investigation::triage::Triage;

use crate::verdict_schema::{assert_follows, assert_follows_schema};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn misses(scored: &[Scored]) -> String {
    let missed = scored.iter().filter(|one| !one.first).map(|one| {
        let told: Vec<_> = one.families.iter().take(3).map(|(family, p)| format!("{family} {p:.2}")).collect();
        format!("{}: {} expected, {} told", one.name, one.confirmed, told.join(", "))
    });
    missed.collect::<Vec<_>>().join("\n")
}

#[test]
fn reports_written_afresh_are_answered() {
    let triage = Triage::load().unwrap();
    let scored = score::score(&triage, &root().join("tests/fixtures/reports")).unwrap();
    let figures = Figures::of(&scored);
    assert!(scored.len() >= 40);
    assert!(figures.first.value() >= 0.85, "{}", misses(&scored));
    assert!(figures.among_three.value() >= 0.95, "{}", misses(&scored));
    assert_eq!(figures.negatives_clean.value(), 1.0, "{}", misses(&scored));
    assert!(figures.confidently_wrong.value() <= 0.03, "{}", misses(&scored));
}

/// Written after the formats of the tools; none was taken from a report.
#[test]
fn sessions_that_went_well_are_clean() {
    let triage = Triage::load().unwrap();
    let mut logs = 0;
    for entry in std::fs::read_dir(root().join("tests/fixtures/sound")).unwrap() {
        let path = entry.unwrap().path();
        let triaged = triage.report("log", &mut std::fs::File::open(&path).unwrap()).unwrap();
        assert_eq!(triaged.verdict.verdict, VerdictKind::Clean, "{}: {:?}", path.display(), triaged.verdict.failures);
        logs += 1;
    }
    assert!(logs >= 20, "{logs}");
}

/// A development set: where it is missing there is nothing to hold the figures to.
#[test]
fn field_reports_are_answered_as_well_as_before() {
    let corpus = root().join("../shared/corpus");
    if !corpus.is_dir() {
        return;
    }
    let triage = Triage::load().unwrap();
    let scored = score::score(&triage, &corpus).unwrap();
    let figures = Figures::of(&scored);
    assert!(figures.first.value() >= 0.75, "{}", misses(&scored));
    assert!(figures.among_three.value() >= 0.9, "{}", misses(&scored));
    assert_eq!(figures.negatives_clean.value(), 1.0, "{}", misses(&scored));
    assert!(figures.confidently_wrong.value() <= 0.03, "{}", misses(&scored));
}

#[test]
fn a_line_of_json_per_report_follows_the_schema() {
    let output = Command::cargo_bin("flakescope")
        .unwrap()
        .args(["triage", "--format", "json"])
        .arg(root().join("tests/fixtures/reports"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().count() >= 40);
    for line in text.lines() {
        assert_follows_schema(&serde_json::from_str(line).unwrap());
    }
}

#[test]
fn the_summary_of_many_reports_follows_its_schema() {
    let output = Command::cargo_bin("flakescope")
        .unwrap()
        .args(["triage", "--summary", "--format", "json"])
        .arg(root().join("tests/fixtures/reports"))
        .output()
        .unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(summary["clusters"].as_array().unwrap().len() > 10);
    assert_follows("clusters", &summary);
}

#[test]
fn what_is_no_report_is_inconclusive_and_never_a_panic() {
    let triage = Triage::load().unwrap();
    let mut one_line = vec![b'x'; 3_000_000];
    one_line.extend_from_slice(b" error");
    let garbage: Vec<u8> = (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for bytes in [&b""[..], &one_line, &garbage, b"\xff\xfe\x00", "nothing to see here\n".repeat(1000).as_bytes()] {
        let triaged = triage.report("x", &mut &bytes[..]).unwrap();
        assert_eq!(triaged.verdict.verdict, VerdictKind::Inconclusive);
    }
}

#[test]
fn the_text_names_no_favourite_where_nothing_stands_out_and_gives_a_reason_once() {
    let report = root().join("tests/fixtures/founding/h753-data-read-failed.txt");
    let output = Command::cargo_bin("flakescope").unwrap().arg("triage").arg(report).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("FAULT  Not decided, and nothing stands out yet. To look at first: "), "{text}");
    let reasons: Vec<_> = text.lines().filter(|line| line.starts_with("    + ")).collect();
    let mut once = reasons.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), reasons.len(), "{text}");
}

#[test]
fn the_text_says_first_the_answer_then_why_then_what_to_do_then_what_to_ask() {
    let report = root().join("tests/fixtures/reports/no-reference-wire/report.txt");
    let output = Command::cargo_bin("flakescope").unwrap().arg("triage").arg(report).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("FAULT"), "{text}");
    let places: Vec<_> = ["WHY", "WHAT TO DO", "WHAT TO ASK"].iter().map(|title| text.find(title)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{text}");
    assert!(text.contains("[line 3: "), "{text}");
}

#[test]
fn a_path_that_is_not_there_is_told_and_the_others_are_read() {
    let good = root().join("tests/fixtures/reports/good-openocd/report.txt");
    let output = Command::cargo_bin("flakescope").unwrap().arg("triage").arg("nowhere.txt").arg(good).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8(output.stderr).unwrap().contains("nowhere.txt"));
    assert!(String::from_utf8(output.stdout).unwrap().contains("CLEAN"));
}

fn triage_in(folder: &Path, args: &[&str]) -> (String, String, i32) {
    let output =
        Command::cargo_bin("flakescope").unwrap().arg("triage").args(args).current_dir(folder).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

const NO_RIGHTS: &str = "dfu-util 0.11\nCannot open DFU device 0483:df11 (LIBUSB_ERROR_ACCESS)\nSTM32F405 on Ubuntu\n";

#[test]
fn a_case_holds_all_reports_and_a_second_run_reads_only_what_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let inbox = folder.path().join("inbox");
    std::fs::create_dir(&inbox).unwrap();
    std::fs::write(inbox.join("2024-05-01-a.txt"), NO_RIGHTS).unwrap();
    std::fs::write(inbox.join("b.txt"), "Error: stm32x device protected\n").unwrap();
    let (_, told, code) = triage_in(folder.path(), &["inbox", "--case", "t.case"]);
    assert!(told.contains("2 new, 0 known already"), "{told}");
    assert_eq!(code, 1);
    std::fs::write(inbox.join("c.txt"), NO_RIGHTS).unwrap();
    std::fs::write(inbox.join("d.txt"), format!("{NO_RIGHTS}again\n")).unwrap();
    let (text, told, _) = triage_in(folder.path(), &["inbox", "--case", "t.case"]);
    assert!(told.contains("1 new, 3 known already"), "{told}");
    assert!(text.starts_with("FAULT") && text.matches("FAULT").count() == 1, "{text}");
    assert!(text.contains("3 REPORTS BY LEADING CAUSE"), "{text}");
    let (json, _, _) = triage_in(folder.path(), &["--case", "t.case", "--summary", "--format", "json"]);
    let clusters: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(clusters["clusters"][0]["reports"], 2, "{json}");
    assert_eq!(clusters["months"][0]["month"], "2024-05");
    let (csv, _, _) = triage_in(folder.path(), &["--case", "t.case", "--format", "csv"]);
    assert_eq!(csv.lines().count(), 4, "{csv}");
}

#[test]
fn a_long_report_is_kept_and_known_again() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!("{}Error: stm32x device protected\n", "nothing to see here\n".repeat(100_000));
    std::fs::write(folder.path().join("long.txt"), long).unwrap();
    for expected in ["1 new, 0 known already", "0 new, 1 known already"] {
        let (_, told, _) = triage_in(folder.path(), &["long.txt", "--case", "t.case", "--summary"]);
        assert!(told.contains(expected), "{told}");
    }
}

/// The page for a person, its line breaks taken out.
fn page(report: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.txt");
    std::fs::write(&file, report).unwrap();
    page_of(&file)
}

fn page_of(file: &Path) -> String {
    let mut command = Command::cargo_bin("flakescope").unwrap();
    let output = command.env("FLAKESCOPE_PROFILES", "/nonexistent").arg("triage").arg(file).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn founding(name: &str) -> String {
    page_of(&root().join("tests/fixtures/founding").join(name))
}

#[test]
fn the_error_of_the_upgrade_service_stands_in_its_phase_with_its_time() {
    let page = founding("wb55-fus-write-error.txt");
    for words in
        ["fus-delete (1.00 s)", "verify (4.00 s)", "fus-upgrade FAILED after 4.00 s: FUS_IMAGE_WRTERROR [line 68]"]
    {
        assert!(page.contains(words), "`{words}` is missing: {page}");
    }
    assert!(page.starts_with("FAULT Not decided. Most likely: The supply dips during the upgrade"), "{page}");
}

#[test]
fn an_otp_address_of_another_part_is_the_answer_and_a_right_one_is_known_to_be() {
    let wrong = founding("f429-otp-address.txt");
    assert!(wrong.starts_with("FAULT Decided: the OTP address of another family"), "{wrong}");
    assert!(wrong.contains("the OTP of STM32F427/429/437/439 is at 0x1FFF7800"), "{wrong}");
    let right = page(
        "Writing the OTP of my STM32F429ZI at 0x1FFF7800 with ST-LINK Utility 3.9 fails:\nError occured during memory writing!\n",
    );
    assert!(right.contains("0x1FFF7800 is OTP of STM32F427/429/437/439: block 0"), "{right}");
    assert!(!right.split("WHY").next().unwrap().contains("The OTP address of another family"), "{right}");
}

#[test]
fn an_image_that_exceeds_the_flash_from_its_right_address_is_the_wrong_file() {
    let page = page(
        "Installing stm32wb5x_FUS_fw.bin at 0x080EE000 on the STM32WB55CGU6:\n\
         10:39:11 : Erasing memory corresponding to segment 0:\n10:39:11 : Operation exceeds memory limits\n",
    );
    let headline = page.split("WHY").next().unwrap();
    assert!(headline.contains("Wrong or damaged image file"), "{page}");
    assert!(page.contains("right for release 1.22.1 to 1.24.0, the newest"), "{page}");
}

#[test]
fn a_good_session_is_not_explained() {
    let page = page("10:35:12 : File download complete\n10:35:13 : FUS_STATE_IDLE\n");
    assert!(page.starts_with("CLEAN") && !page.contains("WHY") && !page.contains("WHAT TO DO"), "{page}");
}

#[test]
fn what_is_said_to_work_is_clean_unless_the_log_says_otherwise() {
    let banner =
        "Now it seems to work.\nOpen On-Chip Debugger 0.12.0\nInfo : Listening on port 4444 for telnet connections\n";
    assert!(page(banner).starts_with("CLEAN"), "{}", page(banner));
    let failed = format!("{banner}Error: init mode failed (unable to connect to the target)\n");
    assert!(page(&failed).starts_with("FAULT"), "{}", page(&failed));
}

#[test]
fn a_tool_that_quits_over_a_lost_target_is_no_defect_of_the_tool() {
    let lost =
        page("pyocd crashes as soon as my firmware on the STM32F411 runs.\nError: STLink error (22): DP error\n");
    assert!(lost.split("WHY").next().unwrap().contains("The firmware takes the SWD pins"), "{lost}");
    let alone = page("pyocd crashes with a segmentation fault when I list the STM32F411 targets.\n");
    assert!(alone.contains("Most likely: A defect of the host tool"), "{alone}");
    assert!(!alone.split("WHY").next().unwrap().contains("The firmware takes the SWD pins"), "{alone}");
}

#[test]
fn what_only_reads_like_other_reports_is_not_called_likely() {
    let said = page("Traceback in the python tool, AttributeError: module object has no attribute\n");
    let answer = said.split("WHY").next().unwrap();
    assert!(answer.contains("nothing in it names a cause. It reads most like reports of: A defect"), "{answer}");
}

#[test]
fn another_version_of_a_library_is_another_firmware() {
    let of_library =
        page("On the STM32H745 debugging fails since we updated Zephyr. With an older version of Zephyr it works.\n");
    assert!(!of_library.contains("Most likely: This version of the tool"), "{of_library}");
    let of_tool =
        page("On the STM32H745 debugging fails since we updated OpenOCD. With an older version of OpenOCD it works.\n");
    assert!(of_tool.contains("Most likely: This version of the tool"), "{of_tool}");
}

#[test]
fn a_fault_traced_to_one_change_of_the_tool_is_not_the_wires() {
    let report = "My STM32F103 is not recognized any more, the SWD wires are 40 cm.\nSW-DP scan failed!\nReverting two commits of the probe's firmware cures it.\n";
    assert!(page(report).contains("traced to single changes of the tool's source"), "{}", page(report));
    assert!(!page(report).contains("Most likely: Wires between probe and target"), "{}", page(report));
}

#[test]
fn a_device_node_refused_in_a_container_is_a_matter_of_rights() {
    let page = page(
        "In Docker on Windows 11:\nst-flash 1.8.0\nlibusb: error [get_usbfs_fd] libusb couldn't open USB device /dev/bus/usb/001/005, errno=1\n",
    );
    assert!(page.contains("No permission to open the device"), "{page}");
    assert!(!page.contains("Most likely: Missing or wrong driver"), "{page}");
}

#[test]
fn a_table_is_learned_from_labels_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let reports = root().join("tests/fixtures/reports");
    for entry in std::fs::read_dir(&reports).unwrap().take(12) {
        let from = entry.unwrap().path();
        let to = folder.path().join("labelled").join(from.file_name().unwrap());
        std::fs::create_dir_all(&to).unwrap();
        for file in ["report.txt", "label.json"] {
            std::fs::copy(from.join(file), to.join(file)).unwrap();
        }
    }
    let learned =
        Command::cargo_bin("flakescope").unwrap().args(["triage", "--learn", "labelled"]).current_dir(&folder).output();
    let learned = learned.unwrap();
    let table = String::from_utf8(learned.stdout).unwrap();
    assert!(table.starts_with("mark,rarity,") && table.lines().count() > 20, "{table}");
    std::fs::create_dir_all(folder.path().join("likeness")).unwrap();
    std::fs::write(folder.path().join("likeness/reports.csv"), table).unwrap();
    let checked = Command::cargo_bin("flakescope")
        .unwrap()
        .args(["profile", "check", "--kind", "likeness"])
        .env("FLAKESCOPE_PROFILES", folder.path())
        .output()
        .unwrap();
    assert_eq!(checked.status.code(), Some(0), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn a_folder_without_labels_is_no_set_to_score() {
    let folder = tempfile::tempdir().unwrap();
    for how in ["--score", "--learn"] {
        let output =
            Command::cargo_bin("flakescope").unwrap().arg("triage").arg(how).arg(folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(4));
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains("no folder in it holds a report.txt and a label.json"), "{error}");
    }
}
