//! A hundred cycles over real libusb on each of six boards: the verdict has to be the one that the same board gets in process.

use crate::guest::{Case, Given, Said};
use crate::in_process;

/// None of them fails by the clock on the wall, which goes otherwise in process. Board, and the board profile that says part and crystal; in process the blueprint says them.
const BOARDS: [(&str, Option<&str>); 6] = [
    ("healthy-f407", Some("example-f407-8mhz")),
    ("f407-noisy-pair", Some("example-f407-8mhz")),
    ("f407-rdp1", Some("example-f407-8mhz")),
    ("h753-bad-word", Some("example-h743-bench")),
    ("f407-open-boot1", Some("example-f407-8mhz")),
    ("g474-low-usb-pin", None),
];
const SEED: &str = "1";
const PLAN: [&str; 4] = ["--boots", "20", "--cycles", "5"];

/// Switches the power of the board on a port off and on, and returns once the kernel has let go of it.
const POWER_CYCLE: &str = r#"
number() { cat "/sys/bus/usb/devices/$1/devnum" 2>/dev/null; }
before=$(number "$1")
echo cycle "$1" 500 > /tmp/hand
[ -z "$before" ] || while [ "$(number "$1")" = "$before" ]; do sleep 0.1; done
"#;

pub fn given() -> Vec<Given> {
    vec![Given { name: "power-cycle.sh".to_owned(), bytes: POWER_CYCLE.as_bytes().to_vec() }]
}

pub fn cases() -> Vec<Case> {
    let names: Vec<_> = BOARDS.iter().map(|(name, _)| *name).collect();
    let mut script = format!("start_switched {}\n", names.join(" "));
    for (port, (name, profile)) in (1..).zip(BOARDS) {
        let profile = profile.map_or(String::new(), |profile| format!("--profile {profile}"));
        script += &format!(
            "HOME=/tmp/{name} flakescope run -q --headless {} --format json --port 1-{port} {profile} \
             --recipe /given/lane-read.toml --reenter command='sh /given/power-cycle.sh 1-{port}' --case /tmp/{name}.case \
             > /tmp/{name}.json 2> /dev/null &\njobs=\"$jobs $!\"\n",
            PLAN.join(" ")
        );
    }
    script += "wait $jobs\n";
    for name in names {
        script += &format!("echo {name} $(cat /tmp/{name}.json)\n");
    }
    let case = Case::new("a_hundred_cycles_on_six_boards_end_in_the_verdicts_of_in_process_runs", script, |said| {
        let complaints: Vec<_> = BOARDS.iter().filter_map(|(name, _)| compare(name, said).err()).collect();
        if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n")) }
    });
    vec![case.within(280)]
}

fn compare(board: &str, said: &Said) -> Result<(), String> {
    let line = said.value(board)?;
    let real = in_process::verdict(line).map_err(|error| format!("{board}: {error} in {line}"))?;
    let mut arguments = vec!["--seed", SEED, "--off-time", "500ms", "--recipe", "tests/stack/recipes/lane-read.toml"];
    arguments.extend(PLAN);
    let virtual_one = in_process::run(board, &arguments)?;
    if real.cycles != Some(100) {
        return Err(format!("{board}: {:?} cycles", real.cycles));
    }
    if (&real.kind, &real.family) == (&virtual_one.kind, &virtual_one.family) {
        return Ok(());
    }
    Err(format!("{board}: over libusb {real:?}, in process {virtual_one:?}"))
}
