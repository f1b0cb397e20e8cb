//! The score of an evaluation: how often the right family leads, how well the probabilities are calibrated, what healthy
//! boards get, and what is said of mechanisms that nobody has described.

use std::collections::BTreeMap;

use serde::Serialize;

use super::calibration::Calibration;
use super::evaluation::Trial;
use crate::diagnosis::verdict::{UNKNOWN_CAUSE, VerdictKind};

/// A share with its 95 % interval (Wilson).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Share {
    pub hits: u64,
    pub n: u64,
    pub share: f64,
    pub interval: (f64, f64),
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    pub all: Figures,
    /// One for each scenario file.
    pub sets: BTreeMap<String, Figures>,
    /// Scenario, then leading family, then how often.
    pub confusion: BTreeMap<String, BTreeMap<String, u64>>,
    pub trials: Vec<Trial>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    pub trials: u64,
    pub configurations: u64,
    /// Of campaigns with at least three failed boots and a mechanism that is described: the right family first.
    pub top_1: Share,
    pub top_3: Share,
    /// Where two mechanisms are at work: both among the first three.
    pub both_in_3: Share,
    /// Where several families cannot be told apart over this link: an experiment that tells them apart is proposed.
    pub separation_named: Share,
    /// Mean squared error of what was claimed (`Trial::claim`).
    pub brier: f64,
    pub calibration: Calibration,
    pub undecided: Share,
    /// Campaigns with fewer than three failed boots: the interval holds the true rate, and the number of boots is right.
    pub bound_holds: Share,
    pub false_faults: Share,
    /// Where no cause describes the mechanism: `unknown` on top, and no cause above a half.
    pub unknown_first: Share,
    pub rightly_open: Share,
    pub boots: u64,
    pub cycles: u64,
    pub simulated_minutes: f64,
}

impl Score {
    pub fn of(trials: Vec<Trial>) -> Self {
        let mut sets: BTreeMap<String, Vec<&Trial>> = BTreeMap::new();
        for trial in &trials {
            sets.entry(trial.set.clone()).or_default().push(trial);
        }
        Self {
            all: Figures::of(&trials.iter().collect::<Vec<_>>()),
            sets: sets.into_iter().map(|(set, trials)| (set, Figures::of(&trials))).collect(),
            confusion: confusion(&trials),
            trials,
        }
    }
}

impl Figures {
    fn of(trials: &[&Trial]) -> Self {
        let of =
            |fits: fn(&Trial) -> bool| -> Vec<&Trial> { trials.iter().copied().filter(|trial| fits(trial)).collect() };
        let described = of(|trial| trial.is_scored() && !trial.is_unknown());
        let unknown = of(|trial| trial.is_scored() && trial.is_unknown());
        let healthy = of(Trial::is_healthy);
        let claims: Vec<_> = described.iter().filter_map(|trial| Some((trial.claim()?, trial.is_among(1)))).collect();
        let all = claims.len().max(1) as f64;
        let mut configurations: Vec<&str> = trials.iter().map(|trial| trial.scenario.as_str()).collect();
        configurations.sort_unstable();
        configurations.dedup();
        Self {
            trials: trials.len() as u64,
            configurations: configurations.len() as u64,
            top_1: share(&described, |trial| trial.is_among(1)),
            top_3: share(&described, |trial| trial.is_among(3)),
            both_in_3: share(&of(|trial| trial.is_scored() && !trial.beside.is_empty()), Trial::finds_both),
            separation_named: share(
                &of(|trial| trial.is_scored() && !trial.separated_by.is_empty()),
                Trial::names_what_separates,
            ),
            brier: claims.iter().map(|(claim, held)| (claim - f64::from(u8::from(*held))).powi(2)).sum::<f64>() / all,
            calibration: Calibration::of(&claims),
            undecided: share(&described, |trial| !trial.decided),
            bound_holds: share(&of(|trial| trial.reference.is_some()), |trial| trial.bound_holds() == Some(true)),
            false_faults: share(&healthy, |trial| trial.kind == VerdictKind::Fault),
            unknown_first: share(&unknown, |trial| trial.families.first().is_some_and(|it| it.0 == UNKNOWN_CAUSE)),
            rightly_open: share(&unknown, Trial::is_rightly_open),
            boots: trials.iter().map(|trial| u64::from(trial.boots)).sum(),
            cycles: trials.iter().map(|trial| u64::from(trial.cycles)).sum(),
            simulated_minutes: trials.iter().map(|trial| trial.simulated.as_secs_f64() / 60.0).sum(),
        }
    }
}

fn confusion(trials: &[Trial]) -> BTreeMap<String, BTreeMap<String, u64>> {
    let mut confusion: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for trial in trials {
        let said = match trial.kind {
            VerdictKind::Clean => "clean",
            VerdictKind::Inconclusive => "inconclusive",
            VerdictKind::Fault => trial.families.first().map_or("nothing", |(family, _)| family.as_str()),
        };
        *confusion.entry(trial.scenario.clone()).or_default().entry(said.to_owned()).or_default() += 1;
    }
    confusion
}

fn share(trials: &[&Trial], is_hit: impl Fn(&Trial) -> bool) -> Share {
    wilson(trials.iter().filter(|trial| is_hit(trial)).count() as u64, trials.len() as u64)
}

/// The Wilson score interval (Wilson 1927) at 95 %.
pub fn wilson(hits: u64, n: u64) -> Share {
    if n == 0 {
        return Share { hits, n, share: 0.0, interval: (0.0, 1.0) };
    }
    const Z: f64 = 1.959_964;
    let (count, p) = (n as f64, hits as f64 / n as f64);
    let centre = (p + Z * Z / (2.0 * count)) / (1.0 + Z * Z / count);
    let half = Z / (1.0 + Z * Z / count) * (p * (1.0 - p) / count + Z * Z / (4.0 * count * count)).sqrt();
    Share { hits, n, share: p, interval: ((centre - half).max(0.0), (centre + half).min(1.0)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Newcombe (1998), table I: 81 of 263 gives 0.2553 to 0.3662, 0 of 20 gives 0 to 0.1611.
    #[test]
    fn the_interval_agrees_with_the_published_table() {
        let (low, high) = wilson(81, 263).interval;
        assert!((low - 0.2553).abs() < 1e-4 && (high - 0.3662).abs() < 1e-4, "{low} {high}");
        let (low, high) = wilson(0, 20).interval;
        assert!(low.abs() < 1e-9 && (high - 0.1611).abs() < 1e-4, "{low} {high}");
    }
}
