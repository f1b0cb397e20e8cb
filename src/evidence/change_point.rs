//! The moment at which a failure rate changed: the best single split of a sequence of outcomes.
//!
//! Likelihood ratio for a change in a sequence of Bernoulli variables (Hinkley and Hinkley 1970). The largest gain over
//! all splits has no simple distribution, so its significance comes from the block permutation test. Several changes
//! are found by splitting again (binary segmentation, Scott and Knott 1974).

/// A split before index `at`, with the rates on both sides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Split {
    pub at: usize,
    pub before: f64,
    pub after: f64,
    /// Twice the logarithm of the likelihood ratio against no change.
    pub gain: f64,
}

/// The split that explains the outcomes (0 good, 1 bad, or shares between) best. `None` below four outcomes.
/// Each side keeps at least two.
pub fn best_split(outcomes: &[f64]) -> Option<Split> {
    let n = outcomes.len();
    let all: f64 = outcomes.iter().sum();
    let mut before = outcomes.first().copied().unwrap_or(0.0);
    let mut best: Option<Split> = None;
    for at in 2..n.saturating_sub(1) {
        before += outcomes[at - 1];
        let (left, right) = (at as f64, (n - at) as f64);
        let gain =
            2.0 * (log_likelihood(before, left) + log_likelihood(all - before, right) - log_likelihood(all, n as f64));
        if best.is_none_or(|split| gain > split.gain) {
            best = Some(Split { at, before: before / left, after: (all - before) / right, gain });
        }
    }
    best
}

/// Of `bad` in `n` at the rate bad / n.
fn log_likelihood(bad: f64, n: f64) -> f64 {
    let part = |count: f64| if count <= 0.0 { 0.0 } else { count * (count / n).ln() };
    part(bad) + part(n - bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_change_is_found_where_it_is() {
        let outcomes: Vec<f64> = (0..50).map(|i| f64::from(u8::from(i >= 31))).collect();
        let split = best_split(&outcomes).unwrap();
        assert_eq!((split.at, split.before, split.after), (31, 0.0, 1.0));
        // By hand: -2 (19 ln 0.38 + 31 ln 0.62) = 66.4065.
        assert!((split.gain - 66.406).abs() < 2e-3, "{}", split.gain);
    }

    /// Computed apart from this program, in Python, over all splits of 001000110111.
    #[test]
    fn the_best_of_all_splits_agrees_with_an_independent_computation() {
        let outcomes = [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0];
        let split = best_split(&outcomes).unwrap();
        assert_eq!(split.at, 6);
        assert!((split.gain - 5.822_063_3).abs() < 1e-6 && (split.after - 5.0 / 6.0).abs() < 1e-12, "{split:?}");
    }

    #[test]
    fn too_few_outcomes_have_no_split() {
        assert_eq!(best_split(&[0.0, 1.0, 1.0]), None);
    }
}
