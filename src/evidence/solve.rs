//! The one root finder: bisection, which cannot miss and needs no derivative.

/// The point where `rising` passes from negative to positive between `low` and `high`, to the last bit that matters.
/// Returns the nearer end where it does not change sign.
pub fn crossing(mut low: f64, mut high: f64, rising: impl Fn(f64) -> f64) -> f64 {
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            break;
        }
        if rising(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_root_is_found_to_the_last_digits() {
        assert!((crossing(0.0, 2.0, |x| x * x - 2.0) - std::f64::consts::SQRT_2).abs() < 1e-15);
    }

    #[test]
    fn without_a_crossing_the_nearer_end_is_returned() {
        assert!(crossing(0.0, 1.0, |_| 1.0) < 1e-12);
        assert!(crossing(0.0, 1.0, |_| -1.0) > 1.0 - 1e-12);
    }
}
