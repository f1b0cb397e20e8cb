//! Who does at the bench what a guided campaign proposes: a person who is asked, or the bench of a virtual board itself.

use super::advice::Respondent;
use crate::campaign::question::{Answer, Question, Unit, Wanted};
use crate::diagnosis::experiment::Experiment;
use crate::link::Link;
use crate::observation::fact::Origin;
use crate::observation::step::Step;
use crate::observation::units::Micros;
use crate::profile::measurement::Quantity;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Hand<T> {
    Did(T),
    /// Nobody here can do that.
    Cannot,
    /// The campaign is to end.
    End,
}

pub trait Hands {
    /// Makes the change of an experiment, and nothing else.
    fn change(&mut self, link: &mut dyn Link, experiment: &Experiment) -> Hand<()>;

    /// Puts everything back as it was found.
    fn put_back(&mut self, link: &mut dyn Link, experiment: &Experiment) -> Hand<()>;

    fn measure(&mut self, link: &mut dyn Link, quantity: &Quantity, minutes: f64) -> Hand<f64>;

    /// Does an experiment and says whether its positive outcome came about.
    fn tell(&mut self, link: &mut dyn Link, experiment: &Experiment) -> Hand<bool>;

    /// Whether what others are asked about can be run here instead.
    fn prefers_to_run(&self) -> bool {
        false
    }

    fn origin(&self) -> Origin;

    /// `the bench` or `the operator`.
    fn name(&self) -> &'static str;
}

/// The bench of a virtual board. Its minutes pass on the link's clock.
#[derive(Debug)]
pub struct BenchHands;

fn span(minutes: f64) -> Micros {
    Micros::from_secs_f64(60.0 * minutes)
}

impl Hands for BenchHands {
    fn change(&mut self, link: &mut dyn Link, experiment: &Experiment) -> Hand<()> {
        if link.rearrange(Some(&experiment.id), span(experiment.minutes)) { Hand::Did(()) } else { Hand::Cannot }
    }

    fn put_back(&mut self, link: &mut dyn Link, _experiment: &Experiment) -> Hand<()> {
        if link.rearrange(None, Micros::ZERO) { Hand::Did(()) } else { Hand::Cannot }
    }

    fn measure(&mut self, link: &mut dyn Link, quantity: &Quantity, minutes: f64) -> Hand<f64> {
        let Some(value) = link.meter(&quantity.id) else { return Hand::Cannot };
        let span = span(minutes);
        link.perform(&Step::Wait { span }, span + Micros::from_secs(1));
        Hand::Did(value)
    }

    fn tell(&mut self, _link: &mut dyn Link, _experiment: &Experiment) -> Hand<bool> {
        Hand::Cannot
    }

    fn prefers_to_run(&self) -> bool {
        true
    }

    fn origin(&self) -> Origin {
        Origin::Link
    }

    fn name(&self) -> &'static str {
        "the bench"
    }
}

/// A person. Where the board is virtual the bench does what the person says they did.
pub struct OperatorHands<R> {
    pub respondent: R,
}

impl<R: Respondent> OperatorHands<R> {
    fn ask(&mut self, text: String, wanted: Wanted) -> Option<Answer> {
        self.respondent.answer(&Question::new(text, wanted))
    }
}

fn request(experiment: &Experiment) -> String {
    let minutes = experiment.minutes;
    let changes = match experiment.changes.as_slice() {
        [] | [_] => String::new(),
        several => format!(" It changes {} at once.", several.join(", ")),
    };
    format!("{} (About {minutes} min.){changes}", experiment.text)
}

impl<R: Respondent> Hands for OperatorHands<R> {
    fn change(&mut self, link: &mut dyn Link, experiment: &Experiment) -> Hand<()> {
        match self.ask(request(experiment), Wanted::DoneOrCannot) {
            None => Hand::End,
            Some(Answer::Skipped) => Hand::Cannot,
            Some(_) => {
                // A real board has no bench that could do anything by itself.
                link.rearrange(Some(&experiment.id), Micros::ZERO);
                Hand::Did(())
            }
        }
    }

    fn put_back(&mut self, link: &mut dyn Link, experiment: &Experiment) -> Hand<()> {
        let changed = experiment.changes.join(", ");
        match self.ask(format!("Put everything back as it was before (it was: {changed})."), Wanted::Done) {
            None => Hand::End,
            Some(_) => {
                link.rearrange(None, Micros::ZERO);
                Hand::Did(())
            }
        }
    }

    fn measure(&mut self, _link: &mut dyn Link, quantity: &Quantity, _minutes: f64) -> Hand<f64> {
        let Some(unit) = Unit::of_symbol(&quantity.unit) else { return Hand::Cannot };
        let when = quantity.when.as_ref().map(|when| format!(", {when}")).unwrap_or_default();
        let text = format!("Measure {}{when}. It should be {}.", quantity.name, quantity.band());
        match self.ask(text, Wanted::Quantity(unit)) {
            None => Hand::End,
            Some(Answer::Quantity(value)) => Hand::Did(value),
            Some(_) => Hand::Cannot,
        }
    }

    fn tell(&mut self, _link: &mut dyn Link, experiment: &Experiment) -> Hand<bool> {
        let text = format!("{} Is it so that {}?", request(experiment), experiment.positive);
        match self.ask(text, Wanted::YesOrNo) {
            None => Hand::End,
            Some(Answer::Yes) => Hand::Did(true),
            Some(Answer::No) => Hand::Did(false),
            Some(_) => Hand::Cannot,
        }
    }

    fn origin(&self) -> Origin {
        Origin::Operator
    }

    fn name(&self) -> &'static str {
        "the operator"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::intervention::Intervention;
    use crate::diagnosis::experiment::ToldBy;
    use crate::diagnosis::knowledge::Knowledge;

    #[test]
    fn the_bench_can_do_what_is_compared_with_the_board_as_found() {
        let knowledge = Knowledge::built_in().unwrap();
        for intervention in Intervention::ALL {
            let experiment = knowledge.experiment(intervention.name());
            let compared = experiment.is_some_and(|experiment| {
                matches!(experiment.told_by, ToldBy::Rerun | ToldBy::RerunEitherWay | ToldBy::Question)
            });
            assert!(compared, "{} is no experiment that can be run", intervention.name());
        }
    }

    #[test]
    fn every_quantity_that_an_experiment_asks_for_is_known_with_its_unit() {
        let knowledge = Knowledge::built_in().unwrap();
        let quantities = crate::profile::measurement::Quantities::load().unwrap();
        for experiment in &knowledge.experiments {
            let ToldBy::Measurement(wanted) = &experiment.told_by else { continue };
            for id in wanted {
                let quantity = quantities.get(id).unwrap_or_else(|| panic!("{}: {id}", experiment.id));
                assert!(Unit::of_symbol(&quantity.unit).is_some(), "{id}");
            }
        }
    }

    #[test]
    fn levels_that_a_campaign_varies_by_itself_can_be_varied() {
        let knowledge = Knowledge::built_in().unwrap();
        for experiment in &knowledge.experiments {
            if let ToldBy::Levels(levels) = &experiment.told_by {
                assert!(levels.parse::<crate::campaign::plan::Factor>().is_ok(), "{}", experiment.id);
            }
        }
    }
}
