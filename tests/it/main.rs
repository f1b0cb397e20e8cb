//! Whole-program tests that need nothing but the program.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod architecture;
mod parts_commands;
mod profile_command;
mod profiles_against_facts;
mod verdict_schema;
