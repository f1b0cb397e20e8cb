//! The worker of a debug probe as a process: it leaks nothing, it is killed when it hangs, and a campaign goes through it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use flakescope::link::Link;
use flakescope::link::hardware::plug_in::driver::Level;
use flakescope::link::hardware::worker::{Subject, WorkerAnswer, WorkerRequest};
use flakescope::link::hardware::worker_client::WorkerLink;
use flakescope::observation::failure::FailureClass;
use flakescope::observation::step::{ConnectMode, Outcome, Phase, Step, StepRecord, Touch};
use flakescope::observation::units::{Address, Micros};
use serde_json::Value;

use super::program::flakescope;

fn bench(board: &str, level: Level) -> Subject {
    Subject::Bench { board: board.to_owned(), seed: 1, level, touch: Touch::Observe }
}

/// A worker that is talked to line by line.
struct Talk {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Talk {
    fn with(subject: Subject) -> Self {
        let mut child = flakescope()
            .arg("worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut talk = Self { child, input, output };
        talk.say(&WorkerRequest::Attach(subject));
        talk
    }

    fn say(&mut self, request: &WorkerRequest) {
        writeln!(self.input, "{}", serde_json::to_string(request).unwrap()).unwrap();
    }

    fn perform(&mut self, step: Step) -> StepRecord {
        self.say(&WorkerRequest::Perform { step, deadline: Micros::from_secs(10) });
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str::<WorkerAnswer>(&line).unwrap().record
    }

    /// Descriptors, threads and children of the worker.
    fn holds(&self) -> (usize, usize, usize) {
        let process = format!("/proc/{}", self.child.id());
        let count = |what: &str| fs::read_dir(format!("{process}/{what}")).unwrap().count();
        let children = fs::read_to_string(format!("{process}/task/{}/children", self.child.id())).unwrap_or_default();
        (count("fd"), count("task"), children.split_whitespace().count())
    }
}

#[test]
fn two_hundred_rounds_leak_no_descriptor_no_thread_and_no_process() {
    let mut talk = Talk::with(bench("swd-healthy-f407", Level::Transactions));
    let round = |talk: &mut Talk| {
        for step in [
            Step::OpenProbe,
            Step::Connect { mode: ConnectMode::Hotplug },
            Step::Read { address: Address(0x0800_0000), length_bytes: 256, transfer_bytes: None },
            Step::Disconnect,
            Step::Close,
        ] {
            let record = talk.perform(step);
            assert_eq!(record.outcome, Outcome::Done, "{:?}", record.phase);
        }
    };
    round(&mut talk);
    let before = talk.holds();
    for _ in 0..200 {
        round(&mut talk);
    }
    assert_eq!(talk.holds(), before);
    drop(talk.input);
    assert!(talk.child.wait().unwrap().success());
}

#[test]
fn a_probe_that_hangs_costs_its_step_and_its_worker_and_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hangs.toml");
    let healthy = concat!(env!("CARGO_MANIFEST_DIR"), "/profiles/benches/swd-healthy-f407.toml");
    let text = fs::read_to_string(healthy).unwrap() + "\n[swd.mechanism.probe-outage]\nhangs = 1.0\n";
    fs::write(&file, text).unwrap();
    let command = vec![env!("CARGO_BIN_EXE_flakescope").into(), "worker".into()];
    let mut link = WorkerLink::with_command(command, bench(file.to_str().unwrap(), Level::Transactions));
    let began = Instant::now();
    for _ in 0..2 {
        let opened = link.perform(&Step::OpenProbe, Micros::from_secs(10));
        assert_eq!(opened.outcome, Outcome::Done);
        let worker = link.worker_id().unwrap();
        let record = link.perform(&Step::TargetVoltage, Micros::from_millis(200));
        let failure = record.failure().unwrap();
        assert_eq!((failure.class, failure.phase), (FailureClass::Hang, Phase::TargetVoltage));
        assert_eq!(link.worker_id(), None);
        wait_until_gone(worker);
    }
    // Nothing of this waits for the probe, which would be for ever.
    assert!(began.elapsed() < Duration::from_secs(60));
}

/// A killed process may take a moment to be reaped.
fn wait_until_gone(process: u32) {
    let began = Instant::now();
    while fs::metadata(format!("/proc/{process}")).is_ok() {
        assert!(began.elapsed() < Duration::from_secs(20), "process {process} lives on");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn campaign(more: &[&str]) -> (i32, Value) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = flakescope();
    command.args(["run", "--link", "swd", "--headless", "--format", "json", "--case"]);
    let output = command.arg(folder.path().join("a.case")).args(more).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap(), serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{error}")))
}

#[test]
fn a_campaign_runs_through_probe_rs_in_a_worker() {
    for level in ["transactions", "bits"] {
        let (code, verdict) = campaign(&[
            "--virtual",
            "swd-healthy-f407",
            "--through-probe-rs",
            level,
            "--boots",
            "2",
            "--cycles",
            "2",
            "--off-time",
            "50ms",
        ]);
        assert_eq!((code, verdict["verdict"].as_str()), (0, Some("clean")), "{level}: {verdict}");
        assert_eq!(verdict["transport"], "swd");
        assert_eq!(verdict["campaign"]["cycles"], 4);
    }
}

#[test]
fn without_a_probe_the_campaign_is_refused_with_what_to_do() {
    let answer = super::program::answer(flakescope().args(["run", "--link", "swd", "--probe", "9-9", "--headless"]));
    answer.refused(3, &["no debug probe that fits 9-9", "flakescope list", "--virtual swd-healthy-f407 --link swd"]);
}
