//! flakescope's own way to a debug probe, the real probe-rs through nusb, on the emulated probes.

use flakescope::bench::board::VirtualBoard;
use flakescope::campaign::recipe::Recipe;
use flakescope::link::Link;
use flakescope::link::hardware::worker::{Subject, WorkerAnswer, WorkerRequest};
use flakescope::link::swd_link::SwdLink;
use flakescope::link::virtual_bench::BenchShare;
use flakescope::link::virtual_probe::VirtualProbe;
use flakescope::observation::fact::Fact;
use flakescope::observation::step::{Outcome, Step, StepRecord, Touch};
use flakescope::observation::units::{Address, Micros};

use crate::guest::{Case, Given, Said};
use crate::in_process;

const BOARD: &str = "healthy-f407";
const DEADLINE: Micros = Micros::from_secs(10);
/// Each on the port after the one before it, with what `list` says of it.
const PROBES: [(&str, [&str; 2]); 3] = [
    ("stlink-v2-1", ["1-1  0483:374b  ST-LINK/V2-1", "V2J40M27 (V2J26 or later is needed)"]),
    ("stlink-v3", ["1-2  0483:374e  STLINK-V3E", "V3J15M7 (V3J3 or later is needed)"]),
    ("cmsis-dap", ["1-3  c251:f00a  CMSIS-DAP", "layout     CMSIS-DAP v2 Interface"]),
];

/// The steps of the recipe, and a read that begins and ends within a block of the address counter and crosses several.
fn steps() -> Vec<Step> {
    let across = Step::Read { address: Address(0x0800_0390), length_bytes: 0x2C68, transfer_bytes: None };
    let recipe = Recipe::find("swd-read").unwrap().steps.into_iter().map(|step| step.step);
    recipe.flat_map(|step| if step == Step::Disconnect { vec![across.clone(), step] } else { vec![step] }).collect()
}

/// What the worker process is asked to do with each probe.
pub fn given() -> Vec<Given> {
    let given = |number: usize| {
        let selector = Some(format!("1-{number}").parse().unwrap_or_else(|never| match never {}));
        let attach = WorkerRequest::Attach(Subject::Probe { selector, touch: Touch::Observe });
        let steps = steps().into_iter().map(|step| WorkerRequest::Perform { step, deadline: DEADLINE });
        let lines: String =
            [attach].into_iter().chain(steps).map(|it| serde_json::to_string(&it).unwrap() + "\n").collect();
        Given { name: format!("probe-{number}.requests"), bytes: lines.into_bytes() }
    };
    (1..=PROBES.len()).map(given).collect()
}

/// The same steps on the model, without USB.
fn in_the_model() -> Vec<StepRecord> {
    let board = VirtualBoard::by_name(BOARD, 1).unwrap();
    let mut link = SwdLink::new(VirtualProbe::new(BenchShare::new(board)), Touch::Observe);
    steps().iter().map(|step| link.perform(step, DEADLINE)).collect()
}

/// Everything that was learned, but for what differs from probe to probe.
fn of_the_target(record: &StepRecord) -> Vec<&Fact> {
    const OF_THE_PROBE: [&str; 5] = ["probe", "probe-serial", "probe-firmware", "target-voltage", "swd-speed-khz"];
    record.facts.iter().filter(|fact| !OF_THE_PROBE.contains(&fact.key.as_str())).collect()
}

fn answers(number: usize, said: &Said) -> impl Iterator<Item = &str> {
    let key = format!("answer-{number} ");
    said.text.lines().filter_map(move |line| line.strip_prefix(&key))
}

fn same_as_the_model(number: usize, said: &Said) -> Result<(), String> {
    let lines: Vec<_> = answers(number, said).collect();
    let model = in_the_model();
    if lines.len() != model.len() {
        return Err(format!("probe {number}: {} answers to {} steps", lines.len(), model.len()));
    }
    for (line, expected) in lines.iter().zip(&model) {
        let answer: WorkerAnswer = serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?;
        let done = answer.record.outcome == Outcome::Done && expected.outcome == Outcome::Done;
        if !done || of_the_target(&answer.record) != of_the_target(expected) {
            return Err(format!("probe {number}: {:?} and in the model {expected:?}", answer.record));
        }
    }
    Ok(())
}

fn read_through_every_probe() -> Case {
    let plugs: String =
        PROBES.iter().zip(0..).map(|((kind, _), port)| format!("plug_probe {BOARD} {kind} {port}\n")).collect();
    let script = format!(
        "{plugs}flakescope list
for number in 1 2 3; do
    echo verdict-$number $(scope --probe 1-$number --link swd --recipe swd-read --cycles 2 --profile example-f407-8mhz); rm /tmp/*.case
    flakescope worker < /given/probe-$number.requests | sed \"s/^/answer-$number /\"
done"
    );
    Case::new("every_emulated_probe_is_listed_and_reads_what_the_model_holds", script, |said| {
        // CMSIS-DAP knows no voltage.
        said.times(2, "target     3.30 V")?;
        // As ST and OpenOCD count; the steps of a V3 are others.
        for (number, kilohertz) in [(1, 4_000), (2, 3_300), (3, 4_000)] {
            let speed = format!("{{\"key\":\"swd-speed-khz\",\"value\":{{\"number\":{kilohertz}.0}}");
            if !answers(number, said).any(|answer| answer.contains(&speed)) {
                return Err(format!("probe {number} did not take {kilohertz} kHz"));
            }
        }
        PROBES.iter().try_for_each(|(_, words)| said.all(words))?;
        let model =
            in_process::run(BOARD, &["--link", "swd", "--recipe", "swd-read", "--boots", "1", "--cycles", "2"])?;
        (1..=PROBES.len()).try_for_each(|number| {
            let real = in_process::verdict(said.value(&format!("verdict-{number}"))?)?;
            if real != model || real.kind != "clean" {
                return Err(format!("probe {number}: {real:?} and in process {model:?}"));
            }
            same_as_the_model(number, said)
        })
    })
}

pub fn cases() -> Vec<Case> {
    vec![read_through_every_probe()]
}
