//! Small pictures of numbers in one line of text: a bar, an interval on an axis, a sparkline.

use crate::observation::units::Micros;
use crate::tui::theme::Glyphs;

/// A bar of `share` (0 to 1) of the width; a share above nothing always shows.
pub fn bar(share: f64, width: u16, glyphs: &Glyphs) -> String {
    let parts = glyphs.bar.len();
    let total = usize::from(width) * parts;
    let mut filled = (share.clamp(0.0, 1.0) * total as f64).round() as usize;
    if filled == 0 && share > 0.005 && width > 0 {
        filled = 1;
    }
    let mut text = glyphs.bar[parts - 1].to_string().repeat(filled / parts);
    if !filled.is_multiple_of(parts) {
        text.push(glyphs.bar[filled % parts - 1]);
    }
    text
}

/// The interval as a line between two ends with the point on it, on an axis from 0 to 1.
pub fn interval(point: f64, interval: (f64, f64), width: u16, glyphs: &Glyphs) -> String {
    if width == 0 {
        return String::new();
    }
    let last = f64::from(width - 1);
    let place = |value: f64| (value.clamp(0.0, 1.0) * last).round() as usize;
    let mut cells = vec![glyphs.track; usize::from(width)];
    let [left, line, dot, right] = glyphs.interval;
    let (from, to) = (place(interval.0), place(interval.1).max(place(interval.0)));
    cells[from..=to].fill(line);
    cells[from] = left;
    cells[to] = right;
    cells[place(point)] = dot;
    cells.into_iter().collect()
}

/// The latest values, oldest first, each as a height between zero and the largest of them.
pub fn spark(values: &[Micros], width: u16, glyphs: &Glyphs) -> String {
    let shown = &values[values.len().saturating_sub(usize::from(width))..];
    let largest = shown.iter().map(|value| value.0).max().unwrap_or(0);
    let top = glyphs.spark.len() - 1;
    let level =
        |value: u64| if largest == 0 { 0 } else { (value as f64 / largest as f64 * top as f64).round() as usize };
    shown.iter().map(|value| glyphs.spark[level(value.0)]).collect()
}

/// A share in whole percent, with one decimal below 10.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 9.95 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

/// A span in at most seven characters: `870us`, `24.1ms`, `3.60s`, `2m05s`.
pub fn short_span(span: Micros) -> String {
    span.to_string().replace(" min ", "m").replace(' ', "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::{ASCII, UNICODE};
    use proptest::prelude::*;

    #[test]
    fn a_bar_has_parts_of_a_cell() {
        assert_eq!(bar(0.5, 8, &UNICODE), "████");
        assert_eq!(bar(0.58, 8, &UNICODE), "████▋");
        assert_eq!(bar(1.7, 4, &ASCII), "####");
        assert_eq!(bar(0.01, 8, &UNICODE), "▏");
        assert_eq!(bar(0.0, 8, &UNICODE), "");
    }

    #[test]
    fn an_interval_shows_its_ends_and_the_point() {
        assert_eq!(interval(0.4, (0.2, 0.6), 11, &UNICODE), "··├─●─┤····");
        assert_eq!(interval(0.0, (0.0, 0.1), 11, &ASCII), "o].........");
        assert_eq!(interval(f64::NAN, (0.0, 0.0), 3, &ASCII), "o..");
    }

    #[test]
    fn a_sparkline_shows_the_latest_values() {
        let values = [9, 0, 5, 10].map(Micros);
        assert_eq!(spark(&values, 3, &UNICODE), "▁▅█");
        assert_eq!(spark(&[Micros(0)], 3, &UNICODE), "▁");
        assert_eq!(spark(&[], 3, &UNICODE), "");
    }

    #[test]
    fn figures_are_short_and_carry_their_unit() {
        assert_eq!(percent(0.4118), "41 %");
        assert_eq!(percent(0.0312), "3.1 %");
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(short_span(Micros(24_100)), "24.1ms");
        assert_eq!(short_span(Micros(125_000_000)), "2m05s");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_number_breaks_a_gauge(a in any::<f64>(), b in any::<f64>(), c in any::<f64>(), width in 0u16..30) {
            for glyphs in [&UNICODE, &ASCII] {
                prop_assert!(bar(a, width, glyphs).chars().count() <= usize::from(width));
                prop_assert_eq!(interval(a, (b, c), width, glyphs).chars().count(), usize::from(width));
            }
        }
    }
}
