//! The guided campaign: looks at the board as it is, then does what is expected to tell most about the cause per minute, until one
//! cause has passed the threshold or nothing left is worth its minutes.

use std::collections::{BTreeMap, BTreeSet};

use super::advice::{Advice, Both, Desk};
use super::hands::{Hand, Hands};
use crate::campaign::attend::Attend;
use crate::campaign::journal::Journal;
use crate::campaign::plan::{Factor, Plan};
use crate::campaign::reentry::Reenter;
use crate::campaign::runner::{CampaignError, Numbering, Runner, Stretch};
use crate::campaign::{Direction, Sink, Steer};
use crate::diagnosis::experiment::{Experiment, ToldBy};
use crate::diagnosis::knowledge::Knowledge;
use crate::diagnosis::verdict::{NextExperiment, VerdictKind};
use crate::evidence::experiment::{self, CONDITIONS, Counts, Expected, OUTCOME, belief};
use crate::link::Link;
use crate::observation::event::{EventKind, Reentry};
use crate::observation::fact::{Fact, FactValue, Origin};
use crate::observation::field_text::FieldText;
use crate::observation::units::Micros;
use crate::profile::measurement::Quantities;

/// The level under which the cycles of an experiment are found in the case.
pub const EXPERIMENT: &str = "experiment";

/// As many boots of the board as found before the first decision.
const FIRST_LOOK: u32 = 8;
/// Fewer failures are too few to compare anything with.
const ENOUGH_FAILURES: f64 = 3.0;
/// A comparison with the board as found ends when it is as sure as this.
const SURE: f64 = 0.95;
/// Below this, in bits per minute, nothing is worth doing.
const WORTH: f64 = 0.003;

/// Everything that a guided campaign needs, lent.
pub struct Guided<'a, 'k> {
    pub plan: &'a Plan,
    pub link: &'a mut dyn Link,
    pub reenter: &'a mut dyn Reenter,
    pub desk: &'a mut dyn Desk,
    pub steer: &'a mut dyn Steer,
    pub attend: &'a mut dyn Attend,
    pub hands: &'a mut dyn Hands,
    pub knowledge: &'k Knowledge,
    pub quantities: &'a Quantities,
    pub numbering: Numbering,
    /// So many boots in all, those under changed conditions included; none where nobody said.
    pub most_boots: Option<u32>,
    pub course: Course,
}

/// How far it has come.
#[derive(Debug, Default)]
pub struct Course {
    /// Boots of the board as found.
    boots: u32,
    /// Boots of every kind.
    begun: u32,
    /// Link time that they took.
    spent: Micros,
    /// Experiments that were done, or that nobody could do.
    tried: BTreeSet<String>,
    /// The board is in a boot that was announced as found.
    in_boot: bool,
}

/// How long the board is run under a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Until the comparison with the board as found is settled.
    UntilSure,
    /// So many boots, whatever they show.
    Fixed(u32),
}

enum Choice<'k> {
    Do(&'k Experiment),
    MoreBoots(u32),
    Stop(&'static str),
}

impl<'k> Guided<'_, 'k> {
    /// Runs until it knows enough. What happened is in the events.
    pub fn run(&mut self) -> Result<(), CampaignError> {
        let direction = self.investigate()?;
        self.end(direction)
    }

    /// The last event of the campaign.
    pub fn end(&mut self, direction: Direction) -> Result<(), CampaignError> {
        self.runner().end(direction)
    }

    fn investigate(&mut self) -> Result<Direction, CampaignError> {
        let mut direction = self.as_found(FIRST_LOOK.min(self.plan.boots))?;
        while direction == Direction::Continue {
            let advice = self.desk.advice()?;
            direction = match self.choose(&advice) {
                Choice::MoreBoots(boots) => self.as_found(boots)?,
                Choice::Do(experiment) => self.carry_out(experiment, &advice, Effort::UntilSure)?,
                Choice::Stop(reason) => {
                    self.remark(format!("guided: {reason}"))?;
                    return Ok(Direction::Finish);
                }
            };
        }
        Ok(direction)
    }

    fn choose(&self, advice: &Advice) -> Choice<'k> {
        let left = self.plan.boots.saturating_sub(self.course.boots).min(self.left());
        let failed = self.unit(&advice.as_found).independent_failures();
        if advice.kind == VerdictKind::Fault && advice.decided {
            return Choice::Stop("one cause has passed the threshold");
        }
        if failed < ENOUGH_FAILURES && left > 0 {
            return Choice::MoreBoots(left.min(FIRST_LOOK / 2));
        }
        if advice.kind != VerdictKind::Fault {
            return Choice::Stop("nothing failed, so there is nothing to find out");
        }
        let open = advice.proposals.iter().filter(|proposal| !self.course.tried.contains(&proposal.experiment));
        let rated = open.filter_map(|proposal| {
            let experiment = self.knowledge.experiment(&proposal.experiment)?;
            let can_be = experiment.told_by != ToldBy::Reading && (self.left() > 0 || !self.needs_boots(experiment));
            can_be.then(|| (self.worth(proposal, experiment, advice), experiment))
        });
        match rated.max_by(|(a, _), (b, _)| a.total_cmp(b)) {
            Some((worth, experiment)) if worth >= WORTH => Choice::Do(experiment),
            _ if left > 0 => Choice::MoreBoots(left.min(FIRST_LOOK)),
            _ if self.left() == 0 => Choice::Stop("as many boots as --boots allows are done"),
            _ => Choice::Stop("nothing left is worth its minutes"),
        }
    }

    /// Boots that may still be begun.
    fn left(&self) -> u32 {
        self.most_boots.map_or(u32::MAX, |most| most.saturating_sub(self.course.begun))
    }

    fn needs_boots(&self, experiment: &Experiment) -> bool {
        match experiment.told_by {
            ToldBy::Rerun | ToldBy::RerunEitherWay | ToldBy::Levels(_) | ToldBy::MoreBoots => true,
            ToldBy::Question => self.hands.prefers_to_run(),
            ToldBy::Measurement(_) | ToldBy::Reading => false,
        }
    }

    /// Bits per minute, the boots that it will take included.
    fn worth(&self, proposal: &NextExperiment, experiment: &Experiment, advice: &Advice) -> f64 {
        let boots = match experiment.told_by {
            ToldBy::Rerun | ToldBy::RerunEitherWay => self.most_boots(advice),
            ToldBy::Levels(_) | ToldBy::MoreBoots => FIRST_LOOK,
            ToldBy::Question if self.hands.prefers_to_run() => self.most_boots(advice),
            ToldBy::Question | ToldBy::Measurement(_) | ToldBy::Reading => 0,
        };
        let minutes_per_boot = self.course.spent.as_secs_f64() / 60.0 / f64::from(self.course.boots.max(1));
        proposal.bits / (experiment.minutes + f64::from(boots) * minutes_per_boot)
    }

    /// Boots where the board can be re-entered, cycles where it cannot.
    fn unit<C: Copy>(&self, both: &Both<C>) -> C {
        if self.plan.reentry == Reentry::None { both.cycles } else { both.boots }
    }

    /// Enough good ones to be sure that it is mended, and not more than the plan allows.
    fn most_boots(&self, advice: &Advice) -> u32 {
        let units = experiment::needed(&self.unit(&advice.as_found), SURE, 200);
        let boots = if self.plan.reentry == Reentry::None { units.div_ceil(self.plan.cycles_per_boot) } else { units };
        (boots + 2).min(self.plan.boots.max(FIRST_LOOK))
    }

    /// Does one experiment and notes what came of it.
    pub fn carry_out(
        &mut self,
        experiment: &Experiment,
        advice: &Advice,
        effort: Effort,
    ) -> Result<Direction, CampaignError> {
        self.course.tried.insert(experiment.id.clone());
        match &experiment.told_by {
            ToldBy::Rerun => self.rerun(experiment, advice, Expected::Mended, effort),
            ToldBy::RerunEitherWay => self.rerun(experiment, advice, Expected::Changed, effort),
            ToldBy::Question if self.hands.prefers_to_run() => self.rerun(experiment, advice, Expected::Mended, effort),
            ToldBy::Question => self.ask(experiment),
            ToldBy::Measurement(quantities) => self.measure(experiment, quantities),
            ToldBy::Levels(levels) => self.vary(experiment, levels),
            ToldBy::MoreBoots => {
                let direction = self.as_found(FIRST_LOOK.min(self.left()))?;
                self.conclude(experiment, FactValue::Number(0.5), Origin::Link, "more boots were run".to_owned())?;
                Ok(direction)
            }
            ToldBy::Reading => Ok(Direction::Continue),
        }
    }

    /// The same cycles under the change, until the comparison with the board as found is settled.
    fn rerun(
        &mut self,
        experiment: &Experiment,
        advice: &Advice,
        expected: Expected,
        effort: Effort,
    ) -> Result<Direction, CampaignError> {
        match self.hands.change(self.link, experiment) {
            Hand::Did(()) => {
                self.remark(format!("guided: {} did `{}`: {}", self.hands.name(), experiment.id, experiment.text))?;
            }
            Hand::Cannot => return self.skip(experiment),
            Hand::End => return Ok(Direction::Interrupt),
        }
        self.conditions(&experiment.id)?;
        let as_found = self.unit(&advice.as_found);
        let mut changed = Counts::default();
        let mut direction = Direction::Continue;
        let mut begins_boot = true;
        let most = match effort {
            Effort::UntilSure => self.most_boots(advice),
            Effort::Fixed(boots) => boots,
        };
        for _ in 0..most.min(self.left()) {
            direction = self.boots(1, changed_levels(experiment), begins_boot)?;
            begins_boot = self.plan.reentry != Reentry::None;
            let both = self.desk.changed()?;
            changed = self.unit(&both);
            let sure = belief(&as_found, changed, expected);
            let settled = effort == Effort::UntilSure && !(1.0 - SURE..=SURE).contains(&sure);
            if direction != Direction::Continue || settled {
                break;
            }
        }
        if changed.n > 0.0 {
            let unit = if self.plan.reentry == Reentry::None { "cycles" } else { "boots" };
            let seen = belief(&as_found, changed, expected);
            let text = format!(
                "{} of {} {unit} failed with it, {:.0} % as found; that {} is {:.0} % likely",
                changed.failed,
                changed.n,
                100.0 * as_found.counts.share(),
                experiment.positive,
                100.0 * seen
            );
            self.conclude(experiment, FactValue::Number(seen), Origin::Link, text)?;
        }
        if direction == Direction::Interrupt || self.hands.put_back(self.link, experiment) == Hand::End {
            return Ok(Direction::Interrupt);
        }
        self.conditions("")?;
        // Whatever was exchanged, the board was without power meanwhile.
        self.course.in_boot = false;
        Ok(direction)
    }

    fn ask(&mut self, experiment: &Experiment) -> Result<Direction, CampaignError> {
        match self.hands.tell(self.link, experiment) {
            Hand::Did(positive) => {
                let not = if positive { "so" } else { "not so" };
                let text = format!("it is {not} that {}", experiment.positive);
                self.conclude(experiment, FactValue::Flag(positive), self.hands.origin(), text)?;
                Ok(Direction::Continue)
            }
            Hand::Cannot => self.skip(experiment),
            Hand::End => Ok(Direction::Interrupt),
        }
    }

    fn measure(&mut self, experiment: &Experiment, wanted: &[String]) -> Result<Direction, CampaignError> {
        let mut measured = Vec::new();
        let mut outside = false;
        let minutes = experiment.minutes / wanted.len().max(1) as f64;
        for quantity in wanted.iter().filter_map(|id| self.quantities.get(id)) {
            match self.hands.measure(self.link, quantity, minutes) {
                Hand::Did(value) => {
                    let origin = self.hands.origin();
                    self.emit(EventKind::FactNoted(standing(&quantity.id, &quantity.unit, value, origin)))?;
                    let place = if quantity.passes(value) { "inside" } else { "outside" };
                    outside |= !quantity.passes(value);
                    measured.push(format!("{} {value:.3} {}, {place} {}", quantity.id, quantity.unit, quantity.band()));
                }
                Hand::Cannot => {}
                Hand::End => return Ok(Direction::Interrupt),
            }
        }
        if measured.is_empty() {
            return self.skip(experiment);
        }
        let origin = self.hands.origin();
        self.conclude(experiment, FactValue::Flag(outside), origin, measured.join("; "))?;
        Ok(Direction::Continue)
    }

    /// Levels are run interleaved; what they show is a finding of its own, and here is only told whether there is none.
    fn vary(&mut self, experiment: &Experiment, levels: &str) -> Result<Direction, CampaignError> {
        let Ok(factor) = levels.parse::<Factor>() else { return self.skip(experiment) };
        let varied = Plan { factors: vec![factor], ..self.plan.clone() };
        let began = self.link.now();
        let boots = FIRST_LOOK.min(self.left());
        let mut stretch = Stretch {
            boots,
            levels: BTreeMap::new(),
            schedule: varied.schedule(),
            conditions: varied.conditions(),
            begins_boot: self.plan.reentry != Reentry::None,
        };
        let direction = self.perform(&mut stretch)?;
        self.course.boots += boots;
        self.course.spent += self.link.now() - began;
        let advice = self.desk.advice()?;
        let seen = experiment.answered_by.iter().any(|id| advice.seen.contains(id));
        let enough = advice.as_found.cycles.independent_failures() >= 2.0 * ENOUGH_FAILURES;
        let (value, text) = match (seen, enough) {
            (true, _) => (0.5, "the levels differ, which is a finding of its own"),
            (false, true) => (NOT_SEEN, "no difference between the levels was seen"),
            (false, false) => (0.5, "too few failures to compare the levels"),
        };
        self.conclude(experiment, FactValue::Number(value), Origin::Link, text.to_owned())?;
        Ok(direction)
    }

    fn skip(&mut self, experiment: &Experiment) -> Result<Direction, CampaignError> {
        self.remark(format!("guided: `{}` was not done", experiment.id))?;
        Ok(Direction::Continue)
    }
}

/// A difference between levels that is there may be missed in so few cycles; chosen.
const NOT_SEEN: f64 = 0.25;

fn changed_levels(experiment: &Experiment) -> BTreeMap<String, String> {
    let factors = experiment.changes.iter().map(|factor| (factor.replace(' ', "-"), "changed".to_owned()));
    factors.chain([(EXPERIMENT.to_owned(), experiment.id.clone())]).collect()
}

fn standing(key: &str, unit: &str, value: f64, origin: Origin) -> Fact {
    let typed = crate::campaign::question::Unit::of_symbol(unit);
    Fact {
        key: key.to_owned(),
        value: typed.map_or(FactValue::Number(value), |unit| unit.fact(value)),
        origin,
        quote: Some(FieldText::new(format!("{value:.3} {unit}"))),
    }
}

impl Guided<'_, '_> {
    fn runner(&mut self) -> Runner<'_> {
        Runner {
            plan: self.plan,
            link: self.link,
            reenter: self.reenter,
            sink: self.desk as &mut dyn Sink,
            steer: self.steer,
            attend: self.attend,
            numbering: self.numbering,
            // What leads a campaign never alters.
            journal: Journal::default(),
            last_look: None,
        }
    }

    fn perform(&mut self, stretch: &mut Stretch) -> Result<Direction, CampaignError> {
        let mut runner = self.runner();
        let direction = runner.perform(stretch);
        let numbering = runner.numbering;
        self.numbering = numbering;
        self.course.begun += stretch.boots;
        direction
    }

    fn boots(
        &mut self,
        boots: u32,
        levels: BTreeMap<String, String>,
        begins_boot: bool,
    ) -> Result<Direction, CampaignError> {
        // Every stretch has an order of arms of its own.
        let seed = self.plan.seed.wrapping_add(u64::from(self.numbering.cycles));
        let plan = Plan { seed, ..self.plan.clone() };
        let (schedule, conditions) = (plan.schedule(), plan.conditions());
        self.perform(&mut Stretch { boots, levels, schedule, conditions, begins_boot })
    }

    /// Boots of the board as it was found.
    pub fn as_found(&mut self, boots: u32) -> Result<Direction, CampaignError> {
        let began = self.link.now();
        let begins_boot = !self.course.in_boot || self.plan.reentry != Reentry::None;
        self.course.in_boot = true;
        let direction = self.boots(boots, BTreeMap::new(), begins_boot)?;
        self.course.boots += boots;
        self.course.spent += self.link.now() - began;
        Ok(direction)
    }

    fn conditions(&mut self, experiment: &str) -> Result<(), CampaignError> {
        let value = FactValue::Text(FieldText::from(experiment));
        let origin = self.hands.origin();
        self.emit(EventKind::FactNoted(Fact { key: CONDITIONS.to_owned(), value, origin, quote: None }))
    }

    fn conclude(
        &mut self,
        experiment: &Experiment,
        value: FactValue,
        origin: Origin,
        text: String,
    ) -> Result<(), CampaignError> {
        let key = format!("{OUTCOME}{}", experiment.id);
        self.emit(EventKind::FactNoted(Fact { key, value, origin, quote: Some(FieldText::new(text)) }))
    }

    fn remark(&mut self, text: String) -> Result<(), CampaignError> {
        self.emit(EventKind::Note(FieldText::new(text)))
    }

    fn emit(&mut self, kind: EventKind) -> Result<(), CampaignError> {
        Ok(self.desk.accept(Some(self.link.now()), kind)?)
    }
}
