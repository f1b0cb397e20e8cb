//! What is kept of every boot: a tally of constant size, and sums over all boots that cost nothing to update.

use std::collections::BTreeMap;

use super::finding::NamedCycles;
use super::trial::{Mark, Marks, Trial};
use crate::observation::boot::{Boot, BootKind};
use crate::observation::cycle::Cycle;
use crate::observation::event::CampaignStart;
use crate::observation::step::{Outcome, Phase};
use crate::observation::units::Micros;

/// One boot in a few words.
#[derive(Clone, Debug)]
pub struct BootTally {
    pub kind: BootKind,
    /// Counted from 1 over the case; boots of different campaigns are never pooled in a sequence.
    pub campaign: u32,
    pub number: u32,
    /// The combination of levels under which all its cycles ran; none if they differ.
    pub arm: Option<u32>,
    pub cycles: u32,
    pub failed: u32,
    pub first_failed: bool,
    /// The number of its first failed cycle.
    pub failed_at: Option<u32>,
    pub first_failure: Option<FirstFailure>,
    /// How many cycles it was to have; 0 where nobody said.
    pub planned: u32,
    /// The number of its first cycle.
    pub begins_at: u32,
    /// Stretches of equal outcomes within the boot.
    pub runs: u32,
    last_failed: bool,
    /// A cycle failed with the board there, or after it had been.
    failed_in_presence: bool,
    pub present: bool,
    pub answered: bool,
    pub marks: Marks,
    pub arrival: Option<Arrival>,
    started: Option<Micros>,
    /// How long the board stayed; only where the times are known.
    pub loss: Option<Loss>,
}

/// In which cycle of its boot and in which step the first failure came, and how long after the start of the boot that cycle began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstFailure {
    pub cycle: u32,
    pub phase: Phase,
    pub after: Option<Micros>,
}

/// From the start of a boot to the loss of the board, or to the end of its last cycle with the board still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    pub after: Micros,
    /// The step and the cycle of the boot in which it happened; none if it was still there.
    pub place: Option<(Phase, u32)>,
}

impl Loss {
    pub const fn happened(&self) -> bool {
        self.place.is_some()
    }
}

/// How long the board took to come onto the bus after this boot began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    After(Micros),
    /// Had not come when the deadline passed.
    NotWithin(Micros),
}

impl BootTally {
    fn new(kind: BootKind, campaign: u32, number: u32, started: Option<Micros>, planned: u32) -> Self {
        Self {
            kind,
            campaign,
            number,
            arm: None,
            cycles: 0,
            failed: 0,
            first_failed: false,
            failed_at: None,
            first_failure: None,
            planned,
            begins_at: 0,
            runs: 0,
            last_failed: false,
            failed_in_presence: false,
            present: false,
            answered: false,
            marks: Marks::default(),
            arrival: None,
            started,
            loss: None,
        }
    }

    fn add(&mut self, trial: &Trial<'_>, arm: u32) {
        let failed = trial.failed();
        if self.cycles == 0 {
            self.arm = Some(arm);
            self.begins_at = trial.cycle.number;
            self.first_failed = failed;
        }
        self.arrival = match (self.arrival, arrival(trial)) {
            (None, seen) if self.cycles == 0 => seen,
            // Not there in the cycles before: the board may still be trying.
            (Some(Arrival::NotWithin(before)), Some(Arrival::After(more))) => Some(Arrival::After(before + more)),
            (Some(Arrival::NotWithin(before)), Some(Arrival::NotWithin(more))) => {
                Some(Arrival::NotWithin(before + more))
            }
            (known, _) => known,
        };
        self.arm = self.arm.filter(|own| *own == arm);
        self.runs += u32::from(self.cycles == 0 || failed != self.last_failed);
        self.last_failed = failed;
        self.failed_in_presence |= failed && (self.present || trial.present);
        self.cycles += 1;
        self.failed += u32::from(failed);
        if let Some(failure) = trial.failure.filter(|_| self.failed_at.is_none()) {
            self.failed_at = Some(trial.cycle.number);
            let span = self.started.zip(trial.cycle.started).filter(|(boot, cycle)| cycle >= boot);
            let after = span.map(|(boot, cycle)| cycle - boot);
            self.first_failure = Some(FirstFailure { cycle: self.cycles, phase: failure.phase, after });
        }
        self.present |= trial.present;
        self.answered |= trial.answered;
        self.marks.merge(trial.marks);
        if self.loss.is_none_or(|loss| !loss.happened()) {
            self.loss = self.started.and_then(|started| loss(trial, started, self.cycles)).or(self.loss);
        }
    }

    pub const fn started(&self) -> Option<Micros> {
        self.started
    }

    pub fn is_bad(&self) -> bool {
        self.failed > 0
    }

    /// Holds good and bad cycles, and not merely because the board came late.
    pub fn is_mixed(&self) -> bool {
        self.failed_in_presence && self.failed < self.cycles
    }
}

fn arrival(trial: &Trial<'_>) -> Option<Arrival> {
    let step = trial.cycle.steps.iter().find(|step| step.phase == Phase::Enumerate)?;
    match &step.outcome {
        Outcome::Done => step.elapsed.map(Arrival::After),
        Outcome::Failed(failure) => failure.elapsed.or(step.elapsed).map(Arrival::NotWithin),
        Outcome::Skipped | Outcome::Interrupted => None,
    }
}

/// It left the bus, or stopped answering after it had answered.
fn is_lost(trial: &Trial<'_>) -> bool {
    trial.marks.has(Mark::Disconnect) || trial.marks.has(Mark::LateTimeout)
}

/// The board's presence up to this cycle of a boot that began at `started`.
fn loss(trial: &Trial<'_>, started: Micros, cycle: u32) -> Option<Loss> {
    let place = trial.failure.filter(|_| is_lost(trial)).map(|failure| (failure.phase, cycle));
    let happened = place.is_some();
    if !happened && !trial.present {
        return None;
    }
    let mut timed = trial.cycle.steps.iter().filter(|step| step.started.is_some());
    let last = if happened { timed.find(|step| step.failure().is_some()) } else { timed.next_back() }?;
    let end = last.started? + last.elapsed.unwrap_or_default();
    Some(Loss { after: end - started, place })
}

/// Sums over boots.
#[derive(Clone, Copy, Debug, Default)]
pub struct BootSums {
    pub boots: u64,
    pub bad: u64,
    /// Pairs of bad boots one after the other, of the same kind and campaign.
    pub bad_pairs: u64,
    pub mixed: u64,
    /// Bad from the first to the last of at least two cycles.
    pub wholly_bad: u64,
    /// In which the board was never on the bus.
    pub absent: u64,
    pub cycles: u64,
    pub failed: u64,
    /// Sum over boots of failed^2 / cycles, and of cycles^2, for the correlation within boots.
    failed_squared_per_cycle: f64,
    cycles_squared: f64,
    with_mark: [u64; Mark::ALL.len()],
    /// With bus errors, and answers to other transfers.
    pub bus_errors_and_answers: u64,
    pub bus_errors_only: u64,
    /// The port was watched and nothing showed on it in any cycle.
    pub port_silent_throughout: u64,
    /// On the bus, timed out, never answered.
    pub silent_throughout: u64,
}

impl BootSums {
    pub fn add(&mut self, boot: &BootTally) {
        if boot.cycles == 0 {
            return;
        }
        let (cycles, failed) = (f64::from(boot.cycles), f64::from(boot.failed));
        self.boots += 1;
        self.bad += u64::from(boot.is_bad());
        self.mixed += u64::from(boot.is_mixed());
        self.wholly_bad += u64::from(boot.cycles > 1 && boot.failed == boot.cycles);
        self.absent += u64::from(!boot.present && boot.marks.has(Mark::AtEnumerate));
        self.cycles += u64::from(boot.cycles);
        self.failed += u64::from(boot.failed);
        self.failed_squared_per_cycle += failed * failed / cycles;
        self.cycles_squared += cycles * cycles;
        for mark in Mark::ALL {
            self.with_mark[mark as usize] += u64::from(boot.marks.has(mark));
        }
        let bus_errors = boot.marks.has(Mark::BusError);
        self.bus_errors_and_answers += u64::from(bus_errors && boot.answered);
        self.bus_errors_only += u64::from(bus_errors && !boot.answered);
        let showed = boot.present || boot.marks.has(Mark::ShowedOnPort);
        self.port_silent_throughout += u64::from(boot.marks.has(Mark::NothingOnPort) && !showed);
        self.silent_throughout += u64::from(boot.marks.has(Mark::Silent) && !boot.answered);
    }

    pub fn with_mark(&self, mark: Mark) -> u64 {
        self.with_mark[mark as usize]
    }

    /// By how much correlation within boots inflates the variance of a rate over cycles (Kish 1965), with the
    /// correlation estimated as by Fleiss and Cuzick (1979); never below 1. Where nothing or everything failed the
    /// correlation cannot be seen, and the worst is assumed: each boot counts once.
    pub fn design_effect(&self) -> f64 {
        let (boots, cycles, failed) = (self.boots as f64, self.cycles as f64, self.failed as f64);
        let spread = failed * (1.0 - failed / cycles.max(1.0));
        if cycles <= boots {
            return 1.0;
        }
        if spread <= 0.0 {
            return cycles / boots;
        }
        let within = failed - self.failed_squared_per_cycle;
        let correlation = 1.0 - within * cycles / ((cycles - boots) * spread);
        (1.0 + (self.cycles_squared / cycles - 1.0) * correlation).max(1.0)
    }
}

impl BootSums {
    /// By how much streaks reduce what the boots are worth, from the correlation of one boot with the next: the effective
    /// sample size of a first-order autoregression (Bayley and Hammersley 1946). 1 where no streaks are seen.
    pub fn worth_in_streaks(&self) -> f64 {
        let (n, bad) = (self.boots as f64, self.bad as f64);
        let spread = bad * (1.0 - bad / n.max(1.0));
        if n < 3.0 || spread <= 0.0 {
            return 1.0;
        }
        let r = (self.bad_pairs as f64 - bad * bad / n) / spread;
        if r > 2.0 / n.sqrt() { (1.0 - r) / (1.0 + r) } else { 1.0 }
    }
}

/// The sums of a kind; how long the power was off makes no kind of its own.
fn of_kind(sums: &mut Vec<(BootKind, BootSums)>, kind: BootKind) -> &mut BootSums {
    let place = sums.iter().position(|(known, _)| known.name() == kind.name()).unwrap_or_else(|| {
        sums.push((kind, BootSums::default()));
        sums.len() - 1
    });
    &mut sums[place].1
}

/// All boots, oldest first.
#[derive(Clone, Debug, Default)]
pub struct BootLog {
    boots: Vec<BootTally>,
    /// Over all boots but the one under way.
    closed: BootSums,
    /// The same for each kind of boot, in the order in which they first occurred.
    closed_by_kind: Vec<(BootKind, BootSums)>,
    /// The first failed cycle of boots that hold good cycles too; the first boots only.
    mixed_at: NamedCycles,
    campaigns: u32,
    cycles_per_boot: u32,
    ended: bool,
}

/// Boots that may be compared with each other: campaign, name of the kind, arm.
pub type Stratum = (u32, &'static str, Option<u32>);

impl BootLog {
    /// All boots, apart by what may be compared.
    pub fn strata(&self) -> BTreeMap<Stratum, Vec<&BootTally>> {
        let mut strata: BTreeMap<Stratum, Vec<&BootTally>> = BTreeMap::new();
        for boot in self.boots() {
            strata.entry((boot.campaign, boot.kind.name(), boot.arm)).or_default().push(boot);
        }
        strata
    }

    pub fn start_campaign(&mut self, start: &CampaignStart) {
        self.close_last();
        self.campaigns += 1;
        self.cycles_per_boot = start.cycles_per_boot;
    }

    pub fn end_campaign(&mut self) {
        self.close_last();
    }

    pub fn start_boot(&mut self, boot: &Boot) {
        self.close_last();
        self.boots.push(BootTally::new(
            boot.kind,
            self.campaigns,
            boot.number,
            Some(boot.started),
            self.cycles_per_boot,
        ));
        self.ended = false;
    }

    /// Adds a cycle to its boot; a boot that was not announced is one of unknown kind. Returns the index of the boot.
    pub fn add(&mut self, trial: &Trial<'_>, arm: u32) -> usize {
        let number = trial.cycle.boot.unwrap_or(0);
        if self.ended || self.boots.last().is_none_or(|boot| boot.number != number) {
            self.close_last();
            self.boots.push(BootTally::new(BootKind::Unknown, self.campaigns, number, None, 0));
            self.ended = false;
        }
        let index = self.boots.len() - 1;
        self.boots[index].add(trial, arm);
        index
    }

    fn close_last(&mut self) {
        if let Some(last) = self.boots.last()
            && !self.ended
        {
            self.closed.add(last);
            let of_kind = of_kind(&mut self.closed_by_kind, last.kind);
            of_kind.add(last);
            let before = self.boots.len().checked_sub(2).map(|place| &self.boots[place]);
            let alike =
                before.is_some_and(|before| (before.campaign, before.kind.name()) == (last.campaign, last.kind.name()));
            if alike && last.is_bad() && before.is_some_and(BootTally::is_bad) {
                self.closed.bad_pairs += 1;
                of_kind.bad_pairs += 1;
            }
            if last.is_mixed() {
                last.failed_at.into_iter().for_each(|cycle| self.mixed_at.add(cycle));
            }
        }
        self.ended = true;
    }

    /// Over all boots that hold a cycle, the one under way included.
    pub fn sums(&self) -> BootSums {
        let mut sums = self.closed;
        if let Some(last) = self.boots.last()
            && !self.ended
        {
            sums.add(last);
        }
        sums
    }

    /// For each kind of boot: over all its boots, and over those whose outcome is settled. One under way is settled only
    /// if all its planned cycles are done, or if it is the only one of its kind: else a look in its middle would take it
    /// for good too early.
    pub fn by_kind(&self) -> Vec<(BootKind, BootSums, BootSums)> {
        let mut all = self.closed_by_kind.clone();
        let mut settled = self.closed_by_kind.clone();
        if let Some(last) = self.boots.last().filter(|last| !self.ended && last.cycles > 0) {
            of_kind(&mut all, last.kind).add(last);
            let settled = of_kind(&mut settled, last.kind);
            let full = self.cycles_per_boot > 0 && last.cycles >= self.cycles_per_boot;
            if full || settled.boots == 0 {
                settled.add(last);
            }
        }
        let pairs = all.into_iter().zip(settled).filter(|((_, sums), _)| sums.boots > 0);
        pairs.map(|((kind, sums), (_, settled))| (kind, sums, settled)).collect()
    }

    /// Boots that hold a cycle, oldest first.
    pub fn boots(&self) -> impl Iterator<Item = &BootTally> {
        self.boots.iter().filter(|boot| boot.cycles > 0)
    }

    /// How the boot that holds this cycle was brought about.
    pub fn kind_for(&self, cycle: &Cycle) -> BootKind {
        let announced = self.boots.last().filter(|boot| !self.ended && Some(boot.number) == cycle.boot);
        announced.map_or(BootKind::Unknown, |boot| boot.kind)
    }

    /// The boot at this place, as `add` returned it.
    pub fn get(&self, place: usize) -> Option<&BootTally> {
        self.boots.get(place)
    }

    /// The first failed cycle of boots that hold good cycles too.
    pub fn mixed_at(&self) -> impl Iterator<Item = u32> + '_ {
        let under_way = self.boots.last().filter(|boot| !self.ended && boot.is_mixed()).and_then(|boot| boot.failed_at);
        self.mixed_at.iter().chain(under_way)
    }

    pub fn is_campaign(&self) -> bool {
        self.campaigns > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::synthetic::{cold_boot, cycle, failing, start};
    use crate::observation::failure::FailureClass;

    #[test]
    fn a_boot_under_way_is_not_taken_for_good() {
        let mut log = BootLog::default();
        log.start_campaign(&start(2, 2));
        for boot in [1, 2] {
            log.start_boot(&cold_boot(boot));
            log.add(&Trial::of(&cycle(boot * 2 - 1, boot)), 0);
            if boot == 1 {
                log.add(&Trial::of(&cycle(2, boot)), 0);
            }
        }
        let counts = |log: &BootLog| {
            log.by_kind().iter().map(|(_, all, settled)| (all.boots, settled.boots, settled.bad)).collect::<Vec<_>>()
        };
        assert_eq!(counts(&log), [(2, 1, 0)]);
        log.add(&Trial::of(&failing(4, 2, FailureClass::Stall, Phase::Read)), 0);
        assert_eq!(counts(&log), [(2, 2, 1)]);
        log.end_campaign();
        assert_eq!(counts(&log), [(2, 2, 1)]);
    }

    /// Both computed apart from this program, in Python, by the formulas that the text names.
    #[test]
    fn what_correlated_boots_are_worth_agrees_with_an_independent_computation() {
        let streaky = BootSums { boots: 20, bad: 7, bad_pairs: 5, ..BootSums::default() };
        assert!((streaky.worth_in_streaks() - 0.281_690_141).abs() < 1e-9);
        let mut sums = BootSums::default();
        for (cycles, failed) in [(5, 5), (5, 0), (5, 2), (4, 0), (6, 3)] {
            let mut boot = BootTally::new(BootKind::Nrst, 1, 1, None, cycles);
            (boot.cycles, boot.failed) = (cycles, failed);
            sums.add(&boot);
        }
        assert!((sums.design_effect() - 2.785).abs() < 1e-9, "{}", sums.design_effect());
    }

    #[test]
    fn wholly_bad_and_wholly_good_boots_have_the_largest_design_effect() {
        let mut sums = BootSums::default();
        for bad in [true, false, false, true] {
            let mut boot = BootTally::new(BootKind::Nrst, 1, 1, None, 5);
            boot.cycles = 5;
            boot.failed = if bad { 5 } else { 0 };
            sums.add(&boot);
        }
        assert!((sums.design_effect() - 5.0).abs() < 1e-9);
    }
}
