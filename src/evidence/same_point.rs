//! Failures that keep to one point of a boot: one step of one cycle, which goes well in the cycles before and after it.
//!
//! It is not what the step asks for, because every cycle asks for the same. It is not how long the board has run, because it recovers. What is
//! left is a count or a timer that begins with the boot and meets the same work each time.

use super::boot_log::{BootLog, BootTally, FirstFailure};
use super::finding::{Finding, Unit};
use super::weight;

/// So few boots agree by chance.
const LEAST_BOOTS: usize = 5;

/// One point of a boot is one step and one place already.
pub const IMPLIES: [&str; 2] = ["fails-in-one-phase", "address-fixed"];

pub fn finding(log: &BootLog) -> Option<Finding> {
    let bad: Vec<&BootTally> = log.boots().filter(|boot| boot.is_bad()).collect();
    if bad.len() < LEAST_BOOTS {
        return None;
    }
    let FirstFailure { cycle, phase, .. } = bad[0].first_failure?;
    let keeps_to_it = |boot: &&BootTally| {
        let same = boot.first_failure.is_some_and(|first| (first.cycle, first.phase) == (cycle, phase));
        // How the board is lost is told with the losses.
        let stays = boot.loss.is_none_or(|loss| !loss.happened());
        same && stays && boot.failed == 1 && boot.cycles > cycle
    };
    if cycle == 1 || !bad.iter().all(keeps_to_it) {
        return None;
    }
    let n = bad.len() as u64;
    let fewest = bad.iter().map(|boot| boot.cycles).min()?;
    let p = f64::from(fewest).powi(1 - bad.len() as i32);
    let text = format!(
        "It is always the step {phase} of cycle {cycle} of a boot that fails, in {}, and the same step goes well in the cycles before and after.",
        Unit::Boot.count(n)
    );
    Some(
        Finding::new("fails-at-same-point", text, n, Unit::Boot)
            .by(
                format!("against any cycle of the boot alike, p = {p:.2e}"),
                weight::of_p_value(p).min(weight::of_sightings(n - 1)),
            )
            .seen_at(bad.iter().filter_map(|boot| boot.failed_at)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::synthetic::{campaign, cycle, failing};
    use crate::observation::failure::FailureClass;
    use crate::observation::step::Phase;

    /// Boots of four cycles, of which those fail that `bad` names; boots and their cycles count from 1.
    fn found(boots: u32, class: FailureClass, bad: impl Fn(u32, u32) -> bool) -> Vec<Finding> {
        let evidence = campaign(boots, 4, |number, boot| {
            if bad(boot, (number - 1) % 4 + 1) {
                failing(number, boot, class, Phase::Read)
            } else {
                cycle(number, boot)
            }
        });
        evidence.verdict_findings().into_iter().filter(|finding| finding.id == "fails-at-same-point").collect()
    }

    #[test]
    fn what_strikes_once_a_boot_at_the_same_work_is_told() {
        let found = found(9, FailureClass::SwdFault, |_, cycle| cycle == 3);
        assert_eq!(found.len(), 1);
        assert!(found[0].text.starts_with("It is always the step read of cycle 3 of a boot that fails, in 9 boots,"));
        assert!(found[0].certainty > 0.85, "{found:?}");
    }

    #[test]
    fn other_points_a_lasting_failure_and_the_first_or_last_cycle_say_nothing_of_a_point() {
        for bad in [
            |boot: u32, cycle: u32| cycle == 2 + boot % 2,
            |_, cycle| cycle >= 3,
            |_, cycle| cycle == 1,
            |_, cycle| cycle == 4,
        ] {
            assert_eq!(found(12, FailureClass::SwdFault, bad), []);
        }
        assert_eq!(found(4, FailureClass::SwdFault, |_, cycle| cycle == 2), []);
    }
}
