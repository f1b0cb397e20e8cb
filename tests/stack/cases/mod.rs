//! The cases of the lane: what each runs in the guest, and what has to come of it.

mod altering;
mod beside;
mod campaigns;
mod dfu_util;
mod listing;
mod mechanisms;
mod plugging;
mod probe_link;
mod probe_trouble;
mod probes;
mod usbip_tool;

use crate::guest::{Case, Given};

/// Available to every script. `plug BOARD PORT` serves a virtual board on a port of the virtual controller and waits for it.
const HELPERS: &str = r#"
# Every look costs a process, which is dear in emulation: waits look seldom.
vhci=/sys/devices/platform/vhci_hcd.0
devices=/sys/bus/usb/devices
start() { flakescope bench serve "$1" --vhci --vhci-port "$2" > "/tmp/served.$2" 2>&1 & }
await() {
    for i in $(seq 150); do [ -e "$devices/1-$(($1 + 1)):1.0" ] && return; sleep 0.1; done
    echo "nothing came to port $1"; cat "/tmp/served.$1"; exit 99
}
await_gone() { for i in $(seq 150); do [ -e "$devices/$1" ] || return; sleep 0.1; done; echo "$1 did not go"; }
plug() { start "$1" "$2"; await "$2"; }
unplug() { echo "$1" > $vhci/detach; }
# Boards from port 0 on, with somebody at their switches: `hand off 1-1`.
start_switched() {
    rm -f /tmp/hand; mkfifo /tmp/hand
    flakescope bench serve "$@" --vhci --control < /tmp/hand > /tmp/served.0 2>&1 &
    exec 9> /tmp/hand
}
# Debug probes with a board on their wires: on a port of the virtual controller, or from port 0 on with somebody at the switch.
plug_probe() { flakescope bench serve "$1" --as "$2" --vhci --vhci-port "$3" > "/tmp/served.$3" 2>&1 & await "$3"; }
serve_probe() {
    rm -f /tmp/hand; mkfifo /tmp/hand
    flakescope bench serve "$1" --as "$2" --vhci --control < /tmp/hand > /tmp/served.0 2>&1 &
    exec 9> /tmp/hand
    await 0
}
hand() { echo "$@" > /tmp/hand; }
# The interface belongs to usbfs from the claim of a program until its close.
await_session() { until [ -e "$devices/1-$(($1 + 1)):1.0/driver" ]; do sleep 0.1; done; }
unplug_in_session() { await_session "$1"; sleep 0.3; unplug "$1"; }
number() { cat $devices/1-1/devnum 2>/dev/null; }
scope() { flakescope run -q --headless --boots 1 --format json --case "/tmp/$$.case" "$@"; }
"#;

/// Runs after every case and the end of its processes, so that each begins with an empty bus.
const AFTER: &str = r"
for port in 0 1 2 3 4 5 6 7; do echo $port > /sys/devices/platform/vhci_hcd.0/detach; done 2>/dev/null
killall tmux 2>/dev/null
for i in $(seq 50); do ls /sys/bus/usb/devices | grep -q '^1-[0-9]*$' || break; sleep 0.1; done
rm -f /tmp/*.case* /tmp/*.bin
";

const BOARDS: [(&str, &str); 12] = [
    ("protected.toml", include_str!("../boards/protected.toml")),
    ("noisy.toml", include_str!("../boards/noisy.toml")),
    ("f405.toml", include_str!("../boards/f405.toml")),
    ("f74x.toml", include_str!("../boards/f74x.toml")),
    ("g47x.toml", include_str!("../boards/g47x.toml")),
    ("l47x.toml", include_str!("../boards/l47x.toml")),
    ("stuck-word.toml", include_str!("../boards/stuck-word.toml")),
    ("resetting-word.toml", include_str!("../boards/resetting-word.toml")),
    ("f746-misread.toml", include_str!("../boards/f746-misread.toml")),
    ("long-read.toml", include_str!("../recipes/long-read.toml")),
    ("swd-long-read.toml", include_str!("../recipes/swd-long-read.toml")),
    ("lane-read.toml", include_str!("../recipes/lane-read.toml")),
];

/// What each guest runs, in this order; they take about the same time. A guest waits for a third of its time, so that three fill
/// two processors.
pub fn guests() -> Vec<Vec<Case>> {
    let tools = [listing::cases(), dfu_util::cases(), usbip_tool::cases(), plugging::cases(), campaigns::cases()];
    let probes = [probes::cases(), probe_link::cases(), probe_trouble::cases(), beside::cases(), altering::cases()];
    let in_turn = |groups: [Vec<Case>; 5]| groups.into_iter().flatten().collect();
    vec![in_turn(tools), in_turn(probes), mechanisms::cases()]
}

/// What lies in `/given` of the guest.
pub fn given() -> Vec<Given> {
    let given = |name: &str, bytes: &[u8]| Given { name: name.to_owned(), bytes: bytes.to_vec() };
    let scripts = [given("helpers.sh", HELPERS.as_bytes()), given("after.sh", AFTER.as_bytes())];
    let boards = BOARDS.iter().map(|(name, text)| given(name, text.as_bytes()));
    scripts
        .into_iter()
        .chain(boards)
        .chain(altering::given())
        .chain(dfu_util::given())
        .chain(plugging::given())
        .chain(probe_link::given())
        .chain(probe_trouble::given())
        .chain(campaigns::given())
        .chain(mechanisms::given())
        .collect()
}
