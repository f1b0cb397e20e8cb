//! Latencies of one step in constant memory: a histogram whose buckets grow with the value.
//!
//! The scheme of Gil Tene's HdrHistogram: exact below 128 us, above that 64 buckets per doubling, so a quantile is off
//! by at most 1/128 (0.8 %) of its value. Counts and the maximum are exact.

use std::collections::VecDeque;

use crate::observation::units::Micros;

/// Values below this have a bucket of their own.
const EXACT_BELOW: u64 = 128;
const BUCKETS_PER_DOUBLING: u64 = 64;
/// Enough for a sparkline as wide as a screen.
const RECENT: usize = 120;

#[derive(Clone, Debug, Default)]
pub struct LatencySketch {
    /// Grows to the largest value seen; 64-bit microseconds need fewer than 4 000 buckets.
    counts: Vec<u64>,
    n: u64,
    max: Micros,
    recent: VecDeque<Micros>,
}

impl LatencySketch {
    pub fn add(&mut self, value: Micros) {
        let bucket = bucket_of(value.0);
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.n += 1;
        self.max = self.max.max(value);
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(value);
    }

    pub fn n(&self) -> u64 {
        self.n
    }

    pub fn max(&self) -> Micros {
        self.max
    }

    /// The latest values, oldest first.
    pub fn recent(&self) -> Vec<Micros> {
        self.recent.iter().copied().collect()
    }

    /// The smallest bucket that holds at least the share `q` of all values at or below it; zero where nothing was added.
    pub fn quantile(&self, q: f64) -> Micros {
        let rank = ((q * self.n as f64).ceil() as u64).max(1);
        let mut below = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            below += count;
            if below >= rank {
                return Micros(middle_of(bucket as u64)).min(self.max);
            }
        }
        self.max
    }
}

fn bucket_of(value: u64) -> usize {
    if value < EXACT_BELOW {
        return value as usize;
    }
    // 7 leading significant bits: the doubling, and 64 parts of it.
    let doubling = u64::from(value.ilog2() - 7);
    let part = (value >> (doubling + 1)) - BUCKETS_PER_DOUBLING;
    (EXACT_BELOW + doubling * BUCKETS_PER_DOUBLING + part) as usize
}

fn middle_of(bucket: u64) -> u64 {
    if bucket < EXACT_BELOW {
        return bucket;
    }
    let doubling = (bucket - EXACT_BELOW) / BUCKETS_PER_DOUBLING;
    let part = (bucket - EXACT_BELOW) % BUCKETS_PER_DOUBLING;
    let low = (BUCKETS_PER_DOUBLING + part) << (doubling + 1);
    low + (1 << doubling)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_added_is_zero_and_not_a_panic() {
        assert_eq!(LatencySketch::default().quantile(0.5), Micros::ZERO);
    }

    #[test]
    fn the_largest_possible_value_has_a_bucket() {
        let mut sketch = LatencySketch::default();
        sketch.add(Micros(u64::MAX));
        assert_eq!(sketch.max(), Micros(u64::MAX));
        assert!(sketch.counts.len() < 4_000);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_quantile_is_within_its_stated_resolution(mut values in prop::collection::vec(0u64..100_000_000, 1..200), q in 0.01f64..1.0) {
            let mut sketch = LatencySketch::default();
            for &value in &values {
                sketch.add(Micros(value));
            }
            values.sort_unstable();
            let exact = values[((q * values.len() as f64).ceil() as usize).max(1) - 1];
            let found = sketch.quantile(q).0;
            prop_assert!(found.abs_diff(exact) as f64 <= exact as f64 / 128.0 + 1.0, "{found} for {exact}");
        }
    }
}
