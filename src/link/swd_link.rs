//! A target on SWD as a cycle sees it: every step of a recipe is timed, and every surprise becomes a failure.

use crate::observation::alteration::Alteration;
use crate::observation::board::BoardIdentity;
use crate::observation::boot::{BootKind, BootProof};
use crate::observation::failure::{Failure, FailureClass};
use crate::observation::permit::{AlterClaim, AlterPermit, GateRefusal};
use crate::observation::request_text::RequestText;
use crate::observation::step::{Outcome, Step, StepRecord, Touch, TransferRecord, TransferSummary};
use crate::observation::units::Micros;

use super::Link;
use super::swd_alter;
use super::swd_probe::SwdProbe;
use super::swd_session::{SwdFault, SwdSession};
use super::swd_wire::{SwdWire, Traffic};

#[derive(Debug)]
pub struct SwdLink<P> {
    probe: P,
    session: SwdSession,
    touch: Touch,
    /// What the user said about writing, if anything.
    claim: Option<AlterClaim>,
}

impl<P: SwdProbe> SwdLink<P> {
    /// A call that has not come back so long after its step should have been over is abandoned.
    const GRACE: Micros = Micros::from_secs(2);

    pub fn new(probe: P, touch: Touch) -> Self {
        Self { probe, session: SwdSession::default(), touch, claim: None }
    }

    pub const fn probe(&self) -> &P {
        &self.probe
    }

    fn attempt(&mut self, step: &Step, deadline: Micros) -> (Result<(), SwdFault>, StepRecord) {
        let started = self.probe.now();
        self.probe.give_until(started + deadline + Self::GRACE);
        let (outcome, traffic) = match step {
            Step::Alter(alteration) => self.alter(alteration, deadline),
            _ => {
                let mut wire = SwdWire::new(&mut self.probe, self.touch, deadline);
                let outcome = self.session.perform(step, &mut wire);
                (outcome, wire.into_traffic())
            }
        };
        let mut summary = TransferSummary::default();
        traffic.accesses.iter().for_each(|access| summary.add(access));
        summary.waits = traffic.hidden.waits;
        summary.repeats = traffic.hidden.repeats;
        // What the library said stands beside the accesses and counts as none.
        let words = traffic.hidden.lines.iter().map(|line| TransferRecord {
            request: RequestText::new(format!("the library says: {line}")),
            elapsed: Micros::ZERO,
            length_bytes: 0,
            code: None,
        });
        let record = StepRecord {
            phase: step.phase(),
            started: Some(started),
            elapsed: Some(self.probe.now() - started),
            outcome: Outcome::Done,
            summary,
            transfers: traffic.accesses.into_iter().chain(words).collect(),
            facts: self.session.take_learned(),
        };
        (outcome, record)
    }

    /// The permit is made anew for every alteration, from the target that is there now; it opens the wire for one sequence.
    fn alter(&mut self, alteration: &Alteration, deadline: Micros) -> (Result<(), SwdFault>, Traffic) {
        let mut wire = SwdWire::new(&mut self.probe, Touch::Observe, deadline);
        let planned = match alteration {
            Alteration::OptionBytes { address, data } => self
                .session
                .altered(&mut wire)
                .and_then(|target| swd_alter::sequence(&mut wire, &target, *address, data)),
            other => {
                let code = format!("`{}` is not done over SWD; nothing was sent", other.phase());
                Err(SwdFault::new(FailureClass::BadArguments, code))
            }
        };
        let remaining = wire.remaining();
        let mut traffic = wire.into_traffic();
        let opened = planned.and_then(|sequence| Ok((self.permit_now()?, sequence)));
        let outcome = opened.and_then(|(permit, sequence)| {
            let mut wire = SwdWire::altering(&mut self.probe, &permit, &sequence, remaining);
            let outcome = swd_alter::write(&mut wire, &sequence);
            traffic.append(wire.into_traffic());
            outcome
        });
        (outcome, traffic)
    }

    /// A probe sees one target, which the silicon's own number names.
    fn permit_now(&self) -> Result<AlterPermit, SwdFault> {
        let refused = |refusal: &GateRefusal| SwdFault::new(FailureClass::BadArguments, refusal.to_string());
        let claim = self.claim.as_ref().ok_or_else(|| refused(&GateRefusal::NotAsked))?;
        AlterPermit::grant(claim, self.session.identity(), &[]).map_err(|refusal| refused(&refusal))
    }

    /// A probe that is gone was lost, whatever the call said; and one that kept us beyond all patience hangs.
    fn class_of(&mut self, fault: &SwdFault, took: Micros, deadline: Micros) -> FailureClass {
        if took >= deadline + Self::GRACE {
            return FailureClass::Hang;
        }
        let of_the_probe = matches!(fault.class, FailureClass::Timeout | FailureClass::ProbeFault);
        if of_the_probe && !self.probe.is_present() { FailureClass::ProbeLost } else { fault.class }
    }
}

impl<P: SwdProbe> Link for SwdLink<P> {
    fn now(&self) -> Micros {
        self.probe.now()
    }

    fn perform(&mut self, step: &Step, deadline: Micros) -> StepRecord {
        let (outcome, mut record) = self.attempt(step, deadline);
        if let Err(fault) = outcome {
            let class = self.class_of(&fault, record.elapsed.unwrap_or_default(), deadline);
            if fault.reopen || class == FailureClass::Hang {
                self.probe.close();
                self.session.forget_boot();
            }
            let failure = Failure::new(class, record.phase).with_code(fault.code);
            record.outcome = Outcome::Failed(Failure { elapsed: record.elapsed, address: fault.address, ..failure });
        }
        record
    }

    fn identity(&self) -> BoardIdentity {
        self.session.identity().clone()
    }

    fn permit(&mut self, claim: &AlterClaim) -> Result<(), GateRefusal> {
        self.claim = Some(claim.clone());
        Ok(())
    }

    fn forget_boot(&mut self) {
        self.session.forget_boot();
    }

    fn rearrange(&mut self, change: Option<&str>, span: Micros) -> bool {
        self.session.forget_boot();
        self.probe.rearrange(change, span)
    }

    fn meter(&mut self, quantity: &str) -> Option<f64> {
        self.probe.meter(quantity)
    }

    fn power_cycle(&mut self, off_time: Micros) -> Option<(BootKind, BootProof)> {
        self.session.forget_boot();
        self.probe.power_cycle(off_time)
    }
}
