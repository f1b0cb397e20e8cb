//! Whole-program tests that need nothing but the program.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod architecture;
mod verdict_schema;
