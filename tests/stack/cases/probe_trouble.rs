//! What goes wrong between flakescope and a debug probe: the class has to be the one of the same trouble in process.

use crate::guest::{Case, Given, Said};
use crate::in_process::{self, Failure};

const HEAD: &str = "text = \"A board behind a probe with a trouble.\"\npart = \"STM32F407VGT6\"\nrom = \"f40x-v9\"\ncrystal-mhz = 8.0\n";
/// Each on the port of its place; both ST-Links have one driver.
const KINDS: [&str; 2] = ["stlink-v3", "cmsis-dap"];

struct Trouble {
    name: &'static str,
    kinds: &'static [&'static str],
    /// The `[swd]` table of the board in process.
    in_process: &'static str,
    /// The one of the board in the guest, where somebody else makes the trouble.
    in_guest: &'static str,
    /// With the probe `$kind` plugged in at `$port`; prints the verdict.
    script: &'static str,
    phases: &'static [&'static str],
    says: &'static [&'static str],
}

const RUN: &str = "flakescope run -q --headless --boots 1 --cycles 2 --format json --link swd --probe 1-$((port + 1)) \
    --recipe /given/swd-long-read.toml --case /tmp/$kind.case";

const TROUBLES: [Trouble; 6] = [
    Trouble {
        name: "an_unplug_during_a_read_is_a_lost_probe",
        kinds: &KINDS,
        in_process: "[swd.mechanism.probe-outage]\ndrops = 0.01\naway-s = 60\n",
        in_guest: "",
        script: "unplug_in_read & RUN",
        phases: &["read"],
        says: &["no-probe"],
    },
    Trouble {
        name: "a_probe_in_use_is_busy_and_its_holder_is_named",
        kinds: &KINDS,
        in_process: "[swd.probe]\nheld = true\n",
        in_guest: "",
        script: "hold; RUN; kill $holder",
        phases: &["probe-open"],
        says: &["openocd (process"],
    },
    Trouble {
        name: "a_silent_probe_times_out",
        kinds: &KINDS,
        in_process: "[swd.mechanism.probe-outage]\nmute = 1.0\n",
        in_guest: "[swd.mechanism.probe-outage]\nmute = 1.0\n",
        script: "RUN",
        phases: &["probe-open"],
        says: &["\"failed_cycles\":2"],
    },
    Trouble {
        name: "a_probe_that_leaves_a_command_unanswered_times_out_in_that_step",
        kinds: &KINDS,
        in_process: "[swd.mechanism.probe-outage]\nmute = 0.02\n",
        in_guest: "[swd.mechanism.probe-outage]\nmute = 0.02\n",
        script: "RUN",
        phases: &["connect", "read"],
        says: &["\"failed_cycles\":2"],
    },
    Trouble {
        // The driver of CMSIS-DAP makes it an error.
        name: "a_probe_that_keeps_its_driver_for_ever_is_a_hang_and_the_campaign_goes_on",
        kinds: &["stlink-v2-1"],
        in_process: "[swd.mechanism.probe-outage]\nhangs = 1.0\n",
        in_guest: "[swd.mechanism.probe-outage]\nhangs = 1.0\n",
        script: "RUN",
        phases: &["probe-open"],
        says: &["\"failed_cycles\":2"],
    },
    Trouble {
        name: "a_probe_without_permission_is_refused_with_the_udev_rule",
        kinds: &KINDS,
        in_process: "[swd.probe]\nnode-closed = true\n",
        in_guest: "",
        script: "touch /tmp/flakescope-probe-${kind%%-*}.lock
    su nobody -s /bin/sh -c \"kind=$kind; port=$port; flakescope list; RUN\"",
        phases: &["probe-open"],
        says: &["udev"],
    },
];

const HOLD: &str = r#"
hold() {
    interface=${kind%-v3}
    openocd -s /usr/share/openocd/scripts -f interface/$interface.cfg -f target/stm32f4x.cfg \
        -c 'gdb_port disabled; tcl_port disabled; telnet_port disabled' > /tmp/$kind.openocd 2>&1 &
    holder=$!; await_session $port
}
# More transfers than it takes to open and to connect, and fewer than it takes to read: a CMSIS-DAP packet carries little.
unplug_in_read() {
    transfers=$devices/1-$((port + 1))/urbnum
    case $kind in cmsis-dap) enough=2000 ;; *) enough=400 ;; esac
    await_session $port; begin=$(cat $transfers)
    until [ $(($(cat $transfers) - begin)) -gt $enough ]; do sleep 0.1; done
    unplug $port
}
"#;

pub fn given() -> Vec<Given> {
    let of = |trouble: &Trouble, kind: &str| {
        let serial = format!("[swd.probe]\nserial = \"{kind}\"\n");
        let bytes = format!("{HEAD}{serial}{}", trouble.in_guest).into_bytes();
        Given { name: format!("{}-{kind}.toml", trouble.name), bytes }
    };
    TROUBLES.iter().flat_map(|trouble| trouble.kinds.iter().map(|kind| of(trouble, kind))).collect()
}

impl Trouble {
    fn case(&'static self) -> Case {
        let name = self.name;
        let run = self.script.replace("RUN", RUN);
        let mut script = format!("{HOLD}trouble() {{\n    {run}\n}}\n");
        for (port, kind) in self.kinds.iter().enumerate() {
            script += &format!("plug_probe /given/{name}-{kind}.toml {kind} {port}\n");
        }
        // Most of it is waiting, so all at once.
        for (port, kind) in self.kinds.iter().enumerate() {
            script += &format!("(kind={kind}; port={port}; trouble > /tmp/{kind}.out 2>&1) & runs=\"$runs $!\"\n");
        }
        script += "wait $runs\n";
        for kind in self.kinds {
            script += &format!("sed 's/^/{kind} /' /tmp/{kind}.out\n");
        }
        Case::new(format!("probe_trouble_{name}"), script, move |said| self.judge(said))
    }

    fn judge(&self, said: &Said) -> Result<(), String> {
        let expected = self.class_in_process()?;
        let judged =
            self.kinds.iter().map(|kind| self.judge_one(kind, &expected, said).map_err(|it| format!("{kind}: {it}")));
        let complaints: Vec<_> = judged.filter_map(Result::err).collect();
        if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n")) }
    }

    fn judge_one(&self, kind: &str, expected: &str, said: &Said) -> Result<(), String> {
        let of_kind: String =
            said.text.lines().filter_map(|line| line.strip_prefix(kind)).flat_map(|line| [line, "\n"]).collect();
        let real = in_process::verdict(&of_kind)?;
        let first = real.failures.first().ok_or("no failure")?;
        let Failure { class, phase, .. } = first;
        if class != expected || !self.phases.contains(&phase.as_str()) {
            return Err(format!("{first:?} instead of {expected} in {:?}", self.phases));
        }
        match self.says.iter().find(|words| !of_kind.contains(**words)) {
            Some(words) => Err(format!("`{words}` is not there")),
            None => Ok(()),
        }
    }

    fn class_in_process(&self) -> Result<String, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let board = folder.path().join("board.toml");
        std::fs::write(&board, format!("{HEAD}{}", self.in_process)).map_err(|error| error.to_string())?;
        let plan =
            ["--link", "swd", "--recipe", "tests/stack/recipes/swd-long-read.toml", "--boots", "1", "--cycles", "20"];
        let outcome = in_process::run(&board.display().to_string(), &plan)?;
        let first = outcome.failures.first().ok_or("no failure in process")?;
        Ok(first.class.clone())
    }
}

pub fn cases() -> Vec<Case> {
    TROUBLES.iter().map(Trouble::case).collect()
}
