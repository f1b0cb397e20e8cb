//! The worker process: performs steps on one real board, one line of JSON per request and answer.
//!
//! Calls into libusb block and cannot be cancelled; a process can be killed.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};

use crate::observation::board::{BoardIdentity, PortPath};
use crate::observation::permit::AlterClaim;
use crate::observation::step::{Step, StepRecord};
use crate::observation::units::Micros;

use super::Link;
use super::board_selector::BoardSelector;
use super::dfu_link::DfuLink;
use super::hub_power::{self, PortState};
use super::libusb_board::LibusbBoard;

/// The subcommand under which the program runs as its own worker.
pub const SUBCOMMAND: &str = "worker";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkerRequest {
    /// The first request: which board. It has no answer.
    Attach(BoardSelector),
    /// What the user said about writing. It has no answer; a step that it does not cover fails.
    Permit(AlterClaim),
    Perform {
        step: Step,
        deadline: Micros,
    },
    /// Switches the power of the port that the board hangs on; answered by a [`PortAnswer`].
    PortPower {
        port: PortPath,
        on: bool,
    },
}

pub type PortAnswer = Result<PortState, String>;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerAnswer {
    pub record: StepRecord,
    pub identity: BoardIdentity,
}

/// Serves requests for a real board until the parent closes the pipe.
pub fn run(input: impl BufRead, output: impl Write) -> io::Result<()> {
    serve(input, output, |selector| DfuLink::new(LibusbBoard::new(selector)))
}

fn serve<L: Link>(input: impl BufRead, mut output: impl Write, attach: impl Fn(BoardSelector) -> L) -> io::Result<()> {
    let mut link = None;
    for line in input.lines() {
        match serde_json::from_str(&line?)? {
            WorkerRequest::Attach(selector) => link = Some(attach(selector)),
            WorkerRequest::Permit(claim) => {
                let link = link.get_or_insert_with(|| attach(BoardSelector::any_rom()));
                link.permit(&claim).map_err(io::Error::other)?;
            }
            WorkerRequest::Perform { step, deadline } => {
                let link = link.get_or_insert_with(|| attach(BoardSelector::any_rom()));
                let record = link.perform(&step, deadline);
                answer(&mut output, &WorkerAnswer { record, identity: link.identity() })?;
            }
            WorkerRequest::PortPower { port, on } => answer(&mut output, &hub_power::switch(&port, on))?,
        }
    }
    Ok(())
}

fn answer(output: &mut impl Write, answer: &impl Serialize) -> io::Result<()> {
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

    #[test]
    fn every_step_gets_one_answer() {
        let deadline = Micros::from_secs(1);
        let mut input = line(&WorkerRequest::Attach(BoardSelector::any_rom()));
        for step in [Step::Enumerate, Step::Open, Step::Descriptors] {
            input += &line(&WorkerRequest::Perform { step, deadline });
        }
        let mut output = Vec::new();
        serve(input.as_bytes(), &mut output, |_| DfuLink::new(ScriptedBoard::default())).unwrap();
        let answers: Vec<WorkerAnswer> =
            output.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
        let phases: Vec<_> = answers.iter().map(|answer| answer.record.phase).collect();
        assert_eq!(phases, [Phase::Enumerate, Phase::Open, Phase::Descriptors]);
        assert!(answers.iter().all(|answer| answer.record.outcome == Outcome::Done));
        assert_eq!(answers[2].identity.bcd_device, Some(0x2200));
    }

    #[test]
    fn a_request_that_is_none_ends_the_worker() {
        let served = serve("reset\n".as_bytes(), Vec::new(), |_| DfuLink::new(ScriptedBoard::default()));
        assert_eq!(served.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
