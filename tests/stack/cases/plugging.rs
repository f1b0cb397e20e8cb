//! Boards that come, go and come back while somebody looks.

use crate::guest::{Case, Given, Said};

/// A kind of step, as a recipe writes it; done so often that an unplug falls into one.
const KINDS: [(&str, &str); 8] = [
    ("descriptors", "\"descriptors\""),
    ("layout", "\"layout\""),
    ("status", "\"status\""),
    ("read", "{ read = { address = 0x0800_0000, length-bytes = 65536 } }"),
    ("option-bytes", "\"option-bytes\""),
    ("otp", "\"otp\""),
    // Done in turn, because a claim that is held costs no call.
    ("claim", "\"claim\""),
    ("wait", "{ wait = { span-ms = 20 } }"),
];
const REPEATS: usize = 400;

pub fn given() -> Vec<Given> {
    let recipe = |(name, step): &(&str, &str)| {
        let mut steps = vec!["\"enumerate\"", "\"open\"", "\"claim\""];
        for _ in 0..REPEATS {
            match *name {
                "claim" => steps.extend(["\"open\"", step]),
                // What was unplugged meanwhile shows at the next transfer.
                "wait" => steps.extend(["\"status\"", step]),
                _ => steps.push(step),
            }
        }
        let steps: String = steps.iter().map(|step| format!("\n[[step]]\ndo = {step}\n")).collect();
        let text = format!("description = \"The same step again and again\"\n{steps}");
        Given { name: format!("{name}-again.toml"), bytes: text.into_bytes() }
    };
    KINDS.iter().map(recipe).collect()
}

/// Eight boards, a campaign on each, all unplugged while they work.
fn unplugged_during_each_kind_of_step() -> Case {
    let boards = "healthy-f407 ".repeat(KINDS.len());
    let mut script = format!("start_switched {boards}\nfor port in 0 1 2 3 4 5 6 7; do await $port; done\n");
    for (port, (kind, _)) in (1..).zip(KINDS) {
        script += &format!(
            "flakescope run --headless --boots 1 --cycles 1 --format json --port 1-{port} --recipe /given/{kind}-again.toml \
             --case /tmp/{kind}.case > /tmp/{kind}.json 2>&1 &\n"
        );
        script += &format!("(await_session {}; sleep 2; hand off 1-{port}) &\n", port - 1);
    }
    for (kind, _) in KINDS {
        script += &format!(
            "until grep -q schema /tmp/{kind}.json; do sleep 0.2; done; echo {kind} $(cat /tmp/{kind}.json)\n"
        );
    }
    Case::new("an_unplug_during_each_kind_of_step_is_a_disconnect_in_that_step", script, |said| {
        KINDS.iter().try_for_each(|(kind, _)| is_disconnect_in(kind, said))
    })
}

fn is_disconnect_in(kind: &str, said: &Said) -> Result<(), String> {
    let verdict = said.value(kind)?;
    let phases: &[&str] = match kind {
        "claim" => &["claim", "open"],
        "wait" => &["status"],
        _ => &[kind],
    };
    let fits = |phase: &&str| verdict.contains(&format!("\"class\":\"disconnected\",\"phase\":\"{phase}\""));
    if phases.iter().any(fits) { Ok(()) } else { Err(format!("{kind}: {verdict}")) }
}

pub fn cases() -> Vec<Case> {
    vec![
        unplugged_during_each_kind_of_step().within(120),
        Case::new(
            "an_unplug_during_a_read_is_a_disconnect_and_then_an_empty_port",
            "plug healthy-f407 0
unplug_in_session 0 &
scope --port 1-1 --recipe /given/long-read.toml --cycles 2",
            |said| {
                said.code(1)?;
                said.has("\"class\":\"disconnected\",\"phase\":\"read\",\"code\":\"LIBUSB_ERROR_NO_DEVICE\"")?;
                said.has("\"class\":\"not-enumerated\",\"phase\":\"enumerate\"")
            },
        ),
        Case::new(
            "a_board_that_arrives_late_is_waited_for",
            "(sleep 1; start healthy-f407 0) &
scope --port 1-1 --cycles 3",
            |said| {
                said.code(0)?;
                said.has("\"verdict\":\"clean\"")
            },
        ),
        Case::new(
            "a_board_that_comes_back_under_another_address_is_the_same_board",
            "start_switched healthy-f407; await 0; before=$(number)
(await_session 0; sleep 0.3; hand cycle 1-1 300) &
scope --board 325E35633334 --cycles 4 --recipe /given/long-read.toml --format md
[ $before != $(number) ] && echo 'another address'",
            |said| {
                said.all(&["another address", "LIBUSB_ERROR_NO_DEVICE", "1 of 4"])
            },
        ),
        Case::new(
            "a_bus_error_keeps_the_kernels_code_beside_libusbs",
            "start /given/noisy.toml 0; sleep 2; scope --port 1-1 --cycles 6",
            |said| {
                said.code(1)?;
                said.has("\"class\":\"bus-error\"")?;
                said.has("LIBUSB_ERROR_IO (-71)")
            },
        ),
        Case::new(
            "a_board_that_never_enumerates_is_told_in_the_kernels_words",
            "echo 500 > /sys/module/usbcore/parameters/initial_descriptor_timeout
start deaf-f407 0; scope --port 1-1 --cycles 1 --recipe /given/long-read.toml
echo 5000 > /sys/module/usbcore/parameters/initial_descriptor_timeout",
            |said| {
                said.has("\"class\":\"descriptor-failed\"")?;
                said.has("error -110")
            },
        ),
        Case::new(
            "a_command_power_cycles_the_board_for_every_boot",
            "start_switched healthy-f407; await 0; number
flakescope run --headless --boots 4 --cycles 2 --format json --port 1-1 --case /tmp/c.case \\
    --reenter command='before=$(cat /sys/bus/usb/devices/1-1/devnum); echo cycle 1-1 300 > /tmp/hand; while [ \"$(cat /sys/bus/usb/devices/1-1/devnum 2>/dev/null)\" = \"$before\" ]; do sleep 0.1; done'
number",
            |said| {
                said.has("\"verdict\":\"clean\"")?;
                said.has("\"boots\":4,\"cycles\":8")
            },
        ),
        Case::new(
            "an_operator_power_cycles_the_board_for_every_boot",
            "start_switched healthy-f407; await 0
mkfifo /tmp/answers
(exec 8> /tmp/answers
for n in 1 2 3; do
    until grep -q \"^Boot $n\" /tmp/asked 2>/dev/null; do sleep 0.1; done
    hand cycle 1-1 300; await_gone 1-1; echo >&8
done) &
flakescope run --headless --boots 3 --cycles 2 --format json --port 1-1 --case /tmp/c.case --reenter manual < /tmp/answers 2> /tmp/asked
cat /tmp/asked; rm /tmp/answers",
            |said| {
                said.times(3, "disconnect the board from all power")?;
                said.has("\"verdict\":\"clean\"")?;
                said.has("\"boots\":3,\"cycles\":6")
            },
        ),
        Case::new(
            "the_screen_follows_a_board_that_is_plugged_and_unplugged",
            "terminal() { tmux -u -S /tmp/terminal \"$@\"; }
screen() { terminal capture-pane -p; }
await_words() { for i in $(seq 150); do screen | grep -q \"$1\" && echo \"saw: $1\" && return; sleep 0.1; done; echo \"never saw: $1\"; screen; }
terminal -f /dev/null new-session -d -x 120 -y 40 'flakescope run --port 1-1 --cycles 1000 --recipe /given/lane-read.toml --case /tmp/c.case; echo ended with $?; sleep 60'
await_words 'not-enumerated'
start_switched healthy-f407; await_words '325E35633334'
hand off 1-1; await_words 'disconnected'
hand on 1-1; sleep 3
terminal send-keys q; await_words 'ended with'
screen | tail -3",
            |said| {
                said.all(&[
                    "saw: not-enumerated",
                    "saw: 325E35633334",
                    "saw: disconnected",
                    "saw: ended with",
                ])
            },
        ),
    ]
}
