//! Does a clock that knows nothing of boots decide what fails? Moments are folded by each of many periods, and the failures
//! should fall into one arc of the period that holds little else.
//!
//! How unlikely an arc is by chance is the hypergeometric tail of its failures among all its moments; moments may lie apart, so an arc is
//! taken to hold at least half of what its width would. The least of these tails over all arcs and periods is judged by
//! exchanging whole boots, each with its length, its moments and its failures, and setting the clock anew: a boot that lasts
//! longer because it fails, failures at a fixed time after the start, worse first cycles and rhythms within a boot stay as
//! they are, and only what ties boots to the time of day is lost. Boots in streaks are exchanged within their streaks as well
//! (`streak_shuffle.rs`).

use super::chance::Chance;
use super::every_nth;
use super::spectrum::Period;
use super::streak_shuffle::{Runs, share};

/// The smallest p-value is 1/500.
const SHUFFLES: u32 = 499;
const LEAST_MARKS: usize = 4;
/// A period shows itself by returning at least so often.
const LEAST_RETURNS: f64 = 4.0;
/// A clock that strikes in fewer than one of so many turns is not looked for.
const MOST_TURNS_PER_MARK: f64 = 3.0;
/// Neighbouring periods differ by so much of a turn over the whole campaign.
const STEPS_PER_TURN: f64 = 6.0;

/// One boot, from its start to that of the next, in seconds since its start.
#[derive(Clone, Debug, Default)]
pub struct Stretch {
    pub length: f64,
    pub bad: bool,
    /// Where it failed.
    pub marks: Vec<f64>,
    /// Where it could have failed and did not.
    pub others: Vec<f64>,
}

/// The period of at least `shortest` seconds that failures keep to most, of those that `counts` lets count, if it is significant.
pub fn strongest(stretches: &[Stretch], shortest: f64, counts: impl Fn(f64) -> bool, below: f64) -> Option<Period> {
    let folding = Folding::of(stretches, shortest, counts)?;
    let (mut moments, mut order) = (Moments::default(), (0..stretches.len()).collect::<Vec<_>>());
    moments.lay(stretches, &order);
    let (frequency, seen) = folding.below(&moments, 1.0, false)?;
    let level = seen * (1.0 + 1e-9);
    let bad: Vec<bool> = stretches.iter().map(|stretch| stretch.bad).collect();
    let mut chance = Chance::seeded(stretches.len() as u64);
    let mut is_as_extreme = |order: &[usize]| {
        moments.lay(stretches, order);
        folding.below(&moments, level, true).is_some()
    };
    let mut p = share(SHUFFLES, below, || {
        chance.shuffle(&mut order);
        is_as_extreme(&order)
    });
    let runs = Runs::of(&bad);
    if p < below && runs.fewer_than_chance(bad.len()) {
        let mut dealt = Vec::with_capacity(bad.len());
        let streaky = share(SHUFFLES, below, || {
            chance.shuffle(&mut order);
            runs.deal(&mut chance, &mut dealt);
            is_as_extreme(&in_streaks(&order, &bad, &dealt))
        });
        p = p.max(streaky);
    }
    (p < below).then_some(Period { length: 1.0 / frequency, p })
}

/// The boots in this order, but each good or bad as was dealt.
fn in_streaks(order: &[usize], bad: &[bool], dealt: &[bool]) -> Vec<usize> {
    let of = |kind: bool| order.iter().copied().filter(move |place| bad[*place] == kind);
    let (mut good, mut ill) = (of(false), of(true));
    dealt.iter().filter_map(|kind| if *kind { ill.next() } else { good.next() }).collect()
}

/// When it failed and when it did not, on one clock.
#[derive(Default)]
struct Moments {
    marks: Vec<f64>,
    others: Vec<f64>,
}

impl Moments {
    fn lay(&mut self, stretches: &[Stretch], order: &[usize]) {
        self.marks.clear();
        self.others.clear();
        let mut at = 0.0;
        for stretch in order.iter().map(|place| &stretches[*place]) {
            self.marks.extend(stretch.marks.iter().map(|since| at + since));
            self.others.extend(stretch.others.iter().map(|since| at + since));
            at += stretch.length;
        }
    }
}

/// The periods to fold by, and for each number of moments in an arc the chances of at least so many failures there.
struct Folding {
    frequencies: Vec<f64>,
    chances: Vec<Vec<f64>>,
}

impl Folding {
    fn of(stretches: &[Stretch], shortest: f64, counts: impl Fn(f64) -> bool) -> Option<Self> {
        let marks = stretches.iter().map(|stretch| stretch.marks.len()).sum::<usize>();
        let others = stretches.iter().map(|stretch| stretch.others.len()).sum::<usize>();
        let span = stretches.iter().map(|stretch| stretch.length).sum::<f64>();
        if marks < LEAST_MARKS || others < marks || shortest <= 0.0 {
            return None;
        }
        let turns = (MOST_TURNS_PER_MARK * marks as f64).min(span / shortest);
        let steps = (LEAST_RETURNS * STEPS_PER_TURN) as u32..=(turns * STEPS_PER_TURN) as u32;
        let frequencies = steps.map(|step| f64::from(step) / (STEPS_PER_TURN * span));
        let frequencies = frequencies.filter(|frequency| counts(1.0 / frequency)).collect();
        let all = marks + others;
        let chances = (0..=all).map(|drawn| every_nth::at_least(all, marks, drawn)).collect();
        Some(Self { frequencies, chances })
    }

    /// The frequency with an arc less likely than `chance`, and how likely that arc is: the first that is met, or the best.
    fn below(&self, moments: &Moments, chance: f64, any: bool) -> Option<(f64, f64)> {
        let mut best = None;
        let mut least = chance;
        for frequency in &self.frequencies {
            if let Some(arc) = self.arc_below(moments, *frequency, least) {
                least = arc;
                best = Some((*frequency, arc));
                if any {
                    break;
                }
            }
        }
        best
    }

    /// The least likely arc of this frequency, if it is less likely than `chance`. What else lies in the arcs is counted only
    /// where their width does not settle it.
    fn arc_below(&self, moments: &Moments, frequency: f64, chance: f64) -> Option<f64> {
        let mut phases: Vec<f64> = moments.marks.iter().map(|at| (at * frequency).fract()).collect();
        phases.sort_unstable_by(f64::total_cmp);
        let (n, others) = (phases.len(), moments.others.len());
        let fewest = (2..=n).find(|met| self.chances[*met][*met] < chance)?;
        let (mut least, mut between) = (chance, None);
        for met in fewest..=n {
            for from in 0..n {
                let to = from + met - 1;
                let width = if to < n { phases[to] - phases[from] } else { phases[to - n] + 1.0 - phases[from] };
                let by_width = (0.5 * width * others as f64) as usize;
                if width > 0.5 || self.chances[met + by_width][met] >= least {
                    continue;
                }
                let between = between.get_or_insert_with(|| count_between(&phases, &moments.others, frequency));
                let inside: usize = (from + 1..=to).map(|mark| between[mark % n]).sum();
                least = least.min(self.chances[met + inside.max(by_width)][met]);
            }
        }
        (least < chance).then_some(least)
    }
}

/// How many other moments lie before each mark and after the one before it; the circle is closed.
fn count_between(phases: &[f64], others: &[f64], frequency: f64) -> Vec<usize> {
    let mut between = vec![0; phases.len()];
    for at in others {
        let phase = (at * frequency).fract();
        between[phases.partition_point(|mark| *mark < phase) % phases.len()] += 1;
    }
    between
}

#[cfg(test)]
mod tests {
    use super::*;

    const BELOW: f64 = 0.02;

    /// Boots that last 1.5 s, and 12 s if they are bad; `bad` knows when a boot begins.
    fn boots(n: usize, chance: &mut Chance, mut bad: impl FnMut(f64, &mut Chance) -> bool) -> Vec<Stretch> {
        let mut at = 1.0;
        let boot = |_| {
            let bad = bad(at, chance);
            let length = if bad { 12.0 } else { 1.5 } + 0.05 * chance.fraction();
            at += length;
            let (marks, others) = if bad { (vec![0.0], vec![]) } else { (vec![], vec![0.0]) };
            Stretch { length, bad, marks, others }
        };
        (0..n).map(boot).collect()
    }

    fn is_found(stretches: &[Stretch], below: f64) -> bool {
        strongest(stretches, 3.0, |_| true, below).is_some()
    }

    #[test]
    fn boots_that_fail_by_a_clock_are_found_with_its_period() {
        let by_clock = boots(50, &mut Chance::seeded(1), |at, _| at % 19.0 < 3.0);
        let period = strongest(&by_clock, 3.0, |_| true, 0.006).unwrap();
        assert!((period.length - 19.0).abs() < 0.5, "{period:?}");
    }

    /// All six marks of 24 moments, and nothing else, in one arc: one of C(24, 6) = 134596 ways.
    #[test]
    fn the_chance_of_an_arc_is_hypergeometric() {
        let stretch = |place: u32| {
            let bad = place.is_multiple_of(4);
            let (marks, others) = if bad { (vec![0.0], vec![]) } else { (vec![], vec![0.0]) };
            Stretch { length: 1.0, bad, marks, others }
        };
        let stretches: Vec<_> = (0..24).map(stretch).collect();
        let folding = Folding::of(&stretches, 2.0, |_| true).unwrap();
        let mut moments = Moments::default();
        moments.lay(&stretches, &(0..24).collect::<Vec<_>>());
        let arc = folding.arc_below(&moments, 0.25, 1.0).unwrap();
        assert!((arc * 134_596.0 - 1.0).abs() < 1e-9, "{arc}");
    }

    #[test]
    fn chance_streaks_and_creeping_keep_the_level() {
        let mut chance = Chance::seeded(5);
        let (mut alarms, campaigns) = (0, 40);
        for _ in 0..campaigns {
            alarms += u32::from(is_found(&boots(30, &mut chance, |_, chance| chance.happens(0.25)), BELOW));
            let mut state = false;
            let streaky = boots(30, &mut chance, |_, chance| {
                if chance.happens(0.4) {
                    state = chance.happens(0.3);
                }
                state
            });
            alarms += u32::from(is_found(&streaky, BELOW));
            let mut warmth = 0.0;
            let creeping = boots(30, &mut chance, |_, chance| {
                warmth = 0.9 * warmth + (chance.fraction() - 0.5) * 1.5;
                chance.happens(1.0 / (1.0 + (1.5 - 2.0 * warmth).exp()))
            });
            alarms += u32::from(is_found(&creeping, BELOW));
        }
        // 2.4 are expected of 120 at the most; 8 would be met by chance less than once in two hundred times.
        assert!(alarms <= 7, "{alarms}");
    }

    /// Boots of 6 s and a pause; `fails` says where, since their start.
    fn within(n: usize, chance: &mut Chance, fails: impl Fn(f64, usize, &mut Chance) -> Vec<f64>) -> Vec<Stretch> {
        let mut at = 1.0;
        let boot = |boot| {
            let length = 7.0 + 0.05 * chance.fraction();
            let marks = fails(at, boot, chance);
            at += length;
            let others = (0..8).map(|part| 0.75 * (f64::from(part) + 0.5)).collect();
            Stretch { length, bad: !marks.is_empty(), marks, others }
        };
        (0..n).map(boot).collect()
    }

    #[test]
    fn failures_within_boots_by_a_clock_are_found() {
        let by_clock = within(10, &mut Chance::seeded(2), |at, _, _| {
            let first = (at / 4.4).ceil() * 4.4 - at;
            [first, first + 4.4].into_iter().filter(|since| *since < 6.0).collect()
        });
        let period = strongest(&by_clock, 0.5, |_| true, 0.006).unwrap();
        assert!((period.length - 4.4).abs() < 0.1, "{period:?}");
    }

    #[test]
    fn what_is_fixed_in_a_boot_is_no_clock() {
        let mut chance = Chance::seeded(3);
        let mut alarms = 0;
        for campaign in 0..20 {
            let spread = f64::from(campaign % 3) * 0.02;
            let fixed = within(10, &mut chance, |_, _, chance| vec![2.4 * (1.0 + spread * chance.fraction())]);
            alarms += u32::from(is_found(&fixed, BELOW));
            let rhythm = within(10, &mut chance, |_, _, _| vec![1.1, 2.2, 3.3]);
            alarms += u32::from(is_found(&rhythm, BELOW));
            let anywhere = within(10, &mut chance, |_, _, chance| vec![6.0 * chance.fraction()]);
            alarms += u32::from(is_found(&anywhere, BELOW));
        }
        // 1.2 are expected of 60 at the most; 6 would be met by chance less than once in two hundred times.
        assert!(alarms <= 5, "{alarms}");
    }
}
