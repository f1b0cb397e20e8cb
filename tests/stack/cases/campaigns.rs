//! Campaigns over real libusb on a healthy and five faulty boards: the verdict has to agree with the one that the same board gets in process.

use crate::guest::{Case, Given, Said};
use crate::in_process::{self, Outcome};

/// A board, and the board profile that says its part and crystal; in process the board's own file says them. None fails by the
/// clock on the wall, which goes otherwise in process.
struct Board {
    name: &'static str,
    /// Where it is not one of the built-in ones: its file in the guest, and here.
    file: Option<(&'static str, &'static str)>,
    profile: &'static str,
}

const F407: &str = "--profile example-f407-8mhz";
const F072: &str = "--profile f072";
/// Board profiles of the lane's own.
const PROFILES: &str = r#"
export FLAKESCOPE_PROFILES=/tmp/profiles
mkdir -p $FLAKESCOPE_PROFILES/boards
printf 'name = "An F072"\npart = "STM32F072CB"\n' > $FLAKESCOPE_PROFILES/boards/f072.toml
"#;
const BOARDS: [Board; 6] = [
    Board { name: "healthy-f407", file: None, profile: F407 },
    Board { name: "noisy", file: Some(("/given/noisy.toml", "tests/stack/boards/noisy.toml")), profile: F407 },
    Board { name: "f407-rdp1", file: None, profile: F407 },
    Board {
        name: "resetting-word",
        file: Some(("/given/resetting-word.toml", "tests/stack/boards/resetting-word.toml")),
        profile: F407,
    },
    Board { name: "l476-torn-options", file: None, profile: "" },
    Board { name: "f072-short-gap", file: None, profile: F072 },
];
const SEED: &str = "1";
/// Boots, and cycles in each. With `FLAKESCOPE_LONG` set a hundred cycles, which take about a minute for each board.
const SHORT: [u64; 2] = [3, 4];
const LONG: [u64; 2] = [10, 10];

fn plan() -> [u64; 2] {
    if std::env::var_os("FLAKESCOPE_LONG").is_some() { LONG } else { SHORT }
}

fn plan_arguments() -> Vec<String> {
    let [boots, cycles] = plan();
    vec!["--boots".to_owned(), boots.to_string(), "--cycles".to_owned(), cycles.to_string()]
}

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

/// One after the other: several that power-cycle their boards at once keep the hub busy for minutes.
pub fn cases() -> Vec<Case> {
    let case = |board: &'static Board| {
        let Board { name, file, profile } = board;
        let script = format!(
            "{PROFILES}start_switched {}; await 0\n\
             flakescope run -q --headless {} --format json --port 1-1 {profile} --recipe /given/lane-read.toml \
             --reenter command='sh /given/power-cycle.sh 1-1' --case /tmp/campaign.case",
            file.map_or(*name, |(there, _)| there),
            plan_arguments().join(" ")
        );
        Case::new(
            format!("a_campaign_agrees_with_the_one_in_process_{}", name.replace('-', "_")),
            script,
            move |said| compare(board, said),
        )
        .within(if std::env::var_os("FLAKESCOPE_LONG").is_some() { 280 } else { 240 })
    };
    BOARDS.iter().map(case).collect()
}

fn compare(board: &Board, said: &Said) -> Result<(), String> {
    let real = in_process::verdict(&said.text)?;
    let name = board.file.map_or(board.name, |(_, here)| here);
    let mut arguments = vec!["--seed", SEED, "--off-time", "500ms", "--recipe", "tests/stack/recipes/lane-read.toml"];
    let plan_arguments = plan_arguments();
    arguments.extend(plan_arguments.iter().map(String::as_str));
    let virtual_one = in_process::run(name, &arguments)?;
    if real.cycles != Some(plan().iter().product()) {
        return Err(format!("{name}: {:?} cycles", real.cycles));
    }
    // An emulated host is late now and then, which passes for hidden retries: causes of the wire may come before the right one.
    let leading = virtual_one.families.first().is_none_or(|first| real.families.contains(first));
    let class = |one: &Outcome| one.failures.first().map(|failure| failure.class.clone());
    if real.kind == virtual_one.kind && class(&real) == class(&virtual_one) && leading {
        return Ok(());
    }
    Err(format!("{name}: over libusb {real:?}, in process {virtual_one:?}"))
}
