//! Two causes at once: what one does not account for the other may, at the price of both priors.
//!
//! A single cause is weighed against all that was seen. Where the failures show two pictures side by side, say boots in
//! which the board never comes and single bus errors in others, each cause of a pair answers for the picture it
//! explains (in the manner of Liblit et al. 2005, who take away the runs that one predicate explains before they look
//! for the next). What is known of the board is no picture: what speaks for both counts once, and what speaks against
//! either counts. Without such pictures, as in most reports, there is nothing that asks for a second cause.

use super::cause::Cause;
use super::grades::Grade;
use super::inference::{Bundle, Weighed, cost_of_silence, scale};
use crate::evidence::finding::Finding;

/// A pair below this is not worth keeping.
pub const LEAST_KEPT: f64 = 0.002;

/// One of a pair is among so many of the most probable single causes.
const FIRST_OF: usize = 12;

/// Priors are shares of boards that have trouble. A second trouble is no commoner than trouble is in boards at large, and
/// about one in five of those that somebody looks at has any (judgement).
const SECOND_TROUBLE: f64 = 0.2;

/// A boot may show both pictures, so that their shares may add up to a little more than all failures (judgement).
const OVERLAP: f64 = 0.1;

/// Two causes at work at the same time.
#[derive(Clone, Debug)]
pub struct Pair<'k> {
    /// The one that explains more alone stands first.
    pub causes: [&'k Cause; 2],
    pub probability: f64,
}

impl Pair<'_> {
    pub fn holds(&self, cause: &Cause) -> bool {
        self.causes.iter().any(|own| own.id == cause.id)
    }
}

/// Priors times likelihood of pairs of causes of different families, the most probable first; `causes` are sorted alike.
pub(super) fn of<'k>(
    causes: &[Weighed<'k>],
    bundles: &[Bundle<'_>],
    findings: &[Finding],
    firmness: f64,
) -> Vec<Pair<'k>> {
    if !bundles.iter().any(|bundle| bundle.group.side_by_side) {
        return Vec::new();
    }
    let stances: Vec<Vec<Vec<Stance>>> = causes.iter().map(|weighed| stances(weighed.cause, bundles)).collect();
    let mut pairs = Vec::new();
    for (a, one) in causes.iter().enumerate().take(FIRST_OF) {
        for (b, other) in causes.iter().enumerate().skip(a + 1) {
            if one.cause.family == other.cause.family {
                continue;
            }
            if !each_is_needed(bundles, &stances[a], &stances[b]) {
                continue;
            }
            let log: f64 = bundles
                .iter()
                .enumerate()
                .map(|(bundle, what)| {
                    if what.group.side_by_side {
                        side_by_side(what, &stances[a][bundle], &stances[b][bundle])
                    } else {
                        known_of_both(what, &stances[a][bundle], &stances[b][bundle])
                    }
                })
                .sum();
            let left = left_to_a_second(one.cause, findings).min(left_to_a_second(other.cause, findings));
            let probability = left * SECOND_TROUBLE * (one.base + other.base + firmness * log).exp();
            pairs.push(Pair { causes: [one.cause, other.cause], probability });
        }
    }
    pairs.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    pairs
}

/// A cause that was seen at work in the failures of each of n boots: if a second one made a share of the failing boots that nobody knows, any
/// share as likely as any other, the chance that none of the n was its is 1 / (n + 1).
fn left_to_a_second(cause: &Cause, findings: &[Finding]) -> f64 {
    let seen = findings.iter().filter(|finding| cause.in_every_failure_by.contains(&finding.id));
    seen.map(|finding| 1.0 / (finding.n as f64 + 1.0)).fold(1.0, f64::min)
}

/// Each answers for failures of its own: a picture that it explains better than the other by at least a moderate grade, and both
/// pictures have room beside each other among the failures. Where all failures show one picture, whatever else is found of
/// them asks for no second cause.
fn each_is_needed(bundles: &[Bundle<'_>], one: &[Vec<Stance>], other: &[Vec<Stance>]) -> bool {
    let clearly = Grade::Moderate.likelihood_ratio().ln();
    let least_own_share = |own: &[Vec<Stance>], others: &[Vec<Stance>]| {
        let pictures = bundles.iter().zip(own.iter().zip(others)).filter(|(bundle, _)| bundle.group.side_by_side);
        let shares = pictures.flat_map(|(bundle, (own, others))| {
            let stances = bundle.findings().zip(own.iter().zip(others));
            let explained = stances
                .filter(|(_, (own, other))| own.is_some_and(|own| own > 0.0 && own - other.unwrap_or(0.0) >= clearly));
            explained.map(|(finding, _)| if bundle.group.apart { 0.0 } else { share(finding) })
        });
        shares.reduce(f64::min)
    };
    match (least_own_share(one, other), least_own_share(other, one)) {
        (Some(one), Some(other)) => one + other <= 1.0 + OVERLAP,
        _ => false,
    }
}

/// The share of the failures that a finding describes; one that was tested speaks of them all.
fn share(finding: &Finding) -> f64 {
    if finding.certainty > 0.0 { finding.weight / finding.certainty } else { 1.0 }
}

/// The logarithm of a finding's likelihood ratio for a cause; `None` where the cause says nothing.
type Stance = Option<f64>;

fn stances(cause: &Cause, bundles: &[Bundle<'_>]) -> Vec<Vec<Stance>> {
    let of = |bundle: &Bundle<'_>| {
        bundle.said.iter().map(|said| cause.stance(said.number).map(|stance| stance.shift)).collect()
    };
    bundles.iter().map(of).collect()
}

fn known_of_both(bundle: &Bundle<'_>, one: &[Stance], other: &[Stance]) -> f64 {
    match (strongest(bundle, one), strongest(bundle, other)) {
        (Some(one), Some(other)) => one.0.max(other.0) + one.1 + other.1,
        (Some(only), None) | (None, Some(only)) => only.0 + only.1,
        (None, None) => silence(bundle),
    }
}

/// The strongest argument for a single cause and the strongest against it.
fn strongest(bundle: &Bundle<'_>, own: &[Stance]) -> Option<(f64, f64)> {
    let linked = bundle.findings().zip(own).filter_map(|(finding, stance)| {
        let stance = (*stance)?;
        Some(stance * scale(finding, bundle.group, stance))
    });
    both_ways(linked)
}

fn both_ways(shifts: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    shifts.fold(None, |known, shift| {
        let (best, worst) = known.unwrap_or((0.0, 0.0));
        Some((f64::max(best, shift), f64::min(worst, shift)))
    })
}

fn silence(bundle: &Bundle<'_>) -> f64 {
    cost_of_silence(bundle.group, bundle.findings().map(|finding| finding.certainty).fold(0.0, f64::max))
}

/// Each finding is answered for by the cause that explains it better. What an own picture shows counts in full, however
/// small its share of all failures.
fn side_by_side(bundle: &Bundle<'_>, one: &[Stance], other: &[Stance]) -> f64 {
    let answered = bundle.findings().zip(one.iter().zip(other)).filter_map(|(finding, (one, other))| {
        let value = |stance: &Stance| {
            stance.map_or_else(|| cost_of_silence(bundle.group, finding.certainty), |stance| finding.certainty * stance)
        };
        (one.is_some() || other.is_some()).then(|| value(one).max(value(other)))
    });
    both_ways(answered).map_or_else(|| silence(bundle), |(best, worst)| best + worst)
}

#[cfg(test)]
mod tests {
    use crate::diagnosis::inference::Posterior;
    use crate::diagnosis::knowledge::Knowledge;
    use crate::diagnosis::subject::Subject;
    use crate::evidence::finding::{Finding, Unit};
    use crate::observation::event::Transport;

    fn posterior<'k>(knowledge: &'k Knowledge, found: &[(&str, f64, f64)]) -> Posterior<'k> {
        posterior_on(knowledge, "STM32F407", found)
    }

    fn posterior_on<'k>(knowledge: &'k Knowledge, part: &str, found: &[(&str, f64, f64)]) -> Posterior<'k> {
        let findings: Vec<_> = found
            .iter()
            .map(|(id, weight, certainty)| {
                Finding::new(id, (*id).to_owned(), 40, Unit::Boot).by("count", *weight).occurs(*certainty)
            })
            .collect();
        Posterior::of(knowledge, &Subject::of_part(part, Transport::Dfu), &findings)
    }

    #[test]
    fn a_cause_seen_at_work_in_every_failure_leaves_little_to_a_second() {
        let knowledge = Knowledge::built_in().unwrap();
        let cause = knowledge.causes.iter().find(|cause| cause.id == "hse-misdetected").unwrap();
        let seen = |n| vec![Finding::new("misread-at-every-failure", String::new(), n, Unit::Boot)];
        assert!((super::left_to_a_second(cause, &[]) - 1.0).abs() < 1e-9);
        assert!((super::left_to_a_second(cause, &seen(19)) - 0.05).abs() < 1e-9);
    }

    /// Half of the failing boots never come, as with a boot pin; in the others bits flip.
    const TWO_PICTURES: [(&str, f64, f64); 8] = [
        ("enumerate-fails-some-boots", 0.9, 0.9),
        ("fails-at-enumerate", 0.5, 0.9),
        ("port-silent", 0.5, 0.9),
        ("all-or-nothing-boots", 0.6, 0.6),
        ("bus-errors-scattered", 0.45, 0.9),
        ("failures-within-boots", 0.45, 0.9),
        ("late-transfers", 0.95, 0.95),
        ("failures-rise-with-length", 0.8, 0.8),
    ];

    #[test]
    fn two_pictures_side_by_side_ask_for_two_causes() {
        let knowledge = Knowledge::built_in().unwrap();
        let posterior = posterior(&knowledge, &TWO_PICTURES);
        let pairs: f64 = posterior.pairs.iter().map(|pair| pair.probability).sum();
        assert!(pairs > 0.2, "{pairs}");
        let families: Vec<_> = posterior.pairs[0].causes.iter().map(|cause| cause.family.as_str()).collect();
        assert!(families.contains(&"usb-signal-integrity"), "{families:?}");
        let all: f64 = posterior.causes.iter().map(|weighed| weighed.probability).sum();
        assert!((all + posterior.unknown - 1.0).abs() < 0.02, "{all} {}", posterior.unknown);
    }

    /// All failures are damaged packets in one step at one address: a wire and a damaged word would each explain a part of what is
    /// known of the same failures, which is no reason to believe in both.
    #[test]
    fn the_same_failures_are_not_shared_out_between_two_causes() {
        let knowledge = Knowledge::built_in().unwrap();
        let same = [
            ("failures-within-boots", 0.92, 0.92),
            ("fails-after-identify", 0.92, 0.92),
            ("late-transfers", 0.98, 0.98),
            ("fails-in-one-phase", 0.83, 0.83),
            ("failures-rise-with-length", 0.95, 0.95),
            ("address-fixed", 0.92, 0.92),
        ];
        let posterior = posterior_on(&knowledge, "STM32H7A3", &same);
        assert!(posterior.pairs.is_empty(), "{:?}", posterior.pairs);
    }

    /// Every failure is a reset, and the board takes long to come in all boots: what delays it has nothing to do with the resets.
    #[test]
    fn a_late_start_leaves_the_failures_to_another_cause() {
        let knowledge = Knowledge::built_in().unwrap();
        let found = [
            ("failures-within-boots", 0.9, 0.9),
            ("disconnects-mid-session", 0.9, 0.9),
            ("leaves-a-clean-wire", 0.9, 0.9),
            ("enumerate-scattered", 0.96, 0.96),
        ];
        let posterior = posterior(&knowledge, &found);
        assert!(posterior.pairs.iter().any(|pair| pair.causes.iter().any(|cause| cause.id == "hse-no-start")));
    }

    #[test]
    fn one_picture_is_left_to_one_cause() {
        let knowledge = Knowledge::built_in().unwrap();
        let posterior = posterior(&knowledge, &TWO_PICTURES[4..]);
        let pairs: f64 = posterior.pairs.iter().map(|pair| pair.probability).sum();
        assert!(pairs < 0.2, "{pairs}");
        assert_eq!(posterior.causes[0].cause.family, "usb-signal-integrity");
    }
}
