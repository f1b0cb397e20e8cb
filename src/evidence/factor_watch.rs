//! What may be said of factors at any look: one e-value per factor, fed boot by boot at constant cost.

use std::collections::{BTreeMap, VecDeque};

use super::confidence_sequence::{self, ALPHA};
use super::e_value::EqualRates;
use super::exact_test::Count;
use super::finding::{Finding, NamedCycles, Unit};
use super::multiplicity::e_benjamini_hochberg;

/// A factor with more levels is a measurement, and outcomes that wait longer for a partner are dropped.
const MOST_LEVELS: usize = 12;
const MOST_WAITING: usize = 64;

#[derive(Clone, Debug, Default)]
pub struct FactorWatch {
    factors: BTreeMap<String, Watched>,
}

/// Outcomes wait until every level has one; together they make a block.
#[derive(Clone, Debug)]
struct Watched {
    levels: Vec<String>,
    waiting: Vec<VecDeque<bool>>,
    rates: EqualRates,
    boots: u64,
    /// Of each level.
    counts: Vec<Count>,
    /// The first failed cycles.
    at: NamedCycles,
}

impl FactorWatch {
    /// A boot is over, in which cycles ran under these levels; of each its first failed cycle.
    pub fn settle<'a>(&mut self, factor: &str, levels: impl IntoIterator<Item = (&'a str, Option<u32>)>) {
        let watched = self.factors.entry(factor.to_owned()).or_insert_with(|| Watched {
            levels: Vec::new(),
            waiting: Vec::new(),
            rates: EqualRates::of_arms(0),
            boots: 0,
            counts: Vec::new(),
            at: NamedCycles::default(),
        });
        let mut counts = false;
        for (level, failed_at) in levels {
            counts |= watched.settle(level, failed_at);
        }
        watched.boots += u64::from(counts);
    }

    /// Factors whose e-value stands out among all; e-BH allows for factors that share their levels.
    pub fn findings(&self) -> Vec<Finding> {
        let compared: Vec<_> = self.factors.iter().filter(|(_, watched)| watched.levels.len() > 1).collect();
        let e_values: Vec<f64> = compared.iter().map(|(_, watched)| watched.rates.e_value()).collect();
        let alarms = e_benjamini_hochberg(&e_values, ALPHA);
        let reported = compared.iter().zip(e_values).zip(alarms).filter(|(_, alarm)| *alarm);
        reported
            .map(|(((factor, watched), e), _)| {
                let text = format!(
                    "{factor} matters: the failure rates of its levels differ ({}).",
                    watched.levels.join(", ")
                );
                let (difference, interval) = watched.difference();
                Finding::new("factor-matters", text, watched.boots, Unit::Boot)
                    .of_size(difference, Some(interval), "difference of shares of boots")
                    .by(
                        format!(
                            "sequential test of equal rates (Turner, Ly and Grunwald), e = {e:.0}, e-BH; {}, for all levels at once",
                            confidence_sequence::METHOD
                        ),
                        (e - 1.0) / (e + 1.0),
                    )
                    .seen_at(watched.at.iter())
            })
            .collect()
    }
}

impl Watched {
    /// The worst level less the best. Each level has its part of the permitted error, so the interval holds whichever are compared.
    fn difference(&self) -> (f64, (f64, f64)) {
        let by_share = |a: &&Count, b: &&Count| a.share().total_cmp(&b.share());
        let alpha = ALPHA / self.counts.len() as f64;
        let ends = |count: &Count| confidence_sequence::interval(count.failed as f64, count.n as f64, alpha);
        let extremes = self.counts.iter().max_by(by_share).zip(self.counts.iter().min_by(by_share));
        extremes.map_or((0.0, (-1.0, 1.0)), |(worst, best)| {
            let ((low, high), (least, most)) = (ends(worst), ends(best));
            (worst.share() - best.share(), (low - most, high - least))
        })
    }

    /// Whether this level is one of those that are watched.
    fn settle(&mut self, level: &str, failed_at: Option<u32>) -> bool {
        let failed = failed_at.is_some();
        let place = match self.levels.iter().position(|known| known == level) {
            Some(place) => place,
            None if self.levels.len() >= MOST_LEVELS => return false,
            None => {
                self.levels.push(level.to_owned());
                self.waiting.push(VecDeque::new());
                self.counts.push(Count { failed: 0, n: 0 });
                self.rates.add_arm();
                self.levels.len() - 1
            }
        };
        self.counts[place].n += 1;
        self.counts[place].failed += u64::from(failed);
        failed_at.into_iter().for_each(|cycle| self.at.add(cycle));
        if self.waiting[place].len() < MOST_WAITING {
            self.waiting[place].push_back(failed);
        }
        if self.levels.len() > 1 && self.waiting.iter().all(|queue| !queue.is_empty()) {
            let block: Vec<bool> = self.waiting.iter_mut().filter_map(VecDeque::pop_front).collect();
            self.rates.add_block(&block);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(watch: &mut FactorWatch, level: &str, failed: bool) {
        watch.settle("port", [(level, failed.then_some(1))]);
    }

    #[test]
    fn a_port_that_always_fails_is_seen_after_a_few_boots_and_a_level_that_joins_late_is_let_in() {
        let mut watch = FactorWatch::default();
        for _ in 0..12 {
            settle(&mut watch, "1-4", true);
            settle(&mut watch, "3-1", false);
        }
        assert_eq!(watch.findings().len(), 1);
        settle(&mut watch, "3-2", false);
        assert_eq!(watch.findings()[0].text, "port matters: the failure rates of its levels differ (1-4, 3-1, 3-2).");
    }

    #[test]
    fn a_boot_that_met_two_levels_is_one_boot() {
        let mut watch = FactorWatch::default();
        for boot in 0..40 {
            watch.settle("transfer-size", [("2048", Some(boot)), ("64", None)]);
        }
        assert_eq!((watch.findings()[0].n, watch.findings()[0].unit), (40, Unit::Boot));
    }

    #[test]
    fn equal_ports_raise_no_alarm() {
        let mut watch = FactorWatch::default();
        for boot in 0..200 {
            settle(&mut watch, if boot % 2 == 0 { "1-4" } else { "3-1" }, boot % 3 == 0);
        }
        assert!(watch.findings().is_empty());
    }
}
