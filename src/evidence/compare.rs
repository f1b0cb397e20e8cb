//! Two arms, cases or spans side by side: the difference, how sure it is, what is still needed, and one sentence to paste.
//!
//! The unit is the boot. Where both sides ran in the same boots they are compared within them, by cycles. A test counts boots of each
//! side's own or shared ones; where there are both the fewer are left out, and the sentence says so. Where a side is a single
//! boot its cycles are counted, and the sentence says that nothing decided at power-up was tested.
//! Boots that come in streaks count for fewer.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Add;

use super::difference::{Difference, shrunk, worth_of_boots};
use super::e_value;
use super::exact_test::{self, Confidence, Count};
use super::finding::Unit;

/// 1.96 for a two-sided test at 5 %, 0.8416 for a power of 80 %.
const Z_OF_TEST_AND_POWER: f64 = 1.959_964 + 0.841_621;

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// As the sentence is to call it.
    pub name: String,
    /// In the order in which they ran.
    pub boots: Vec<SideBoot>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SideBoot {
    /// Equal on both sides where it is the same boot.
    pub id: u64,
    pub cycles: u64,
    pub failed: u64,
}

impl SideBoot {
    /// Of its cycles.
    fn count(&self) -> Count {
        Count { failed: self.failed, n: self.cycles }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    pub unit: Unit,
    pub a: Count,
    pub b: Count,
    /// Share of `b` minus share of `a`, with its 95 % interval.
    pub difference: f64,
    pub interval: (f64, f64),
    pub p: f64,
    pub method: String,
    /// Valid however often the campaign was looked at; only on boots.
    pub e_value: Option<f64>,
    /// How many more per side would show a difference of this size with a power of 80 %; none where it is shown already,
    /// or where there is none to show.
    pub needed: Option<u64>,
    pub sentence: String,
}

/// `None` where a side holds no cycle.
pub fn compare(a: &Side, b: &Side) -> Option<Comparison> {
    if a.boots.is_empty() || b.boots.is_empty() {
        return None;
    }
    let Compared { a, b, left_out } = &Compared::of(a, b);
    let shared = shared_boots(a, b);
    let unit = if !shared.is_empty() || a.boots.len() == 1 || b.boots.len() == 1 { Unit::Cycle } else { Unit::Boot };
    let (count_a, count_b) = (count(a, unit), count(b, unit));
    let worth = if unit == Unit::Boot { worth_of_boots(outcomes(a)).min(worth_of_boots(outcomes(b))) } else { 1.0 };
    let (p, test) = if shared.is_empty() {
        let (p, test) = exact_test::p_value(shrunk(count_a, worth), shrunk(count_b, worth));
        (
            p,
            if worth < 1.0 {
                format!("{test}, boots in streaks counted as {:.0} %", 100.0 * worth)
            } else {
                test.to_owned()
            },
        )
    } else {
        let (p, way) = exact_test::within_strata(shared.iter().copied());
        (p, format!("stratified test within boots, {way}"))
    };
    let difference = Difference::within(shared.iter().map(|(a, b)| (*b, *a)), Confidence::OF_ONE)
        .unwrap_or_else(|| Difference::of_streaks(count_b, count_a, worth, Confidence::OF_ONE));
    let mut comparison = Comparison {
        unit,
        a: count_a,
        b: count_b,
        difference: difference.share,
        interval: difference.interval,
        p,
        method: test,
        e_value: (unit == Unit::Boot && worth >= 1.0).then(|| e_value::of_pairs(outcomes(a), outcomes(b))),
        needed: if p < 0.05 { None } else { still_needed(count_a, count_b, worth) },
        sentence: String::new(),
    };
    comparison.sentence = sentence(a, b, &comparison) + left_out;
    Some(comparison)
}

/// The boots of either side that one test can count.
struct Compared {
    a: Side,
    b: Side,
    /// A sentence; empty where all boots are compared.
    left_out: String,
}

impl Compared {
    fn of(a: &Side, b: &Side) -> Self {
        let ids = |side: &Side| side.boots.iter().map(|boot| boot.id).collect::<BTreeSet<u64>>();
        let (ids_a, ids_b) = (ids(a), ids(b));
        let shared: BTreeSet<u64> = ids_a.intersection(&ids_b).copied().collect();
        let (own_a, own_b) = (ids_a.len() - shared.len(), ids_b.len() - shared.len());
        if shared.is_empty() || own_a + own_b == 0 {
            return Self { a: a.clone(), b: b.clone(), left_out: String::new() };
        }
        let within = shared.len() >= own_a.min(own_b);
        let only = |side: &Side| {
            let boots = side.boots.iter().filter(|boot| shared.contains(&boot.id) == within).copied().collect();
            Side { name: side.name.clone(), boots }
        };
        let left_out = if within {
            format!(" Left out: {} in which one side alone ran.", Unit::Boot.count((own_a + own_b) as u64))
        } else {
            format!(" Left out: {} in which both sides ran.", Unit::Boot.count(shared.len() as u64))
        };
        Self { a: only(a), b: only(b), left_out }
    }
}

fn outcomes(side: &Side) -> impl Iterator<Item = bool> + '_ {
    side.boots.iter().map(|boot| boot.failed > 0)
}

fn count(side: &Side, unit: Unit) -> Count {
    if unit == Unit::Boot {
        return Count { failed: outcomes(side).filter(|failed| *failed).count() as u64, n: side.boots.len() as u64 };
    }
    side.boots.iter().map(SideBoot::count).fold(Count::default(), Count::add)
}

/// The cycles of each boot in which both sides ran.
fn shared_boots(a: &Side, b: &Side) -> Vec<(Count, Count)> {
    let of_b: BTreeMap<u64, Count> = b.boots.iter().map(|boot| (boot.id, boot.count())).collect();
    a.boots.iter().filter_map(|boot| Some((boot.count(), *of_b.get(&boot.id)?))).collect()
}

/// Cohen's arcsine approximation (1988) to the size of each side, less what is there.
fn still_needed(a: Count, b: Count, streaks: f64) -> Option<u64> {
    let angle = |count: Count| 2.0 * count.share().sqrt().asin();
    let effect = (angle(a) - angle(b)).abs();
    if effect < 1e-9 {
        return None;
    }
    let needed = (2.0 * (Z_OF_TEST_AND_POWER / effect).powi(2) / streaks).ceil() as u64;
    Some(needed.saturating_sub(a.n.min(b.n)).max(1))
}

fn sentence(a: &Side, b: &Side, found: &Comparison) -> String {
    let unit = found.unit.name();
    let side = |side: &Side, count: Count| {
        format!(
            "{} failed in {} of {} ({:.0} %)",
            side.name,
            count.failed,
            found.unit.count(count.n),
            100.0 * count.share()
        )
    };
    let points = 100.0 * found.difference;
    let way = if points < 0.0 { "fewer" } else { "more" };
    let (low, high) = if points < 0.0 { (-found.interval.1, -found.interval.0) } else { found.interval };
    let e = found
        .e_value
        .map(|e| match e {
            ..10.0 => format!("; e = {e:.1}"),
            ..1000.0 => format!("; e = {e:.0}"),
            _ => "; e > 1000".to_owned(),
        })
        .unwrap_or_default();
    let mut text = format!(
        "{}, {}: {:.0} percentage points {way} (95 % interval {:.0} to {:.0}; {}, {}{e}).",
        side(a, found.a),
        side(b, found.b),
        points.abs(),
        100.0 * low,
        100.0 * high,
        found.method,
        p_value(found.p)
    );
    if found.p >= 0.05 {
        text.push_str(" That does not show a difference");
        if let Some(needed) = found.needed {
            text.push_str(&format!(
                "; one of this size would take about {needed} more {unit}{} per side",
                if needed == 1 { "" } else { "s" }
            ));
        }
        text.push('.');
    }
    if a.boots.len() == 1 || b.boots.len() == 1 {
        text.push_str(" A side of one boot tests nothing that is decided at power-up.");
    }
    text
}

fn p_value(p: f64) -> String {
    match p {
        ..0.001 => "p < 0.001".to_owned(),
        ..0.1 => format!("p = {p:.3}"),
        _ => format!("p = {p:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(name: &str, first_id: u64, failed: impl Iterator<Item = u64>) -> Side {
        let boots = failed.zip(first_id..).map(|(failed, id)| SideBoot { id, cycles: 5, failed }).collect();
        Side { name: name.to_owned(), boots }
    }

    fn every(n: u64, of: u64) -> impl Iterator<Item = u64> {
        (0..of).map(move |boot| if boot % n == 0 { 5 } else { 0 })
    }

    #[test]
    fn a_mended_board_gives_a_sentence_to_paste() {
        let found = compare(&side("before", 0, every(2, 40)), &side("after", 100, every(20, 40))).unwrap();
        assert_eq!(
            (found.unit, found.a, found.b),
            (Unit::Boot, Count { failed: 20, n: 40 }, Count { failed: 2, n: 40 })
        );
        insta::assert_snapshot!(found.sentence);
    }

    #[test]
    fn what_is_not_shown_says_what_it_would_take() {
        let found = compare(&side("hub", 0, every(5, 20)), &side("direct", 100, every(10, 20))).unwrap();
        assert!(found.p > 0.05);
        insta::assert_snapshot!(found.sentence);
    }

    #[test]
    fn one_boot_per_side_is_said_to_be_one() {
        let found = compare(&side("a", 0, [3].into_iter()), &side("b", 9, [0].into_iter())).unwrap();
        assert_eq!(found.unit, Unit::Cycle);
        assert!(found.sentence.ends_with("A side of one boot tests nothing that is decided at power-up."));
        assert_eq!(found.e_value, None);
    }

    #[test]
    fn sides_of_the_same_boots_are_compared_within_them() {
        // Both sides fail in the same bad boots: boots would show nothing, and within them nothing differs.
        let found = compare(&side("64", 0, every(2, 20)), &side("2048", 0, every(2, 20))).unwrap();
        assert_eq!(found.unit, Unit::Cycle);
        assert!(found.p > 0.9 && found.method.starts_with("stratified"), "{found:?}");
    }

    #[test]
    fn a_boot_that_both_sides_share_by_chance_is_left_out() {
        let (a, b) = (side("2048", 1, every(2, 13)), side("64", 13, every(3, 12)));
        let found = compare(&a, &b).unwrap();
        assert_eq!((found.unit, found.a.n, found.b.n), (Unit::Boot, 12, 11));
        assert!((found.difference - (found.b.share() - found.a.share())).abs() < 1e-12, "{found:?}");
        assert!(found.sentence.ends_with(" Left out: 1 boot in which both sides ran."), "{}", found.sentence);
    }

    #[test]
    fn among_shared_boots_only_they_are_counted() {
        let (a, b) = (side("2048", 0, every(2, 20)), side("64", 0, every(3, 22)));
        let found = compare(&a, &b).unwrap();
        assert_eq!((found.unit, found.a.n, found.b.n), (Unit::Cycle, 100, 100));
        assert!((found.difference - (found.b.share() - found.a.share())).abs() < 1e-12, "{found:?}");
        assert!(found.sentence.ends_with(" Left out: 2 boots in which one side alone ran."), "{}", found.sentence);
    }

    #[test]
    fn streaks_make_boots_worth_less() {
        let streaky = side("a", 0, (0..40).map(|boot| if boot < 14 { 5 } else { 0 }));
        let strewn = side("a", 0, (0..40).map(|boot| if boot * 14 % 40 < 14 { 5 } else { 0 }));
        let other = side("b", 100, every(40, 40));
        let (one, two) = (compare(&streaky, &other).unwrap(), compare(&strewn, &other).unwrap());
        assert_eq!(one.a, two.a);
        assert!(one.p > 10.0 * two.p, "{} {}", one.p, two.p);
    }

    /// Cohen (1988), table 6.4.1: 80 % power at 5 % two-sided, h = 0.5 takes 63 per side. 6 of 41 and 14 of 39 are 0.4998 apart in h.
    #[test]
    fn the_size_needed_agrees_with_the_published_table() {
        let (a, b) = (Count { failed: 6, n: 41 }, Count { failed: 14, n: 39 });
        assert_eq!(still_needed(a, b, 1.0), Some(63 - 39));
        assert_eq!(still_needed(b, a, 0.5), Some(126 - 39), "boots in streaks are worth half");
        assert_eq!(still_needed(a, a, 1.0), None);
    }
}
