//! Why a cause is as probable as it is, and why it is not more: in words, with the cycles or lines behind each argument.

use std::fmt::Write as _;

use super::inference::{Cap, Posterior, Reason, Weighed};
use super::verdict::Argument;

/// Which way the question goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    Why,
    WhyNot,
}

/// A pair of causes that is less probable gets no line.
const WORTH_NAMING: f64 = 0.05;
/// A likelihood ratio below this changes no decision.
const HARDLY: f64 = 1.05;

/// The answer in lines; `None` if the cause is not among the candidates for this link.
pub fn answer(posterior: &Posterior<'_>, id: &str, question: Question) -> Option<String> {
    let place = posterior.causes.iter().position(|weighed| weighed.cause.id == id)?;
    let weighed = &posterior.causes[place];
    let mut text = format!(
        "{} ({id}): {}, number {} of {} causes. Before any evidence it stood at {}.\n",
        weighed.cause.name,
        percent(weighed.probability),
        place + 1,
        posterior.causes.len(),
        percent(weighed.prior)
    );
    let (first, second) = match question {
        Question::Why => (true, false),
        Question::WhyNot => (false, true),
    };
    arguments(&mut text, weighed, first);
    if question == Question::WhyNot {
        unaccounted(&mut text, weighed);
        better(&mut text, posterior, place);
    }
    arguments(&mut text, weighed, second);
    if question == Question::Why {
        unaccounted(&mut text, weighed);
    }
    let beside = posterior.pairs.iter().filter(|pair| pair.holds(weighed.cause) && pair.probability >= WORTH_NAMING);
    for pair in beside {
        let other = pair.causes.iter().find(|cause| cause.id != id);
        // As below.
        let _ = writeln!(
            text,
            "Half of {:.0} % is counted in: that another cause is at work at the same time ({}).",
            100.0 * pair.probability,
            other.map_or("", |cause| &cause.name)
        );
    }
    match weighed.cap {
        Some(Cap::NotMeasured) => text.push_str(&format!(
            "It is held at {:.0} %: more would need a direct measurement ({}).\n",
            100.0 * Cap::NotMeasured.most(),
            weighed.cause.witnessed_by.join(" or ")
        )),
        Some(Cap::SilenceAlone) => text.push_str(&format!(
            "It is held at {:.0} %: nothing but silence speaks for it, and other causes are as silent.\n",
            100.0 * Cap::SilenceAlone.most()
        )),
        None => {}
    }
    if posterior.sharpness != 1.0 {
        text.push_str(&format!(
            "After all that counts, families of causes were raised to the power of {}, because campaigns hold more than their factors \
             claim; so the factors alone do not multiply up to the result.\n",
            posterior.sharpness
        ));
    }
    Some(text)
}

fn arguments(text: &mut String, weighed: &Weighed<'_>, speaks_for: bool) {
    let reasons: Vec<&Reason> = weighed.reasons.iter().filter(|reason| reason.speaks_for() == speaks_for).collect();
    if reasons.is_empty() {
        text.push_str(if speaks_for {
            "Nothing that was found speaks for it.\n"
        } else {
            "Nothing that was found speaks against it.\n"
        });
        return;
    }
    text.push_str(if speaks_for { "For it:\n" } else { "Against it:\n" });
    for reason in reasons {
        let factor = reason.shift.abs().exp();
        let counts = if factor < HARDLY { "Counts hardly".to_owned() } else { format!("Counts {factor:.1} times") };
        let way = if speaks_for { "for" } else { "against" };
        // As above.
        let _ = writeln!(
            text,
            "  {}{}\n    {counts} {way} it, because {}.",
            reason.argument.text,
            places(&reason.argument),
            reason.because
        );
    }
}

fn unaccounted(text: &mut String, weighed: &Weighed<'_>) {
    if weighed.unaccounted.is_empty() {
        return;
    }
    text.push_str("It does not account for:\n");
    for argument in &weighed.unaccounted {
        // As above.
        let _ = writeln!(text, "  {}{}", argument.text, places(argument));
    }
}

/// What explains the findings better.
fn better(text: &mut String, posterior: &Posterior<'_>, place: usize) {
    let ahead: Vec<_> = posterior.causes[..place]
        .iter()
        .take(3)
        .map(|other| format!("{} ({})", other.cause.name, percent(other.probability)))
        .collect();
    if !ahead.is_empty() {
        // As above.
        let _ = writeln!(text, "Ahead of it: {}.", ahead.join("; "));
    }
}

/// Never 0 or 100 %: nothing is ruled out or proven.
fn percent(probability: f64) -> String {
    if probability < 0.0005 {
        "below 0.1 %".to_owned()
    } else if probability > 0.9995 {
        "above 99.9 %".to_owned()
    } else {
        format!("{:.1} %", 100.0 * probability)
    }
}

/// ` (at 3, 4, 9)`; cycles of a campaign or lines of a report.
fn places(argument: &Argument) -> String {
    const NAMED: usize = 8;
    if argument.at.is_empty() {
        return String::new();
    }
    let shown: Vec<_> = argument.at.iter().take(NAMED).map(u32::to_string).collect();
    let more = if argument.at.len() > NAMED { ", ..." } else { "" };
    format!(" (at {}{more})", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::knowledge::Knowledge;
    use crate::diagnosis::subject::Subject;
    use crate::evidence::finding::{Finding, Unit};
    use crate::observation::event::Transport;

    #[test]
    fn the_answer_names_the_cycles_and_the_reasons() {
        let knowledge = Knowledge::built_in().unwrap();
        let found = |id: &str, at: Vec<u32>| {
            Finding::new(id, knowledge.catalogue.entry(id).unwrap().text.clone(), 9, Unit::Boot)
                .by("count", 1.0)
                .seen_at(at)
        };
        let findings = [found("fails-after-identify", vec![4, 9]), found("bus-errors-scattered", vec![4])];
        let subject = Subject::of_part("STM32F407", Transport::Dfu);
        let posterior = Posterior::of(&knowledge, &subject, &findings);
        let why = answer(&posterior, "usb-cable", Question::Why).unwrap();
        assert!(why.contains("For it:") && why.contains("(at 4)") && why.contains("because damaged packets"), "{why}");
        let why_not = answer(&posterior, "hse-misdetected", Question::WhyNot).unwrap();
        assert!(why_not.contains("Against it:") && why_not.contains("(at 4, 9)"), "{why_not}");
        assert!(why_not.contains("Ahead of it:") && why_not.contains("does not account for"), "{why_not}");
        assert!(why.contains(" times for it, because") && why_not.contains(" times against it, because"), "{why_not}");
        assert!(!why_not.contains(" 0.0 %"), "{why_not}");
        assert_eq!(answer(&posterior, "no-such", Question::Why), None);
    }
}
