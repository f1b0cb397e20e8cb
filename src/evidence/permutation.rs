//! Permutation tests on boots that allow for streaks: whole blocks are shuffled, so neighbours stay together.
//!
//! Block permutation after Carlstein (1986), whose rule for a first-order autoregression also sets the length of a
//! block: ((sqrt 6 r / (1 - r^2))^2 n)^(1/3) boots, r being the correlation of one boot with the next. Without streaks the
//! block is one boot and the test is Fisher's permutation test. p = (1 + as extreme) / (1 + shuffles) (Phipson, Smyth 2010).

use super::chance::Chance;

/// Longer sequences are summed to this many equal stretches first; a shuffle then costs the same whatever the campaign.
pub const LONGEST: usize = 1_000;

/// How many shuffles a test makes; the smallest p-value is 1/1000.
pub const SHUFFLES: u32 = 999;

#[derive(Clone, Debug)]
pub struct BlockPermutation {
    pub block: usize,
    pub shuffles: u32,
    pub seed: u64,
}

impl BlockPermutation {
    /// Blocks as long as the serial dependence of these outcomes asks for.
    pub fn fitted_to(outcomes: &[f64], seed: u64) -> Self {
        Self { block: block_length(outcomes), shuffles: SHUFFLES, seed }
    }

    /// How often a shuffled sequence reaches the statistic of the sequence itself.
    pub fn p_value(&self, outcomes: &[f64], statistic: impl Fn(&[f64]) -> f64) -> f64 {
        self.p_value_within(outcomes, &[(0..outcomes.len()).collect()], statistic)
    }

    /// The same where only outcomes of one group may change places; a group is the places of its outcomes, in order.
    pub fn p_value_within(&self, outcomes: &[f64], groups: &[Vec<usize>], statistic: impl Fn(&[f64]) -> f64) -> f64 {
        let seen = statistic(outcomes);
        let mut chance = Chance::seeded(self.seed);
        let mut blocks: Vec<Vec<&[usize]>> = groups.iter().map(|group| group.chunks(self.block).collect()).collect();
        let mut shuffled = outcomes.to_vec();
        let mut as_extreme = 0;
        for _ in 0..self.shuffles {
            for (group, blocks) in groups.iter().zip(&mut blocks) {
                chance.shuffle(blocks);
                for (&to, &from) in group.iter().zip(blocks.iter().copied().flatten()) {
                    shuffled[to] = outcomes[from];
                }
            }
            as_extreme += u32::from(statistic(&shuffled) >= seen - 1e-12);
        }
        f64::from(1 + as_extreme) / f64::from(1 + self.shuffles)
    }

    pub fn method(&self) -> String {
        if self.block == 1 {
            format!("permutation of boots, {} shuffles", self.shuffles)
        } else {
            format!("permutation of blocks of {} boots, {} shuffles", self.block, self.shuffles)
        }
    }
}

/// The correlation of each value with the next.
pub fn serial_correlation(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let spread: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    if values.len() < 3 || spread <= 0.0 {
        return 0.0;
    }
    values.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum::<f64>() / spread
}

fn block_length(outcomes: &[f64]) -> usize {
    let n = outcomes.len() as f64;
    let seen = serial_correlation(outcomes);
    let error = 1.0 / n.sqrt();
    if seen < 0.5 * error {
        return 1;
    }
    // Estimates from few boots lean low; two standard errors are added so that no streak is cut.
    let r = (seen + 2.0 * error).min(0.95);
    let length = ((6.0f64.sqrt() * r / (1.0 - r * r)).powi(2) * n).cbrt().ceil() as usize;
    length.clamp(1, (outcomes.len() / 5).max(1))
}

/// Sums neighbours so that at most `LONGEST` values remain.
pub fn thinned(outcomes: &[f64]) -> Vec<f64> {
    let width = outcomes.len().div_ceil(LONGEST).max(1);
    outcomes.chunks(width).map(|chunk| chunk.iter().sum::<f64>() / chunk.len() as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::change_point::best_split;

    /// Outcomes that follow a slow hidden state, as die temperature would make them, with no trend at all.
    fn streaky(n: usize, stay: f64, chance: &mut Chance) -> Vec<f64> {
        let mut bad = chance.happens(0.3);
        (0..n)
            .map(|_| {
                if !chance.happens(stay) {
                    bad = chance.happens(0.3);
                }
                f64::from(u8::from(bad))
            })
            .collect()
    }

    fn trend(outcomes: &[f64]) -> f64 {
        let middle = (outcomes.len() - 1) as f64 / 2.0;
        outcomes.iter().zip(0u32..).map(|(bad, at)| bad * (f64::from(at) - middle)).sum::<f64>().abs()
    }

    fn alarms(stay: f64, fitted: bool, statistic: fn(&[f64]) -> f64) -> f64 {
        let mut chance = Chance::seeded(77);
        let campaigns = 80;
        let alarms = (0..campaigns).filter(|&seed| {
            let outcomes = streaky(120, stay, &mut chance);
            let mut test = BlockPermutation::fitted_to(&outcomes, seed);
            test.shuffles = 99;
            if !fitted {
                test.block = 1;
            }
            test.p_value(&outcomes, statistic) <= 0.05
        });
        alarms.count() as f64 / campaigns as f64
    }

    #[test]
    fn streaks_without_a_trend_keep_the_level_and_break_the_plain_test() {
        let change: fn(&[f64]) -> f64 = |outcomes| best_split(outcomes).map_or(0.0, |split| split.gain);
        let slack = 3.0 * (0.05f64 * 0.95 / 80.0).sqrt();
        for statistic in [trend, change] {
            assert!(alarms(0.8, false, statistic) > 0.3);
            for stay in [0.5, 0.8] {
                let raised = alarms(stay, true, statistic);
                assert!(raised <= 0.05 + slack, "{raised} of the campaigns raised an alarm at {stay}");
            }
        }
    }

    /// All 210 orders of 0001001101 counted apart from this program, in Python: 36 have a trend as strong. Within three standard
    /// errors of 999 shuffles.
    #[test]
    fn without_streaks_the_shuffles_agree_with_all_orders_counted() {
        let outcomes = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0];
        let test = BlockPermutation { block: 1, shuffles: SHUFFLES, seed: 9 };
        let p = test.p_value(&outcomes, trend);
        assert!((p - 36.0 / 210.0).abs() < 0.036, "{p}");
    }

    #[test]
    fn a_real_change_is_still_seen_through_the_blocks() {
        let outcomes: Vec<f64> = (0..120).map(|boot| f64::from(u8::from(boot >= 60 && boot % 4 != 0))).collect();
        assert!(BlockPermutation::fitted_to(&outcomes, 1).p_value(&outcomes, trend) < 0.05);
    }

    #[test]
    fn a_long_campaign_is_summed_to_a_bounded_length() {
        assert_eq!(thinned(&[1.0; 5]).len(), 5);
        assert!(thinned(&[1.0; 1_000_001]).len() <= LONGEST);
    }
}
