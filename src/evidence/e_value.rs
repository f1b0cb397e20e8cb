//! Evidence against equal rates that may be looked at after every boot.
//!
//! Turner, Ly and Grunwald (2024), "Generic E-variables for exact sequential k-sample tests that allow for optional
//! stopping": before each block of one outcome per arm, rates are guessed from the blocks before it; the block then
//! multiplies the e-value by its likelihood under these guesses over that under their mean. Under equal rates the
//! expectation never exceeds one, so by Ville's inequality it ever reaches 20 with a probability of at most 0.05.

/// The guess before anything was seen: the smoothing that the paper recommends for two arms.
const PRIOR: f64 = 0.18;

/// One e-value for a number of arms, fed with blocks that hold one outcome of each arm.
#[derive(Clone, Debug)]
pub struct EqualRates {
    arms: Vec<Arm>,
    log_e: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Arm {
    failed: f64,
    n: f64,
}

impl EqualRates {
    pub fn of_arms(arms: usize) -> Self {
        Self { arms: vec![Arm::default(); arms], log_e: 0.0 }
    }

    /// From the next block on there is one more arm; what the blocks so far have shown stays.
    pub fn add_arm(&mut self) {
        self.arms.push(Arm::default());
    }

    /// One outcome per arm, in the order of the arms.
    pub fn add_block(&mut self, failed: &[bool]) {
        debug_assert_eq!(failed.len(), self.arms.len());
        let guesses: Vec<f64> = self.arms.iter().map(|arm| (arm.failed + PRIOR) / (arm.n + 2.0 * PRIOR)).collect();
        let common = guesses.iter().sum::<f64>() / guesses.len() as f64;
        for ((guess, arm), &failed) in guesses.iter().zip(&mut self.arms).zip(failed) {
            let (alternative, null) = if failed { (*guess, common) } else { (1.0 - guess, 1.0 - common) };
            self.log_e += (alternative / null).ln();
            arm.failed += f64::from(u8::from(failed));
            arm.n += 1.0;
        }
    }

    pub fn e_value(&self) -> f64 {
        self.log_e.exp()
    }
}

/// The e-value of two sequences of outcomes, paired in the order in which they came; what has no partner is left out.
pub fn of_pairs(a: impl IntoIterator<Item = bool>, b: impl IntoIterator<Item = bool>) -> f64 {
    let mut arms = EqualRates::of_arms(2);
    for (a, b) in a.into_iter().zip(b) {
        arms.add_block(&[a, b]);
    }
    arms.e_value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::chance::Chance;

    /// Computed apart from this program, in Python, by the definition in whole fractions.
    #[test]
    fn e_values_agree_with_an_independent_computation() {
        let value = |blocks: &[&[bool]]| {
            let mut rates = EqualRates::of_arms(blocks[0].len());
            blocks.iter().for_each(|block| rates.add_block(block));
            rates.e_value()
        };
        let (a, b): (&[bool], &[bool]) = (&[true, false], &[true, true]);
        assert!((value(&[a, a, b, &[false, false], a]) - 0.508_882_376).abs() < 1e-9);
        assert!((value(&[a; 5]) - 135.384_958).abs() < 1e-6);
        let three: [&[bool]; 4] =
            [&[true, false, false], &[true, false, true], &[true, false, false], &[false, false, false]];
        assert!((value(&three) - 0.759_739_465).abs() < 1e-9);
    }

    #[test]
    fn under_equal_rates_the_expectation_of_a_block_is_at_most_one() {
        // Every outcome of the second block, after every outcome of the first, weighed by its probability.
        for rate in [0.05, 0.3, 0.7] {
            let weight = |failed: bool| if failed { rate } else { 1.0 - rate };
            let outcomes = [[false, false], [false, true], [true, false], [true, true]];
            let mut mean = 0.0;
            for first in outcomes {
                for second in outcomes {
                    let mut arms = EqualRates::of_arms(2);
                    arms.add_block(&first);
                    arms.add_block(&second);
                    let probability: f64 = [first, second].iter().flatten().map(|&failed| weight(failed)).product();
                    mean += probability * arms.e_value();
                }
            }
            assert!(mean <= 1.0 + 1e-12, "{rate}: {mean}");
        }
    }

    #[test]
    fn looking_after_every_block_raises_few_false_alarms_and_sees_a_real_difference() {
        let mut chance = Chance::seeded(12);
        let mut ever = |a: f64, b: f64| {
            let runs = 300;
            let reached = (0..runs).filter(|_| {
                let mut arms = EqualRates::of_arms(2);
                (0..300).any(|_| {
                    arms.add_block(&[chance.happens(a), chance.happens(b)]);
                    arms.e_value() >= 20.0
                })
            });
            reached.count() as f64 / f64::from(runs)
        };
        assert!(ever(0.2, 0.2) <= 0.05);
        assert!(ever(0.05, 0.5) > 0.99);
    }
}
