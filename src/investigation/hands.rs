//! Who does at the bench what a guided campaign proposes: a person who is asked, or the bench of a virtual board itself.

use super::advice::Respondent;
use crate::campaign::question::{Answer, Question, Unit, Wanted};
use crate::diagnosis::knowledge::Experiment;
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
