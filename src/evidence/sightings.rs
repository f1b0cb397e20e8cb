//! How often something was seen: in cycles, and in boots, which are what is independent.

use super::finding::{NamedCycles, Unit};

/// The cycles and the boots in which something was seen.
#[derive(Clone, Debug, Default)]
pub struct Sightings {
    pub cycles: u64,
    pub boots: u64,
    pub at: NamedCycles,
    seen_in: FirstOfBoot,
}

impl Sightings {
    pub fn add(&mut self, boot: usize, cycle: u32) {
        let is_first = self.seen_in.is_first(boot);
        self.add_one(is_first, cycle);
    }

    /// For what counts in a boot only if it came before all others of its kind.
    pub fn add_one(&mut self, is_first_of_boot: bool, cycle: u32) {
        self.cycles += 1;
        self.boots += u64::from(is_first_of_boot);
        self.at.add(cycle);
    }

    pub fn count(&self, unit: Unit) -> u64 {
        if unit == Unit::Boot { self.boots } else { self.cycles }
    }
}

/// Tells what comes first in a boot from what comes later in it and may suffer from the first.
#[derive(Clone, Copy, Debug, Default)]
pub struct FirstOfBoot(Option<usize>);

impl FirstOfBoot {
    pub fn is_first(&mut self, boot: usize) -> bool {
        self.0.replace(boot) != Some(boot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_counts_once_and_names_each_cycle_once() {
        let mut seen = Sightings::default();
        for (boot, cycle) in [(0, 1), (0, 2), (0, 2), (3, 9)] {
            seen.add(boot, cycle);
        }
        assert_eq!((seen.count(Unit::Boot), seen.count(Unit::Cycle)), (2, 4));
        assert_eq!(seen.at.iter().collect::<Vec<_>>(), [1, 2, 9]);
    }

    #[test]
    fn the_first_of_a_boot_is_the_first_alone() {
        let mut boots = FirstOfBoot::default();
        assert_eq!([4, 4, 5, 4].map(|boot| boots.is_first(boot)), [true, false, true, true]);
    }
}
