//! What an experiment showed: how much more likely its positive outcome is than its negative one, after what was counted.
//!
//! The board as found failed k of n times, the board under a change l of m times. If the change is without effect, l follows the
//! beta-binomial predictive distribution of the board as found (prior Beta(1/2, 1/2), Jeffreys). If it mends, the rate that is
//! left is near zero: Beta(1/5, 20), of which one in a hundred is the mean. If it matters in either way, nothing is known of the
//! new rate: Beta(1/2, 1/2). Equal odds before; what is returned is the probability of the positive outcome.
//!
//! Boots that come in streaks, or cycles of one boot, are worth less than as many that know nothing of each other, and so are those
//! under the change: a good streak would pass for a mended board.

use statrs::function::beta::ln_beta;

use super::finding::{Finding, Unit};
use crate::observation::fact::{Fact, FactValue};
use crate::observation::field_text::FieldText;

/// Facts with this prefix tell the outcome of the experiment whose id follows.
pub const OUTCOME: &str = "experiment-";
/// This fact tells which experiment's conditions hold from here on; an empty text that the board is as found again.
pub const CONDITIONS: &str = "experiment-conditions";

/// Failed of all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    pub failed: f64,
    pub n: f64,
}

impl Counts {
    pub fn of(failed: u64, n: u64) -> Self {
        Self { failed: failed as f64, n: n as f64 }
    }

    /// So many independent ones stand behind them, if each is worth this share of one.
    #[must_use]
    fn worth(self, share: f64) -> Self {
        Self { failed: self.failed * share, n: self.n * share }
    }

    pub fn share(self) -> f64 {
        if self.n > 0.0 { self.failed / self.n } else { 0.0 }
    }
}

/// The board as found, and what one outcome of its is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Baseline {
    pub counts: Counts,
    pub worth: f64,
}

impl Baseline {
    /// The failures that know nothing of each other.
    pub fn independent_failures(&self) -> f64 {
        self.counts.failed * self.worth
    }
}

/// What the positive outcome looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The failures go away.
    Mended,
    /// The rate becomes another, in either direction.
    Changed,
}

const JEFFREYS: (f64, f64) = (0.5, 0.5);
const MENDED: (f64, f64) = (0.2, 20.0);

/// The probability of the positive outcome.
pub fn belief(as_found: &Baseline, changed: Counts, expected: Expected) -> f64 {
    let (as_found, changed) = (as_found.counts.worth(as_found.worth), changed.worth(as_found.worth));
    let good = as_found.n - as_found.failed;
    let without_effect = (JEFFREYS.0 + as_found.failed, JEFFREYS.1 + good);
    let with_effect = match expected {
        Expected::Mended => MENDED,
        Expected::Changed => JEFFREYS,
    };
    let log_odds = log_predictive(changed, with_effect) - log_predictive(changed, without_effect);
    1.0 / (1.0 + (-log_odds).exp())
}

/// Of a given sequence of outcomes, so the number of its arrangements is left out.
fn log_predictive(seen: Counts, prior: (f64, f64)) -> f64 {
    ln_beta(prior.0 + seen.failed, prior.1 + seen.n - seen.failed) - ln_beta(prior.0, prior.1)
}

/// So many good ones in a row are needed until `belief` says that the change has mended the board.
pub fn needed(as_found: &Baseline, sure: f64, most: u32) -> u32 {
    let settled = |n: &u32| belief(as_found, Counts::of(0, u64::from(*n)), Expected::Mended) >= sure;
    (1..=most).find(settled).unwrap_or(most)
}

/// An operator mistakes one thing for another now and then, and instruments lie.
const TOLD: f64 = 0.95;

/// What a plain answer is worth.
pub const fn told(positive: bool) -> f64 {
    if positive { TOLD } else { 1.0 - TOLD }
}

/// The outcome that a fact tells, as a finding; so many cycles ran under its conditions. Its effect is the probability of the positive outcome.
pub fn finding(fact: &Fact, cycles: u64) -> Option<Finding> {
    let experiment = fact.key.strip_prefix(OUTCOME).filter(|_| fact.key != CONDITIONS)?;
    let belief = match fact.value {
        FactValue::Number(belief) => belief.clamp(0.01, 0.99),
        FactValue::Flag(positive) => told(positive),
        _ => return None,
    };
    let said = fact.quote.as_ref().map_or_else(|| "its outcome was noted".to_owned(), FieldText::for_terminal);
    let unit = if cycles == 0 { Unit::Session } else { Unit::Cycle };
    Some(
        Finding::new(&fact.key, format!("Experiment {experiment}: {said}."), cycles.max(1), unit)
            .of_size(belief, None, "probability of the positive outcome")
            .by("beta-binomial comparison with the board as found", (2.0 * belief - 1.0).abs()),
    )
}

/// The experiment that a finding tells the outcome of.
pub fn of_finding(finding: &Finding) -> Option<(&str, f64)> {
    Some((finding.id.strip_prefix(OUTCOME)?, finding.effect.as_ref()?.value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::fact::Origin;

    fn as_found(failed: u64, n: u64) -> Baseline {
        Baseline { counts: Counts::of(failed, n), worth: 1.0 }
    }

    /// Computed apart from this code with the log-gamma function of Python:
    /// B(5.5, 9.5) / B(5.5, 5.5) = 0.094866 for four good boots after 5 of 10; B(0.2, 24) / B(0.2, 20) = 0.963544.
    #[test]
    fn four_good_boots_after_every_second_failed_say_mended() {
        let odds: f64 = 0.963_544 / 0.094_866;
        let found = belief(&as_found(5, 10), Counts::of(0, 4), Expected::Mended);
        assert!((found - odds / (1.0 + odds)).abs() < 1e-4, "{found}");
    }

    #[test]
    fn a_change_without_effect_is_seen_to_have_none() {
        assert!(belief(&as_found(10, 20), Counts::of(4, 8), Expected::Mended) < 0.01);
        assert!(belief(&as_found(10, 20), Counts::of(10, 20), Expected::Changed) < 0.3);
        assert!(belief(&as_found(10, 20), Counts::of(20, 20), Expected::Changed) > 0.95);
    }

    #[test]
    fn nothing_seen_leaves_even_odds_and_rare_failures_take_long() {
        assert!((belief(&as_found(5, 10), Counts::default(), Expected::Mended) - 0.5).abs() < 1e-12);
        assert!(needed(&as_found(20, 40), 0.9, 200) < 8);
        assert!(needed(&as_found(2, 40), 0.9, 200) > 30);
    }

    /// Boots worth half a boot each: twice as many good ones say as much.
    #[test]
    fn good_boots_of_a_board_in_streaks_say_less() {
        let streaky = Baseline { counts: Counts::of(20, 40), worth: 0.5 };
        let independent = belief(&as_found(10, 20), Counts::of(0, 4), Expected::Mended);
        assert_eq!(belief(&streaky, Counts::of(0, 8), Expected::Mended), independent);
        assert!(needed(&streaky, 0.9, 200) >= 2 * needed(&as_found(10, 20), 0.9, 200) - 1);
        assert!((streaky.independent_failures() - 10.0).abs() < 1e-12);
    }

    #[test]
    fn an_answer_is_told_with_its_words_and_the_conditions_are_no_outcome() {
        let fact = |key: &str, value| Fact {
            key: key.into(),
            value,
            origin: Origin::Operator,
            quote: Some("it works".into()),
        };
        let found = finding(&fact("experiment-swap-cable", FactValue::Flag(false)), 50).unwrap();
        assert_eq!((found.n, found.unit), (50, Unit::Cycle));
        assert_eq!(found.text, "Experiment swap-cable: it works.");
        assert_eq!(of_finding(&found), Some(("swap-cable", 1.0 - TOLD)));
        assert_eq!(finding(&fact(CONDITIONS, FactValue::Text("x".into())), 0), None);
    }
}
