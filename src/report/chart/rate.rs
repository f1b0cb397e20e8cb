//! The share of failed boots as it settled, with the interval that held at every moment.

use maud::{Markup, html};

use super::across;
use crate::evidence::confidence_sequence::{ALPHA, interval};
use crate::evidence::rate::Rate;
use crate::investigation::snapshot::BootStrip;
use crate::report::wording::percent;

const HEIGHT: f64 = 160.0;
const MOST_POINTS: usize = 240;

/// What was known after each boot.
struct Moment {
    boots: usize,
    share: f64,
    interval: (f64, f64),
    bad: bool,
}

/// The chart, or nothing where fewer than two boots make it pointless.
pub fn rate(boots: &[BootStrip], known: Option<&Rate>) -> Option<Markup> {
    let moments = moments(boots, known.map_or(1.0, worth));
    let last = moments.last().filter(|last| last.boots >= 2)?;
    let highest = moments.iter().map(|moment| moment.share).fold(0.0, f64::max);
    let top = nice_top(highest.max(last.interval.1 * 1.6));
    let y = |share: f64| format!("{:.1}", HEIGHT * (1.0 - (share / top).clamp(0.0, 1.0)));
    let n = last.boots as f64;
    let words = format!(
        "Share of failed boots after {} boots: {}, 95 % interval {} to {}",
        last.boots,
        percent(last.share),
        percent(last.interval.0),
        percent(last.interval.1)
    );
    Some(html! {
        div.plot {
            svg.scale width="44" height=(HEIGHT + 8.0) aria-hidden="true" {
                @for step in 0..=4 {
                    @let share = top * f64::from(step) / 4.0;
                    text x="38" y=(HEIGHT * (1.0 - f64::from(step) / 4.0) + 4.0) text-anchor="end" { (percent(share)) }
                }
            }
            svg.field width="100%" height=(HEIGHT + 24.0) role="img" aria-label=(words) {
                @for step in 0..=4 {
                    @let level = y(top * f64::from(step) / 4.0);
                    line.grid x1="0" x2="100%" y1=(level) y2=(level) {}
                }
                @for pair in starts(&moments) { (segment(pair, n, &y)) }
                @for pair in moments.windows(2) {
                    @let x = across(pair[0].boots as f64 / n);
                    line.share x1=(x) x2=(x) y1=(y(pair[0].share)) y2=(y(pair[1].share)) {}
                }
                @for moment in moments.iter().filter(|moment| moment.bad) {
                    circle.failed cx=(across((moment.boots as f64 - 0.5) / n)) cy=(HEIGHT + 6.0) r="2.5" {}
                }
                text.axis x="0" y=(HEIGHT + 22.0) { "boot 1" }
                text.axis x="100%" y=(HEIGHT + 22.0) text-anchor="end" { "boot " (last.boots) }
            }
        }
    })
}

/// From one moment to the next: the band and the line.
fn segment((from, start): (&Moment, usize), n: f64, y: &impl Fn(f64) -> String) -> Markup {
    let (x1, x2) = (across(start as f64 / n), across(from.boots as f64 / n));
    let (low, high) = (y(from.interval.0), y(from.interval.1));
    let width = across((from.boots - start) as f64 / n);
    let height = low.parse::<f64>().unwrap_or_default() - high.parse::<f64>().unwrap_or_default();
    let level = y(from.share);
    html! {
        rect.band x=(x1) y=(high) width=(width) height=(format!("{height:.1}")) {}
        line.share x1=(x1) x2=(x2) y1=(level) y2=(level) {}
    }
}

/// Every moment with the number of boots at which its segment begins.
fn starts(moments: &[Moment]) -> impl Iterator<Item = (&Moment, usize)> {
    let before = std::iter::once(0).chain(moments.iter().map(|moment| moment.boots));
    moments.iter().zip(before)
}

fn moments(boots: &[BootStrip], worth: f64) -> Vec<Moment> {
    let counted: Vec<_> = boots.iter().filter(|strip| !strip.cycles.is_empty()).collect();
    let every = counted.len().div_ceil(MOST_POINTS).max(1);
    let (mut failed, mut bad_since, mut moments) = (0, false, Vec::new());
    for (index, strip) in counted.iter().enumerate() {
        let bad = strip.cycles.iter().any(|mark| mark.failure.is_some());
        failed += usize::from(bad);
        bad_since |= bad;
        let n = index + 1;
        if n % every == 0 || n == counted.len() {
            let (k, n) = (failed as f64, n as f64);
            moments.push(Moment {
                boots: index + 1,
                share: k / n,
                interval: interval(k * worth, n * worth, ALPHA),
                bad: std::mem::take(&mut bad_since),
            });
        }
    }
    moments
}

/// What one boot is worth where boots come in streaks: with it, the band ends at the interval that stands in the figures.
fn worth(known: &Rate) -> f64 {
    let (failed, n) = (known.failed as f64, known.n as f64);
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        let too_narrow = interval(failed * middle, n * middle, ALPHA).1 < known.interval.1;
        if too_narrow { high = middle } else { low = middle }
    }
    high
}

/// The next round share that is at least `share`.
fn nice_top(share: f64) -> f64 {
    [0.01, 0.02, 0.04, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0].into_iter().find(|top| *top >= share).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::finding::Unit;
    use crate::report::sample;

    #[test]
    fn the_last_moment_is_the_whole_campaign() {
        let moments = moments(&sample::campaign().boots, 1.0);
        let last = moments.last().unwrap();
        assert_eq!((last.boots, last.share), (20, 0.2));
        assert!(last.interval.0 < 0.2 && last.interval.1 > 0.2);
        assert_eq!(moments.iter().filter(|moment| moment.bad).count(), 4);
    }

    #[test]
    fn one_boot_makes_no_chart() {
        let snapshot = sample::campaign();
        assert!(rate(&snapshot.boots[..1], None).is_none());
        assert!(rate(&snapshot.boots[..2], None).is_some());
    }

    #[test]
    fn the_band_ends_at_the_interval_of_the_figures() {
        let known = Rate { kind: None, failed: 4, n: 20, unit: Unit::Boot, interval: interval(1.2, 6.0, ALPHA) };
        assert!((worth(&known) - 0.3).abs() < 1e-6);
        let last = moments(&sample::campaign().boots, worth(&known)).pop().unwrap();
        assert!((last.interval.1 - known.interval.1).abs() < 1e-6);
    }
}
