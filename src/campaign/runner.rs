//! The runner: performs the cycles of a plan over a link and emits what happened.

use super::plan::{Arm, Plan, step_in_arm};
use super::recipe::RecipeStep;
use super::reentry::{Reenter, ReentryError};
use super::{Direction, Sink, SinkClosed, Steer};
use crate::link::Link;
use crate::observation::boot::Boot;
use crate::observation::cycle::Cycle;
use crate::observation::event::{EventKind, Reentry};
use crate::observation::failure::FailureClass;
use crate::observation::step::{Outcome, Phase, StepRecord, TransferSummary};
use crate::observation::units::Micros;

#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    #[error(transparent)]
    Sink(#[from] SinkClosed),
    #[error(transparent)]
    Reentry(#[from] ReentryError),
}

/// Where numbering goes on: zero for a new case, the last numbers of a resumed one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbering {
    pub boots: u32,
    pub cycles: u32,
}

/// Performs a plan. Owns nothing; everything it needs is lent.
pub struct Runner<'a> {
    pub plan: &'a Plan,
    pub link: &'a mut dyn Link,
    pub reenter: &'a mut dyn Reenter,
    pub sink: &'a mut dyn Sink,
    pub steer: &'a mut dyn Steer,
    pub numbering: Numbering,
}

impl Runner<'_> {
    /// Runs to the end of the plan, or until told to stop. What happened is in the events.
    pub fn run(&mut self) -> Result<(), CampaignError> {
        let mut schedule = self.plan.schedule();
        let boots = if self.plan.reentry == Reentry::None { 1 } else { self.plan.boots };
        let mut direction = Direction::Continue;
        'campaign: for _ in 0..boots {
            self.numbering.boots += 1;
            match self.start_boot() {
                Ok(()) => {}
                Err(CampaignError::Reentry(ReentryError::Declined)) => {
                    direction = Direction::Interrupt;
                    break 'campaign;
                }
                Err(error) => return Err(error),
            }
            for _ in 0..self.plan.cycles_per_boot {
                direction = self.direction();
                if direction != Direction::Continue {
                    break 'campaign;
                }
                self.numbering.cycles += 1;
                self.cycle(&schedule.next_arm())?;
            }
        }
        let interrupted = direction == Direction::Interrupt;
        self.emit(EventKind::CampaignEnded { interrupted })
    }

    fn direction(&mut self) -> Direction {
        let now = self.link.now();
        if self.plan.duration.is_some_and(|duration| now >= duration) {
            return Direction::Finish;
        }
        self.steer.next(now)
    }

    fn start_boot(&mut self) -> Result<(), CampaignError> {
        let number = self.numbering.boots;
        let (kind, proof) = self.reenter.reenter(self.link, number)?;
        let started = self.link.now();
        self.emit(EventKind::BootStarted(Boot { number, started, kind, proof }))
    }

    fn cycle(&mut self, arm: &Arm) -> Result<(), CampaignError> {
        let known = self.link.identity();
        let started = self.link.now();
        let mut steps: Vec<StepRecord> = Vec::with_capacity(self.plan.recipe.steps.len());
        for line in &self.plan.recipe.steps {
            let record = if is_pointless(&steps, line) { skipped(line) } else { perform(self.link, line, arm) };
            steps.push(record);
        }
        for message in self.link.host_messages() {
            self.emit(EventKind::HostMessage(message))?;
        }
        let identity = self.link.identity();
        if identity != known {
            self.emit(EventKind::BoardSeen(identity))?;
        }
        let mut cycle = Cycle {
            number: self.numbering.cycles,
            boot: Some(self.numbering.boots),
            started: Some(started),
            steps,
            levels: arm.iter().map(|(factor, level)| (factor.name().to_owned(), level.clone())).collect(),
        };
        cycle.drop_transfers_if_good();
        self.emit(EventKind::CycleFinished(cycle))
    }

    fn emit(&mut self, kind: EventKind) -> Result<(), CampaignError> {
        Ok(self.sink.accept(Some(self.link.now()), kind)?)
    }
}

fn perform(link: &mut dyn Link, line: &RecipeStep, arm: &Arm) -> StepRecord {
    link.perform(&step_in_arm(&line.step, arm), line.deadline)
}

fn skipped(line: &RecipeStep) -> StepRecord {
    StepRecord {
        phase: line.step.phase(),
        started: None,
        elapsed: None,
        outcome: Outcome::Skipped,
        summary: TransferSummary::default(),
        transfers: Vec::new(),
        facts: Vec::new(),
    }
}

/// After the board is gone or could not be opened, the rest of the cycle says nothing; after a refused read, what still
/// works in the same boot says much. Close is pointless only if open never succeeded.
fn is_pointless(done: &[StepRecord], line: &RecipeStep) -> bool {
    let opened = done.iter().any(|step| step.phase == Phase::Open && step.outcome == Outcome::Done);
    if line.step.phase() == Phase::Close {
        return !opened && done.iter().any(|step| step.outcome != Outcome::Done);
    }
    if done.iter().any(|step| step.outcome == Outcome::Interrupted) {
        return true;
    }
    done.iter().filter_map(StepRecord::failure).any(|failure| {
        matches!(failure.phase, Phase::Enumerate | Phase::Open | Phase::Claim)
            || matches!(failure.class, FailureClass::Disconnected | FailureClass::Hang | FailureClass::NotFound)
    })
}

/// A sink that keeps events in memory: for evaluation, which writes no case, and for tests.
#[derive(Debug, Default)]
pub struct Collected {
    pub events: Vec<(Option<Micros>, EventKind)>,
}

impl Sink for Collected {
    fn accept(&mut self, at: Option<Micros>, kind: EventKind) -> Result<(), SinkClosed> {
        self.events.push((at, kind));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::recipe::Recipe;
    use crate::campaign::reentry::{AsFound, LinkPower};
    use crate::observation::board::BoardIdentity;
    use crate::observation::boot::{BootKind, BootProof};
    use crate::observation::failure::Failure;
    use crate::observation::step::Step;

    /// Fails the steps it is told to fail and counts what was asked of it.
    struct ScriptedLink {
        now: Micros,
        fails: Vec<(Phase, FailureClass)>,
        performed: Vec<Phase>,
    }

    impl Link for ScriptedLink {
        fn now(&self) -> Micros {
            self.now
        }

        fn perform(&mut self, step: &Step, _deadline: Micros) -> StepRecord {
            let phase = step.phase();
            self.performed.push(phase);
            let started = self.now;
            self.now += Micros::from_millis(1);
            let failed = self.fails.iter().find(|(fails, _)| *fails == phase);
            let outcome = failed.map_or(Outcome::Done, |(_, class)| Outcome::Failed(Failure::new(*class, phase)));
            StepRecord {
                phase,
                started: Some(started),
                elapsed: Some(Micros::from_millis(1)),
                outcome,
                summary: TransferSummary::default(),
                transfers: Vec::new(),
                facts: Vec::new(),
            }
        }

        fn identity(&self) -> BoardIdentity {
            BoardIdentity::default()
        }

        fn power_cycle(&mut self, off_time: Micros) -> Option<(BootKind, BootProof)> {
            Some((BootKind::ColdPowerOn { off_time: Some(off_time) }, BootProof::Commanded))
        }
    }

    struct StopAfter(u32);

    impl Steer for StopAfter {
        fn next(&mut self, _now: Micros) -> Direction {
            if self.0 == 0 {
                return Direction::Interrupt;
            }
            self.0 -= 1;
            Direction::Continue
        }
    }

    fn run(reentry: &Reentry, fails: &[(Phase, FailureClass)], cycles: u32) -> (Vec<EventKind>, Vec<Phase>) {
        let plan = Plan {
            recipe: Recipe::find("dfu-read").unwrap(),
            boots: 3,
            cycles_per_boot: 2,
            off_time: Micros::from_secs(1),
            factors: Vec::new(),
            seed: 1,
            duration: None,
            reentry: reentry.clone(),
        };
        let mut link = ScriptedLink { now: Micros::ZERO, fails: fails.to_vec(), performed: Vec::new() };
        let mut sink = Collected::default();
        let mut power = LinkPower { off_time: plan.off_time };
        let reenter: &mut dyn Reenter = if *reentry == Reentry::None { &mut AsFound } else { &mut power };
        let mut runner = Runner {
            plan: &plan,
            link: &mut link,
            reenter,
            sink: &mut sink,
            steer: &mut StopAfter(cycles),
            numbering: Numbering::default(),
        };
        runner.run().unwrap();
        (sink.events.into_iter().map(|(_, kind)| kind).collect(), link.performed)
    }

    fn boots(events: &[EventKind]) -> Vec<&Boot> {
        events
            .iter()
            .filter_map(|kind| if let EventKind::BootStarted(boot) = kind { Some(boot) } else { None })
            .collect()
    }

    fn cycles(events: &[EventKind]) -> Vec<&Cycle> {
        let cycle = |kind: &'_ EventKind| matches!(kind, EventKind::CycleFinished(_));
        events
            .iter()
            .filter(|kind| cycle(kind))
            .map(|kind| if let EventKind::CycleFinished(cycle) = kind { cycle } else { unreachable!() })
            .collect()
    }

    #[test]
    fn without_reentry_the_campaign_is_one_boot_of_unknown_kind() {
        let (events, _) = run(&Reentry::None, &[], 100);
        let boots = boots(&events);
        assert_eq!((boots.len(), boots[0].kind, boots[0].proof), (1, BootKind::Unknown, BootProof::None));
        assert_eq!(cycles(&events).len(), 2);
    }

    #[test]
    fn every_boot_and_cycle_is_numbered_and_announced() {
        let (events, _) = run(&Reentry::Virtual, &[], 100);
        assert_eq!(boots(&events).iter().map(|boot| boot.number).collect::<Vec<_>>(), [1, 2, 3]);
        let numbers: Vec<_> = cycles(&events).iter().map(|cycle| (cycle.boot, cycle.number)).collect();
        assert_eq!(numbers, [(Some(1), 1), (Some(1), 2), (Some(2), 3), (Some(2), 4), (Some(3), 5), (Some(3), 6)]);
        assert_eq!(events.last(), Some(&EventKind::CampaignEnded { interrupted: false }));
    }

    #[test]
    fn a_board_that_never_enumerates_is_a_failed_cycle_and_nothing_else_is_tried() {
        let (events, performed) = run(&Reentry::Virtual, &[(Phase::Enumerate, FailureClass::NotEnumerated)], 1);
        assert_eq!(performed, [Phase::Enumerate]);
        assert_eq!(cycles(&events)[0].failure().unwrap().class, FailureClass::NotEnumerated);
    }

    #[test]
    fn after_a_refused_read_the_other_steps_are_still_tried() {
        let (_, performed) = run(&Reentry::Virtual, &[(Phase::Read, FailureClass::Stall)], 1);
        assert_eq!(performed[performed.len() - 3..], [Phase::OptionBytes, Phase::Otp, Phase::Close]);
    }

    #[test]
    fn what_was_opened_is_closed_even_when_claim_failed() {
        let (_, performed) = run(&Reentry::Virtual, &[(Phase::Claim, FailureClass::Busy)], 1);
        assert_eq!(performed, [Phase::Enumerate, Phase::Open, Phase::Claim, Phase::Close]);
    }

    #[test]
    fn an_interrupt_ends_between_cycles_and_says_so() {
        let (events, _) = run(&Reentry::Virtual, &[], 3);
        assert_eq!(cycles(&events).len(), 3);
        assert_eq!(events.last(), Some(&EventKind::CampaignEnded { interrupted: true }));
    }
}
