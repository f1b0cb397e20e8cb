//! Seeded chance for permutations and simulations: the same seed gives the same verdict everywhere.
//!
//! PCG64 (O'Neill 2014, XSL-RR 128/64) from `rand_pcg`, seeded with `seed_from_u64`; both are fixed by their crates'
//! promise of portability. Nothing here is for secrets.

use rand::RngCore;
use rand::SeedableRng;
use rand_pcg::Pcg64;

#[derive(Clone, Debug)]
pub struct Chance(Pcg64);

impl Chance {
    pub fn seeded(seed: u64) -> Self {
        Self(Pcg64::seed_from_u64(seed))
    }

    /// Uniform in 0..1, with 53 random bits.
    pub fn fraction(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn happens(&mut self, probability: f64) -> bool {
        self.fraction() < probability
    }

    /// Uniform in 0..n, by multiplication (the bias of at most n / 2^64 does not matter here).
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }

    /// Fisher and Yates' shuffle.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_on_every_machine() {
        let mut chance = Chance::seeded(1);
        let drawn: Vec<_> = (0..8).map(|_| chance.below(100)).collect();
        assert_eq!(drawn, [83, 1, 11, 98, 88, 47, 18, 38]);
    }

    #[test]
    fn a_shuffle_gives_every_order_about_as_often() {
        let mut chance = Chance::seeded(2);
        let mut seen = std::collections::BTreeMap::new();
        for _ in 0..6_000 {
            let mut items = [0, 1, 2];
            chance.shuffle(&mut items);
            *seen.entry(items).or_insert(0) += 1;
        }
        assert_eq!(seen.len(), 6);
        assert!(seen.values().all(|times| (850..1_150).contains(times)), "{seen:?}");
    }
}
