//! Learns what becomes of reports that read alike (`diagnosis/likeness.rs`) from reports whose cause is known.
//!
//! Multinomial logistic regression with a squared penalty, over marks weighed by how rare they are, each report of length one. A report
//! whose cause is not sure counts for the others that would be acceptable as well. Fitted by accelerated gradient descent
//! (Nesterov 1983) from zero, so that the same reports always give the same table.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;

use super::labels::{Label, Labelled};
use super::score::{self, Scored};
use super::triage::Triage;
use crate::diagnosis::likeness::{self, Likeness, Row, soft_max};

/// A mark that fewer reports have says nothing yet.
const FEWEST_REPORTS: usize = 3;
const PENALTY: f64 = 0.03;
const ROUNDS: usize = 400;
pub const FOLDS: usize = 5;
/// Weights below this are not worth their place in the table.
const LEAST_WEIGHT: f64 = 0.1;
/// Where nobody confirmed the cause and the label does not say how sure it is.
const UNCONFIRMED: f64 = 0.5;
const CONFIRMED: f64 = 0.8;

/// A report with what it is to teach.
#[derive(Clone, Debug, PartialEq)]
pub struct Lesson {
    pub marks: BTreeSet<String>,
    /// By family; together one.
    pub causes: BTreeMap<String, f64>,
}

impl Lesson {
    /// Nothing where the label names no family.
    fn of(marks: BTreeSet<String>, label: &Label, families: &BTreeSet<&str>) -> Option<Self> {
        let cause = families.get(label.confirmed_cause.as_str())?;
        let others: BTreeSet<_> = label
            .acceptable_causes
            .iter()
            .filter(|other| *other != cause && families.contains(other.as_str()))
            .collect();
        let sure = match (label.is_confirmed(), label.probability) {
            (true, given) => given.unwrap_or(CONFIRMED).max(CONFIRMED),
            (false, given) => given.unwrap_or(UNCONFIRMED),
        };
        let sure = if others.is_empty() { 1.0 } else { sure.clamp(0.0, 1.0) };
        let mut causes: BTreeMap<_, _> =
            others.iter().map(|other| ((*other).clone(), (1.0 - sure) / others.len() as f64)).collect();
        causes.insert((*cause).to_owned(), sure);
        Some(Self { marks, causes })
    }
}

/// What labelled reports teach.
pub fn lessons<'a>(triage: &Triage, reports: impl IntoIterator<Item = &'a Labelled>) -> io::Result<Vec<Lesson>> {
    let families: BTreeSet<_> = triage.library.knowledge.families.iter().map(|family| family.id.as_str()).collect();
    let mut lessons = Vec::new();
    for report in reports {
        let triaged = triage.report(&report.name, &mut report.open()?)?;
        let marks = likeness::marks(&triaged.subject, &triaged.findings);
        lessons.extend(Lesson::of(marks, &report.label, &families));
    }
    Ok(lessons)
}

/// Scores every fold of the reports with what the others teach, in the place of the table that is built in. The same thread must not stand in two folders.
pub fn cross_validated(
    mut triage: Triage,
    reports: &[Labelled],
    progress: &mut dyn FnMut(usize),
) -> io::Result<Vec<Scored>> {
    let mut scored = Vec::new();
    for fold in 0..FOLDS {
        progress(fold);
        let in_fold = |(place, _): &(usize, &Labelled)| place % FOLDS == fold;
        let (held, others): (Vec<_>, Vec<_>) = reports.iter().enumerate().partition(in_fold);
        let lessons = lessons(&triage, others.into_iter().map(|(_, report)| report))?;
        triage.library.knowledge.likeness = learn(&lessons);
        for (_, report) in held {
            scored.push(score::score_one(&triage, report)?);
        }
    }
    Ok(scored)
}

/// The table that fits the lessons.
pub fn learn(lessons: &[Lesson]) -> Likeness {
    let course = Course::of(lessons);
    let fitted = course.fit();
    let (families, width) = (course.families.clone(), course.families.len());
    let rows: HashMap<_, _> = course
        .marks
        .iter()
        .enumerate()
        .map(|(place, (mark, rarity))| {
            let weights = fitted[(place + 1) * width..][..width].iter();
            let weights = weights.map(|weight| if weight.abs() < LEAST_WEIGHT { 0.0 } else { *weight }).collect();
            (mark.clone(), Row { rarity: *rarity, weights })
        })
        .collect();
    Likeness::new(families, fitted[..width].to_vec(), rows)
}

/// Lessons as numbers.
struct Course {
    families: Vec<String>,
    /// With their rarity.
    marks: Vec<(String, f64)>,
    reports: Vec<Numbered>,
}

struct Numbered {
    /// Places of marks with their share in the report's length.
    marks: Vec<(usize, f64)>,
    causes: Vec<f64>,
}

impl Course {
    fn of(lessons: &[Lesson]) -> Self {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for mark in lessons.iter().flat_map(|lesson| &lesson.marks) {
            *counts.entry(mark).or_default() += 1;
        }
        counts.retain(|_, count| *count >= FEWEST_REPORTS);
        let rarity = |count: usize| (lessons.len() as f64 / count as f64).ln();
        let marks: Vec<_> = counts.iter().map(|(mark, count)| ((*mark).to_owned(), rarity(*count))).collect();
        let places: HashMap<_, _> = counts.keys().enumerate().map(|(place, mark)| (*mark, place)).collect();
        let families: BTreeSet<_> = lessons.iter().flat_map(|lesson| lesson.causes.keys().cloned()).collect();
        let families: Vec<_> = families.into_iter().collect();
        let reports = lessons.iter().map(|lesson| {
            let known = lesson.marks.iter().filter_map(|mark| places.get(mark.as_str()));
            let own: Vec<_> = known.map(|&place| (place, marks[place].1)).collect();
            let length = own.iter().map(|(_, rarity)| rarity * rarity).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
            Numbered {
                marks: own.into_iter().map(|(place, rarity)| (place, rarity / length)).collect(),
                causes: families.iter().map(|family| lesson.causes.get(family).copied().unwrap_or(0.0)).collect(),
            }
        });
        let reports = reports.collect();
        Self { families, marks, reports }
    }

    /// The weights by row and family; the first row is the base.
    fn fit(&self) -> Vec<f64> {
        let width = self.families.len();
        // The curvature of the loss along the base, where it is steepest, is at most half of the reports.
        let step = 1.0 / (0.5 * self.reports.len() as f64 + PENALTY);
        let mut weights = vec![0.0; (self.marks.len() + 1) * width];
        let mut before = weights.clone();
        for round in 0..ROUNDS {
            let momentum = round as f64 / (round as f64 + 3.0);
            let ahead: Vec<_> = weights.iter().zip(&before).map(|(now, then)| now + momentum * (now - then)).collect();
            let slope = self.slope(&ahead);
            before = weights;
            weights = ahead.iter().zip(&slope).map(|(weight, slope)| weight - step * slope).collect();
        }
        weights
    }

    /// The gradient of the penalised loss.
    fn slope(&self, weights: &[f64]) -> Vec<f64> {
        let width = self.families.len();
        let mut slope: Vec<_> = weights.iter().map(|weight| PENALTY * weight).collect();
        slope[..width].fill(0.0);
        for report in &self.reports {
            let mut scores = weights[..width].to_vec();
            for &(place, share) in &report.marks {
                let row = &weights[(place + 1) * width..][..width];
                scores.iter_mut().zip(row).for_each(|(score, weight)| *score += share * weight);
            }
            let errors: Vec<_> = soft_max(&scores).iter().zip(&report.causes).map(|(said, is)| said - is).collect();
            slope[..width].iter_mut().zip(&errors).for_each(|(slope, error)| *slope += error);
            for &(place, share) in &report.marks {
                let row = &mut slope[(place + 1) * width..][..width];
                row.iter_mut().zip(&errors).for_each(|(slope, error)| *slope += share * error);
            }
        }
        slope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lesson(marks: &str, causes: &[(&str, f64)]) -> Lesson {
        Lesson {
            marks: marks.split(' ').map(str::to_owned).collect(),
            causes: causes.iter().map(|(cause, share)| ((*cause).to_owned(), *share)).collect(),
        }
    }

    fn reports() -> Vec<Lesson> {
        vec![
            lesson("hub port slow", &[("usb-power", 1.0)]),
            lesson("hub port brown", &[("usb-power", 1.0)]),
            lesson("hub wire brown", &[("usb-power", 0.6), ("swd-wiring", 0.4)]),
            lesson("wire jumper slow", &[("swd-wiring", 1.0)]),
            lesson("wire jumper port brown", &[("swd-wiring", 1.0)]),
            lesson("jumper driver slow", &[("host-driver-missing", 1.0)]),
            lesson("driver hub", &[("host-driver-missing", 1.0)]),
            lesson("driver slow port", &[("host-driver-missing", 1.0)]),
        ]
    }

    /// scikit-learn 1.9.1: `LogisticRegression(C=1/0.03, tol=1e-10, max_iter=100000)` on the same matrix, the third report twice with weights 0.6 and 0.4.
    #[test]
    fn the_weights_are_those_of_an_independent_program() {
        let course = Course::of(&reports());
        assert_eq!(course.families, ["host-driver-missing", "swd-wiring", "usb-power"]);
        let fitted = course.fit();
        let row = |mark: &str| {
            let place = course.marks.iter().position(|(name, _)| name == mark).unwrap();
            fitted[(place + 1) * 3..][..3].to_vec()
        };
        for (mark, expected) in [
            ("brown", [-1.280, 0.283, 0.998]),
            ("driver", [3.723, -1.584, -2.139]),
            ("hub", [-0.803, -1.459, 2.262]),
            ("jumper", [0.019, 1.811, -1.830]),
            ("port", [-0.758, -0.219, 0.977]),
            ("slow", [0.081, -0.509, 0.429]),
            ("wire", [-1.693, 2.510, -0.817]),
        ] {
            for (weight, expected) in row(mark).iter().zip(expected) {
                assert!((weight - expected).abs() < 0.005, "{mark}: {weight} {expected}");
            }
        }
    }

    #[test]
    fn what_is_learned_says_of_its_own_reports_what_they_were() {
        let likeness = learn(&reports());
        let marks = |text: &str| text.split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
        let opinion = likeness.opinion(&marks("hub brown port slow jumper")).expect("five marks are known");
        assert!(opinion.share("usb-power") > opinion.share("host-driver-missing"), "{opinion:?}");
        assert!(likeness.to_table().lines().all(|line| !line.starts_with("unheard")));
    }

    #[test]
    fn an_unsure_label_teaches_what_else_would_be_acceptable() {
        let families = BTreeSet::from(["usb-power", "usb-signal-integrity", "boot-strap"]);
        let label = |confirmation: &str, probability| Label {
            confirmed_cause: "usb-power".to_owned(),
            confirmation: confirmation.to_owned(),
            acceptable_causes: ["usb-power", "boot-strap", "usb-signal-integrity", "nothing-of-ours"]
                .map(str::to_owned)
                .to_vec(),
            evidence_in_report: true,
            probability,
        };
        let share = |label: &Label, cause: &str| Lesson::of(BTreeSet::new(), label, &families).unwrap().causes[cause];
        assert!((share(&label("none", None), "usb-power") - 0.5).abs() < 1e-9);
        assert!((share(&label("none", Some(0.3)), "boot-strap") - 0.35).abs() < 1e-9);
        assert!((share(&label("poster-confirmed", Some(0.3)), "usb-power") - CONFIRMED).abs() < 1e-9);
        let unknown = Label { confirmed_cause: "unknown".to_owned(), ..label("none", None) };
        assert_eq!(Lesson::of(BTreeSet::new(), &unknown, &families), None);
    }
}
