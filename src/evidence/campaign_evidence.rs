//! The evidence of a campaign: folds events at constant cost and tells rates, latencies and findings.
//!
//! Two clocks of statistics. What is shown while cycles run (`rates`, `live_findings`) is valid under a look at every
//! cycle and costs the same after a million cycles as after a hundred. Exact and permutation tests on boots come on top
//! in `verdict_findings`.

use super::arms::{Arms, BOOT_KIND};
use super::arrival;
use super::boot_log::{BootLog, BootSums};
use super::clock_looks::ClockLooks;
use super::confidence_sequence::{self, ALPHA};
use super::covariates::Covariates;
use super::experiment::{Baseline, Counts};
use super::factors;
use super::finding::{Finding, Unit};
use super::kinds_of_failure::KindsOfFailure;
use super::latency_before::LatencyBefore;
use super::latency_sketch::LatencySketch;
use super::loss;
use super::multiplicity::{Candidate, told_together};
use super::over_boots;
use super::over_time::OverTime;
use super::periods::Periods;
use super::place::Place;
use super::rate::{Rate, StepLatency};
use super::requests::Requests;
use super::same_point;
use super::speed_curve::SpeedCurve;
use super::time_in_boot;
use super::transfer_count::TransferCount;
use super::transfers::Transfers;
use super::trial::Trial;
use super::where_in_cycle::WhereInCycle;
use super::wire_damage::WireDamage;
use crate::observation::boot::BootKind;
use crate::observation::cycle::Cycle;
use crate::observation::event::{Event, EventKind};
use crate::observation::step::{Outcome, Phase};

/// Fewer sessions of a report are read by rules, not by statistics.
const SESSIONS_THAT_SPEAK: u64 = 5;

#[derive(Clone, Debug, Default)]
pub struct CampaignEvidence {
    boots: BootLog,
    arms: Arms,
    kinds: KindsOfFailure,
    steps: WhereInCycle,
    damage: WireDamage,
    transfers: Transfers,
    requests: Requests,
    counts: TransferCount,
    place: Place,
    course: OverTime,
    periods: Periods,
    covariates: Covariates,
    latency_before: LatencyBefore,
    speeds: SpeedCurve,
    clocks: ClockLooks,
    last_boot: usize,
    last_cycle: u32,
    /// In the order of the recipe.
    latencies: Vec<(Phase, LatencySketch)>,
}

impl CampaignEvidence {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn absorb(&mut self, event: &Event) {
        match &event.kind {
            EventKind::CampaignStarted(start) => self.boots.start_campaign(start),
            EventKind::BootStarted(boot) => self.boots.start_boot(boot),
            EventKind::CycleFinished(cycle) if !cycle.is_cut_short() => self.count(cycle),
            EventKind::CampaignEnded { .. } => self.boots.end_campaign(),
            EventKind::BoardSeen(board) => self.place.meet(board),
            EventKind::HostMessage(text) | EventKind::Note(text) => self.course.remark(text),
            EventKind::FactNoted(fact) => {
                self.covariates.note(fact);
                self.clocks.note(fact, event.at, self.last_boot, self.last_cycle);
            }
            EventKind::CycleFinished(_)
            | EventKind::SessionStarted(_)
            | EventKind::MemorySaved { .. }
            | EventKind::AlterationBegan(_)
            | EventKind::AlterationEnded(_) => {}
        }
    }

    fn count(&mut self, cycle: &Cycle) {
        self.last_cycle = cycle.number;
        let trial = Trial::of(cycle);
        let mut levels = cycle.levels.clone();
        levels.insert(BOOT_KIND.to_owned(), self.boots.kind_for(cycle).name().to_owned());
        let arm = self.arms.of(&levels);
        let boot = self.boots.add(&trial, arm);
        self.last_boot = boot;
        self.arms.absorb(&trial, boot, arm);
        self.kinds.absorb(&trial);
        self.steps.absorb(&trial, boot);
        self.damage.absorb(&trial, boot);
        self.transfers.absorb(&trial, boot);
        self.requests.absorb(&trial, boot);
        self.counts.absorb(&trial, boot);
        self.place.absorb(&trial, boot);
        self.course.absorb(&trial);
        self.periods.absorb(&trial, boot);
        self.covariates.absorb(&trial, boot);
        self.latency_before.absorb(&trial, boot, arm);
        self.speeds.absorb(&trial, boot);
        self.time(cycle);
    }

    fn time(&mut self, cycle: &Cycle) {
        let mut place = 0;
        for step in &cycle.steps {
            let at = match self.latencies.iter().position(|(phase, _)| *phase == step.phase) {
                Some(at) => at,
                None => {
                    self.latencies.insert(place, (step.phase, LatencySketch::default()));
                    place
                }
            };
            place = at + 1;
            if step.outcome == Outcome::Done
                && let Some(elapsed) = step.elapsed
            {
                self.latencies[at].1.add(elapsed);
            }
        }
    }

    /// Failure rates, one pair for each kind of boot, the commonest kind first: per boot, then per cycle. Kinds are never
    /// pooled. The intervals allow for streaks over boots and for correlation within them: what is correlated counts for
    /// fewer.
    pub fn rates(&self) -> Vec<Rate> {
        let mut kinds = self.boots.by_kind();
        kinds.sort_by_key(|(_, all, _)| std::cmp::Reverse(all.boots));
        let several = kinds.len() > 1;
        let of = |(kind, all, settled): &(BootKind, BootSums, BootSums)| {
            let streaks = settled.worth_in_streaks();
            let effect = all.design_effect() / streaks;
            let rate = |unit, failed: u64, n: u64, worth: f64| Rate {
                kind: several.then_some(*kind),
                failed,
                n,
                unit,
                interval: confidence_sequence::interval(failed as f64 * worth, n as f64 * worth, ALPHA),
            };
            [
                rate(Unit::Boot, settled.bad, settled.boots, streaks),
                rate(Unit::Cycle, all.failed, all.cycles, 1.0 / effect),
            ]
        };
        kinds.iter().flat_map(of).collect()
    }

    /// The board as it was found, with what is independent of each other: per boot, and per cycle. Of the commonest kind of
    /// boot: kinds are not pooled.
    pub fn as_found(&self) -> (Baseline, Baseline) {
        let commonest = self.boots.by_kind().into_iter().max_by_key(|(_, all, _)| all.boots);
        let (all, boots) = commonest.map_or_else(Default::default, |(_, all, settled)| (all, settled));
        let streaks = boots.worth_in_streaks();
        let per_cycle = streaks / all.design_effect();
        (
            Baseline { counts: Counts::of(boots.bad, boots.boots), worth: streaks },
            Baseline { counts: Counts::of(all.failed, all.cycles), worth: per_cycle },
        )
    }

    /// How long each step takes when it succeeds, in the order of the recipe.
    pub fn latencies(&self) -> Vec<StepLatency> {
        let timed = self.latencies.iter().filter(|(_, sketch)| sketch.n() > 0);
        timed
            .map(|(phase, sketch)| StepLatency {
                phase: *phase,
                n: sketch.n(),
                p50: sketch.quantile(0.5),
                p95: sketch.quantile(0.95),
                max: sketch.max(),
                recent: sketch.recent(),
            })
            .collect()
    }

    /// What can be said at any moment; constant cost.
    pub fn live_findings(&self) -> Vec<Finding> {
        let sums = self.boots.sums();
        if !self.speaks(&sums) {
            return Vec::new();
        }
        let mut found = self.counted(&sums);
        found.extend(self.arms.watched());
        found
    }

    /// With the exact and permutation tests on boots; its cost grows with the campaign.
    pub fn verdict_findings(&self) -> Vec<Finding> {
        let sums = self.boots.sums();
        if !self.speaks(&sums) {
            return Vec::new();
        }
        let mut found = self.counted(&sums);
        found.extend(arrival::findings(&self.boots));
        found.extend(self.speeds.findings());
        found.extend(self.clocks.findings());
        if sums.failed > 0 {
            found.extend(self.steps.findings(sums.boots));
            found.extend(self.damage.findings());
            found.extend(over_boots::tested(&self.boots, &sums));
            found.extend(self.course.tested(&self.boots));
            found.extend(self.periods.tested(&self.boots, self.arms.count()));
            found.extend(loss::findings(&self.boots));
            found.extend(self.transfers.tested(sums.boots));
            found.extend(self.transfers.retry_rule(&self.boots).filter(|_| self.arms.count() == 1));
            found.extend(self.requests.tested());
            found.extend(self.counts.tested());
            found.extend(self.place.tested(&sums));
            // What is varied from cycle to cycle would make a point of its own.
            if let Some(point) = same_point::finding(&self.boots).filter(|_| self.arms.count() == 1) {
                found.retain(|finding| !same_point::IMPLIES.contains(&finding.id.as_str()));
                found.push(point);
            }
        }
        found.extend(told_together(self.candidates(&sums)));
        found
    }

    /// All that failures may go with, varied or measured: one family of tests.
    fn candidates(&self, sums: &BootSums) -> Vec<Candidate<'_>> {
        let mut candidates = arrival::by_factor(&self.arms, &self.boots);
        if sums.failed > 0 {
            candidates.extend(factors::candidates(&self.arms, &self.boots));
            candidates.extend(self.covariates.candidates());
            candidates.extend(time_in_boot::candidate(&self.boots));
            candidates.extend(self.latency_before.candidates(&self.boots));
        }
        candidates
    }

    fn counted(&self, sums: &BootSums) -> Vec<Finding> {
        let mut found = over_boots::counted(&self.boots, sums);
        let spread = self.steps.bus_errors_spread() && !self.damage.is_only_at_enumerate();
        found.extend(self.kinds.findings(sums, spread));
        found.extend(self.transfers.counted(sums.boots));
        found.extend(self.place.counted(sums));
        found
    }

    /// A campaign speaks from its first cycle; single sessions of a report say nothing about how often.
    fn speaks(&self, sums: &BootSums) -> bool {
        sums.cycles > 0 && (self.boots.is_campaign() || sums.cycles >= SESSIONS_THAT_SPEAK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::synthetic::{campaign, cold_boot, cycle, failing, start};
    use crate::observation::boot::Boot;
    use crate::observation::failure::FailureClass;

    #[test]
    fn the_rate_per_cycle_is_no_surer_than_its_boots_allow() {
        let evidence = campaign(40, 5, |number, boot| {
            if boot % 4 == 0 {
                failing(number, boot, FailureClass::NotEnumerated, Phase::Enumerate)
            } else {
                cycle(number, boot)
            }
        });
        let rates = evidence.rates();
        assert_eq!((rates[0].failed, rates[0].n, rates[1].failed, rates[1].n), (10, 40, 50, 200));
        assert!((rates[0].interval.0 - rates[1].interval.0).abs() < 1e-9, "{rates:?}");
    }

    #[test]
    fn a_cycle_that_we_refused_ourselves_counts_in_no_rate() {
        let evidence = campaign(10, 2, |number, boot| match number {
            7 => failing(number, boot, FailureClass::NotSent, Phase::Read),
            _ => cycle(number, boot),
        });
        let rates = evidence.rates();
        assert_eq!((rates[0].failed, rates[1].failed, rates[1].n), (0, 0, 19));
    }

    #[test]
    fn boots_of_another_kind_are_not_counted_in() {
        let mut evidence = CampaignEvidence::new();
        let mut tell = |kind| evidence.absorb(&Event { seq: 1, at: None, kind });
        tell(EventKind::CampaignStarted(start(13, 1)));
        for number in 1..=13 {
            let kind = if number % 4 == 0 { BootKind::Nrst } else { BootKind::ColdPowerOn { off_time: None } };
            tell(EventKind::BootStarted(Boot { kind, ..cold_boot(number) }));
            tell(EventKind::CycleFinished(match kind {
                BootKind::Nrst => failing(number, number, FailureClass::NotEnumerated, Phase::Enumerate),
                _ => cycle(number, number),
            }));
        }
        let rates = evidence.rates();
        let shown: Vec<_> =
            rates.iter().map(|rate| (rate.kind.map(BootKind::name), rate.failed, rate.n, rate.unit)).collect();
        let (cold, reset) = (Some("cold power-on"), Some("NRST"));
        assert_eq!(
            shown,
            [
                (cold, 0, 10, Unit::Boot),
                (cold, 0, 10, Unit::Cycle),
                (reset, 3, 3, Unit::Boot),
                (reset, 3, 3, Unit::Cycle)
            ]
        );
    }

    #[test]
    fn boots_in_streaks_say_less_than_boots_strewn_about() {
        let width = |bad: fn(u32) -> bool| {
            let evidence = campaign(60, 1, |number, boot| {
                if bad(boot) {
                    failing(number, boot, FailureClass::NotEnumerated, Phase::Enumerate)
                } else {
                    cycle(number, boot)
                }
            });
            let rate = evidence.rates()[0];
            assert_eq!((rate.failed, rate.n), (20, 60));
            rate.interval.1 - rate.interval.0
        };
        assert!(width(|boot| (21..=40).contains(&boot)) > 1.5 * width(|boot| boot % 3 == 0));
    }

    #[test]
    fn latencies_follow_the_recipe_though_the_first_cycle_failed_early() {
        let evidence = campaign(2, 1, |number, boot| {
            if boot == 1 {
                failing(number, boot, FailureClass::NotEnumerated, Phase::Enumerate)
            } else {
                cycle(number, boot)
            }
        });
        let phases: Vec<_> = evidence.latencies().into_iter().map(|latency| latency.phase).collect();
        assert_eq!(phases[..4], [Phase::Enumerate, Phase::Open, Phase::Claim, Phase::Descriptors]);
    }
}
