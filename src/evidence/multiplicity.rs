//! Many tests at once: how many of the alarms are false.
//!
//! Benjamini and Hochberg (1995) for p-values; e-BH (Wang and Ramdas 2022) for e-values, which needs no independence.

use super::finding::Finding;

/// A test whose finding waits for the correction over all tests that are made with it.
pub struct Candidate<'a> {
    p: f64,
    tell: Box<dyn FnOnce(f64) -> Vec<Finding> + 'a>,
}

impl<'a> Candidate<'a> {
    /// `tell` makes findings of the corrected p-value, if there are any.
    pub fn new(p: f64, tell: impl FnOnce(f64) -> Vec<Finding> + 'a) -> Self {
        Self { p, tell: Box::new(tell) }
    }
}

/// Corrects all candidates as one family and lets each tell what is left.
pub fn told_together(candidates: Vec<Candidate<'_>>) -> Vec<Finding> {
    let adjusted = benjamini_hochberg(&candidates.iter().map(|candidate| candidate.p).collect::<Vec<_>>());
    candidates.into_iter().zip(adjusted).flat_map(|(candidate, p)| (candidate.tell)(p)).collect()
}

/// Adjusted p-values: reject where they are at most the share of false alarms that one accepts.
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let m = p_values.len() as f64;
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[b].total_cmp(&p_values[a]));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut least = 1.0f64;
    for (from_largest, index) in order.into_iter().enumerate() {
        least = least.min(p_values[index] * m / (m - from_largest as f64));
        adjusted[index] = least;
    }
    adjusted
}

/// Which hypotheses e-BH rejects at the level `alpha`.
pub fn e_benjamini_hochberg(e_values: &[f64], alpha: f64) -> Vec<bool> {
    let m = e_values.len() as f64;
    let mut order: Vec<usize> = (0..e_values.len()).collect();
    order.sort_by(|&a, &b| e_values[b].total_cmp(&e_values[a]));
    let mut rejected = vec![false; e_values.len()];
    let passes = |rank: usize| e_values[order[rank]] >= m / (alpha * (rank + 1) as f64);
    if let Some(last) = (0..order.len()).rev().find(|&rank| passes(rank)) {
        for &index in &order[..=last] {
            rejected[index] = true;
        }
    }
    rejected
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The thrombolysis example of Benjamini and Hochberg (1995), section 2.3: four of fifteen at 0.05.
    #[test]
    fn the_published_example_rejects_four() {
        let p = [
            0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528,
            0.7590, 1.0,
        ];
        let adjusted = benjamini_hochberg(&p);
        assert_eq!(adjusted.iter().filter(|p| **p <= 0.05).count(), 4);
        assert!((adjusted[3] - 0.0095 * 15.0 / 4.0).abs() < 1e-12);
    }

    #[test]
    fn e_values_are_judged_by_their_rank() {
        // Level 0.05 of three: 60 needed for the best alone, 30 each for two.
        assert_eq!(e_benjamini_hochberg(&[31.0, 2.0, 35.0], 0.05), [true, false, true]);
        assert_eq!(e_benjamini_hochberg(&[59.0, 2.0, 1.0], 0.05), [false; 3]);
    }
}
