//! Killed at a random moment of an alteration, the journal and its advice are right, measured against the board's own memory.

use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::bench::{Bench, lines, states};

const SECTOR: u32 = 0x0800_C000;
const LENGTH: u32 = 0x4000;
const OPTIONS: u32 = 0x1FFF_8000;
const OLD_STACK: u64 = 83;
const NEW_STACK: u64 = 0x60;

/// Runs to the end once to know how long that takes, then kills at a share of it.
fn kill(bench: &Bench, arguments: &[&str], span: Duration, share: f64) {
    let mut child = bench
        .command(arguments)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(span.mul_f64(share));
    // One that has ended already is as good.
    let _ = child.kill();
    child.wait().unwrap();
}

fn timed(run: impl FnOnce()) -> Duration {
    let began = Instant::now();
    run();
    began.elapsed()
}

/// Begun and not ended, as the journal tells.
fn is_open(bench: &Bench) -> bool {
    lines(&bench.journal()).last().is_some_and(|(_, end)| end.is_none())
}

fn scratch_kills(kills: u64) {
    let prime = Bench::new("healthy-f407");
    let first = |bench: &Bench| bench.alter("write-verify", &["--scratch", "0x0800C000"]);
    assert_eq!(first(&prime).code, Some(0));
    let original = prime.flash(SECTOR, LENGTH);
    let memory = std::fs::read(prime.path("memory.json")).unwrap();
    let span = timed(|| assert_eq!(first(&prime).code, Some(0)));
    let mut dice = Pcg64Mcg::seed_from_u64(1);
    for number in 0..kills {
        let bench = Bench::new("healthy-f407");
        std::fs::write(bench.path("memory.json"), &memory).unwrap();
        let case = bench.text_path("board.case");
        let run = [
            "run",
            "--headless",
            "--recipe",
            "write-verify",
            "--scratch",
            "0x0800C000",
            "--case",
            &case,
            "--write",
            "--confirm",
            "1-1",
        ];
        kill(&bench, &run, span, dice.random_range(0.05..1.1));
        if !bench.has_case() {
            assert_eq!(bench.flash(SECTOR, LENGTH), original, "kill {number}: altered without a case");
            continue;
        }
        let altered = bench.flash(SECTOR, LENGTH) != original;
        let told = states(&bench.journal()) == ["scratch-altered"];
        assert!(told || !altered, "kill {number}: the sector is altered and nobody says so");
        assert!(altered || !told || is_open(&bench), "kill {number}: told altered, and it is whole");
        if told {
            let refused = first(&bench);
            refused.refused(2, &["do what stands above first"]);
            let back = bench.alter("scratch-restore", &[]);
            assert_eq!(back.code, Some(0), "kill {number}: {back:?}");
            assert_eq!(states(&bench.journal()), [] as [&str; 0], "kill {number}");
        }
        assert_eq!(bench.flash(SECTOR, LENGTH), original, "kill {number}: the advice did not bring it back");
    }
}

fn upgrade_kills(kills: u64) {
    let prime = Bench::new("wb55-with-stack");
    let image = prime.image(&["--address", "0x08060000", "--size", "8192"]);
    let more = ["--image", image.as_str(), "--image-address", "0x08060000", "--despite-check"];
    let span = timed(|| assert_eq!(prime.alter("fus-upgrade", &more).code, Some(0)));
    let mut dice = Pcg64Mcg::seed_from_u64(2);
    for number in 0..kills {
        let bench = Bench::new("wb55-with-stack");
        let case = bench.text_path("board.case");
        let run = ["run", "--headless", "--recipe", "fus-upgrade", "--case", &case, "--write", "--confirm", "1-1"];
        kill(&bench, &[&run[..], &more].concat(), span, dice.random_range(0.05..1.1));
        // A board whose memory was never written is as it was made.
        let page = if bench.memory().is_some() { bench.stack_page() } else { Some(OLD_STACK) };
        if !bench.has_case() {
            assert_eq!(page, Some(OLD_STACK), "kill {number}: altered without a case");
            continue;
        }
        let journal = bench.journal();
        let begun: Vec<_> = lines(&journal).into_iter().map(|(phase, _)| phase).collect();
        let possible: &[Option<u64>] = match states(&journal).first().map(String::as_str) {
            Some("stack-perhaps-deleted") => &[Some(OLD_STACK), None],
            Some("stack-missing") => &[None],
            Some("installation-unknown") => &[None, Some(NEW_STACK)],
            None if begun.iter().any(|phase| phase == "fus-upgrade") => &[Some(NEW_STACK)],
            None if begun.is_empty() => &[Some(OLD_STACK)],
            other => panic!("kill {number}: {other:?} after {begun:?}"),
        };
        assert!(possible.contains(&page), "kill {number}: {page:?} after {journal}");
        if page.is_none() {
            let mended = bench.alter("fus-install", &more);
            assert_eq!((mended.code, bench.stack_page()), (Some(0), Some(NEW_STACK)), "kill {number}: {mended:?}");
        }
    }
}

fn option_byte_kills(kills: u64) {
    let prime = Bench::new("wb55-with-stack");
    let case = prime.text_path("board.case");
    let set = |case: &str| {
        ["option-bytes", "set", "BOR_LEV=4", "--case", case, "--write", "--confirm", "1-1"].map(str::to_owned)
    };
    let arguments = set(&case);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let span = timed(|| assert_eq!(prime.answer(&arguments).code, Some(0)));
    let (old, new) = ("aaf1ff3d550e", "aaf9ff3d5506");
    let mut dice = Pcg64Mcg::seed_from_u64(3);
    for number in 0..kills {
        let bench = Bench::new("wb55-with-stack");
        let case = bench.text_path("board.case");
        let arguments = set(&case);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        kill(&bench, &arguments, span, dice.random_range(0.05..1.1));
        let bytes = bench.option_bytes(OPTIONS).unwrap_or_else(|| old.to_owned());
        let is_new = bytes.starts_with(new);
        assert!(is_new || bytes.starts_with(old), "kill {number}: {bytes}");
        if !bench.has_case() {
            assert!(!is_new, "kill {number}: altered without a case");
            continue;
        }
        let journal = bench.journal();
        match (states(&journal).first().map(String::as_str), lines(&journal).is_empty()) {
            (Some("option-bytes-uncertain"), _) => {
                let back = bench.answer(&["option-bytes", "restore", &case, "--write", "--confirm", "1-1"]);
                assert_eq!(back.code, Some(0), "kill {number}: {back:?}");
                assert!(bench.option_bytes(OPTIONS).is_none_or(|bytes| bytes.starts_with(old)), "kill {number}");
            }
            (None, true) => assert!(!is_new, "kill {number}: written before the journal"),
            (None, false) => assert!(is_new, "kill {number}: the journal says written"),
            other => panic!("kill {number}: {other:?}"),
        }
    }
}

#[test]
fn a_few_kills_of_each_kind() {
    scratch_kills(4);
    upgrade_kills(4);
    option_byte_kills(3);
}

#[test]
#[ignore = "takes minutes: 200 kills; its result is in docs/measured.md"]
fn two_hundred_kills() {
    scratch_kills(80);
    upgrade_kills(80);
    option_byte_kills(40);
}
