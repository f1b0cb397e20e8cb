//! Findings on boots: what nothing failing is worth, and whether boots are good or bad as a whole.

use super::boot_log::{BootLog, BootSums};
use super::confidence_sequence::{self, ALPHA};
use super::finding::{Finding, Unit};
use super::weight;

/// What the number of boots allows to be said, at any look.
pub fn bounds(log: &BootLog, sums: &BootSums) -> Vec<Finding> {
    let mut found = Vec::new();
    if sums.failed == 0 {
        let (n, unit) = if log.is_campaign() { (sums.boots, Unit::Boot) } else { (sums.cycles, Unit::Session) };
        let bound = confidence_sequence::bound_without_failures(n as f64, ALPHA);
        let text = format!(
            "None of {} failed ({}); the rate per {} is below {:.1} % with 95 % confidence.",
            unit.count(n),
            Unit::Cycle.count(sums.cycles),
            unit.name(),
            100.0 * bound
        );
        found.push(
            Finding::new("no-failures", text, n, unit)
                .of_size(0.0, Some((0.0, bound)), &format!("share of {}s", unit.name()))
                .by(confidence_sequence::METHOD, weight::of_absence(bound)),
        );
    }
    if log.is_campaign() && sums.boots == 1 && sums.cycles > 1 {
        let text = format!(
            "All {} ran in one boot; what is decided at power-up cannot vary within it.",
            Unit::Cycle.count(sums.cycles)
        );
        found.push(Finding::new("one-boot-only", text, 1, Unit::Boot).by("count", 1.0));
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::evidence::synthetic::{campaign, cycle};

    #[test]
    fn no_failures_is_a_bound_and_not_a_promise() {
        let findings = campaign(40, 5, cycle).live_findings();
        assert_eq!(findings.len(), 1);
        assert_eq!(
            findings[0].text,
            "None of 40 boots failed (200 cycles); the rate per boot is below 12.7 % with 95 % confidence."
        );
    }

    #[test]
    fn one_boot_is_said_to_be_one_boot() {
        let ids: Vec<_> = campaign(1, 20, cycle).live_findings().into_iter().map(|finding| finding.id).collect();
        assert_eq!(ids, ["no-failures", "one-boot-only"]);
    }
}
