//! Scores triage against reports whose cause is known.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::labels::{self, Labelled, NOTHING_WRONG};
use super::triage::Triage;
use crate::diagnosis::verdict::{UNKNOWN_CAUSE, VerdictKind};

/// Above this a verdict counts as confident.
const CONFIDENT: f64 = 0.7;

/// How one report came out.
#[derive(Clone, Debug)]
pub struct Scored {
    pub name: String,
    pub confirmed: String,
    /// Confirmed by poster or maintainer with the evidence in the report, and no negative.
    pub counts: bool,
    pub negative: bool,
    pub verdict: VerdictKind,
    /// Families with their probabilities, most probable first.
    pub families: Vec<(String, f64)>,
    pub first: bool,
    pub among_three: bool,
    pub confidently_wrong: bool,
}

/// Scores every folder below a path that holds a report and a label.
pub fn score(triage: &Triage, folder: &Path) -> io::Result<Vec<Scored>> {
    labels::labelled(folder, &triage.library.knowledge)?.iter().map(|one| score_one(triage, one)).collect()
}

pub fn score_one(triage: &Triage, labelled: &Labelled) -> io::Result<Scored> {
    let Labelled { name, label, .. } = labelled;
    let triaged = triage.report(name, &mut labelled.open()?)?;
    let families = families(triaged.verdict.causes.iter().map(|cause| (cause.family.as_str(), cause.probability)));
    let negative = label.confirmed_cause == NOTHING_WRONG;
    let acceptable = |family: &String| *family == label.confirmed_cause || label.acceptable_causes.contains(family);
    let clean = triaged.verdict.verdict == VerdictKind::Clean;
    // A harmless message is answered by a clean verdict as well as by its name.
    let harmless = clean && label.acceptable_causes.iter().any(|cause| cause == NOTHING_WRONG);
    let first = if negative { clean } else { families.first().is_some_and(|(id, _)| *id == label.confirmed_cause) };
    Ok(Scored {
        counts: label.is_confirmed() && label.evidence_in_report && !negative && label.confirmed_cause != UNKNOWN_CAUSE,
        first: first || harmless,
        among_three: harmless || families.iter().take(3).any(|(family, _)| acceptable(family)),
        confidently_wrong: !negative
            && families.first().is_some_and(|(family, probability)| *probability > CONFIDENT && !acceptable(family)),
        confirmed: label.confirmed_cause.clone(),
        verdict: triaged.verdict.verdict,
        families,
        negative,
        name: name.clone(),
    })
}

/// Probabilities summed by family, without the open remainder.
fn families<'a>(causes: impl Iterator<Item = (&'a str, f64)>) -> Vec<(String, f64)> {
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for (family, probability) in causes.filter(|(family, _)| *family != UNKNOWN_CAUSE) {
        *sums.entry(family).or_default() += probability;
    }
    let mut sums: Vec<_> = sums.into_iter().map(|(family, sum)| (family.to_owned(), sum)).collect();
    sums.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    sums
}

/// A count out of a total with the Wilson interval at 95 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    pub hits: usize,
    pub of: usize,
}

impl Share {
    pub fn value(self) -> f64 {
        if self.of == 0 { 0.0 } else { self.hits as f64 / self.of as f64 }
    }

    pub fn interval(self) -> (f64, f64) {
        if self.of == 0 {
            return (0.0, 1.0);
        }
        let (z, n, share) = (1.959_964_f64, self.of as f64, self.value());
        let middle = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
        let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt() / (1.0 + z * z / n);
        ((middle - half).max(0.0), (middle + half).min(1.0))
    }
}

/// The figures over all reports.
#[derive(Clone, Debug)]
pub struct Figures {
    pub first: Share,
    pub among_three: Share,
    /// The same over every report with a known cause, evidence or not.
    pub first_of_all: Share,
    pub negatives_clean: Share,
    pub confidently_wrong: Share,
    pub by_family: BTreeMap<String, (Share, Share)>,
}

impl Figures {
    pub fn of(scored: &[Scored]) -> Self {
        let share = |of: &dyn Fn(&&Scored) -> bool, hit: &dyn Fn(&&Scored) -> bool| Share {
            hits: scored.iter().filter(of).filter(hit).count(),
            of: scored.iter().filter(of).count(),
        };
        let known = |one: &&Scored| !one.negative && one.confirmed != UNKNOWN_CAUSE;
        let mut by_family = BTreeMap::new();
        for family in scored.iter().filter(known).map(|one| &one.confirmed) {
            let of_family = |one: &&Scored| one.confirmed == *family;
            by_family.insert(
                family.clone(),
                (share(&of_family, &|one| one.first), share(&of_family, &|one| one.among_three)),
            );
        }
        Self {
            first: share(&|one| one.counts, &|one| one.first),
            among_three: share(&|one| one.counts, &|one| one.among_three),
            first_of_all: share(&known, &|one| one.first),
            negatives_clean: share(&|one| one.negative, &|one| one.first),
            confidently_wrong: share(&|_| true, &|one| one.confidently_wrong),
            by_family,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_wilsons() {
        let (low, high) = Share { hits: 8, of: 10 }.interval();
        assert!((low - 0.4902).abs() < 1e-3 && (high - 0.9433).abs() < 1e-3, "{low} {high}");
        assert_eq!(Share { hits: 0, of: 0 }.interval(), (0.0, 1.0));
    }

    #[test]
    fn causes_of_one_family_add_up() {
        let sums =
            families([("usb-power", 0.2), ("boot-strap", 0.3), ("usb-power", 0.25), ("unknown", 0.25)].into_iter());
        assert_eq!(sums[0].0, "usb-power");
        assert!((sums[0].1 - 0.45).abs() < 1e-12);
        assert_eq!(sums.len(), 2);
    }
}
