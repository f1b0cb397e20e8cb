//! How well probabilities are calibrated: whether what was claimed with 0.8 holds in eight of ten.

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde::Serialize;

const BINS: usize = 10;
/// Draws for what chance alone shows; three digits hold.
const DRAWS: u64 = 1_000;

/// Expected calibration error over ten bins.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    pub error: f64,
    /// What claims of just these sizes would show on average if each held as often as it says. The fewer there are, the larger it is.
    pub error_by_chance: f64,
    pub bins: Vec<Bin>,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bin {
    pub claimed: f64,
    pub held: f64,
    pub n: u64,
}

impl Calibration {
    /// Of claims, each with whether it held.
    pub fn of(claims: &[(f64, bool)]) -> Self {
        let bins = bins(claims);
        Self { error: error(&bins), error_by_chance: error_by_chance(claims), bins }
    }
}

fn bins(claims: &[(f64, bool)]) -> Vec<Bin> {
    let mut bins = Vec::new();
    for bin in 0..BINS {
        let inside = claims.iter().filter(|(claim, _)| ((claim * BINS as f64) as usize).min(BINS - 1) == bin);
        let (n, claimed, held) = inside.fold((0_u64, 0.0, 0.0), |(n, claimed, held), (claim, right)| {
            (n + 1, claimed + claim, held + f64::from(u8::from(*right)))
        });
        if n > 0 {
            bins.push(Bin { claimed: claimed / n as f64, held: held / n as f64, n });
        }
    }
    bins
}

fn error(bins: &[Bin]) -> f64 {
    let all = bins.iter().map(|bin| bin.n).sum::<u64>().max(1) as f64;
    bins.iter().map(|bin| (bin.claimed - bin.held).abs() * bin.n as f64).sum::<f64>() / all
}

fn error_by_chance(claims: &[(f64, bool)]) -> f64 {
    let mut random = Pcg64Mcg::seed_from_u64(0);
    let mut draw = || {
        let drawn: Vec<_> =
            claims.iter().map(|(claim, _)| (*claim, random.random_bool(claim.clamp(0.0, 1.0)))).collect();
        error(&bins(&drawn))
    };
    (0..DRAWS).map(|_| draw()).sum::<f64>() / DRAWS as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_that_holds_as_often_as_it_says_is_calibrated() {
        let claims: Vec<_> = (0..10).map(|n| (0.7, n < 7)).collect();
        let calibration = Calibration::of(&claims);
        assert_eq!(calibration.bins.len(), 1);
        assert!(calibration.error < 1e-9);
    }

    #[test]
    fn bins_count_by_how_many_claims_are_in_them() {
        let claims = [(0.9, true), (0.95, false), (0.25, false), (0.25, false)];
        let calibration = Calibration::of(&claims);
        assert!((calibration.error - (2.0 * (0.925 - 0.5) + 2.0 * 0.25) / 4.0).abs() < 1e-12, "{calibration:?}");
    }

    /// For n claims of one size p, chance alone shows the mean absolute deviation of a binomial share, which de Moivre (1730) gave as
    /// 2 v C(n, v) p^v q^(n - v + 1) / n with v the first whole number above n p. For n = 10 and p = 0.7, v = 8, that is 0.112068.
    #[test]
    fn chance_shows_the_mean_deviation_of_a_binomial() {
        let by_chance = Calibration::of(&[(0.7, true); 10]).error_by_chance;
        let de_moivre = 2.0 * 8.0 * 45.0 * 0.7_f64.powi(8) * 0.3_f64.powi(3) / 10.0;
        assert!((by_chance - de_moivre).abs() < 0.008, "{by_chance} {de_moivre}");
    }

    #[test]
    fn no_claim_is_no_error() {
        assert_eq!(Calibration::of(&[]), Calibration { error: 0.0, error_by_chance: 0.0, bins: Vec::new() });
    }
}
