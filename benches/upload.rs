//! Upload of 1 MiB over the real stack: flakescope, which times every transfer, against dfu-util on the same board in the same boot.
//! Seven runs of each in turn. Prints figures and asserts nothing about time.

#![allow(clippy::print_stdout, reason = "figures are its result")]
#![allow(
    clippy::unwrap_used,
    dead_code,
    unused_imports,
    reason = "shared with the guest lane, of which this uses a part"
)]

#[path = "../tests/stack/guest.rs"]
mod guest;
#[path = "../tests/stack/said.rs"]
mod said;

use guest::{Case, Given};

const RUNS: usize = 7;

/// `run NAME COMMAND...` tells how long the program took, and by the kernel's own record how long the uploads took on the bus.
const SCRIPT: &str = r#"
flakescope bench serve /given/full-flash.toml --vhci > /tmp/served 2>&1 &
until [ -e /sys/bus/usb/devices/1-1:1.0 ]; do sleep 0.1; done; sleep 1
run() {
    name=$1; shift
    cat /sys/kernel/debug/usb/usbmon/1u > /tmp/usbmon & watcher=$!
    before=$(cut -d' ' -f1 /proc/uptime)
    "$@" > /tmp/out 2>&1
    after=$(cut -d' ' -f1 /proc/uptime)
    sleep 0.2; kill $watcher
    awk -v name="$name" -v before="$before" -v after="$after" '
        $3 == "S" && $5 == "s" && $6 == "a1" && $7 == "02" { if (!first) first = $2; mine[$1] = 1; count++ }
        $3 == "C" && mine[$1] { last = $2; delete mine[$1] }
        END { printf "%s %.3f %.3f %d\n", name, (last - first) / 1e6, after - before, count }' /tmp/usbmon
}
for n in 1 2 3 4 5 6 7; do
    run dfu-util dfu-util -a 0 -s 0x08000000:1048576 -U /tmp/upload.$n.bin
    run flakescope flakescope run --headless --port 1-1 --boots 1 --cycles 1 --recipe /given/long-read.toml --format json --case /tmp/$n.case
    grep -q '"verdict":"clean"' /tmp/out || cat /tmp/out
done
cmp /tmp/upload.1.bin /tmp/upload.7.bin && wc -c /tmp/upload.7.bin
"#;

fn main() {
    if let Some(missing) = guest::what_is_missing() {
        println!("not measured: needs {missing}");
        return;
    }
    let given = |name: &str, text: &str| Given { name: name.to_owned(), bytes: text.as_bytes().to_vec() };
    let given = [
        given("helpers.sh", ""),
        given("after.sh", ""),
        given("full-flash.toml", include_str!("../tests/stack/boards/full-flash.toml")),
        given("long-read.toml", include_str!("../tests/stack/recipes/long-read.toml")),
    ];
    let case = Case::new("upload", SCRIPT, |_| Ok(())).within(280);
    let transcript = guest::boot(0, &[case], &given).unwrap();
    let said = &transcript.section("upload").unwrap().text;
    println!("program, s on the bus, s of the program, transfers\n{said}");
    for (what, column) in [("on the bus", 1), ("the whole program", 2)] {
        let (ours, theirs) = (median(said, "flakescope", column), median(said, "dfu-util", column));
        println!("{what}: median {ours:.3} s against {theirs:.3} s, ratio {:.3}", ours / theirs);
    }
}

fn median(said: &str, program: &str, column: usize) -> f64 {
    let words = said.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let figures = words.filter(|words| words.len() == 4 && words[0] == program);
    let mut figures: Vec<f64> = figures.map(|words| words[column].parse().unwrap()).collect();
    assert_eq!(figures.len(), RUNS, "{said}");
    figures.sort_by(f64::total_cmp);
    figures[RUNS / 2]
}
