//! Makes one answer of two opinions on a report: what the knowledge base concludes from its signs, and what became of reports that
//! read like it.
//!
//! Both are weighed against each other by families (a linear opinion pool, Stone 1961), so that one that is sure of something wrong costs no
//! more than its own weight. Inside a family the knowledge base alone decides, and what a measurement or the documented meaning of an error code says
//! needs no second opinion.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::inference::{ALWAYS_OPEN, Posterior, Reason};
use super::likeness::{Opinion, READS_ALIKE};
use super::verdict::Argument;

/// The logarithm of the likelihood ratio from which on a sign names its cause or witnesses it. Signs that are decisive by their grade, but
/// told in words, are not as sure: with them as well 0.83 instead of 0.88 of unseen reports had the right family among three.
const OUTRIGHT: f64 = 5.0;
/// What the signs say against a family holds for the words as well, by the square root: the table knows some of the signs itself. (101 instead of
/// 98 of 187 unseen reports had the right family first.)
const SIGNS_AGAINST: f64 = 0.5;
/// A family is worth the name of its words from here on.
const WORTH_TELLING: f64 = 0.1;

/// A share for each family by either opinion; both add up to one.
struct Opinions {
    by_family: BTreeMap<String, (f64, f64)>,
    /// What is left to the knowledge base: each counts as far as it is sure, and the knowledge base by the square, because it is the less to
    /// be believed the less sure it is (by cross-validation, `docs/measured.md`).
    of_knowledge: f64,
}

impl Opinions {
    /// Nothing where either has no share to give.
    fn of(posterior: &Posterior<'_>, opinion: &Opinion<'_>) -> Option<Self> {
        let mut known: BTreeMap<&str, f64> = BTreeMap::new();
        for weighed in &posterior.causes {
            *known.entry(&weighed.cause.family).or_default() += weighed.probability;
        }
        let kept = kept_after_signs(posterior);
        let alike = |family: &str| opinion.share(family) * kept[family];
        let described: f64 = known.values().sum();
        let read: f64 = known.keys().copied().map(alike).sum();
        if described <= 0.0 || read <= 0.0 {
            return None;
        }
        let shares =
            known.iter().map(|(family, share)| ((*family).to_owned(), (share / described, alike(family) / read)));
        let by_family: BTreeMap<_, _> = shares.collect();
        let (surest, likeliest) =
            by_family.values().fold((0.0_f64, 0.0_f64), |(a, b), (known, alike)| (a.max(*known), b.max(*alike)));
        Some(Self { by_family, of_knowledge: surest * surest / (surest * surest + likeliest) })
    }
}

/// How much of its likeness each family keeps after all that speaks against it: as much as the cause of it against which least does.
fn kept_after_signs<'p>(posterior: &'p Posterior<'_>) -> BTreeMap<&'p str, f64> {
    let mut kept: BTreeMap<&str, f64> = BTreeMap::new();
    for weighed in &posterior.causes {
        let against: f64 = weighed.reasons.iter().map(|reason| reason.shift.min(0.0)).sum();
        let most = kept.entry(&weighed.cause.family).or_default();
        *most = most.max((SIGNS_AGAINST * against).exp());
    }
    kept
}

impl Posterior<'_> {
    pub(super) fn pool(&mut self, opinion: &Opinion<'_>) {
        if self.is_told_outright() {
            return;
        }
        let Some(opinions) = Opinions::of(self, opinion) else { return };
        // Every report that likeness was learned from had a cause that is known.
        let open = ALWAYS_OPEN.max(opinions.of_knowledge * self.unknown).min(self.unknown);
        let described = (1.0 - open) / (1.0 - self.unknown);
        let mut told: BTreeMap<&str, Arc<Argument>> = BTreeMap::new();
        for weighed in &mut self.causes {
            let family = &weighed.cause.family;
            let (known, alike) = opinions.by_family[family];
            let of_likeness = (1.0 - opinions.of_knowledge) * alike / known.max(f64::MIN_POSITIVE);
            let factor = opinions.of_knowledge + of_likeness;
            weighed.probability *= described * factor;
            if alike >= WORTH_TELLING && factor > 1.0 {
                let argument = told.entry(family).or_insert_with(|| Arc::new(argument(family, alike, opinion)));
                weighed.reasons.push(Reason {
                    argument: Arc::clone(argument),
                    shift: factor.ln(),
                    because: Cow::Borrowed("so did public reports whose cause is known"),
                });
            }
        }
        for pair in &mut self.pairs {
            pair.probability *= opinions.of_knowledge;
        }
        self.unknown = open;
        self.sort();
    }

    /// The leading cause was witnessed, or named by a message whose documented meaning it is.
    fn is_told_outright(&self) -> bool {
        let leading = self.causes.first();
        leading.is_some_and(|weighed| weighed.reasons.iter().any(|reason| reason.shift >= OUTRIGHT))
    }
}

fn argument(family: &str, alike: f64, opinion: &Opinion<'_>) -> Argument {
    let telling = opinion.telling(family).join(", ");
    let most_of_all = if telling.is_empty() { telling } else { format!(", most of all for {telling}") };
    let text = format!("It reads like reports of the family {family} ({:.0} %){most_of_all}.", 100.0 * alike);
    Argument { finding: READS_ALIKE.to_owned(), text, at: Vec::new() }
}

#[cfg(test)]
mod tests {
    use crate::diagnosis::inference::Posterior;
    use crate::diagnosis::knowledge::Knowledge;
    use crate::diagnosis::likeness::Likeness;
    use crate::diagnosis::subject::Subject;
    use crate::evidence::finding::{Finding, Unit};
    use crate::observation::event::Transport;
    use crate::profile::shelf::Sheet;

    /// A table after which every report reads like one of a busy probe.
    fn knowledge() -> Knowledge {
        let text = "mark,rarity,probe-busy,swd-wiring\n*,,300,-300\na,1,,\nb,1,,\nc,1,,\nd,1,,\ne,1,,\n";
        let sheet = Sheet { name: String::new(), file: String::new(), text: text.to_owned() };
        Knowledge { likeness: Likeness::from_sheets(&[sheet]).unwrap(), ..Knowledge::built_in().unwrap() }
    }

    /// The shares of two families and of the open remainder, by signs and by words as well.
    fn shares(findings: &[&str]) -> [[f64; 3]; 2] {
        let knowledge = knowledge();
        let found: Vec<_> = findings
            .iter()
            .map(|id| Finding::new(id, "Told.".to_owned(), 1, Unit::Session).by("words", 0.99))
            .collect();
        let signs = Subject::of_part("STM32F407", Transport::Swd);
        let mut words = signs.clone();
        words.marks = ["a", "b", "c", "d", "e"].map(str::to_owned).into();
        [signs, words].map(|subject| {
            let posterior = Posterior::of(&knowledge, &subject, &found);
            let of = |family: &str| -> f64 {
                let own = posterior.causes.iter().filter(|weighed| weighed.cause.family == family);
                own.map(|weighed| weighed.probability).sum()
            };
            let all: f64 = posterior.causes.iter().map(|weighed| weighed.probability).sum();
            assert!((all + posterior.unknown - 1.0).abs() < 1e-9, "{all} {}", posterior.unknown);
            [of("probe-busy"), of("swd-wiring"), posterior.unknown]
        })
    }

    #[test]
    fn words_lead_where_the_signs_say_little() {
        let [signs, words] = shares(&["target-no-answer"]);
        assert!(signs[0] < 0.2 && words[0] > 0.8, "{signs:?} {words:?}");
        assert!(words[2] < signs[2], "what reads like known reports is less open");
    }

    #[test]
    fn what_speaks_against_a_family_holds_for_the_words_as_well() {
        let [_, unopposed] = shares(&["target-no-answer"]);
        let [_, opposed] = shares(&["target-no-answer", "fails-on-other-hosts"]);
        assert!(opposed[0] < unopposed[0], "{opposed:?} {unopposed:?}");
    }

    #[test]
    fn a_message_that_names_the_cause_needs_no_second_opinion() {
        let [signs, words] = shares(&["otp-address-of-other-part"]);
        assert!((signs[0] - words[0]).abs() < 1e-9, "{signs:?} {words:?}");
    }

    #[test]
    fn a_campaign_has_no_words() {
        assert!(!Subject::of_part("STM32F407", Transport::Swd).is_reported());
    }
}
