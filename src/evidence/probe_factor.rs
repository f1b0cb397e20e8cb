//! What a debug probe on the board changes by merely hanging there.

use super::difference::Difference;
use super::factor_table::FactorTable;
use super::finding::Finding;
use super::weight;
use crate::observation::factor::{FactorName, PROBE_ATTACHED, PROBE_DETACHED};

/// The levels of a factor `probe` against each other, in whichever direction they differ; `None` where they do not.
pub fn told(factors: &[&str], levels: &[&str], table: &FactorTable, p: f64) -> Option<Finding> {
    if !factors.contains(&FactorName::Probe.name()) || p >= weight::REPORTED_BELOW {
        return None;
    }
    let at = |name: &str| levels.iter().position(|level| *level == name);
    let (attached, detached) = (at(PROBE_ATTACHED)?, at(PROBE_DETACHED)?);
    let Difference { share: difference, interval, method: after } = table.difference(detached, attached, 1);
    let (with, without) = (table.counts[attached], table.counts[detached]);
    let id = if difference > 0.0 { "better-with-probe" } else { "worse-with-probe" };
    let text = format!(
        "A probe on the board matters: {} of {} failed with it, {} of {} without.",
        with.failed,
        table.unit.count(with.n),
        without.failed,
        table.unit.count(without.n)
    );
    let finding = Finding::new(id, text, with.n + without.n, table.unit);
    let unit = format!("difference of shares of {}s", table.unit.name());
    let method = format!("{}, p = {p:.2e} after Benjamini-Hochberg; interval {after}", table.method);
    Some(finding.of_size(difference, Some(interval), &unit).by(method, weight::of_p_value(p)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::exact_test::Count;
    use crate::evidence::finding::Unit;

    fn id(with: u64, without: u64, p: f64) -> Option<String> {
        let counts = vec![Count { failed: with, n: 20 }, Count { failed: without, n: 20 }];
        let table = FactorTable::independent(Unit::Boot, counts, p, String::new());
        told(&["probe"], &[PROBE_ATTACHED, PROBE_DETACHED], &table, p).map(|finding| finding.id)
    }

    #[test]
    fn the_direction_is_told_and_a_difference_by_chance_is_not() {
        assert_eq!(id(0, 14, 1e-5).as_deref(), Some("better-with-probe"));
        assert_eq!(id(14, 0, 1e-5).as_deref(), Some("worse-with-probe"));
        assert_eq!(id(6, 9, 0.4), None);
    }
}
