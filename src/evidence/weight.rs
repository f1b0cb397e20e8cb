//! The one rule that turns support into the weight of a finding, from 0 (a hint) to 1 (established).
//!
//! - A finding that was counted weighs k / (k + 1) after k independent sightings (boots where there are several, else
//!   cycles), times the share of the failures it describes.
//! - A finding that was tested weighs (1 - B) / (1 + B), where B is the least Bayes factor that the p-value allows
//!   against it: -e p ln p (Sellke, Bayarri and Berger 2001). p = 0.05 weighs 0.42, p = 0.001 weighs 0.96.
//! - A finding of absence weighs one minus the upper bound of what may have been missed.
//!
//! Where more than one applies, the smallest counts.

/// A tested finding is reported below this p-value.
pub const REPORTED_BELOW: f64 = 0.05;

pub fn of_sightings(independent: u64) -> f64 {
    independent as f64 / (independent as f64 + 1.0)
}

pub fn of_p_value(p: f64) -> f64 {
    if p <= 0.0 {
        return 1.0;
    }
    if p >= (-1.0f64).exp() {
        return 0.0;
    }
    let least_bayes_factor = -std::f64::consts::E * p * p.ln();
    (1.0 - least_bayes_factor) / (1.0 + least_bayes_factor)
}

pub fn of_absence(upper_bound: f64) -> f64 {
    (1.0 - upper_bound).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sellke, Bayarri and Berger (2001), table 1: p = 0.05, 0.01, 0.001 bound the Bayes factor by 0.407, 0.125, 0.0188.
    #[test]
    fn p_values_weigh_what_the_published_bound_allows() {
        for (p, bound) in [(0.05, 0.407), (0.01, 0.125), (0.001, 0.0188)] {
            assert!((of_p_value(p) - (1.0 - bound) / (1.0 + bound)).abs() < 1e-3, "{p}");
        }
        assert_eq!(of_p_value(0.5), 0.0);
    }

    #[test]
    fn one_sighting_is_half_of_certainty() {
        assert_eq!((of_sightings(0), of_sightings(1), of_sightings(3)), (0.0, 0.5, 0.75));
    }
}
