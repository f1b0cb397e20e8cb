//! Which experiment to do next: the expected information about the cause, per minute, over every experiment that is open.

use super::experiment::Experiment;
use super::grades::Chance;
use super::inference::Posterior;
use super::knowledge::Knowledge;
use super::subject::Subject;
use super::verdict::NextExperiment;
use crate::evidence::experiment;
use crate::evidence::finding::Finding;

/// How many are proposed.
const PROPOSED: usize = 6;

/// Less than this is not worth anybody's walk to the bench.
const LEAST_BITS: f64 = 0.02;

/// A cause that is at least this probable can be the reason for an experiment.
const SUSPECTED: f64 = 0.02;

/// The best experiments, the most information per minute first; as many as one wants to read.
pub fn propose(
    knowledge: &Knowledge,
    subject: &Subject,
    posterior: &Posterior<'_>,
    findings: &[Finding],
) -> Vec<NextExperiment> {
    let mut best = all(knowledge, subject, posterior, findings);
    best.truncate(PROPOSED);
    best
}

/// All experiments that are worth a walk to the bench.
pub fn all(
    knowledge: &Knowledge,
    subject: &Subject,
    posterior: &Posterior<'_>,
    findings: &[Finding],
) -> Vec<NextExperiment> {
    let answered = |experiment: &Experiment| {
        let done = |finding: &Finding| experiment::of_finding(finding).is_some_and(|(id, _)| id == experiment.id);
        findings.iter().any(|finding| done(finding) || experiment.answered_by.contains(&finding.id))
    };
    let mut rated: Vec<_> = knowledge
        .experiments
        .iter()
        .filter(|experiment| experiment.is_open_to(subject) && !answered(experiment))
        .filter(|experiment| confirms_a_suspect(posterior, experiment))
        .map(|experiment| (information(posterior, experiment), experiment))
        .filter(|(bits, _)| *bits >= LEAST_BITS)
        .collect();
    rated.sort_by(|(a, one), (b, other)| {
        (b / other.minutes).total_cmp(&(a / one.minutes)).then_with(|| one.id.cmp(&other.id))
    });
    rated.into_iter().map(|(bits, experiment)| describe(bits, experiment)).collect()
}

/// Whether somebody who suspects a cause has a reason to do it: its positive outcome is what they expect, or the cause
/// names it. What could merely tell all causes from the open remainder is nobody's reason.
fn confirms_a_suspect(posterior: &Posterior<'_>, experiment: &Experiment) -> bool {
    let mut suspects = posterior.causes.iter().filter(|weighed| weighed.probability >= SUSPECTED);
    suspects.any(|weighed| {
        let names_it = weighed.cause.experiments.iter().any(|prediction| prediction.id == experiment.id);
        names_it || weighed.cause.predicts(experiment) >= 0.5
    })
}

/// The mutual information of cause and outcome in bits. What is not in the knowledge base is taken to answer as an
/// average cause does.
fn information(posterior: &Posterior<'_>, experiment: &Experiment) -> f64 {
    // Causes say one of a few things, so what those hold that say the same is added up first.
    let mut shares = [0.0; Chance::ALL.len()];
    let (mut described, mut expected) = (0.0, 0.0);
    for weighed in &posterior.causes {
        let chance = weighed.cause.chance_in(experiment);
        shares[chance as usize] += weighed.probability;
        described += weighed.prior;
        expected += weighed.prior * chance.probability();
    }
    let said = Chance::ALL.iter().map(|chance| chance.probability());
    let branches = || shares.into_iter().zip(said.clone()).chain([(posterior.unknown, expected / described)]);
    let positive: f64 = branches().map(|(share, chance)| share * chance).sum();
    let left: f64 = branches().map(|(share, chance)| share * entropy(chance)).sum();
    (entropy(positive) - left).max(0.0)
}

/// Of a coin, in bits.
fn entropy(chance: f64) -> f64 {
    let term = |p: f64| if p > 0.0 { -p * p.log2() } else { 0.0 };
    term(chance) + term(1.0 - chance)
}

fn describe(bits: f64, experiment: &Experiment) -> NextExperiment {
    let warning = match experiment.changes.as_slice() {
        [] | [_] => String::new(),
        several => format!(" This changes {} at once; the outcome cannot tell them apart.", several.join(", ")),
    };
    NextExperiment {
        experiment: experiment.id.clone(),
        minutes: experiment.minutes,
        bits,
        changes: experiment.changes.clone(),
        text: format!("{}{warning}", experiment.text),
        command: experiment.command.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::event::Transport;

    fn open_to(findings: &[Finding]) -> Vec<NextExperiment> {
        let knowledge = Knowledge::built_in().unwrap();
        let subject = Subject::of_part("STM32F407", Transport::Dfu);
        all(&knowledge, &subject, &Posterior::of(&knowledge, &subject, findings), findings)
    }

    /// The mutual information written out over joint probabilities instead of entropies.
    #[test]
    fn the_information_is_the_sum_over_causes_and_outcomes() {
        let knowledge = Knowledge::built_in().unwrap();
        let subject = Subject::of_part("STM32F407", Transport::Dfu);
        let posterior = Posterior::of(&knowledge, &subject, &[]);
        let golden = knowledge.experiment("golden-board").unwrap();
        let priors: f64 = posterior.causes.iter().map(|weighed| weighed.prior).sum();
        let average =
            posterior.causes.iter().map(|weighed| weighed.prior * weighed.cause.predicts(golden)).sum::<f64>() / priors;
        let mut joint: Vec<(f64, f64)> =
            posterior.causes.iter().map(|weighed| (weighed.probability, weighed.cause.predicts(golden))).collect();
        joint.push((posterior.unknown, average));
        let positive: f64 = joint.iter().map(|(share, chance)| share * chance).sum();
        let cell = |both: f64, cause: f64, outcome: f64| both * (both / (cause * outcome)).log2();
        let bits: f64 = joint
            .iter()
            .map(|(share, chance)| {
                cell(share * chance, *share, positive) + cell(share * (1.0 - chance), *share, 1.0 - positive)
            })
            .sum();
        assert!((bits - information(&posterior, golden)).abs() < 1e-9, "{bits}");
    }

    #[test]
    fn what_was_done_is_not_proposed_again_and_the_rest_is_in_the_order_of_bits_per_minute() {
        let before = open_to(&[]);
        let rate = |next: &NextExperiment| next.bits / next.minutes;
        assert!(before.windows(2).all(|pair| rate(&pair[0]) >= rate(&pair[1])));
        let first = &before[0].experiment;
        let done = Finding::new(
            &format!("{}{first}", experiment::OUTCOME),
            "Done.".into(),
            1,
            crate::evidence::finding::Unit::Boot,
        )
        .of_size(0.5, None, "probability");
        assert!(open_to(&[done]).iter().all(|next| next.experiment != *first));
    }

    #[test]
    fn what_the_campaign_does_by_itself_is_not_proposed() {
        let knowledge = Knowledge::built_in().unwrap();
        let more_boots = knowledge.experiment("more-boots").unwrap();
        let found = Subject::of_part("STM32F407", Transport::Dfu);
        let booted = found.clone().being_booted(true);
        assert!(more_boots.is_open_to(&found) && !more_boots.is_open_to(&booted));
        assert!(knowledge.experiment("golden-board").unwrap().is_open_to(&booted));
    }

    #[test]
    fn what_changes_two_things_at_once_says_so() {
        let hub = open_to(&[]).into_iter().find(|next| next.experiment == "usb2-hub");
        assert!(hub.is_none_or(|hub| hub.text.contains("changes controller path, supply, cable at once")));
    }

    #[test]
    fn a_fair_coin_holds_one_bit_and_a_sure_one_none() {
        assert!((entropy(0.5) - 1.0).abs() < 1e-12);
        assert_eq!((entropy(0.0), entropy(1.0)), (0.0, 0.0));
        assert!((entropy(0.11) - 0.499_916).abs() < 1e-6);
    }
}
