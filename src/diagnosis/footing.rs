//! What findings rest on decides how much they are worth, how much stays open, and how far the ranking is to be believed.

use std::collections::BTreeMap;

use super::inference::Weighed;
use super::pairs::Pair;
use crate::evidence::experiment;
use crate::evidence::finding::{Finding, Unit};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Footing {
    /// The grades count with this power.
    pub firmness: f64,
    /// So much is left for what the knowledge base does not describe; the causes that can be met on this part over this link share
    /// the rest.
    pub open: f64,
    /// What comes out is raised to this power.
    pub sharpness: f64,
}

/// As somebody tells it, which is what the grades are made for.
const TOLD: Footing = Footing { firmness: 1.0, open: 0.15, sharpness: 1.0 };

/// What the program has counted over boots is worth more than a word about it. Power and open share are judgement. The sharpness is
/// a temperature in the sense of Guo et al. (2017): without it the verdicts claimed less than they held. How it was found stands in
/// `docs/measured.md`.
const COUNTED: Footing = Footing { firmness: 1.5, open: 1.0 / 3.0, sharpness: 3.0 };

/// The sharpness was measured on campaigns of about so many boots and more.
const ENOUGH_BOOTS: u64 = 8;

impl Footing {
    pub fn of(findings: &[Finding]) -> Self {
        // The outcome of an experiment stands for itself, in a report as well.
        let mut others = findings.iter().filter(|finding| experiment::of_finding(finding).is_none());
        if !others.any(|finding| finding.unit != Unit::Session) {
            return TOLD;
        }
        let boots = findings.iter().filter(|finding| finding.unit == Unit::Boot).map(|finding| finding.n).max();
        if boots < Some(ENOUGH_BOOTS) { Self { sharpness: 1.0, ..COUNTED } } else { COUNTED }
    }

    /// Raises every answer to the power of the sharpness and returns the open remainder. An answer is a family, because its causes mostly cannot be
    /// told apart, or a pair of families; what is in it keeps its share of it.
    pub fn sharpen(self, causes: &mut [Weighed<'_>], pairs: &mut [Pair<'_>]) -> f64 {
        if self.sharpness == 1.0 {
            return self.open;
        }
        let mut answers: BTreeMap<Vec<&str>, f64> = BTreeMap::new();
        for weighed in causes.iter() {
            *answers.entry(vec![&weighed.cause.family]).or_default() += weighed.probability;
        }
        for pair in pairs.iter() {
            *answers.entry(families(pair)).or_default() += pair.probability;
        }
        let all = self.open + answers.values().sum::<f64>();
        let factor = |answer: f64| (answer / all).powf(self.sharpness - 1.0);
        for weighed in causes.iter_mut() {
            weighed.probability *= factor(answers[&vec![weighed.cause.family.as_str()]]);
        }
        for pair in pairs.iter_mut() {
            pair.probability *= factor(answers[&families(pair)]);
        }
        self.open * factor(self.open)
    }
}

fn families<'k>(pair: &Pair<'k>) -> Vec<&'k str> {
    let mut families = pair.causes.map(|cause| cause.family.as_str());
    families.sort_unstable();
    families.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::cause::Cause;
    use crate::diagnosis::knowledge::Knowledge;

    fn weighed(cause: &Cause, probability: f64) -> Weighed<'_> {
        Weighed {
            cause,
            probability,
            prior: probability,
            reasons: Vec::new(),
            unaccounted: Vec::new(),
            cap: None,
            base: probability.ln(),
        }
    }

    #[test]
    fn a_family_is_sharpened_as_one_answer_and_keeps_the_order_inside() {
        let knowledge = Knowledge::built_in().unwrap();
        let of = |id: &str| knowledge.causes.iter().find(|cause| cause.id == id).unwrap();
        let mut causes =
            vec![weighed(of("usb-cable"), 0.3), weighed(of("usb-noise"), 0.1), weighed(of("boot-strap"), 0.2)];
        let footing = Footing { firmness: 1.0, open: 0.4, sharpness: 2.0 };
        let open = footing.sharpen(&mut causes, &mut []);
        let ratio = |a: usize, b: usize| causes[a].probability / causes[b].probability;
        assert!((ratio(0, 1) - 3.0).abs() < 1e-9, "{}", ratio(0, 1));
        let family = causes[0].probability + causes[1].probability;
        assert!((family / causes[2].probability - 4.0).abs() < 1e-9, "0.4 to 0.2, squared");
        assert!((family / open - 1.0).abs() < 1e-9);
    }

    #[test]
    fn after_a_few_boots_nothing_is_sharpened() {
        let of = |n| Footing::of(&[Finding::new("port-silent", String::new(), n, Unit::Boot)]).sharpness;
        assert!((of(ENOUGH_BOOTS - 1) - 1.0).abs() < 1e-9);
        assert!((of(ENOUGH_BOOTS) - COUNTED.sharpness).abs() < 1e-9);
    }

    #[test]
    fn what_is_told_is_left_as_it_is() {
        let knowledge = Knowledge::built_in().unwrap();
        let mut causes = vec![weighed(&knowledge.causes[0], 0.3)];
        let open = TOLD.sharpen(&mut causes, &mut []);
        assert!((causes[0].probability - 0.3).abs() < 1e-9 && (open - TOLD.open).abs() < 1e-9);
    }
}
