//! Charts as inline SVG. Positions across are percentages, so that a chart fits any width without a script and its text
//! keeps its size; every colour is doubled by a letter or a shape.

pub mod latency;
pub mod rate;
pub mod strip;

/// A share of the width as an SVG length.
fn across(share: f64) -> String {
    format!("{:.2}%", share.clamp(0.0, 1.0) * 100.0)
}
