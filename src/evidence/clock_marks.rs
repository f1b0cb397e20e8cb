//! When boots began, ended and were struck, kept for the question whether a clock decides what strikes (`clock_phase.rs`).

use std::collections::VecDeque;

use super::boot_log::BootLog;
use super::clock_phase::{self, Stretch};
use super::spectrum::Period;
use super::trial::Trial;
use crate::observation::units::Micros;

/// Longer campaigns are judged by their latest boots, so that the cost has an end.
const MOST_BOOTS: usize = 128;
const MOST_MARKS: usize = 24;
/// Of the time within boots so many moments stand for all.
const MOMENTS: f64 = 128.0;
/// Within boots the clock must slip against them by a whole turn: else it may be a time in the boot that drifts.
const LEAST_SLIP: f64 = 1.0;
/// Cycles have a period themselves.
const LEAST_CYCLES: f64 = 4.0;

/// The latest boots.
#[derive(Clone, Debug, Default)]
pub struct ClockMarks(VecDeque<Course>);

#[derive(Clone, Debug)]
struct Course {
    boot: usize,
    cycles: u32,
    /// None where a cycle does not say when it ended.
    ended: Option<Micros>,
    /// Where struck cycles follow good ones; those after them need no cause of their own.
    onsets: Vec<Micros>,
    last_struck: bool,
}

/// A period, and what it was found in.
pub struct ByClock {
    pub period: Period,
    pub boots: usize,
    pub marks: usize,
    pub span: f64,
}

impl ClockMarks {
    /// Whether the cycle was struck, and when that was, or when a good cycle began.
    pub fn absorb(&mut self, trial: &Trial<'_>, boot: usize, struck: bool, at: Option<Micros>) {
        if self.0.back().is_none_or(|course| course.boot != boot) {
            if self.0.len() == MOST_BOOTS {
                self.0.pop_front();
            }
            self.0.push_back(Course { boot, cycles: 0, ended: None, onsets: Vec::new(), last_struck: false });
        }
        let Some(course) = self.0.back_mut() else { return };
        course.cycles += 1;
        let ends = trial.cycle.steps.iter().filter_map(|step| Some(step.started? + step.elapsed.unwrap_or_default()));
        course.ended = ends.max().or(at);
        if struck && !course.last_struck && course.onsets.len() <= MOST_MARKS {
            course.onsets.extend(at);
        }
        course.last_struck = struck;
    }

    /// Boots that are good or bad as a whole, by the moments at which they began. The rarer outcome is the one to explain.
    pub fn of_boots(&self, log: &BootLog, below: f64) -> Option<ByClock> {
        let timed = self.timed(log)?;
        let bad = timed.iter().filter(|boot| boot.bad).count();
        let rarer = 2 * bad <= timed.len();
        let stretch = |boot: Timed| {
            let (marks, others) = if boot.bad == rarer { (vec![0.0], vec![]) } else { (vec![], vec![0.0]) };
            Stretch { length: boot.length, bad: boot.bad, marks, others }
        };
        let stretches: Vec<Stretch> = timed.into_iter().map(stretch).collect();
        let mut lengths: Vec<f64> = stretches.iter().map(|stretch| stretch.length).collect();
        lengths.sort_by(f64::total_cmp);
        found(&stretches, 2.0 * lengths[lengths.len() / 2], |_| true, below)
    }

    /// What strikes within boots, by its own moments.
    pub fn within_boots(&self, log: &BootLog, below: f64) -> Option<ByClock> {
        let timed = self.timed(log)?;
        let run: f64 = timed.iter().map(|boot| boot.run).sum();
        let cycles: u32 = timed.iter().map(|boot| boot.cycles).sum();
        let boots = timed.len() as f64;
        let per_boot = timed.iter().map(|boot| boot.length).sum::<f64>() / boots;
        let stretch = |boot: Timed| {
            let moments = (MOMENTS * boot.run / run).ceil();
            let others = (0..moments as u32).map(|part| (f64::from(part) + 0.5) * boot.run / moments).collect();
            Stretch { length: boot.length, bad: !boot.onsets.is_empty(), marks: boot.onsets, others }
        };
        let stretches: Vec<Stretch> = timed.into_iter().map(stretch).collect();
        let slips = |period: f64| {
            let turns = per_boot / period;
            (turns - turns.round()).abs() * boots >= LEAST_SLIP
        };
        found(&stretches, LEAST_CYCLES * run / f64::from(cycles), slips, below)
    }

    /// The latest boots of one campaign whose times are known, as many as are judged.
    fn timed(&self, log: &BootLog) -> Option<Vec<Timed>> {
        let campaign = log.get(self.0.back()?.boot)?.campaign;
        let mut timed: Vec<Timed> = Vec::new();
        let mut marks = 0;
        let mut next: Option<Micros> = None;
        for course in self.0.iter().rev() {
            let boot = log.get(course.boot).filter(|boot| boot.campaign == campaign);
            let Some((boot, started, ended)) = boot.and_then(|boot| Some((boot, boot.started()?, course.ended?)))
            else {
                break;
            };
            marks += course.onsets.len();
            if marks > MOST_MARKS || ended <= started || next.is_some_and(|next| next < ended) {
                break;
            }
            let since = |at: Micros| (at.max(started) - started).as_secs_f64();
            timed.push(Timed {
                length: since(next.unwrap_or(ended)),
                run: since(ended),
                cycles: course.cycles,
                bad: boot.is_bad(),
                onsets: course.onsets.iter().map(|at| since(*at)).collect(),
            });
            next = Some(started);
        }
        timed.reverse();
        // The pause after the last boot is not known; it is as long as the others.
        let pauses: f64 = timed.iter().map(|boot| boot.length - boot.run).sum();
        let before_last = timed.len().checked_sub(1).filter(|before| *before > 0)?;
        timed.last_mut()?.length += pauses / before_last as f64;
        Some(timed)
    }
}

/// One boot in seconds since its start; its length goes on to the start of the next.
struct Timed {
    length: f64,
    run: f64,
    cycles: u32,
    bad: bool,
    onsets: Vec<f64>,
}

fn found(stretches: &[Stretch], shortest: f64, counts: impl Fn(f64) -> bool, below: f64) -> Option<ByClock> {
    let period = clock_phase::strongest(stretches, shortest, counts, below)?;
    let marks = stretches.iter().map(|stretch| stretch.marks.len()).sum();
    let span = stretches.iter().map(|stretch| stretch.length).sum();
    Some(ByClock { period, boots: stretches.len(), marks, span })
}
