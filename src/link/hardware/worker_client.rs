//! A real board or a debug probe through its worker process: one request per step, the deadline kept here, and a worker that hangs is
//! killed.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use serde::de::DeserializeOwned;

use crate::host::sys_root::SysRoot;
use crate::observation::board::{BoardIdentity, PortPath, PortPower};
use crate::observation::boot::{BootKind, BootProof};
use crate::observation::failure::{Failure, FailureClass};
use crate::observation::field_text::FieldText;
use crate::observation::permit::{AlterClaim, GateRefusal};
use crate::observation::step::{Outcome, Phase, Step, StepRecord, Touch, TransferSummary};
use crate::observation::units::Micros;
use crate::timebase::{HostTime, Timebase, to_duration};

use super::probe_inspection::{Inspection, Trouble};
use super::worker::{PortAnswer, PowerAnswer, SUBCOMMAND, Subject, WorkerAnswer, WorkerRequest};
use crate::link::Link;
use crate::link::board_selector::BoardSelector;
use crate::link::host_watch::HostWatch;

#[derive(Debug)]
pub struct WorkerLink {
    /// Program and arguments of the worker.
    command: Vec<OsString>,
    subject: Subject,
    worker: Option<Worker>,
    /// What the user said about writing; every new worker is told.
    claim: Option<AlterClaim>,
    /// What a worker may take beyond the step's deadline.
    grace: Micros,
    time: HostTime,
    identity: BoardIdentity,
    /// Absent where there is no host to ask, as in tests.
    watch: Option<HostWatch>,
    /// Set when the campaign is to end; a step under way is cut short, unless that would leave something behind.
    stop: Arc<AtomicBool>,
    /// The worker may have halted or held something that only it knows to let go.
    disturbs: bool,
}

#[derive(Debug)]
struct Worker {
    /// Present until it is killed.
    child: Option<Child>,
    input: ChildStdin,
    answers: Receiver<io::Result<String>>,
}

/// Why there is no answer.
#[derive(Debug)]
enum Silence {
    Hang,
    Broken(io::Error),
    Stopped,
}

/// How often a wait for an answer looks whether the campaign is to end.
const WATCH: Micros = Micros::from_millis(50);

const HUB_PATIENCE: Micros = Micros::from_secs(10);

impl WorkerLink {
    /// Enough for the transfer under way and the check whether the board is still there.
    const GRACE: Micros = Micros::from_secs(2);

    /// A link whose worker is this program itself.
    pub fn new(subject: Subject, stop: Arc<AtomicBool>) -> io::Result<Self> {
        let program = std::env::current_exe()?;
        // A port on which nothing enumerates concerns boards only.
        let watch = matches!(subject, Subject::Board(_)).then(|| HostWatch::begin(SysRoot::default()));
        Ok(Self { stop, watch, ..Self::with_command(vec![program.into(), SUBCOMMAND.into()], subject) })
    }

    pub fn with_command(command: Vec<OsString>, subject: Subject) -> Self {
        Self {
            command,
            subject,
            worker: None,
            claim: None,
            grace: Self::GRACE,
            time: HostTime::new(),
            identity: BoardIdentity::default(),
            watch: None,
            stop: Arc::default(),
            disturbs: false,
        }
    }

    fn ask<T: DeserializeOwned>(&mut self, request: &WorkerRequest, deadline: Micros) -> Result<T, Silence> {
        if self.worker.is_none() {
            let mut worker = Worker::start(&self.command, &self.subject).map_err(Silence::Broken)?;
            if let Some(claim) = &self.claim {
                worker.send(&WorkerRequest::Permit(claim.clone())).map_err(Silence::Broken)?;
            }
            self.worker = Some(worker);
        }
        if let WorkerRequest::Perform { step, .. } = request {
            self.disturbs |= step.touch() >= Touch::Disturb;
        }
        // What a wish to stop would leave behind is worse than the wait: half an alteration, a halted core, a port without power.
        let heedless = AtomicBool::new(false);
        let gives_back = matches!(request, WorkerRequest::PortPower { on: true, .. });
        let stop = if self.disturbs || gives_back { &heedless } else { self.stop.as_ref() };
        let patience = deadline + self.grace;
        let worker = self.worker.as_mut().expect("it was just started");
        worker.send(request).map_err(Silence::Broken)?;
        worker.answer_within(patience, stop)
    }
}

impl WorkerLink {
    /// As [`Self::ask`]; a worker that does not answer is killed.
    fn ask_or_kill<T: DeserializeOwned>(&mut self, request: &WorkerRequest, deadline: Micros) -> Result<T, Silence> {
        let answer = self.ask(request, deadline);
        if answer.is_err() {
            self.worker = None;
        }
        answer
    }

    /// What the probe says of itself, or why its worker said nothing.
    pub fn inspect(&mut self, deadline: Micros) -> Inspection {
        let trouble = match self.ask_or_kill(&WorkerRequest::Inspect, deadline) {
            Ok(inspection) => return inspection,
            Err(Silence::Hang) => Trouble::new(FailureClass::Hang, "it gave no answer, and its worker was killed"),
            Err(Silence::Broken(error)) => Trouble::new(FailureClass::ToolFailure, error.to_string()),
            Err(Silence::Stopped) => Trouble::new(FailureClass::Other, "stopped"),
        };
        Inspection { trouble: Some(trouble), ..Inspection::default() }
    }

    /// The process that works for this link at the moment.
    pub fn worker_id(&self) -> Option<u32> {
        self.worker.as_ref()?.child.as_ref().map(Child::id)
    }

    fn port(&self) -> Option<&PortPath> {
        match &self.subject {
            Subject::Board(BoardSelector::Port(port)) => Some(port),
            Subject::Board(_) | Subject::Probe { .. } | Subject::Bench { .. } => None,
        }
    }

    /// A device that the kernel saw and could not bring up is not on libusb's list; only the kernel's messages tell.
    fn explained(&mut self, mut record: StepRecord) -> StepRecord {
        let port = self.port().cloned();
        let Outcome::Failed(failure) = &mut record.outcome else { return record };
        if record.phase != Phase::Enumerate
            || !matches!(failure.class, FailureClass::NotEnumerated | FailureClass::Hang)
        {
            return record;
        }
        if let Some(words) = self.watch.as_mut().and_then(|watch| watch.nothing_came(port.as_ref())) {
            failure.class = FailureClass::DescriptorFailed;
            failure.code = Some(FieldText::new(words));
        }
        record
    }
}

impl Link for WorkerLink {
    fn now(&self) -> Micros {
        self.time.now()
    }

    fn perform(&mut self, step: &Step, deadline: Micros) -> StepRecord {
        let started = self.now();
        let request = WorkerRequest::Perform { step: step.clone(), deadline };
        match self.ask::<WorkerAnswer>(&request, deadline) {
            Ok(answer) => {
                self.disturbs &= *step != Step::Disconnect;
                if let (Some(port), Subject::Board(selector)) = (&answer.identity.port, &mut self.subject) {
                    // A new worker has to find this very board again.
                    *selector = BoardSelector::Port(port.clone());
                }
                self.identity = answer.identity;
                // The worker's clock started when it did.
                self.explained(StepRecord { started: Some(started), ..answer.record })
            }
            Err(silence) => {
                self.worker = None;
                let elapsed = self.now() - started;
                let failed = |class, code: String| {
                    Outcome::Failed(Failure::new(class, step.phase()).with_code(code).after(elapsed))
                };
                let outcome = match silence {
                    Silence::Hang => failed(FailureClass::Hang, "the worker gave no answer and was killed".to_owned()),
                    Silence::Broken(error) => {
                        failed(FailureClass::ToolFailure, format!("the worker process failed: {error}"))
                    }
                    Silence::Stopped => Outcome::Interrupted,
                };
                self.explained(StepRecord {
                    phase: step.phase(),
                    started: Some(started),
                    elapsed: Some(elapsed),
                    outcome,
                    summary: TransferSummary::default(),
                    transfers: Vec::new(),
                    facts: Vec::new(),
                })
            }
        }
    }

    fn identity(&self) -> BoardIdentity {
        self.identity.clone()
    }

    fn forget_boot(&mut self) {
        // A worker that does not run knows nothing of a boot, and one whose pipe is broken is met at the next step.
        if let Some(worker) = &mut self.worker {
            let _ = worker.send(&WorkerRequest::ForgetBoot);
        }
    }

    fn power_cycle(&mut self, off_time: Micros) -> Option<(BootKind, BootProof)> {
        if !matches!(self.subject, Subject::Bench { .. }) {
            return None;
        }
        self.ask_or_kill::<PowerAnswer>(&WorkerRequest::PowerCycle { off_time }, off_time).ok().flatten()
    }

    /// A hub answers in milliseconds, unless it is busy with a device that does not enumerate.
    fn port_power(&mut self, on: bool) -> Result<PortPower, String> {
        let Some(port) = self.identity.port.as_ref().or(self.port()).cloned() else {
            return Err("the board's port is not known yet; name it with --port".to_owned());
        };
        let request = WorkerRequest::PortPower { port, on };
        match self.ask::<PortAnswer>(&request, HUB_PATIENCE) {
            Ok(answer) => answer,
            Err(silence) => {
                self.worker = None;
                Err(match silence {
                    Silence::Hang => "the hub gave no answer and its worker was killed".to_owned(),
                    Silence::Broken(error) => format!("the worker process failed: {error}"),
                    Silence::Stopped => "the campaign was stopped".to_owned(),
                })
            }
        }
    }

    fn permit(&mut self, claim: &AlterClaim) -> Result<(), GateRefusal> {
        self.claim = Some(claim.clone());
        // The next worker is told before its first step.
        self.worker = None;
        Ok(())
    }

    fn host_messages(&mut self) -> Vec<FieldText> {
        let port = self.port().cloned();
        let Some(watch) = &mut self.watch else { return Vec::new() };
        watch.look(port.as_ref());
        watch.take_messages()
    }
}

impl Worker {
    fn start(command: &[OsString], subject: &Subject) -> io::Result<Self> {
        let (program, arguments) = command.split_first().expect("a worker command names its program");
        let mut worker = Command::new(program);
        // An interrupt typed at the terminal is for the campaign, which ends its worker itself.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut worker, 0);
        let mut child =
            worker.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let input = child.stdin.take().expect("the input was piped");
        let output = child.stdout.take().expect("the output was piped");
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut worker = Self { child: Some(child), input, answers };
        worker.send(&WorkerRequest::Attach(subject.clone()))?;
        Ok(worker)
    }

    fn send(&mut self, request: &WorkerRequest) -> io::Result<()> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.input.write_all(&line)?;
        self.input.flush()
    }

    fn answer_within<T: DeserializeOwned>(&self, span: Micros, stop: &AtomicBool) -> Result<T, Silence> {
        let mut waited = Micros::ZERO;
        let line = loop {
            match self.answers.recv_timeout(to_duration(WATCH)) {
                Ok(line) => break line.map_err(Silence::Broken)?,
                Err(RecvTimeoutError::Timeout) if stop.load(Ordering::Relaxed) => return Err(Silence::Stopped),
                Err(RecvTimeoutError::Timeout) if waited >= span => return Err(Silence::Hang),
                Err(RecvTimeoutError::Timeout) => waited += WATCH,
                Err(RecvTimeoutError::Disconnected) => {
                    let ended = io::Error::new(io::ErrorKind::UnexpectedEof, "it ended without an answer");
                    return Err(Silence::Broken(ended));
                }
            }
        };
        serde_json::from_str(&line).map_err(|error| Silence::Broken(error.into()))
    }
}

impl Drop for Worker {
    /// Kills the worker and leaves it to a thread to reap: one that is stuck in the kernel may take its time to die.
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        // It may have ended already.
        let _ = child.kill();
        std::thread::spawn(move || child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::step::ConnectMode;

    fn shell(script: &str) -> WorkerLink {
        let command = ["sh", "-c", script].map(OsString::from).to_vec();
        let subject = Subject::Board(BoardSelector::any_rom());
        WorkerLink { grace: Micros::from_millis(50), ..WorkerLink::with_command(command, subject) }
    }

    fn perform(link: &mut WorkerLink) -> Failure {
        let record = link.perform(&Step::Open, Micros::from_millis(50));
        assert_eq!(record.phase, Phase::Open);
        record.failure().unwrap().clone()
    }

    #[test]
    fn a_worker_that_gives_no_answer_is_killed_and_replaced() {
        let mut link = shell("sleep 60");
        assert_eq!(perform(&mut link).class, FailureClass::Hang);
        assert!(link.worker.is_none());
        assert_eq!(perform(&mut link).class, FailureClass::Hang);
    }

    #[test]
    fn a_stop_cuts_the_step_short() {
        let mut link = shell("sleep 60");
        link.stop.store(true, Ordering::Relaxed);
        let record = link.perform(&Step::Open, Micros::from_secs(60));
        assert_eq!(record.outcome, Outcome::Interrupted);
    }

    #[test]
    fn a_stop_waits_for_what_has_to_be_given_back() {
        let done = r#"read attach; read request; sleep 0.2; echo '{"Ok":{"powered":true,"connected":true}}'"#;
        let port = Subject::Board(BoardSelector::Port("1-4.2".parse().unwrap()));
        let mut link = WorkerLink { subject: port, ..shell(done) };
        link.stop.store(true, Ordering::Relaxed);
        assert_eq!(link.port_power(true), Ok(PortPower { powered: true, connected: true }));
        // A core that is held is let go by the worker that holds it.
        let mut link = shell("sleep 60");
        link.stop.store(true, Ordering::Relaxed);
        let held = link.perform(&Step::Connect { mode: ConnectMode::UnderReset }, Micros::from_millis(50));
        assert_eq!(held.failure().unwrap().class, FailureClass::Hang);
    }

    #[test]
    fn a_worker_that_dies_is_a_failure_of_the_tool() {
        assert_eq!(perform(&mut shell("read attach; read request; exit 1")).class, FailureClass::ToolFailure);
        assert_eq!(perform(&mut shell("read attach; read request; echo nonsense")).class, FailureClass::ToolFailure);
    }

    #[test]
    fn what_a_hub_refuses_or_does_not_answer_is_said() {
        let port = BoardSelector::Port("1-4.2".parse().unwrap());
        let with =
            |script: &str, selector: BoardSelector| WorkerLink { subject: Subject::Board(selector), ..shell(script) };
        let refusing = r#"read attach; read request; echo '{"Err":"the hub cannot switch"}'"#;
        assert_eq!(with(refusing, port.clone()).port_power(false), Err("the hub cannot switch".to_owned()));
        let done = r#"read attach; read request; echo '{"Ok":{"powered":false,"connected":false}}'"#;
        assert_eq!(with(done, port).port_power(false), Ok(PortPower { powered: false, connected: false }));
        let unnamed = with(done, BoardSelector::any_rom()).port_power(false).unwrap_err();
        assert!(unnamed.contains("--port"), "{unnamed}");
    }

    #[test]
    fn a_worker_that_cannot_be_started_is_a_failure_of_the_tool() {
        let mut link =
            WorkerLink::with_command(vec!["/nonexistent/worker".into()], Subject::Board(BoardSelector::any_rom()));
        assert_eq!(perform(&mut link).class, FailureClass::ToolFailure);
    }
}
