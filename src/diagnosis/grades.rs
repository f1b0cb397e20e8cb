//! The few named grades in which the knowledge base speaks, defined here once as numbers; none of them is zero or one.

use serde::Deserialize;

/// How much a finding says about a cause, as a likelihood ratio against causes that do not care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// Hardly more than nothing.
    Hint,
    Weak,
    Moderate,
    Strong,
    /// One would need a very good reason to think otherwise.
    Decisive,
    /// The finding says by itself what is wrong, as an error code whose documented meaning is the cause.
    Named,
    /// The very thing that the cause claims was measured at the moment of the failure, and the conditions of the measurement held.
    Witnessed,
}

impl Grade {
    pub const ALL: [Self; 7] =
        [Self::Hint, Self::Weak, Self::Moderate, Self::Strong, Self::Decisive, Self::Named, Self::Witnessed];

    /// How many times more likely the finding is if the cause is at work.
    pub const fn likelihood_ratio(self) -> f64 {
        match self {
            Self::Hint => 1.4,
            Self::Weak => 2.0,
            Self::Moderate => 3.0,
            Self::Strong => 8.0,
            Self::Decisive => 30.0,
            Self::Named => 200.0,
            Self::Witnessed => 2_000.0,
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Hint => "a hint",
            Self::Weak => "weak",
            Self::Moderate => "moderate",
            Self::Strong => "strong",
            Self::Decisive => "decisive",
            Self::Named => "named",
            Self::Witnessed => "witnessed",
        }
    }
}

/// A cause that does not account for a symptom loses this much against one that the symptom leaves cold.
pub const UNACCOUNTED: f64 = 0.4;

/// For a rule that chance does not make, such as a period, it loses as much as the rule is sure, and this at the most: it would
/// have had to keep to the rule by accident.
pub const UNACCOUNTED_RULE: f64 = 0.006;

/// A part to which a cause does not apply: wrong part numbers happen.
pub const NOT_THIS_PART: f64 = 0.02;

/// How likely an outcome of an experiment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Chance {
    Hardly,
    Unlikely,
    Even,
    Likely,
    NearlySure,
}

impl Chance {
    pub const ALL: [Self; 5] = [Self::Hardly, Self::Unlikely, Self::Even, Self::Likely, Self::NearlySure];

    pub const fn probability(self) -> f64 {
        match self {
            Self::Hardly => 0.05,
            Self::Unlikely => 0.2,
            Self::Even => 0.5,
            Self::Likely => 0.8,
            Self::NearlySure => 0.95,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grades_rise_and_never_exclude_or_prove() {
        let ratios = Grade::ALL.map(Grade::likelihood_ratio);
        assert!(ratios.is_sorted() && ratios.iter().all(|ratio| *ratio > 1.0 && ratio.is_finite()));
        let chances = Chance::ALL.map(Chance::probability);
        assert!(chances.is_sorted() && chances.iter().all(|chance| *chance > 0.0 && *chance < 1.0));
    }
}
