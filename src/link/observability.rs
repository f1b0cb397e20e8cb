//! Which real link can see what: the table that a virtual link keeps to, and that the documentation shows.

use std::fmt::Write as _;

/// Something that happens on a bench or at a desk, and who learns of it.
#[derive(Clone, Copy, Debug)]
pub struct Signal {
    pub what: &'static str,
    /// A DFU session through libusb.
    pub usb: Seen,
    /// The kernel's messages and sysfs.
    pub kernel: Seen,
    /// A debug probe.
    pub probe: Seen,
    /// A person with a meter, or a sensor command.
    pub person: Seen,
    pub note: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    Yes,
    /// Concluded from something else, and marked so.
    Inferred,
    No,
}

impl Seen {
    const fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Inferred => "inferred",
            Self::No => "no",
        }
    }
}

const fn signal(what: &'static str, [usb, kernel, probe, person]: [Seen; 4], note: &'static str) -> Signal {
    Signal { what, usb, kernel, probe, person, note }
}

const Y: Seen = Seen::Yes;
const I: Seen = Seen::Inferred;
const N: Seen = Seen::No;

/// In the order in which a boot brings them up.
pub const SIGNALS: [Signal; 36] = [
    signal(
        "power coming on",
        [N, N, I, Y],
        "commanded by us or told by the operator; the link itself cannot tell it from a reset",
    ),
    signal("supply at the pins", [N, N, I, Y], "a probe's reference reading is slow and misses dips"),
    signal("core supply", [N, N, N, Y], ""),
    signal("voltage at the USB supply pin", [N, N, N, Y], ""),
    signal("levels of the boot pins at reset", [N, N, I, Y], "a probe sees what runs, from the program counter"),
    signal(
        "starts of the ROM, retries included",
        [I, I, I, N],
        "one plug-in can hold many: only the time to enumerate tells",
    ),
    signal("start-up time of the crystal", [N, N, N, Y], ""),
    signal("error of the internal oscillator", [N, N, Y, Y], "by the core's cycle counter against the host's time"),
    signal("crystal that the ROM believes", [N, N, Y, N], "PLLM while the ROM runs"),
    signal("trim and state of the clock recovery", [N, N, Y, N], "CRS_ISR"),
    signal("temperature of the die", [N, N, N, Y], "a sensor command reads the air"),
    signal("reset flags", [N, N, Y, N], "sticky: they count only if cleared earlier in the same boot"),
    signal("pull-up on D+", [N, I, N, Y], "the hub reports a connection after its debounce"),
    signal("failed attempts to enumerate", [N, Y, N, N], "not in libusb's list; the kernel's words say why"),
    signal("time to enumerate", [Y, Y, N, N], ""),
    signal("identity: VID, PID, bcdDevice, serial, product", [Y, Y, N, N], "known before the device is opened"),
    signal("speed and port path", [Y, Y, N, N], ""),
    signal("who may open the node, who holds the interface", [Y, I, N, N], "as an access or a busy error"),
    signal("device, configuration and string descriptors", [Y, Y, N, N], "sysfs has them from enumeration"),
    signal("DFU state and status", [Y, N, N, N], ""),
    signal("memory, option bytes, OTP", [Y, N, Y, N], "as far as protection allows"),
    signal("write protection of a sector", [I, N, Y, N], "the ROM says nothing; option bytes or reading back tell"),
    signal("latency of a transfer", [Y, N, N, N], "includes the host's own delays"),
    signal("retries of the host controller", [I, N, N, N], "a transfer about a frame late"),
    signal("which packet of a transfer was spoilt", [N, N, N, N], "a bus analyser sees it"),
    signal("bytes of a transfer that failed", [N, N, N, N], "libusb returns none"),
    signal(
        "kind of bus error: -71, -84, -62",
        [Y, I, N, N],
        "libusb folds them into one code and names the number in its log only",
    ),
    signal("a stall", [Y, N, N, N], ""),
    signal("NAK for ever", [I, I, N, N], "as a time-out"),
    signal("a device that left", [Y, Y, N, N], "why it left is not seen"),
    signal("over-current of a port", [N, Y, N, N], "a message and a count in sysfs"),
    signal("a port disabled by its hub", [N, Y, N, N], ""),
    signal("sleep of the port", [N, Y, N, N], "the setting in sysfs; the first transfer afterwards may fail"),
    signal("watchdog about to bite", [N, N, Y, N], "the reset flag afterwards"),
    signal("target voltage", [N, N, Y, Y], ""),
    signal(
        "what a loader in flash is",
        [I, I, I, N],
        "strings that are not the ROM's; program counter outside system memory",
    ),
];

/// The table as the documentation shows it.
pub fn table() -> String {
    let mut text = String::from(
        "| signal | DFU over libusb | kernel | debug probe | person or sensor | remark |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for Signal { what, usb, kernel, probe, person, note } in SIGNALS {
        let [usb, kernel, probe, person] = [usb, kernel, probe, person].map(Seen::word);
        writeln!(text, "| {what} | {usb} | {kernel} | {probe} | {person} | {note} |").expect("a string takes all");
    }
    text
}
