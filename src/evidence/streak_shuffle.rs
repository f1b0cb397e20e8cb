//! Shuffles of binary outcomes that keep their streaks: is something more regular than streaks and chance make it?
//!
//! If one outcome depends on the one before and on nothing else (a two-state Markov chain), then its first value and the
//! number of its runs are all that its two rates can be told from, so every sequence with the same first value, the same
//! counts and the same number of runs is equally likely: an exact test, whatever the rates. Such sequences are drawn by
//! cutting the good and the bad outcomes into as many runs as there were, all cuts alike.
//!
//! Alternation is a chain too, one with opposite neighbours, and would pass for chance. So a sequence must also stand out
//! from plain shuffles, and is held against its streaks only where it has more of them than chance.

use super::chance::Chance;

/// The smallest p-value is 1/5000.
pub const SHUFFLES: u32 = 4_999;

/// How often outcomes shuffled either way reach the statistic of the outcomes themselves; no more shuffles are made than it
/// takes to see that the result is not below `below` (Besag and Clifford 1991).
pub fn p_value(outcomes: &[bool], below: f64, statistic: impl Fn(&[bool]) -> f64) -> f64 {
    let seen = statistic(outcomes);
    let mut chance = Chance::seeded(outcomes.len() as u64);
    let mut shuffled = outcomes.to_vec();
    let plain = share(SHUFFLES, below, || {
        chance.shuffle(&mut shuffled);
        statistic(&shuffled) >= seen - 1e-12
    });
    let runs = Runs::of(outcomes);
    if plain >= below || !runs.fewer_than_chance(outcomes.len()) {
        return plain;
    }
    let streaky = share(SHUFFLES, below, || {
        runs.deal(&mut chance, &mut shuffled);
        statistic(&shuffled) >= seen - 1e-12
    });
    plain.max(streaky)
}

/// How often one of so many shuffles is as extreme, or fewer where that shows soon.
pub fn share(shuffles: u32, below: f64, mut is_as_extreme: impl FnMut() -> bool) -> f64 {
    let enough = (below * f64::from(1 + shuffles)).ceil() as u32;
    let mut as_extreme = 0;
    for made in 1..=shuffles {
        as_extreme += u32::from(is_as_extreme());
        if as_extreme >= enough {
            return f64::from(as_extreme) / f64::from(made);
        }
    }
    f64::from(1 + as_extreme) / f64::from(1 + shuffles)
}

/// What shuffles keep.
pub struct Runs {
    first: bool,
    /// How many outcomes and how many runs, of good ones and of bad ones.
    counts: [(usize, usize); 2],
}

impl Runs {
    pub fn of(outcomes: &[bool]) -> Self {
        let mut counts = [(0, 0); 2];
        for run in outcomes.chunk_by(|a, b| a == b) {
            let count = &mut counts[usize::from(run[0])];
            *count = (count.0 + run.len(), count.1 + 1);
        }
        Self { first: outcomes.first().copied().unwrap_or_default(), counts }
    }

    pub fn fewer_than_chance(&self, n: usize) -> bool {
        let [(good, good_runs), (bad, bad_runs)] = self.counts;
        let expected = 1.0 + 2.0 * good as f64 * bad as f64 / n as f64;
        ((good_runs + bad_runs) as f64) < expected
    }

    pub fn deal(&self, chance: &mut Chance, into: &mut Vec<bool>) {
        let mut lengths = self.counts.map(|(n, runs)| cut(n, runs, chance).into_iter());
        into.clear();
        let mut of = self.first;
        while let Some(length) = lengths[usize::from(of)].next() {
            into.extend(std::iter::repeat_n(of, length));
            of = !of;
        }
    }
}

/// `n` things in `parts` runs of at least one, every way alike.
fn cut(n: usize, parts: usize, chance: &mut Chance) -> Vec<usize> {
    if parts == 0 {
        return Vec::new();
    }
    let mut places: Vec<usize> = (1..n).collect();
    chance.shuffle(&mut places);
    places.truncate(parts - 1);
    places.extend([0, n]);
    places.sort_unstable();
    places.windows(2).map(|ends| ends[1] - ends[0]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deal_keeps_counts_runs_and_the_first_outcome() {
        let outcomes: Vec<bool> = (0..50).map(|i| i % 7 < 3 || i % 11 == 0).collect();
        let runs = Runs::of(&outcomes);
        let mut chance = Chance::seeded(4);
        let mut dealt = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..100 {
            runs.deal(&mut chance, &mut dealt);
            let again = Runs::of(&dealt);
            assert_eq!((again.first, again.counts), (runs.first, runs.counts));
            seen.insert(dealt.clone());
        }
        assert!(seen.len() > 90);
    }

    /// Of 4 things there are three ways to make two runs.
    #[test]
    fn cuts_are_equally_likely() {
        let mut chance = Chance::seeded(8);
        let mut counts = [0u32; 4];
        for _ in 0..3_000 {
            counts[cut(4, 2, &mut chance)[0]] += 1;
        }
        assert!(counts[0] == 0 && counts[1..].iter().all(|count| (900..1_100).contains(count)), "{counts:?}");
    }

    #[test]
    fn what_only_streaks_make_is_not_extreme() {
        let ends_meet = |outcomes: &[bool]| outcomes.windows(2).filter(|pair| pair[0] == pair[1]).count() as f64;
        let outcomes: Vec<bool> = (0..60).map(|i| i / 6 % 2 == 0).collect();
        assert_eq!(p_value(&outcomes, 0.05, ends_meet), 1.0);
    }
}
