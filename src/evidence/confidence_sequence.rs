//! Intervals for a failure rate that stay valid however often they are looked at.
//!
//! Beta-binomial mixture confidence sequence: Robbins (1970), "Statistical methods related to the law of the iterated
//! logarithm"; for Bernoulli data Howard, Ramdas, McAuliffe and Sekhon (2021). The likelihood ratio of a Beta mixture
//! against one rate is a martingale if that rate is true, so by Ville's inequality it ever reaches 1/alpha with
//! probability at most alpha. The interval is every rate whose ratio has not got there.
//!
//! The promise holds if the rate, given the past, is constant. Where boots come in streaks, or cycles of one boot are
//! alike, the counts are first divided by what the correlation makes them worth (`boot_log`); the interval is then
//! approximate, and the finding `streaks-over-boots` stands beside it.

use statrs::function::beta::ln_beta;

use super::solve::crossing;

/// The chance that an interval shown anywhere in a campaign ever misses the true rate.
pub const ALPHA: f64 = 0.05;

/// Named beside every interval made here.
pub const METHOD: &str = "beta-binomial mixture confidence sequence, 95 % at every look";

/// Jeffreys' prior as the mixture: close to the narrowest for the low rates that matter here.
const PRIOR_FAILED: f64 = 0.5;
const PRIOR_GOOD: f64 = 0.5;

/// The interval after `failed` of `n`. Counts need not be whole: correlated units are divided by their design effect.
pub fn interval(failed: f64, n: f64, alpha: f64) -> (f64, f64) {
    if n <= 0.0 {
        return (0.0, 1.0);
    }
    let share = failed / n;
    let limit = -alpha.ln();
    let low = if failed <= 0.0 { 0.0 } else { crossing(0.0, share, |p| limit - log_ratio(failed, n, p)) };
    let high = if failed >= n { 1.0 } else { crossing(share, 1.0, |p| log_ratio(failed, n, p) - limit) };
    (low, high)
}

/// The upper end when nothing failed, in closed form.
pub fn bound_without_failures(n: f64, alpha: f64) -> f64 {
    let log_mixture = ln_beta(PRIOR_FAILED, PRIOR_GOOD + n) - ln_beta(PRIOR_FAILED, PRIOR_GOOD);
    1.0 - ((alpha.ln() + log_mixture) / n).exp()
}

/// The logarithm of the mixture's likelihood over that of the rate `p`; an e-value against `p` before the logarithm.
pub fn log_ratio(failed: f64, n: f64, p: f64) -> f64 {
    let good = n - failed;
    let log_mixture = ln_beta(PRIOR_FAILED + failed, PRIOR_GOOD + good) - ln_beta(PRIOR_FAILED, PRIOR_GOOD);
    let term = |count: f64, p: f64| if count <= 0.0 { 0.0 } else { count * p.ln() };
    log_mixture - term(failed, p) - term(good, 1.0 - p)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::chance::Chance;
    use proptest::prelude::*;

    /// Computed apart from this program, in Python: the mixture likelihood by Simpson integration of
    /// p^s (1-p)^(n-s) against the arcsine density (10^5 points after p = sin^2 t), the ends by bisection.
    const INDEPENDENT: [(f64, f64, f64, f64); 6] = [
        (0.0, 10.0, 0.0, 0.376_987_4),
        (0.0, 299.0, 0.0, 0.021_238_6),
        (7.0, 40.0, 0.041_865_9, 0.409_259_0),
        (31.0, 200.0, 0.081_293_3, 0.255_187_2),
        (5.0, 5.0, 0.414_967_5, 1.0),
        (500.0, 1000.0, 0.442_418_4, 0.557_581_6),
    ];

    #[test]
    fn intervals_agree_with_numeric_integration() {
        for (failed, n, low, high) in INDEPENDENT {
            let found = interval(failed, n, ALPHA);
            assert!((found.0 - low).abs() < 2e-7 && (found.1 - high).abs() < 2e-7, "{failed}/{n}: {found:?}");
        }
    }

    /// How often, over many campaigns of 10 000 cycles, an interval looked at after every cycle ever misses the truth.
    fn false_alarms(rate: f64, campaigns: u32, chance: &mut Chance) -> (f64, f64) {
        let limit = -ALPHA.ln();
        let (mut sequence, mut naive) = (0u32, 0u32);
        for _ in 0..campaigns {
            let (mut failed, mut log_mixture) = (0.0, 0.0);
            let (mut missed, mut naive_missed) = (false, false);
            for n in 1..=10_000 {
                let n = f64::from(n);
                let predicted = (PRIOR_FAILED + failed) / (n - 1.0 + PRIOR_FAILED + PRIOR_GOOD);
                if chance.happens(rate) {
                    failed += 1.0;
                    log_mixture += (predicted / rate).ln();
                } else {
                    log_mixture += ((1.0 - predicted) / (1.0 - rate)).ln();
                }
                missed |= log_mixture >= limit;
                if n == 10_000.0 || n == 100.0 {
                    let ratio = log_ratio(failed, n, rate);
                    assert!(
                        (ratio - log_mixture).abs() < 1e-6,
                        "{ratio} {log_mixture}: the rule for the next is not the ratio"
                    );
                }
                let spread = (rate * (1.0 - rate) / n).sqrt();
                naive_missed |= n >= 30.0 && (failed / n - rate).abs() > 1.96 * spread;
            }
            sequence += u32::from(missed);
            naive += u32::from(naive_missed);
        }
        (f64::from(sequence) / f64::from(campaigns), f64::from(naive) / f64::from(campaigns))
    }

    /// 200 campaigns per rate as a rule; FLAKESCOPE_CAMPAIGNS=2000 makes it the full simulation (about a minute when optimised).
    #[test]
    fn a_look_at_every_cycle_keeps_its_promise_and_a_naive_test_breaks_it() {
        let campaigns = std::env::var("FLAKESCOPE_CAMPAIGNS").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
        let slack = 3.0 * (ALPHA * (1.0 - ALPHA) / f64::from(campaigns)).sqrt();
        let mut chance = Chance::seeded(5);
        for rate in [0.02, 0.05, 0.1, 0.2, 0.5] {
            let (sequence, naive) = false_alarms(rate, campaigns, &mut chance);
            assert!(sequence <= ALPHA + slack, "rate {rate}: {sequence} of the campaigns raised a false alarm");
            assert!(naive > 0.25, "rate {rate}: the naive test raised a false alarm in only {naive}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn at_its_ends_the_ratio_is_one_over_alpha(n in 1u32..5_000, share in 0.0f64..=1.0) {
            let n = f64::from(n);
            let failed = (share * n).floor();
            let (low, high) = interval(failed, n, ALPHA);
            prop_assert!(low <= failed / n && failed / n <= high);
            for end in [low, high] {
                if end > 0.0 && end < 1.0 {
                    prop_assert!((log_ratio(failed, n, end).exp() * ALPHA - 1.0).abs() < 1e-6);
                }
            }
        }

        #[test]
        fn without_failures_the_closed_form_agrees(n in 1u32..100_000) {
            let n = f64::from(n);
            prop_assert!((bound_without_failures(n, ALPHA) - interval(0.0, n, ALPHA).1).abs() < 1e-9);
        }
    }
}
