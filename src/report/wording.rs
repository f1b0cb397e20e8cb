//! Sentences and figures that all kinds of report share, so that they never contradict each other.

use crate::diagnosis::verdict::{NextExperiment, RankedCause, UNKNOWN_CAUSE, Verdict, VerdictKind};
use crate::evidence::finding::Unit;
use crate::evidence::rate::Rate;
use crate::investigation::snapshot::{RunState, Snapshot};
use crate::observation::units::Micros;

/// `40 boots`, `1 boot`.
pub fn count(n: u64, unit: &str) -> String {
    format!("{n} {unit}{}", if n == 1 { "" } else { "s" })
}

/// A probability or share with as many digits as it deserves: `58 %`, `2.5 %`, `<0.1 %`.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        p if p <= 0.0 => "0 %".to_owned(),
        p if p < 0.1 => "<0.1 %".to_owned(),
        p if p < 9.95 => format!("{p:.1} %"),
        p if p >= 99.95 => "100 %".to_owned(),
        p if p > 99.0 => format!("{p:.1} %"),
        p => format!("{p:.0} %"),
    }
}

/// A probability: never quite nothing, never quite certain.
pub fn probability(p: f64) -> String {
    match p {
        p if p < 0.005 => "<1 %".to_owned(),
        p if p > 0.995 => ">99 %".to_owned(),
        p => format!("{:.0} %", p * 100.0),
    }
}

/// `FAULT`, `CLEAN`, `INCONCLUSIVE`: the first word of every report.
pub const fn verdict_word(kind: VerdictKind) -> &'static str {
    match kind {
        VerdictKind::Fault => "FAULT",
        VerdictKind::Clean => "CLEAN",
        VerdictKind::Inconclusive => "INCONCLUSIVE",
    }
}

/// What the verdict comes to, in one sentence. It may hold untrusted text.
pub fn headline(verdict: &Verdict) -> String {
    let leading = verdict.causes.first();
    match verdict.verdict {
        VerdictKind::Fault => match leading {
            Some(cause) if verdict.decided => {
                format!("Decided: {} ({}).", lower_first(cause_name(cause)), probability(cause.probability))
            }
            Some(cause) if cause.id == UNKNOWN_CAUSE => {
                format!("Not decided: something not in the list of causes leads ({}).", probability(cause.probability))
            }
            Some(cause) => {
                format!(
                    "Not decided; leading: {} ({}).",
                    lower_first(cause_name(cause)),
                    probability(cause.probability)
                )
            }
            None => "Something failed, and nothing is known about the cause.".to_owned(),
        },
        VerdictKind::Clean => match clean_bound(verdict) {
            Some(bound) => format!("No failure that is not expected. {bound}"),
            None => "No failure that is not expected.".to_owned(),
        },
        VerdictKind::Inconclusive => "Too little could be read to say anything.".to_owned(),
    }
}

/// That two causes are at work at once, where that is the better explanation.
pub fn together(verdict: &Verdict) -> Option<String> {
    let both = verdict.together.as_ref()?;
    let [one, other] = both.names.each_ref().map(|name| lower_first(name));
    Some(format!(
        "Two causes at once explain more than either alone ({}): {one}; and {other}. Each holds half of that in the list.",
        probability(both.probability)
    ))
}

/// What zero failures are worth.
fn clean_bound(verdict: &Verdict) -> Option<String> {
    let figures = verdict.campaign?;
    let n = if figures.unit == Unit::Boot { figures.boots } else { figures.cycles };
    let counted = count(n.into(), figures.unit.name());
    Some(format!(
        "After {counted} up to {} of {}s may still fail (95 %).",
        percent(figures.interval.1),
        figures.unit.name()
    ))
}

/// What a person calls the cause; its id where it has no name.
pub fn cause_name(cause: &RankedCause) -> &str {
    match (cause.name.as_str(), cause.id.as_str()) {
        ("", UNKNOWN_CAUSE) => "Something not in this list",
        ("", id) => id,
        (name, _) => name,
    }
}

/// `7 of 40 boots failed: 17.5 %, 95 % interval 7.0 % to 35 %`; after boots of several kinds with the kind in front.
pub fn rate(rate: &Rate) -> String {
    let kind = rate.kind.map_or(String::new(), |kind| format!("{kind}: "));
    let counted = format!("{kind}{} of {} failed", rate.failed, count(rate.n, rate.unit.name()));
    let (low, high) = rate.interval;
    if rate.n == 0 {
        format!("{kind}no {} was counted", rate.unit.name())
    } else if rate.failed == 0 {
        format!("{counted}: the true share may be up to {} (95 %)", percent(high))
    } else {
        format!("{counted}: {}, 95 % interval {} to {}", percent(rate.share()), percent(low), percent(high))
    }
}

/// `cycles 3, 5-9 and 12 more`: the first few, runs of numbers drawn together.
pub fn places(at: &[u32], what: &str) -> Option<String> {
    const SHOWN: usize = 8;
    let mut sorted = at.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for &number in &sorted {
        match runs.last_mut() {
            Some((_, end)) if *end + 1 == number => *end = number,
            _ => runs.push((number, number)),
        }
    }
    let left: u32 = runs.iter().skip(SHOWN).map(|(from, to)| to - from + 1).sum();
    let shown: Vec<_> = runs
        .iter()
        .take(SHOWN)
        .map(|&(from, to)| if from == to { from.to_string() } else { format!("{from}-{to}") })
        .collect();
    let plural = if sorted.len() == 1 { "" } else { "s" };
    match (shown.as_slice(), left) {
        ([], _) => None,
        (_, 0) => Some(format!("{what}{plural} {}", shown.join(", "))),
        (_, left) => Some(format!("{what}{plural} {} and {left} more", shown.join(", "))),
    }
}

/// What the numbers of a verdict count.
pub fn place_word(verdict: &Verdict) -> &'static str {
    if verdict.campaign.is_some() { "cycle" } else { "line" }
}

/// `3 min, 0.41 bit, changes board`; an experiment that changes several factors says that they cannot be told apart.
pub fn experiment_terms(next: &NextExperiment) -> String {
    let changes = match next.changes.as_slice() {
        [] => String::new(),
        [one] => format!(", changes {one}"),
        several => format!(", changes {} together, so it cannot tell them apart", several.join(" and ")),
    };
    let command = next.command.as_ref().map(|command| format!("; {command}")).unwrap_or_default();
    format!("{} min, {:.2} bit{changes}{command}", trim(next.minutes), next.bits)
}

/// In the unit a person would choose.
pub fn milliseconds(ms: f64) -> String {
    Micros::from_secs_f64(ms / 1e3).to_string()
}

/// What was tested and how: `STM32F746 over dfu on virtual board f746-warm, seed 1`.
pub fn subject(verdict: &Verdict, snapshot: Option<&Snapshot>) -> String {
    let mut words = vec![verdict.device.clone().unwrap_or_else(|| "unknown device".to_owned())];
    match verdict.transport {
        // A campaign that goes over neither alone goes over both.
        Some("other") if snapshot.is_some() => words.push("over DFU and SWD".to_owned()),
        Some(transport) => words.push(format!("over {}", transport.to_uppercase())),
        None => {}
    }
    if let Some(snapshot) = snapshot {
        if let Some(name) = &snapshot.start.virtual_board {
            words.push(format!("on virtual board {name}"));
        } else if let Some(port) = &snapshot.board.port {
            words.push(format!("at port {port}"));
        }
    } else if !verdict.tools.is_empty() {
        words.push(format!("seen by {}", verdict.tools.join(", ")));
    }
    words.join(" ")
}

/// Why the figures are not those of a finished campaign, if they are not. It may hold untrusted text.
pub fn unfinished(state: &RunState) -> Option<String> {
    match state {
        RunState::Finished => None,
        RunState::Running => Some("The campaign is still running.".to_owned()),
        RunState::Waiting(wish) => Some(format!("The campaign waits: {}", wish.text)),
        RunState::Interrupted => Some("The campaign was interrupted; the case is complete up to there.".to_owned()),
        RunState::Failed(why) => Some(format!("The campaign broke off: {why}")),
    }
}

/// How to read the figures; the same on every report of a campaign.
pub const METHOD: [&str; 4] = [
    "Boots are the unit that counts: cycles of one boot share its clock and supply and are not independent.",
    "Intervals hold at 95 % however often they were looked at while the campaign ran.",
    "Probabilities start from how common each cause is and follow the findings listed for and against it; what speaks against a cause lowers it and does not exclude it.",
    "A failure's class is our reading; the code beside it is what the lower layer said.",
];

fn trim(number: f64) -> String {
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// For the middle of a sentence; words such as `HSE` and `USB` stay as they are.
fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_have_as_many_digits_as_they_deserve() {
        for (share, shown) in
            [(0.0, "0 %"), (0.0004, "<0.1 %"), (0.0723, "7.2 %"), (0.175, "18 %"), (0.995, "99.5 %"), (1.0, "100 %")]
        {
            assert_eq!(percent(share), shown);
        }
    }

    #[test]
    fn a_probability_is_never_nothing_and_never_certain() {
        assert_eq!(probability(0.0), "<1 %");
        assert_eq!(probability(0.58), "58 %");
        assert_eq!(probability(1.0), ">99 %");
    }

    #[test]
    fn runs_of_cycles_are_drawn_together() {
        assert_eq!(places(&[], "cycle"), None);
        assert_eq!(places(&[4], "line").unwrap(), "line 4");
        assert_eq!(places(&[9, 5, 6, 7, 3], "cycle").unwrap(), "cycles 3, 5-7, 9");
        let odd: Vec<u32> = (0..20).map(|n| 2 * n + 1).collect();
        assert_eq!(places(&odd, "cycle").unwrap(), "cycles 1, 3, 5, 7, 9, 11, 13, 15 and 12 more");
    }

    #[test]
    fn an_experiment_that_changes_two_factors_says_so() {
        let next = NextExperiment {
            experiment: "golden-board".to_owned(),
            minutes: 3.0,
            bits: 0.41,
            changes: vec!["board".to_owned(), "cable".to_owned()],
            text: String::new(),
            command: None,
        };
        assert_eq!(
            experiment_terms(&next),
            "3 min, 0.41 bit, changes board and cable together, so it cannot tell them apart"
        );
    }

    #[test]
    fn abbreviations_keep_their_capitals_inside_a_sentence() {
        assert_eq!(lower_first("The crystal"), "the crystal");
        assert_eq!(lower_first("HSI is off"), "HSI is off");
        assert_eq!(lower_first("A cable"), "a cable");
    }
}
