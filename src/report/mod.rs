//! Verdict and snapshot to text, Markdown, HTML, JSON, CSV and JUnit.

pub mod alterations;
pub mod chart;
pub mod collection;
pub mod course;
pub mod csv;
pub mod failures;
pub mod file;
pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
#[cfg(test)]
pub mod sample;
pub mod text;
pub mod triage_reply;
pub mod triage_text;
pub mod wording;
