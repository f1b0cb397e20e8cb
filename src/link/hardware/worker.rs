//! The worker process: performs steps on one real board or through one debug probe, one line of JSON per request and answer.
//!
//! Calls into libusb and probe-rs block and cannot be cancelled; a process can be killed.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};

use crate::bench::board::VirtualBoard;
use crate::observation::board::{BoardIdentity, PortPath, PortPower};
use crate::observation::boot::{BootKind, BootProof};
use crate::observation::permit::AlterClaim;
use crate::observation::step::{Step, StepRecord, Touch};
use crate::observation::units::Micros;

use super::hub_power;
use super::libusb_board::LibusbBoard;
use super::plug_in::bench_wires::BenchWires;
use super::plug_in::driver::Level;
use super::probe_inspection::{self, Inspection};
use super::probe_real::RealProbe;
use crate::link::Link;
use crate::link::board_selector::BoardSelector;
use crate::link::dfu_link::DfuLink;
use crate::link::swd_link::SwdLink;

/// The subcommand under which the program runs as its own worker.
pub const SUBCOMMAND: &str = "worker";

/// What a worker works on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// A board on USB.
    Board(BoardSelector),
    /// The target of a debug probe; of the only one there is, where no selector is given.
    Probe { selector: Option<BoardSelector>, touch: Touch },
    /// A virtual board behind the real probe-rs, both inside the worker; for the tests of this path.
    Bench { board: String, seed: u64, level: Level, touch: Touch },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkerRequest {
    /// The first request. It has no answer.
    Attach(Subject),
    /// What the user said about writing. It has no answer; a step that it does not cover fails.
    Permit(AlterClaim),
    Perform {
        step: Step,
        deadline: Micros,
    },
    /// The board was reset by other means than this link. It has no answer.
    ForgetBoot,
    /// Switches the power of the port that the board hangs on; answered by a [`PortAnswer`].
    PortPower {
        port: PortPath,
        on: bool,
    },
    /// Only a bench has a switch for its board; answered by a [`PowerAnswer`].
    PowerCycle {
        off_time: Micros,
    },
    /// A look at the probe that was attached; answered by an [`Inspection`].
    Inspect,
}

pub type PortAnswer = Result<PortPower, String>;
pub type PowerAnswer = Option<(BootKind, BootProof)>;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerAnswer {
    pub record: StepRecord,
    pub identity: BoardIdentity,
}

/// Serves requests until the parent closes the pipe.
pub fn run(input: impl BufRead, output: impl Write) -> io::Result<()> {
    serve(input, output, attach)
}

fn attach(subject: &Subject) -> io::Result<Box<dyn Link>> {
    Ok(match subject {
        Subject::Board(selector) => Box::new(DfuLink::new(LibusbBoard::new(selector.clone()))),
        Subject::Probe { selector, touch } => Box::new(SwdLink::new(RealProbe::new(selector.clone()), *touch)),
        Subject::Bench { board, seed, level, touch } => {
            let board = VirtualBoard::by_name(board, *seed).map_err(io::Error::other)?;
            Box::new(SwdLink::new(RealProbe::before(BenchWires::new(board), *level), *touch))
        }
    })
}

fn serve(
    input: impl BufRead,
    mut output: impl Write,
    attach: impl Fn(&Subject) -> io::Result<Box<dyn Link>>,
) -> io::Result<()> {
    let mut subject = Subject::Board(BoardSelector::any_rom());
    let mut link: Option<Box<dyn Link>> = None;
    for line in input.lines() {
        let request = serde_json::from_str(&line?)?;
        let needs_link = matches!(
            request,
            WorkerRequest::Perform { .. } | WorkerRequest::PowerCycle { .. } | WorkerRequest::Permit(_)
        );
        if needs_link && link.is_none() {
            link = Some(attach(&subject)?);
        }
        match (request, &mut link, &subject) {
            (WorkerRequest::Attach(new), ..) => subject = new,
            (WorkerRequest::Permit(claim), Some(link), _) => link.permit(&claim).map_err(io::Error::other)?,
            (WorkerRequest::ForgetBoot, link, _) => link.iter_mut().for_each(|link| link.forget_boot()),
            (WorkerRequest::PortPower { port, on }, ..) => answer(&mut output, &hub_power::switch(&port, on))?,
            (WorkerRequest::Perform { step, deadline }, Some(link), _) => {
                let record = link.perform(&step, deadline);
                answer(&mut output, &WorkerAnswer { record, identity: link.identity() })?;
            }
            (WorkerRequest::PowerCycle { off_time }, Some(link), _) => {
                answer::<PowerAnswer>(&mut output, &link.power_cycle(off_time))?;
            }
            (WorkerRequest::Inspect, _, Subject::Probe { selector, .. }) => {
                answer::<Inspection>(&mut output, &probe_inspection::here(selector.clone()))?;
            }
            // With a link where one is needed, what is left is a look at a board.
            _ => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "only a probe can be inspected"));
            }
        }
    }
    Ok(())
}

fn answer<T: Serialize>(output: &mut impl Write, answer: &T) -> io::Result<()> {
    serde_json::to_writer(&mut *output, answer)?;
    output.write_all(b"\n")?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::scripted_board::ScriptedBoard;
    use crate::observation::step::{Outcome, Phase};

    fn line(request: &WorkerRequest) -> String {
        serde_json::to_string(request).unwrap() + "\n"
    }

    fn scripted(_: &Subject) -> io::Result<Box<dyn Link>> {
        Ok(Box::new(DfuLink::new(ScriptedBoard::default())))
    }

    #[test]
    fn every_step_gets_one_answer() {
        let deadline = Micros::from_secs(1);
        let mut input = line(&WorkerRequest::Attach(Subject::Board(BoardSelector::any_rom())));
        for step in [Step::Enumerate, Step::Open, Step::Descriptors] {
            input += &line(&WorkerRequest::Perform { step, deadline });
        }
        let mut output = Vec::new();
        serve(input.as_bytes(), &mut output, scripted).unwrap();
        let answers: Vec<WorkerAnswer> =
            output.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
        let phases: Vec<_> = answers.iter().map(|answer| answer.record.phase).collect();
        assert_eq!(phases, [Phase::Enumerate, Phase::Open, Phase::Descriptors]);
        assert!(answers.iter().all(|answer| answer.record.outcome == Outcome::Done));
        assert_eq!(answers[2].identity.bcd_device, Some(0x2200));
    }

    #[test]
    fn a_request_that_is_none_ends_the_worker() {
        let served = serve("reset\n".as_bytes(), Vec::new(), scripted);
        assert_eq!(served.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
