//! Verdict and snapshot to text, Markdown, HTML, JSON, CSV and JUnit.
