//! What was demanded of a campaign, `--strict RATE` or `--until-decided`, and what is missing if it was not reached.

use crate::diagnosis::verdict::{CampaignFigures, UNKNOWN_CAUSE, Verdict, VerdictKind};
use crate::evidence::confidence_sequence::{ALPHA, bound_without_failures};
use crate::evidence::finding::Unit;

/// More boots than this are not worth a number.
const MOST_BOOTS: u32 = 1_000_000;

/// Nothing where the share of failing boots is proven to be below `rate`; else why not, and what would help.
pub fn strict(campaign: Option<CampaignFigures>, rate: f64) -> Option<String> {
    let demanded = format!("--strict {rate} was not reached");
    let Some(figures) = campaign.filter(|figures| figures.unit == Unit::Boot && figures.boots > 0) else {
        return Some(format!("{demanded}: no boot was counted"));
    };
    let (low, high) = figures.interval;
    if high < rate {
        return None;
    }
    let seen = format!("{} of {} failed", figures.failed_boots, Unit::Boot.count(figures.boots.into()));
    if low >= rate {
        return Some(format!("{demanded}: {seen}, so at least {low:.3} of them fail (95 %)"));
    }
    let more =
        needed(&figures, rate).map_or(String::new(), |boots| format!("; --boots {boots} without a failure would do"));
    Some(format!("{demanded}: {seen}, so up to {high:.3} of them may fail (95 %){more}"))
}

/// How many boots without a failure prove the rate; nothing where one has failed.
fn needed(figures: &CampaignFigures, rate: f64) -> Option<u32> {
    let enough = |boots: u32| bound_without_failures(f64::from(boots), ALPHA) < rate;
    if figures.failed_boots > 0 || !enough(MOST_BOOTS) {
        return None;
    }
    // The bound falls with every boot, so halving finds the first that is enough.
    let (mut least, mut most) = (0, MOST_BOOTS);
    while most - least > 1 {
        let middle = least + (most - least) / 2;
        if enough(middle) { most = middle } else { least = middle }
    }
    Some(most)
}

/// Why no cause was decided on.
pub fn undecided(verdict: &Verdict) -> String {
    let demanded = "--until-decided was not reached";
    if verdict.verdict == VerdictKind::Clean {
        return format!(
            "{demanded}: nothing failed, so there is no cause to decide on; --strict RATE ends with a bound"
        );
    }
    match verdict.causes.first() {
        Some(cause) if cause.id == UNKNOWN_CAUSE => {
            format!("{demanded}: something that is not in the knowledge base leads; see NEXT, or use --guided")
        }
        Some(cause) => format!(
            "{demanded}: {} leads with {:.0} %; more boots, an experiment under NEXT or --guided may decide",
            cause.id,
            100.0 * cause.probability
        ),
        None => format!("{demanded}: nothing speaks for any cause"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(failed_boots: u32, boots: u32) -> Option<CampaignFigures> {
        let (failed, n) = (f64::from(failed_boots), f64::from(boots));
        Some(CampaignFigures {
            boots,
            cycles: boots,
            failed_boots,
            failed_cycles: failed_boots,
            unit: Unit::Boot,
            rate: failed / n,
            interval: crate::evidence::confidence_sequence::interval(failed, n, ALPHA),
        })
    }

    #[test]
    fn so_many_boots_as_are_named_are_enough() {
        let said = strict(figures(0, 20), 0.05).unwrap();
        let boots: u32 = said.split("--boots ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!(said.starts_with("--strict 0.05 was not reached: 0 of 20 boots failed, so up to 0.2"), "{said}");
        assert_eq!(strict(figures(0, boots), 0.05), None);
        assert!(strict(figures(0, boots - 1), 0.05).is_some());
    }

    #[test]
    fn a_board_that_fails_more_often_is_said_to() {
        let said = strict(figures(28, 40), 0.1).unwrap();
        assert!(said.starts_with("--strict 0.1 was not reached: 28 of 40 boots failed, so at least 0.4"), "{said}");
    }
}
