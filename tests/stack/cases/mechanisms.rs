//! For each mechanism: the failure class over the real stack is that of the run in process. The table goes into docs/real-stack.md.

use std::path::PathBuf;

use crate::guest::{Case, Given, Said};
use crate::in_process;
use crate::said::same_as_file;

struct Mechanism {
    /// As the file of `src/bench/mechanism`, or what else of the board is the matter.
    name: &'static str,
    /// The head of the board file is added.
    board: &'static str,
    part: Part,
}

#[derive(Clone, Copy)]
enum Part {
    F407,
    F405,
    F746,
    G474,
    L476,
    L552,
    Odd,
}

impl Part {
    const fn head(self) -> &'static str {
        match self {
            Self::F407 => "part = \"STM32F407VGT6\"\nrom = \"f40x-v9\"\ncrystal-mhz = 8.0\n",
            Self::F405 => "part = \"STM32F405RGT6\"\nrom = \"f40x-v3\"\ncrystal-mhz = 8.0\n",
            Self::Odd => "part = \"STM32F407VGT6\"\nrom = \"f40x-v9\"\ncrystal-mhz = 7.3728\n",
            Self::F746 => "part = \"STM32F746ZGT6\"\nrom = \"f74x\"\ncrystal-mhz = 25.0\n",
            Self::L476 => "part = \"STM32L476RGT6\"\nrom = \"l47x-v10\"\ncrystal-mhz = 8.0\nlse-fitted = true\n",
            Self::L552 => "part = \"STM32L552ZET6\"\nrom = \"l5x2-v9\"\n",
            Self::G474 => "part = \"STM32G474CEU6\"\nrom = \"g47x\"\n",
        }
    }
}

/// Each with figures that leave so little to chance that both runs meet the same. What comes and goes with time is met by more
/// cycles in process, where a cycle takes less of it.
const MECHANISMS: [Mechanism; 21] = [
    Mechanism {
        name: "straps",
        part: Part::F407,
        board: "[mechanism.straps]\nboot0-mv = 0\nboot1-mv = 0\nnoise-mv = 1\nthreshold-mv = 1650\n",
    },
    Mechanism {
        name: "crystal-start",
        part: Part::F405,
        board: "[mechanism.crystal-start]\nstart-ms = 5.0\nreference-load-pf = 8.0\nfitted-load-pf = 10.0\ngain-margin = 6.0\n\
                gain-margin-percent-per-kelvin = 0.0\nscatter-percent = 1.0\n",
    },
    Mechanism { name: "bit-clock, a crystal of 7.3728 MHz", part: Part::Odd, board: "" },
    Mechanism {
        name: "hsi48",
        part: Part::G474,
        board: "[mechanism.hsi48]\nerror-percent = -8.0\ndrift-percent-per-kelvin = 0.0\nrecovery-works = false\n",
    },
    Mechanism {
        name: "interface-race",
        part: Part::F407,
        board: "[mechanism.interface-race]\nedges-per-s = 100000\npull-up-after-ms = 0\nselected-after-ms = 400\nwander-time-s = 0\n",
    },
    Mechanism {
        name: "packet-gap",
        part: Part::F407,
        board: "[mechanism.packet-gap]\nneeds-us = 6.0\nhost-leaves-us = 2.0\nlost-share = 1.0\n",
    },
    Mechanism {
        name: "bit-errors",
        part: Part::F407,
        board: "[mechanism.bit-errors]\nto-host-per-bit = 1e-3\nto-device-per-bit = 1e-5\n",
    },
    Mechanism { name: "bursts", part: Part::F407, board: "[mechanism.bursts]\nevery-s = 1.1\nopen-ms = 200\n" },
    Mechanism {
        name: "supply",
        part: Part::F407,
        board: "[mechanism.supply]\nsource-mv = 3300\nresistance-ohm = 4\ntraffic-ma = 50\nflash-work-ma = 100\n\
                usb-needs-mv = 2700\nresets-below-mv = 1700\nother-load = { ma = 500, every-s = 1.1, for-ms = 200 }\n",
    },
    Mechanism {
        name: "flash-word, core resets",
        part: Part::F407,
        board: "[mechanism.flash-word]\naddress = 0x08000040\nlength-bytes = 32\ncore = \"resets\"\n",
    },
    Mechanism {
        name: "flash-word, core stuck",
        part: Part::F407,
        board: "[mechanism.flash-word]\naddress = 0x08000040\nlength-bytes = 32\ncore = \"stuck\"\n",
    },
    Mechanism { name: "stuck-reset", part: Part::F407, board: "[mechanism.stuck-reset]\n" },
    Mechanism { name: "rail-level", part: Part::F407, board: "[mechanism.rail-level]\nmv = 1200\n" },
    Mechanism { name: "product-state", part: Part::L552, board: "[mechanism.product-state]\nis = \"closed\"\n" },
    Mechanism {
        name: "internal-oscillator, 25 MHz taken for 24",
        part: Part::F746,
        board: "[mechanism.internal-oscillator]\nerror-percent = 3.5\ndrift-percent-per-kelvin = 0.0\nnoise-percent = 0.0\n",
    },
    Mechanism {
        name: "usb-pin-supply",
        part: Part::G474,
        board: "[mechanism.usb-pin-supply]\npin-mv = 2900\nnoise-mv = 1\n",
    },
    Mechanism {
        name: "reset-pulses",
        part: Part::F407,
        board: "[mechanism.reset-pulses]\nevery-ms = 1100\nlow-ms = 1\nby = \"pin\"\n",
    },
    Mechanism {
        name: "application-loader with a watchdog that nobody feeds",
        part: Part::F407,
        board: "[mechanism.application-loader]\nproduct = \"Loader\"\nlayouts = [\"@Internal Flash /0x08000000/04*016Ka,08*128Kg\"]\n\
                start-ms = 120\nwatchdog = { period-ms = 900, fed = \"never\" }\n",
    },
    Mechanism {
        name: "option-mismatch",
        part: Part::L476,
        board: "[mechanism.option-mismatch]\naddress = 0x1FFF7804\nbits = 0x00300000\nforces-protection = true\n",
    },
    Mechanism { name: "read-out protection", part: Part::F407, board: "read-out-protected = true\n" },
    Mechanism { name: "none", part: Part::F407, board: "" },
];

/// Why the others are not among them; together they are all there are.
const NOT_COMPARED: [(&str, &str); 14] = [
    ("blank-flash-latch", "keeps the ROM from starting, as `straps` does"),
    ("controller", "the virtual controller answers SET_ADDRESS itself"),
    ("core-capacitor", "resets the part at any moment, as `reset-pulses` does"),
    ("crystal-dropout", "resets the part at any moment, as `reset-pulses` does"),
    ("die-temperature", "does nothing by itself; it moves the oscillators"),
    ("hub-port", "there is no hub"),
    ("idle-suspend", "the virtual controller never suspends a port"),
    ("oddity", "is whatever its rule says"),
    ("other-program", "another program is one here: see the listing and the busy probe"),
    ("software-jump", "leaves the port attached and not served, as `interface-race` does"),
    ("supply-dip", "meets the upgrade service: see the cases that alter"),
    ("supply-limit", "the virtual controller has no power"),
    ("vbus-sense", "keeps the ROM from USB, as `straps` does"),
    ("watchdog", "is part of the application-loader above"),
];

/// Every mechanism of the bench is compared, or has its reason.
fn all_are_spoken_for() -> Result<(), String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/bench/mechanism");
    let files = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let names = files.filter_map(|file| Some(file.ok()?.path().file_stem()?.to_str()?.replace('_', "-")));
    let compared = |name: &str| {
        let named = MECHANISMS.iter().filter_map(|mechanism| mechanism.name.split([',', ' ']).next());
        named.chain(NOT_COMPARED.iter().map(|(known, _)| *known)).any(|known| known == name)
    };
    match names.filter(|name| name != "mod").find(|name| !compared(name)) {
        Some(name) => Err(format!("`{name}` is neither compared nor left out for a reason")),
        None => Ok(()),
    }
}

fn file(number: usize) -> String {
    format!("mechanism-{number}.toml")
}

impl Mechanism {
    fn blueprint(&self) -> String {
        format!("text = \"A board for the table of mechanisms.\"\n{}{}", self.part.head(), self.board)
    }
}

pub fn given() -> Vec<Given> {
    let given = |(number, mechanism): (usize, &Mechanism)| Given {
        name: file(number),
        bytes: mechanism.blueprint().into_bytes(),
    };
    MECHANISMS.iter().enumerate().map(given).collect()
}

/// One after the other, with the kernel's own record of what became of each transfer beside. On a slow computer the kernel takes back
/// the first descriptor of a sound board now and then (-2 at address 0), which counts only where nothing else failed.
const RUN: &str = r#"
echo 500 > /sys/module/usbcore/parameters/initial_descriptor_timeout
run() {
    cat /sys/kernel/debug/usb/usbmon/1u > /tmp/usbmon & watcher=$!
    start "/given/mechanism-$1.toml" 0; server=$!
    verdict=$(scope --port 1-1 --cycles $2 --recipe /given/lane-read.toml 2> /dev/null)
    kill $watcher
    echo "verdict-$1 $verdict"
    echo "usbfs-$1 $(awk '$3 != "C" || $4 ~ /:001:/ || $5 >= 0 { next } $4 ~ /:000:/ && $5 == -2 { code = code ? code : $5; next } { code = $5; exit } END { print code }' /tmp/usbmon)"
    # A board that is just off the bus has nothing to detach, and its server would bring it back beside the next one.
    kill $server; wait $server 2>/dev/null; echo 0 > $vhci/detach 2>/dev/null; await_gone 1-1; sleep 0.1; rm -f /tmp/*.case*
}
"#;
/// For what fails in the first; for what fails now and then.
const ONE_CYCLE: u32 = 1;
const SOME_CYCLES: u32 = 20;
const CYCLES_IN_PROCESS: &str = "100";
const ENOUGH_IN_PROCESS: &str = "2";

impl Mechanism {
    /// Beside the others these depend on chance or on time.
    fn cycles(&self) -> u32 {
        if ["bit-errors", "bursts", "supply", "reset-pulses", "usb-pin-supply"].contains(&self.name)
            || self.name.contains("watchdog")
        {
            SOME_CYCLES
        } else {
            ONE_CYCLE
        }
    }
}

pub fn cases() -> Vec<Case> {
    let run = |(number, mechanism): (usize, &Mechanism)| format!("run {number} {}\n", mechanism.cycles());
    let runs: String = MECHANISMS.iter().enumerate().map(run).collect();
    let script = format!("{RUN}{runs}echo 5000 > /sys/module/usbcore/parameters/initial_descriptor_timeout");
    vec![Case::new("every_mechanism_fails_in_the_same_class_as_in_process", script, judge).within(600)]
}

fn judge(said: &Said) -> Result<(), String> {
    let mut complaints = Vec::new();
    let mut rows = String::new();
    for (number, mechanism) in MECHANISMS.iter().enumerate() {
        match row(number, mechanism, said) {
            Ok(row) => rows += &row,
            Err(complaint) => complaints.push(format!("{}: {complaint}", mechanism.name)),
        }
    }
    if !complaints.is_empty() {
        return Err(complaints.join("\n"));
    }
    all_are_spoken_for()?;
    let left_out: String = NOT_COMPARED.iter().map(|(name, why)| format!("- `{name}`: {why}\n")).collect();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/real-stack.md");
    let page = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let (before, rest) = page.split_once(BEGIN).ok_or("docs/real-stack.md has lost its marks")?;
    let (_, after) = rest.split_once(END).ok_or("docs/real-stack.md has lost its marks")?;
    same_as_file(&path, &format!("{before}{BEGIN}\n{HEAD}{rows}\nNot compared:\n\n{left_out}{END}{after}"))
}

const BEGIN: &str = "<!-- mechanisms: written by tests/stack with FLAKESCOPE_UPDATE=1 -->";
const END: &str = "<!-- end -->";
const HEAD: &str = "| mechanism | class, both | phase over the real stack | kernel (usbmon) | flakescope's code |\n|---|---|---|---|---|\n";

fn row(number: usize, mechanism: &Mechanism, said: &Said) -> Result<String, String> {
    let real = in_process::verdict(said.value(&format!("verdict-{number}"))?)?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let board = folder.path().join(file(number));
    std::fs::write(&board, mechanism.blueprint()).map_err(|error| error.to_string())?;
    // What acts at a moment of its own choosing also meets enumeration on the clock on the wall.
    let by_chance = mechanism.cycles() > ONE_CYCLE;
    let cycles = if by_chance { CYCLES_IN_PROCESS } else { ENOUGH_IN_PROCESS };
    let recipe = ["--boots", "1", "--cycles", cycles, "--recipe", "tests/stack/recipes/lane-read.toml"];
    let virtual_one = in_process::run(&board.display().to_string(), &recipe)?;
    let there = virtual_one.failures.first().map_or("none", |first| &first.class);
    let shown = real.failures.iter().find(|failure| !by_chance || failure.class == there);
    let here = shown.map_or("none", |failure| &failure.class);
    if here != there {
        return Err(format!("{here} over the real stack, {there} in process: {real:?} against {virtual_one:?}"));
    }
    let Some(first) = shown else { return Ok(format!("| {} | {here} | | | |\n", mechanism.name)) };
    if by_chance && here == "disconnected" {
        return Ok(format!("| {} | {here} | any | by what was under way | by what was under way |\n", mechanism.name));
    }
    let kernel = said.value(&format!("usbfs-{number}")).ok().filter(|it| !it.is_empty()).unwrap_or("none");
    // How far the kernel came before it gave up is a matter of luck.
    let code = if here == "descriptor-failed" { first.code.rsplit(", ").next().unwrap_or("") } else { &first.code };
    let phase = if by_chance { "any" } else { &first.phase };
    Ok(format!("| {} | {here} | {phase} | {kernel} | {code} |\n", mechanism.name))
}
