//! Standing by at a live campaign: reads the sensors, runs the user's program at the moment of a failure, and holds the board as it
//! failed until somebody has looked at it.

use super::advice::Respondent;
use super::tail::failure_in_words;
use crate::campaign::attend::{Attend, HOOK_FAILED, Moment, Reaction, Readings, Sensor, read_all};
use crate::campaign::program;
use crate::campaign::question::{Answer, Question, Unit, Wanted};
use crate::link::Link;
use crate::observation::fact::{Fact, FactValue, Origin};
use crate::observation::field_text::FieldText;
use crate::observation::units::Micros;
use crate::profile::measurement::{Quantities, Quantity};

pub struct StandBy<R> {
    pub sensors: Vec<Sensor>,
    pub on_failure: Option<String>,
    /// Absent where the board is not held.
    pub hold: Option<Hold<R>>,
}

/// Who is asked while the board is held; nobody where nobody is there, and a bench or a program does the looking.
pub struct Hold<R> {
    pub respondent: Option<R>,
    /// The bench of a virtual board shows what it can measure.
    pub bench_measures: bool,
    pub quantities: Quantities,
    /// The experiment that a quantity answers when it is outside its band.
    pub answers: Vec<(String, String)>,
}

/// A scope that is armed and read takes seconds.
const PROGRAM_LIMIT: Micros = Micros::from_secs(60);

impl<R: Respondent> Attend for StandBy<R> {
    fn before_cycle(&mut self, cycle: u32) -> Readings {
        read_all(&self.sensors, cycle)
    }

    fn failed(&mut self, moment: &Moment<'_>, link: &mut dyn Link) -> Reaction {
        let mut reaction = Reaction::default();
        if let Some(command) = &self.on_failure {
            reaction.notes.push(run_program(command, moment, link));
        }
        if let Some(hold) = &mut self.hold {
            reaction.held = true;
            reaction.notes.push(format!(
                "held as it failed in cycle {}: {}",
                moment.cycle,
                failure_in_words(moment.failure)
            ));
            reaction.facts.extend(link.look());
            if hold.bench_measures {
                hold.meters(link, &mut reaction.facts);
            }
            reaction.end = !hold.ask(moment, &mut reaction.facts);
        }
        reaction
    }
}

/// What the program is told of the failure.
fn variables(moment: &Moment<'_>, link: &dyn Link) -> Vec<(&'static str, String)> {
    let failure = moment.failure;
    let port = link.identity().port.map(|port| port.to_string()).unwrap_or_default();
    vec![
        ("FLAKESCOPE_CLASS", failure.class.name().to_owned()),
        ("FLAKESCOPE_PHASE", failure.phase.name().to_owned()),
        ("FLAKESCOPE_CODE", failure.code.as_ref().map(FieldText::for_terminal).unwrap_or_default()),
        ("FLAKESCOPE_PORT", port),
        ("FLAKESCOPE_BOOT", moment.boot.to_string()),
        ("FLAKESCOPE_CYCLE", moment.cycle.to_string()),
    ]
}

fn run_program(command: &str, moment: &Moment<'_>, link: &dyn Link) -> String {
    match program::run(command, &variables(moment, link), PROGRAM_LIMIT) {
        Ok(said) => match said.lines().next().map(str::trim).filter(|line| !line.is_empty()) {
            Some(line) => format!("on failure, cycle {}: {line}", moment.cycle),
            None => format!("on failure, cycle {}: the program was run", moment.cycle),
        },
        Err(error) => format!("{HOOK_FAILED}cycle {}: {error}", moment.cycle),
    }
}

impl<R: Respondent> Hold<R> {
    /// What the bench of a virtual board shows while it is held.
    fn meters(&self, link: &mut dyn Link, facts: &mut Vec<Fact>) {
        for quantity in self.quantities.iter() {
            if let Some(value) = link.meter(&quantity.id) {
                facts.extend(self.facts(quantity, value, Origin::Link));
            }
        }
    }

    /// False where the person wants to end the campaign.
    fn ask(&mut self, moment: &Moment<'_>, facts: &mut Vec<Fact>) -> bool {
        let asked: Vec<(Quantity, Unit)> = self
            .quantities
            .iter()
            .filter_map(|quantity| Some((quantity.clone(), Unit::of_symbol(&quantity.unit)?)))
            .collect();
        let Some(respondent) = &mut self.respondent else { return true };
        let names = asked.iter().map(|(quantity, unit)| (quantity.id.clone(), *unit)).collect();
        let text = format!(
            "Held in cycle {}: {}. Nothing is sent to the board until you go on.",
            moment.cycle,
            failure_in_words(moment.failure)
        );
        let mut question = Question::new(text.clone(), Wanted::Measurements(names));
        let mut measured = Vec::new();
        let go_on = loop {
            match respondent.answer(&question) {
                Some(Answer::Measured { which, value }) => {
                    let quantity = &asked[which].0;
                    let place = if quantity.passes(value) { "inside" } else { "outside" };
                    question.text =
                        format!("Noted: {} {value} {}, {place} its band. {text}", quantity.id, quantity.unit);
                    measured.push((which, value));
                }
                Some(_) => break true,
                None => break false,
            }
        };
        for (which, value) in measured {
            facts.extend(self.facts(&asked[which].0, value, Origin::Operator));
        }
        go_on
    }

    /// The value, and the outcome of the experiment that asks for it.
    fn facts(&self, quantity: &Quantity, value: f64, origin: Origin) -> Vec<Fact> {
        let unit = Unit::of_symbol(&quantity.unit);
        let place = if quantity.passes(value) { "inside" } else { "outside" };
        let quote = FieldText::new(format!("{value:.3} {} while held, {place} {}", quantity.unit, quantity.band()));
        let measured = Fact {
            key: quantity.id.clone(),
            value: unit.map_or(FactValue::Number(value), |unit| unit.fact(value)),
            origin,
            quote: Some(quote.clone()),
        };
        let outcome = self.answers.iter().filter(|(id, _)| *id == quantity.id).map(|(_, experiment)| Fact {
            key: format!("{}{experiment}", crate::evidence::experiment::OUTCOME),
            value: FactValue::Flag(!quantity.passes(value)),
            origin,
            quote: Some(quote.clone()),
        });
        std::iter::once(measured).chain(outcome).collect()
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::link::dfu_link::DfuLink;
    use crate::link::scripted_board::ScriptedBoard;
    use crate::observation::failure::{Failure, FailureClass};
    use crate::observation::step::Phase;
    use crate::profile::shelf;

    /// Types these answers, then wants to end.
    struct Typing(Vec<&'static str>);

    impl Respondent for Typing {
        fn answer(&mut self, question: &Question) -> Option<Answer> {
            if self.0.is_empty() { None } else { question.wanted.read(self.0.remove(0)).ok() }
        }
    }

    fn react(on_failure: Option<&str>, typed: Option<Vec<&'static str>>) -> Reaction {
        let hold = typed.map(|typed| Hold {
            respondent: Some(Typing(typed)),
            bench_measures: false,
            quantities: Quantities::from_sheets(&shelf::built_in("measurements")).unwrap(),
            answers: vec![("vdd-minimum".into(), "supply-minimum".into())],
        });
        let mut standby = StandBy { sensors: Vec::new(), on_failure: on_failure.map(str::to_owned), hold };
        let failure = Failure::new(FailureClass::Stall, Phase::Read).with_code("LIBUSB_ERROR_PIPE");
        let mut link = DfuLink::new(ScriptedBoard::default());
        standby.failed(&Moment { failure: &failure, boot: 2, cycle: 7 }, &mut link)
    }

    #[test]
    fn the_program_is_told_what_failed_and_the_board_goes_on() {
        let command = "echo $FLAKESCOPE_CLASS/$FLAKESCOPE_PHASE/$FLAKESCOPE_CODE/$FLAKESCOPE_BOOT/$FLAKESCOPE_CYCLE";
        let reaction = react(Some(command), None);
        assert_eq!(reaction.notes, ["on failure, cycle 7: stall/read/LIBUSB_ERROR_PIPE/2/7"]);
        assert!(!reaction.held && !reaction.end);
    }

    #[test]
    fn a_program_that_fails_is_noted_and_never_fatal() {
        let reaction = react(Some("exit 9"), None);
        assert!(
            reaction.notes[0].starts_with("on-failure program failed, cycle 7: `exit 9` ended with"),
            "{reaction:?}"
        );
        assert!(!reaction.end);
    }

    #[test]
    fn measurements_of_a_held_board_are_facts_and_answer_their_experiment() {
        let reaction = react(None, Some(vec!["vdd-minimum 2.4 V", "vcap 1.2 V", ""]));
        assert!(reaction.held && !reaction.end);
        let keys: Vec<_> = reaction.facts.iter().map(|fact| (fact.key.as_str(), fact.value.clone())).collect();
        assert_eq!(
            keys,
            [
                ("vdd-minimum", FactValue::Volts(2.4)),
                ("experiment-supply-minimum", FactValue::Flag(true)),
                ("vcap", FactValue::Volts(1.2)),
            ]
        );
    }

    #[test]
    fn who_leaves_the_question_ends_the_campaign() {
        assert!(react(None, Some(vec![])).end);
    }
}
