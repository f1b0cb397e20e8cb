//! The runner: performs the cycles of a plan over a link and emits what happened.

use std::collections::BTreeMap;

use super::altering::{Performed, is_unwise};
use super::attend::{Attend, Moment, Reaction};
use super::journal::Journal;
use super::plan::{Arm, Plan, Schedule, step_in_arm};
use super::recipe::RecipeStep;
use super::reentry::{Reenter, ReentryError};
use super::skipping::{is_pointless, skipped};
use super::{Direction, Sink, SinkClosed, Steer};
use crate::link::Link;
use crate::observation::boot::Boot;
use crate::observation::cycle::Cycle;
use crate::observation::event::{EventKind, Reentry};
use crate::observation::fact::Fact;
use crate::observation::field_text::FieldText;
use crate::observation::step::{Phase, Step, StepRecord, Touch};
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
    pub attend: &'a mut dyn Attend,
    pub numbering: Numbering,
    /// What was altered in this case before, and is from here on.
    pub journal: Journal,
    /// When a witness last looked at a good cycle.
    pub last_look: Option<Micros>,
}

/// Boots that belong together: under which conditions, and in which order of arms.
#[derive(Debug)]
pub struct Stretch {
    pub boots: u32,
    /// Levels that hold for all its cycles, beside those of the arms.
    pub levels: BTreeMap<String, String>,
    pub schedule: Schedule,
    /// What is changed at the bench before each boot.
    pub conditions: Schedule,
    /// Whether its first cycle needs a new boot; a board that cannot be re-entered goes on in the one it has.
    pub begins_boot: bool,
}

impl Runner<'_> {
    /// Runs to the end of the plan, or until told to stop. What happened is in the events.
    pub fn run(&mut self) -> Result<(), CampaignError> {
        let boots = if self.plan.reentry == Reentry::None { 1 } else { self.plan.boots };
        let direction = self.perform(&mut Stretch {
            boots,
            levels: BTreeMap::new(),
            schedule: self.plan.schedule(),
            conditions: self.plan.conditions(),
            begins_boot: true,
        })?;
        self.end(direction)
    }

    /// The last event of a campaign.
    pub fn end(&mut self, direction: Direction) -> Result<(), CampaignError> {
        self.emit(EventKind::CampaignEnded { interrupted: direction == Direction::Interrupt })
    }

    /// Performs the boots of a stretch; says why it ended.
    pub fn perform(&mut self, stretch: &mut Stretch) -> Result<Direction, CampaignError> {
        for _ in 0..stretch.boots {
            if stretch.begins_boot {
                self.numbering.boots += 1;
                let condition = stretch.conditions.next_arm();
                stretch.levels.extend(in_words(&condition));
                match self.start_boot(&condition) {
                    Ok(()) => {}
                    Err(CampaignError::Reentry(ReentryError::Declined)) => return Ok(Direction::Interrupt),
                    Err(error) => return Err(error),
                }
            }
            for _ in 0..self.plan.cycles_per_boot {
                let direction = self.direction();
                if direction != Direction::Continue {
                    return Ok(direction);
                }
                self.numbering.cycles += 1;
                let arm = stretch.schedule.next_arm();
                if let Some(end) = self.cycle(&arm, &stretch.levels)? {
                    return Ok(end);
                }
            }
        }
        Ok(Direction::Continue)
    }

    fn direction(&mut self) -> Direction {
        let now = self.link.now();
        if self.plan.duration.is_some_and(|duration| now >= duration) {
            return Direction::Finish;
        }
        self.steer.next(now)
    }

    fn start_boot(&mut self, condition: &Arm) -> Result<(), CampaignError> {
        let number = self.numbering.boots;
        for (factor, level) in condition {
            self.reenter.arrange(self.link, *factor, level)?;
        }
        let (kind, proof) = self.reenter.reenter(self.link, number)?;
        let started = self.link.now();
        self.emit(EventKind::BootStarted(Boot { number, started, kind, proof }))?;
        self.link.forget_boot();
        self.link.boot_began();
        Ok(())
    }

    /// One run of the recipe. Says where the campaign is to end with it: whoever stands by wants that, or it altered the board and
    /// failed, and nobody said to go on then.
    fn cycle(&mut self, arm: &Arm, levels: &BTreeMap<String, String>) -> Result<Option<Direction>, CampaignError> {
        let known = self.link.identity();
        let started = self.link.now();
        let readings = self.attend.before_cycle(self.numbering.cycles);
        self.remark(readings.notes)?;
        let (mut steps, reaction) = self.steps(arm)?;
        if let Some(first) = steps.first_mut() {
            first.facts.extend(readings.facts);
        }
        self.remark(reaction.notes)?;
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
            levels: in_words(&self.plan.standing).chain(levels.clone()).chain(in_words(arm)).collect(),
        };
        cycle.drop_transfers_if_good();
        let alters = self.plan.recipe.touch() == Touch::Alter;
        let is_good = cycle.failure().is_none() && !cycle.is_interrupted();
        let stop_here = alters && !self.plan.keep_going && cycle.failure().is_some();
        self.emit(EventKind::CycleFinished(cycle))?;
        let compared = if is_good { self.comparison() } else { Vec::new() };
        for fact in reaction.facts.into_iter().chain(compared) {
            self.emit(EventKind::FactNoted(fact))?;
        }
        Ok(if reaction.end { Some(Direction::Interrupt) } else { stop_here.then_some(Direction::Finish) })
    }

    /// What a witness sees after a good cycle, where a look is due. The first good cycle is one to compare with.
    fn comparison(&mut self) -> Vec<Fact> {
        let (now, every) = (self.link.now(), self.plan.look_every);
        let is_due = every.is_some_and(|every| self.last_look.is_none_or(|last| now >= last + every));
        if !is_due {
            return Vec::new();
        }
        self.last_look = Some(now);
        self.link.look_at_good_cycle()
    }

    /// The steps in their order. Who stands by is told of the first failure before anything else is done to the board; one that
    /// was held is only closed afterwards.
    fn steps(&mut self, arm: &Arm) -> Result<(Vec<StepRecord>, Reaction), CampaignError> {
        let mut steps: Vec<StepRecord> = Vec::new();
        let mut reaction = None::<Reaction>;
        for line in &self.plan.recipe_in(arm).steps {
            let held = reaction.as_ref().is_some_and(|reaction| reaction.held);
            let out_of_bounds = held && line.step.phase() != Phase::Close;
            if out_of_bounds || is_pointless(&steps, line) || is_unwise(&steps, &line.step, &self.journal) {
                steps.push(skipped(line));
                continue;
            }
            let Performed { record, seen } = self.step(line, arm)?;
            if let (None, Some(failure)) = (&reaction, record.failure().filter(|failure| !failure.is_expected())) {
                let moment = Moment { failure, boot: self.numbering.boots, cycle: self.numbering.cycles };
                let mut told = self.attend.failed(&moment, self.link);
                if !told.held {
                    told.facts.extend(if seen.is_empty() { self.link.look() } else { seen });
                }
                reaction = Some(told);
            }
            steps.push(record);
        }
        Ok((steps, reaction.unwrap_or_default()))
    }

    fn remark(&mut self, notes: Vec<String>) -> Result<(), CampaignError> {
        notes.into_iter().try_for_each(|note| self.emit(EventKind::Note(FieldText::new(note))))
    }

    fn step(&mut self, line: &RecipeStep, arm: &Arm) -> Result<Performed, CampaignError> {
        match step_in_arm(&line.step, arm) {
            Step::Alter(alteration) => self.alter(&alteration, line.deadline),
            step @ Step::Save { address, .. } => Ok(self.save(&step, address, line.deadline)?.into()),
            step => Ok(self.link.perform(&step, line.deadline).into()),
        }
    }

    pub(super) fn emit(&mut self, kind: EventKind) -> Result<(), CampaignError> {
        self.journal.absorb(&kind);
        Ok(self.sink.accept(Some(self.link.now()), kind)?)
    }
}

fn in_words(arm: &Arm) -> impl Iterator<Item = (String, String)> {
    arm.iter().map(|(factor, level)| (factor.name().to_owned(), level.clone()))
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
    use crate::campaign::attend::{Readings, Unattended};
    use crate::campaign::recipe::Recipe;
    use crate::campaign::reentry::{AsFound, LinkPower};
    use crate::observation::board::BoardIdentity;
    use crate::observation::boot::{BootKind, BootProof};
    use crate::observation::fact::{Fact, FactValue};
    use crate::observation::failure::{Failure, FailureClass};
    use crate::observation::step::{Outcome, TransferSummary};

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

        fn look_at_good_cycle(&mut self) -> Vec<Fact> {
            vec![Fact::measured("good-look", FactValue::Number(self.now.as_secs_f64()))]
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
        run_attended(reentry, fails, cycles, &mut Unattended)
    }

    fn run_attended(
        reentry: &Reentry,
        fails: &[(Phase, FailureClass)],
        cycles: u32,
        attend: &mut dyn Attend,
    ) -> (Vec<EventKind>, Vec<Phase>) {
        let plan = Plan {
            recipe: Recipe::find("dfu-read").unwrap(),
            beside: None,
            boots: 3,
            cycles_per_boot: 2,
            off_time: Micros::from_secs(1),
            factors: Vec::new(),
            standing: Arm::new(),
            seed: 1,
            duration: None,
            keep_going: false,
            look_every: Some(Micros::from_millis(20)),
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
            attend,
            numbering: Numbering::default(),
            journal: Journal::default(),
            last_look: None,
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

    /// Notes what the link had performed when it was told of a failure.
    #[derive(Default)]
    struct Holding {
        told: Vec<(u32, Phase)>,
    }

    impl Attend for Holding {
        fn before_cycle(&mut self, cycle: u32) -> Readings {
            let fact = Fact::measured("sensor-air", FactValue::Number(f64::from(cycle)));
            Readings { facts: vec![fact], notes: vec![format!("reading {cycle}")] }
        }

        fn failed(&mut self, moment: &Moment<'_>, _link: &mut dyn Link) -> Reaction {
            self.told.push((moment.cycle, moment.failure.phase));
            let facts = vec![Fact::measured("vdd-minimum", FactValue::Volts(2.1))];
            Reaction { held: true, facts, notes: Vec::new(), end: true }
        }
    }

    #[test]
    fn a_held_board_is_not_touched_after_its_failure_but_for_the_close() {
        let mut holding = Holding::default();
        let fails = [(Phase::Status, FailureClass::Stall)];
        let (events, performed) = run_attended(&Reentry::Virtual, &fails, 100, &mut holding);
        assert_eq!(holding.told, [(1, Phase::Status)]);
        let failed = performed.iter().position(|phase| *phase == Phase::Status).unwrap();
        assert_eq!(performed[failed + 1..], [Phase::Close]);
        let noted = |kind: &EventKind| matches!(kind, EventKind::FactNoted(fact) if fact.key == "vdd-minimum");
        assert!(events.iter().any(noted), "what was measured while it was held is in the case");
        assert_eq!(events.last(), Some(&EventKind::CampaignEnded { interrupted: true }), "who stands by may end it");
    }

    #[test]
    fn readings_belong_to_the_cycle_that_they_were_taken_for() {
        let (events, _) = run_attended(&Reentry::Virtual, &[], 2, &mut Holding::default());
        for cycle in cycles(&events) {
            assert_eq!(cycle.steps[0].facts[0].value, FactValue::Number(f64::from(cycle.number)));
        }
        assert!(events.iter().any(|kind| *kind == EventKind::Note("reading 2".into())));
    }

    #[test]
    fn a_witness_looks_at_good_cycles_when_it_is_due_and_at_no_failed_ones() {
        let looks = |fails: &[(Phase, FailureClass)]| {
            let (events, _) = run(&Reentry::Virtual, fails, 100);
            let of = |kind: &EventKind| match kind {
                EventKind::FactNoted(Fact { key, value: FactValue::Number(at), .. }) if key == "good-look" => Some(*at),
                _ => None,
            };
            (events.iter().filter_map(of).collect::<Vec<_>>(), cycles(&events).len())
        };
        let (seen, cycles) = looks(&[]);
        assert!(seen.len() >= 2 && seen.len() < cycles, "{seen:?} of {cycles}");
        assert!(seen.windows(2).all(|pair| pair[1] - pair[0] > 0.0199), "{seen:?}");
        assert!(looks(&[(Phase::Status, FailureClass::Stall)]).0.is_empty());
    }
}
