//! How long each step took, on one logarithmic axis: recent cycles as dots, p50 to p95 as a box, the slowest as a stroke.

use maud::{Markup, html};

use super::across;
use crate::evidence::rate::StepLatency;
use crate::observation::units::Micros;

const ROW: usize = 30;
const MOST_DOTS: usize = 120;

/// The chart with its figures; nothing where no step was timed.
pub fn latency(steps: &[StepLatency]) -> Option<Markup> {
    let axis = Axis::over(steps)?;
    Some(html! {
        div.latency {
            div.row.head { span {} span {} span { "p50" } span { "p95" } span { "max" } }
            @for step in steps { (row(step, &axis)) }
            div.row.foot {
                span {}
                svg width="100%" height="18" aria-hidden="true" {
                    @for (place, decade) in axis.decades() {
                        text.axis x=(across(place)) y="13" text-anchor=(anchor(place)) { (unit_of(decade)) }
                    }
                }
            }
        }
        p.note {
            "Dots are the latest cycles, the box spans p50 to p95, the stroke marks the slowest. Only steps that succeeded are timed here."
        }
    })
}

fn row(step: &StepLatency, axis: &Axis) -> Markup {
    let (p50, p95, max) = (axis.place(step.p50), axis.place(step.p95), axis.place(step.max));
    let middle = ROW / 2;
    let words = format!("{}: p50 {}, p95 {}, max {}, n {}", step.phase, step.p50, step.p95, step.max, step.n);
    let skipped = step.recent.len().saturating_sub(MOST_DOTS);
    html! {
        div.row {
            span.name { (step.phase) span.n { "n " (step.n) } }
            svg width="100%" height=(ROW) role="img" aria-label=(words) {
                @for (place, _) in axis.decades() {
                    line.grid x1=(across(place)) x2=(across(place)) y1="0" y2="100%" {}
                }
                line.reach x1=(across(p50)) x2=(across(max)) y1=(middle) y2=(middle) {}
                rect.box x=(across(p50)) width=(across((p95 - p50).max(0.004))) y=(middle - 7) height="14" rx="2" {}
                @for (index, span) in step.recent[skipped..].iter().enumerate() {
                    circle.dot cx=(across(axis.place(*span))) cy=(middle + index * 7 % 11 - 5) r="1.8" {}
                }
                line.median x1=(across(p50)) x2=(across(p50)) y1=(middle - 9) y2=(middle + 9) {}
                line.max x1=(across(max)) x2=(across(max)) y1=(middle - 5) y2=(middle + 5) {}
            }
            span.figure { (step.p50) }
            span.figure { (step.p95) }
            span.figure { (step.max) }
        }
    }
}

/// A logarithmic axis over whole decades of microseconds.
struct Axis {
    low: i32,
    high: i32,
}

impl Axis {
    fn over(steps: &[StepLatency]) -> Option<Self> {
        let all = || steps.iter().flat_map(|step| step.recent.iter().copied().chain([step.p50, step.max]));
        let low = log(all().min()?).floor() as i32;
        let high = log(all().max()?).ceil() as i32;
        Some(Self { low, high: high.max(low + 1) })
    }

    fn place(&self, span: Micros) -> f64 {
        (log(span) - f64::from(self.low)) / f64::from(self.high - self.low)
    }

    /// Every decade with its place.
    fn decades(&self) -> impl Iterator<Item = (f64, i32)> {
        (self.low..=self.high).map(|decade| (f64::from(decade - self.low) / f64::from(self.high - self.low), decade))
    }
}

fn log(span: Micros) -> f64 {
    (span.0.max(1) as f64).log10()
}

/// The labels at the ends stay inside.
fn anchor(place: f64) -> &'static str {
    match place {
        p if p <= 0.0 => "start",
        p if p >= 1.0 => "end",
        _ => "middle",
    }
}

fn unit_of(decade: i32) -> String {
    let (exponent, unit) = match decade {
        ..3 => (decade, "us"),
        3..6 => (decade - 3, "ms"),
        _ => (decade - 6, "s"),
    };
    format!("{} {unit}", 10_u64.pow(exponent.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_axis_spans_whole_decades() {
        let axis = Axis::over(&sample::campaign().latencies).unwrap();
        let labels: Vec<_> = axis.decades().map(|(_, decade)| unit_of(decade)).collect();
        assert_eq!(labels, ["10 ms", "100 ms", "1 s"]);
        assert_eq!(axis.place(Micros::from_millis(100)), 0.5);
    }

    #[test]
    fn nothing_timed_makes_no_chart() {
        assert!(latency(&[]).is_none());
    }
}
