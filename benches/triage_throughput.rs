//! How many megabytes of log a second triage reads on one core, and how many ripgrep, where it is installed, counting the
//! same literals; then small reports: `cargo bench --bench triage_throughput`.

use std::fs;
use std::io::{BufWriter, Read, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use flakescope::investigation::triage::Triage;

const MEGABYTES: usize = 256;

fn main() {
    let triage = Triage::load().expect("the built-in profiles are sound");
    for (name, every) in [("rare hits (one line in 5000)", 5_000), ("many hits (one line in 20)", 20)] {
        let block = block(every);
        let mut source = Repeated { block: &block, left: MEGABYTES * 1_000_000, at: 0 };
        let start = Instant::now();
        let triaged = triage.report(name, &mut source).expect("memory can be read");
        let seconds = start.elapsed().as_secs_f64();
        let rate = MEGABYTES as f64 / seconds;
        say(&format!("{name}: {rate:.0} MB/s, {} lines", triaged.lines));
        match ripgrep(&triage, &block) {
            Some(rate) => say(&format!("  ripgrep with the same literals on one thread: {rate:.0} MB/s")),
            None => say("  ripgrep is not installed"),
        }
    }
    small_reports(&triage);
}

fn say(text: &str) {
    writeln!(std::io::stdout(), "{text}").expect("standard output is open");
}

/// Counts the lines that hold one of the literals, without regard to case.
fn ripgrep(triage: &Triage, block: &[u8]) -> Option<f64> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (literals, log) = (folder.path().join("literals"), folder.path().join("log"));
    fs::write(&literals, triage.literals().collect::<Vec<_>>().join("\n")).expect("the folder can be written");
    let mut file = BufWriter::new(fs::File::create(&log).expect("the folder can be written"));
    std::io::copy(&mut Repeated { block, left: MEGABYTES * 1_000_000, at: 0 }, &mut file).expect("the disk has room");
    file.flush().expect("the disk has room");
    let start = Instant::now();
    let status = Command::new("rg")
        .args(["--count", "--ignore-case", "--text", "--fixed-strings", "--threads=1", "--no-config", "--file"])
        .args([&literals, &log])
        .stdout(Stdio::null())
        .status();
    let seconds = start.elapsed().as_secs_f64();
    status.ok().filter(std::process::ExitStatus::success).map(|_| MEGABYTES as f64 / seconds)
}

/// Reports of a few kilobytes, one after the other.
fn small_reports(triage: &Triage) {
    const REPORTS: usize = 1_000;
    let mut report = b"STM32F405 on my own board, 8 MHz crystal, Windows 10. It does not enumerate.\n".to_vec();
    report.extend_from_slice(&block(30)[..3_000]);
    report.extend_from_slice(b"Unknown USB Device (Device Descriptor Request Failed)\n");
    let start = Instant::now();
    for number in 0..REPORTS {
        triage.report(&number.to_string(), &mut report.as_slice()).expect("memory can be read");
    }
    let seconds = start.elapsed().as_secs_f64();
    say(&format!("reports of {} bytes: {:.0} a second on one core", report.len(), REPORTS as f64 / seconds));
}

/// About a megabyte of lines of a build log; every so many lines one that a reader knows.
fn block(every: usize) -> Vec<u8> {
    let mut text = Vec::new();
    for number in 0.. {
        if number % every == every - 1 {
            text.extend_from_slice(b"08:59:06 : Data read successfully\n");
        } else {
            text.extend_from_slice(
                format!("[{number:6}] cc -O2 -c source/module_{number}.c -o out/module_{number}.o\n").as_bytes(),
            );
        }
        if text.len() >= 1_000_000 {
            return text;
        }
    }
    text
}

struct Repeated<'a> {
    block: &'a [u8],
    left: usize,
    at: usize,
}

impl Read for Repeated<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let count = out.len().min(self.left).min(self.block.len() - self.at);
        out[..count].copy_from_slice(&self.block[self.at..self.at + count]);
        self.left -= count;
        self.at = (self.at + count) % self.block.len();
        Ok(count)
    }
}
