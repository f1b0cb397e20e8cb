//! Verdict and snapshot to text, Markdown, HTML, JSON, CSV and JUnit.

pub mod failures;
pub mod json;
#[cfg(test)]
pub mod sample;
pub mod text;
pub mod wording;
