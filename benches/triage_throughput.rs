//! How many megabytes of log a second triage reads on one core: `cargo bench --bench triage_throughput`.

use std::io::{Read, Write};
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
        writeln!(std::io::stdout(), "{name}: {rate:.0} MB/s, {} lines", triaged.lines)
            .expect("standard output is open");
    }
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
