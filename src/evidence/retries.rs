//! Do hidden retries keep to some boots, or to some lengths? A wire that flips bits does so in every boot alike and spares
//! no packet; what is chosen at start, or follows the temperature, differs by boot, and a gap that is missed needs a packet before it.
//!
//! By boot, the index of dispersion (Fisher 1950): the sum of squared deviations of late transfers per boot from their common
//! share, over what chance would make it, is chi-square with one degree of freedom less than boots.

use super::confidence_sequence::{self, ALPHA};
use super::finding::{Finding, NamedCycles, Unit};
use super::independent_sum::normal_cdf;
use super::jackknife;
use super::weight;
use super::where_in_cycle::at_least;
use crate::observation::step::{Outcome, StepRecord};

/// Fewer boots or retries show no difference.
const LEAST_BOOTS: usize = 8;
const LEAST_LATE: u64 = 20;
/// Retries come in small groups even on a steady wire; less dispersion than this is no news.
const LEAST_DISPERSION: f64 = 4.0;

#[derive(Clone, Debug, Default)]
pub struct RetriesByBoot {
    /// Late transfers, and all.
    boots: Vec<(u32, u32)>,
    last: Option<usize>,
    at: NamedCycles,
}

impl RetriesByBoot {
    pub fn add(&mut self, boot: usize, late: u64, all: u64, cycle: u32) {
        if self.last != Some(boot) {
            self.last = Some(boot);
            self.boots.push((0, 0));
        }
        if let Some((late_sum, all_sum)) = self.boots.last_mut() {
            *late_sum = late_sum.saturating_add(u32::try_from(late).unwrap_or(u32::MAX));
            *all_sum = all_sum.saturating_add(u32::try_from(all).unwrap_or(u32::MAX));
        }
        if late > 0 {
            self.at.add(cycle);
        }
    }

    /// Whether more of their transfers came late than of all together, boot by boot; boots without a transfer are left out.
    pub fn above_their_share(&self) -> Vec<bool> {
        let (late, all) =
            self.boots.iter().fold((0, 0), |(late, all), boot| (late + u64::from(boot.0), all + u64::from(boot.1)));
        let is_above = |boot: &(u32, u32)| u64::from(boot.0) * all > late * u64::from(boot.1);
        self.boots.iter().filter(|(_, all)| *all > 0).map(is_above).collect()
    }

    /// Boots without a transfer say nothing.
    pub fn finding(&self) -> Option<Finding> {
        let boots: Vec<(u32, u32)> = self.boots.iter().copied().filter(|(_, all)| *all > 0).collect();
        let late: u64 = boots.iter().map(|(late, _)| u64::from(*late)).sum();
        let all: u64 = boots.iter().map(|(_, all)| u64::from(*all)).sum();
        if boots.len() < LEAST_BOOTS || late < LEAST_LATE {
            return None;
        }
        let share = late as f64 / all as f64;
        let free = (boots.len() - 1) as f64;
        let dispersion = dispersion_of(&boots)?;
        let p = chi_square_tail(dispersion * free, free);
        if dispersion < LEAST_DISPERSION || p >= weight::REPORTED_BELOW {
            return None;
        }
        let stretches: Vec<_> = jackknife::stretches(boots.len(), 1, |_| true).collect();
        let interval = jackknife::over(&boots, &stretches, dispersion_of).map(|found| found.interval());
        let interval = interval.map(|(low, high)| (low.max(0.0), high));
        let none = boots.iter().filter(|(late, _)| *late == 0).count();
        let shares = || boots.iter().map(|(late, all)| f64::from(*late) / f64::from(*all));
        let (least, most) = (shares().fold(1.0, f64::min), shares().fold(0.0, f64::max));
        let text = format!(
            "Hidden retries are more in some boots than in others: {:.1} % of all transfers came late, and from {:.1} to {:.0} % of those of a boot ({none} of {} had none).",
            100.0 * share,
            100.0 * least,
            100.0 * most,
            Unit::Boot.count(boots.len() as u64)
        );
        Some(
            Finding::new("retries-differ-by-boot", text, boots.len() as u64, Unit::Boot)
                .of_size(dispersion, interval, "times the scatter of chance")
                .by(
                    format!("index of dispersion, p = {p:.2e}; {}; inferred from latency", jackknife::METHOD),
                    weight::of_p_value(p),
                )
                .seen_at(self.at.iter()),
        )
    }
}

/// The scatter of late transfers over boots, in terms of that which equal shares would make.
fn dispersion_of(boots: &[(u32, u32)]) -> Option<f64> {
    let sum = |of: fn(&(u32, u32)) -> u32| boots.iter().map(|boot| u64::from(of(boot))).sum::<u64>() as f64;
    let share = sum(|(late, _)| *late) / sum(|(_, all)| *all);
    let excess = |(late, all): &(u32, u32)| {
        let expected = f64::from(*all) * share;
        (f64::from(*late) - expected).powi(2) / expected
    };
    let dispersion = boots.iter().map(excess).sum::<f64>() / (boots.len() as f64 - 1.0);
    dispersion.is_finite().then_some(dispersion)
}

/// Retries of steps that send single packets only, and of all others.
#[derive(Clone, Debug, Default)]
pub struct RetriesByLength {
    short: Exposed,
    long: Exposed,
    /// The first cycles with late transfers.
    at: NamedCycles,
}

#[derive(Clone, Copy, Debug, Default)]
struct Exposed {
    /// Steps with late transfers. Retries come in groups, so the transfers themselves are no independent sightings.
    late_steps: u64,
    packets: u64,
    bytes: u64,
}

impl RetriesByLength {
    /// Set-up, data and status stage of each transfer.
    const PACKETS: u64 = 3;
    const OVERHEAD_BYTES: u64 = 8;
    const PACKET_BYTES: u64 = 64;

    pub fn add(&mut self, step: &StepRecord, cycle: u32) {
        let (count, bytes) = (u64::from(step.summary.count), step.summary.bytes);
        if step.outcome != Outcome::Done || count == 0 {
            return;
        }
        if step.summary.inferred_retries > 0 {
            self.at.add(cycle);
        }
        let part = if bytes <= count * Self::PACKET_BYTES / 2 { &mut self.short } else { &mut self.long };
        let packets = count * Self::PACKETS + bytes / Self::PACKET_BYTES;
        part.late_steps += u64::from(step.summary.inferred_retries > 0);
        part.packets += packets;
        part.bytes += bytes + packets * Self::OVERHEAD_BYTES;
    }

    /// None or hardly any late among the short ones, although a wire would have spoilt some of them too.
    pub fn finding(&self) -> Option<Finding> {
        let late = self.short.late_steps + self.long.late_steps;
        let share = |of: fn(&Exposed) -> u64| of(&self.short) as f64 / (of(&self.short) + of(&self.long)).max(1) as f64;
        let expected = share(|part| part.packets).min(share(|part| part.bytes));
        let p = 1.0 - at_least(self.short.late_steps + 1, late, expected);
        if late < LEAST_LATE || expected <= 0.0 || p >= weight::REPORTED_BELOW {
            return None;
        }
        let text = format!(
            "Hidden retries spare short transfers: {} of {late} steps that had any send single packets, where their share of what was sent would make it {:.0}.",
            self.short.late_steps,
            expected * late as f64
        );
        let (low, high) = confidence_sequence::interval(self.short.late_steps as f64, late as f64, ALPHA);
        let times = self.short.late_steps as f64 / (expected * late as f64);
        Some(
            Finding::new("retries-spare-short-transfers", text, late, Unit::Step)
                .of_size(times, Some((low / expected, high / expected)), "times what was expected")
                .by(
                    format!("binomial test, p = {p:.2e}, {}; inferred from latency", confidence_sequence::METHOD),
                    weight::of_p_value(p),
                )
                .seen_at(self.at.iter()),
        )
    }
}

/// The upper tail of chi-square by Wilson and Hilferty (1931): good to 0.001 from eight degrees of freedom on.
fn chi_square_tail(value: f64, free: f64) -> f64 {
    let spread = 2.0 / (9.0 * free);
    normal_cdf(-((value / free).cbrt() - (1.0 - spread)) / spread.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::chance::Chance;
    use crate::evidence::synthetic::cycle;
    use crate::observation::step::Phase;

    fn found(rate: impl Fn(usize, f64) -> f64) -> Option<Finding> {
        let mut chance = Chance::seeded(71);
        let mut retries = RetriesByBoot::default();
        for boot in 0..40 {
            let rate = rate(boot, chance.fraction());
            let late = (0..120).filter(|_| chance.happens(rate)).count();
            retries.add(boot, late as u64, 120, boot as u32 + 1);
        }
        retries.finding()
    }

    /// Tables of chi-square: 15.507 at 8, 55.758 at 40 and 124.342 at 100 degrees of freedom cut off 5 %.
    #[test]
    fn tails_agree_with_the_published_table() {
        for (value, free) in [(15.507, 8.0), (55.758, 40.0), (124.342, 100.0)] {
            assert!((chi_square_tail(value, free) - 0.05).abs() < 1e-3, "{free}: {}", chi_square_tail(value, free));
        }
    }

    #[test]
    fn a_steady_wire_is_alike_in_all_boots() {
        assert!(found(|_, _| 0.05).is_none());
    }

    fn by_length(short_late: u32, long_late: u32) -> Option<Finding> {
        let mut retries = RetriesByLength::default();
        for number in 1..=40 {
            let mut cycle = cycle(number, 1);
            for step in &mut cycle.steps {
                match step.phase {
                    Phase::Status => step.summary.inferred_retries = u32::from(number <= short_late),
                    Phase::Read => step.summary.inferred_retries = u32::from(number <= long_late),
                    _ => {}
                }
                retries.add(step, 1);
            }
        }
        retries.finding()
    }

    #[test]
    fn a_wire_spoils_short_transfers_too() {
        assert!(by_length(5, 40).is_none());
    }

    #[test]
    fn retries_of_long_transfers_alone_need_another_reason_than_the_wire() {
        let mut many = RetriesByLength::default();
        for number in 1..=400 {
            let mut cycle = cycle(number, 1);
            cycle.steps.iter_mut().for_each(|step| {
                step.summary.inferred_retries = u32::from(step.phase == Phase::Read);
                many.add(step, 1);
            });
        }
        assert!(many.finding().is_some());
    }

    #[test]
    fn retries_that_keep_to_some_boots_are_found() {
        let finding = found(|boot, _| if boot % 4 == 0 { 0.4 } else { 0.002 }).unwrap();
        assert!(finding.text.starts_with("Hidden retries are more in some boots than in others: "), "{}", finding.text);
        assert!(finding.weight > 0.99);
    }
}
