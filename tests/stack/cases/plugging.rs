//! Boards that come, go and come back while somebody looks.

use flakescope::link::hardware::worker::{Subject, WorkerAnswer, WorkerRequest};
use flakescope::observation::failure::FailureClass;
use flakescope::observation::step::{Phase, Step};
use flakescope::observation::units::{Address, Micros};

use crate::guest::{Case, Given, Said};

/// Enough that an unplug falls into one of them.
const REPEATS: usize = 600;

/// One kind of work that an unplug falls into.
struct Kind {
    name: &'static str,
    board: &'static str,
    again: Vec<Step>,
    /// In which the loss may show.
    phases: Vec<Phase>,
}

/// Each kind of step that talks to a board.
fn kinds() -> Vec<Kind> {
    let of =
        |name, again: Vec<Step>, phases: &[Phase]| Kind { name, board: "healthy-f407", again, phases: phases.to_vec() };
    let read = Step::Read { address: Address(0x0800_0000), length_bytes: 65_536, transfer_bytes: None };
    let wait = Step::Wait { span: Micros::from_millis(5) };
    let whole = vec![Step::Close, Step::Enumerate, Step::Open, Step::Claim, wait.clone(), Step::Status];
    vec![
        of("descriptors", vec![Step::Descriptors], &[Phase::Descriptors]),
        of("layout", vec![Step::Layout], &[Phase::Layout]),
        of("status", vec![Step::Status], &[Phase::Status]),
        of("read", vec![read], &[Phase::Read]),
        of("option-bytes", vec![Step::OptionBytes], &[Phase::OptionBytes]),
        of("otp", vec![Step::Otp], &[Phase::Otp]),
        // A claim that is held costs no call, so it is opened anew each time.
        of("claim", vec![Step::Open, Step::Claim], &[Phase::Open, Phase::Claim]),
        // What was lost meanwhile shows with the next transfer.
        of("wait", vec![wait, Step::Status], &[Phase::Status]),
        // Closing a handle succeeds whatever became of the board, which is then missed or cannot be opened.
        of("session", whole, &[Phase::Enumerate, Phase::Open, Phase::Claim, Phase::Status]),
        Kind { board: "healthy-wb55", ..of("fus-state", vec![Step::FusState], &[Phase::FusState]) },
    ]
}

/// The virtual controller has so many ports, and a case fills them.
const PORTS: usize = 8;

/// Each kind with the port of its case, counted from 1.
fn on_ports() -> Vec<Vec<(usize, Kind)>> {
    let mut rest = kinds().into_iter().peekable();
    let mut cases = Vec::new();
    while rest.peek().is_some() {
        cases.push((1..).zip(rest.by_ref().take(PORTS)).collect());
    }
    cases
}

/// What the worker process of each kind is asked to do.
pub fn given() -> Vec<Given> {
    let requests = |(port, Kind { name, again, .. }): (usize, Kind)| {
        let selector = format!("1-{port}").parse().unwrap_or_else(|never| match never {});
        // Long enough that no step of a guest which is slow runs into it, and well within the time that the worker is
        // given: a board that goes between two sessions is waited for until the deadline.
        let perform = |step: &Step| WorkerRequest::Perform { step: step.clone(), deadline: Micros::from_secs(15) };
        let first = [Step::Enumerate, Step::Open, Step::Claim];
        let again = again.iter().cycle().take(again.len() * REPEATS);
        let requests = std::iter::once(WorkerRequest::Attach(Subject::Board(selector)))
            .chain(first.iter().chain(again).map(perform));
        let lines: Vec<_> = requests.map(|request| serde_json::to_string(&request).unwrap() + "\n").collect();
        Given { name: format!("{name}.requests"), bytes: lines.concat().into_bytes() }
    };
    on_ports().into_iter().flatten().map(requests).collect()
}

/// As many boards as there are ports, the worker process of a campaign on each, all unplugged while they work.
fn unplugged_during(kinds: Vec<(usize, Kind)>) -> Case {
    let boards: Vec<_> = kinds.iter().map(|(_, kind)| kind.board).collect();
    let mut script = format!("start_switched {}\n", boards.join(" "));
    let (mut work, mut told) = (String::new(), String::new());
    for (port, Kind { name, .. }) in &kinds {
        let from_zero = port - 1;
        script += &format!("await {from_zero}\n");
        // The pipe ends the worker at its first answer that failed, and passes only whole lines.
        work += &format!(
            "(timeout 60 flakescope worker < /given/{name}.requests | grep -m 1 '\"failed\"' > /tmp/{name}.answer) &\n\
             watchers=\"$watchers $!\"\n\
             (await_session {from_zero}; sleep 0.5; hand off 1-{port}) &\n",
        );
        told += &format!("echo {name} $(cat /tmp/{name}.answer)\n");
    }
    script += &format!("{work}wait $watchers 2>/dev/null\n{told}");
    let names: Vec<_> = kinds.iter().map(|(_, kind)| kind.name).collect();
    let name = format!("an_unplug_is_a_loss_in_the_step_at_work_{}", names.join("_").replace('-', "_"));
    Case::new(name, script, move |said| kinds.iter().try_for_each(|(_, kind)| is_lost(kind, said)))
}

fn is_lost(Kind { name, phases, .. }: &Kind, said: &Said) -> Result<(), String> {
    let line = said.value(name)?;
    let answer: WorkerAnswer = serde_json::from_str(line).map_err(|error| format!("{name}: {error}: {line}"))?;
    let is_loss = |class, phase| match phase {
        Phase::Enumerate => class == FailureClass::NotEnumerated,
        _ => class == FailureClass::Disconnected,
    };
    match answer.record.failure() {
        Some(failure) if is_loss(failure.class, failure.phase) && phases.contains(&failure.phase) => Ok(()),
        other => Err(format!("{name}: {other:?}")),
    }
}

pub fn cases() -> Vec<Case> {
    let mut cases: Vec<_> = on_ports().into_iter().map(unplugged_during).collect();
    cases.extend([
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
            r#"terminal() { tmux -u -S /tmp/terminal "$@"; }
screen() { terminal capture-pane -p; }
await_words() { for i in $(seq 120); do screen | grep -q "$1" && echo "saw: $1" && return; sleep 0.5; done; echo "never saw: $1"; screen; }
await_strip() { for i in $(seq 120); do case "$(screen | grep '1 ┆' | tail -1 | sed 's/ *$//')" in $1) return ;; esac; sleep 0.5; done; echo "never such a strip: $1"; screen; }
terminal -f /dev/null new-session -d -x 120 -y 40 'flakescope run --port 1-1 --cycles 1000 --recipe /given/lane-read.toml --case /tmp/c.case; echo ended with $?; sleep 60'
await_words 'not-enumerated'
start_switched healthy-f407; await_words '325E35633334'; await_strip '*·'
hand off 1-1; await_words 'USB disconnect, device number'; await_strip '*·*[!·]'
hand on 1-1; await_strip '*·*[!·]*·'; screen
terminal send-keys q; await_words 'ended with'
screen | tail -3"#,
            |said| {
                said.all(&["saw: not-enumerated", "saw: 325E35633334", "saw: USB disconnect", "saw: ended with"])?;
                came_and_went(said)
            },
        ),
    ]);
    cases
}

/// The last picture of the strip of cycles: nothing there, good cycles, nothing again, good cycles again.
fn came_and_went(said: &Said) -> Result<(), String> {
    let mut strips = said.text.lines().filter_map(|line| line.trim_start().strip_prefix("1 ┆"));
    let strip = strips.next_back().ok_or("no strip of cycles")?.trim();
    let (before, after) = strip.split_once('·').ok_or("no good cycle")?;
    let between = after.trim_matches('·');
    if !before.is_empty() && !between.is_empty() && strip.ends_with('·') { Ok(()) } else { Err(strip.to_owned()) }
}
