//! How long until something happens, when some waits were cut short: Kaplan and Meier (1958), log-rank (Mantel 1966).
//!
//! A board that had not come when the deadline passed took at least that long; dropping it would make boards look
//! faster than they are.

use statrs::function::erf::erfc;

/// One wait, in any unit of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wait {
    pub time: f64,
    /// False where the wait ended before anything happened.
    pub happened: bool,
}

/// The estimated share of waits still going on, as a step function.
#[derive(Clone, Debug, PartialEq)]
pub struct Survival {
    /// (time, share still waiting after it, its variance by Greenwood's formula).
    steps: Vec<(f64, f64, f64)>,
}

impl Survival {
    pub fn of(waits: &[Wait]) -> Self {
        let mut waits = waits.to_vec();
        // At equal times what happened comes before what was cut short.
        waits.sort_by(|a, b| a.time.total_cmp(&b.time).then(b.happened.cmp(&a.happened)));
        let mut steps = Vec::new();
        let (mut share, mut greenwood, mut at) = (1.0, 0.0, 0);
        while at < waits.len() {
            let time = waits[at].time;
            let waiting = (waits.len() - at) as f64;
            let same = waits[at..].iter().take_while(|wait| wait.time == time);
            let (events, all) =
                same.fold((0.0, 0), |(events, all), wait| (events + f64::from(u8::from(wait.happened)), all + 1));
            if events > 0.0 {
                share *= 1.0 - events / waiting;
                greenwood += if events < waiting { events / (waiting * (waiting - events)) } else { 0.0 };
                steps.push((time, share, share * share * greenwood));
            }
            at += all;
        }
        Self { steps }
    }

    /// The share still waiting after `time`.
    pub fn after(&self, time: f64) -> f64 {
        self.steps.iter().take_while(|step| step.0 <= time).last().map_or(1.0, |step| step.1)
    }

    /// The time by which the share `q` of the waits has ended; `None` where too many were cut short.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        self.steps.iter().find(|step| step.1 <= 1.0 - q + 1e-12).map(|step| step.0)
    }

    /// The 95 % interval of a quantile after Brookmeyer and Crowley (1982): all times at which the estimate is within
    /// 1.96 standard errors of 1 - q. An open end is `None`.
    pub fn quantile_interval(&self, q: f64) -> (Option<f64>, Option<f64>) {
        let within = |step: &&(f64, f64, f64)| (step.1 - (1.0 - q)).abs() <= 1.96 * step.2.sqrt();
        let low = self.steps.iter().find(within).map(|step| step.0);
        let above = |step: &&(f64, f64, f64)| (1.0 - q) - step.1 > 1.96 * step.2.sqrt();
        let high = self.steps.iter().find(above).map(|step| step.0);
        (low.or(high), high)
    }
}

/// What the log-rank test counts: how many more events than expected the first group had, and the variance of that.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogRank {
    excess: f64,
    variance: f64,
}

impl LogRank {
    /// Chi-square with one degree of freedom.
    pub fn chi_square(&self) -> f64 {
        if self.variance <= 0.0 { 0.0 } else { self.excess * self.excess / self.variance }
    }

    pub fn p(&self) -> f64 {
        erfc((self.chi_square() / 2.0).sqrt())
    }

    /// The hazard of the first group over that of the second, with its 95 % interval: exp((O - E) / V) after Peto (1976).
    pub fn hazard_ratio(&self) -> (f64, (f64, f64)) {
        if self.variance <= 0.0 {
            return (1.0, (0.0, f64::INFINITY));
        }
        let end = |errors: f64| (self.excess / self.variance + errors / self.variance.sqrt()).exp();
        (end(0.0), (end(-1.96), end(1.96)))
    }
}

/// The log-rank test of two groups.
pub fn log_rank(a: &[Wait], b: &[Wait]) -> LogRank {
    let mut times: Vec<f64> = a.iter().chain(b).filter(|wait| wait.happened).map(|wait| wait.time).collect();
    times.sort_by(f64::total_cmp);
    times.dedup();
    let at = |group: &[Wait], time: f64| {
        let waiting = group.iter().filter(|wait| wait.time >= time).count() as f64;
        let events = group.iter().filter(|wait| wait.happened && wait.time == time).count() as f64;
        (waiting, events)
    };
    let (mut excess, mut variance) = (0.0, 0.0);
    for time in times {
        let ((waiting_a, events_a), (waiting_b, events_b)) = (at(a, time), at(b, time));
        let (waiting, events) = (waiting_a + waiting_b, events_a + events_b);
        excess += events_a - events * waiting_a / waiting;
        if waiting > 1.0 {
            variance += events * (waiting_a / waiting) * (waiting_b / waiting) * (waiting - events) / (waiting - 1.0);
        }
    }
    LogRank { excess, variance }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Freireich et al. (1963): weeks of remission of 21 patients with and 21 without 6-mercaptopurine; + is cut short.
    fn treated() -> Vec<Wait> {
        let happened = [6.0, 6.0, 6.0, 7.0, 10.0, 13.0, 16.0, 22.0, 23.0];
        let cut_short = [6.0, 9.0, 10.0, 11.0, 17.0, 19.0, 20.0, 25.0, 32.0, 32.0, 34.0, 35.0];
        let wait = |happened| move |&time: &f64| Wait { time, happened };
        happened.iter().map(wait(true)).chain(cut_short.iter().map(wait(false))).collect()
    }

    fn placebo() -> Vec<Wait> {
        let weeks = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23];
        weeks.iter().map(|&week| Wait { time: f64::from(week), happened: true }).collect()
    }

    /// The estimates and the standard error at 6 weeks as published in the textbooks (Cox and Oakes 1984; Kleinbaum, Klein).
    #[test]
    fn the_leukaemia_data_give_the_published_curve() {
        let curve = Survival::of(&treated());
        for (week, share) in
            [(6.0, 0.857), (7.0, 0.807), (10.0, 0.753), (13.0, 0.690), (16.0, 0.627), (22.0, 0.538), (23.0, 0.448)]
        {
            assert!((curve.after(week) - share).abs() < 6e-4, "{week}: {}", curve.after(week));
        }
        assert!((curve.steps[0].2.sqrt() - 0.0764).abs() < 1e-4);
        assert_eq!((curve.quantile(0.5), Survival::of(&placebo()).quantile(0.5)), (Some(23.0), Some(8.0)));
    }

    #[test]
    fn the_leukaemia_data_give_the_published_log_rank_test() {
        let test = log_rank(&treated(), &placebo());
        assert!((test.chi_square() - 16.79).abs() < 0.01, "{}", test.chi_square());
        assert!(test.p() < 1e-4);
        // 9 relapses under treatment where 19.25 were expected, variance 6.257: exp(-10.25 / 6.257).
        let (ratio, (low, high)) = test.hazard_ratio();
        assert!((ratio - 0.194).abs() < 2e-3 && (low - 0.089).abs() < 2e-3 && (high - 0.426).abs() < 4e-3, "{ratio}");
    }

    #[test]
    fn waits_that_were_all_cut_short_have_no_median() {
        let curve = Survival::of(&[Wait { time: 5.0, happened: false }; 4]);
        assert_eq!((curve.quantile(0.5), curve.after(9.0)), (None, 1.0));
    }
}
