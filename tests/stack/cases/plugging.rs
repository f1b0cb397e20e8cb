//! Boards that come, go and come back while somebody looks.

use flakescope::link::worker::{Subject, WorkerAnswer, WorkerRequest};
use flakescope::observation::failure::FailureClass;
use flakescope::observation::step::{Phase, Step};
use flakescope::observation::units::{Address, Micros};

use crate::guest::{Case, Given, Said};

/// Enough that an unplug falls into one of them.
const REPEATS: usize = 600;

/// Each kind of step that talks to an open board, and the phases in which its loss may show.
fn kinds() -> Vec<(&'static str, Vec<Step>, Vec<Phase>)> {
    let read = Step::Read { address: Address(0x0800_0000), length_bytes: 65_536, transfer_bytes: None };
    let wait = Step::Wait { span: Micros::from_millis(5) };
    vec![
        ("descriptors", vec![Step::Descriptors], vec![Phase::Descriptors]),
        ("layout", vec![Step::Layout], vec![Phase::Layout]),
        ("status", vec![Step::Status], vec![Phase::Status]),
        ("read", vec![read], vec![Phase::Read]),
        ("option-bytes", vec![Step::OptionBytes], vec![Phase::OptionBytes]),
        ("otp", vec![Step::Otp], vec![Phase::Otp]),
        // A claim that is held costs no call, so it is opened anew each time.
        ("claim", vec![Step::Open, Step::Claim], vec![Phase::Open, Phase::Claim]),
        // What was lost meanwhile shows with the next transfer.
        ("wait", vec![wait, Step::Status], vec![Phase::Status]),
    ]
}

/// What the worker process of each kind is asked to do.
pub fn given() -> Vec<Given> {
    let requests = |(port, (name, again, _)): (usize, (&str, Vec<Step>, _))| {
        let selector = format!("1-{}", port + 1).parse().unwrap_or_else(|never| match never {});
        let perform = |step: &Step| WorkerRequest::Perform { step: step.clone(), deadline: Micros::from_secs(5) };
        let first = [Step::Enumerate, Step::Open, Step::Claim];
        let again = again.iter().cycle().take(again.len() * REPEATS);
        let requests = std::iter::once(WorkerRequest::Attach(Subject::Board(selector)))
            .chain(first.iter().chain(again).map(perform));
        let lines: Vec<_> = requests.map(|request| serde_json::to_string(&request).unwrap() + "\n").collect();
        Given { name: format!("{name}.requests"), bytes: lines.concat().into_bytes() }
    };
    kinds().into_iter().enumerate().map(requests).collect()
}

/// Eight boards, the worker process of a campaign on each, all unplugged while they work.
fn unplugged_during_each_kind_of_step() -> Case {
    let boards = "healthy-f407 ".repeat(kinds().len());
    let mut script = format!("start_switched {boards}\nfor port in 0 1 2 3 4 5 6 7; do await $port; done\n");
    for (port, (name, ..)) in (1..).zip(kinds()) {
        script += &format!(
            "(flakescope worker < /given/{name}.requests > /tmp/{name}.answers & worker=$!\n\
             await_session {}; sleep 0.5; hand off 1-{port}\n\
             for i in $(seq 60); do grep -q '\"failed\"' /tmp/{name}.answers && break; sleep 0.5; done; kill $worker) & watchers=\"$watchers $!\"\n",
            port - 1
        );
    }
    script += "wait $watchers 2>/dev/null\n";
    for (name, ..) in kinds() {
        script += &format!("echo {name} $(grep -m 1 '\"failed\"' /tmp/{name}.answers)\n");
    }
    Case::new("an_unplug_during_each_kind_of_step_is_a_disconnect_in_that_step", script, |said| {
        kinds().into_iter().try_for_each(|(name, _, phases)| is_lost_in(name, &phases, said))
    })
}

fn is_lost_in(name: &str, phases: &[Phase], said: &Said) -> Result<(), String> {
    let line = said.value(name)?;
    let answer: WorkerAnswer = serde_json::from_str(line).map_err(|error| format!("{name}: {error}: {line}"))?;
    match answer.record.failure() {
        Some(failure) if failure.class == FailureClass::Disconnected && phases.contains(&failure.phase) => Ok(()),
        other => Err(format!("{name}: {other:?}")),
    }
}

pub fn cases() -> Vec<Case> {
    vec![
        unplugged_during_each_kind_of_step(),
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
scope --board 325E35633334 --cycles 4 --recipe /given/long-read.toml
[ $before != $(number) ] && echo 'another address'",
            |said| {
                said.all(&["another address", "LIBUSB_ERROR_NO_DEVICE", "\"cycles\":4,", "\"failed_cycles\":1,"])
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
await_words() { for i in $(seq 40); do screen | grep -q \"$1\" && echo \"saw: $1\" && return; sleep 0.5; done; echo \"never saw: $1\"; screen; }
terminal -f /dev/null new-session -d -x 120 -y 40 'flakescope run --port 1-1 --cycles 1000 --recipe /given/lane-read.toml --case /tmp/c.case; echo ended with $?; sleep 60'
await_words 'not-enumerated'
start_switched healthy-f407; await_words '325E35633334'; sleep 1; screen > /tmp/with
hand off 1-1; sleep 4; screen > /tmp/without; hand on 1-1; sleep 3; screen > /tmp/again
cat /tmp/with /tmp/without /tmp/again
terminal send-keys q; await_words 'ended with'
screen | tail -3",
            |said| {
                said.all(&["saw: not-enumerated", "saw: 325E35633334", "USB disconnect, device number", "saw: ended with"])?;
                came_and_went(said)
            },
        ),
    ]
}

/// The last picture of the strip of cycles: nothing there, good cycles, nothing again, good cycles again.
fn came_and_went(said: &Said) -> Result<(), String> {
    let mut strips = said.text.lines().filter_map(|line| line.trim_start().strip_prefix("1 ┆"));
    let strip = strips.next_back().ok_or("no strip of cycles")?.trim();
    let (before, after) = strip.split_once('·').ok_or("no good cycle")?;
    let between = after.trim_matches('·');
    if !before.is_empty() && !between.is_empty() && strip.ends_with('·') { Ok(()) } else { Err(strip.to_owned()) }
}
