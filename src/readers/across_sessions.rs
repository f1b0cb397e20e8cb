//! What sessions of one report tell together that none of them tells alone.

use crate::observation::event::Transport;
use crate::observation::failure::{Failure, FailureClass};
use crate::observation::step::{Phase, StepRecord};

#[derive(Debug, Default)]
pub struct AcrossSessions {
    /// Whether the command at work was given as root.
    as_root: bool,
    /// Whether the device could not be opened by a command that was not.
    refused_as_user: bool,
    /// Whether the target was programmed over the debug wires the last time it was reached.
    programmed_before: bool,
}

/// How far the running attempt has come.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    pub transport: Option<Transport>,
    pub has_steps: bool,
    pub reached: bool,
    pub verified: bool,
}

impl Standing {
    fn is_programmed(self) -> bool {
        self.transport == Some(Transport::Swd) && self.verified
    }
}

impl AcrossSessions {
    pub fn command_given(&mut self, as_root: bool) {
        self.as_root = as_root;
    }

    pub fn attempt_ended(&mut self, standing: Standing) {
        self.programmed_before = standing.is_programmed() || (self.programmed_before && !standing.reached);
    }

    /// The same device that a user could not open is opened, or not, by root: whether it works so.
    pub fn works_as_root(&mut self, step: &StepRecord) -> Option<bool> {
        if !matches!(step.phase, Phase::Enumerate | Phase::Open | Phase::Claim | Phase::ProbeOpen) {
            return None;
        }
        let failed = step.failure().is_some_and(|failure| !failure.is_expected());
        if !self.as_root {
            self.refused_as_user |= failed;
            return None;
        }
        self.refused_as_user.then_some(!failed)
    }

    /// What was programmed is the only thing that changed between the verifying and a target that is silent: the words for it.
    pub fn blames_what_was_programmed(&self, failure: &Failure, standing: Standing) -> Option<&'static str> {
        let lost = failure.class == FailureClass::Disconnected && failure.phase == Phase::Halt;
        let silent = lost || matches!(failure.class, FailureClass::NoTarget | FailureClass::NoAcknowledge);
        let at_first = matches!(failure.phase, Phase::Connect | Phase::Identify | Phase::Halt) && !standing.has_steps;
        match () {
            () if !silent => None,
            () if standing.is_programmed() => {
                Some("the target was programmed and verified, and from then on it does not answer")
            }
            () if self.programmed_before && at_first => {
                Some("a session programmed and verified the target, and a later one does not reach it")
            }
            () => None,
        }
    }
}
